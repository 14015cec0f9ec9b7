# ruff: noqa: F811  fixtures of another file are used by their names
"""Whatever has happened to a stored file: the right result, or one clear line and status 2."""

import copy
import io
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import predict
from tests.test_resume import exact, run, stop_after, tiny, whole  # noqa: F401  fixtures

JSON_VALUES = st.sampled_from(
    [None, True, 0, -1, 7, 0.5, 1e300, math.nan, math.inf, "", "7", "../x", [], [1], {}, {"a": 1}]
)
PLAIN_VALUES = st.sampled_from(
    [None, True, -1, 0, 3, 1e300, math.nan, "", "cnn", [], [1, "a"], {}, {"a": 1}]
    + [torch.zeros(3), torch.tensor(math.nan), torch.zeros(10, 84, dtype=torch.int64)]
)
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def stopped(tiny, tmp_path_factory):
    """A run that was stopped after its first epoch."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, epochs=1)
        assert run([*tiny, "--out", folder]) == 143
    return folder


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in nested dicts and lists."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def mutated(tree: Any, draw: Callable[..., Any], values: st.SearchStrategy[Any]) -> Any:
    """`tree` with one value replaced, left out, or put in."""
    tree = copy.deepcopy(tree)
    way = draw(st.sampled_from(sorted(places(tree), key=str)))
    holder = tree
    for key in way[:-1]:
        holder = holder[key]
    kind = draw(st.sampled_from(["replace", "leave out", "put in"]))
    if kind == "replace":
        holder[way[-1]] = draw(values)
    elif kind == "leave out":
        del holder[way[-1]]
    elif isinstance(holder, dict):
        holder["unknown"] = draw(values)
    else:
        holder.append(draw(values))
    return tree


def damaged(raw: bytes, draw: Callable[..., Any]) -> bytes:
    """Bytes cut short, with some overwritten, or others altogether."""
    kind = draw(st.sampled_from(["cut", "overwrite", "other", "empty"]))
    if kind == "cut":
        return raw[: draw(st.integers(0, len(raw) - 1))]
    if kind == "overwrite":
        start = draw(st.integers(0, len(raw) - 1))
        return raw[:start] + draw(st.binary(min_size=1, max_size=8)) + raw[start + 8 :]
    return b"" if kind == "empty" else draw(st.binary(max_size=40))


def spoil(path: Path, draw: Callable[..., Any]) -> None:
    """Do something to a stored file that it does not survive as it was."""
    raw = path.read_bytes()
    if draw(st.booleans()):
        path.write_bytes(damaged(raw, draw))
    elif path.suffix == ".json":
        path.write_text(json.dumps(mutated(json.loads(raw), draw, JSON_VALUES)), encoding="utf-8")
    elif path.suffix == ".pt":
        buffer = io.BytesIO()
        torch.save(mutated(torch.load(path, weights_only=True), draw, PLAIN_VALUES), buffer)
        path.write_bytes(buffer.getvalue())
    else:
        lines = raw.decode().splitlines()
        lines[draw(st.integers(0, len(lines) - 1))] = draw(
            st.text('0123456789.,eE-nai"\n', max_size=30)
        )
        path.write_text("\n".join(lines), encoding="utf-8")


def one_line(capsys: pytest.CaptureFixture[str]) -> bool:
    return len([line for line in capsys.readouterr().err.splitlines() if "error" in line]) == 1


def copied(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(folder, to))


@given(data=st.data())
@few
@pytest.mark.parametrize("name", ["config.json", "metrics.csv", "data.json", "last.pt", "best.pt"])
def test_a_run_goes_on_exactly_or_is_refused(name, data, stopped, whole, tmp_path, capsys):
    folder = copied(stopped, tmp_path / "run")
    spoil(folder / name, data.draw)
    before = (folder / "last.pt").read_bytes()
    capsys.readouterr()
    status = run(["--resume", folder, "--quiet"])
    if status == 0:
        assert exact(folder) == exact(whole)
    else:
        assert status == 2 and one_line(capsys)
        assert (folder / "last.pt").read_bytes() == before, "nothing is lost"


@given(data=st.data())
@few
def test_a_stored_result_is_said_again_or_refused(data, whole, tmp_path, capsys):
    folder = copied(whole, tmp_path / "run")
    spoil(folder / "result.json", data.draw)
    capsys.readouterr()
    status = run(["--resume", folder, "--json"])
    if status == 0:
        said = json.loads(capsys.readouterr().out)
        assert 0 <= said["test_accuracy"] <= 1 and type(said["epochs"]) is int
    else:
        assert status == 2 and one_line(capsys)


@given(data=st.data())
@few
def test_a_run_is_repeated_from_its_configuration_or_refused(
    data, whole, tmp_path, capsys, monkeypatch
):
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")  # a data folder of any name is made here
    file = tmp_path / "config.json"
    shutil.copy(whole / "config.json", file)
    spoil(file, data.draw)
    capsys.readouterr()
    try:
        status = run(["--config", file, "--dry-run", "--quiet"])
    except SystemExit as stop:
        status = stop.code
    assert status == 0 or status == 2 and one_line(capsys)


@given(data=st.data())
@few
def test_a_checkpoint_answers_as_before_or_is_refused(data, whole, tmp_path, capsys):
    file, picture = tmp_path / "best.pt", tmp_path / "picture.png"
    if not picture.exists():
        Image.fromarray(np.pad(np.full((20, 6), 255, np.uint8), ((4, 4), (11, 11)))).save(picture)
    ask = ["--json", str(picture), "--checkpoint"]
    assert predict.main([*ask, str(whole / "best.pt")]) == 0
    right = json.loads(capsys.readouterr().out)[0]["predictions"]
    shutil.copy(whole / "best.pt", file)
    spoil(file, data.draw)
    if predict.main([*ask, str(file)]) == 0:
        found = json.loads(capsys.readouterr().out)[0]["predictions"]
        values = [guess["probability"] for guess in found]
        assert len(found) == len(right) and all(0 <= value <= 1 for value in values)
    else:
        assert one_line(capsys)
