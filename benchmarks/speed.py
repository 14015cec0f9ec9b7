"""Images a second of every way to train, and the machine's peak beside them."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import usual
from benchmarks.measure import interleave, summary, synchronise, tell
from benchmarks.tasks import Datasets, Profile, Task, make_task
from commands.lightning import make_trainer
from helpers.lit import HistoryCallback, ImageDataModule, LitClassifier
from helpers.training import fit


def fit_loop(task: Task) -> Callable[[], float]:
    """`fit`; each call goes on for one more epoch and returns its seconds, as `fit` counts them."""
    model, data = task.build(), task.data.to(task.device)
    options: dict[str, Any] = {"device": task.device, "progress": False, "state": None}

    def epoch() -> float:
        done = 0 if options["state"] is None else len(options["state"]["rows"])
        config = replace(task.config, epochs=done + 1)
        history = fit(model, data, config, after_epoch=lambda s: options.update(state=s), **options)
        return len(data.train) / history["images_per_second"][-1]

    return epoch


def lightning_loop(task: Task) -> Callable[[], float]:
    """The Lightning module and `lightning_train.py`'s Trainer; each call trains one epoch."""
    data, config = task.data.to(task.device), task.config
    module = LitClassifier(task.build(), config)

    def epoch() -> float:
        callback = HistoryCallback(config, config.precision)
        options = {"precision": config.precision, "max_epochs": 1, "callbacks": [callback]}
        trainer = make_trainer(task.device, **options)
        trainer.fit(module, datamodule=ImageDataModule(data, config))
        return len(data.train) / callback.history["images_per_second"][-1]

    return epoch


BASELINE = "usual"
WAYS = {
    BASELINE: ("usual loop", usual.loop),
    "usual_workers": ("usual loop, 2 workers", lambda task: usual.loop(task, num_workers=2)),
    "fit": ("this course: fit", fit_loop),
    "lightning": ("this course: Lightning", lightning_loop),
}
CALLS = 3  # in a row, timed together


def throughput(
    profile: Profile, datasets: Datasets, device: torch.device, repetitions: int
) -> dict[str, Any]:
    """Images a second of every way, and how many times the usual loop's that is."""
    comparisons = []
    for data, (model, images) in itertools.product(datasets.values(), profile.images.items()):
        tell(f"throughput: {model} on {data.title}")
        task = make_task(model, data, images, device)
        seconds = interleave({name: make(task) for name, (_, make) in WAYS.items()}, repetitions)
        count, size = len(task.data.train), task.config.batch_size
        rates = {name: [count / s for s in each] for name, each in seconds.items()}
        # A ratio in each round: a slow round of both changes nothing.
        ratios = {n: [r / b for r, b in zip(v, rates[BASELINE])] for n, v in rates.items()}  # noqa: B905
        batch, _ = next(iter(task.data.to(device).batches("train", size)))
        comparisons.append(
            {
                **{"model": model, "dataset": data.title, "source": data.source},
                **{"images": count, "batch_size": size, "precision": task.config.precision},
                "flops_per_image": flops_per_image(task.build().to(device), batch),
                "images_per_second": {name: summary(values) for name, values in rates.items()},
                "ratio": {name: summary(values) for name, values in ratios.items()},
            }
        )
    return {"comparisons": comparisons}


def flops_per_image(model: nn.Module, images: Tensor) -> float:
    """Floating-point operations of forward and backward pass, for each image of a batch.

    PyTorch counts matrix products and convolutions, a multiplication and an addition being two.
    """
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(images), labels).backward()
    return counter.get_total_flops() / len(images)


def peak(
    profile: Profile, datasets: Datasets, device: torch.device, repetitions: int
) -> dict[str, Any]:
    """The fastest rate (FLOP/s) of square matrix products in each precision."""
    tell("peak: matrix products, in turns")
    turns = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        for size in profile.matrix_sizes:
            turns[name, size] = product(torch.randn(size, size).to(device, dtype))
    rates: dict[str, dict[str, Any]] = {}
    for (name, size), values in interleave(turns, repetitions).items():
        found = {"shape": f"{size} x {size}", "flops_per_second": summary(values)}
        pair = (rates.get(name, {}).get("product", found), found)
        rates[name] = {"product": max(pair, key=lambda each: each["flops_per_second"]["median"])}
    return {"rates": rates}


def product(matrix: Tensor) -> Callable[[], float]:
    """Each call multiplies `matrix` by itself a few times and returns the rate in FLOP/s."""

    def turn() -> float:
        synchronise(matrix.device)
        started = time.perf_counter()
        for _ in range(CALLS):
            matrix @ matrix
        synchronise(matrix.device)
        return CALLS * 2 * len(matrix) ** 3 / (time.perf_counter() - started)

    return turn


MEASURE = {"throughput": throughput, "peak": peak}
