"""The tool that links terms to the glossary, on a small course of its own."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import frame, link_terms
from tools.course import ROOT, Course, CourseError
from tools.link_terms import Finder, linked, read_terms, slug, unlinked

GLOSSARY = """\
# Glossary

## A

### Adam
<!-- only: Adam -->

An optimizer.

## B

### Batch
<!-- also: mini-batch -->

Some images.

### Batch size

How many.

## C

### Cross-entropy
<!-- also: cross-entropy loss -->

A loss.

## E

### Epoch

One pass.

## N

### Nats

A unit.

## P

### Process
<!-- from: 2 -->

A program.
"""
FIRST = """\
# %% [markdown]
# # 1. Batch size
#
# <!-- badges -->
# <!-- /badges -->
#
# ## What you will learn
#
# - what a batch is
#
# **Before you start**: nothing; adam is a first name.
#
# **Time**: one epoch.

# %% tags=["course-setup"]
# set-up

# %% [markdown]
# A **batch size** of `batch` and $epoch$, by process of elimination.
#
# | Batch | <b title="epoch">x</b> |
#
# [A batch](https://example.org), then mini-batches. Another batch.

# %% [markdown]
# ## Exercises
#
# An epoch.

# %% [markdown]
# The cross-entropy.
#
# ## Quiz
#
# <details><summary>A. Nats</summary>
#
# One.
#
# </details>
"""
SECOND = """\
# %% [markdown]
# # 2. More
#
# <!-- badges -->
# <!-- /badges -->
#
# Adam needs processes. *Cross entropy loss*: see
# [ten scores](../book/glossary.md#epoch) and [batch](../book/glossary.md#batch).

# %% tags=["course-setup"]
# set-up
"""
APPENDIX = SECOND.replace("2. More", "More").replace("Adam", "Each epoch")


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """Two chapters and an appendix, which stands first in the table of contents."""
    for name in ("pyproject.toml", "book/_config.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks").mkdir()
    toc = "format: jb-book\nroot: book/index\nchapters:\n"
    for name, text in (("more", APPENDIX), ("01_one", FIRST), ("02_two", SECOND)):
        (tmp_path / "notebooks" / f"{name}.py").write_text(text, encoding="utf-8")
        toc += f"  - file: notebooks/{name}\n"
    (tmp_path / "book" / "_toc.yml").write_text(toc + "  - file: book/glossary\n")
    (tmp_path / "book" / "glossary.md").write_text(GLOSSARY, encoding="utf-8")
    small = Course(tmp_path)
    frame.main([], small)
    return small


def pair(course: Course, name: str) -> str:
    return (course.root / "notebooks" / f"{name}.py").read_text(encoding="utf-8")


def glossary(course: Course) -> str:
    return (course.book / "glossary.md").read_text(encoding="utf-8")


def test_first_uses_in_running_text_are_linked(course: Course) -> None:
    assert link_terms.main([], course) == 0
    one, two = pair(course, "01_one"), pair(course, "02_two")
    assert "A **[batch size](../book/glossary.md#batch-size)** of `batch` and $epoch$" in one
    assert "then [mini-batches](../book/glossary.md#batch). Another batch." in one
    assert one.count("glossary.md#") == 2
    assert "\n# [Adam](../book/glossary.md#adam) needs [processes](../book/glossary.md#proc" in two
    assert "*[Cross entropy loss](../book/glossary.md#cross-entropy)*: see" in two


def test_links_with_other_words_stay_and_repeated_ones_go(course: Course) -> None:
    link_terms.main([], course)
    two = pair(course, "02_two")
    assert "[ten scores](" in two
    assert "glossary.md#epoch) and batch." in two


def test_glossary_names_the_chapter(course: Course) -> None:
    link_terms.main([], course)
    text = {part.split("\n")[0]: part for part in glossary(course).split("### ")[1:]}
    one, two = "[chapter 1](../notebooks/01_one.ipynb)", "[chapter 2](../notebooks/02_two.ipynb)"
    assert f"Some images.\n\nFirst used in {one}\n" in text["Batch"]
    for name in ("Adam", "Process", "Cross-entropy"):
        assert f"First used in {two}\n" in text[name]
    assert "First used in [More](../notebooks/more.ipynb)\n" in text["Epoch"]


def test_a_term_outside_running_text_has_a_chapter_and_no_link(course: Course) -> None:
    link_terms.main([], course)
    assert "A unit.\n\nFirst used in [chapter 1](../notebooks/01_one.ipynb)\n" in glossary(course)


def test_a_second_run_changes_nothing_before_and_after_framing(
    course: Course, capsys: pytest.CaptureFixture[str]
) -> None:
    before = pair(course, "01_one"), glossary(course)
    assert link_terms.main(["--check"], course) == 1
    assert (pair(course, "01_one"), glossary(course)) == before
    assert "notebooks/01_one.py lacks links" in capsys.readouterr().out
    link_terms.main([], course)
    after = pair(course, "01_one"), glossary(course)
    assert link_terms.main(["--check"], course) == 0
    frame.main([], course)
    assert f"{frame.book_address(course)}glossary.md#batch-size" in pair(course, "01_one")
    assert link_terms.main(["--check"], course) == 0
    framed = pair(course, "01_one")
    link_terms.main([], course)
    assert pair(course, "01_one") == framed
    assert frame.main(["--check"], course) == 0
    assert link_terms.relative(framed) == link_terms.relative(after[0])


def test_a_link_moves_when_an_earlier_place_uses_the_term(course: Course) -> None:
    link_terms.main([], course)
    frame.main([], course)
    path = course.root / "notebooks" / "01_one.py"
    path.write_text(pair(course, "01_one").replace("Another", "Adam, another"), encoding="utf-8")
    link_terms.main([], course)
    assert "[Adam](../book/glossary.md#adam), another" in link_terms.relative(
        pair(course, "01_one")
    )
    assert "#adam" not in pair(course, "02_two")
    assert "An optimizer.\n\nFirst used in [chapter 1]" in glossary(course)


def test_what_is_wrong_is_said(course: Course, capsys: pytest.CaptureFixture[str]) -> None:
    page = course.book / "glossary.md"
    page.write_text(GLOSSARY + "\n## Z\n\n### Zebra\n\nAn animal.\n", encoding="utf-8")
    assert link_terms.main([], course) == 0
    assert "no chapter uses Zebra" in capsys.readouterr().out
    page.write_text(GLOSSARY.replace("mini-batch", "epoch"), encoding="utf-8")
    with pytest.raises(CourseError, match="Epoch is a word of two terms"):
        link_terms.main([], course)
    page.unlink()
    with pytest.raises(CourseError, match=r"glossary\.md is missing"):
        link_terms.main([], course)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Batch size", "batch-size"),
        ("Learning-rate range test", "learning-rate-range-test"),
        ("k nearest neighbours", "k-nearest-neighbours"),
        ("What? (a note)", "what-a-note"),
    ],
)
def test_slugs(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


FINDER = Finder.of(read_terms(GLOSSARY))
ALL = {"adam", "batch", "batch-size", "cross-entropy", "epoch", "nats", "process"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mini-batches", {"batch"}),
        ("a batch size", {"batch-size"}),
        ("batch\nsizes", {"batch-size"}),
        ("adam", set()),
        ("Adam's", {"adam"}),
        ("AdamW", set()),
        ("batch-wise, rebatch, batch.py, runs/batch", set()),
        ("the end of an epoch.", {"epoch"}),
        ("(epochs)", {"epoch"}),
        ("cross-entropy losses", {"cross-entropy"}),
    ],
)
def test_whole_words(text: str, found: set[str]) -> None:
    assert FINDER.uses(text) == found


PIECES = st.sampled_from(
    "batch|Batch sizes|mini-batch|Adam|epoch|epochs|cross-entropy loss|nats|word"
    "| |. |, |\n|\n\n|**|*|`|``|$|$$|[|]|(x)|)|[batch](y)|!|<|>|<b>|</b>|<!--|-->"
    "|\n```\n|\n## A\n|\n## Quiz\n|\n### Try it yourself\n|<details>|</details>"
    "|\n## What you will learn\n|**Before you start**|https://a.b/epoch|\n**Time**: |- "
    "|[batch](../book/glossary.md#batch)|[it](../book/glossary.md#epoch)|_|-|.py".split("|")
    + ["\n| a | batch |\n"]
)
CELLS = st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=4)


@given(CELLS)
def test_links_are_put_in_once_and_nothing_else_changes(cells: list[str]) -> None:
    plain = unlinked(cells, FINDER)
    once, found = linked(plain, FINDER, ALL)
    assert unlinked(once, FINDER) == plain
    assert linked(unlinked(once, FINDER), FINDER, ALL) == (once, found)
    for name in found:
        added = "".join(once).count(f"#{name})") - "".join(plain).count(f"#{name})")
        assert added == 1
    assert found <= FINDER.uses("\n\n".join(plain))


@given(CELLS)
def test_pieces_put_together_are_the_cell(cells: list[str]) -> None:
    pieces = link_terms.running(cells)
    assert ["".join(text for text, _ in cell) for cell in pieces] == cells
