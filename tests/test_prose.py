"""How the chapters are written: sections, sentences, spelling, figures that fit a narrow page."""

import re

import pytest

from helpers.plots import SMALLEST_TEXT, WIDTH
from tests.course_text import CHAPTERS, cells, prose

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
LONGEST_SENTENCE, MEAN_SENTENCE = 36, 16  # words
FIGURE_SIZE = re.compile(r"figsize=\((?P<width>[\d.]+)")
TEXT_SIZE = re.compile(r"(?:fontsize|labelsize)=(?P<points>[\d.]+)")
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.key)


def sources(chapter) -> list[str]:
    """The code cells but the generated one."""
    return [cell.source for cell in cells(chapter) if cell.cell_type == "code"][1:]


def sentences(text: str) -> list[list[str]]:
    """The words of every sentence of running text, headings, tables, code and formulas left out."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<!--.*?-->|<[^>]+>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$\n]*\$|`[^`\n]*`", "x", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    lines = [line for line in text.splitlines() if not re.match(r"\s*(#|\|)", line)]
    items = re.sub(r"^\s*(?:[-*]|\d+\.)\s", "\n\n", "\n".join(lines), flags=re.MULTILINE)
    found = []
    for paragraph in re.split(r"\n\s*\n", items):
        for sentence in re.split(r"(?<=[.?!:;])[*_)]*\s", paragraph):
            words = re.findall(r"[\w'’-]+", sentence)
            if len(words) > 2:
                found.append(words)
    return found


@each_chapter
def test_sections_stand_in_order(chapter) -> None:
    places = [prose(chapter).find(section) for section in SECTIONS]
    assert -1 not in places, SECTIONS[places.index(-1)]
    assert places == sorted(places)


@each_chapter
def test_results_are_predicted_before_they_are_shown(chapter) -> None:
    assert prose(chapter).count("**Think first**") >= 2


@each_chapter
def test_time_is_the_measured_one_of_both_profiles(chapter) -> None:
    for profile in ("full", "fast"):
        key = f"result:chapters.{chapter.key}.{profile}_seconds"
        assert key in prose(chapter), key


@each_chapter
def test_sentences_are_short(chapter) -> None:
    found = sentences(prose(chapter))
    long = [" ".join(words) for words in found if len(words) > LONGEST_SENTENCE]
    assert long == []
    mean = sum(map(len, found)) / len(found)
    assert mean <= MEAN_SENTENCE, f"{mean:.1f} words a sentence"


@each_chapter
def test_code_needs_no_scrolling(chapter) -> None:
    lines = [line for source in sources(chapter) for line in source.splitlines()]
    lines += re.findall(r"```python\n(.*?)```", prose(chapter), re.DOTALL)
    wide = [line for text in lines for line in text.splitlines() if len(line) > LONGEST_LINE]
    assert wide == []


@each_chapter
def test_figures_can_be_read_on_a_narrow_screen(chapter) -> None:
    for source in sources(chapter):
        for match in FIGURE_SIZE.finditer(source):
            assert float(match["width"]) <= WIDTH, source
        for match in TEXT_SIZE.finditer(source):
            assert float(match["points"]) >= SMALLEST_TEXT, source


@each_chapter
def test_one_spelling(chapter) -> None:
    """British, the field's own words (optimizer) and code apart."""
    words = [word for sentence in sentences(prose(chapter)) for word in sentence]
    american = re.compile(
        r"\w+(?:yz|[^s]iz)(?:e[sd]?|ing|ations?)$|.*(?:color|center|gray|behavior|labeled|modeling|catalog)",
        re.IGNORECASE,
    )
    field = re.compile(r"optimiz|size[sd]?$|prize|[hn]orizo|Gaussian|tokeniz", re.IGNORECASE)
    wrong = [word for word in words if american.match(word) and not field.search(word)]
    assert wrong == []
