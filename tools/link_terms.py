"""Link every term of the glossary where the course uses it for the first time.

    python -m tools.link_terms           write the links and the glossary's "First used in" lines
    python -m tools.link_terms --check   change nothing; exit status 1 if something would change

Afterwards `python -m tools.frame` writes the .ipynb from the .py.

A link goes to running text alone: not to headings, tables, code, formulas, HTML, other links, the
list of what you will learn, the line about time, exercises and the quiz. A link to the glossary
whose text is the term belongs to this tool: it is moved when an earlier place uses the term, and a
second one is taken away. Links with another text, such as
[ten scores](../book/glossary.md#logits), stay.

Under a heading of the glossary, comments say which words mean the term:

    <!-- also: convolutional network -->   more words; plurals and capitals are found anyway
    <!-- only: Adam -->                    these words as they are written, and not the heading
    <!-- from: 7 -->                       not before chapter 7, for a word that is used otherwise
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tools.course import (
    Chapter,
    Course,
    CourseError,
    pair_text,
    read_pair,
    run_tool,
    write_if_changed,
)
from tools.frame import BOOK_LINK

PAGE = "../book/glossary.md"  # as seen from a notebook
ENTRY = re.compile(r"^### (?P<name>.+)\n(?P<body>(?:(?!#{2,3} ).*\n?)*)", re.MULTILINE)
COMMENT = re.compile(r"<!-- (?P<kind>also|only|from): (?P<value>.*?) -->")
FIRST_USED = re.compile(r"^First used in \[.*$", re.MULTILINE)
HEADING = re.compile(r"^(?P<level>#{1,6})[ \t]+(?P<title>.*?)[ \t]*$")
SKIPPED_SECTIONS = ("Exercises", "Quiz", "Try it yourself")
OBJECTIVES, AFTER_OBJECTIVES = "What you will learn", "**Before you start**"
# What stands in running text and is none. A link to the glossary comes before other links.
HIDDEN = re.compile(
    r"<details\b.*?</details>"
    r"|^[ \t]*(?P<fence>```+|~~~+).*?^[ \t]*(?P=fence)[ \t]*$"
    r"|<!--.*?-->"
    r"|\$\$.*?\$\$|\$[^$\n]+\$"
    r"|(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)"
    r"|^[ \t]*\|[^\n]*$|^#{1,6}[ \t][^\n]*$|^\*\*Time\*\*[^\n]*$"
    r"|\[(?P<text>[^\[\]]+)\]\((?:\.\./|https://github\.com/[^)\s]+/blob/[^/)\s]+/)"
    r"book/glossary\.md\#(?P<slug>[\w-]+)\)"
    r"|!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\([^)]*\)"
    r"|</?[A-Za-z][^>\n]*>|<https?://[^>\s]+>|(?<!\w)https?://[^\s)]+",
    re.DOTALL | re.MULTILINE,
)


def slug(heading: str) -> str:
    """The anchor that GitHub and the book give to a heading."""
    kept = re.sub(r"[^\w\s-]", "", heading.strip().lower())
    return re.sub(r"\s", "-", kept)


@dataclass(frozen=True)
class Term:
    """An entry of the glossary: which words mean it, and from which chapter on they do."""

    name: str
    words: tuple[str, ...]
    exact: bool
    start: str  # two digits of a chapter
    text: str  # what the entry says, without comments and its last line

    @property
    def slug(self) -> str:
        """Its anchor."""
        return slug(self.name)

    def patterns(self) -> Iterator[tuple[str, str]]:
        """Every word and the expression that finds it."""
        for word in self.words:
            *front, last = re.split(r"[\s-]+", word)
            last = re.escape(last) if self.exact else with_plural(last)
            found = r"(?:-|\s)".join([*map(re.escape, front), last])
            yield word, found if self.exact else f"(?i:{found})"

    def starts_by(self, chapter: Chapter) -> bool:
        """Whether its words mean it in this chapter; in an appendix they do."""
        return not chapter.number or chapter.number >= self.start


def with_plural(word: str) -> str:
    """An expression for a word in singular and plural."""
    if re.search(r"[^aeiou]y$", word):
        return f"{re.escape(word[:-1])}(?:y|ies)"
    hissing = re.search(r"(?:s|x|z|ch|sh)$", word)  # but epochs, stomachs
    return re.escape(word) + ("(?:e?s)?" if hissing else "s?")


def read_terms(text: str) -> list[Term]:
    """The entries of the glossary in their order."""
    terms = []
    for entry in ENTRY.finditer(text):
        notes = {match["kind"]: match["value"] for match in COMMENT.finditer(entry["body"])}
        only = notes.get("only", "")
        listed = [word.strip() for word in (only or notes.get("also", "")).split(",")]
        words = [word for word in listed if word]
        if not only:
            words.insert(0, entry["name"].strip())
        said = FIRST_USED.sub("", COMMENT.sub("", entry["body"])).strip()
        start = notes.get("from", "0").strip().zfill(2)
        terms.append(Term(entry["name"].strip(), tuple(words), bool(only), start, said))
    return terms


@dataclass(frozen=True)
class Finder:
    """Finds the words of all terms, the longest first."""

    pattern: re.Pattern[str]
    owners: tuple[Term, ...]

    @classmethod
    def of(cls, terms: list[Term]) -> "Finder":
        """A finder for these terms.

        Raises:
            CourseError: two terms have the same word.
        """
        found: dict[str, tuple[str, Term]] = {}
        for term in terms:
            for word, expression in term.patterns():
                other = found.setdefault(word.lower(), (expression, term))[1]
                if other is not term:
                    raise CourseError(f"book/glossary.md: {word} is a word of two terms")
        # By first letter, because that is faster; the longest first.
        longest = sorted(found, key=lambda word: (word[0], -len(word), word))
        letters = {
            letter: "|".join(f"({found[word][0]})" for word in words)
            for letter, words in groupby(longest, key=lambda word: word[0])
        }
        parts = "|".join(f"(?=(?i:{re.escape(a)}))(?:{words})" for a, words in letters.items())
        pattern = re.compile(rf"(?<![\w./!-])(?<!\]\()(?:{parts or '(?!)'})(?![\w-]|[./]\w)")
        return cls(pattern, tuple(found[word][1] for word in longest))

    def owner(self, match: re.Match[str]) -> Term:
        """The term that a match of `pattern` means."""
        return self.owners[match.lastindex - 1]

    def uses(self, text: str) -> set[str]:
        """The slugs of all terms in a text of any kind."""
        return {self.owner(match).slug for match in self.pattern.finditer(text)}


class Reader:
    """Goes through the markdown cells of a chapter and knows under which heading it is."""

    def __init__(self) -> None:
        self.skipping = 0  # the level of the heading of a skipped section
        self.objectives = False

    def pieces(self, source: str) -> list[tuple[str, bool]]:
        """The pieces of a cell in order, and whether each is running text."""
        found: list[tuple[str, bool]] = []
        place = 0
        for match in HIDDEN.finditer(source):
            found += self._text(source[place : match.start()])
            found.append((match[0], False))
            place = match.end()
            heading = HEADING.match(match[0])
            if heading:
                self._enter(len(heading["level"]), heading["title"])
        found += self._text(source[place:])
        return [(text, plain) for text, plain in found if text]

    def _enter(self, level: int, title: str) -> None:
        if not self.skipping or level <= self.skipping:
            self.skipping = level if title in SKIPPED_SECTIONS else 0
        self.objectives = title == OBJECTIVES

    def _text(self, text: str) -> list[tuple[str, bool]]:
        listed = ""
        if self.objectives:  # the list ends where the text about this chapter begins
            listed, start, rest = text.partition(AFTER_OBJECTIVES)
            self.objectives = not start
            text = start + rest
        return [(listed, False), (text, not self.skipping)]


def running(cells: list[str]) -> list[list[tuple[str, bool]]]:
    """For each markdown cell its pieces in order, and whether each is running text."""
    reader = Reader()
    return [reader.pieces(source) for source in cells]


def unlinked(cells: list[str], finder: Finder) -> list[str]:
    """The cells without this tool's links; all other links stay."""

    def text_alone(match: re.Match[str]) -> str:
        if match["slug"] is None:
            return match[0]
        found = finder.pattern.fullmatch(match["text"])
        return match["text"] if found and finder.owner(found).slug == match["slug"] else match[0]

    return [HIDDEN.sub(text_alone, source) for source in cells]


def linked(cells: list[str], finder: Finder, wanted: set[str]) -> tuple[list[str], set[str]]:
    """The cells with a link at the first use of each wanted term, and the terms that were found."""
    found: set[str] = set()

    def link(match: re.Match[str]) -> str:
        name = finder.owner(match).slug
        if name not in wanted or name in found:
            return match[0]
        found.add(name)
        return f"[{match[0]}]({PAGE}#{name})"

    texts = [
        "".join(finder.pattern.sub(link, text) if plain else text for text, plain in pieces)
        for pieces in running(cells)
    ]
    return texts, found


def in_course_order(course: Course) -> list[Chapter]:
    """The chapters with a number, then the appendices."""
    return sorted(course.chapters(), key=lambda chapter: (not chapter.number, chapter.number))


def reference(chapter: Chapter, cells: list[str]) -> str:
    """The link of a "First used in" line."""
    title = re.search(r"^# (.*)$", "\n".join(cells), re.MULTILINE)
    name = f"chapter {int(chapter.number)}" if chapter.number else (title or [""] * 2)[1]
    return f"[{name.strip()}](../{chapter.entry}.ipynb)"


def with_first_use(text: str, first: dict[str, str]) -> str:
    """The glossary with the lines "First used in"; `first` has a link for each slug."""

    def renew(entry: re.Match[str]) -> str:
        use = first.get(slug(entry["name"]))
        if use is None:
            return entry[0]
        body = FIRST_USED.sub("", entry["body"]).rstrip()
        return f"### {entry['name']}\n{body}\n\nFirst used in {use}\n\n"

    return ENTRY.sub(renew, text).rstrip() + "\n"


@dataclass(frozen=True)
class Plan:
    """What the files should say, and which terms no chapter uses."""

    texts: dict[Path, str]
    unused: tuple[str, ...]


def plan(course: Course) -> Plan:
    """Find all first uses.

    Raises:
        CourseError: there is no glossary, or a word belongs to two terms.
    """
    glossary = course.book / "glossary.md"
    if not glossary.exists():
        raise CourseError("book/glossary.md is missing")
    page = glossary.read_text(encoding="utf-8")
    terms = read_terms(page)
    finder = Finder.of(terms)
    texts: dict[Path, str] = {}
    first: dict[str, str] = {}
    elsewhere: dict[str, str] = {}  # used only in exercises, tables, headings …
    for chapter in in_course_order(course):
        old = chapter.pair.read_text(encoding="utf-8")
        notebook = read_pair(old, course)
        cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        plain = unlinked([cell.source for cell in cells], finder)
        wanted = {t.slug for t in terms if t.slug not in first and t.starts_by(chapter)}
        sources, found = linked(plain, finder, wanted)
        name = reference(chapter, plain)
        for term in terms:
            if term.slug in found:
                first[term.slug] = name
            elif term.slug in wanted & finder.uses("\n\n".join(plain)):
                elsewhere.setdefault(term.slug, name)
        for cell, source in zip(cells, sources, strict=True):
            # A link that frame.py has made absolute already stays as it is.
            if relative(cell.source) != relative(source):
                cell.source = source
        new = pair_text(notebook, course)
        texts[chapter.pair] = old if relative(old) == relative(new) else new
    first = elsewhere | first
    texts[glossary] = with_first_use(page, first)
    return Plan(texts, tuple(t.name for t in terms if t.slug not in first))


def relative(text: str) -> str:
    """A text with its links to pages of the book in one form, the relative one."""
    return BOOK_LINK.sub("](../book/", text)


def drift(course: Course) -> list[str]:
    """The files, relative to the course, that this tool would change."""
    return [
        path.relative_to(course.root).as_posix()
        for path, text in plan(course).texts.items()
        if path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Write or check all links to the glossary."""
    parser = argparse.ArgumentParser(description="links from first uses to the glossary")
    parser.add_argument("--check", action="store_true", help="change nothing, only tell")
    options = parser.parse_args(arguments)
    course = course or Course()
    if options.check:
        wrong = drift(course)
        for name in wrong:
            print(f"{name} lacks links to the glossary: run python -m tools.link_terms")
        return 1 if wrong else 0
    done = plan(course)
    for path, text in done.texts.items():
        if write_if_changed(path, text):
            print(f"wrote {path.relative_to(course.root).as_posix()}")
    for name in done.unused:
        print(f"no chapter uses {name}: take it out of book/glossary.md, or use it")
    return 0


if __name__ == "__main__":
    run_tool(main)
