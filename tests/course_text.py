"""The exercises and quizzes as they stand in the notebooks."""

import re
from dataclasses import dataclass
from functools import cache

from nbformat import NotebookNode

from tools.course import Chapter, Course, read_notebook

COURSE = Course()
LAST = "own_images"  # a page without a number that has exercises and a quiz too
CHAPTERS = [c for c in COURSE.chapters() if c.number or c.key == LAST]
GRADE = re.compile(r'^grade\("(?P<number>\w+\.\d+)".*\)$', re.MULTILINE)
FOLDED = re.compile(r"<details><summary>(?P<title>.*?)</summary>(?P<body>.*?)</details>", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
QUESTION = re.compile(r"^\*\*(?P<number>\d+)\. (?P<text>.+?)\*\*$", re.MULTILINE)
OPTION = re.compile(
    r'<details name="(?P<group>[\w-]+)"><summary>(?P<letter>[A-E])\. (?P<text>.*?)</summary>'
    r"\n\n(?P<answer>.*?)\n\n</details>",
    re.DOTALL,
)


@dataclass(frozen=True)
class Exercise:
    """`stub` is the code cell without its last line, `call` that line, `solution` folded code."""

    number: str
    chapter: Chapter
    stub: str
    call: str
    solution: str


@dataclass(frozen=True)
class Question:
    """`options` are pairs of an answer and what opens behind it."""

    number: int
    text: str
    group: str
    options: tuple[tuple[str, str], ...]


def prefix(chapter: Chapter) -> str:
    """What the numbers of its exercises begin with: "2", or "own"."""
    return str(int(chapter.number)) if chapter.number else chapter.key.split("_")[0]


@cache
def cells(chapter: Chapter) -> tuple[NotebookNode, ...]:
    return tuple(read_notebook(chapter.notebook).cells)


def prose(chapter: Chapter) -> str:
    """All markdown of a chapter."""
    return "\n\n".join(cell.source for cell in cells(chapter) if cell.cell_type == "markdown")


def exercises(chapter: Chapter) -> list[Exercise]:
    """The exercises of a chapter: code cells that call `grade`, and the solution folded below."""
    found = []
    for cell, below in zip(cells(chapter)[:-1], cells(chapter)[1:], strict=True):
        match = GRADE.search(cell.source) if cell.cell_type == "code" else None
        if match is None:
            continue
        folded = FOLDED.search(below.source) if below.cell_type == "markdown" else None
        code = CODE.search(folded["body"]) if folded else None
        solution = code[1] if code else ""
        stub = cell.source.replace(match[0], "")
        found.append(Exercise(match["number"], chapter, stub, match[0], solution))
    return found


def questions(chapter: Chapter) -> list[Question]:
    """The quiz of a chapter."""
    text = prose(chapter).partition("## Quiz\n")[2].partition("\n## ")[0]
    pieces = QUESTION.split(text)[1:]
    found = []
    for number, question, body in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        options = [*OPTION.finditer(body)]
        groups = {option["group"] for option in options}
        pairs = tuple((option["text"], option["answer"]) for option in options)
        found.append(Question(int(number), question, " ".join(groups), pairs))
    return found
