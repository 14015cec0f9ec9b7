"""What the tools share: where things are, which chapters there are, and small notebook helpers."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import jupytext
import nbformat
import yaml
from jupytext.config import JupytextConfiguration, load_jupytext_config
from nbformat import NotebookNode

from helpers.files import write_atomically

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


class CourseError(Exception):
    """Something is missing or wrong in the course's own files; the message is one line."""


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


@dataclass(frozen=True)
class Course:
    """The folders and settings of a course; `Course()` is this one."""

    root: Path = ROOT

    @property
    def book(self) -> Path:
        """Sources of the book."""
        return self.root / "book"

    @property
    def build(self) -> Path:
        """What is built and may be deleted."""
        return self.book / "_build"

    @property
    def html(self) -> Path:
        """The finished book."""
        return self.build / "html"

    @property
    def fast(self) -> Path:
        """The notebooks of the last fast run."""
        return self.build / "fast"

    @property
    def results(self) -> Path:
        """The recorded numbers."""
        return self.book / "results.json"

    @property
    def config(self) -> dict[str, Any]:
        """The contents of book/_config.yml."""
        return yaml.safe_load((self.book / "_config.yml").read_text(encoding="utf-8"))

    @property
    def repository(self) -> str:
        """The address of the repository, without a slash at its end."""
        return self.config["repository"]["url"].rstrip("/")

    @property
    def branch(self) -> str:
        """The branch that links and clones use."""
        return self.config["repository"]["branch"]

    @property
    def entries(self) -> list[str]:
        """All pages of the book in order, the root first, without suffix."""
        toc = yaml.safe_load((self.book / "_toc.yml").read_text(encoding="utf-8"))
        parts = [toc, *toc.get("parts", [])]
        return [toc["root"], *(page["file"] for part in parts for page in part.get("chapters", []))]

    def chapters(self, number: str | None = None) -> list[Chapter]:
        """All chapters, or the one with this number ("3" or "03") or, for an appendix, name.

        Raises:
            CourseError: a notebook and its pair are both missing, or no chapter has the number.
        """
        chapters = []
        for entry in self.entries:
            if not entry.startswith("notebooks/"):
                continue
            path = self.root / entry
            chapter = Chapter(entry, path.with_suffix(".ipynb"), path.with_suffix(".py"))
            if not (chapter.notebook.exists() or chapter.pair.exists()):
                raise CourseError(f"book/_toc.yml lists {entry}, but there is no such notebook")
            chapters.append(chapter)
        if number is not None:
            chosen = [c for c in chapters if c.key in (number, number.zfill(2))]
            if not chosen:
                known = ", ".join(c.key for c in chapters)
                raise CourseError(f"no chapter {number}; there are {known}")
            return chosen
        return chapters


def read_notebook(path: Path) -> NotebookNode:
    """Read an .ipynb file.

    Raises:
        CourseError: there is none, or it cannot be read.
    """
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise CourseError(f"{path.name} is missing: python -m tools.frame makes it") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise CourseError(f"{path.name} is no notebook: {error}") from error


def notebook_text(notebook: NotebookNode) -> str:
    """The notebook as stored: one form only, whoever wrote it."""
    course = notebook.metadata.get("course")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    if course:
        notebook.metadata["course"] = course
    return nbformat.writes(notebook) + "\n"


def jupytext_settings(course: Course) -> JupytextConfiguration | None:
    """The [tool.jupytext] part of pyproject.toml."""
    return load_jupytext_config(str(course.root / "notebooks" / "any.ipynb"))


def pair_text(notebook: NotebookNode, course: Course) -> str:
    """The notebook's py:percent pair."""
    return jupytext.writes(notebook, "py:percent", config=jupytext_settings(course))


def read_pair(text: str, course: Course) -> NotebookNode:
    """The notebook, without outputs, of a py:percent text."""
    return jupytext.reads(text, "py:percent", as_version=4, config=jupytext_settings(course))


def write_if_changed(path: Path, text: str) -> bool:
    """Write the text atomically unless the file says so already; tell whether it was written."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_atomically(path, lambda file: _write(file, text))
    return True


def _write(file: IO[bytes], text: str) -> None:
    file.write(text.encode("utf-8"))


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def code_digest(notebook: NotebookNode) -> str:
    """A fingerprint of the code cells, the generated set-up cell left out."""
    sources = [
        cell.source.strip()
        for cell in notebook.cells
        if cell.cell_type == "code" and "course-setup" not in tags(cell)
    ]
    return hashlib.sha256("\0".join(sources).encode("utf-8")).hexdigest()


def run_tool(main: Callable[[], int]) -> None:
    """Run a tool's `main`; a CourseError becomes one line on stderr and exit status 1."""
    try:
        sys.exit(main())
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
