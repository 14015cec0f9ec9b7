"""Make the recorded numbers again and say which of them come out as they were.

    python -m tools.reproduce                all chapters, as a render runs them; nothing is stored
    python -m tools.reproduce --chapter 2    one chapter
    python -m tools.reproduce --record       of a chapter whose numbers all agree, note in
                                             book/results.json when, with what and on what

A number agrees with the recorded one within its own tolerance:

    accuracy                3 standard errors of the difference between two trainings that are
                            measured on as many images; where it is a mean of `runs`, of that mean
    seconds                 half to twice the time: told, but another machine is no failure
    counts, rates, words    equal
    any other number        a tenth of it

Exit status 1 if a number does not agree, or a claim of a page does not hold any more.
"""

import argparse
import os
from math import sqrt
from typing import Any

from rich.table import Table

from commands.terminal import print_table
from helpers.notebook import add_numbers
from helpers.support.errors import UserError
from tools.course import Course, code_digest, read_notebook, run_tool
from tools.execute import rendered
from tools.fill_numbers import read_results
from tools.render import circumstances

IMAGES = {"test_accuracy": 10_000, "val_accuracy": 5_000}  # of either data set, at least
EXACT = ("lr", "parameters", "runs", "candidates")


def tolerance(field: str, record: dict[str, Any]) -> float | None:
    """How far a new number may be from the one in `record`; None where only equal is right."""
    value = record[field]
    if isinstance(value, str) or field in EXACT:
        return None
    if field.endswith("seconds"):
        return value
    if field in IMAGES:
        variance = max(value * (1 - value), 1 / IMAGES[field])
        return 3 * sqrt(2 * variance / IMAGES[field] / record.get("runs", 1))
    return abs(value) / 10


def agrees(field: str, record: dict[str, Any], new: Any) -> bool:
    """Whether `new` is the recorded number, within its tolerance."""
    allowed = tolerance(field, record)
    if allowed is None or isinstance(new, str):
        return new == record[field]
    if field.endswith("seconds"):
        return record[field] / 2 <= new <= record[field] * 2
    return abs(new - record[field]) <= allowed


def written(field: str, value: Any) -> str:
    """A number as the table shows it."""
    if field in IMAGES:
        return f"{100 * value:.2f} %"
    if field.endswith("seconds"):
        return f"{value:.1f} s"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def compared(
    recorded: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]
) -> tuple[Table, int]:
    """The table of all new numbers, and how many do not agree; times are not counted."""
    table, wrong = Table("number", "recorded", "now", "tolerance", "agrees"), 0
    for key, numbers in new.items():
        for field, value in numbers.items():
            if field not in recorded.get(key, {}):
                table.add_row(f"{key}.{field}", "none", written(field, value), "", "not recorded")
                wrong += 1
                continue
            record = recorded[key]
            allowed, good = tolerance(field, record), agrees(field, record, value)
            time = field.endswith("seconds")
            table.add_row(
                f"{key}.{field}",
                written(field, record[field]),
                written(field, value),
                "equal" if allowed is None else "x 2" if time else f"± {written(field, allowed)}",
                "yes" if good else "another machine?" if time else "NO",
            )
            wrong += not (good or time)
    return table, wrong


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Run all chapters, or one, and print the tables."""
    parser = argparse.ArgumentParser(description="the recorded numbers, made again")
    parser.add_argument("--chapter", metavar="N", help="one chapter only, such as 3 or own_images")
    parser.add_argument("--record", action="store_true", help="note which chapters agree")
    options = parser.parse_args(arguments)
    course, wrong = course or Course(), 0
    recorded = read_results(course)
    data = os.environ.get("COURSE_DATA", "full")
    for chapter in course.chapters(options.chapter):
        stored = read_notebook(chapter.notebook)
        if stored.metadata.get("course", {}).get("code_digest") != code_digest(stored):
            print(f"{chapter.entry}: its code has changed since its numbers were recorded")
        try:
            notebook, seconds, numbers = rendered(chapter, {"COURSE_DATA": data})
        except UserError as error:
            print(f"{chapter.entry} did not come to its end:\n{error}")
            wrong += 1
            continue
        numbers[f"chapters.{chapter.key}"] = {"full_seconds": seconds}
        table, differ = compared(recorded, numbers)
        print_table(table)
        wrong += differ
        if options.record and not differ:
            made = circumstances(notebook, course, data)
            add_numbers(course.results, f"reproduced.{chapter.key}", **made)
    print("All numbers agree." if not wrong else f"{wrong} do not agree.")
    return int(wrong > 0)


if __name__ == "__main__":
    run_tool(main)
