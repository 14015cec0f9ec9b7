"""What the tools share: where things are, which chapters there are, and small notebook helpers."""

import hashlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from jupytext.config import load_jupytext_config
from nbformat import NotebookNode

from helpers.support.errors import UserError
from helpers.support.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent

# Without versions: the same on every machine.
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
STORED_RESULTS = re.compile(r'"benchmarks" / "([\w.]+)"')  # in a cell that reads it


@dataclass(frozen=True)
class Chapter:
    """One notebook and its pair."""

    entry: str  # as in the table of contents, such as "notebooks/03_cnn"
    notebook: Path
    pair: Path

    @property
    def number(self) -> str:
        """Two digits, such as "03"; empty for a page without one in its name, an appendix."""
        digits = self.notebook.name[:2]
        return digits if digits.isdecimal() else ""

    @property
    def key(self) -> str:
        """What its numbers are recorded under: "03", or the whole name of an appendix."""
        return self.number or self.notebook.stem


class Course:
    """The folders and settings of a course; `Course()` is this one."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.book = root / "book"
        self.build = self.book / "_build"  # what is made, and may be deleted
        self.html = self.build / "html"
        self.fast = self.build / "fast"  # the notebooks of the last fast run
        self.results = self.book / "results.json"
        self.config: dict[str, Any] = yaml.safe_load((self.book / "_config.yml").read_text("utf-8"))
        self.repository: str = self.config["repository"]["url"].rstrip("/")
        self.branch: str = self.config["repository"]["branch"]
        self.jupytext = load_jupytext_config(str(root / "notebooks" / "any.ipynb"))

    @property
    def entries(self) -> list[str]:
        """All pages of the book in order, the root first, without suffix."""
        toc = yaml.safe_load((self.book / "_toc.yml").read_text("utf-8"))
        return [toc["root"], *(page["file"] for page in toc["chapters"])]

    def chapters(self, number: str | None = None) -> list[Chapter]:
        """All chapters, or the one with this number ("3" or "03") or, for an appendix, name."""
        chapters = []
        for entry in self.entries:
            path = self.root / f"{entry}.ipynb"
            if not entry.startswith("notebooks/"):
                continue
            if not (path.exists() or path.with_suffix(".py").exists()):
                raise UserError(f"book/_toc.yml lists {entry}, but there is no such notebook")
            chapters.append(Chapter(entry, path, path.with_suffix(".py")))
        chosen = [c for c in chapters if number is None or c.key in (number, number.zfill(2))]
        if not chosen:
            known = ", ".join(chapter.key for chapter in chapters)
            raise UserError(f"no chapter {number}; there are {known}")
        return chosen


def read_notebook(path: Path) -> NotebookNode:
    """Read an .ipynb file."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise UserError(f"{path.name} is missing: python -m tools.generate makes it") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise UserError(f"{path.name} is no notebook: {error}") from error


def notebook_text(notebook: NotebookNode) -> str:
    """The notebook as stored: one form only, whoever wrote it, with a fingerprint of its cells."""
    course = notebook.metadata.get("course")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    if course:
        notebook.metadata["course"] = course
    notebook.metadata["source_digest"] = source_digest(notebook)
    return nbformat.writes(notebook) + "\n"


def pair_text(notebook: NotebookNode, course: Course) -> str:
    """The notebook's py:percent pair; tags come first, wherever the notebook was edited."""
    for cell in notebook.cells:
        if tags(cell):
            cell.metadata = nbformat.from_dict({"tags": [], **cell.metadata})
    return jupytext.writes(notebook, "py:percent", config=course.jupytext)


def write_if_changed(path: Path, text: str) -> bool:
    """Write the text atomically unless the file says so already; tell whether it was written."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))
    return True


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def code_digest(notebook: NotebookNode) -> str:
    """A fingerprint of the code cells, the generated set-up cell left out.

    Stored results that they read, such as `root / "benchmarks" / "muon.json"`, count as code.
    """
    sources = [
        cell.source.strip()
        for cell in notebook.cells
        if cell.cell_type == "code" and "course-setup" not in tags(cell)
    ]
    read = sorted({name for source in sources for name in STORED_RESULTS.findall(source)})
    sources += [(ROOT / "benchmarks" / name).read_text(encoding="utf-8") for name in read]
    return hashlib.sha256("\0".join(sources).encode("utf-8")).hexdigest()


def source_digest(notebook: NotebookNode) -> str:
    """A fingerprint of all cells without their outputs."""
    sources = [f"{cell.cell_type}\0{cell.source}" for cell in notebook.cells]
    return hashlib.sha256("\0".join(sources).encode("utf-8")).hexdigest()


def is_edited(notebook: NotebookNode) -> bool:
    """Whether somebody changed the cells since `notebook_text` wrote them: answers, say."""
    now = source_digest(notebook)
    return notebook.metadata.get("source_digest", now) != now


def run_tool(main: Callable[[], int | None]) -> None:
    """Run a tool's `main`; a UserError becomes one line on stderr and exit status 1."""
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")
