"""Nobody's answers are lost: whatever opens, runs or writes notebooks leaves a learner's cells."""

import asyncio
import inspect
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.serverapp import ServerApp

from helpers.support.errors import UserError
from tests.test_tools import course  # noqa: F401  a fixture
from tools import generate, render, run_fast
from tools.course import ROOT, Course, is_edited, notebook_text, read_notebook

ANSWER = "def my_answer():\n    return 42"


@pytest.fixture
def contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The contents API of `make lab`, over a folder with one chapter and its pair."""
    for name in ("pyproject.toml", "notebooks/00_tensors.py", "notebooks/00_tensors.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{kind}_DIR", str(tmp_path / "jupyter"))
    app = ServerApp(log_level="ERROR")
    arguments = [f"--ServerApp.root_dir={tmp_path}", "--no-browser", "--allow-root"]
    with warnings.catch_warnings(action="ignore"):  # as errors, they would switch extensions off
        app.initialize(arguments, new_httpserver=False)
    assert "jupytext" in type(app.contents_manager).__module__, "it is on, as in `make lab`"

    def call(method: str, *arguments: Any, **options: Any) -> Any:
        answer = getattr(app.contents_manager, method)(*arguments, **options)
        return asyncio.run(answer) if inspect.isawaitable(answer) else answer

    return call


def write_answer(path: Path) -> bytes:
    """Put an answer into a notebook as Jupyter saves it; return the file."""
    notebook = read_notebook(path)
    notebook.cells[-1].source = ANSWER
    nbformat.write(notebook, path)
    return path.read_bytes()


@pytest.mark.parametrize("newer", ["py", "ipynb"])
def test_jupyterlab_opens_the_learners_cells_whatever_else_was_edited(
    contents: Callable[..., Any], tmp_path: Path, newer: str
) -> None:
    name = "notebooks/00_tensors.ipynb"
    notebook, pair = tmp_path / name, (tmp_path / name).with_suffix(".py")
    write_answer(notebook)
    pair.write_text(pair.read_text("utf-8") + "\n# A line of a newer version.\n", encoding="utf-8")
    script = pair.read_bytes()
    os.utime(notebook, (2e9, 2e9 if newer == "ipynb" else 1e9))
    os.utime(pair, (2e9, 2e9 if newer == "py" else 1e9))
    opened = contents("get", name)
    assert opened["content"]["cells"][-1]["source"] == ANSWER
    opened["content"]["cells"][-1]["source"] = "a second answer"
    contents("save", {"type": "notebook", "content": opened["content"]}, name)
    assert contents("get", name)["content"]["cells"][-1]["source"] == "a second answer"
    assert read_notebook(notebook).cells[-1].source == "a second answer"
    assert is_edited(read_notebook(notebook)), "what Jupyter saves keeps the course's mark"
    assert pair.read_bytes() == script


@pytest.mark.parametrize("tool", ["generate", "generate --check", "render", "run_fast"])
def test_no_tool_writes_over_answers(course: Course, tool: str) -> None:  # noqa: F811
    path = course.chapters()[0].notebook
    answered = write_answer(path)
    if tool == "run_fast":  # what `make course` does; the book is built from these copies
        run_fast.main([], course)
        copy = read_notebook(course.fast / "notebooks" / path.name)
        assert copy.cells[-1].source == ANSWER, "the learner sees the own answers run"
    else:
        main = {"generate": generate.main, "render": render.main}[tool.split()[0]]
        with pytest.raises(UserError, match="01_small.ipynb was edited.*git restore"):
            main(tool.split()[1:], course)
    assert path.read_bytes() == answered


def test_an_answer_that_comes_while_the_chapter_renders_stays(
    course: Course,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = course.chapters()[0].notebook
    done: list[bytes] = []

    def meanwhile(*arguments: Any) -> Any:
        rendered = run(*arguments)
        done.append(write_answer(path))
        return rendered

    run = render.rendered
    monkeypatch.setattr(render, "rendered", meanwhile)
    with pytest.raises(UserError, match="edited while it ran"):
        render.main([], course)
    assert path.read_bytes() == done[0]


def test_what_the_authors_do_is_not_taken_for_answers(course: Course) -> None:  # noqa: F811
    """The source changes twice, or the notebook is made the source: neither is refused."""
    chapter = course.chapters()[0]
    for number in (3, 4):
        text = chapter.pair.read_text("utf-8").replace(f"range({number - 1})", f"range({number})")
        chapter.pair.write_text(text, encoding="utf-8")
        generate.main([], course)
        assert f"range({number})" in chapter.notebook.read_text("utf-8")
    write_answer(chapter.notebook)
    notebook = read_notebook(chapter.notebook)
    chapter.pair.write_text(generate.pair_text(notebook, course), encoding="utf-8")
    generate.main([], course)
    assert read_notebook(chapter.notebook).cells[-1].source == ANSWER
    assert not is_edited(read_notebook(chapter.notebook))
    notebook = read_notebook(chapter.notebook)
    notebook.cells[-1].source += "\n\nSee the [loss](@loss)."
    notebook.cells[-1].cell_type = "markdown"
    nbformat.write(notebook, chapter.notebook)
    with pytest.raises(UserError, match="jupytext --to py:percent"):
        generate.main([], course)
    chapter.pair.write_text(generate.pair_text(notebook, course), encoding="utf-8")
    generate.main([], course)  # the link is filled in: the two differ, and nothing is lost
    assert "glossary.md#loss)" in read_notebook(chapter.notebook).cells[-1].source
    del notebook.metadata["source_digest"]
    assert not is_edited(notebook), "written before there was a mark"
    assert is_edited(nbformat.reads(notebook_text(notebook).replace("42", "43"), as_version=4))
