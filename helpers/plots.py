"""Figures that two chapters share. They take arrays and histories, and return the figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from torch import Tensor

from helpers.data.load import sample_note
from helpers.support.progress import shell
from helpers.training import History

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
MARKERS = "osD^vPX*"
# Inches. At this width the smallest text is still readable on a screen of 400 pixels.
WIDTH = 6.4
SMALLEST_TEXT = 9  # points


def use_style() -> None:
    """Set one look for all figures of the course; they and tables tell of a sample."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "figure.hooks": ["helpers.plots:mark_sample"],
            "font.size": 10.5,
            "image.cmap": "gray",
            "lines.linewidth": 2,
        }
    )
    if here := shell():
        here.events.register("post_run_cell", _mark_tables)


# A cell with this line shows numbers that were measured before, on other data.
FROM_FILE = "# From a file, not from this run."


def _mark_tables(result: Any) -> None:
    """Under the output of a cell that prints a table: the same as under a figure."""
    cell = result.info.raw_cell or ""
    if ".to_string(" in cell and FROM_FILE not in cell and (text := sample_note()):
        print(text)


class _Below(Text):
    """A line below all that the figure holds; a picture that is cut to its contents shows it."""

    def get_tightbbox(self, renderer: RendererBase | None = None) -> Bbox | None:
        """Find the place, then say it; Matplotlib asks before it cuts."""
        self.set_visible(False)
        figure = self.get_figure()
        assert isinstance(figure, Figure)
        rest = figure.get_tightbbox(renderer)  # in inches; on the canvas, the figure moves
        place = (rest.x0 / figure.get_figwidth(), (rest.y0 - 0.06) / figure.get_figheight())
        self.set(visible=True, position=place)
        return super().get_tightbbox(renderer)


def mark_sample(figure: Figure) -> None:
    """Let a new figure say that a bundled sample stands in for full data, where one does."""
    here = shell()
    cell = here.user_ns["In"][-1] if here else ""
    if FROM_FILE not in cell and (text := sample_note()):
        line = _Below(text=text, va="top", fontsize=SMALLEST_TEXT, fontstyle="italic", color="0.3")
        line.set_transform(figure.transFigure)
        figure.add_artist(line)


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
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * height * WIDTH / columns), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for position, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        draw_image(axis, image)
        if labels is not None:
            label = int(labels[position])
            axis.set_title(classes[label] if classes else str(label), fontsize=9)
    if title:
        figure.suptitle(title)
    return figure


def plot_histories(histories: Mapping[str, History], title: str | None = None) -> Figure:
    """Training loss (dashed), validation loss and validation accuracy against the epoch."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3))
    thin: dict[str, Any] = {"linestyle": "--", "linewidth": 1.2}
    for position, (name, history) in enumerate(histories.items()):
        colour = COLOURS[position % 8]
        thick = {"color": colour, "marker": MARKERS[position % 8], "markersize": 4}
        left.plot(history["epoch"], history["train_loss"], color=colour, **thin)
        left.plot(history["epoch"], history["val_loss"], **thick)
        accuracy = 100 * np.array(history["val_accuracy"])
        right.plot(history["epoch"], accuracy, **thick, label=name)
    kinds = [Line2D([], [], color="0.3", label="training", **thin)]
    kinds.append(Line2D([], [], color="0.3", marker="o", markersize=4, label="validation"))
    left.legend(handles=kinds, fontsize=9)
    left.set(xlabel="epoch", ylabel="loss (nats)")
    right.set(xlabel="epoch", ylabel="validation accuracy (%)")
    right.legend(fontsize=9)
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
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
    figure, axis = plt.subplots(figsize=(WIDTH, 5.4))
    picture = axis.imshow(percent, cmap="cividis", vmin=0, vmax=100)
    for row, column in np.ndindex(percent.shape):
        if percent[row, column] >= 1:
            colour = "black" if percent[row, column] > 55 else "white"
            text = f"{percent[row, column]:.0f}"
            axis.text(
                column, row, text, ha="center", va="center", color=colour, fontsize=SMALLEST_TEXT
            )
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
    columns: int = 4,
) -> Figure:
    """The wrong predictions (of `N` images) of which the model was most certain."""
    certainty, predictions = probabilities.max(dim=1)
    wrong = (predictions != labels).nonzero().flatten()
    wrong = wrong[certainty[wrong].argsort(descending=True)][:count]
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.1 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, index in zip(axes.flat, wrong.tolist(), strict=False):
        draw_image(axis, images[index])
        said, right = classes[int(predictions[index])], classes[int(labels[index])]
        text = f"says {said} ({100 * certainty[index]:.0f} %)\nis {right}"
        axis.set_title(text, fontsize=SMALLEST_TEXT)
    return figure


def plot_architecture(
    stages: Sequence[tuple[str, tuple[int, ...]]],
    image: Tensor | None = None,
    probabilities: Tensor | None = None,
    classes: Sequence[str] | None = None,
) -> Figure:
    """The way of one image (`C x H x W`) through a network, from left to right.

    Every stage has a name and its real shape: `(C, H, W)` becomes a stack of maps, `(N,)` a
    column. At the right end stand the `probabilities`, one bar for each of `classes`.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 2.4))
    axis.axis("off")
    left = 0.0
    if image is not None:
        draw_image(axis, image, extent=(left, left + 1, -0.5, 0.5))
        _label(axis, left + 0.5, "image", "")
        left += 1.35
    for name, shape in stages:
        left += _draw_stage(axis, left, name, shape)
    if probabilities is not None:
        left += _draw_probabilities(axis, left, probabilities, classes)
    margin = max(0.1, (8 - left) / 2)
    axis.set(xlim=(-margin, left + margin), ylim=(-1.9, 1.65), aspect="equal")
    figure.set_size_inches(WIDTH, WIDTH * 3.55 / (left + 2 * margin))
    return figure


def _label(axis: plt.Axes, x: float, name: str, shape: str) -> None:
    axis.text(x, 1.4, name, ha="center", fontsize=SMALLEST_TEXT)
    axis.text(x, -1.4, shape, ha="center", va="top", fontsize=SMALLEST_TEXT)


def _draw_stage(axis: plt.Axes, left: float, name: str, shape: tuple[int, ...]) -> float:
    """A stack of maps or a column, with its name and shape; returns the width it took."""
    if len(shape) == 3:
        sheets, side = min(5, 1 + int(np.log2(shape[0]))), 0.15 + 0.75 * min(1, shape[1] / 32)
        for sheet in range(sheets):
            shift = 0.07 * sheet
            corner = (left + shift, 0.14 - side / 2 - shift)
            axis.add_patch(plt.Rectangle(corner, side, side, facecolor=COLOURS[5], edgecolor="k"))
        middle, width = left + (side + 0.07 * sheets) / 2, 1.15
        text = f"{shape[0]} of\n{shape[1]}×{shape[2]}"
    else:
        height = 0.3 + 0.2 * np.log2(shape[0])
        corner = (left + 0.2, -height / 2)
        axis.add_patch(plt.Rectangle(corner, 0.2, height, facecolor=COLOURS[1], edgecolor="k"))
        middle, width, text = left + 0.3, 0.85, f"{shape[0]:,}"
    _label(axis, middle, name, text)
    return width


def _draw_probabilities(
    axis: plt.Axes, left: float, probabilities: Tensor, classes: Sequence[str] | None
) -> float:
    """One bar a class, from 0 to 1; returns the width that they took."""
    count = len(probabilities)
    names = list(classes) if classes else [str(number) for number in range(count)]
    start = left + 0.15 + 0.1 * max(map(len, names))
    for row, (name, share) in enumerate(zip(names, probabilities.tolist(), strict=True)):
        y = 1.3 - 2.6 * (row + 0.5) / count
        axis.text(start - 0.05, y, name, ha="right", va="center", fontsize=SMALLEST_TEXT)
        axis.add_patch(plt.Rectangle((start, y - 0.9 / count), 1, 1.8 / count, facecolor="0.93"))
        bar = plt.Rectangle((start, y - 0.9 / count), share, 1.8 / count, facecolor=COLOURS[2])
        axis.add_patch(bar)
    _label(axis, start + 0.5, "probabilities", "0 to 1")
    return start + 1.1 - left


def draw_image(axis: plt.Axes, image: Tensor, **options: Any) -> None:
    """Draw one image `C x H x W`, uint8 or float in [0, 1], grey or RGB."""
    pixels = image.detach().cpu().permute(1, 2, 0).numpy()
    limit = 255 if image.dtype == torch.uint8 else 1  # or a dark image would be stretched to white
    axis.imshow(pixels if pixels.shape[2] == 3 else pixels[:, :, 0], vmin=0, vmax=limit, **options)
    axis.set_xticks([])
    axis.set_yticks([])
