"""What only notebooks use: claims that are checked, budgets, recorded numbers, sliders."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from helpers.support.files import write_atomically
from helpers.support.progress import shell

T = TypeVar("T")

# Where a render keeps its numbers: `make render` and `make reproduce` name a file of their own.
RESULTS = Path(
    os.environ.get("COURSE_RESULTS") or Path(__file__).resolve().parents[1] / "book/results.json"
)
FAST: bool = os.environ.get("COURSE_FAST", "") not in ("", "0")


def confirm(condition: object, message: str) -> None:
    """Say whether a claim of the text holds in this run: behind a tick, or calmly that it does not.

    What a page claims was true when it was rendered. A reader's run may have other data, another
    machine or a smaller budget, and has to go on to its end.

    Raises:
        AssertionError: `condition` is false in a render (COURSE_RENDER=1), so that no page claims
            what its own run did not show.
    """
    if bool(condition):
        print(f"✅ {message}")
    elif os.environ.get("COURSE_RENDER") == "1":
        raise AssertionError(f"not true here: {message}")
    else:
        print(f"➖ not so in this run (other data, budget or machine): {message}")


def budget(*, full: T, fast: T) -> T:
    """Return `fast` when the environment variable COURSE_FAST is set, otherwise `full`."""
    return fast if FAST else full


def record(key: str, **numbers: float | int | str) -> None:
    """Store `numbers` under `key` in book/results.json, in a full render only.

    Outside `make render` (which sets COURSE_RENDER=1) nothing is written, so that a reader's
    own run never changes what the book says.
    """
    if os.environ.get("COURSE_RENDER") == "1":
        add_numbers(RESULTS, key, **numbers)


def add_numbers(results: Path, key: str, **numbers: float | int | str) -> None:
    """Add numbers under `key` to a file of results; the fields that are not given stay."""
    stored = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    stored[key] = stored.get(key, {}) | numbers
    text = json.dumps(stored, indent=2, sort_keys=True) + "\n"
    write_atomically(results, lambda file: file.write(text.encode()))


def is_live() -> bool:
    """Whether somebody sits before the notebook: not in a render, a test or a plain script."""
    rendered = os.environ.get("COURSE_RENDER") == "1"
    return not (FAST or rendered) and hasattr(shell(), "kernel")


def explore(
    draw: Callable[[Axes, float], None],
    values: Sequence[float],
    label: str,
    shown: Sequence[float] | None = None,
    live: bool | None = None,
) -> object:
    """Let the reader choose among `values` with a slider and see what `draw` makes of the choice.

    Where nobody can move a slider (the book, a test: see `is_live`) the pictures of `shown`, or
    of all values, stand beside each other. `label` says what the values are, with their unit.

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
    plt.close(figure)  # or the cell would show it twice: as an open figure, and as its result
    return figure
