"""Checks of the exercises of chapter 3: convolutional networks."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data.batches import ImageData
from helpers.data.load import load
from helpers.exercises.grading import as_tensor, ask, exercise, expect
from helpers.models import count_parameters
from helpers.training import evaluate

WANTED_FIELD = 23  # pixels
LARGEST, GOAL = 10_000, 0.93  # parameters, share of fresh digits


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def _like(found: Tensor, wanted: Tensor) -> bool:
    return found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-4)


@exercise("3.1")
def output_size(function: Callable[..., int]) -> str:
    cases = [*product((28, 31, 32), (2, 3, 5), (1, 2, 3), (0, 1, 2))]  # n, k, stride, padding
    found = [float(ask(function, *case)) for case in cases]

    def are(formula: Callable[..., float]) -> bool:
        return all(abs(a - formula(*c)) < 1e-9 for a, c in zip(found, cases, strict=True))

    expect(
        not are(lambda n, k, s, p: (n + p - k) // s + 1),
        "the frame has two sides: the padding counts twice",
    )
    expect(
        not are(lambda n, k, s, p: (n + 2 * p - k) // s),
        "one is missing: the kernel's first place counts too, before it has moved",
    )
    expect(
        not are(lambda n, k, s, p: n + 2 * p - k + 1),
        "the stride is not used: the kernel stands at every s-th place only",
    )
    expect(
        not are(lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1),
        "round down, not up: a kernel that would stick out is left away",
    )
    expect(
        all(size == int(size) for size in found),
        "pixels are whole numbers: round down, // does that",
    )
    wanted = [(n + 2 * p - k) // s + 1 for n, k, s, p in cases]
    for size, right, (n, k, s, p) in zip(found, wanted, cases, strict=True):
        expect(
            size == right,
            f"size {n}, kernel {k}, stride {s}, padding {p} gives {right}, you say {size:g}",
        )
    return f"right for all {len(cases)} combinations that were tried"


@exercise("3.2")
def convolve_further(function: Callable[..., Tensor]) -> str:
    image, kernel = _random(7, 10), _random(3, 3)

    def right(stride: int, padding: int, kernel: Tensor = kernel) -> Tensor:
        x = image[None, None]
        return F.conv2d(x, kernel[None, None], stride=stride, padding=padding)[0, 0]

    def answer(stride: int, padding: int) -> Tensor:
        found = ask(function, image, kernel, stride, padding)
        return as_tensor(found, "the output").float()

    plain = answer(1, 0)
    expect(plain.ndim == 2, "the output is a grid: a tensor with two dimensions")
    expect(
        not _like(plain, right(1, 0, kernel.flip(0, 1))),
        "you turn the kernel round: lay it down as it is",
    )
    expect(
        plain.shape == (5, 8),
        f"without padding 7 × 10 pixels give 5 × 8, yours are {tuple(plain.shape)}",
    )
    expect(_like(plain, right(1, 0)), "with stride 1 and no padding it must equal `convolve`")
    padded = answer(1, 1)
    expect(not _like(padded, plain), "the padding is not used: the output did not grow")
    expect(
        not _like(padded, F.pad(plain, (1, 1, 1, 1))),
        "the frame of zeros belongs around the image, before the kernel is slid, "
        "not around the output",
    )
    expect(
        padded.shape != (6, 9),
        "the frame goes around all four sides: left, right, top and bottom",
    )
    expect(_like(padded, right(1, 1)), "with padding 1 the numbers are not right")
    strided = answer(2, 0)
    expect(not _like(strided, plain), "the stride is not used: the output is as large as with 1")
    rows, columns = right(2, 0).shape
    expect(
        not _like(strided, plain[:rows, :columns]),
        "the output has the right size, but the kernel moved one pixel each time: "
        "it stands at i · stride",
    )
    for stride, padding in product((1, 2, 3), (0, 1, 2)):
        expect(
            _like(answer(stride, padding), right(stride, padding)),
            f"stride {stride} with padding {padding} is not right yet",
        )
    return "it agrees with F.conv2d for nine pairs of stride and padding"


@exercise("3.3")
def max_pool(function: Callable[[Tensor], Tensor]) -> str:
    maps = _random(3, 6, 8) - 2  # mostly negative
    found = as_tensor(ask(function, maps), "the maps").float()
    right = F.max_pool2d(maps, 2)
    expect(
        found.shape != (3, 5, 7),
        "your squares overlap: they stand side by side, two pixels apart",
    )
    expect(
        found.shape not in ((6, 8), (3, 4), (1, 3, 4)),
        "every channel is pooled on its own: the number of channels stays",
    )
    expect(
        found.shape == right.shape,
        f"3 × 6 × 8 must become 3 × 3 × 4, yours is {tuple(found.shape)}",
    )
    expect(not _like(found, F.avg_pool2d(maps, 2)), "that is the mean of each square")
    corners = [maps[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    expect(
        not any(_like(found, corner) for corner in corners),
        "you keep the same corner of each square, not the largest number",
    )
    expect(
        not _like(found, right.clamp(min=0)),
        "where all four numbers are negative you give 0: start from one of the four instead",
    )
    expect(not _like(found, F.max_pool2d(maps.abs(), 2)), "the sign counts: -5 is not large")
    blocks = maps.reshape(3, 3, 4, 4).amax(dim=3)
    expect(
        not _like(found, blocks),
        "you take four numbers of one row: a square has two in each of two rows",
    )
    expect(_like(found, right), "the shape is right, but these are not the largest numbers")
    return "the largest of each square, in every channel"


@exercise("3.4")
def number_of_parameters(function: Callable[..., int]) -> str:
    cases = [(1, [32, 64], 10), (3, [16, 16, 48], 10), (3, [8], 5)]
    found = [float(ask(function, *case)) for case in cases]

    def are(
        per_channel: int = 2, conv_bias: int = 0, linear_bias: int = 1, chained: bool = True
    ) -> bool:
        wanted = []
        for channels, widths, classes in cases:
            count, image_channels = 0, channels
            for width in widths:
                given = channels if chained else image_channels
                count += width * (9 * given + per_channel + conv_bias)
                channels = width
            wanted.append(count + classes * (channels + linear_bias))
        return found == wanted

    expect(
        not are(per_channel=0), "batch normalisation learns too: gamma and beta for every channel"
    )
    expect(
        not are(per_channel=1), "batch normalisation learns two numbers a channel: gamma and beta"
    )
    expect(
        not are(per_channel=4),
        "the running mean and variance are kept, not learned: they are no parameters",
    )
    expect(not are(conv_bias=1), "these convolutions have no bias")
    expect(not are(linear_bias=0), "the linear layer has a bias: one number a class")
    expect(
        not are(chained=False),
        "only the first layer gets the image: the next one gets the channels of the one before",
    )
    kernels_of_one_slice = [
        sum(11 * width for width in widths) + classes * (widths[-1] + 1)
        for _, widths, classes in cases
    ]
    expect(
        found != kernels_of_one_slice,
        "a kernel has a slice of 3 × 3 for every channel that comes in, not one in all",
    )
    expect(
        are(),
        "not yet: try (1, [32, 64], 10), the small CNN, and compare with the table in "
        "'A first network'",
    )
    return "the image's size is not needed: that is parameter sharing"


@exercise("3.5")
def strides(answer: Sequence[int]) -> str:
    given = torch.as_tensor(answer).flatten().tolist()
    expect(len(given) == 5, f"five strides are wanted, one a layer; you give {len(given)}")
    expect(set(given) <= {1, 2}, "each stride is 1 or 2")
    step, size, with_own = 1, 1, 1
    for stride in given:
        size += 2 * step
        step *= stride
        with_own += 2 * step
    expect(
        size != 2 * 5 + 1,
        f"these see {size} pixels: without a stride before the last layer each adds only two",
    )
    expect(
        size == WANTED_FIELD or with_own != WANTED_FIELD,
        f"these see {size} pixels: a stride spreads the layers behind it, not its own layer",
    )
    expect(size <= WANTED_FIELD, f"these see {size} pixels, too many: stride later or less often")
    expect(size == WANTED_FIELD, f"these see {size} pixels, too few: stride earlier or more often")
    return f"one value sees {size} × {size} pixels, with five layers"


@exercise("3.6")
def mended_accuracy(function: Callable[..., Any]) -> str:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 3))
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm1d)
    norm.running_mean = torch.tensor([1.5, -1.0, 0.5, -2.0])
    images = _random(20, 1, 2, 2) + torch.linspace(-2, 2, 20)[:, None, None, None]
    with torch.no_grad():
        labels = model.eval()(images).argmax(dim=1)
        labels[14:] = (labels[14:] + 1) % 3  # the last, smaller batch is all wrong
    model.train()
    size = 14  # batches of 14 and 6 images
    right = 14 / 20
    found = as_tensor(ask(function, model, images, labels, size), "the accuracy").float()
    expect(found.numel() == 1, "one number is wanted: the share of all images")
    share = found.item()
    with torch.no_grad():
        parts = [(images[:size], labels[:size]), (images[size:], labels[size:])]
        in_training = [(copy.deepcopy(model)(x).argmax(dim=1) == y).float() for x, y in parts]
    without_eval = (torch.cat(in_training).mean().item(), sum(p.mean() for p in in_training) / 2)
    expect(
        all(abs(share - float(wrong)) > 1e-4 for wrong in without_eval),
        "the model is still in training mode: call model.eval(), with brackets, before the loop",
    )
    expect(
        abs(share - 0.5) > 1e-4,
        "a mean of the batches' means: the smaller last batch counts too much. "
        "Count the right ones, divide once",
    )
    expect(abs(share - 14) > 1e-4, "that is the number of right answers: divide by all images")
    expect(abs(share - 70) > 1e-3, "a share is wanted, from 0 to 1, not a percentage")
    expect(abs(share - 1) > 1e-4, "the last, smaller batch is left out")
    expect(abs(share - right) < 1e-4, f"{right:g} is right here, your function says {share:g}")
    others = [float(ask(function, model, images, labels, other)) for other in (1, 3, 20, 64)]
    expect(
        all(abs(other - right) < 1e-4 for other in others),
        "the answer still depends on the batch size",
    )
    return "the same share for every batch size"


def _fresh_and_given() -> tuple[ImageData, ImageData]:
    """What the check judges by, and what the reader's function gets: no fresh digits in it."""
    sample = load("mnist", mode="sample")
    return sample, replace(sample, test=sample.val)


@exercise("3.7")
def trained_network(function: Callable[[ImageData], nn.Module]) -> str:
    fresh, given = _fresh_and_given()
    model = ask(function, given)
    expect(isinstance(model, nn.Module), "return the trained model itself")
    count = count_parameters(model)
    expect(count < LARGEST, f"{count:,} parameters are too many: fewer channels, or pool more")
    accuracy = evaluate(model, fresh.batches("test", 500)).accuracy
    reached = f"{100 * accuracy:.1f} % of the fresh digits are right"
    expect(accuracy > 0.2, f"{reached}, little more than a guess: has it been trained?")
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d)]
    expect(
        accuracy >= GOAL or convolutions,
        f"{reached}: there is no convolution in it, so it does not know of neighbours",
    )
    expect(
        accuracy >= GOAL,
        f"{reached}, {100 * GOAL:.0f} % are wanted: try more epochs, another learning rate, "
        "batch normalisation or more channels",
    )
    return f"{reached}, with {count:,} parameters"
