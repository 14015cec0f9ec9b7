"""Write what is the same in every notebook, and keep each notebook and its .py pair in step.

    python tools/frame.py           write badges and set-up cells, make the .ipynb from the .py
    python tools/frame.py --check   change nothing; exit status 1 if something would change

The .py file is the source. Outputs that are stored in the .ipynb stay with their cells.
"""

import argparse
import re

from course import (
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
from jupytext.combine import combine_inputs_with_outputs
from nbformat import NotebookNode

BADGES = re.compile(r"<!-- badges -->.*?<!-- /badges -->", re.DOTALL)

# What the course imports and Colab does not have. No versions: what is there already stays.
NOT_ON_COLAB = ("pytorch_lightning",)

SETUP = '''\
# Set-up, the same in every chapter: find the course's folder, or fetch it (on Colab, say).
import importlib.util
import subprocess
import sys
from pathlib import Path

folders = [Path.cwd(), *Path.cwd().parents]
course = next((f for f in folders if (f / "helpers" / "profiles.py").exists()), None)
if course is None:
    course = Path.cwd() / "{name}"
    if not course.exists():
        address = "{repository}"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, course], check=True)
sys.path.insert(0, str(course))

# Install what is missing; leave what is there as it is.
missing = [package for package in {packages!r} if not importlib.util.find_spec(package)]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)'''


def badges(entry: str, course: Course) -> str:
    """The links of one notebook: run it, get it, read it."""
    repository, branch, path = course.repository, course.branch, f"{entry}.ipynb"
    home = repository.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{home}/blob/{branch}/{path}"
    binder = f"https://mybinder.org/v2/gh/{home}/{branch}?urlpath=lab/tree/{path}"
    return "\n".join(
        [
            "<!-- badges -->",
            "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"({colab})",
            f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})",
            f"[Download]({repository}/raw/{branch}/{path}) ·",
            f"[See on GitHub]({repository}/blob/{branch}/{path})",
            "<!-- /badges -->",
        ]
    )


def setup_cell(course: Course) -> str:
    """The code of the set-up cell."""
    return SETUP.format(
        name=course.repository.rsplit("/", 1)[-1],
        repository=course.repository,
        packages=list(NOT_ON_COLAB),
    ).replace("['", '["').replace("']", '"]').replace("', '", '", "')


def frame(notebook: NotebookNode, entry: str, course: Course) -> None:
    """Put the current badges and set-up cell into a notebook.

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


def drift(course: Course) -> list[str]:
    """The files, relative to the course, that `frame.py` would change."""
    wrong = []
    for chapter in course.chapters():
        texts = framed(chapter, course)
        for path, text in zip((chapter.pair, chapter.notebook), texts, strict=True):
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                wrong.append(path.relative_to(course.root).as_posix())
    return wrong


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Write or check all notebooks."""
    parser = argparse.ArgumentParser(description="badges, set-up cells and .py pairs")
    parser.add_argument("--check", action="store_true", help="change nothing, only tell")
    options = parser.parse_args(arguments)
    course = course or Course()
    if options.check:
        wrong = drift(course)
        for name in wrong:
            print(f"{name} is out of step: run python tools/frame.py")
        return 1 if wrong else 0
    for chapter in course.chapters():
        texts = framed(chapter, course)
        for path, text in zip((chapter.pair, chapter.notebook), texts, strict=True):
            if write_if_changed(path, text):
                print(f"wrote {path.relative_to(course.root).as_posix()}")
    return 0


if __name__ == "__main__":
    run_tool(main)
