"""The glossary and the course agree: every term is explained, used, and linked once."""

import re
from collections import Counter
from functools import cache

import pytest

from tools.course import Chapter, Course, read_notebook
from tools.link_terms import (
    ENTRY,
    Finder,
    Term,
    in_course_order,
    read_terms,
    reference,
    running,
    slug,
)

COURSE = Course()
PAGE = (COURSE.book / "glossary.md").read_text(encoding="utf-8")
TERMS = read_terms(PAGE)
FINDER = Finder.of(TERMS)
TOOL = "(python -m tools.link_terms and then python -m tools.frame do it)"
HEADINGS = re.findall(r"^#{1,6} (.+)$", PAGE, re.MULTILINE)
PAGES = [*COURSE.book.glob("*.md"), COURSE.root / "README.md", COURSE.root / "CONTRIBUTING.md"]
each_term = pytest.mark.parametrize("term", TERMS, ids=lambda term: term.slug)


@cache
def markdown(chapter: Chapter) -> tuple[str, ...]:
    """The markdown cells as they are stored and published."""
    cells = read_notebook(chapter.notebook).cells
    return tuple(cell.source for cell in cells if cell.cell_type == "markdown")


@cache
def prose(chapter: Chapter) -> str:
    """All words of a chapter, the addresses of links left out."""
    return re.sub(r"\]\([^)]*\)", "]", "\n\n".join(markdown(chapter)))


@cache
def used_in(chapter: Chapter) -> set[str]:
    return FINDER.uses(re.sub(r"\[([^\[\]]*)\]", r"\1", prose(chapter)))


@cache
def first_pieces(chapter: Chapter) -> dict[str, tuple[bool, str]]:
    """The first use of every term in running text or as a link: is it a link, and where is it?"""
    found: dict[str, tuple[bool, str]] = {}
    link = re.compile(r"\[(?P<text>[^\[\]]+)\]\(\S*glossary\.md#(?P<slug>[\w-]+)\)")
    for pieces in running(list(markdown(chapter))):
        for text, plain in pieces:
            target = link.fullmatch(text)
            term = FINDER.pattern.fullmatch(target["text"]) if target else None
            if target and term and FINDER.owner(term).slug == target["slug"]:
                found.setdefault(target["slug"], (True, target["text"]))
            for match in FINDER.pattern.finditer(text) if plain else ():
                near = text[max(0, match.start() - 30) : match.end() + 30].replace("\n", " ")
                found.setdefault(FINDER.owner(match).slug, (False, near))
    return found


def test_headings_are_unique_and_alphabetical() -> None:
    twice = [name for name, count in Counter(map(slug, HEADINGS)).items() if count > 1]
    assert twice == [], f"book/glossary.md: give these headings names of their own: {twice}"
    names = [term.name.lower().replace("-", " ") for term in TERMS]
    wrong = [b for a, b in zip(names[:-1], names[1:], strict=True) if a > b]
    assert wrong == [], f"book/glossary.md: put these terms further up: {wrong}"
    letters = re.findall(r"^## (.)$", PAGE, re.MULTILINE)
    assert letters == sorted({name[0].upper() for name in names}), "one heading ## for each letter"
    for letter, part in zip(
        letters, re.split(r"^## .$", PAGE, flags=re.MULTILINE)[1:], strict=True
    ):
        strangers = [e["name"] for e in ENTRY.finditer(part) if e["name"][0].upper() != letter]
        assert strangers == [], f"book/glossary.md: not under ## {letter}"


@each_term
def test_an_entry_says_something_short(term: Term) -> None:
    sentences = re.findall(r"[.!](?=\s|$)", term.text)
    assert 1 <= len(sentences) <= 4, f"book/glossary.md, {term.name}: one to four sentences"
    assert term.text[-1] in ".!", f"book/glossary.md, {term.name}: end with a full stop"


@each_term
def test_first_use_is_named_and_true(term: Term) -> None:
    chapters = [c for c in in_course_order(COURSE) if term.starts_by(c)]
    names = {reference(c, list(markdown(c))): c for c in chapters}
    users = [name for name, chapter in names.items() if term.slug in used_in(chapter)]
    assert users, (
        f"no chapter uses {term.name}: write it into one (its words are {', '.join(term.words)}), "
        "or take the entry out of book/glossary.md"
    )
    body = next(e["body"] for e in ENTRY.finditer(PAGE) if e["name"].strip() == term.name)
    said = re.findall(r"^First used in (.*)$", body, re.MULTILINE)
    linked = [name for name, chapter in names.items() if term.slug in first_pieces(chapter)]
    expected = (linked or users)[0]
    assert said == [expected], (
        f'book/glossary.md, {term.name}: the last line should be "First used in {expected}" {TOOL}'
    )


@each_term
def test_first_use_is_a_link(term: Term) -> None:
    for chapter in in_course_order(COURSE):
        first = first_pieces(chapter).get(term.slug) if term.starts_by(chapter) else None
        if first is None:
            continue
        is_link, place = first
        assert is_link, (
            f"{chapter.entry}.py: write [{term.name.lower()}](../book/glossary.md#{term.slug}) "
            f'at its first use, "…{place}…" {TOOL}'
        )
        return


@pytest.mark.parametrize("chapter", in_course_order(COURSE), ids=lambda chapter: chapter.key)
def test_links_of_chapters_lead_to_entries(chapter: Chapter) -> None:
    text = "\n".join(markdown(chapter))
    for target in re.findall(r"glossary(?:\.md|\.html)?#([^)\s]*)\)", text):
        assert target in map(slug, HEADINGS), (
            f"{chapter.entry}.py links to glossary.md#{target}: write ### … into book/glossary.md"
        )
    bare = re.findall(r"\]\(\S*glossary(?!\.md[#)])\S*\)", text)
    assert bare == [], f"{chapter.entry}.py: link to ../book/glossary.md#term, not to {bare}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_of_pages_lead_to_headings(path) -> None:
    text = re.sub(r"`[^`]*`", "", path.read_text(encoding="utf-8"))
    own = [slug(name) for name in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)]
    for page, target in re.findall(r"\]\(([^)\s#]*)#([^)\s]*)\)", text):
        if page.endswith(("glossary", "glossary.md")) or not page:
            known = own if not page else list(map(slug, HEADINGS))
            assert target in known, f"{path.name} links to {page}#{target}, which is not there"


def test_links_to_look_things_up() -> None:
    assert {"book/glossary", "book/notation"} <= set(COURSE.entries)
    index = (COURSE.book / "index.md").read_text(encoding="utf-8")
    for name in ("glossary", "notation"):
        assert f"]({name})" in index, f"book/index.md: write a link to ({name})"


def test_symbols_are_unique_and_have_a_chapter() -> None:
    text = (COURSE.book / "notation.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| $")]
    assert len(rows) > 20
    for row in rows:
        columns = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(columns) == 5 and all(columns), f"book/notation.md: five columns: {row}"
        entry = re.search(r"\]\(\.\./(notebooks/\w+)\.ipynb\)$", columns[4])
        assert entry and entry[1] in COURSE.entries, f"book/notation.md: which chapter? {row}"
    meanings = Counter(tuple(row.split("|")[1:3]) for row in rows)
    assert max(meanings.values()) == 1, "book/notation.md: a row is there twice"
