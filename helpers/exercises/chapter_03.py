"""Checks of the exercises of chapter 3: convolutional networks."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data.batches import ImageData
from helpers.data.load import load
from helpers.exercises.grading import as_number, as_tensor, ask, exercise, expect
from helpers.models import count_parameters
from helpers.notebook import budget
from helpers.recipes import TrainingConfig
from helpers.training import evaluate, fit

WANTED_FIELD = 23  # pixels
LARGEST_LOSS = 0.05  # nats, of twenty images learned by heart
LARGEST, GOAL = 5_000, 0.95  # parameters, share of fresh digits


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def _convolutions(model: nn.Module) -> list[nn.Conv2d]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


def _layers(model: nn.Module) -> list[nn.Module]:
    """The layers with weights: convolutions, then linear ones."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return [*_convolutions(model), *linear]


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
        strided.shape == (rows, columns),
        f"with stride 2, 7 × 10 pixels give {rows} × {columns}, yours are {tuple(strided.shape)}: "
        "the output has one number for each place of the kernel",
    )
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


@exercise("3.5")
def learned_by_heart(function: Callable[[Tensor, Tensor], nn.Module]) -> str:
    sample = load("mnist", mode="sample")
    images, labels = sample.normalise(sample.train.images[:20]), sample.train.labels[:20]
    model = ask(function, images, labels)
    expect(isinstance(model, nn.Module), "return the trained model itself")
    expect(_convolutions(model), "a CNN is wanted: there is no convolution in it")
    model = copy.deepcopy(model).cpu()

    def answer(training: bool) -> tuple[float, float]:
        with torch.no_grad():
            logits = copy.deepcopy(model).train(training)(images)
        right = (logits.argmax(dim=1) == labels).sum().item()
        return right, F.cross_entropy(logits, labels).item()

    (right, loss), (_, in_training) = answer(training=False), answer(training=True)
    with torch.no_grad():
        outputs = model.eval()(images)
    expect(outputs.shape == (20, 10), "ten logits for each image are wanted")
    adds_up = torch.allclose(outputs.sum(dim=1), torch.ones(20), atol=1e-4)
    expect(
        not (adds_up and outputs.min() >= 0),
        f"the loss is {loss:.2f} and cannot fall below 1.46: there is a softmax in the model, "
        "and F.cross_entropy does its own",
    )
    expect(not math.isnan(loss), "the loss is nan: the training exploded, take a smaller rate")
    expect(
        loss < LARGEST_LOSS or in_training >= LARGEST_LOSS,
        f"learned in training mode, but the loss in evaluation mode is {loss:.2f}: batch "
        "normalisation's running means lag behind, so take more steps or leave it out",
    )
    found = f"{right} of 20 are right, with a loss of {loss:.3f}"
    expect(right > 5, f"{found}, hardly more than a guess: has it been trained on these images?")
    expect(right == 20 and loss < LARGEST_LOSS, f"{found}: take more steps, or another rate")
    return f"all twenty by heart, with a loss of {loss:.3f}"


def _two_rounds(first: int, second: int, kernel_size: int) -> nn.Sequential:
    """The CNN that the chapter writes, with so many kernels in its two convolutions."""
    options = {"kernel_size": kernel_size, "padding": kernel_size // 2}
    return nn.Sequential(
        *(nn.Conv2d(1, first, **options), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, **options), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(second, 10)),
    )


SHAPE, PARAMETERS, MULTIPLY_ADDS = (32, 7, 7), 13_578, 2_822_720


@exercise("3.6")
def changed_network(predicted: Sequence[Any], function: Callable[[], nn.Module]) -> str:
    expect(len(predicted) == 3, "three predictions are wanted: shape, parameters, multiply-adds")
    shape = tuple(int(size) for size in predicted[0])
    parameters = as_number(predicted[1], "the number of parameters")
    work = as_number(predicted[2], "the number of multiply-adds")
    expect(
        shape not in ((32, 28, 28), (32, 14, 14)),
        "two max-pools stand before the global pooling, and each halves rows and columns",
    )
    expect(shape == SHAPE, f"the shape {shape} is not right: channels first, then two halvings")
    expect(
        parameters != 13_520,
        "the biases are missing: one number for each kernel, and for each class",
    )
    expect(
        parameters != 1_578,
        "a kernel has a slice for each channel that comes in: those of the second have 16",
    )
    expect(parameters == PARAMETERS, f"{parameters:,.0f} parameters are not right")
    expect(
        work not in (13_520, PARAMETERS),
        "those are weights: each weight of a kernel is used at every place of its map",
    )
    expect(
        work != 16 * 25 * 28**2 + 32 * 16 * 25 * 28**2 + 320,
        "the second convolution works behind the first max-pool: on 14 × 14 places",
    )
    expect(work != MULTIPLY_ADDS - 320, "the linear layer works too: 32 · 10 multiply-adds")
    expect(work == MULTIPLY_ADDS, f"{work:,.0f} multiply-adds are not right")
    model = ask(function)
    expect(isinstance(model, nn.Module), "the function returns the network")
    shapes = [tuple(c.weight.shape) for c in _convolutions(model)]
    expect(
        shapes == [(16, 1, 5, 5), (32, 16, 5, 5)] and count_parameters(model) == PARAMETERS,
        f"the network has kernels of {shapes} and {count_parameters(model):,} parameters, "
        f"you predicted {PARAMETERS:,}",
    )
    sample = load("mnist", mode="sample").subset(1_500)
    expect(
        all(c.padding in ((2, 2), "same") for c in _convolutions(model)),
        "5 × 5 kernels need a padding of 2 to keep the size",
    )
    original, right = _two_rounds(32, 64, kernel_size=3), _two_rounds(16, 32, kernel_size=5)
    for layer, theirs in zip(_layers(right), _layers(model), strict=True):
        layer.load_state_dict(theirs.state_dict())
    digits = sample.normalise(sample.val.images[:20])
    with torch.no_grad():
        same = _like(copy.deepcopy(model).cpu().eval()(digits), right.eval()(digits))
    expect(
        same,
        "the layers are right, what happens between them is not: ReLU and max-pooling behind "
        "each convolution, then the largest value of each map, as before",
    )
    config = TrainingConfig(epochs=budget(full=3, fast=1), batch_size=64, lr=3e-3)
    runs = [fit(each, sample, config, progress=False) for each in (model, original)]
    changed, before = (100 * run["val_accuracy"][-1] for run in runs)
    return (
        f"all three right. After {config.epochs} epochs it gets {changed:.1f} % of the validation "
        f"digits right, the original {before:.1f} %"
    )


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
    expect(
        accuracy >= GOAL or _convolutions(model),
        f"{reached}: there is no convolution in it, so it does not know of neighbours",
    )
    expect(
        accuracy >= GOAL,
        f"{reached}, {100 * GOAL:.0f} % are wanted: try more epochs, another learning rate, "
        "batch normalisation or more channels. (The digits come normalised, by `data.normalise`.)",
    )
    return f"{reached}, with {count:,} parameters"
