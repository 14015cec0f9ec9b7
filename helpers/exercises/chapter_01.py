"""The checks of chapter 1: pixels, twins, neighbours, curves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers.data.load import load
from helpers.exercises.grading import as_number, ask, exercise, expect

BEST_OF_PIXELS = (1, 3, 5)  # how many neighbours vote in the baselines of exercise 1.6


def _labels(found: Any, count: int) -> Tensor:
    """One whole number an image, as an int64 tensor."""
    labels = torch.as_tensor(np.asarray(found.cpu() if isinstance(found, Tensor) else found))
    expect(
        labels.shape == (count,),
        f"one label for every image is wanted: shape ({count},), not {tuple(labels.shape)}",
    )
    expect(
        not labels.is_floating_point() or (labels == labels.round()).all(),
        "labels are whole numbers: return the class, not a distance",
    )
    return labels.long()


def _near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= 1e-4 * max(1.0, abs(wanted))


def _random_images(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@exercise("1.1")
def halfway(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    a = torch.tensor([0, 1, 100, 200, 255, 3], dtype=torch.uint8).reshape(1, 1, 2, 3)
    b = torch.tensor([0, 1, 50, 200, 254, 8], dtype=torch.uint8).reshape(1, 1, 2, 3)
    found = ask(function, a, b)
    expect(isinstance(found, Tensor), f"return a tensor, not {type(found).__name__}")
    expect(found.shape == a.shape, "the shape must stay as it was")
    values = found.flatten().double().tolist()
    expect(
        values[3] not in (72, 144),
        "200 and 200 became 72: their sum, 400, does not fit into uint8; calculate in float first",
    )
    expect(values[3] <= 255, "that is the sum: halve it")
    expect(
        values[1] != 0,
        "1 and 1 became 0: halving each image first rounds down twice; add in float, then halve",
    )
    expect(
        found.dtype == torch.uint8,
        f"the result is {found.dtype}: turn it back into uint8 at the end",
    )
    expect(values[4] != 255 and values[5] != 6, "round down: 5.5 becomes 5")
    expect(values == [0, 1, 75, 200, 254, 5], f"[0, 1, 75, 200, 254, 5] is wanted, not {values}")
    return "added where there is room for the sum, then halved, then turned back into uint8"


@exercise("1.2")
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


def _mistakes(threshold: float, twins: Tensor, strangers: Tensor) -> int:
    return int((twins >= threshold).sum() + (strangers < threshold).sum())


@exercise("1.3")
def best_threshold(function: Callable[[Tensor, Tensor], float]) -> str:
    generator = torch.Generator().manual_seed(5)
    twins = 0.1 + 0.1 * torch.rand(30, generator=generator)
    twins[0], twins[1] = 0.62, 0.31
    strangers = 0.3 + 0.5 * torch.rand(90, generator=generator)
    strangers[0], strangers[1] = 0.05, 0.28
    fewest = min(_mistakes(float(t), twins, strangers) for t in torch.cat([twins, strangers]))
    found = as_number(ask(function, twins, strangers), "the threshold")
    made = _mistakes(found, twins, strangers)
    expect(
        not _near(found, fewest) or made == fewest,
        "that is how many mistakes are made: return the threshold that makes so few",
    )
    expect(
        found <= twins.max(),
        "every twin is found, but many strangers are called twins, too: some twins may be missed",
    )
    expect(
        found > strangers.min(),
        "no stranger is called a twin, but hardly any twin is found: weigh both mistakes",
    )
    expect(
        not _near(found, float((twins.mean() + strangers.mean()) / 2)),
        "the middle between the two means ignores how wide the hills are: count the mistakes",
    )
    expect(made == fewest, f"{found:.3f} makes {made} mistakes, the best threshold {fewest}")
    # Hills that cover each other: the fewest mistakes are made by calling nobody a twin.
    few, many = torch.tensor([0.4, 0.5]), torch.linspace(0.1, 0.8, 30)
    made = _mistakes(as_number(ask(function, few, many), "the threshold"), few, many)
    expect(made <= 2, "where twins lie among many strangers, the best is to call (nearly) none one")
    return "both kinds of mistakes counted, for every threshold that makes a difference"


@exercise("1.4")
def vote_of_neighbours(function: Callable[[Tensor, Tensor, Tensor, int], Tensor]) -> str:
    generator = torch.Generator().manual_seed(4)
    centres = torch.tensor([30.0, 110.0, 210.0])
    labels = torch.arange(3).repeat(21)
    noise = torch.randn(len(labels), 1, 3, 3, generator=generator) * 12
    images = (centres[labels][:, None, None, None] + noise).round().clamp(0, 255).to(torch.uint8)
    train, train_labels, new, wanted = images[:48], labels[:48].clone(), images[48:], labels[48:]
    train[0], train_labels[0] = new[0], (wanted[0] + 1) % 3  # the nearest of all is mislabelled
    found = _labels(ask(function, train, train_labels, new, 5), len(new))
    known, asked = train.flatten(1).float(), new.flatten(1).float()
    distances = torch.cdist(asked, known)
    expect(
        not torch.equal(found, train_labels[distances.argmin(dim=1)]),
        "that is the label of the nearest image: ask k of them",
    )
    farthest = train_labels[distances.topk(5).indices].mode(dim=1).values
    expect(
        not torch.equal(found, farthest),
        "you asked the k farthest images: topk needs largest=False",
    )
    expect(
        not torch.equal(found, distances.topk(5, largest=False).indices.mode(dim=1).values),
        "those are positions of training images: look up their labels before they vote",
    )
    mean = train_labels[distances.topk(5, largest=False).indices].float().mean(dim=1)
    expect(
        not torch.equal(found, mean.round().long()) or torch.equal(found, wanted),
        "the mean of labels is no vote: two 0 and a 2 would make a 1",
    )
    # From a black image, white ones are farther than dark grey ones; but 255² is 1 in uint8.
    tones = torch.tensor([255, 255, 255, 40, 40, 40], dtype=torch.uint8)
    images = tones[:, None, None, None].repeat(1, 1, 3, 3)
    black = torch.zeros(1, 1, 3, 3, dtype=torch.uint8)
    nearest = _labels(ask(function, images, (tones > 40).long(), black, 1), 1)
    expect(nearest[0] == 0, "uint8 wraps round at 256: .float() before you subtract")
    right = (found == wanted).float().mean()
    expect(right == 1, f"{100 * right:.0f} % of the check's images are named rightly, not 100 %")
    one = _labels(ask(function, train, train_labels, new, 1), len(new))
    expect(one[0] == train_labels[0], "with k = 1 the nearest image alone decides: use k")
    # Labels far apart: their mean is a class that nobody voted for.
    far = 2 * (train_labels > 0).long()
    found = _labels(ask(function, train, far, new, 48), len(new))
    expect(bool((found == 2).all()), "the most frequent label among the k wins, not their mean")
    return "k votes for each image, and the most frequent label wins"


@exercise("1.5")
def learning_curve(gain: float, prediction: float, function: Callable[[int], float]) -> str:
    data = load("mnist", mode="sample")
    train, val = data.train, data.val
    distances = torch.cdist(val.images.flatten(1).float(), train.images.flatten(1).float())

    def accuracy(n: int) -> float:
        found = train.labels[distances[:, :n].argmin(dim=1)]
        return 100 * float((found == val.labels).double().mean())

    read = as_number(gain, "the gain in points")
    expect(
        not _near(read, accuracy(400)) and read < 50,
        "that is the accuracy at 400: take off the one at 200",
    )
    expect(
        abs(read - (accuracy(400) - accuracy(200))) <= 2,
        "read again: the height of the curve above 400, less its height above 200",
    )
    guess = as_number(prediction, "the prediction in %")
    expect(guess > 1, "give the prediction in per cent, not as a share")
    expect(guess >= accuracy(1600), "the curve has not fallen yet: predict more than at 1,600")
    expect(guess <= 100, "more than 100 % is not possible")
    measured = as_number(ask(function, len(train)), "the accuracy")
    expect(not _near(100 * measured, accuracy(len(train))), "return per cent, not a share")
    few = as_number(ask(function, 100), "the accuracy")
    expect(
        measured < 100,
        "100 % is too good: you asked the training images about themselves, not val",
    )
    expect(  # rounded to a tenth is right, too
        abs(few - accuracy(100)) < 0.1 and abs(measured - accuracy(len(train))) < 0.1,
        f"with 100 images it is {accuracy(100):.1f} %, not {few:.1f} %: use the first n only, "
        "as float, and score on validation",
    )
    said = f"measured {measured:.1f} %, predicted {guess:g} %"
    return f"{said}: early doublings bring much, late ones little"


@exercise("1.6")
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
