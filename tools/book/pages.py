"""What the pages of the book have, and the notebooks behind them have not.

Done to the copies that tools/book/build.py puts together: "Think first" becomes a box, exercises
that nobody has tried say nothing, two figures get a small demo below them, exercises and quiz go
to a page of their own, the first page gets a picture of every chapter, the glossary a bar of
letters, and the live page the numbers by which `predict.py` prepares pictures.
"""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from PIL import Image

from helpers.data import digits
from helpers.data.pictures import LARGE
from helpers.support.errors import UserError
from predict import UNSURE
from tools.course import ROOT

APART = "_exercises"  # how the page with the exercises and the quiz of a chapter is called
THINK_FIRST = re.compile(r"^(?P<before>.*?)\*\*Think first\*\*: (?P<said>.+)$", re.MULTILINE)
UNTRIED = re.compile(r"^⬜.*\n?", re.MULTILINE)
FIGURE = re.compile(r"<!-- figure:(?P<name>\w+)\|(?P<alt>.+?) -->")
THUMBNAIL = (640, 320)  # pixels: a card has half of each, and a fine screen shows two for one
FIRST_USED = re.compile(r"\n\nFirst used in (\[.*\]\(.*\))$", re.MULTILINE)
LETTER = re.compile(r"^## (\w)$", re.MULTILINE)
SAMPLE = ROOT / "helpers" / "data" / "sample" / "mnist.npz"
NO_DIGIT = "no digit"  # the live page's eleventh class
# A page, how the text of its figure begins, and the demo: book/_static/NAME.js.
DEMOS = {
    "03_cnn": ("A digit and three filtered copies", "kernel"),
    "04_optimizer_comparison": ("Five paths through the valley", "valley"),
}


def boxed(text: str) -> str:
    """A text of a notebook with every "Think first" as a box of its own."""

    def box(match: re.Match[str]) -> str:
        said = match["said"][0].upper() + match["said"][1:]
        before = f"{match['before'].rstrip()}\n\n" if match["before"].strip() else ""
        return f"{before}:::{{admonition}} Think first\n:class: think-first\n{said}\n:::"

    return THINK_FIRST.sub(box, text)


def picture_cell(cells: list[NotebookNode], alt: str, page: str) -> int:
    """The place of the cell whose figure has a text that begins with `alt`.

    Raises:
        UserError: there is none.
    """
    for place, cell in enumerate(cells):
        said = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if said.startswith(alt):
            return place
    raise UserError(f'{page} has no figure whose text begins "{alt}"')


def demo(name: str) -> str:
    """The place of a demo on a page, which its script fills. Without scripts there is nothing.

    The kernel slides over the first digit of the bundled sample: 784 pixels, each two hex digits.
    """
    data = ""
    if name == "kernel":
        with np.load(SAMPLE) as sample:
            data = f' data-image="{sample["x_train"][0].tobytes().hex()}"'
    return (
        f'<div class="demo" id="demo-{name}"{data}></div>\n'
        f'<script defer src="../_static/{name}.js"></script>'
    )


def as_page(notebook: NotebookNode, page: str) -> None:
    """Change the notebook of a page, such as "03_cnn", in place.

    Raises:
        UserError: a figure that gets a demo is not there.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = boxed(cell.source)
            continue
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = UNTRIED.sub("", output.text)
        cell.outputs = [o for o in cell.outputs if o.output_type != "stream" or o.text.strip()]
    if page in DEMOS:
        alt, name = DEMOS[page]
        place = picture_cell(notebook.cells, alt, page)
        notebook.cells.insert(place + 1, new_markdown_cell(demo(name), id=f"demo-{name}"))


def cut(cells: list[NotebookNode], heading: str) -> int:
    """The place of the cell that begins with this heading; a cell that has it further down is cut.

    Without the heading, it is behind the last cell.
    """
    for place, cell in enumerate(cells):
        before, found, after = f"\n{cell.source}\n".partition(f"\n{heading}\n")
        if cell.cell_type == "markdown" and found:
            cells[place : place + 1] = [
                new_markdown_cell(before.strip(), id=f"{cell.id}-1"),
                new_markdown_cell(f"{heading}\n{after}".strip(), id=cell.id),
            ]
            return place + 1
    return len(cells)


def exercises_of(notebook: NotebookNode, page: str) -> NotebookNode | None:
    """Take exercises and quiz out of a notebook, for a page of their own, and leave a link there.

    None, if it has none. Together they are a third of a chapter, and are done at another time.
    """
    cells = notebook.cells
    first = cut(cells, "## Exercises")
    last = cut(cells, "## Takeaways")
    taken = cells[first:last]
    if not taken:
        return None
    title = cells[0].source.partition("\n")[0].removeprefix("# ")
    taken[0].source = (
        f"# {title}: exercises and quiz\n\nThey belong to [this chapter]({page}.ipynb), and stand "
        f"at the end of its notebook: open it to work on them.\n\n{taken[0].source}"
    )
    text = "".join(cell.source for cell in taken if cell.cell_type == "markdown")
    counted = f"{text.count('### Exercise ')} exercises with checks of your answers"
    if questions := len(set(re.findall(r'name="quiz-[\w-]+"', text))):
        counted += f", and {questions} questions"
    link = f"## Exercises and quiz\n\n[On a page of their own]({page}{APART}.ipynb): {counted}."
    cells[first:last] = [new_markdown_cell(link, id="exercises-link")]
    return new_notebook(cells=taken, metadata=notebook.metadata, nbformat_minor=5)


def with_thumbnails(text: str, notebooks: dict[str, NotebookNode], folder: Path) -> str:
    """The first page with a small picture behind each <!-- figure:PAGE|text -->.

    It is made from the output that is stored in the notebook; where a figure was not drawn yet,
    there is none.

    Raises:
        UserError: a marker names a figure that is not there.
    """

    def thumbnail(match: re.Match[str]) -> str:
        if match["name"] not in notebooks:
            raise UserError(f"the first page shows a figure of {match['name']}, which is no page")
        cells = notebooks[match["name"]].cells
        cell = cells[picture_cell(cells, match["alt"], match["name"])]
        stored = [output.get("data", {}).get("image/png") for output in cell.outputs]
        if not any(stored):
            return ""
        opened = Image.open(io.BytesIO(base64.b64decode(next(filter(None, stored)))))
        picture = opened.convert("RGB")
        picture.thumbnail(THUMBNAIL)
        folder.mkdir(exist_ok=True)
        picture.quantize(64).save(folder / f"{match['name']}.png", optimize=True)
        alt = json.dumps(cell.metadata["mystnb"]["image"]["alt"], ensure_ascii=False)
        return f"\n```{{image}} {folder.name}/{match['name']}.png\n:alt: {alt}\n```"

    return FIGURE.sub(thumbnail, text)


def with_settings(text: str, runtime: str | None) -> str:
    """The live page with its scripts, and what they must know: the course's own numbers.

    Args:
        runtime: the folder in `_static` of the program that runs networks, if it is there.
    """
    settings = {
        "digits": {name: n for name, n in vars(digits).items() if name.isupper()},
        "large": LARGE,
        "unsure": UNSURE,
        "noDigit": NO_DIGIT,
        "runtime": f"../_static/{runtime}/" if runtime else None,
        "models": {name: f"../_static/live/{name}.onnx" for name in ("digits", "pictures")},
    }
    data = f'<script type="application/json" id="live-settings">{json.dumps(settings)}</script>\n'
    scripts = "".join(
        f'<script defer src="../_static/{name}.js"></script>\n' for name in ("pixels", "live")
    )
    return f"{text}\n{data}{scripts}"


def with_letters(glossary: str) -> str:
    """The glossary with links to its letters, each term and where it is used in one paragraph."""
    letters = [letter.lower() for letter in LETTER.findall(glossary)]
    bar = " ".join(f'<a href="#{letter}">{letter.upper()}</a>' for letter in letters)
    nav = f'<nav class="letters" aria-label="Letters">{bar}</nav>\n\n'
    script = '\n<script defer src="../_static/glossary.js"></script>\n'
    glossary = FIRST_USED.sub(r" <small>First used in \1</small>", glossary)
    return LETTER.sub(lambda m: nav + m[0], glossary, count=1) + script
