"""Checks of the exercises of chapter 7: speed and scale."""

from collections.abc import Callable, Sequence
from operator import truediv
from statistics import mean, median

import torch
from torch import Tensor

from helpers.exercises.grading import as_number, as_tensor, ask, exercise, expect


def _near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= 1e-6 * abs(wanted)


@exercise("7.1")
def conv_flop(function: Callable[[int, int, int, int, int], float]) -> str:
    found = as_number(ask(function, 3, 16, 5, 8, 10), "a number of operations")
    wanted = 2 * 3 * 25 * 16 * 8 * 10
    expect(
        not _near(found, wanted / 2), "these are multiplications: each comes with an addition, too"
    )
    expect(not _near(found, wanted / 5), "a filter has kernel × kernel places, not kernel")
    expect(not _near(found, wanted / 3), "every output sums over all input channels")
    expect(not _near(found, wanted / 16), "every output channel needs its own sums")
    expect(
        not _near(found, wanted - 16 * 8 * 10),
        "one addition less for each sum is exact, but the text counts two operations a product",
    )
    expect(not _near(found, wanted + 16 * 8 * 10), "leave the bias out")
    expect(not _near(found, 3 * wanted), "that is a training step: forward alone is asked")
    expect(not _near(found, wanted / 80), "every place of the output is computed: height × width")
    expect(
        _near(found, wanted),
        f"3 to 16 channels, 5 × 5, output 8 × 10: {wanted:,}, not {found:,.0f}",
    )
    expect(
        _near(as_number(ask(function, 64, 64, 3, 32, 32), "a number"), 2 * 64 * 9 * 64 * 1024),
        "right once, but wrong for 64 channels: use the arguments",
    )
    return "PyTorch's FlopCounterMode counts the same"


@exercise("7.2")
def overall_speed(function: Callable[[Sequence[float]], float]) -> str:
    found = as_number(ask(function, [100.0, 300.0]), "a speed")
    expect(
        not _near(found, 200.0),
        "that is the plain mean: the slow half lasts longer, so it counts more. Add up the times",
    )
    expect(not _near(found, 3**0.5 * 100), "that is the geometric mean: add up the times instead")
    expect(not _near(found, 75.0), "divide the number of speeds by the sum, not one by the sum")
    expect(found > 1, "that is a time; the speed is images over time")
    for speeds in ([100.0, 300.0], [50.0], [10.0, 20.0, 40.0, 80.0]):
        wanted = len(speeds) / sum(1 / speed for speed in speeds)
        value = as_number(ask(function, speeds), "a speed")
        expect(_near(value, wanted), f"{speeds} make {wanted:.2f}, you say {value:.2f}")
    return "it is the harmonic mean, always below the plain one"


@exercise("7.3")
def times_as_fast(function: Callable[[Sequence[float], Sequence[float]], float]) -> str:
    a, b = [9.0, 8.0, 2.75, 2.4, 3.3, 3.75], [3.0, 4.0, 1.25, 2.0, 1.5, 2.5]
    ratios = [x / y for x, y in zip(a[1:], b[1:], strict=True)]
    found = as_number(ask(function, a, b), "a ratio")
    known = {
        1 / median(ratios): "the other way round: whoever needs fewer seconds is faster",
        median(x / y for x, y in zip(a, b, strict=True)): "the first round was the warm-up",
        mean(ratios): "take the median: one disturbed round moves a mean",
        median(a[1:]) / median(b[1:]): "divide within each round first, then take the median",
        mean(a[1:]) / mean(b[1:]): "divide within each round first, then take the median",
        min(a[1:]) / min(b[1:]): "the best of `a` and the best of `b` are from different rounds",
        median(map(truediv, sorted(a[1:]), sorted(b[1:]))): "sorting tears the rounds apart",
    }
    for value, hint in known.items():
        expect(not _near(found, value), hint)
    expect(_near(found, median(ratios)), f"wanted {median(ratios):.3f}, you say {found:.3f}")
    found = as_number(ask(function, a[:-1], b[:-1]), "a ratio")
    expect(
        _near(found, median(ratios[:-1])),
        "of an even number of rounds, the median is the mean of the two in the middle",
    )
    return "a slow round of both changes nothing"


@exercise("7.4")
def speedup(function: Callable[[float, float, int], float]) -> str:
    compute, wait, processes = 0.6, 0.1, 4
    step = compute / processes + wait
    found = as_number(ask(function, compute, wait, processes), "a ratio")
    known = {
        processes: "the wait is missing: averaging the gradients takes time",
        step: "that is the time of a step: how many times as fast is it?",
        step / compute: "the other way round: the old time over the new one",
        compute / ((compute + wait) / processes): (
            "the wait is not shared: only the computing is divided by the processes"
        ),
        (compute + wait) / step: "one process has no wait: its time is compute alone",
        compute / wait: "that is the limit, which no number of processes reaches",
        compute / (compute / processes + (processes - 1) * wait): (
            "the wait is added once to every step, however many processes there are"
        ),
    }
    for value, hint in known.items():
        expect(not _near(found, value), hint)
    expect(
        _near(as_number(ask(function, 0.8, 0.1, 1), "a ratio"), 1.0),
        "one process waits for nobody: it is once as fast as itself",
    )
    for processes in (2, 8, 1000):
        wanted = 0.8 / (0.8 / processes + 0.1)
        value = as_number(ask(function, 0.8, 0.1, processes), "a ratio")
        expect(_near(value, wanted), f"{processes} processes: {wanted:.3f}, you say {value:.3f}")
    return "even a thousand processes stay below compute / wait"


@exercise("7.5")
def share(function: Callable[[Tensor, int, int], Tensor]) -> str:
    order = torch.randperm(11, generator=torch.Generator().manual_seed(7))
    parts = [as_tensor(ask(function, order.clone(), rank, 3), "positions") for rank in range(3)]
    counts = [len(part) for part in parts]
    expect(
        len(set(counts)) == 1,
        f"the shares have {counts} images: equal ones are needed, or one process waits for ever",
    )
    expect(
        not all(torch.equal(part, torch.arange(9)[rank::3]) for rank, part in enumerate(parts)),
        "these are the numbers of places: take the entries of `order` at them",
    )
    joined = torch.cat(parts)
    expect(len(joined.unique()) == len(joined), "an image is in two shares")
    expect(
        set(joined.tolist()) == set(order[:9].tolist()),
        "with 11 images and 3 processes the first 9 of `order` are shared out, 3 for each",
    )
    expect(
        not all(torch.equal(part, order[3 * r : 3 * r + 3]) for r, part in enumerate(parts)),
        "these are blocks: take every `world_size`-th one, as the text asks",
    )
    for world_size in (1, 2, 4):
        whole = len(order) - len(order) % world_size
        for rank in range(world_size):
            found = as_tensor(ask(function, order.clone(), rank, world_size), "positions")
            expect(
                torch.equal(found, order[:whole][rank::world_size]),
                f"process {rank} of {world_size} should get {order[:whole][rank::world_size]}",
            )
    return "together they have every image once, and all make the same number of steps"


@exercise("7.6")
def best_change(words: Sequence[str]) -> str:
    expect(
        isinstance(words, list | tuple) and len(words) == 3, "three words are wanted, for A to C"
    )
    said = [str(word).strip().lower() for word in words]
    strange = [word for word in said if word not in ("workers", "bf16", "fused")]
    expect(not strange, f'{strange} is not among "workers", "bf16", "fused"')
    expect(said[0] == "workers", "A waits for its batches three quarters of the time")
    expect(said[1] == "bf16", "B spends nearly all its time in forward and backward")
    expect(said[2] != "bf16", "C: half of 0.06 s is less than two thirds of 0.14 s")
    expect(said[2] == "fused", "C hardly waits for its batches: look at its largest part")
    return "the largest part first, and afterwards measure again"
