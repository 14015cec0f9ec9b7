"""How time and memory grow with images, model, batch size, and shrink with threads and processes.

Every point is measured in a process of its own, or in several that train together.
"""

import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from benchmarks.measure import cores, interleave, ratios, summary
from benchmarks.processes import ProcessError, in_fresh_processes, peak_memory
from benchmarks.profiles import Profile
from benchmarks.task import VALIDATION_IMAGES
from helpers.data.batches import ImageData, Split
from helpers.models import build_model
from helpers.processes import joined
from helpers.recipes import TrainingConfig
from helpers.speed import settle_precision
from helpers.training import fit


@dataclass(frozen=True)
class Point:
    """One training of the CNN whose time and memory are measured.

    `batch_size` is that of all processes together, `threads` is the number in each of them.
    """

    images: int
    size: str
    batch_size: int
    threads: int
    processes: int = 1

    def __str__(self) -> str:
        return (
            f"{self.images} images, CNN {self.size}, batches of {self.batch_size}, "
            f"threads: {self.threads}, processes: {self.processes}"
        )


def make_base(profile: Profile, available: int, threads: int) -> Point:
    """The training that the others are compared with; `available` is how many images there are."""
    images = min(profile.growth_images, available // max(profile.growth_factors))
    batch_sizes = profile.growth_batch_sizes
    return Point(images, profile.growth_sizes[0], batch_sizes[len(batch_sizes) // 2], threads)


def make_axes(profile: Profile, base: Point, device: torch.device) -> dict[str, list[Point]]:
    """For every field of `Point`, the points that differ in it alone.

    All others are as in the base; but every one of several processes has one thread. They are
    compared on the CPU only: elsewhere each would need a device of its own.
    """
    few = range(1, 1 + min(2, cores()))
    single = replace(base, threads=1)
    axes = {
        "images": [replace(base, images=f * base.images) for f in profile.growth_factors],
        "size": [replace(base, size=size) for size in profile.growth_sizes],
        "batch_size": [replace(base, batch_size=size) for size in profile.growth_batch_sizes],
        "threads": [replace(base, threads=number) for number in sorted({*few, base.threads})],
    }
    if device.type == "cpu":
        axes["processes"] = [replace(single, processes=number) for number in few]
    return axes


def train_point(point: Point, content: bytes, device: str, precision: str) -> dict[str, Any]:
    """Train two epochs: seconds of the second one, without validation, and the peak memory.

    `content` is the pickled `ImageData`, with no more images than the point has.
    """
    torch.set_num_threads(point.threads)
    data: ImageData = pickle.loads(content)
    del content
    model = build_model("cnn", data.image_shape, data.num_classes, point.size)
    config = TrainingConfig(epochs=2, batch_size=point.batch_size, precision=precision)
    before = peak_memory()
    with joined(torch.device(device)):
        history = fit(model, data, config, device=device, progress=False)
    return {
        "seconds": len(data.train) / history["images_per_second"][1],
        "memory_before": before,
        "memory_peak": peak_memory(),
    }


def together(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The answers of processes that trained together, as one: the slowest, the largest, the sum.

    `memory_total` is the sum of their peaks; of what they share, each has counted its own.
    """
    found = {name: _largest([a[name] for a in answers]) for name in answers[0]}
    peaks = [answer["memory_peak"] for answer in answers]
    return found | {"memory_total": None if None in peaks else sum(peaks)}


def _largest(values: list[Any]) -> Any:
    return None if None in values else max(values)


def shortened(data: ImageData, images: int) -> bytes:
    """`data` with so many images, pickled. Copied first, lest all the others come along."""
    splits = {"train": data.train[:images], "val": data.val[:VALIDATION_IMAGES]}
    splits["test"] = data.test[:1]
    copied = {k: Split(s.images.clone(), s.labels.clone()) for k, s in splits.items()}
    return pickle.dumps(replace(data, **copied))


def measure(
    profile: Profile,
    datasets: dict[str, ImageData],
    device: torch.device,
    repetitions: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """All points, in turns, on the last of the data sets."""
    data = list(datasets.values())[-1]
    base = make_base(profile, len(data.train), torch.get_num_threads())
    axes = make_axes(profile, base, device)
    points = list(dict.fromkeys(point for axis in axes.values() for point in axis))
    tell(f"growth: {len(points)} trainings in turns, each in a process of its own")
    precision = {size: _settle(data, size, device) for size in profile.growth_sizes}

    def turn(point: Point) -> dict[str, Any]:
        arguments = (point, shortened(data, point.images), str(device), precision[point.size])
        try:
            return together(in_fresh_processes(point.processes, train_point, *arguments))
        except ProcessError as error:
            raise ProcessError(f"growth: {point}: {error}; is there enough memory?") from error

    # A fresh process warms up by itself, in its first epoch.
    turns = {str(point): lambda point=point: turn(point) for point in points}
    results = interleave(turns, repetitions, warm_ups=0)
    return {
        "dataset": data.title,
        "source": data.source,
        "base": asdict(base),
        "points": [
            {"axis": axis, **asdict(point), "precision": precision[point.size]}
            | describe(results[str(point)], results[str(compared_with(axis_points, base))])
            for axis, axis_points in axes.items()
            for point in axis_points
        ],
    }


def compared_with(points: list[Point], base: Point) -> Point:
    """What the points of an axis are compared with: the base, else the first of them."""
    return base if base in points else points[0]


def _settle(data: ImageData, size: str, device: torch.device) -> str:
    model = build_model("cnn", data.image_shape, data.num_classes, size).to(device)
    batches = data.subset(256).to(device).batches("train", 256)
    return settle_precision("auto", model, batches, announce=False)


def describe(runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds an epoch, how many times those of `base` that is, and memory in bytes."""
    seconds = [run["seconds"] for run in runs]
    found: dict[str, Any] = {
        "seconds": summary(seconds),
        "ratio": summary(ratios(seconds, [run["seconds"] for run in base])),
    }
    for name in ("memory_before", "memory_peak", "memory_total"):
        values = [run[name] for run in runs]
        found[name] = None if None in values else summary(values)
    return found
