"""Images a second of every way to train, the machine's peak beside them, and seconds of a start."""

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import usual
from benchmarks.measure import ROOT, ProcessError, interleave, summary, synchronise, tell
from benchmarks.tasks import Datasets, Profile, Task, make_task
from commands.trainer import make_trainer
from helpers.data.load import load
from helpers.lightning import HistoryCallback, ImageDataModule, LitClassifier
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
# Images, channels, height and width of a 3 x 3 convolution that keeps the number of channels.
CONVOLUTIONS = ((128, 64, 32, 32), (128, 128, 16, 16), (256, 256, 8, 8))
CALLS = 3  # in a row, timed together
LONGEST = 2  # seconds of them; where the processor lacks bf16, larger matrices would take minutes


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
    """The fastest rates (FLOP/s) of square matrix products and of convolutions, by precision."""
    tell("peak: matrix products and convolutions, in turns")
    turns = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        for size in profile.matrix_sizes:
            matrix = torch.randn(size, size).to(device, dtype)
            turn = rate(matrix.mm, matrix, 2 * size**3)
            turns[name, "product", f"{size} x {size}"] = turn
            if CALLS * 2 * size**3 / turn() > LONGEST:
                break
        for shape in CONVOLUTIONS:
            layer = nn.Conv2d(shape[1], shape[1], 3, padding=1, bias=False).to(device, dtype)
            images = torch.randn(shape).to(device, dtype, memory_format=torch.channels_last)
            turn = rate(layer, images, 2 * 9 * shape[1] * images.numel())
            turns[name, "convolution", " x ".join(map(str, shape))] = turn
    rates: dict[str, dict[str, Any]] = {}
    for (name, kind, shape), values in interleave(turns, repetitions).items():
        found = {"shape": shape, "flops_per_second": summary(values)}
        kinds = rates.setdefault(name, {})
        pair = (kinds.get(kind, found), found)
        kinds[kind] = max(pair, key=lambda each: each["flops_per_second"]["median"])
    return {"rates": rates}


def rate(function: Callable[[Tensor], Tensor], inputs: Tensor, flops: int) -> Callable[[], float]:
    """Each call computes `function(inputs)` and returns the rate in FLOP/s."""

    @torch.no_grad()
    def turn() -> float:
        synchronise(inputs.device)
        started = time.perf_counter()
        for _ in range(CALLS):
            function(inputs)
        synchronise(inputs.device)
        return CALLS * flops / (time.perf_counter() - started)

    return turn


def start(
    profile: Profile, datasets: Datasets, device: torch.device, repetitions: int
) -> dict[str, Any]:
    """Seconds of imports and of whole programs, from the prompt to their end, on the sample."""
    tell("start: imports and programs, each in a process of its own")
    with tempfile.TemporaryDirectory() as name:
        folder, runs = Path(name), itertools.count()
        digit = load("mnist", mode="sample").test.images[0, 0]
        Image.fromarray(digit.numpy()).save(folder / "digit.png")
        train = "train.py --model linear --dataset mnist --sample --quiet --out".split()
        predict = ["predict.py", "--checkpoint", folder / "0" / "best.pt", folder / "digit.png"]
        turns = {
            "python": lambda: seconds("-c", "pass"),
            "import torch": lambda: seconds("-c", "import torch"),
            "import train, with all that it needs": lambda: seconds("-c", "import train"),
            "train.py, linear, MNIST's sample": lambda: seconds(*train, folder / str(next(runs))),
            "predict.py, one picture": lambda: seconds(*predict),
        }
        found = interleave(turns, repetitions)
    return {"seconds": {what: summary(values) for what, values in found.items()}}


def seconds(*arguments: object) -> float:
    """How long Python takes, started at the course's root with these arguments."""
    started = time.perf_counter()
    command = [sys.executable, *map(str, arguments)]
    if status := subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        raise ProcessError(f"start: {command[1]} ended with status {status}")
    return time.perf_counter() - started
