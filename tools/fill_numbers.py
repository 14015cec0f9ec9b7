"""Recorded numbers in the text; tools/generate.py puts them there.

A marker names a number of book/results.json and how to write it:

    <!-- result:cnn_large.mnist.test_accuracy|percent -->99.41 %<!-- /result -->

In a table, where a bar ends the cell, write \\| instead. Formats: percent (99.41 %),
percent1 (99.4 %), milliseconds (7 ms), seconds (83 s), minutes (6 minutes), thousands (1,234),
kilobytes (326 kB), plain.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from helpers.support.errors import UserError
from tools.course import Course

MARKER = re.compile(
    r"(?P<open><!-- result:(?P<key>[\w.-]+)\\?\|(?P<format>\w+) -->)"
    r"(?P<old>.*?)(?P<close><!-- /result -->)",
    re.DOTALL,
)
UNKNOWN = "?"


def read_results(course: Course) -> dict[str, dict[str, Any]]:
    """The recorded numbers; empty before the first full run."""
    return json.loads(course.results.read_text("utf-8")) if course.results.exists() else {}


def _minutes(value: float) -> str:
    count = max(1, round(value / 60))
    return "1 minute" if count == 1 else f"{count} minutes"


FORMATS: dict[str, Callable[[float], str]] = {
    "percent": lambda value: f"{100 * value:.2f} %",
    "percent1": lambda value: f"{100 * value:.1f} %",
    "milliseconds": lambda value: f"{value:.0f} ms",
    "seconds": lambda value: f"{value:.0f} s",
    "minutes": _minutes,
    "thousands": lambda value: f"{value:,.0f}",
    "kilobytes": lambda value: f"{value / 1000:.0f} kB",
    "plain": lambda value: f"{value:g}",
}


def fill(text: str, results: dict[str, dict[str, Any]]) -> str:
    """The text with its markers filled; a number that is not recorded becomes UNKNOWN."""

    def replacement(match: re.Match[str]) -> str:
        if match["format"] not in FORMATS:
            raise UserError(f"unknown format in a result marker: {match['format']}")
        key, _, field = match["key"].rpartition(".")
        number = results.get(key, {}).get(field)
        written = UNKNOWN if number is None else FORMATS[match["format"]](number)
        return match["open"] + written + match["close"]

    return MARKER.sub(replacement, text)


def missing(text: str) -> list[str]:
    """The keys of a filled text that have no number."""
    return [match["key"] for match in MARKER.finditer(text) if match["old"] == UNKNOWN]
