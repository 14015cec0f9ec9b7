"""Images per second of the same training, done in the usual ways and in this course's."""

from collections.abc import Callable
from typing import Any

import torch

from benchmarks import ours, usual, usual_lightning
from benchmarks.measure import interleave, ratios, summary
from benchmarks.profiles import BASELINE, Profile
from benchmarks.task import Task, make_task
from helpers.data.batches import ImageData


def contestants(task: Task) -> dict[str, Callable[[], float]]:
    """All ways to train, by the keys of `profiles.CONTESTANTS`; each turn is one epoch (s)."""
    return {
        BASELINE: usual.loop(task, num_workers=0),
        "usual_workers": usual.loop(task, num_workers=2),
        "usual_lightning": usual_lightning.loop(task),
        "fit": ours.loop(task),
        "lightning": ours.lightning(task),
    }


def compare(task: Task, repetitions: int) -> dict[str, Any]:
    """Images per second of every contestant, and how many times the usual loop's that is."""
    seconds = interleave(contestants(task), repetitions)
    rates = {name: [task.num_images / s for s in times] for name, times in seconds.items()}
    return {
        "model": task.model,
        "dataset": task.data.title,
        "source": task.data.source,
        "images": task.num_images,
        "batch_size": task.config.batch_size,
        "optimizer": task.config.optimizer,
        "precision": task.config.precision,
        "images_per_second": {name: summary(values) for name, values in rates.items()},
        "ratio": {name: summary(ratios(v, rates[BASELINE])) for name, v in rates.items()},
        "lightning_to_fit": {
            ours: summary(ratios(rates[ours], rates[fit]))
            for ours, fit in (("lightning", "fit"), ("usual_lightning", BASELINE))
        },
    }


def measure(
    profile: Profile,
    datasets: dict[str, ImageData],
    device: torch.device,
    repetitions: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """All models of `profile` on all data sets."""
    comparisons = []
    for data in datasets.values():
        for model, images in profile.images.items():
            tell(f"throughput: {model} on {data.title}")
            comparisons.append(compare(make_task(model, data, images, device), repetitions))
    return {"comparisons": comparisons}
