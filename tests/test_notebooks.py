"""What holds for every stored notebook, beside running it (nbval does that)."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tools.course import Chapter, Course, code_digest, read_notebook, tags

COURSE = Course()
ROOT = Path(__file__).resolve().parent.parent
LARGEST = 2_500_000  # bytes
HIDING = {"nbval-ignore-output", "nbval-skip"}
SECTIONS = ("## What you will learn", "## What went wrong", "## Takeaways", "## Next")


@pytest.fixture(params=COURSE.chapters(), ids=lambda chapter: chapter.notebook.stem)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    return request.param


@pytest.fixture
def notebook(chapter: Chapter) -> NotebookNode:
    return read_notebook(chapter.notebook)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_chapters_are_numbered_in_order_and_only_the_last_pages_are_not() -> None:
    numbers = [chapter.number for chapter in COURSE.chapters()]
    written = [number for number in numbers if number]
    assert written == [f"{number:02}" for number in range(len(written))]
    assert numbers == written + [""] * (len(numbers) - len(written))


def test_outputs_belong_to_the_code(notebook: NotebookNode) -> None:
    stored = notebook.metadata.get("course", {}).get("code_digest")
    assert stored == code_digest(notebook), "code changed after make render"
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_output_is_an_error_or_a_warning_or_shows_the_machine(notebook: NotebookNode) -> None:
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text
            assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users)/\w", str(output))


def test_at_most_one_cell_in_seven_hides_its_output(notebook: NotebookNode) -> None:
    cells = code_cells(notebook)
    assert 7 * sum(bool(HIDING & set(tags(cell))) for cell in cells) <= len(cells)


def test_every_figure_has_a_text(notebook: NotebookNode) -> None:
    for cell in code_cells(notebook):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 4, cell.source


def test_cells_stand_in_the_order_of_the_course(chapter: Chapter, notebook: NotebookNode) -> None:
    title = rf"# {int(chapter.number)}\. " if chapter.number else r"# [A-Z]"
    assert re.match(title, notebook.cells[0].source)
    assert "course-setup" in tags(code_cells(notebook)[0])
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    places = [text.find(section) for section in SECTIONS]
    assert places == sorted(places) and -1 not in places, SECTIONS
    assert "**Before you start**" in text and "**Time**" in text


def test_no_claim_stops_a_reader(chapter: Chapter) -> None:
    """What a page claims is told by `confirm`, which raises in a render only; never asserted."""
    nodes = [*ast.walk(ast.parse(chapter.pair.read_text(encoding="utf-8")))]
    assert not [node.lineno for node in nodes if isinstance(node, ast.Assert)]
    taken = {
        alias.asname or alias.name: node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    assert "confirm" not in used or taken.get("confirm") == "helpers.notebook"
    assert "confirm" not in {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    "path", [*(chapter.pair for chapter in COURSE.chapters()), *(ROOT / "examples").glob("*.py")],
    ids=lambda path: path.stem,
)  # fmt: skip
def test_the_newest_checkpoint_does_not_wait_for_a_better_one(path: Path) -> None:
    """From version 2.6 on, a ModelCheckpoint with `monitor` writes `last.ckpt` only when it has
    saved a new best file: who goes on from there loses all epochs after the best one.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ModelCheckpoint"):
            named = {keyword.arg for keyword in node.keywords}
            assert not {"monitor", "save_last"} <= named, ast.unparse(node)


def test_a_notebook_is_small(notebook: NotebookNode) -> None:
    assert len(nbformat.writes(notebook)) <= LARGEST
