"""Figures draw what they are given, and fit the page."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from helpers.data.load import load, standing_in
from helpers.plots import (
    FROM_FILE,
    SMALLEST_TEXT,
    WIDTH,
    draw_image,
    plot_architecture,
    plot_confusion,
    plot_histories,
    plot_mistakes,
    show_images,
    use_style,
)
from helpers.training import History

CLASSES = ("cat", "dog", "frog")


@pytest.fixture(autouse=True)
def figures_fit_a_narrow_page() -> Iterator[None]:
    standing_in.clear()  # of the tests before
    with plt.rc_context():
        use_style()
        yield
        for number in plt.get_fignums():
            figure = plt.figure(number)
            assert figure.get_figwidth() <= WIDTH
            assert all(text.get_fontsize() >= SMALLEST_TEXT for text in written(figure))
    plt.close("all")


@pytest.fixture(params=[False, True], ids=["full", "sample"])
def sampled(request: pytest.FixtureRequest, tiny_folder: Path) -> bool:
    """Whether the data are the sample; in the other case, full data come after it."""
    load("mnist", mode="sample")
    if not request.param:
        load("mnist", tiny_folder, mode="full")
    return request.param


def written(figure: Figure) -> list[plt.Text]:
    figure.draw_without_rendering()
    return [text for text in figure.findobj(plt.Text) if text.get_text()]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in written(figure)]


def pictures(figure: Figure) -> list[np.ndarray]:
    """The pixels of all images of a figure, in the order of its axes."""
    return [np.asarray(image.get_array()) for axis in figure.axes for image in axis.images]


def grid(figure: Figure) -> tuple[int, int]:
    """Rows and columns."""
    return figure.axes[0].get_gridspec().get_geometry()


def random_images(count: int, channels: int = 1) -> Tensor:
    return torch.randint(0, 256, (count, channels, 4, 5), dtype=torch.uint8)


def history(*rows: tuple[float, float, float]) -> History:
    names = ("epoch", "train_loss", "val_loss", "val_accuracy")
    numbered = enumerate(rows, start=1)
    return History(rows=[dict(zip(names, (n, *row), strict=True)) for n, row in numbered])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("dtype", "white"), [(torch.uint8, 255), (torch.float32, 1)])
def test_an_image_is_drawn_as_it_is(channels: int, dtype: torch.dtype, white: int) -> None:
    image = random_images(1, channels)[0].to(dtype) * (white / 255)
    figure, axis = plt.subplots()
    draw_image(axis, image.to(dtype))
    (drawn,) = axis.images
    pixels: Any = image.to(dtype).permute(1, 2, 0).squeeze(2)
    np.testing.assert_array_equal(drawn.get_array(), pixels)
    assert drawn.get_clim() == (0, white)


def test_an_image_stands_under_the_name_of_its_class() -> None:
    images = random_images(3)
    figure = show_images(images, [2, 0, 1], CLASSES, columns=2, title="three")
    assert texts(figure) == ["frog", "cat", "dog", "three"]
    np.testing.assert_array_equal(pictures(figure), images[:, 0])
    assert texts(show_images(images, [2, 0, 1])) == ["2", "0", "1"]
    assert grid(figure) == (2, 2) and grid(show_images(random_images(9))) == (2, 8)
    assert not any(axis.axison for axis in figure.axes), "no frame round what stays empty"


def test_histories_are_drawn_as_they_were() -> None:
    runs = {"slow": history((3.0, 2.0, 0.25), (1.0, 1.5, 0.5)), "fast": history((0.5, 0.75, 1.0))}
    figure = plot_histories(runs, title="two runs")
    left, right = figure.axes

    def curve(axis: Axes) -> list[tuple[str, list[float]]]:
        return [(line.get_linestyle(), line.get_ydata().tolist()) for line in axis.lines]

    assert curve(left) == [("--", [3, 1]), ("-", [2, 1.5]), ("--", [0.5]), ("-", [0.75])]
    assert curve(right) == [("-", [25, 50]), ("-", [100])]
    assert left.lines[0].get_xdata().tolist() == right.lines[0].get_xdata().tolist() == [1, 2]
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["slow", "fast"]
    colours = [line.get_color() for line in left.lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    many = plot_histories({str(number): runs["slow"] for number in range(9)}).axes[1].lines
    looks = {(line.get_color(), line.get_marker()) for line in many}
    assert len(looks) == 8, "then they come again"


def test_the_confusion_matrix_counts_in_percent_of_the_true_class() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 2])
    predictions = torch.tensor([0, 0, 0, 1, 1, 1])
    axis = plot_confusion(labels, predictions, CLASSES).axes[0]
    np.testing.assert_array_equal(
        axis.images[0].get_array(), [[75, 25, 0], [0, 100, 0], [0, 100, 0]]
    )
    assert axis.images[0].get_clim() == (0, 100), "a colour means the same in every figure"
    numbers = {text.get_position(): text.get_text() for text in axis.texts}
    assert numbers == {(0, 0): "75", (1, 0): "25", (1, 1): "100", (1, 2): "100"}
    for names in (axis.get_xticklabels(), axis.get_yticklabels()):
        assert tuple(name.get_text() for name in names) == CLASSES
    assert {text.get_text(): text.get_color() for text in axis.texts} == {
        **{"25": "white", "75": "black", "100": "black"}  # the colour map gets lighter
    }
    few = torch.tensor([0] * 200 + [1]), torch.tensor([0] * 197 + [1, 1, 2, 1])
    shown = [text.get_text() for text in plot_confusion(*few, CLASSES).axes[0].texts]
    assert shown == ["98", "1", "100"], "what is below one percent stays empty"
    without = plot_confusion(labels[:5], predictions[:5], CLASSES).axes[0]
    assert without.images[0].get_array()[2].tolist() == [0, 0, 0], "a class without images"


def test_mistakes_are_the_wrong_answers_the_most_certain_first() -> None:
    images = random_images(4)
    probabilities = torch.tensor([[0.6, 0.4, 0], [0.9, 0.1, 0], [0.1, 0.9, 0], [0, 0.3, 0.7]])
    figure = plot_mistakes(images, torch.tensor([1, 1, 1, 2]), probabilities, CLASSES, count=4)
    assert texts(figure) == ["says cat (90 %)\nis dog", "says cat (60 %)\nis dog"]
    np.testing.assert_array_equal(pictures(figure), images[[1, 0], 0])
    assert grid(figure) == (1, 4)
    assert grid(plot_mistakes(images, torch.tensor([1] * 4), probabilities, CLASSES)) == (3, 4)


def test_an_architecture_shows_image_names_shapes_and_probabilities() -> None:
    stages = [("input", (3, 32, 32)), ("flat", (3072,)), ("logits", (3,))]
    image = random_images(1, channels=3)[0]
    figure = plot_architecture(stages, image, torch.tensor([0.5, 0.3, 0.2]), CLASSES)
    shown = texts(figure)
    for text in ("input", "3 of\n32×32", "3,072", "cat", "frog", "probabilities"):
        assert text in shown
    np.testing.assert_array_equal(pictures(figure)[0], image.permute(1, 2, 0))
    bars = [patch.get_width() for patch in figure.axes[0].patches[-6:]]
    assert bars == pytest.approx([1, 0.5, 1, 0.3, 1, 0.2])


def test_the_wider_layer_and_the_larger_map_are_drawn_larger() -> None:
    stages = [("wide", (784,)), ("narrow", (10,)), ("large", (1, 32, 32)), ("small", (1, 4, 4))]
    heights = [patch.get_height() for patch in plot_architecture(stages).axes[0].patches]
    assert heights[0] > heights[1] and heights[2] > heights[3]


def lines_of_ink() -> int:
    """Of a figure as a notebook shows it, with something below its canvas."""
    figure, axis = plt.subplots(figsize=(5, 2))
    axis.plot([1, 2], label="line")
    figure.supxlabel("step")
    figure.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02))
    with io.BytesIO() as file:
        figure.savefig(file, format="png", bbox_inches="tight")
        file.seek(0)
        ink = (plt.imread(file, format="png")[:, :, :3] < 0.9).any(axis=(1, 2))
    return int((np.diff(ink.astype(int)) == 1).sum())


def test_a_figure_tells_of_the_sample_below_all_that_it_holds(sampled: bool) -> None:
    lines = lines_of_ink()
    standing_in.clear()
    assert lines == lines_of_ink() + sampled


def test_a_cell_tells_of_the_sample_unless_its_numbers_are_from_a_file(
    sampled: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = InteractiveShell.instance()
    try:
        use_style()
        use_style()
        table = "import pandas as pd; print(pd.DataFrame({'a': [1]}).to_string(index=False))"
        for cell, told in (
            (table, sampled),
            (f"{FROM_FILE}\n{table}", False),
            ("print('text')", False),
        ):
            assert shell.run_cell(cell).success
            lines = capsys.readouterr().out.splitlines()
            assert lines.count("data of this run: MNIST (sample)") == told
        drawn = "import matplotlib.pyplot as plt; plt.close('all'); plt.figure()"
        for cell, told in ((drawn, sampled), (f"{FROM_FILE}\n{drawn}", False)):
            assert shell.run_cell(cell, store_history=True).success
            assert len(plt.gcf().artists) == told
    finally:
        InteractiveShell.clear_instance()
