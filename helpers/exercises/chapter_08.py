"""Checks of the exercises of chapter 8: ship it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers.exercises.grading import (
    NotTried,
    as_number,
    as_tensor,
    ask,
    exercise,
    expect,
    expect_result,
    is_empty,
)

SLACK = 1.05  # error of 8.6, against one ladder a row
CAUSES = ("0 to 255", "fixed batch", "training mode", "BGR", "normalised twice")


def _random(*shape: int, seed: int = 8) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@exercise("8.1")
def for_the_file(function: Callable[[np.ndarray], np.ndarray]) -> str:
    picture = np.random.default_rng(8).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    found = ask(function, picture)
    expect(isinstance(found, np.ndarray), f"a NumPy array is wanted, not {type(found).__name__}")
    expect(found.ndim == 4, f"four axes are wanted, the batch first, not {found.ndim}")
    expect(
        found.shape[1] == 3, "the channels come first, behind the batch: swap the axes of the array"
    )
    expect(found.shape == (1, 3, 4, 6), f"wanted 1 x 3 x 4 x 6, not {found.shape}")
    expect(found.dtype == np.float32, f"wanted float32, not {found.dtype}: onnxruntime refuses it")
    wanted = picture.transpose(2, 0, 1)[None] / 255
    expect(found.min() >= 0, "below 0: the file normalises by itself, so do not do it here")
    expect(found.max() <= 1, "pixels from 0 to 1 are wanted: divide by 255")
    expect(not np.allclose(found, wanted[:, ::-1]), "the channels are in the order BGR now")
    expect(
        not np.allclose(found, picture.reshape(1, 3, 4, 6) / 255),
        "`reshape` tears pixels apart: it is `transpose` that swaps axes",
    )
    expect(
        np.allclose(found, wanted, atol=1e-6), "the values are not the picture's, divided by 255"
    )
    return "channels first, one batch, float32 from 0 to 1, and no normalisation"


@exercise("8.2")
def causes(words: Sequence[str]) -> str:
    expect(isinstance(words, list | tuple) and len(words) == 5, "five words are wanted, for A to E")
    said = [str(word).strip().lower() for word in words]
    known = [cause.lower() for cause in CAUSES]
    strange = [word for word in said if word not in known]
    expect(not strange, f"{strange} is not among {', '.join(CAUSES)}")
    expect(len(set(said)) == 5, "each cause belongs to one letter")
    expect(said[0] == "bgr", "A: which mistake leaves grey pictures as they are?")
    expect(said[1] == "training mode", "B: what takes its mean over the batch?")
    expect(said[2] == "fixed batch", "C: what was cut in stone by the example?")
    expect(said[3] == "normalised twice", "D: they do what the file does already")
    return "no file was damaged: four were asked or made in the wrong way, and raised no error"


@exercise("8.3")
def best_batch(function: Callable[[dict[int, float], float], int | None]) -> str:
    times = {1: 2, 8: 4, 64: 20, 256: 120}
    found = ask(function, times, 50)
    expect(found in times, f"one of the batch sizes is wanted, {list(times)}, not {found!r}")
    expect(found != 256, "256 pictures take 120 ms: too late for a deadline of 50")
    expect(found != 1, "1 has the lowest latency: of those in time, the throughput decides")
    expect(found == 64, "64 pictures take 20 ms, which is in time, and more a millisecond")
    found = ask(function, times, 1000)
    expect(
        found != 256, "with all in time, 256 in 120 ms is the largest batch, not the fastest rate"
    )
    expect(found == 64, "with all in time, 64 in 20 ms has the highest rate")
    expect(ask(function, times, 20) == 64, "20 ms keep a deadline of 20 ms")
    try:
        none = function(dict(times), 1)
    except (ValueError, IndexError, KeyError) as error:
        none = error
    expect(none is None, f"if no batch is in time, None is wanted, not {none!r}")
    expect(
        function(dict(times), 10) == 8,
        "with 10 ms, 8 pictures in 4 ms are the best: choose among those that are in time",
    )
    return "the deadline says what is allowed, the throughput what is best"


@exercise("8.4")
def with_zero_point(function: Callable[[Tensor, float, float], Any]) -> str:
    x = torch.tensor([-1.0, -0.004, 0.0, 0.5, 2.1, 3.0, 9.0, -9.0, -0.67, 0.205, 1.3, 2.601])
    answer = ask(function, x, -1.0, 3.0)
    expect(
        isinstance(answer, tuple | list) and len(answer) == 3,
        "three things are wanted: q, the scale and the zero point",
    )
    q, scale, zero = answer
    expect(isinstance(q, Tensor), "q is a tensor")
    scale, zero = as_number(scale, "the scale"), as_number(zero, "the zero point")
    expect(abs(scale - 3 / 127) > 1e-6, "that is the ladder without a zero point")
    expect(abs(scale - 4 / 256) > 1e-6, "256 values have 255 steps between them")
    expect(abs(scale - 4 / 255) < 1e-6, f"the scale is (high − low) / 255, {4 / 255:.5f}")
    expect(zero == round(zero), "the zero point is a whole number: 0 must lie on a step")
    expect(zero == 64, f"the zero point is {round(255 / 4)}, the step of 0, not {zero:g}")
    expect(q.dtype == torch.uint8, f"q must be uint8, not {q.dtype}")
    wanted = ((x / (4 / 255)).round() + 64).clamp(0, 255)
    expect(int(q[2]) == 64, f"0 must become the zero point, not {int(q[2])}")
    expect(int(q[6]) == 255 and int(q[7]) == 0, "clamp to 0 … 255 before the change to uint8")
    found = as_tensor(q, "q")
    expect(
        not torch.equal(found, ((x / (4 / 255)).floor() + 64).clamp(0, 255).double()),
        "round to the nearest step, not down",
    )
    expect(
        not torch.equal(found, ((x + 1) / (4 / 255)).round().clamp(0, 255).double()),
        "your ladder begins at `low`, so 0 lies beside a step: round x / s first, then add z",
    )
    expect(
        not torch.equal(found, (x / (4 / 255) + 64).clamp(0, 255).floor().double()),
        "round to the nearest step, not down",
    )
    expect(torch.equal(found, wanted.double()), f"wanted {wanted.int().tolist()}")
    return "all 256 steps are used, and 0 is exact"


@exercise("8.5")
def honest(kind: type[nn.Module]) -> str:
    expect(isinstance(kind, type), "give the class itself, without calling it")
    if is_empty(kind.forward):
        raise NotTried
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    with torch.no_grad():
        network[1].weight.copy_(_random(3, 12))
    mean, std, temperature = (0.2, 0.4, 0.6), (0.1, 0.2, 0.5), 2.5
    module = kind(network, mean, std, temperature).eval()
    images = _random(5, 3, 2, 2, seed=9).sigmoid()
    with torch.no_grad():
        found = module(images)
        expect_result(found, kind.forward)
        found = as_tensor(found, "the probabilities")
        means, stds = (torch.tensor(v).view(-1, 1, 1) for v in (mean, std))
        logits = network((images - means) / stds)
        plain = network(images)
    wanted = (logits / temperature).softmax(dim=1).double()

    def same(other: Tensor) -> bool:
        return found.shape == other.shape and torch.allclose(found, other.double(), atol=1e-5)

    expect(
        not same(logits) and not same(logits / temperature), "these are logits: end with softmax"
    )
    expect(not same((logits / temperature).softmax(dim=0)), "softmax over the classes, dim=1")
    expect(not same(logits.softmax(dim=1)), "the temperature is missing")
    expect(not same((logits * temperature).softmax(dim=1)), "divide the logits, or it gets surer")
    expect(not same((plain / temperature).softmax(dim=1)), "the pixels are not normalised")
    expect(
        not same(logits.softmax(dim=1) / temperature),
        "divide the logits, before softmax, not after",
    )
    expect(not same((logits / temperature).log_softmax(dim=1)), "these are logarithms: no `log`")
    expect(same(wanted), "the probabilities are not those of the model at this temperature")
    trained = [weight for weight in module.parameters() if weight.requires_grad]
    expect(
        len(trained) == 2,
        "mean, std or temperature would be trained: `register_buffer`, no Parameter",
    )
    held = [v for v in module.state_dict().values() if v.numel() in (1, 3)]
    expect(
        len(held) >= 4,  # the bias of the network, and the three
        "mean, std and temperature are not in `state_dict()`: keep them with `register_buffer`",
    )
    return "pixels in, softened probabilities out, and nothing to forget"


@exercise("8.6")
def four_bits(function: Callable[[Tensor], Tensor]) -> str:
    w = _random(24, 96) * torch.logspace(-2, 0.5, 24)[:, None]
    found = as_tensor(ask(function, w), "the weights")
    expect(found.shape == w.shape, f"the same shape is wanted, {tuple(w.shape)}")
    most = max(len(row.unique()) for row in found)
    expect(most <= 16, f"a row has {most} different values: 4 bits can tell 16 apart")

    def ladder(largest: Tensor) -> float:
        scale = largest / 7
        return ((w / scale).round() * scale - w).square().mean(dim=1).div(w.square().mean(1)).mean()

    error = (found - w.double()).square().mean(dim=1)
    error = float((error / w.double().square().mean(dim=1)).mean())
    rows = float(ladder(w.abs().amax(dim=1, keepdim=True)))
    expect(
        error < 10 or not torch.equal(found, found.round()),
        "these are the whole numbers that are stored: multiply them by the scale again",
    )
    expect(
        error < 0.8 * float(ladder(w.abs().max())),
        f"relative error {error:.4f}: one scale for all rows rounds the small ones to nothing",
    )
    expect(error <= SLACK * rows, f"relative error {error:.4f}; one ladder a row has {rows:.4f}")
    return f"relative error {error:.4f}, {100 * error / rows:.0f} % of that of one ladder a row"
