"""Accuracy after minutes: whole trainings of several lengths, each with a schedule of its own.

`fit` and Muon (`benchmarks.muon`) are measured on the test split, once, with the weights after the
last step: nothing is chosen. The usual loop has no schedule, so one training gives all its lengths.
Every training runs in a process of its own, and its seconds are those of `benchmarks.accuracy`.
"""

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks import muon, usual
from benchmarks.measure import mean_and_std, summary, train_apart
from benchmarks.tasks import Datasets, Profile, Task, load_part
from helpers.data.batches import ImageData
from helpers.models import build_model
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.training import EVALUATION_BATCH_SIZE, best_device, evaluate, fit

# The trainings by `fit`: a model, and whether its images grow; each by the recipe of its model.
BY_FIT = {
    "fit": ("fastcnn", True),
    "fit_whole": ("fastcnn", False),
    "cnn_growing": ("cnn", True),
    "cnn_whole": ("cnn", False),
}
CONTESTANTS = {
    "usual": "usual loop, fast CNN, Adam",
    "fit": "this course: fit, fast CNN",
    "fit_whole": "fit, fast CNN, whole images",
    "cnn_growing": "fit, large CNN, growing images",
    "cnn_whole": "fit, large CNN, whole images",
    "muon": "benchmarks.muon",
}


def train(
    name: str, epochs: int, seed: int, dataset: str, images: int | None, mode: str
) -> dict[str, Any]:
    """Load at most so many images a split and train; `name`: one of CONTESTANTS.

    Returns:
        contestant, epochs, seed, precision, seconds and val_accuracy (0 to 1; a list each, of
        moments of the training), test_accuracy (None: not measured).
    """
    data = load_part(dataset, images, mode)
    way = partial(_fit, name) if name in BY_FIT else {"usual": _usual, "muon": _muon}[name]
    found = way(data, epochs, seed, best_device())
    return {"contestant": name, "epochs": epochs, "seed": seed} | found


def _usual(data: ImageData, epochs: int, seed: int, device: torch.device) -> dict[str, Any]:
    torch.manual_seed(seed)
    config = TrainingConfig(optimizer="adam", lr=1e-3, seed=seed)
    task = Task("FastCNN large", data, config, device)
    started, moments = time.perf_counter(), []
    for accuracy in itertools.islice(usual.val_accuracies(task), epochs):
        moments.append((time.perf_counter() - started, accuracy))
    return {"precision": "fp32", "test_accuracy": None} | _rounded(moments)


def _fit(
    name: str, data: ImageData, epochs: int, seed: int, device: torch.device
) -> dict[str, Any]:
    model_name, growing = BY_FIT[name]
    sizes = recipe("fastcnn", data.name).image_sizes if growing else ()
    config = with_epochs(recipe(model_name, data.name), epochs)
    config = replace(config, image_sizes=sizes, precision="auto", seed=seed)
    started, moments = time.perf_counter(), []
    model = build_model(model_name, data.image_shape, data.num_classes, seed=seed)

    def note(state: dict[str, Any]) -> None:
        moments.append((time.perf_counter() - started, state["rows"][-1]["val_accuracy"]))

    precision = fit(model, data, config, device=device, progress=False, after_epoch=note).precision
    test = evaluate(model, data.batches("test", EVALUATION_BATCH_SIZE), precision).accuracy
    return {"precision": precision, "test_accuracy": round(test, 5)} | _rounded(moments)


def _muon(data: ImageData, epochs: int, seed: int, device: torch.device) -> dict[str, Any]:
    batch_size = 250 if epochs < 3 else 500 if epochs < 10 else 1000  # few epochs need more steps
    settings = muon.Settings(epochs=epochs, batch_size=batch_size, seed=seed)
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


def ends(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What all seeds give together at the end of every length; of the usual loop, every epoch."""
    together: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in runs:
        moments = list(zip(run["seconds"], run["val_accuracy"], strict=True))
        usual = run["contestant"] == "usual"  # it has no schedule: every epoch may be its last
        for epoch, (seconds, accuracy) in enumerate(moments if usual else moments[-1:], start=1):
            key = run["contestant"], epoch if usual else run["epochs"]
            end = run | {"seconds": seconds, "val_accuracy": accuracy}
            together.setdefault(key, []).append(end)
    found, order = [], [*CONTESTANTS]
    for (contestant, epochs), each in sorted(
        together.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
    ):
        about = {"contestant": contestant, "epochs": epochs, "precision": each[0]["precision"]}
        test = [end["test_accuracy"] for end in each if end["test_accuracy"] is not None]
        found.append(
            about
            | {"runs": len(each), "seconds": summary([end["seconds"] for end in each])}
            | {"val_accuracy": mean_and_std([end["val_accuracy"] for end in each])}
            | {"test_accuracy": mean_and_std(test) if test else None}
        )
    return found


def measure(
    profile: Profile, datasets: Datasets, seeds: Iterable[int], known: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """All trainings with the first seed, then with the next one, on the last of the data sets.

    `known`: trainings that are there already; they are kept and not made again.

    Yields:
        after every training all that is known until then.
    """
    dataset = profile.datasets[-1]
    data, runs = datasets[dataset], list(known)
    there = {(run["seed"], run["contestant"], run["epochs"]) for run in known}
    for seed, (name, epochs) in itertools.product(seeds, profile.lengths):
        if (seed, name, epochs) not in there:
            what = f"minutes: {name}, {epochs} epochs, seed {seed}"
            mode = "sample" if data.is_sample else "full"
            arguments = (name, epochs, seed, dataset, profile.accuracy_images, mode)
            runs.append(train_apart(what, train, *arguments))
            about = {"dataset": data.title, "source": data.source}
            yield about | {"ends": ends(runs), "runs": list(runs)}
