"""Pictures with sliders: live with a kernel and a reader, static everywhere else."""

import matplotlib.pyplot as plt
import pytest

from helpers.notebook import explore, is_live


def draw(axis: plt.Axes, value: float) -> None:
    axis.plot([0, value])


def test_without_a_reader_the_pictures_stand_beside_each_other() -> None:
    assert not is_live()
    figure = explore(draw, (1, 2, 3), "slope", shown=(1, 3))
    drawn = [axis.lines[0].get_ydata()[1] for axis in figure.axes if axis.lines]
    assert drawn == [1, 3]
    assert [axis.get_title() for axis in figure.axes] == ["slope 1", "slope 3"]
    plt.close(figure)


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
    monkeypatch.setattr("helpers.notebook.FAST", False)
    assert is_live()
    monkeypatch.setenv("COURSE_RENDER", "1")
    assert not is_live()
    monkeypatch.delenv("COURSE_RENDER")
    monkeypatch.setattr("helpers.notebook.FAST", True)
    assert not is_live()
