"""What only notebooks use: claims, budgets, recorded numbers, pictures with sliders."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import notebook
from helpers.notebook import budget, confirm, explore, is_live, record


def test_a_claim_that_does_not_hold_is_told_calmly_and_stops_a_render(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for holds in (True, 1, np.bool_(True)):
        confirm(holds, "two is even")
    assert capsys.readouterr().out == "✅ two is even\n" * 3
    for fails in (False, 0, np.bool_(False)):
        confirm(fails, "three is even")
        said = capsys.readouterr().out
        assert "three is even" in said and "✅" not in said and said.count("\n") == 1
        with monkeypatch.context() as render, pytest.raises(AssertionError, match="three is even"):
            render.setenv("COURSE_RENDER", "1")
            confirm(fails, "three is even")


def test_the_budget_is_that_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert budget(full=10, fast=1) == 1, "tests run in the fast profile"
    monkeypatch.setattr(notebook, "FAST", False)
    assert budget(full=10, fast=1) == 10


def test_numbers_are_recorded_in_a_render_only(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    root = Path(__file__).resolve().parent.parent
    assert notebook.RESULTS.relative_to(root).as_posix() == "book/results.json"
    monkeypatch.setattr(notebook, "RESULTS", path)
    record("cnn", accuracy=0.9)
    assert not path.exists()
    monkeypatch.setenv("COURSE_RENDER", "1")
    record("cnn", accuracy=0.9, seconds=5)
    record("linear", accuracy=0.7)
    record("cnn", accuracy=0.95)
    cnn = {"accuracy": 0.95, "seconds": 5}
    assert json.loads(path.read_text()) == {"cnn": cnn, "linear": {"accuracy": 0.7}}


def draw(axis: plt.Axes, value: float) -> None:
    axis.plot([0, value])


def test_without_a_reader_the_pictures_stand_beside_each_other() -> None:
    assert not is_live()
    plt.close("all")  # what other tests have left open
    figure = explore(draw, (1, 2, 3), "slope", shown=(1, 3))
    drawn = [axis.lines[0].get_ydata()[1] for axis in figure.axes if axis.lines]
    assert drawn == [1, 3]
    assert [axis.get_title() for axis in figure.axes] == ["slope 1", "slope 3"]
    assert not plt.get_fignums(), "an open figure would be shown twice"
    everything = explore(draw, (1, 2, 3), "slope")
    assert [axis.get_title() for axis in everything.axes][:3] == ["slope 1", "slope 2", "slope 3"]
    assert [axis.axison for axis in everything.axes] == [True, True, True, False]


def test_with_a_reader_the_slider_draws_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []
    monkeypatch.setattr(plt, "show", lambda: None)
    widget = explore(lambda _axis, value: drawn.append(value), (0.1, 0.5), "rate", live=True)
    slider = widget.children[0]
    assert slider.description == "rate"
    widget.update()
    assert set(drawn) == {0.1}
    slider.value = 0.5
    assert drawn[-1] == 0.5


def test_a_render_and_a_fast_run_are_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        kernel = object()

    monkeypatch.setattr("IPython.get_ipython", Shell)
    monkeypatch.setattr(notebook, "FAST", False)
    assert is_live()
    monkeypatch.setenv("COURSE_RENDER", "1")
    assert not is_live()
    monkeypatch.delenv("COURSE_RENDER")
    monkeypatch.setattr(notebook, "FAST", True)
    assert not is_live()
