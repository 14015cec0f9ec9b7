"""How the chapters are written: sections, sentences, figures that fit a narrow page."""

import re
import statistics

import pytest

from helpers.plots import SMALLEST_TEXT, WIDTH
from tests.course_text import CHAPTERS, COURSE, GRADE, cells, prose
from tools.course import tags

SECTIONS = (
    "## What you will learn",
    "## What went wrong, and why",
    "## Which one should I choose?",
    "## Exercises",
    "## Quiz",
    "## Takeaways",
    "## Read on",
    "## Next",
)
LONGEST_LINE = 88  # characters of code
# Words. A part ends at a colon or semicolon too, so that lists and examples do not count as one.
LONGEST_SENTENCE, LONGEST_PART, MEAN_PART = 40, 36, 16
# Lines of code in a cell that is not folded, and claims that a chapter checks in sight.
LONGEST_CELL, MEDIAN_CELL, MOST_CLAIMS = 25, 10, 10
# Everything that people read: all notebooks, and all pages.
PAGES = [
    *COURSE.book.glob("*.md"),
    *(COURSE.root / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
]
TEXTS = {path.relative_to(COURSE.root).as_posix(): path.read_text("utf-8") for path in PAGES}
TEXTS |= {chapter.entry: prose(chapter) for chapter in COURSE.chapters()}
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.key)


def sources(chapter) -> list[str]:
    """The code cells but the generated one."""
    return [cell.source for cell in cells(chapter) if cell.cell_type == "code"][1:]


def sentences(text: str, ends: str) -> list[list[str]]:
    """The words of every sentence of running text, headings, tables, code and formulas left out.

    `ends` are the marks at which a sentence ends.
    """
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<!--.*?-->|<[^>]+>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$\n]*\$|`[^`]*`", "x", text)
    text = re.sub(r"\]\([^)]*\)|https?://\S+", "]", text)
    text = re.sub(r"^(?: {4}[^\n]*\n)+|^\s*[#|].*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\s*(?:[-*]|\d+\.)\s", "\n\n", text, flags=re.MULTILINE)
    parts = re.split(rf"\n\s*\n|(?<=[{ends}])[*_)]*\s", text)
    found = [re.findall(r"[\w'’-]+", part) for part in parts]
    return [words for words in found if len(words) > 2]


@each_chapter
def test_sections_stand_in_order(chapter) -> None:
    found = [line for line in prose(chapter).splitlines() if line in SECTIONS]
    assert found == list(SECTIONS)


@each_chapter
def test_results_are_predicted_first_and_the_time_is_measured(chapter) -> None:
    text = prose(chapter)
    assert text.count("**Think first**") >= 2
    for profile in ("full", "fast"):
        assert f"result:chapters.{chapter.key}.{profile}_seconds" in text


WORDS = {"ten": 10, "thirty": 30, "an hour": 60}


def minutes(chapter) -> list[int]:
    """The times that a chapter says it takes: to read, then for exercises and quiz."""
    said = re.search(r"\*\*Time\*\*: (.*?)[.;] ?(?:T|t)he full run", prose(chapter))
    assert said, chapter.entry
    found = re.findall(r"\d+|" + "|".join(WORDS), said[1])
    return [WORDS[word] if word in WORDS else int(word) for word in found]


def test_the_first_page_says_of_reading_what_the_chapters_say() -> None:
    page, read, rest = TEXTS["book/index.md"], 0.0, 0.0
    for chapter in COURSE.chapters():
        card = page.partition(f"(../{chapter.entry}.ipynb)**")[2].partition("</div>")[0]
        reading, *exercises = minutes(chapter)
        assert f"\n{reading} minutes to read · " in card, chapter.entry
        read += reading / 60
        rest += statistics.mean(exercises or [0]) / 60
    told = re.search(r"about ([\d.]+) hours to read.*?about ([\d.]+) more", page, re.DOTALL)
    assert told and abs(float(told[1]) - read) <= 0.05 and abs(float(told[2]) - rest) <= 0.5


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_sentences_are_short(text: str) -> None:
    for ends, most in ((".?!", LONGEST_SENTENCE), (".?!:;", LONGEST_PART)):
        assert [" ".join(s) for s in sentences(text, ends) if len(s) > most] == []
    assert not re.search("^<!-- result:", text, re.MULTILINE)  # it would end its paragraph
    lengths = [len(part) for part in sentences(text, ".?!:;")]
    assert sum(lengths) / len(lengths) <= MEAN_PART


@each_chapter
def test_code_needs_no_scrolling_and_figures_fit_a_narrow_screen(chapter) -> None:
    folded = re.findall(r"```python\n(.*?)```", prose(chapter), re.DOTALL)
    lines = "\n".join([*sources(chapter), *folded]).splitlines()
    assert [line for line in lines if len(line) > LONGEST_LINE] == []
    for line in lines:
        for width in re.findall(r"figsize=\(([\d.]+)", line):
            assert float(width) <= WIDTH, line
        for points in re.findall(r"(?:fontsize|labelsize)=([\d.]+)", line):
            assert float(points) >= SMALLEST_TEXT, line


def test_sentences_are_counted_as_people_read_them() -> None:
    text = (
        "# Not this\n\nOne two three: four five six. *Seven eight nine.* `x` ten $y$!\n\n| a b c |"
    )
    assert [len(words) for words in sentences(text, ".?!")] == [6, 3, 3]
    assert [len(words) for words in sentences(text, ".?!:;")] == [3, 3, 3, 3]
    listed = sentences("- one two three\n- four five six", ".?!")
    assert [" ".join(words) for words in listed] == ["one two three", "four five six"]


def lesson_cells(chapter) -> list[str]:
    """The code that a reader is meant to read: what is folded and the exercises left out."""
    return [
        cell.source
        for cell in cells(chapter)
        if cell.cell_type == "code"
        and "hide-input" not in tags(cell)
        and not GRADE.search(cell.source)
    ]


@pytest.mark.parametrize("chapter", COURSE.chapters(), ids=lambda chapter: chapter.key)
def test_lesson_cells_are_short_and_few_lines_check(chapter) -> None:
    lengths = [len(source.splitlines()) for source in lesson_cells(chapter)]
    assert max(lengths) <= LONGEST_CELL and statistics.median(lengths) < MEDIAN_CELL
    claims = sum(len(re.findall(r"\bconfirm\(", source)) for source in sources(chapter))
    assert claims <= MOST_CLAIMS
