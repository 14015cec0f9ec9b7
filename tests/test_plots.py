"""Figures say what they are given to say, and fit the page."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure

from helpers.plots import (
    SMALLEST_TEXT,
    WIDTH,
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
def style() -> Iterator[None]:
    with plt.rc_context():
        use_style()
        yield
    plt.close("all")


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


def figures() -> Iterator[Figure]:
    images = torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    probabilities = torch.eye(3)[[1, 1, 2, 0, 0, 2, 0]]
    stages = [("input", (3, 32, 32)), ("block", (64, 8, 8)), ("pooled", (64,)), ("logits", (3,))]
    rows = [
        {"epoch": epoch, "train_loss": 1.0, "val_loss": 2.0, "val_accuracy": 0.5}
        for epoch in (1, 2)
    ]
    yield show_images(images, labels, CLASSES, columns=4, title="seven")
    yield plot_histories({"one": History(rows=rows), "two": History(rows=rows)}, title="two runs")
    yield plot_confusion(labels, probabilities.argmax(1), CLASSES, title="who is who")
    yield plot_mistakes(images, labels, probabilities, CLASSES)
    yield plot_architecture(stages, images[0], torch.tensor([0.1, 0.2, 0.7]), CLASSES)
    yield plot_architecture(stages)


def test_figures_fit_a_narrow_page() -> None:
    for figure in figures():
        assert figure.get_figwidth() <= WIDTH
        figure.draw_without_rendering()
        for text in figure.findobj(plt.Text):
            assert not text.get_text() or text.get_fontsize() >= SMALLEST_TEXT, text


def test_an_image_stands_under_the_name_of_its_class() -> None:
    images = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    assert texts(show_images(images, [2, 0, 1], CLASSES, columns=2)) == ["frog", "cat", "dog"]


def test_the_confusion_matrix_counts_in_percent_of_the_true_class() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 2])
    predictions = torch.tensor([0, 0, 0, 1, 1, 1])
    axis = plot_confusion(labels, predictions, CLASSES).axes[0]
    numbers = {text.get_position(): text.get_text() for text in axis.texts}
    assert numbers == {(0, 0): "75", (1, 0): "25", (1, 1): "100", (1, 2): "100"}


def test_mistakes_are_the_wrong_answers_the_most_certain_first() -> None:
    images = torch.zeros(4, 1, 4, 4, dtype=torch.uint8)
    probabilities = torch.tensor([[0.6, 0.4, 0], [0.9, 0.1, 0], [0.1, 0.9, 0], [0, 0.3, 0.7]])
    labels = torch.tensor([1, 1, 1, 2])
    shown = texts(plot_mistakes(images, labels, probabilities, CLASSES, count=4))
    assert shown == ["says cat (90 %)\nis dog", "says cat (60 %)\nis dog"]


def test_an_architecture_shows_names_shapes_and_probabilities() -> None:
    stages = [("input", (3, 32, 32)), ("flat", (3072,)), ("logits", (3,))]
    figure = plot_architecture(stages, probabilities=torch.tensor([0.5, 0.3, 0.2]), classes=CLASSES)
    shown = texts(figure)
    for text in ("input", "3 of\n32×32", "3,072", "cat", "frog", "probabilities"):
        assert text in shown
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    for share in (0.5, 0.3, 0.2):
        assert any(abs(width - share) < 1e-6 for width in widths)


def test_the_wider_layer_is_drawn_higher() -> None:
    axis = plot_architecture([("wide", (784,)), ("narrow", (10,))]).axes[0]
    wide, narrow = (patch.get_height() for patch in axis.patches)
    assert wide > narrow
