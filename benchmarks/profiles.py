"""How much a run measures."""

from collections.abc import Mapping
from dataclasses import dataclass

PARTS = ("throughput", "limit", "growth")
BASELINE = "usual"
CONTESTANTS = {
    BASELINE: "usual loop",
    "usual_workers": "usual loop, 2 workers",
    "usual_lightning": "usual Lightning",
    "fit": "this course: fit",
    "lightning": "this course: Lightning",
}


@dataclass(frozen=True)
class Profile:
    """The amount of work of a run.

    `images` says for each model how many training images one timed epoch has (fewer if the data
    set has fewer): about as many as take a second or more, since a computer's clock and its other
    programs make shorter times unsteady. `growth_images` is the smallest number of images whose
    growth is looked at; the largest is four times that.
    """

    name: str
    repetitions: int
    images: Mapping[str, int]
    datasets: tuple[str, ...] = ("mnist", "cifar10")
    matrix_sizes: tuple[int, ...] = (1024, 2048, 4096)
    growth_images: int = 2048
    growth_sizes: tuple[str, ...] = ("small", "middle", "large")
    growth_batch_sizes: tuple[int, ...] = (64, 256, 1024)


FULL = Profile(
    "full",
    repetitions=5,
    images={
        "linear": 60_000,
        "CNN small": 4096,
        "CNN middle": 2048,
        "CNN large": 1024,
        "origin large": 1024,
    },
)
QUICK = Profile(
    "quick",
    repetitions=2,
    images={
        "linear": 8192,
        "CNN small": 1024,
        "CNN large": 256,
        "origin large": 256,
    },
    datasets=("cifar10",),
    matrix_sizes=(1024, 2048),
    growth_images=512,
    growth_sizes=("small", "large"),
    growth_batch_sizes=(64, 256),
)
