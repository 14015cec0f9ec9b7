"""How time and memory grow with images, model, batch size, and shrink with threads.

Every point is measured in a process of its own, since a process never gives back the memory that
it once had at its peak.
"""

import multiprocessing
import pickle
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import cores, interleave, ratios, summary
from benchmarks.profiles import Profile
from benchmarks.task import VALIDATION_IMAGES
from helpers.data import ImageData, Split
from helpers.models import build_model
from helpers.precision import settle_precision
from helpers.training import TrainingConfig, fit

AXES = ("images", "size", "batch_size", "threads")


class GrowthError(RuntimeError):
    """A process that should have measured a point has ended without an answer."""


@dataclass(frozen=True)
class Point:
    """One training of the CNN whose time and memory are measured."""

    images: int
    size: str
    batch_size: int
    threads: int

    def __str__(self) -> str:
        return (
            f"{self.images} images, CNN {self.size}, batches of {self.batch_size}, "
            f"threads: {self.threads}"
        )


def make_points(profile: Profile, available: int, threads: int) -> list[Point]:
    """The base, which comes first, and all points that differ from it in one respect.

    `available` is the number of training images that there are.
    """
    images = min(profile.growth_images, available // 4)
    batch_sizes = profile.growth_batch_sizes
    middle = batch_sizes[len(batch_sizes) // 2]
    base = Point(images, profile.growth_sizes[0], middle, threads)
    points = [base]
    points += [replace(base, images=factor * images) for factor in (1, 2, 4)]
    points += [replace(base, size=size) for size in profile.growth_sizes]
    points += [replace(base, batch_size=batch_size) for batch_size in batch_sizes]
    points += [replace(base, threads=number) for number in (1, min(2, cores()))]
    return list(dict.fromkeys(points))


def peak_memory() -> int | None:
    """The largest amount of memory (bytes) that this process has had; None where it is unknown.

    On Linux the kernel's own count for this program is asked first: the one of `getrusage` also
    remembers the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


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
    history = fit(model, data, config, device=device, progress=False)
    return {
        "seconds": len(data.train) / history["images_per_second"][1],
        "memory_before": before,
        "memory_peak": peak_memory(),
    }


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function`, run in a new process, returns.

    Raises:
        GrowthError: the process ended before it answered.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError as error:
        process.join()
        raise GrowthError(f"its process ended with status {process.exitcode}") from error
    finally:
        process.terminate()
        process.join()
        receiver.close()


def _answer(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C is for the process that started this one; it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send(function(*arguments))


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
    points = make_points(profile, len(data.train), torch.get_num_threads())
    tell(f"growth: {len(points)} trainings in turns, each in a process of its own")
    precision = {size: _settle(data, size, device) for size in profile.growth_sizes}

    def turn(point: Point) -> dict[str, Any]:
        content = shortened(data, point.images)
        arguments = (point, content, str(device), precision[point.size])
        try:
            return in_fresh_process(train_point, *arguments)
        except GrowthError as error:
            raise GrowthError(f"growth: {point}: {error}; is there enough memory?") from error

    # A fresh process warms up by itself, in its first epoch.
    turns = {str(point): lambda point=point: turn(point) for point in points}
    results = interleave(turns, repetitions, warm_ups=0)
    base = results[str(points[0])]
    return {
        "dataset": data.title,
        "source": data.source,
        "base": asdict(points[0]),
        "points": [
            asdict(point)
            | {"precision": precision[point.size]}
            | describe(results[str(point)], base)
            for point in points
        ],
    }


def _settle(data: ImageData, size: str, device: torch.device) -> str:
    model = build_model("cnn", data.image_shape, data.num_classes, size).to(device)
    batches = data.subset(256).to(device).batches("train", 256)
    return settle_precision("auto", model, batches, announce=False)


def describe(runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds an epoch, how many times the base's that is, and memory in bytes."""
    seconds = [run["seconds"] for run in runs]
    found: dict[str, Any] = {
        "seconds": summary(seconds),
        "ratio": summary(ratios(seconds, [run["seconds"] for run in base])),
    }
    for name in ("memory_before", "memory_peak"):
        values = [run[name] for run in runs]
        found[name] = None if None in values else summary(values)
    return found
