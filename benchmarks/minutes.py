"""Accuracy after minutes: whole trainings of several lengths, each with a schedule of its own.

`fit` and Muon (`benchmarks.muon`) are measured on the test split, once, with the weights after the
last step: nothing is chosen. The usual loop has no schedule, so one training gives all its lengths.
Every training runs in a process of its own, and its seconds are those of `benchmarks.accuracy`.
"""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks import muon, usual
from benchmarks.measure import train_apart
from benchmarks.tasks import Datasets, Profile, Task, load_part
from helpers.data.batches import ImageData
from helpers.models import build_model
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.training import EVALUATION_BATCH_SIZE, best_device, evaluate, fit


def train(name: str, epochs: int, dataset: str, images: int | None, mode: str) -> dict[str, Any]:
    """Load at most so many images a split and train; `name`: usual, fit or muon.

    Returns:
        contestant, epochs, precision, seconds and val_accuracy (0 to 1; a list each, of moments of
        the training), test_accuracy (None: not measured).
    """
    data = load_part(dataset, images, mode)
    found = {"usual": _usual, "fit": _fit, "muon": _muon}[name](data, epochs, best_device())
    return {"contestant": name, "epochs": epochs} | found


def _usual(data: ImageData, epochs: int, device: torch.device) -> dict[str, Any]:
    torch.manual_seed(0)
    task = Task("FastCNN large", data, TrainingConfig(optimizer="adam", lr=1e-3), device)
    started, moments = time.perf_counter(), []
    for accuracy in itertools.islice(usual.val_accuracies(task), epochs):
        moments.append((time.perf_counter() - started, accuracy))
    return {"precision": "fp32", "test_accuracy": None} | _rounded(moments)


def _fit(data: ImageData, epochs: int, device: torch.device) -> dict[str, Any]:
    config = with_epochs(recipe("fastcnn", data.name), epochs)
    started, moments = time.perf_counter(), []
    model = build_model("fastcnn", data.image_shape, data.num_classes)

    def note(state: dict[str, Any]) -> None:
        moments.append((time.perf_counter() - started, state["rows"][-1]["val_accuracy"]))

    precision = fit(model, data, config, device=device, progress=False, after_epoch=note).precision
    test = evaluate(model, data.batches("test", EVALUATION_BATCH_SIZE), precision).accuracy
    return {"precision": precision, "test_accuracy": round(test, 5)} | _rounded(moments)


def _muon(data: ImageData, epochs: int, device: torch.device) -> dict[str, Any]:
    batch_size = 250 if epochs < 3 else 500 if epochs < 10 else 1000  # few epochs need more steps
    settings = muon.Settings(epochs=epochs, batch_size=batch_size)
    found = muon.train(data, settings, device)
    test = evaluate(
        found.pop("network"), data.batches("test", EVALUATION_BATCH_SIZE), found["precision"]
    ).accuracy
    return {"test_accuracy": round(test, 5)} | found


def _rounded(moments: list[tuple[float, float]]) -> dict[str, list[float]]:
    return {
        "seconds": [round(seconds, 2) for seconds, _ in moments],
        "val_accuracy": [round(accuracy, 5) for _, accuracy in moments],
    }


def measure(profile: Profile, datasets: Datasets) -> Iterator[dict[str, Any]]:
    """All lengths of all contestants on the last of the data sets, once, with seed 0.

    Yields:
        after every training all that is known until then.
    """
    dataset = profile.datasets[-1]
    data, runs = datasets[dataset], []
    for name, lengths in profile.lengths.items():
        for epochs in lengths:
            what = f"minutes: {name}, {epochs} epochs"
            mode = "sample" if data.is_sample else "full"
            arguments = (name, epochs, dataset, profile.accuracy_images, mode)
            runs.append(train_apart(what, train, *arguments))
            yield {"dataset": data.title, "source": data.source, "runs": list(runs)}
