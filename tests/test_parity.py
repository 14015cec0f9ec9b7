"""The same numbers, bit for bit: the notebook's loop, `fit` and Lightning; CPU, float32."""

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

from helpers.data.load import load
from helpers.lightning import (
    HistoryCallback,
    ImageDataModule,
    LitClassifier,
    early_stopping,
    quiet_lightning,
)
from helpers.models import build_model
from helpers.recipes import TrainingConfig
from helpers.training import evaluate, fit, make_optimizer

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
COLUMNS = ("train_loss", "val_loss", "val_accuracy")
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "lr": 0.05},
    "adam": {"optimizer": "adam", "lr": 1e-3},
}
# Every two of these settings together at least once; all sixteen combinations prove no more.
CASES = [
    ("linear", "mnist", "sgd", False),
    ("linear", "mnist", "adam", True),
    ("linear", "cifar10", "sgd", True),
    ("linear", "cifar10", "adam", False),
    ("cnn", "mnist", "sgd", True),
    ("cnn", "mnist", "adam", False),
    ("cnn", "cifar10", "sgd", False),
    ("cnn", "cifar10", "adam", True),
]


@pytest.fixture(scope="module")
def data():
    return {name: load(name, mode="sample").subset(200) for name in ("mnist", "cifar10")}


def chapter_2() -> dict[str, Any]:
    """`train_one_epoch` and `measure` of chapter 2, as a reader runs them."""
    tree = ast.parse((ROOT / "notebooks" / "02_linear_model.py").read_text(encoding="utf-8"))
    named = ("train_one_epoch", "measure")
    body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in named]
    scope: dict[str, Any] = {"torch": torch, "F": F, "device": CPU}
    exec(compile(ast.Module(body=body, type_ignores=[]), "chapter 2", "exec"), scope)
    return scope


def by_notebook(model, images, config):
    loop, optimizer = chapter_2(), make_optimizer(model, config)
    batches = images.batches(
        "train", config.batch_size, shuffle=True, augment=config.augment, seed=config.seed
    )
    rows = []
    for epoch in range(config.epochs):
        batches.set_epoch(epoch)
        train_loss = loop["train_one_epoch"](model, batches, optimizer)
        val_loss, accuracy = loop["measure"](model, images.batches("val", 500))
        rows.append((train_loss.item(), val_loss.item(), accuracy.item()))
    return dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))


def by_fit(model, images, config, **options):
    history = fit(model, images, config, device=CPU, progress=False, **options)
    return {column: history[column] for column in COLUMNS}


def by_lightning(model, images, config, also_test=False, state=None, after_epoch=None):
    quiet_lightning()
    kept = HistoryCallback(config, state=state, after_epoch=after_epoch)
    done = len(kept.history)
    trainer = pl.Trainer(
        max_epochs=kept.epochs_left,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[kept, *early_stopping(config, kept.history)],
    )
    module = LitClassifier(model, config, images.num_classes, first_epoch=done)
    batches = ImageDataModule(images, config)
    trainer.fit(module, datamodule=batches)
    if also_test:
        return trainer.test(module, datamodule=batches, verbose=False)[0]
    return {column: kept.history[column] for column in COLUMNS}


@pytest.mark.parametrize(("name", "data_name", "optimizer", "augment"), CASES)
def test_three_loops_give_equal_losses_accuracies_and_weights(
    name, data_name, optimizer, augment, data
):
    images = data[data_name]
    config = TrainingConfig(
        epochs=2, batch_size=48, augment=augment, seed=3, **OPTIMIZERS[optimizer]
    )
    curves, weights = [], []
    for train in (by_notebook, by_fit, by_lightning):
        model = build_model(name, images.image_shape, images.num_classes, "small", config.seed)
        torch.rand(len(curves))  # what ran before must not matter
        curve = train(model, images, config)
        # Chapter 2 divides in 32 bits.
        curve["val_accuracy"] = torch.tensor(curve["val_accuracy"]).tolist()
        curves.append(curve)
        weights.append(model.state_dict())
    assert curves[0] == curves[1] == curves[2]
    assert len(curves[0]["val_loss"]) == 2 and curves[0]["train_loss"][0] > 0
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]) and torch.equal(value, weights[2][key]), key


@pytest.mark.parametrize(
    "changes",
    [
        {"scheduler": "onecycle", "nesterov": True, "label_smoothing": 0.1, "augment": True},
        {"scheduler": "cosine", "warmup_epochs": 1.0, "weight_decay": 1e-3},
        {"optimizer": "rmsprop", "lr": 5e-4, "scheduler": "step"},
        {"optimizer": "adamw", "lr": 1e-3, "early_stopping": 1},
        {"image_sizes": (16, 24), "augment": True, "scheduler": "linear"},
    ],
)
def test_fit_and_lightning_agree_on_everything_else_a_run_can_have(changes, data):
    config = TrainingConfig(epochs=3, batch_size=64, **({"optimizer": "sgd", "lr": 0.05} | changes))
    images = data["mnist"]
    curves, weights = [], []
    for train in (by_fit, by_lightning):
        model = build_model("cnn", images.image_shape, images.num_classes, "small")
        curve = train(model, images, config)
        # Chapter 2 divides in 32 bits.
        curve["val_accuracy"] = torch.tensor(curve["val_accuracy"]).tolist()
        curves.append(curve)
        weights.append(model.state_dict())
    assert curves[0] == curves[1]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"scheduler": "cosine", "augment": True},
        {"early_stopping": 2, "lr": 1e-30},
        {"early_stopping": 1, "lr": 1e-30, "image_sizes": (16, 20, 28)},
    ],
    ids=str,
)
def test_either_goes_on_where_the_other_stopped(changes, data, capsys):
    """With so small a rate the first epoch stays the best, and a patience of two ends after the
    third. While images grow, no patience ends.
    """
    name = "cnn" if "image_sizes" in changes else "linear"
    images, config = data["mnist"], TrainingConfig(epochs=4, batch_size=64, **changes)
    curves, states = [], {}
    for train in (by_fit, by_lightning):
        states[train] = []
        model = build_model(name, images.image_shape, images.num_classes)
        curves.append(train(model, images, config, after_epoch=states[train].append))
    assert curves[0] == curves[1]
    epochs = 3 if config.early_stopping == 2 else 4
    assert [len(kept) for kept in states.values()] == [epochs] * 2
    for first, then in ((by_fit, by_lightning), (by_lightning, by_fit)):
        for state in states[first][:-1]:
            model = build_model(name, images.image_shape, images.num_classes, seed=9)
            assert then(model, images, config, state=state) == curves[0]
            weights = states[first][-1]["model"]
            assert all(torch.equal(weights[k], v) for k, v in model.state_dict().items())
        kept = HistoryCallback(config, state=states[first][-1])
        assert kept.epochs_left == 0, "nothing is left to do"
    assert capsys.readouterr().err == "", "no bar and no line, as none was asked for"


def test_lightning_measures_the_test_split_as_evaluate_does(data):
    images, config = data["mnist"], TrainingConfig(epochs=1)
    model = build_model("linear", images.image_shape, images.num_classes)
    measured = by_lightning(model, images, config, also_test=True)
    expected = evaluate(model, images.batches("test", 500))
    assert measured["test_accuracy"] == expected.accuracy
    assert measured["test_loss"] == expected.loss


def test_lightning_counts_seconds_and_images_as_fit_does(data, monkeypatch):
    """Training takes 4 s here, validation 1 s."""
    clock, states = iter([10.0, 14.0, 15.0]), []
    monkeypatch.setattr("helpers.lightning.time", SimpleNamespace(perf_counter=clock.__next__))
    images, config = data["mnist"], TrainingConfig(epochs=1)
    model = build_model("linear", images.image_shape, images.num_classes)
    by_lightning(model, images, config, after_epoch=states.append)
    (row,) = states[-1]["rows"]
    assert row["seconds"] == 5.0 and row["images_per_second"] == 200 / 4
