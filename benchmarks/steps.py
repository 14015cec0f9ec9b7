"""Milliseconds a step: that of `fit`, the same compiled, and what a linear model needs at least.

A step of the linear model is so short that the calls cost more than the arithmetic. So it is also
made without autograd, from gradients that were worked out by hand, and its matrix products alone.
All take turns on one batch, in float32, in a process of its own.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.measure import interleave, summary, synchronise, train_apart
from benchmarks.tasks import Datasets, Profile, Task, load_part, make_task
from helpers.training import best_device, make_optimizer, train_epoch

BATCH_SIZE = 128
COMPILER = "inductor"  # PyTorch's own


def gradients_by_hand(layers: list[nn.Linear], images: Tensor, labels: Tensor) -> list[Tensor]:
    """The mean cross-entropy's gradients, in the order of `parameters()`.

    The model is a chain of linear layers with ReLU between them; images `N x C x H x W`.
    """
    inputs = [images.flatten(1)]
    for layer in layers[:-1]:
        inputs.append(F.linear(inputs[-1], layer.weight, layer.bias).relu_())
    probabilities = F.linear(inputs[-1], layers[-1].weight, layers[-1].bias).softmax(1)
    probabilities[torch.arange(len(labels)), labels] -= 1
    gradient, found = probabilities / len(labels), []
    for number in reversed(range(len(layers))):
        found[:0] = [gradient.T @ inputs[number], gradient.sum(0)]
        if number:  # the images need none
            gradient = (gradient @ layers[number].weight).mul_(inputs[number] > 0)
    return found


def multiply(layers: list[nn.Linear], maps: list[Tensor]) -> None:
    """The matrix products of a step; `maps` have the shapes of what the layers take and give."""
    for number, (layer, (given, made)) in enumerate(zip(layers, pairwise(maps), strict=True)):
        given @ layer.weight.T
        made.T @ given
        if number:
            made @ layer.weight


def ways(task: Task, batch: tuple[Tensor, Tensor]) -> dict[str, Callable[[int], object]]:
    """So many steps of each way. The batch is there already: it is the step that is timed."""

    def of_fit(model: nn.Module) -> Callable[[int], object]:
        optimizer = make_optimizer(model, task.config)
        return lambda steps: train_epoch(model, [batch] * steps, optimizer)

    compiled = task.build().to(task.device)
    compiled.compile(backend=COMPILER)
    turns = {"fit": of_fit(task.build().to(task.device)), "compiled": of_fit(compiled)}
    if task.model == "linear":
        model = task.build().to(task.device)
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
        optimizer = make_optimizer(model, task.config)
        edges = [layers[0].in_features, *(layer.out_features for layer in layers)]
        maps = [torch.randn(len(batch[1]), edge, device=task.device) for edge in edges]

        @torch.no_grad()
        def by_hand(steps: int) -> None:
            for _ in range(steps):
                found = gradients_by_hand(layers, *batch)
                for parameter, gradient in zip(model.parameters(), found, strict=True):
                    parameter.grad = gradient
                optimizer.step()

        @torch.no_grad()
        def products(steps: int) -> None:
            for _ in range(steps):
                multiply(layers, maps)

        turns |= {"hand": by_hand, "products": products}
    return turns


def compare(model: str, dataset: str, mode: str, steps: int, repetitions: int) -> dict[str, Any]:
    """So many steps of every way in each round; milliseconds, and seconds until one is compiled."""
    # What an earlier run has compiled is no help: a reader's first run is meant.
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    device = best_device()
    data = load_part(dataset, BATCH_SIZE, mode).to(device)
    task = make_task(model, data, BATCH_SIZE, device, precision="fp32")
    turns = ways(task, next(iter(data.batches("train", BATCH_SIZE))))

    def seconds_a_step(name: str, count: int = steps) -> float:
        synchronise(device)
        started = time.perf_counter()
        turns[name](count)
        synchronise(device)
        return (time.perf_counter() - started) / count

    started_up = seconds_a_step("compiled", 1)
    found = interleave({name: partial(seconds_a_step, name) for name in turns}, repetitions)
    return {
        "start_up_seconds": round(started_up, 2),
        "milliseconds": {n: summary([1000 * s for s in each]) for n, each in found.items()},
        "ratio": {
            n: summary([s / fit for s, fit in zip(each, found["fit"], strict=True)])
            for n, each in found.items()
        },
    }


def measure(
    profile: Profile, datasets: Datasets, device: torch.device, repetitions: int
) -> dict[str, Any]:
    """The linear model on the first data set, the others on the last one."""
    comparisons = []
    for model, steps in profile.steps.items():
        name = profile.datasets[0 if model == "linear" else -1]
        data = datasets[name]
        mode = "sample" if data.is_sample else "full"
        arguments = (model, name, mode, steps, repetitions)
        found = train_apart(f"steps: {model} on {data.title}", compare, *arguments)
        comparisons.append({"model": model, "dataset": data.title, "source": data.source} | found)
    return {"comparisons": comparisons}
