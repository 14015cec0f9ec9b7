"""How far the training is from what the machine can compute, and where its time goes."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import interleave, summary, synchronise
from benchmarks.profiles import Profile
from benchmarks.task import Task, make_task
from helpers.data.batches import ImageData
from helpers.training import make_optimizer, start_epoch, train_epoch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# Products in a row, timed together.
PRODUCTS = 3
# Where the time of an epoch goes; "rest" is the sum of the losses and the loop itself.
SHARES = ("data", "forward", "backward", "optimizer", "rest")


def flops_per_image(model: nn.Module, images: Tensor) -> float:
    """Floating-point operations of forward and backward pass, for each image of a batch.

    Counted by PyTorch: those of matrix products and convolutions, a multiplication and an addition
    being two. ReLU, pooling, batch normalisation and the optimizer are not counted.
    """
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(images), labels).backward()
    return counter.get_total_flops() / len(images)


def matrix_product(size: int, precision: str, device: torch.device) -> Callable[[], float]:
    """Each call multiplies two square matrices, and returns the rate in FLOP/s."""
    generator = torch.Generator().manual_seed(0)
    pair = torch.randn(2, size, size, generator=generator).to(device, DTYPES[precision])
    product = torch.empty_like(pair[0])

    def turn() -> float:
        synchronise(device)
        started = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.mm(pair[0], pair[1], out=product)
        synchronise(device)
        return PRODUCTS * 2 * size**3 / (time.perf_counter() - started)

    return turn


class Parts:
    """Seconds by the part of a step: each mark gives a part the time since the mark before."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(SHARES, 0.0)
        self.last = time.perf_counter()

    def mark(self, part: str) -> None:
        synchronise(self.device)
        now = time.perf_counter()
        self.seconds[part] += now - self.last
        self.last = now

    def over(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches; the time that each takes to come is that of the data."""
        iterator = iter(batches)
        while True:
            self.mark("rest")
            batch = next(iterator, None)
            self.mark("data")
            if batch is None:
                return
            yield batch


def timed_epoch(task: Task) -> Callable[[], dict[str, float]]:
    """Each call trains an epoch with `fit`'s own `train_epoch` and returns the parts' seconds.

    Hooks of PyTorch mark where forward pass and optimizer step begin and end, so that the loop
    that is timed is the course's own. The loss and the clearing of the gradients count as
    backward pass.
    """
    model, data = task.build().to(task.device), task.data.to(task.device)
    batches = data.batches("train", task.config.batch_size, shuffle=True, augment=True)
    optimizer = make_optimizer(model, task.config)
    parts = Parts(task.device)
    model.register_forward_hook(lambda *_: parts.mark("forward"))
    optimizer.register_step_pre_hook(lambda *_: parts.mark("backward"))
    optimizer.register_step_post_hook(lambda *_: parts.mark("optimizer"))
    epochs = iter(range(1_000_000))

    def epoch() -> dict[str, float]:
        start_epoch(batches, next(epochs))
        synchronise(task.device)
        parts.seconds, parts.last = dict.fromkeys(SHARES, 0.0), time.perf_counter()
        train_epoch(model, parts.over(batches), optimizer, precision=task.config.precision)
        parts.mark("rest")
        return dict(parts.seconds)

    return epoch


def measure(
    profile: Profile,
    datasets: dict[str, ImageData],
    device: torch.device,
    repetitions: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """All models of `profile`, in turns with the matrix products that say what is possible."""
    tell("limit: all models and matrix products, in turns")
    tasks = [
        make_task(model, data, images, device)
        for data in datasets.values()
        for model, images in profile.images.items()
    ]
    trained = {f"{task.model}/{task.data.name}": timed_epoch(task) for task in tasks}
    multiplied = {
        f"{precision}/{size}": matrix_product(size, precision, device)
        for precision in DTYPES
        for size in profile.matrix_sizes
    }
    results: dict[str, Any] = interleave(trained | multiplied, repetitions)
    peaks = {name: best_product(results, profile, name) for name in DTYPES}
    models = [describe(task, results[f"{task.model}/{task.data.name}"], peaks) for task in tasks]
    return {"peak": peaks, "models": models}


def best_product(
    results: dict[str, list[float]], profile: Profile, precision: str
) -> dict[str, Any]:
    """The size of matrix with the best median, and its rate in FLOP/s."""
    rates = {size: summary(results[f"{precision}/{size}"]) for size in profile.matrix_sizes}
    size = max(rates, key=lambda each: rates[each]["median"])
    return {"matrix_size": size, "flops_per_second": rates[size]}


def describe(task: Task, epochs: list[dict[str, float]], peaks: dict[str, Any]) -> dict[str, Any]:
    """One model's distance to the limit and the shares of its time."""
    images = next(iter(task.data.to(task.device).batches("train", task.config.batch_size)))[0]
    flops = flops_per_image(task.build().to(task.device), images)
    rates = [task.num_images / sum(parts.values()) for parts in epochs]
    peak = peaks[task.config.precision]["flops_per_second"]["median"]
    return {
        "model": task.model,
        "dataset": task.data.title,
        "source": task.data.source,
        "images": task.num_images,
        "batch_size": task.config.batch_size,
        "precision": task.config.precision,
        "flops_per_image": flops,
        "images_per_second": summary(rates),
        "part_of_peak": summary([flops * rate / peak for rate in rates]),
        "share": {
            part: summary([parts[part] / sum(parts.values()) for parts in epochs])
            for part in SHARES
        },
    }
