"""How far it is: a bar where one can be drawn, a plain line elsewhere, and nothing if unwanted."""

import sys

import pytest

from helpers.support import progress
from helpers.support.progress import Progress, download_bar, in_notebook

ROW = {"epoch": 2, "train_loss": 1.23456, "val_loss": 0.5, "val_accuracy": 0.87654, "seconds": 3.21}


@pytest.fixture(params=[True, False], ids=["bars", "lines"])
def drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(progress, "bars_are_drawn", lambda: request.param)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    for name in ("COLUMNS", "LINES"):  # of the terminal; a bar is cut to its width
        monkeypatch.setenv(name, "200")
    return request.param


def shown(enabled: bool, capsys: pytest.CaptureFixture[str]) -> str:
    """What the second of nine epochs, of four batches, leaves on standard error."""
    told = Progress(9, enabled)
    assert list(told.over("abcd", 1)) == [*"abcd"]
    told.show(ROW)
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def test_an_epoch_is_a_bar_or_a_line(drawn: bool, capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(True, capsys)
    numbers = "train_loss 1.235, val_loss 0.5, val_accuracy 0.8765"
    if drawn:
        assert "epoch 2/9" in said and numbers in said and "4/4" in said
    else:
        assert said == f"epoch 2/9: {numbers}, 3.2 s\n"
    assert shown(False, capsys) == ""


def test_tqdm_can_be_told_to_be_silent(drawn: bool, capsys, monkeypatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert bool(shown(True, capsys)) is not drawn


def test_a_download_tells_its_size_if_it_is_known(drawn: bool, capsys) -> None:
    for length, size in ((12_345_678, " (12.3 MB)"), (None, "")):
        with download_bar("digits.gz", length) as bar:
            bar.update(1000)
        said = capsys.readouterr().err
        assert "downloading digits.gz" in said
        assert drawn or said == f"downloading digits.gz{size}\n"


def test_bars_are_drawn_on_a_terminal_and_in_a_notebook(monkeypatch) -> None:
    for terminal, shell, expected in (
        *((True, None, True), (False, object(), True), (False, None, False)),
    ):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        module = type(sys)("IPython")
        module.get_ipython = lambda shell=shell: shell
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert in_notebook() is (shell is not None)
        assert progress.bars_are_drawn() is expected
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()
