"""The live page without a browser: its networks, what they learnt from, its runtime."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from helpers.data.digits import BOX
from helpers.data.load import SAMPLE
from helpers.support.errors import UserError
from tools.book import live_runtime, pages
from tools.course import Course
from tools.stored import drawings
from tools.stored.make_live import FOLDER, probabilities

LARGEST = 1_000_000  # bytes


@pytest.mark.parametrize("name", ["digits", "pictures"])
def test_a_shipped_network_is_small_and_says_what_it_is(name: str) -> None:
    path = FOLDER / f"{name}.onnx"
    recorded = json.loads(Course().results.read_text(encoding="utf-8"))[f"live.{name}"]
    assert recorded["bytes"] == path.stat().st_size <= LARGEST
    model = onnx.load(path)
    said = {entry.key: entry.value for entry in model.metadata_props}
    classes = json.loads(said["classes"])
    assert said["title"] and len(classes) == (11 if name == "digits" else 10)
    assert [node.name for node in model.graph.input] == ["images"]
    outputs = [node.name for node in model.graph.output]
    assert outputs == ["logits", "features_1", "features_2"]


def test_the_digits_of_the_sample_are_read() -> None:
    """None of these was learnt from; the recorded accuracy is that of 10,000 others."""
    sample = np.load(SAMPLE / "mnist.npz")
    found = probabilities(FOLDER / "digits.onnx", sample["x_test"][:, None]).argmax(axis=1)
    assert np.mean(found == sample["y_test"]) >= 0.98


def test_blank_ink_and_shapes_that_were_learnt_are_no_digits() -> None:
    generator = np.random.default_rng(5)
    shapes, _ = drawings.others(
        drawings.LEARNT, 200, generator, np.load(SAMPLE / "mnist.npz")["x_test"]
    )
    found = probabilities(FOLDER / "digits.onnx", shapes[:, None]).argmax(axis=1)
    assert np.mean(found == 10) >= 0.9


def test_what_is_learnt_and_what_is_tested_are_of_different_kinds() -> None:
    for part in ("letters", "figures"):
        assert not set(drawings.LEARNT[part]) & set(drawings.UNSEEN[part])
    named = {*drawings.LEARNT["figures"], *drawings.UNSEEN["figures"]}
    assert named == {*drawings.FIGURES, "pair"}


def test_a_digit_drawn_again_is_a_line_in_a_box() -> None:
    bar = np.zeros((1, 30, 30), bool)
    bar[0, 4:26, 12:17] = True
    line = drawings.skeletons(bar)[0]
    assert line.sum(axis=1).max() == 1 and line[8:22, 14].all() and not (line & ~bar[0]).any()
    digits = np.load(SAMPLE / "mnist.npz")["x_test"][:50]
    again = drawings.redraw(digits, np.random.default_rng(0))
    assert again.shape == digits.shape and again.dtype == np.uint8
    for picture in again:
        rows, columns = (np.flatnonzero(picture.any(axis=axis)) for axis in (1, 0))
        assert BOX - 2 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= BOX
    np.testing.assert_array_equal(again, drawings.redraw(digits, np.random.default_rng(0)))


def test_a_book_without_the_runtime_says_so_to_its_page() -> None:
    for folder, written in (("web-1", '"../_static/web-1/"'), (None, "null")):
        assert f'"runtime": {written}' in pages.with_settings("# Draw", folder)


def test_the_runtime_is_taken_only_as_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"the program"

    def npm(order: list[str], cwd: str, **_: object) -> subprocess.CompletedProcess[str]:
        with tarfile.open(Path(cwd) / "package.tgz", "w:gz") as archive:
            member = tarfile.TarInfo("package/dist/run.wasm")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        return subprocess.CompletedProcess(order, 0, "", "")

    monkeypatch.setattr(subprocess, "run", npm)
    monkeypatch.setattr(live_runtime.shutil, "which", lambda name: name)
    good = {"run.wasm": hashlib.sha256(content).hexdigest()}
    monkeypatch.setattr(live_runtime, "FILES", good | {"run.wasm": "0" * 64})
    with pytest.raises(UserError, match="not the file expected"):
        live_runtime.fetch(tmp_path)
    assert not live_runtime.is_there(tmp_path) and list(tmp_path.iterdir()) == []
    monkeypatch.setattr(live_runtime, "FILES", good)
    live_runtime.fetch(tmp_path)
    assert live_runtime.is_there(tmp_path)
    (tmp_path / "run.wasm").write_bytes(b"another")
    assert not live_runtime.is_there(tmp_path)
    monkeypatch.setattr(live_runtime.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="npm"):
        live_runtime.fetch(tmp_path)
