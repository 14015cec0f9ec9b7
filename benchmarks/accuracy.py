"""How long it takes to reach a validation accuracy: the usual loop, and this course's recipe.

Every training runs in a process of its own, which loads the data itself. Seconds are those of the
clock on the wall from where the model is built: the choice of the precision and the validation
after every epoch count, imports and loading do not.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import summary
from benchmarks.processes import ProcessError, in_fresh_process, peak_memory
from benchmarks.profiles import BASELINE, Goal, Profile
from benchmarks.task import Task
from helpers.data.batches import Batches, ImageData
from helpers.data.load import load
from helpers.models import build_model
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.training import EVALUATION_BATCH_SIZE, fit, predict_logits

CONTESTANTS = (BASELINE, "fit")


@dataclass(frozen=True)
class Attempt:
    """One training towards a goal. `mode` is where `load` takes the data from; `images` is the
    largest number of images that a split may have.
    """

    contestant: str
    goal: Goal
    seed: int
    usual_model: str
    images: int | None
    mode: str
    device: str
    threads: int

    def __str__(self) -> str:
        return f"{self.goal}: {self.contestant}, seed {self.seed}"


class Curve:
    """Seconds since the start and validation accuracy, after every epoch."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.seconds: list[float] = []
        self.val_accuracy: list[float] = []

    def add(self, val_accuracy: float) -> None:
        self.seconds.append(time.perf_counter() - self.started)
        self.val_accuracy.append(val_accuracy)

    def seconds_to(self, accuracy: float) -> float | None:
        """When it was reached for the first time; None if never."""
        pairs = zip(self.seconds, self.val_accuracy, strict=True)
        return next((s for s, reached in pairs if reached >= accuracy), None)


def goal_config(goal: Goal, data: ImageData, seed: int) -> TrainingConfig:
    """The fast CNN's recipe, its schedule as long as the goal says."""
    found = with_epochs(recipe("fastcnn", data.name), goal.epochs)
    return replace(found, precision="auto", seed=seed)


def usual_config(seed: int) -> TrainingConfig:
    """What the usual loop takes: Adam with learning rate 1e-3, batches of 256, float32."""
    return TrainingConfig(batch_size=256, optimizer="adam", lr=1e-3, seed=seed)


def train(attempt: Attempt) -> dict[str, Any]:
    """Load the data, train, and, for `fit`, measure the test split once with the best weights.

    Returns:
        seconds and val_accuracy (0 to 1) after every epoch, seconds_to_goal (None: not reached),
        total_seconds, load_seconds, memory_peak (bytes, of the whole process), precision, config;
        test_accuracy and test_accuracy_flips where they were measured, else None.
    """
    torch.set_num_threads(attempt.threads)
    started = time.perf_counter()
    data = shortened(load(attempt.goal.dataset, mode=attempt.mode), attempt.images)
    load_seconds = time.perf_counter() - started
    curve, found = TRAIN[attempt.contestant](attempt, data)
    to_goal = curve.seconds_to(attempt.goal.accuracy)
    return {
        "contestant": attempt.contestant,
        "seed": attempt.seed,
        "seconds": [round(value, 3) for value in curve.seconds],
        "val_accuracy": [round(value, 5) for value in curve.val_accuracy],
        "seconds_to_goal": None if to_goal is None else round(to_goal, 3),
        "total_seconds": round(curve.seconds[-1], 3),
        "load_seconds": round(load_seconds, 3),
        "memory_peak": peak_memory(),
        "test_accuracy": None,
        "test_accuracy_flips": None,
    } | found


def shortened(data: ImageData, images: int | None) -> ImageData:
    """`data` with at most so many images in each split."""
    train, val, test = data.train[:images], data.val[:images], data.test[:images]
    return replace(data, train=train, val=val, test=test)


def train_usual(attempt: Attempt, data: ImageData) -> tuple[Curve, dict[str, Any]]:
    """The tutorials' loop, until it is at the goal or has had its epochs."""
    from benchmarks import usual  # needs torchvision, which `fit` does without

    config = replace(usual_config(attempt.seed), epochs=attempt.goal.usual_epochs)
    task = Task(attempt.usual_model, data, config, torch.device(attempt.device))
    torch.manual_seed(attempt.seed)
    curve = Curve()
    for val_accuracy in islice(usual.val_accuracies(task), config.epochs):
        curve.add(val_accuracy)
        if val_accuracy >= attempt.goal.accuracy:
            break
    return curve, {"precision": config.precision, "config": asdict(config)}


def train_fit(attempt: Attempt, data: ImageData) -> tuple[Curve, dict[str, Any]]:
    """This course's recipe, to the end of its schedule."""
    config = goal_config(attempt.goal, data, attempt.seed)
    curve = Curve()
    model = build_model(
        "fastcnn", data.image_shape, data.num_classes, attempt.goal.size, attempt.seed
    )
    history = fit(
        model,
        data,
        config,
        device=attempt.device,
        progress=False,
        after_epoch=lambda state: curve.add(state["rows"][-1]["val_accuracy"]),
    )
    history.load_best(model)
    found = {"precision": history.precision, "config": asdict(config)}
    return curve, found | test_accuracies(model, data, history.precision)


TRAIN: dict[str, Callable[[Attempt, ImageData], tuple[Curve, dict[str, Any]]]] = {
    BASELINE: train_usual,
    "fit": train_fit,
}


def test_accuracies(model: nn.Module, data: ImageData, precision: str) -> dict[str, Any]:
    """Accuracy on the test split: of the images, and of the images with their mirror images.

    With mirror images the mean of both softmax outputs counts. Where a mirrored image is none of
    its class (digits), that is None.
    """
    batches = data.batches("test", EVALUATION_BATCH_SIZE)
    logits, labels = predict_logits(model, batches, precision)
    found: dict[str, Any] = {"test_accuracy": share_right(logits, labels)}
    if data.augmentation.flip:
        mirrored, _ = predict_logits(model, mirror(batches), precision)
        mean = (logits.softmax(dim=1) + mirrored.softmax(dim=1)) / 2
        found["test_accuracy_flips"] = share_right(mean, labels)
    return found


def mirror(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches with every image mirrored, left to right."""
    return ((images.flip(3), labels) for images, labels in batches)


def share_right(scores: Tensor, labels: Tensor) -> float:
    """The part of the rows of `scores` (`N x classes`) whose largest number is at the label."""
    return round((scores.argmax(dim=1) == labels).float().mean().item(), 5)


def measure(
    profile: Profile,
    goals: Sequence[Goal],
    datasets: dict[str, ImageData],
    device: torch.device,
    seeds: int,
    tell: Callable[[str], None],
) -> Iterator[tuple[Goal, dict[str, Any]]]:
    """Try all goals with the first seed, then all with the next one, and so on.

    Yields:
        after every training its goal, and all that is known about this goal until then.
    """
    runs: dict[Goal, list[dict[str, Any]]] = {goal: [] for goal in goals}
    for attempt in attempts(profile, goals, datasets, device, seeds):
        tell(f"accuracy: {attempt}")
        try:
            runs[attempt.goal].append(in_fresh_process(train, attempt))
        except ProcessError as error:
            raise ProcessError(f"accuracy: {attempt}: {error}; is there enough memory?") from error
        data = datasets[attempt.goal.dataset]
        yield attempt.goal, describe(attempt.goal, data, runs[attempt.goal])


def attempts(
    profile: Profile,
    goals: Sequence[Goal],
    datasets: dict[str, ImageData],
    device: torch.device,
    seeds: int,
) -> Iterator[Attempt]:
    """All trainings in their order. The usual loop takes long: it runs with one seed."""
    for seed in range(seeds):
        for goal in goals:
            for contestant in CONTESTANTS:
                if contestant == BASELINE and (seed > 0 or not goal.usual_epochs):
                    continue
                yield Attempt(
                    contestant,
                    goal,
                    seed,
                    profile.usual_model,
                    profile.accuracy_images,
                    "sample" if datasets[goal.dataset].is_sample else "full",
                    str(device),
                    torch.get_num_threads(),
                )


def describe(goal: Goal, data: ImageData, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """A goal, all its trainings, and what they say together.

    `ratio` says how many times as long as `fit` the usual loop needs: each training of `fit`
    against the usual loop's median. It is None unless every training reached the goal.
    """
    by_name = {name: [r for r in runs if r["contestant"] == name] for name in CONTESTANTS}
    by_name = {name: found for name, found in by_name.items() if found}
    return {
        "dataset": data.title,
        "source": data.source,
        "accuracy": goal.accuracy,
        "contestants": {name: together(found) for name, found in by_name.items()},
        "ratio": usual_to_fit(by_name),
        "runs": runs,
    }


def together(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the trainings of one contestant say together; seconds to the goal of those there."""
    reached = [r["seconds_to_goal"] for r in runs if r["seconds_to_goal"] is not None]
    found: dict[str, Any] = {
        "runs": len(runs),
        "reached": len(reached),
        "epochs": max(len(run["seconds"]) for run in runs),
        "seconds_to_goal": summary(reached) if reached else None,
    }
    for name in ("total_seconds", "load_seconds", "memory_peak"):
        values = [run[name] for run in runs]
        found[name] = None if None in values else summary(values)
    for name in ("test_accuracy", "test_accuracy_flips"):
        values = [run[name] for run in runs]
        found[name] = None if None in values else mean_and_std(values)
    return found


def mean_and_std(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation (divided by n - 1); one value has none."""
    std = round(statistics.stdev(values), 5) if len(values) > 1 else None
    return {"mean": round(statistics.mean(values), 5), "std": std}


def usual_to_fit(runs: dict[str, list[dict[str, Any]]]) -> dict[str, float] | None:
    """The usual loop's seconds to the goal as multiples of those of `fit`."""
    seconds = {name: [r["seconds_to_goal"] for r in found] for name, found in runs.items()}
    if set(seconds) != set(CONTESTANTS) or any(None in found for found in seconds.values()):
        return None
    usual = statistics.median(seconds[BASELINE])
    return summary([usual / value for value in seconds["fit"]])
