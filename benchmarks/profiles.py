"""How much a run measures."""

from collections.abc import Mapping
from dataclasses import dataclass

PARTS = ("throughput", "limit", "accuracy", "growth", "start")
BASELINE = "usual"
CONTESTANTS = {
    BASELINE: "usual loop",
    "usual_workers": "usual loop, 2 workers",
    "usual_lightning": "usual Lightning",
    "fit": "this course: fit",
    "lightning": "this course: Lightning",
}


@dataclass(frozen=True)
class Goal:
    """A validation accuracy (0 to 1) that a training is to reach.

    `epochs` is the length of the recipe's schedule for the fast CNN of that `size`. The usual loop
    has no schedule: it stops at the goal, or after `usual_epochs`; with 0 it does not run.
    """

    dataset: str
    accuracy: float
    epochs: int
    size: str = "large"
    usual_epochs: int = 0

    def __str__(self) -> str:
        return f"{self.dataset} {self.accuracy:g}"


@dataclass(frozen=True)
class Profile:
    """The amount of work of a run.

    `images` says for each model how many training images one timed epoch has (fewer if the data
    set has fewer): about as many as take a second or more, since a computer's clock and its other
    programs make shorter times unsteady. `growth_images` is the smallest number of images whose
    growth is looked at, the others are `growth_factors` times that.

    In the accuracy part every goal is tried with so many `seeds`, the usual loop with one; with
    `accuracy_images` each split has at most so many images.
    """

    name: str
    repetitions: int
    images: Mapping[str, int]
    datasets: tuple[str, ...] = ("mnist", "cifar10")
    matrix_sizes: tuple[int, ...] = (1024, 2048, 4096)
    growth_images: int = 2048
    growth_factors: tuple[int, ...] = (1, 2, 4)
    growth_sizes: tuple[str, ...] = ("small", "middle", "large")
    growth_batch_sizes: tuple[int, ...] = (64, 256, 1024)
    goals: tuple[Goal, ...] = ()
    seeds: int = 1
    usual_model: str = "origin large"
    accuracy_images: int | None = None


FULL = Profile(
    "full",
    repetitions=5,
    images={
        "linear": 60_000,
        "CNN small": 4096,
        "CNN middle": 2048,
        "CNN large": 1024,
        "FastCNN large": 1024,
        "origin large": 1024,
    },
    goals=(
        Goal("cifar10", 0.79, epochs=5, usual_epochs=10),
        Goal("cifar10", 0.85, epochs=10),
        Goal("cifar10", 0.9, epochs=14),
        Goal("mnist", 0.99, epochs=1, size="small"),
        Goal("mnist", 0.995, epochs=5, size="middle"),
    ),
    seeds=3,
)
QUICK = Profile(
    "quick",
    repetitions=2,
    images={
        "linear": 4096,
        "CNN small": 1024,
        "CNN large": 256,
        "origin large": 256,
    },
    datasets=("cifar10",),
    matrix_sizes=(1024, 2048),
    growth_images=512,
    growth_factors=(1, 4),
    growth_sizes=("small", "large"),
    growth_batch_sizes=(256,),
    goals=(Goal("cifar10", 0.3, epochs=3, size="small", usual_epochs=3),),
    usual_model="CNN small",
    accuracy_images=8192,
)
