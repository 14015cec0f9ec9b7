"""The precision of a training: float32 or bfloat16, whichever is faster here."""

import copy
import sys
import time
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data.batches import Batches
from helpers.support.processes import from_main, is_main
from helpers.support.progress import in_notebook

PRECISIONS = ("fp32", "bf16", "auto")
TRIAL_IMAGES = 64  # enough to tell which is faster
# Without bfloat16 units a step takes about ten times as long with it: few images show that much.
GLANCE_IMAGES = 8
HOPELESS = 3


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """A context in which products run in bfloat16 (precision "bf16") or nothing changes."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


class PrecisionTrial(NamedTuple):
    """The faster precision, and the seconds of one training step in each."""

    precision: str
    fp32_seconds: float
    bf16_seconds: float

    def __str__(self) -> str:
        return (
            f"precision {self.precision}: a trial step took {1000 * self.bf16_seconds:.1f} ms in "
            f"bf16, {1000 * self.fp32_seconds:.1f} ms in fp32"
        )


def choose_precision(model: nn.Module, batch: tuple[Tensor, Tensor]) -> PrecisionTrial:
    """bf16 if a trial step on a copy of `model` is clearly faster with it, else fp32.

    Measured rather than looked up: on a CPU without bfloat16 units autocast is slower, and on
    some with such units, too.
    """
    images, labels = batch
    models = {name: copy.deepcopy(model).train() for name in ("fp32", "bf16")}
    seconds = _step_seconds(models, images[:GLANCE_IMAGES], labels[:GLANCE_IMAGES], steps=2)
    if seconds["bf16"] < HOPELESS * seconds["fp32"]:
        # A GPU needs a whole batch to show what it can do, and is quick with it.
        count = TRIAL_IMAGES if images.device.type == "cpu" else None
        seconds = _step_seconds(models, images[:count], labels[:count], steps=3)
    faster = "bf16" if seconds["bf16"] < 0.9 * seconds["fp32"] else "fp32"
    return PrecisionTrial(faster, seconds["fp32"], seconds["bf16"])


def _step_seconds(
    models: dict[str, nn.Module], images: Tensor, labels: Tensor, steps: int
) -> dict[str, float]:
    """The fastest of some steps of each precision's model, the first step left out: a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(steps):  # in turns, so that another program's work disturbs both
        for name, trial in models.items():
            started = time.perf_counter()
            with autocast(images.device, name):
                loss = F.cross_entropy(trial(images), labels)
            loss.backward()
            loss.item()  # waits for a GPU to finish
            seconds[name].append(time.perf_counter() - started)
    return {name: min(each[1:]) for name, each in seconds.items()}


def settle_precision(wanted: str, model: nn.Module, batches: Batches, announce: bool) -> str:
    """fp32 or bf16: as `wanted`, or for auto what a trial says, on all processes alike.

    `announce` tells the choice and its reason on standard error, except in a notebook.
    """
    if wanted != "auto":
        return wanted
    images, labels = next(iter(batches))
    if batches.image_sizes:  # images that grow: most of the work is done when they are large
        images = F.interpolate(images, batches.image_sizes[-1])
    trial = choose_precision(model, (images, labels))
    if announce and is_main() and not in_notebook():
        print(trial, file=sys.stderr)
    return from_main(trial.precision)
