"""The folded answers of chapter 1 fit the images that its full render stored."""

import json
import re

from helpers.data.load import OBJECTS
from tests.course_text import CHAPTERS, FOLDED, cells, prose
from tools.course import Course

FIRST = next(chapter for chapter in CHAPTERS if chapter.number == "01")


def folded_answers() -> list[str]:
    body = next(m["body"] for m in FOLDED.finditer(prose(FIRST)) if "ten images" in m["title"])
    return re.findall(r"\d+ ([a-z]+)", body)


def test_the_folded_answers_are_those_of_the_render() -> None:
    recorded = json.loads(Course().results.read_text(encoding="utf-8"))["guesses.cifar10"]
    assert folded_answers() == recorded["answers"].split()
    assert len(folded_answers()) == 10 and set(folded_answers()) <= set(OBJECTS)


def test_no_answer_stands_beside_the_images() -> None:
    """The cell of the images and the cell that counts show none of the names."""
    shown = [cell for cell in cells(FIRST) if "cifar10.val[:10]" in cell.source]
    shown += [cell for cell in cells(FIRST) if "my_guesses =" in cell.source]
    assert len(shown) == 2
    outputs = json.dumps([output for cell in shown for output in cell.outputs if "text" in output])
    assert not any(name in outputs for name in OBJECTS)
