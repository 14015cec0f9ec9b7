"""The backbone is small, safe to load, of eight classes, and its script makes such a file."""

import re
from dataclasses import replace
from pathlib import Path

import torch

from commands.predictor import load_predictor
from helpers.data import load
from helpers.data.load import OBJECTS
from helpers.recipes import TrainingConfig
from tools.stored.make_backbone import FOLDER, HELD_OUT, make, without


def test_the_file_is_small_and_holds_a_model_of_the_other_classes() -> None:
    assert (FOLDER / "weights.pt").stat().st_size <= 300_000
    predictor = load_predictor(FOLDER / "weights.pt", "cpu")
    assert predictor.classes == tuple(name for name in OBJECTS if name not in HELD_OUT)


def test_its_page_says_what_it_is() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(name in text for name in (*HELD_OUT, "CIFAR-10", "36,000"))
    assert re.search(r"validation \d\d\.\d %, test \d\d\.\d %", text)


def test_the_script_leaves_two_classes_out_and_writes_what_can_be_loaded(tmp_path: Path) -> None:
    whole = load("cifar10", mode="sample")
    data = without(whole, HELD_OUT)
    kept = whole.train.labels != OBJECTS.index("dog")
    kept &= whole.train.labels != OBJECTS.index("horse")
    assert torch.equal(data.train.images, whole.train.images[kept])
    names = [data.classes[label] for label in data.train.labels.tolist()]
    assert names == [OBJECTS[label] for label in whole.train.labels[kept].tolist()]

    few = replace(data, train=data.train[:32], val=data.val[:16], test=data.test[:16])
    make(few, TrainingConfig(epochs=1, batch_size=16), tmp_path)
    predictor = load_predictor(tmp_path / "weights.pt", "cpu")
    assert predictor.classes == data.classes and predictor.mean == data.mean
    assert "32 for training" in (tmp_path / "README.md").read_text(encoding="utf-8")
