"""Figures that two chapters share. They take arrays and histories, and return the figure."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from helpers.training import History

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
MARKERS = "osD^vPX*"


def use_style() -> None:
    """Set one look for all figures of the course."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "figure.dpi": 90,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "image.cmap": "gray",
            "lines.linewidth": 2,
        }
    )


def show_images(
    images: Tensor,
    labels: Sequence[int] | Tensor | None = None,
    classes: Sequence[str] | None = None,
    columns: int = 8,
    title: str | None = None,
) -> Figure:
    """A grid of images (uint8, or float in [0, 1], `N x C x H x W`), each under its class name."""
    rows = -(-len(images) // columns)
    height = 1.0 if labels is None else 1.2
    figure, axes = plt.subplots(rows, columns, figsize=(columns, rows * height), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for position, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        _draw(axis, image)
        if labels is not None:
            label = int(labels[position])
            axis.set_title(classes[label] if classes else str(label), fontsize=9)
    if title:
        figure.suptitle(title)
    return figure


def plot_histories(histories: Mapping[str, History], title: str | None = None) -> Figure:
    """Training loss (dashed), validation loss and validation accuracy against the epoch."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    for position, (name, history) in enumerate(histories.items()):
        style = {"color": COLOURS[position % 8], "marker": MARKERS[position % 8], "markersize": 4}
        left.plot(history["epoch"], history["train_loss"], **style, linestyle="--")
        left.plot(history["epoch"], history["val_loss"], **style, label=name)
        accuracy = 100 * np.array(history["val_accuracy"])
        right.plot(history["epoch"], accuracy, **style, label=name)
    left.set(xlabel="epoch", ylabel="loss (nats)", title="dashed: training, solid: validation")
    right.set(xlabel="epoch", ylabel="validation accuracy (%)")
    right.legend(fontsize=9)
    if title:
        figure.suptitle(title)
    return figure


def plot_confusion(
    labels: Tensor, predictions: Tensor, classes: Sequence[str], title: str | None = None
) -> Figure:
    """The confusion matrix: each row's percentages show where one true class went."""
    count = len(classes)
    matrix = torch.bincount(labels * count + predictions, minlength=count**2)
    matrix = matrix.reshape(count, count).double()
    percent = (100 * matrix / matrix.sum(dim=1, keepdim=True).clamp(min=1)).numpy()
    figure, axis = plt.subplots(figsize=(6.4, 5.4))
    picture = axis.imshow(percent, cmap="cividis", vmin=0, vmax=100)
    for row, column in np.ndindex(percent.shape):
        if percent[row, column] >= 1:
            colour = "black" if percent[row, column] > 55 else "white"
            text = f"{percent[row, column]:.0f}"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axis.set_xticks(range(count), classes, rotation=45, ha="right")
    axis.set_yticks(range(count), classes)
    axis.set(xlabel="predicted class", ylabel="true class", title=title or "")
    figure.colorbar(picture, label="share of the true class (%)")
    return figure


def plot_mistakes(
    images: Tensor,
    labels: Tensor,
    probabilities: Tensor,
    classes: Sequence[str],
    count: int = 12,
    columns: int = 6,
) -> Figure:
    """The wrong predictions (of `N` images) of which the model was most certain."""
    certainty, predictions = probabilities.max(dim=1)
    wrong = (predictions != labels).nonzero().flatten()
    wrong = wrong[certainty[wrong].argsort(descending=True)][:count]
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.35 * columns, 1.9 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, index in zip(axes.flat, wrong.tolist(), strict=False):
        _draw(axis, images[index])
        guess = f"{classes[predictions[index]]} ({100 * certainty[index]:.0f} %)"
        axis.set_title(f"says {guess}\nis {classes[labels[index]]}", fontsize=8)
    return figure


def _draw(axis: plt.Axes, image: Tensor) -> None:
    """Draw one image `C x H x W`, uint8 or float in [0, 1], grey or RGB."""
    pixels = image.detach().cpu().permute(1, 2, 0).numpy()
    limit = 255 if image.dtype == torch.uint8 else 1
    axis.imshow(pixels if pixels.shape[2] == 3 else pixels[:, :, 0], vmin=0, vmax=limit)
    axis.set_xticks([])
    axis.set_yticks([])
