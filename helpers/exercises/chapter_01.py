"""The checks of chapter 1: sizes of tensors, pixels, splits, baselines."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers.data.load import load
from helpers.exercises.grading import as_number, ask, exercise, expect

BEST_OF_PIXELS = (1, 3, 5)  # how many neighbours vote in the baselines of exercise 1.7


def _labels(found: Any, count: int) -> Tensor:
    """One whole number an image, as an int64 tensor."""
    labels = torch.as_tensor(np.asarray(found.cpu() if isinstance(found, Tensor) else found))
    expect(
        labels.shape == (count,),
        f"one label for every image is wanted: shape ({count},), not {tuple(labels.shape)}",
    )
    expect(
        bool((labels == labels.round()).all()) if labels.is_floating_point() else True,
        "labels are whole numbers: return the class, not a distance",
    )
    return labels.long()


def _near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= 1e-4 * max(1.0, abs(wanted))


def _random_images(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@exercise("1.1")
def megabytes(function: Callable[[Tensor], float]) -> str:
    images = torch.zeros(500, 3, 20, 10)
    count = images.numel()
    found = as_number(ask(function, images), "the megabytes")
    expect(not _near(found, 4 * count), "those are bytes: a megabyte is 1,000,000 of them")
    expect(
        not _near(found, count / 1e6),
        "you counted the numbers, not their bytes: a float32 takes four (images.element_size())",
    )
    expect(
        not _near(found, 4 * count / 2**20),
        "you divided by 1,048,576; this chapter's megabyte is 1,000,000 bytes",
    )
    expect(
        not _near(found, 4 * count / len(images) / 1e6),
        "that is one image: multiply by how many there are, or use images.numel()",
    )
    expect(_near(found, 4 * count / 1e6), f"for 500 × 3 × 20 × 10 float32 it is 1.2, not {found:g}")
    small = as_number(ask(function, images.to(torch.uint8)), "the megabytes")
    expect(
        _near(small, count / 1e6),
        "right for float32, wrong for uint8, which takes one byte: ask images.element_size()",
    )
    return "numbers times bytes a number; uint8 needs a quarter of float32"


@exercise("1.2")
def brighten(function: Callable[[Tensor, int], Tensor]) -> str:
    images = torch.tensor([0, 50, 100, 200, 255], dtype=torch.uint8).reshape(1, 1, 1, 5)
    found = ask(function, images, 100)
    expect(isinstance(found, Tensor), f"return a tensor, not {type(found).__name__}")
    expect(found.shape == images.shape, "the shape must stay as it was")
    values = found.flatten().double()
    expect(
        values[3] not in (44, 45) and values[4] not in (99, 100),
        "200 + 100 became 44: uint8 starts again at 0 after 255; calculate in float first",
    )
    expect(values.max() <= 255, "values above 255 are left: clamp them to 255")
    expect(
        found.dtype == torch.uint8,
        f"the result is {found.dtype}: turn it back into uint8 at the end",
    )
    expect(values.tolist() == [100, 150, 200, 255, 255], f"[100, 150, …] is wanted, not {values}")
    dark = ask(function, images, -100)
    expect(
        dark.flatten().tolist() == [0, 0, 0, 100, 155],
        "with a negative amount the dark end must be clamped too, to 0",
    )
    return "calculated in float, clamped at both ends, turned back into uint8"


@exercise("1.3")
def majority_accuracy(function: Callable[[Tensor, Tensor], float]) -> str:
    train = torch.tensor([2] * 5 + [0] * 3 + [1] * 2)
    val = torch.tensor([0] * 5 + [2] * 2 + [1] * 1)
    found = as_number(ask(function, train, val), "the accuracy")
    expect(
        not _near(found, 5 / 8),
        "you looked for the most frequent class in the validation labels: that is leakage; "
        "choose it in the training labels",
    )
    expect(
        not _near(found, 5 / 10),
        "that is the share among the training labels: score the choice on the validation labels",
    )
    expect(not _near(found, 2), "that is how many are right, or the class: divide by their number")
    expect(not _near(found, 25), "give a share between 0 and 1, not per cent")
    expect(_near(found, 0.25), f"for this little example it is 0.25, not {found:g}")
    never = as_number(ask(function, torch.tensor([1, 1, 0]), torch.tensor([0, 0])), "the accuracy")
    expect(_near(never, 0), "a class that validation does not have scores 0")
    return "chosen on training, scored on validation: the least that a model must beat"


@exercise("1.4")
def channel_stats(function: Callable[[Tensor], tuple[Tensor, Tensor]]) -> str:
    images = _random_images(1, 6, 3, 20, 15)
    images[:, 1] //= 2  # channels that differ
    images[:3, 2] //= 4  # and images that differ
    pixels = images.double() / 255
    mean, std = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3), correction=0)
    found = ask(function, images)
    expect(
        isinstance(found, (tuple, list)) and len(found) == 2, "return two things: means and stds"
    )
    means, stds = (torch.as_tensor(part).double().cpu() for part in found)
    expect(
        means.numel() != 1 and stds.numel() != 1,
        "one number for all channels is too few: keep axis 1, average over axes 0, 2 and 3",
    )
    expect(
        means.numel() == 3 and stds.numel() == 3,
        f"three channels need three means, not {means.numel()}: average over axes 0, 2 and 3",
    )
    means, stds = means.flatten(), stds.flatten()
    expect(
        not torch.allclose(means, 255 * mean, rtol=1e-3),
        "these are in units of 0 to 255: divide the pixels by 255 first",
    )
    expect(torch.allclose(means, mean, atol=1e-4), "the means are not those of each channel")
    each = pixels.std(dim=(2, 3), correction=0).mean(dim=0)
    expect(
        not torch.allclose(stds, each, atol=2e-3),
        "you averaged the spread of single images: take the spread of all pixels together",
    )
    expect(
        not torch.allclose(stds, std**2, atol=2e-3),
        "that is the variance: the standard deviation is its square root",
    )
    expect(torch.allclose(stds, std, atol=2e-3), "the standard deviations are not those wanted")
    return "one mean and one standard deviation a channel, from all images, rows and columns"


@exercise("1.5")
def count_leaks(function: Callable[[Tensor, Tensor], int]) -> str:
    train = _random_images(2, 12, 1, 4, 4)
    train[7] = train[8] = train[10] = train[3]
    # In validation: an image that training has four times, one that validation has twice, one
    # at the same place as in training, one with the pixels in another order, and strangers.
    val = _random_images(3, 9, 1, 4, 4)
    val[0], val[1], val[5], val[6] = train[3], train[9], train[9], train[6]
    val[2] = train[4].flip(2)
    found = as_number(ask(function, train, val), "how many leak")
    expect(
        not _near(found, 1),
        "you compared images at the same position only: an image may leak to any place",
    )
    expect(
        not _near(found, 3),
        "you counted different images only: each validation image with a twin in training counts",
    )
    expect(
        not _near(found, 5),
        "an image with the same pixels in another order is no copy: compare pixel by pixel",
    )
    expect(
        not _near(found, 6),
        "you counted the training images: how many images of validation are in training?",
    )
    expect(
        not _near(found, 7),
        "you counted pairs: a validation image with four twins in training is one leak, not four",
    )
    expect(not _near(found, 4 / 9), "that is the share: return how many")
    expect(_near(found, 4), f"four of the nine validation images are in training, not {found:g}")
    none = as_number(ask(function, train[:3], val[7:]), "how many leak")
    expect(_near(none, 0), "where nothing is shared the answer is 0")
    return "each validation image was looked for among all training images"


@exercise("1.6")
def nearest_mean(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    generator = torch.Generator().manual_seed(4)
    centres = torch.tensor([30.0, 110.0, 210.0])
    labels = torch.arange(3).repeat(20)
    noise = torch.randn(len(labels), 1, 3, 3, generator=generator) * 15
    images = (centres[labels][:, None, None, None] + noise).round().clamp(0, 255).to(torch.uint8)
    train, train_labels, new, wanted = images[:45], labels[:45], images[45:], labels[45:]
    found = _labels(ask(function, train, train_labels, new), len(new))
    flat = train.flatten(1).float()
    means = torch.stack([flat[train_labels == c].mean(dim=0) for c in range(3)])
    queries = new.flatten(1).float()
    distance = torch.cdist(queries, means)
    expect(
        not torch.equal(found, distance.argmax(dim=1)),
        "you chose the mean that is farthest away: argmin, not argmax",
    )
    expect(
        not torch.equal(found, (queries @ means.T).argmax(dim=1)),
        "the product of two images is largest for the brightest mean: use the distance",
    )
    wrapped = (new[:, None] - means.reshape(3, 1, 3, 3).to(torch.uint8)).float()
    expect(
        not torch.equal(found, (wrapped**2).sum(dim=(2, 3, 4)).argmin(dim=1)),
        "you subtracted uint8 images: below 0 they start again at 255; turn them into float first",
    )
    right = (found == wanted).float().mean()
    expect(right == 1, f"{100 * right:.0f} % of the check's images are named rightly, not 100 %")
    # A stray image of class 0 where class 2 is: it is the nearest image, its mean is not.
    train[0] = 210
    query = torch.full((1, 1, 3, 3), 210, dtype=torch.uint8)
    expect(
        _labels(ask(function, train, train_labels, query), 1).item() == 2,
        "that is the class of the nearest image: average the images of each class first",
    )
    return "ten mean images are enough to name new ones, without any training"


@exercise("1.7")
def beat_the_neighbours(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    data = load("mnist", mode="sample")
    train, val = data.train, data.val
    found = _labels(ask(function, train.images, train.labels, val.images), len(val))
    distance = torch.cdist(val.images.flatten(1).float(), train.images.flatten(1).float())
    nearest = train.labels[distance.topk(max(BEST_OF_PIXELS), largest=False).indices]
    bar = max(
        float((nearest[:, :k].mode(dim=1).values == val.labels).double().mean())
        for k in BEST_OF_PIXELS
    )
    score = float((found == val.labels).double().mean())
    expect(
        found.max() < 10 and found.min() >= 0,
        "that is the position of a training image: look up its label in train_labels",
    )
    expect(len(found.unique()) > 1, "every image gets the same label: look at the images too")
    said = f"{100 * score:.1f} % right, neighbours in plain pixels reach {100 * bar:.1f} %"
    expect(
        score > 0.5, f"{said}: the order of the labels does not fit the images, or uint8 wrapped"
    )
    expect(score > bar, f"{said}: change what is compared, for example shift or blur the images")
    return f"{said}; knowing what keeps a label is worth more than a cleverer distance"
