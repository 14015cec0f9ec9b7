"""Draw the picture of the README and of the first page: python -m tools.picture

On the left a few images of both data sets, on the right the recorded test accuracies.
"""

import matplotlib.pyplot as plt

from helpers.data.load import load
from helpers.plots import COLOURS, use_style
from tools.course import Course
from tools.fill import read_results


def main() -> None:
    """Write book/_static/overview.png from the full data and book/results.json."""
    course = Course()
    results = read_results(course)
    use_style()
    figure = plt.figure(figsize=(8, 3.2))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.1])
    axes = left.subplots(4, 6)
    for row, name in ((0, "mnist"), (2, "cifar10")):
        split = load(name, mode="full").train
        for axis, image in zip(axes[row : row + 2].flat, split.images, strict=False):
            axis.imshow(image.permute(1, 2, 0).squeeze(-1))
            axis.axis("off")
    axis = right.subplots()
    for offset, (model, title) in enumerate((("linear", "linear"), ("cnn_large", "CNN, large"))):
        heights = [100 * results[f"{model}.{d}"]["test_accuracy"] for d in ("mnist", "cifar10")]
        places = [place + 0.4 * offset for place in (0, 1)]
        bars = axis.bar(places, heights, width=0.38, color=COLOURS[offset], label=title)
        axis.bar_label(bars, fmt="%.1f", fontsize=9)
    axis.set_xticks([0.2, 1.2], ["MNIST", "CIFAR-10"])
    axis.set(ylabel="test accuracy (%)", ylim=(0, 125))
    axis.legend(loc="upper right", ncols=2, fontsize=9)
    figure.savefig(course.book / "_static" / "overview.png", dpi=200)


if __name__ == "__main__":
    main()
