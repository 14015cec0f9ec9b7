"""Draw the picture of the README and of the first page: python -m tools.book.picture

Two fast CNNs are trained for a few minutes. Below images that they have not seen stand the three
classes that each finds most likely, with bars for the probabilities. It needs the full data.
"""

from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes

from helpers.data.batches import normalise
from helpers.data.load import load
from helpers.models import build_model
from helpers.plots import COLOURS, draw_image, use_style
from helpers.recipes import recipe, with_epochs
from helpers.training import fit, predict_logits
from tools.course import Course

# Size of the network and epochs, enough for a good answer and little enough to wait for; and the
# images of the validation split: not its first ten, which chapter 1 lets its readers name.
SHOWN = {"mnist": ("small", 2, slice(66, 71)), "cifar10": ("middle", 8, slice(28, 33))}


def draw_answers(axis: Axes, probabilities: torch.Tensor, classes: tuple[str, ...]) -> None:
    """The three most likely classes, one bar each."""
    top = probabilities.topk(3)
    axis.barh(range(3), [1] * 3, color="0.93")
    axis.barh(range(3), top.values, color=[COLOURS[2], "0.75", "0.75"])
    for row, (share, index) in enumerate(zip(*top, strict=True)):
        weight = "normal" if row else "bold"
        look: dict[str, Any] = {"va": "center", "fontsize": 9, "fontweight": weight}
        axis.text(0.03, row, classes[index], **look)
        axis.text(0.97, row, f"{100 * share:.0f} %", ha="right", **look)
    axis.set(xlim=(0, 1), ylim=(2.5, -0.5))
    axis.axis("off")


def main() -> None:
    """Write book/_static/overview.png."""
    use_style()
    figure = plt.figure(figsize=(7.2, 4.6))
    axes = figure.subplots(4, 5, height_ratios=[2, 1, 2, 1])
    for row, (name, (size, epochs, shown)) in zip((0, 2), SHOWN.items(), strict=True):
        data = load(name, mode="full")
        model = build_model("fastcnn", data.image_shape, data.num_classes, size)
        fit(model, data, with_epochs(recipe("fastcnn", name), epochs))
        few = data.val[shown]
        batch = normalise(few.images, data.mean, data.std)
        logits, _ = predict_logits(model, [(batch, few.labels)])
        for column, probabilities in enumerate(logits.softmax(dim=1)):
            draw_image(axes[row, column], few.images[column])
            axes[row, column].axis("off")
            draw_answers(axes[row + 1, column], probabilities, data.classes)
    figure.savefig(Course().book / "_static" / "overview.png", dpi=200)


if __name__ == "__main__":
    main()
