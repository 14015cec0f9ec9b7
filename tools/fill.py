"""Put recorded numbers into the text.

    python -m tools.fill            fill all markers from book/results.json
    python -m tools.fill --check    change nothing; exit status 1 if something would change

A marker names a number and how to write it:

    <!-- result:cnn_large.mnist.test_accuracy|percent -->99.41 %<!-- /result -->

In a table, where a bar ends the cell, write \\| instead. Formats: percent (99.41 %),
percent1 (99.4 %), seconds (83 s), minutes (6 minutes), thousands (1,234), plain.
"""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.files import write_atomically
from tools.course import (
    Course,
    CourseError,
    notebook_text,
    read_notebook,
    run_tool,
    write_if_changed,
)

MARKER = re.compile(
    r"(?P<open><!-- result:(?P<key>[\w.-]+)\\?\|(?P<format>\w+) -->)"
    r"(?P<old>.*?)(?P<close><!-- /result -->)",
    re.DOTALL,
)
UNKNOWN = "?"


def read_results(course: Course) -> dict[str, dict[str, Any]]:
    """The recorded numbers; empty before the first full run."""
    if not course.results.exists():
        return {}
    return json.loads(course.results.read_text(encoding="utf-8"))


def record(course: Course, key: str, **numbers: float) -> None:
    """Add numbers to book/results.json; the fields that are not given stay."""
    results = read_results(course)
    results[key] = results.get(key, {}) | numbers
    text = json.dumps(results, indent=2, sort_keys=True) + "\n"
    write_atomically(course.results, lambda file: file.write(text.encode("utf-8")))


def _minutes(value: float) -> str:
    count = max(1, round(value / 60))
    return "1 minute" if count == 1 else f"{count} minutes"


FORMATS: dict[str, Callable[[float], str]] = {
    "percent": lambda value: f"{100 * value:.2f} %",
    "percent1": lambda value: f"{100 * value:.1f} %",
    "seconds": lambda value: f"{value:.0f} s",
    "minutes": _minutes,
    "thousands": lambda value: f"{value:,.0f}",
    "plain": lambda value: f"{value:g}",
}


def fill(text: str, results: dict[str, dict[str, Any]]) -> tuple[str, list[str]]:
    """Return the text with its markers filled, and the keys that have no number.

    Raises:
        CourseError: a marker names an unknown format.
    """
    missing = []

    def replacement(match: re.Match[str]) -> str:
        if match["format"] not in FORMATS:
            raise CourseError(f"unknown format in a result marker: {match['format']}")
        key, _, field = match["key"].rpartition(".")
        number = results.get(key, {}).get(field)
        if number is None:
            missing.append(match["key"])
            written = UNKNOWN
        else:
            written = FORMATS[match["format"]](number)
        return match["open"] + written + match["close"]

    return MARKER.sub(replacement, text), missing


def places(course: Course) -> list[Path]:
    """All files that may hold markers."""
    found = [course.root / "README.md", *sorted(course.book.glob("*.md"))]
    for chapter in course.chapters():
        found += [chapter.pair, chapter.notebook]
    return [path for path in found if path.exists()]


def filled(path: Path, results: dict[str, dict[str, Any]]) -> tuple[str, list[str]]:
    """The text that a file should have, and the keys that have no number."""
    if path.suffix != ".ipynb":
        return fill(path.read_text(encoding="utf-8"), results)
    notebook, missing = read_notebook(path), []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source, unknown = fill(cell.source, results)
            missing += unknown
    return notebook_text(notebook), missing


def problems(course: Course) -> list[str]:
    """One line for each file that is not filled, and for each number that is not there."""
    results, found = read_results(course), []
    for path in places(course):
        name = path.relative_to(course.root).as_posix()
        text, missing = filled(path, results)
        if path.read_text(encoding="utf-8") != text:
            found.append(f"{name} is out of step: run python -m tools.fill")
        found += [f"{name}: no number for {key}; make render records it" for key in missing]
    return found


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Fill or check all files."""
    parser = argparse.ArgumentParser(description="recorded numbers into the text")
    parser.add_argument("--check", action="store_true", help="change nothing, only tell")
    options = parser.parse_args(arguments)
    course = course or Course()
    if options.check:
        found = problems(course)
        print(*found, sep="\n", end="\n" if found else "")
        return 1 if found else 0
    results = read_results(course)
    for path in places(course):
        text, missing = filled(path, results)
        name = path.relative_to(course.root).as_posix()
        if write_if_changed(path, text):
            print(f"filled {name}")
        for key in missing:
            print(f"{name}: no number yet for {key}")
    return 0


if __name__ == "__main__":
    run_tool(main)
