"""What a training can be told, and what it cannot."""

import math

import pytest

from helpers.recipes import TrainingConfig, recipe, with_changes, with_epochs

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


def test_image_sizes_share_the_epochs_in_their_order():
    sizes = TrainingConfig(epochs=7, image_sizes=(16, 20, 28)).size_of_epoch
    assert sizes == (16, 16, 16, 20, 20, 28, 28)
    assert TrainingConfig(epochs=2, image_sizes=(16, 20, 28)).size_of_epoch == (16, 20)
    assert TrainingConfig(epochs=2).size_of_epoch == ()


def test_a_shorter_run_keeps_its_share_of_warm_up():
    whole = recipe("fastcnn", "cifar10")
    short = with_epochs(whole, 1)
    assert short.epochs == 1 and 0 < short.warmup_epochs < 1
    assert with_epochs(short, whole.epochs) == whole


def test_with_changes_takes_what_is_given():
    changes = {"lr": 0.5, "early_stopping": 0, "epochs": None, "out": "somewhere"}
    config = with_changes(TrainingConfig(early_stopping=3), changes)
    assert config == TrainingConfig(lr=0.5)


def test_an_own_folder_takes_the_recipe_of_the_photographs():
    assert recipe("cnn", "holidays") == recipe("cnn", "cifar10") != recipe("cnn", "mnist")
