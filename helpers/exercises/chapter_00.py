"""The checks of the page on tensors: shapes, masks, axes, broadcasting, `@` and `gather`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from helpers.exercises.grading import as_tensor, ask, exercise, expect


def _numbers(found: Any, shape: tuple[int, ...], what: str) -> Tensor:
    """What the reader returned as float64 of the wanted shape."""
    values = as_tensor(found, what)
    wanted, given = (" × ".join(map(str, s)) or "a single number" for s in (shape, values.shape))
    expect(values.shape == shape, f"{what}: the shape {wanted} is wanted, not {given}")
    return values


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b.double(), rtol=1e-4, atol=1e-5)


@exercise("0.1")
def shapes(found: Any) -> str:
    x = torch.zeros(64, 3, 32, 32)
    questions = {
        "x[0]": (x[0], "one position takes axis 0 away, the other three stay"),
        "x[:, 0]": (x[:, 0], "the colon keeps axis 0, the 0 takes axis 1 away"),
        "x.flatten(1)": (x.flatten(1), "axis 0 stays, the lengths from axis 1 on are multiplied"),
        "x.mean(dim=(1, 2, 3))": (x.mean(dim=(1, 2, 3)), "the named axes disappear, 64 is left"),
        "x[:5, :, ::2, ::2]": (
            x[:5, :, ::2, ::2],
            "a slice keeps its axis: five images, and every second row and column",
        ),
    }
    expect(isinstance(found, (list, tuple)), "give a list of five tuples")
    expect(len(found) == 5, f"five shapes are wanted, not {len(found)}")
    for guess, (text, (result, hint)) in zip(found, questions.items(), strict=True):
        guess = tuple(guess) if isinstance(guess, (list, tuple)) else (guess,)
        expect(guess == tuple(result.shape), f"{text} has another shape: {hint}")
    return "all five: you can read shapes without running the code"


@exercise("0.2")
def ink(function: Callable[[Tensor], Tensor]) -> str:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5, 1, 4, 6), generator=generator, dtype=torch.uint8)
    images[1] //= 2  # nothing above 128 is left
    images[2, 0, 0, 0] = images[3, 0, 1, 1] = 128
    bright = images > 128
    given = as_tensor(ask(function, images), "the counts")
    expect(
        given.numel() != 1,
        "that is one number for all images: keep axis 0, name the axes to add up",
    )
    expect(
        given.shape != (5, 1, 4) and given.shape != (5, 1, 6),
        "that is one number for each row or column: add up axes 1, 2 and 3",
    )
    found = _numbers(given, (5,), "one number for each image")
    expect(
        not _same(found, (images * bright).sum(dim=(1, 2, 3))),
        "you added up the bright pixels: count them, by adding up the mask",
    )
    expect(
        not _same(found, bright.double().mean(dim=(1, 2, 3))),
        "that is a share: how many pixels are bright?",
    )
    expect(
        not _same(found, (images >= 128).sum(dim=(1, 2, 3))),
        "a pixel of exactly 128 is not brighter than 128",
    )
    expect(
        not _same(found, (~bright).sum(dim=(1, 2, 3))),
        "you counted the dark pixels: brighter than 128 is > 128",
    )
    expect(_same(found, bright.sum(dim=(1, 2, 3))), "these are not the numbers of bright pixels")
    return "a mask has the shape of what it asks about, and True counts as 1"


@exercise("0.3")
def row_shares(function: Callable[[Tensor], Tensor]) -> str:
    # Square: there the forgotten keepdim raises no error.
    table = torch.tensor([[1.0, 1.0, 2.0], [3.0, 3.0, 4.0], [6.0, 10.0, 4.0]])
    found = _numbers(ask(function, table), (3, 3), "a share for every number")
    expect(
        not _same(found, table / table.sum()),
        "you divided by the sum of the whole table: each row has its own sum, dim=1",
    )
    expect(
        not _same(found, table / table.sum(dim=0)),
        "now the columns add up to 1: the sum of a row makes axis 1 disappear",
    )
    expect(
        not _same(found, table / table.sum(dim=1)),
        "the sums were laid along the columns: with keepdim=True they stay a column",
    )
    expect(not _same(found, 100 * table / table.sum(dim=1, keepdim=True)), "not in per cent")
    expect(_same(found, table / table.sum(dim=1, keepdim=True)), "the rows do not add up to 1")
    wide = torch.tensor([[1.0, 3.0, 4.0]])
    _numbers(ask(function, wide), (1, 3), "a share for every number")
    return "keepdim leaves an axis of length 1, and broadcasting repeats it"


@exercise("0.4")
def own_score(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    scores = torch.arange(12.0).reshape(4, 3).cos()
    labels = torch.tensor([2, 0, 1, 1])
    wanted = scores[torch.arange(4), labels].double()
    given = as_tensor(ask(function, scores, labels), "the scores")
    expect(
        given.shape != (4, 1),
        "right numbers as a column, 4 × 1: take the axis of length 1 away with [:, 0]"
        if _same(given.flatten(), wanted)
        else "a column, 4 × 1, is not wanted: take its axis of length 1 away with [:, 0]",
    )
    expect(
        given.shape != (4, 4),
        "scores[:, labels] takes all four columns from every row: use gather, or pairs of "
        "row and column",
    )
    found = _numbers(given, (4,), "one score for each image")
    expect(
        not _same(found, scores.max(dim=1).values),
        "that is the highest score of each row: the label says which one is wanted",
    )
    expect(
        not _same(found, scores[labels, 0]),
        "the labels are columns, not rows: walk along axis 1",
    )
    expect(_same(found, wanted), "these are not the scores of the labels")
    return "one number from every row, each from its own column"


@exercise("0.5")
def weighted_sums(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 1, 3, 4), generator=generator, dtype=torch.uint8)
    weights = torch.randn(5, 12, generator=generator)
    wanted = images.flatten(1).float() @ weights.T
    given = as_tensor(ask(function, images, weights), "the sums")
    expect(
        given.shape != (5, 6),
        "that is classes × images: the images come first, and .T turns the weights round",
    )
    found = _numbers(given, (6, 5), "a sum for each image and class")
    expect(not _same(found, wanted / 255), "the pixels are taken as they are, from 0 to 255")
    expect(
        not _same(found, wanted / 12),
        "those are means: the sum of pixels times weights is wanted",
    )
    expect(
        not _same(found, images.flatten(1).float() @ weights.to(torch.uint8).float().T),
        "turn the pixels into float, not the weights into uint8",
    )
    expect(_same(found, wanted), "these are not the sums of pixels times weights")
    return "N × HW @ HW × K gives N × K: this is the linear model of chapter 2"


@exercise("0.6")
def distances(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    a = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 9.0]])
    b = torch.tensor([[3.0, 4.0], [6.0, -8.0]])
    wanted = torch.cdist(a, b).double()
    given = as_tensor(ask(function, a, b), "the distances")
    expect(given.shape != (2, 3), "that is M × N: a row for each point of a is wanted")
    expect(
        given.shape != (3, 2, 2),
        "those are the differences in each coordinate: square them and add up the last axis",
    )
    found = _numbers(given, (3, 2), "a distance for each pair")
    expect(not _same(found, wanted**2), "those are squared distances: take the root")
    absolute = (a[:, None] - b).abs().sum(dim=2)
    expect(
        not _same(found, absolute),
        "you added up the differences themselves: square them first, take the root last",
    )
    expect(
        not _same(found, (a[:, None] - b).sum(dim=2).abs()),
        "differences of both signs cancel each other: square them before you add up",
    )
    other_axis = ((a[:, None] - b) ** 2).sum(dim=1)
    expect(
        not _same(found, other_axis) and not _same(found, other_axis.sqrt()),
        "you added up over the points of b: which axis holds the coordinates?",
    )
    expect(_same(found, wanted), "these are not the distances")
    return "N × 1 × D against 1 × M × D: every point of a meets every point of b"
