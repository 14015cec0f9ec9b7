"""Write what is the same in every notebook, and keep notebooks and their .py pairs in step.

    python -m tools.frame           write badges and set-up cells, then the .ipynb from the .py
    python -m tools.frame --check   change nothing; exit status 1 if something would change

The README's Colab badges are written too.

The .py file is the source. Outputs that are stored in the .ipynb stay with their cells.
"""

import argparse
import re
from pathlib import Path

from jupytext.combine import combine_inputs_with_outputs
from nbformat import NotebookNode

from tools.course import (
    KERNEL,
    Chapter,
    Course,
    CourseError,
    notebook_text,
    pair_text,
    read_notebook,
    read_pair,
    run_tool,
    tags,
    write_if_changed,
)

BADGES = re.compile(r"<!-- badges -->.*?<!-- /badges -->", re.DOTALL)
# A link to a page of words, relative or with an address: in Colab only an address leads there.
BOOK_LINK = re.compile(r"\]\((?:\.\./|https://github\.com/[^)\s]+/blob/[^/)\s]+/)book/")
README_BADGE = re.compile(r"<!-- colab:(\w+) -->(?:\[!\[.*?\]\(.*?\)\]\(.*?\))?")
COLAB_IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"

# It installs only what Colab does not have, and without versions: what is there stays.
SETUP = """\
# Set-up, the same in every chapter: find the course's `helpers`, on Colab fetch them first.
import importlib.util
import subprocess
import sys
from pathlib import Path

here = Path.cwd()
root = next((p for p in (here, *here.parents) if (p / "helpers" / "lit.py").exists()), None)
if root is None:
    root = here / "{folder}"
    if not root.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "{url}", str(root)], check=True)
if str(root) not in sys.path:
    sys.path.insert(0, str(root))
for module, package in {{"pytorch_lightning": "pytorch-lightning", "filelock": "filelock"}}.items():
    if importlib.util.find_spec(module) is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)"""


def colab(entry: str, course: Course) -> str:
    """The address that opens a chapter in Colab."""
    home = course.repository.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{home}/blob/{course.branch}/{entry}.ipynb"


def badges(entry: str, course: Course) -> str:
    """The links of one notebook: run it in Colab or Binder, or get it."""
    home = course.repository.removeprefix("https://github.com/")
    binder = f"https://mybinder.org/v2/gh/{home}/{course.branch}?urlpath=lab/tree/{entry}.ipynb"
    download = f"{course.repository}/raw/{course.branch}/{entry}.ipynb"
    return (
        f"<!-- badges -->\n[Open in Colab]({colab(entry, course)}) · "
        f"[Open in Binder]({binder}) · [Download]({download})\n<!-- /badges -->"
    )


def book_address(course: Course) -> str:
    """Where the pages of words are, the glossary among them, for a notebook opened alone."""
    return f"{course.repository}/blob/{course.branch}/book/"


def setup_cell(course: Course) -> str:
    """The code of the set-up cell."""
    return SETUP.format(url=course.repository, folder=course.repository.rsplit("/", 1)[-1])


def framed_readme(text: str, course: Course) -> str:
    """The README with its Colab badges, one behind each <!-- colab:NAME -->."""

    def badge(match: re.Match[str]) -> str:
        link = colab(f"notebooks/{match[1]}", course)
        return f"<!-- colab:{match[1]} -->[![Open in Colab]({COLAB_IMAGE})]({link})"

    return README_BADGE.sub(badge, text)


def frame(notebook: NotebookNode, entry: str, course: Course) -> None:
    """Put the current badges, links and set-up cell into a notebook.

    Raises:
        CourseError: the notebook has no place for them.
    """
    if not notebook.cells or not BADGES.search(notebook.cells[0].source):
        raise CourseError(f"{entry}: the first cell needs <!-- badges --> … <!-- /badges -->")
    block = badges(entry, course)
    notebook.cells[0].source = BADGES.sub(lambda _: block, notebook.cells[0].source)
    places = [cell for cell in notebook.cells if "course-setup" in tags(cell)]
    if len(places) != 1 or places[0].cell_type != "code":
        raise CourseError(f'{entry}: exactly one code cell needs the tag "course-setup"')
    places[0].source = setup_cell(course)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BOOK_LINK.sub(f"]({book_address(course)}", cell.source)


def framed(chapter: Chapter, course: Course) -> tuple[str, str]:
    """The texts that the .py and the .ipynb of a chapter should have."""
    if not chapter.pair.exists():
        raise CourseError(f"{chapter.pair.name} is missing: it is the source of the notebook")
    notebook = read_pair(chapter.pair.read_text(encoding="utf-8"), course)
    frame(notebook, chapter.entry, course)
    notebook.metadata["kernelspec"] = KERNEL
    pair = pair_text(notebook, course)
    if chapter.notebook.exists():
        stored = read_notebook(chapter.notebook)
        notebook = combine_inputs_with_outputs(notebook, stored)
        if "course" in stored.metadata:
            notebook.metadata["course"] = stored.metadata["course"]
    else:
        for index, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{index:02d}"
    return pair, notebook_text(notebook)


def wanted(course: Course) -> dict[Path, str]:
    """What every framed file should say."""
    texts = {}
    readme = course.root / "README.md"
    if readme.exists():
        texts[readme] = framed_readme(readme.read_text(encoding="utf-8"), course)
    for chapter in course.chapters():
        texts[chapter.pair], texts[chapter.notebook] = framed(chapter, course)
    return texts


def drift(course: Course) -> list[str]:
    """The files, relative to the course, that `frame.py` would change."""
    return [
        path.relative_to(course.root).as_posix()
        for path, text in wanted(course).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Write or check all notebooks."""
    parser = argparse.ArgumentParser(description="badges, set-up cells and .py pairs")
    parser.add_argument("--check", action="store_true", help="change nothing, only tell")
    options = parser.parse_args(arguments)
    course = course or Course()
    if options.check:
        wrong = drift(course)
        for name in wrong:
            print(f"{name} is out of step: run python -m tools.frame")
        return 1 if wrong else 0
    for path, text in wanted(course).items():
        if write_if_changed(path, text):
            print(f"wrote {path.relative_to(course.root).as_posix()}")
    return 0


if __name__ == "__main__":
    run_tool(main)
