"""What this course wants to reach, beside what was measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.profiles import BASELINE

Results = dict[str, Any]
# A label, and the smallest, median and largest value.
Found = tuple[str, dict[str, float]]


@dataclass(frozen=True)
class Target:
    """A bound for a number. `find` gives the measured ones; the worst of them decides."""

    title: str
    bound: float
    at_least: bool
    unit: str
    find: Callable[[Results], list[Found]]

    def worst(self, results: Results) -> Found | None:
        """The measured number that is furthest from the bound; None if none was measured."""
        found = self.find(results)
        choose = min if self.at_least else max
        return choose(found, key=lambda each: each[1]["median"]) if found else None

    def is_reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


def throughput(key: str, name: str, *models: str) -> Callable[[Results], list[Found]]:
    """Ratios of the throughput part, of some models or, without names, of all."""

    def find(results: Results) -> list[Found]:
        return [
            (f"{each['model']}, {each['dataset']}", each[key][name])
            for each in results.get("throughput", {}).get("comparisons", [])
            if not models or each["model"] in models
        ]

    return find


def limit(read: Callable[[Results], dict[str, float]], *models: str) -> Callable:
    """A number of the limit part."""

    def find(results: Results) -> list[Found]:
        return [
            (f"{each['model']}, {each['dataset']}", read(each))
            for each in results.get("limit", {}).get("models", [])
            if not models or each["model"] in models
        ]

    return find


def goal(name: str, read: Callable[[Results], dict[str, float] | None]) -> Callable:
    """A number of one goal of the accuracy part."""

    def find(results: Results) -> list[Found]:
        one = results.get("accuracy", {}).get("goals", {}).get(name)
        value = None if one is None else read(one)
        return [] if value is None else [(one["dataset"], value)]

    return find


def fit_of(name: str) -> Callable[[Results], dict[str, float] | None]:
    """A number of the trainings of `fit` towards a goal."""
    return lambda one: one["contestants"]["fit"][name]


def seconds_to_goal(one: Results) -> dict[str, float]:
    """Seconds of the trainings of `fit`; infinite where one of them did not reach the goal."""
    found = one["contestants"]["fit"]
    if found["reached"] < found["runs"]:
        return dict.fromkeys(("median", "min", "max"), math.inf)
    return found["seconds_to_goal"]


def ratio(one: Results) -> dict[str, float] | None:
    """The usual loop's seconds over those of `fit`; 0 where a training did not reach the goal."""
    if BASELINE not in one["contestants"]:
        return None
    return one["ratio"] or dict.fromkeys(("median", "min", "max"), 0.0)


def test_accuracy(one: Results) -> dict[str, float] | None:
    """Mean of the test accuracy, with one standard deviation on both sides."""
    found = one["contestants"]["fit"]["test_accuracy"]
    if found is None:
        return None
    mean, std = found["mean"], found["std"] or 0.0
    return {"median": mean, "min": mean - std, "max": mean + std}


def loads(title: str) -> Callable[[Results], list[Found]]:
    def find(results: Results) -> list[Found]:
        found = results.get("start", {}).get("loads", [])
        return [(e["dataset"], e["seconds"]) for e in found if e["dataset"] == title]

    return find


def imports(results: Results) -> list[Found]:
    found = results.get("start", {}).get("imports")
    return [] if found is None else [("all that train.py imports", found["train"])]


ADVANTAGE = "fit beside the usual loop without workers"
TARGETS = (
    Target(ADVANTAGE, 5, True, "×", throughput("ratio", "fit", "origin large")),
    Target(ADVANTAGE, 3, True, "×", throughput("ratio", "fit", "CNN small", "CNN middle")),
    Target(ADVANTAGE, 15, True, "×", throughput("ratio", "fit", "linear")),
    Target("Lightning beside fit", 0.97, True, "×", throughput("lightning_to_fit", "lightning")),
    Target(
        "data's share of a step, CNNs",
        5,
        False,
        "%",
        limit(
            lambda each: each["share"]["data"],
            "CNN small",
            "CNN middle",
            "CNN large",
            "FastCNN large",
            "origin large",
        ),
    ),
    Target("data's share of a step", 5, False, "%", limit(lambda e: e["share"]["data"], "linear")),
    Target(
        "part of the matrix peak",
        45,
        True,
        "%",
        limit(lambda each: each["part_of_peak"], "CNN large"),
    ),
    Target(
        "usual loop's seconds to 79 % / fit's",
        25,
        True,
        "×",
        goal("cifar10 0.79", ratio),
    ),
    Target("test accuracy of the fast recipe", 90, True, "%", goal("cifar10 0.9", test_accuracy)),
    Target(
        "seconds of the fast recipe", 600, False, "s", goal("cifar10 0.9", fit_of("total_seconds"))
    ),
    Target(
        "memory of the fast recipe", 3000, False, "MB", goal("cifar10 0.9", fit_of("memory_peak"))
    ),
    Target("seconds to 99.5 %", 120, False, "s", goal("mnist 0.995", seconds_to_goal)),
    Target("seconds to 99 %", 15, False, "s", goal("mnist 0.99", seconds_to_goal)),
    Target("load from the prepared file", 1, False, "s", loads("MNIST")),
    Target("load from the prepared file", 2, False, "s", loads("CIFAR-10")),
    Target("import beside PyTorch", 0.3, False, "s", imports),
)
SCALES = {"%": 100.0, "MB": 1e-6}


def target_rows(results: Results) -> list[tuple[str, ...]]:
    """Title, case, bound, measured, reached: one row for every target that was measured."""
    rows = []
    for target in TARGETS:
        worst = target.worst(results)
        if worst is None:
            continue
        label, found = worst
        scale = SCALES.get(target.unit, 1.0)
        value, low, high = (f"{scale * found[key]:.4g}" for key in ("median", "min", "max"))
        never = found["median"] in (0, math.inf)
        sign = "≥" if target.at_least else "≤"
        reached = target.is_reached(scale * found["median"])
        rows.append(
            (
                target.title,
                label,
                f"{sign} {target.bound:g} {target.unit}",
                "a training did not get there" if never else f"{value} ({low} – {high})",
                "yes" if reached else "no",
            )
        )
    return rows
