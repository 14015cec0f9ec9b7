"""The pages to look things up: every term is explained and used, every symbol has a chapter."""

import re

from tests.course_text import COURSE, prose
from tools.generate import FIRST_USED, TERM, slug

PAGE = (COURSE.book / "glossary.md").read_text(encoding="utf-8")
TERMS = {term["name"]: term["said"].strip() for term in TERM.finditer(PAGE)}


def test_terms_are_in_alphabetical_order_each_under_its_letter() -> None:
    headings = [h.lower().replace("-", " ") for h in re.findall(r"^#{2,3} (.+)$", PAGE, re.M)]
    assert headings == sorted(headings)
    assert len({slug(name) for name in TERMS}) == len(TERMS)
    assert [h for h in headings if len(h) == 1] == sorted({name[0].lower() for name in TERMS})


def test_entries_are_short_and_used() -> None:
    for name, said in TERMS.items():
        assert 1 <= len(re.findall(r"[.!](?=\s|$)", FIRST_USED.sub("", said))) <= 4, name
        assert FIRST_USED.search(said), f"no chapter uses {name}"


def test_links_of_chapters_lead_to_entries() -> None:
    known = {slug(name) for name in TERMS}
    for chapter in COURSE.chapters():
        linked = set(re.findall(r"\]\(\S*glossary(?:\.md#)?([^)\s]*)\)", prose(chapter)))
        assert linked <= known, chapter.entry


def test_symbols_have_a_meaning_and_a_chapter() -> None:
    text = (COURSE.book / "notation.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| $")]
    assert len(rows) > 20 and len(set(rows)) == len(rows)
    for row in rows:
        columns = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(columns) == 5 and all(columns), row
        chapter = re.search(r"\]\(\.\./(notebooks/\w+)\.ipynb\)$", columns[4])
        assert chapter and chapter[1] in COURSE.entries, row
