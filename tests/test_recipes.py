"""What a training can be told, and what it cannot."""

import inspect
import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.data.batches import ImageData
from helpers.models import MODEL_NAMES
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.training import make_optimizer, make_scheduler

ROOT = Path(__file__).resolve().parent.parent

BAD = {
    "epochs": (0, 100_001),
    "batch_size": (0, 2**31),
    "optimizer": ("lion",),
    "lr": (0.0, math.inf, math.nan),
    "momentum": (-0.1, 1.0),
    "weight_decay": (-1.0, math.inf),
    "scheduler": ("poly",),
    "warmup_epochs": (-1.0, 10.0),
    "label_smoothing": (-0.1, 1.0),
    "early_stopping": (-1,),
    "image_sizes": ((16, 0),),
    "precision": ("fp8",),
    "seed": (-1, 2**31),
}
LAST_GOOD = {
    "epochs": (1, 100_000),
    "batch_size": (1, 2**31 - 1),
    "lr": (1e-12, 1e12),
    "momentum": (0.0, 0.999),
    "weight_decay": (0.0, 1e12),
    "warmup_epochs": (0.0, 9.999),
    "label_smoothing": (0.0, 0.999),
    "early_stopping": (0,),
    "image_sizes": ((16, 1),),
    "seed": (0, 2**31 - 1),
}
TOGETHER = (
    {"warmup_epochs": 1.0, "scheduler": "onecycle"},
    {"nesterov": True, "optimizer": "adam"},
    {"nesterov": True, "optimizer": "sgd", "momentum": 0.0},
)


@pytest.mark.parametrize(
    "settings", [*({name: value} for name in BAD for value in BAD[name]), *TOGETHER], ids=str
)
def test_bad_settings_are_one_line_that_names_them(settings):
    with pytest.raises(ValueError) as error:
        TrainingConfig(**settings)
    said = str(error.value).replace("-", "").replace("learning rate", "lr")
    assert "\n" not in said and next(iter(settings)).replace("_", " ") in said


@pytest.mark.parametrize("name", LAST_GOOD)
def test_settings_up_to_their_limits_are_taken(name):
    for value in LAST_GOOD[name]:
        assert getattr(TrainingConfig(**{name: value}), name) == value


def test_without_settings_a_training_is_a_plain_one():
    plain = TrainingConfig()
    assert (plain.optimizer, plain.scheduler, plain.precision) == ("adam", "none", "fp32")
    extras = ("nesterov", "weight_decay", "warmup_epochs", "label_smoothing", "augment")
    extras += ("image_sizes", "early_stopping", "seed")
    assert not any(getattr(plain, name) for name in extras)
    adam, batches = inspect.signature(torch.optim.Adam), inspect.signature(ImageData.batches)
    assert plain.lr == adam.parameters["lr"].default
    assert plain.batch_size == batches.parameters["batch_size"].default


@pytest.mark.parametrize("data", ["mnist", "cifar10"])
@pytest.mark.parametrize("model", MODEL_NAMES)
def test_a_recipe_comes_to_rest_and_uses_what_its_optimizer_has(model, data):
    """The rate reaches its highest value on the way and is as good as 0 in the end."""
    config = recipe(model, data)
    optimizer = make_optimizer(nn.Linear(1, 1), config)
    scheduler = make_scheduler(optimizer, config, 10)
    rates = []
    for _ in range(10 * config.epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert max(rates) == pytest.approx(config.lr, rel=1e-3)
    assert optimizer.param_groups[0]["lr"] < 1e-5 * config.lr
    assert optimizer.param_groups[0].get("nesterov", True), "free, and never worse"
    assert config.augment == (model != "softmax"), "one matrix fits no shifted images"


def test_photographs_take_longer_than_digits():
    for model in MODEL_NAMES:
        assert recipe(model, "mnist").epochs < recipe(model, "cifar10").epochs


def test_published_numbers_name_the_recipe_that_they_came_from():
    """Another recipe wants another measurement: `python -m benchmarks --only accuracy`."""
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    for data, goal in (("mnist", "mnist 0.995"), ("cifar10", "cifar10 0.9")):
        for run in results["accuracy"]["goals"][goal]["runs"]:
            config = asdict(recipe("fastcnn", data)) | {"seed": run["seed"]}
            assert run["config"] == config | {"image_sizes": [*config["image_sizes"]]}


def test_image_sizes_share_the_epochs_in_their_order():
    sizes = TrainingConfig(epochs=7, image_sizes=(16, 20, 28)).size_of_epoch
    assert sizes == (16, 16, 16, 20, 20, 28, 28)
    assert TrainingConfig(epochs=2, image_sizes=(16, 20, 28)).size_of_epoch == (20, 28)
    assert TrainingConfig(epochs=2).size_of_epoch == ()


@pytest.mark.parametrize("sizes", [(16, 20, 24, 32), (16, 24, 32)])
def test_the_last_epoch_sees_full_size_images_however_short_the_training(sizes):
    for epochs in range(1, 16):
        of_epoch = TrainingConfig(epochs=epochs, image_sizes=sizes).size_of_epoch
        assert len(of_epoch) == epochs and of_epoch[-1] == 32
        assert list(of_epoch) == sorted(of_epoch)


def test_a_shorter_run_keeps_its_share_of_warm_up():
    whole = recipe("fastcnn", "cifar10")
    short = with_epochs(whole, 1)
    assert short.epochs == 1 and 0 < short.warmup_epochs < 1
    assert with_epochs(short, whole.epochs) == whole


def test_an_own_folder_takes_the_recipe_of_the_photographs():
    assert recipe("cnn", "holidays") == recipe("cnn", "cifar10") != recipe("cnn", "mnist")
