"""Write what follows from elsewhere, and keep notebooks and their .py pairs in step.

    python -m tools.generate           write
    python -m tools.generate --check   change nothing; exit status 1 if something would change

That is: badges, set-up cells, addresses of the glossary and in CITATION.cff, the glossary's "First
used in" lines, the recorded numbers (tools/fill_numbers.py) and their chart (tools/book/chart.py),
and the .ipynb, whose source is the .py beside it. Outputs that are stored in the .ipynb stay with
their cells. An .ipynb in which somebody worked, a learner with answers say, is never written over.
"""

import argparse
import re
from pathlib import Path

import jupytext
from jupytext.combine import combine_inputs_with_outputs
from nbformat import NotebookNode

from helpers.support.errors import UserError
from tools.book.chart import chart
from tools.course import (
    KERNEL,
    Chapter,
    Course,
    is_edited,
    notebook_text,
    pair_text,
    read_notebook,
    run_tool,
    source_digest,
    tags,
    write_if_changed,
)
from tools.fill_numbers import fill, missing, read_results

BADGES = re.compile(r"<!-- badges -->.*?<!-- /badges -->", re.DOTALL)
# What one writes for a link to a term of the glossary: [loss](@loss).
SHORT_LINK = "](@"
# A link to a page of words or a file, relative or with an address: in Colab only an address leads
# there.
OWN_LINK = re.compile(
    r"\]\((?:\.\./|https://github\.com/[^)\s]+?/blob/[^)\s]+?/)(?=(?:book|examples|helpers)/)"
)
CITED = re.compile(r"^repository-code:.*$", re.MULTILINE)
# On a page: a badge or, for one that is read without a network, words; and what is there already.
COLAB_LINK = re.compile(r"<!-- (colab|open):(\w+) -->(?:\[(?:!\[.*?\]\(.*?\)|.*?)\]\(.*?\))?")
COLAB_BADGE = "![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)"
TERM = re.compile(r"^### (?P<name>.+)\n(?P<said>(?:(?!#{2,3} ).*\n?)*)", re.MULTILINE)
TITLE = re.compile(r"^# # (?:(\d+)\. )?(.*)$", re.MULTILINE)
FIRST_USED = re.compile(r"^First used in \[.*$", re.MULTILINE)

SETUP = """\
# @title Set-up, the same in every chapter: find the course's code, or fetch it
import subprocess
import sys
from pathlib import Path

class Stop(Exception if "get_ipython" in globals() else SystemExit):
    _render_traceback_ = lambda self: [str(self)]  # one line instead of a traceback

def is_course(folder):  # neither half a clone nor another project, whose helpers lack this file
    return all((folder / name).is_file() for name in ("helpers/exercises/grading.py", "train.py"))

url = "ADDRESS"
here = Path(globals().get("__file__", "_")).absolute().parent  # of a notebook: where it runs
root = next(filter(is_course, (here, *here.parents)), here / url.split("/")[-1])
if not is_course(root):
    clone = f'git -c core.askPass=true clone -q --depth 1 -b BRANCH {url} "{root}"'
    said = subprocess.getoutput(clone)
    if not is_course(root):
        raise Stop(
            f"The course is not here and did not come from {url} ("
            f"{' '.join(said.split()) or 'another project is there'}). Move {root.name} away, if "
            "it is here, and run this cell again, or download the whole repository, unpack it, "
            "and open this notebook inside it."
        )
loaded = sys.modules.get("helpers")
if loaded and Path(getattr(loaded, "__file__", None) or "").parent != root / "helpers":
    raise Stop("Another project's `helpers` is loaded: restart, and run this cell first.")
sys.path.insert(0, str(root))"""
# Behind it where a chapter imports what Colab does not have; what is there stays as it is.
INSTALL = """
import importlib.util

missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
if missing:
    said = subprocess.getoutput(f'"{sys.executable}" -m pip install -q {" ".join(missing)}')
    importlib.invalidate_caches()
    if not all(map(importlib.util.find_spec, missing)):
        raise Stop(f"Could not install {', '.join(missing)}: {' '.join(said.split())}")
    print("Installed, as missing here:", ", ".join(missing))"""
# What a chapter imports -> what that needs; the names of modules do for pip.
NOT_ON_COLAB = {
    "pytorch_lightning": ["pytorch_lightning"],
    "onnx": ["onnx", "onnxruntime", "onnxscript"],
}
# At its end, for what Colab's readers ask first.
GPU = """
if "google.colab" in sys.modules:
    import torch

    on = torch.cuda.is_available()
    print("A GPU is on." if on else "No GPU is on: all works, only more slowly. To have one: "
          "Runtime → Change runtime type → T4 GPU → Save, then Runtime → Run all.")
    print("Your answers stay only in a copy of your own: File → Save a copy in Drive.")"""


def badges(entry: str, course: Course) -> str:
    """The links of one notebook: run it in Colab or Binder, or get it."""
    home = course.repository.removeprefix("https://github.com/")
    binder = f"https://mybinder.org/v2/gh/{home}/{course.branch}?urlpath=lab/tree/{entry}.ipynb"
    download = f"{course.repository}/raw/{course.branch}/{entry}.ipynb"
    return (
        f"<!-- badges -->\n[Open in Colab]({colab(entry, course)}) · "
        f"[Open in Binder]({binder}) · [Download]({download})\n<!-- /badges -->"
    )


def colab(entry: str, course: Course) -> str:
    """The address that opens a chapter in Colab."""
    home = course.repository.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{home}/blob/{course.branch}/{entry}.ipynb"


def files_address(course: Course) -> str:
    """Where the course's files can be read, for a notebook that is opened alone."""
    return f"{course.repository}/blob/{course.branch}/"


def setup_cell(notebook: NotebookNode, course: Course) -> str:
    """The code of the set-up cell."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    text = SETUP.replace("ADDRESS", course.repository).replace("BRANCH", course.branch)
    for module, packages in NOT_ON_COLAB.items():
        if re.search(rf"^(?:from|import) {module}\b", code, re.MULTILINE):
            text += INSTALL.replace("PACKAGES", str(packages))
    return text + GPU


def framed_page(text: str, course: Course) -> str:
    """A page with its links to Colab, behind each <!-- colab:NAME --> or open:NAME."""

    def link(match: re.Match[str]) -> str:
        said = COLAB_BADGE if match[1] == "colab" else "Open in Colab"
        address = colab(f"notebooks/{match[2]}", course)
        return f"<!-- {match[1]}:{match[2]} -->[{said}]({address})"

    return COLAB_LINK.sub(link, text)


def framed(chapter: Chapter, course: Course) -> tuple[str, str]:
    """The texts that the .py and the .ipynb of a chapter should have."""
    if not chapter.pair.exists():
        raise UserError(f"{chapter.pair.name} is missing: it is the source of the notebook")
    notebook = jupytext.read(chapter.pair, fmt="py:percent", as_version=4, config=course.jupytext)
    as_written = source_digest(notebook)
    places = [cell for cell in notebook.cells if "course-setup" in tags(cell)]
    if len(places) != 1 or places[0].cell_type != "code":
        raise UserError(f'{chapter.entry}: exactly one code cell needs the tag "course-setup"')
    places[0].source = setup_cell(notebook, course)
    if not BADGES.search(notebook.cells[0].source):
        raise UserError(f"{chapter.entry}: the first cell needs <!-- badges --> … <!-- /badges -->")
    results, block = read_results(course), badges(chapter.entry, course)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = BADGES.sub(lambda _: block, cell.source)
            text = text.replace(SHORT_LINK, f"]({files_address(course)}book/glossary.md#")
            cell.source = fill(OWN_LINK.sub(f"]({files_address(course)}", text), results)
    notebook.metadata["kernelspec"] = KERNEL
    pair = pair_text(notebook, course)
    for cell in notebook.cells:
        if "hide-input" in tags(cell):  # the book's word; JupyterLab and Colab have their own
            cell.metadata.update({"jupyter": {"source_hidden": True}, "cellView": "form"})
    if chapter.notebook.exists():
        stored = read_notebook(chapter.notebook)
        is_source = source_digest(stored) in (as_written, source_digest(notebook))
        if is_edited(stored) and not is_source:
            raise UserError(
                f"{chapter.entry}.ipynb was edited, and its .py says something else. To make it "
                f"the source: jupytext --to py:percent {chapter.entry}.ipynb. Or, so that no work "
                f"is lost, copy it to another folder, then: git restore {chapter.entry}.ipynb"
            )
        notebook = combine_inputs_with_outputs(notebook, stored)
        if "course" in stored.metadata:
            notebook.metadata["course"] = stored.metadata["course"]
    else:
        for index, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{index:02d}"
    return pair, notebook_text(notebook)


def slug(heading: str) -> str:
    """The anchor that GitHub and the book give to a heading."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower()))


def with_first_use(glossary: str, chapters: dict[Chapter, str]) -> str:
    """The glossary with, under each term, the first chapter whose text links to it or names it."""

    def renew(term: re.Match[str]) -> str:
        name, said = term["name"], FIRST_USED.sub("", term["said"]).strip()
        links = [c for c, text in chapters.items() if f"glossary.md#{slug(name)})" in text]
        users = links or [c for c, text in chapters.items() if name.lower() in text.lower()]
        if users:
            ((number, title),) = TITLE.findall(chapters[users[0]])[:1]
            chapter = f"chapter {number}" if number else title
            said += f"\n\nFirst used in [{chapter}](../{users[0].entry}.ipynb)"
        return f"### {name}\n\n{said}\n\n"

    return TERM.sub(renew, glossary).rstrip() + "\n"


def wanted(course: Course) -> dict[Path, str]:
    """What every file should say."""
    texts, chapters = {}, {}
    for chapter in course.chapters():
        chapters[chapter], texts[chapter.notebook] = framed(chapter, course)
        texts[chapter.pair] = chapters[chapter]
    citation = course.root / "CITATION.cff"
    if citation.exists():
        line = f'repository-code: "{course.repository}"'
        texts[citation] = CITED.sub(line, citation.read_text(encoding="utf-8"))
    results = read_results(course)
    for path in (course.root / "README.md", *sorted(course.book.glob("*.md"))):
        if path.exists():
            text = framed_page(path.read_text(encoding="utf-8"), course)
            if path.name == "glossary.md":
                text = with_first_use(text, chapters)
            texts[path] = fill(text, results)
    if drawn := chart(results):
        texts[course.book / "_static" / "results.svg"] = drawn
    return texts


def problems(course: Course) -> list[str]:
    """One line for each file that this tool would change, and for each number that is missing."""
    found = []
    for path, text in wanted(course).items():
        name = path.relative_to(course.root).as_posix()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            found.append(f"{name} is out of step: run python -m tools.generate")
        keys = missing(text) if path.suffix != ".ipynb" else []  # the .py has the same
        found += [f"{name}: no number for {key}; make render records it" for key in keys]
    return found


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Write or check all files."""
    parser = argparse.ArgumentParser(description="badges, set-up cells, numbers and .py pairs")
    parser.add_argument("--check", action="store_true", help="change nothing, only tell")
    check = parser.parse_args(arguments).check
    course = course or Course()
    if not check:
        for path, text in wanted(course).items():
            if write_if_changed(path, text):
                print(f"wrote {path.relative_to(course.root).as_posix()}")
    found = problems(course)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if check and found else 0


if __name__ == "__main__":
    run_tool(main)
