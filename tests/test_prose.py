"""How the chapters are written: sections, sentences, spelling, figures that fit a narrow page."""

import re
from pathlib import Path

import pytest

from helpers.plots import SMALLEST_TEXT, WIDTH
from tests.course_text import CHAPTERS, COURSE, cells, prose
from tools.course import read_notebook

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
FIGURE_SIZE = re.compile(r"figsize=\((?P<width>[\d.]+)")
TEXT_SIZE = re.compile(r"(?:fontsize|labelsize)=(?P<points>[\d.]+)")
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.key)
# Everything that people read: all notebooks, and all pages.
TEXTS = [
    *(chapter.notebook for chapter in COURSE.chapters()),
    *sorted(COURSE.book.glob("*.md")),
    *(COURSE.root / name for name in ("README.md", "CONTRIBUTING.md")),
    COURSE.root / "benchmarks" / "README.md",
]
each_text = pytest.mark.parametrize(
    "path", TEXTS, ids=lambda path: path.relative_to(COURSE.root).as_posix()
)
# British spelling; `optimizer` and its family are the field's own words. The first expression takes
# the ends -ize and -yze, the others whole families of words.
IZE = re.compile(r"\w+(?:[iy]z)(?:e[dsr]?|ers|ing|ations?|able)$", re.IGNORECASE)
NOT_IZE = re.compile(r"optimiz|tokeniz|siz(?:e[sd]?|ing|able)$|priz|seiz", re.IGNORECASE)
AMERICAN = re.compile(
    r"""
    (?:un|dis|re|multi)?(?:
      (?:col|fav|hon|lab|hum|rum|harb|vap|neighb|behavi|flav|endeav|arm|rig|vig)or(?!ous|at|ary)
    | (?:cent|theat|(?:kilo|centi|milli)met|lit|fib|calib)er(?:s|ed|ing)?$
    | gray
    | (?:label|model|travel|cancel|signal|level|channel|tunnel|total|fuel|dial)(?:ed|ing|er|ers)$
    | (?:catalog|analog)(?:s|ed|ing)?$
    | (?:def|off|pret)enses?$
    | (?:judg|acknowledg)ments?$
    | (?:fulfill|enroll)(?:s|ment)?$ | skillful | willful | installments?$
    | (?:math|percent|toward|afterward|gotten|aluminum|aging|mold|jewelry|plow)$
    | maneuver | skeptic
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def words_read(path: Path) -> str:
    """The text of a page; of a notebook its markdown."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = read_notebook(path).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def alternative_texts(path: Path) -> str:
    """What is said about the figures of a notebook to those who do not see them."""
    if path.suffix == ".md":
        return ""
    images = [
        cell.metadata.get("mystnb", {}).get("image", {}) for cell in read_notebook(path).cells
    ]
    return "\n\n".join(image["alt"] for image in images if "alt" in image)


def american(text: str) -> list[str]:
    """The words of a text, headings and tables too but no code, that are not spelled British."""
    text = re.sub(r"\[[^\[\]]*\]\(https?:[^)]*\)", " ", text)  # titles keep their spelling
    words = re.findall(r"[A-Za-z]+", plain(text))
    ize = [word for word in words if IZE.fullmatch(word) and not NOT_IZE.search(word)]
    return ize + [word for word in words if AMERICAN.match(word)]


def plain(text: str) -> str:
    """The text without code, formulas, comments, tags and addresses."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<!--.*?-->|<[^>]+>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$\n]*\$|`[^`]*`", "x", text)
    return re.sub(r"\]\([^)]*\)|https?://\S+", "]", text)


def sources(chapter) -> list[str]:
    """The code cells but the generated one."""
    return [cell.source for cell in cells(chapter) if cell.cell_type == "code"][1:]


def sentences(text: str, ends: str = ".?!") -> list[list[str]]:
    """The words of every sentence of running text, headings, tables, code and formulas left out.

    `ends` are the marks at which a sentence ends.
    """
    text = re.sub(r"^(?: {4}[^\n]*\n)+", "", plain(text), flags=re.MULTILINE)
    lines = [line for line in text.splitlines() if not re.match(r"\s*(#|\|)", line)]
    items = re.sub(r"^\s*(?:[-*]|\d+\.)\s", "\n\n", "\n".join(lines), flags=re.MULTILINE)
    found = []
    for paragraph in re.split(r"\n\s*\n", items):
        for sentence in re.split(rf"(?<=[{ends}])[*_)]*\s", paragraph):
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


@each_text
def test_sentences_are_short(path) -> None:
    text = words_read(path)
    for ends, most in ((".?!", LONGEST_SENTENCE), (".?!:;", LONGEST_PART)):
        long = [" ".join(words) for words in sentences(text, ends) if len(words) > most]
        assert long == [], f"more than {most} words"
    found = sentences(text, ".?!:;")
    mean = sum(map(len, found)) / len(found)
    assert mean <= MEAN_PART, f"{mean:.1f} words on average"


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


@each_text
def test_one_spelling(path) -> None:
    """British, the field's own words (optimizer) and code apart."""
    assert american(words_read(path) + alternative_texts(path)) == []


@pytest.mark.parametrize(
    "word",
    """normalize Normalized normalizes normalizing normalization organizers analyze analyzed
    color colors colored favorite center centered grayscale behavior labeled unlabeled modeling
    traveled catalog defense judgment percent toward neighbors fulfills""".split(),
)
def test_american_words_are_found(word: str) -> None:
    assert american(f"# A {word}\n") == [word]


@pytest.mark.parametrize(
    "word",
    """normalise optimizer optimizers optimization optimize size sized resizing tokenizer prize
    horizon colour centre grey laboratory humorous rigorous literal labelled model models defence
    modelled catalogue towards percentage collaborate elaborate analogue levels fulfilled `color`
    license installed""".split(),
)
def test_british_words_and_the_words_of_the_field_are_not(word: str) -> None:
    assert american(f"A {word}.") == []


def test_sentences_are_counted_as_people_read_them() -> None:
    text = (
        "# Not this\n\nOne two three: four five six. *Seven eight nine.* `x` ten $y$!\n\n| a b c |"
    )
    assert [len(words) for words in sentences(text)] == [6, 3, 3]
    assert [len(words) for words in sentences(text, ".?!:;")] == [3, 3, 3, 3]
    assert sentences("- one two three\n- four five six") == [
        s.split() for s in ("one two three", "four five six")
    ]
