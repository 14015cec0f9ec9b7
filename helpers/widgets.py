"""Pictures with sliders, which stay pictures where no program runs behind them."""

import os
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from helpers.profiles import FAST


def is_live() -> bool:
    """Whether somebody sits before the notebook: not in a render, a test or a plain script."""
    if FAST or os.environ.get("COURSE_RENDER") == "1":
        return False
    from IPython import get_ipython  # late: a script that only draws does without it

    return hasattr(get_ipython(), "kernel")


def explore(
    draw: Callable[[Axes, float], None],
    values: Sequence[float],
    label: str,
    shown: Sequence[float] | None = None,
    live: bool | None = None,
) -> object:
    """Let the reader choose among `values` with a slider and see what `draw` makes of the choice.

    Args:
        draw: draws the picture of one value into an axis.
        values: what can be chosen.
        label: what the values are, with their unit if they have one.
        shown: where there is no slider (the book, a test), these are drawn beside each other;
            all of `values` if not given.
        live: whether there is a slider; None asks `is_live`.

    Returns:
        the widget, or the static figure.
    """
    if not (is_live() if live is None else live):
        return _side_by_side(draw, shown or values, label)
    from ipywidgets import SelectionSlider, interactive  # Colab and JupyterLab have it

    def picture(value: float) -> None:
        figure, axis = plt.subplots(figsize=(5, 3.2))
        draw(axis, value)
        plt.show()
        plt.close(figure)

    options = [(f"{value:g}", value) for value in values]
    slider = SelectionSlider(options=options, description=label, continuous_update=False)
    slider.style.description_width = "initial"
    return interactive(picture, value=slider)


def _side_by_side(
    draw: Callable[[Axes, float], None], values: Sequence[float], label: str
) -> plt.Figure:
    """One small picture for each value, in rows of two."""
    rows = -(-len(values) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(6, 2.4 * rows), squeeze=False)
    for axis in axes.flat[len(values) :]:
        axis.axis("off")
    for axis, value in zip(axes.flat, values, strict=False):
        draw(axis, value)
        axis.set_title(f"{label} {value:g}")
    plt.close(figure)  # the cell shows what it ends with; an open figure it would show twice
    return figure
