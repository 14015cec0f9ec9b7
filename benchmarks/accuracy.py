"""How long it takes to reach a validation accuracy: the usual loop, and this course's recipe.

Every training runs in a process of its own, which loads the data itself. Seconds are those of the
clock on the wall from where the model is built: the choice of the precision and the validation
after every epoch count, imports and loading do not.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from benchmarks.measure import mean_and_std, setting, summary, train_apart
from benchmarks.tasks import Datasets, Goal, Profile, Task, load_part
from helpers.models import build_model
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.training import EVALUATION_BATCH_SIZE, evaluate, fit


def train(
    name: str, goal: Goal, seed: int, images: int | None, mode: str, device: str
) -> dict[str, Any]:
    """Load at most so many images a split (`mode` as in `load`) and train; `name`: usual or fit.

    Returns:
        seconds and val_accuracy (0 to 1) after every epoch, seconds_to_goal (None: not reached),
        test_accuracy (None: not measured), precision, config.
    """
    data, precision, test = load_part(goal.dataset, images, mode), "fp32", None
    epochs: list[tuple[float, float]] = []
    started = time.perf_counter()

    def add(val_accuracy: float) -> None:
        epochs.append((round(time.perf_counter() - started, 3), round(val_accuracy, 5)))

    if name == "usual":
        from benchmarks import usual  # needs torchvision, which `fit` does without

        config = TrainingConfig(batch_size=256, optimizer="adam", lr=1e-3, seed=seed)
        torch.manual_seed(seed)
        task = Task("origin large", data, config, torch.device(device))
        for val_accuracy in itertools.islice(usual.val_accuracies(task), goal.usual_epochs):
            add(val_accuracy)
            if val_accuracy >= goal.accuracy:
                break
    else:
        config = replace(recipe("fastcnn", data.name), precision="auto", seed=seed)
        config = with_epochs(config, goal.epochs)
        model = build_model("fastcnn", data.image_shape, data.num_classes, goal.size, seed)

        def note(state: dict[str, Any]) -> None:
            add(state["rows"][-1]["val_accuracy"])

        history = fit(model, data, config, device=device, progress=False, after_epoch=note)
        precision = history.precision
        history.load_best(model)  # the test split is used once, at the end of the schedule
        test = evaluate(model, data.batches("test", EVALUATION_BATCH_SIZE), precision).accuracy
    return {
        **{"contestant": name, "seed": seed, "precision": precision, "config": asdict(config)},
        **{"seconds": [s for s, _ in epochs], "val_accuracy": [a for _, a in epochs]},
        "seconds_to_goal": next((s for s, a in epochs if a >= goal.accuracy), None),
        "test_accuracy": test,
    }


def measure(
    profile: Profile, goals: Sequence[Goal], datasets: Datasets, device: torch.device, seeds: int
) -> Iterator[tuple[Goal, dict[str, Any]]]:
    """Try all goals with the first seed, then all with the next one; the usual loop with one.

    Yields:
        after every training its goal, and all that is known about this goal until then.
    """
    runs: dict[Goal, list[dict[str, Any]]] = {goal: [] for goal in goals}
    for seed, goal, name in itertools.product(range(seeds), goals, ("usual", "fit")):
        if name == "usual" and (seed or not goal.usual_epochs):
            continue
        data, what = datasets[goal.dataset], f"accuracy: {goal}: {name}, seed {seed}"
        mode = "sample" if data.is_sample else "full"
        arguments = (name, goal, seed, profile.accuracy_images, mode, str(device))
        runs[goal].append(train_apart(what, train, *arguments))
        names = dict.fromkeys(run["contestant"] for run in runs[goal])
        found = {"setting": setting(profile.name, seeds, device), "dataset": data.title}
        found |= {"source": data.source, "accuracy": goal.accuracy}
        trained = {n: together([r for r in runs[goal] if r["contestant"] == n]) for n in names}
        yield goal, found | {"contestants": trained, "runs": list(runs[goal])}


def together(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the trainings of one contestant say together; seconds to the goal of those there."""
    reached = [r["seconds_to_goal"] for r in runs if r["seconds_to_goal"] is not None]
    test = [run["test_accuracy"] for run in runs if run["test_accuracy"] is not None]
    return {
        **{"runs": len(runs), "reached": len(reached)},
        "epochs": max(len(run["seconds"]) for run in runs),
        "seconds_to_goal": summary(reached) if reached else None,
        "total_seconds": summary([run["seconds"][-1] for run in runs]),
        "test_accuracy": mean_and_std(test) if test else None,
    }
