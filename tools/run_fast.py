"""Run the notebooks in the fast profile on the bundled data, into copies.

    python -m tools.run_fast                all chapters, copies in book/_build/fast/notebooks/
    python -m tools.run_fast --record       also store the seconds in book/results.json
    python -m tools.run_fast --full         the full profile, on the sample: what a reader runs who
                                            is not let through to the data hosts

The notebooks in notebooks/ stay as they are. COURSE_DATA=full takes the full data instead.
"""

import argparse
import os
import shutil

from helpers.notebook import add_numbers
from tools.course import Course, notebook_text, run_tool, write_if_changed
from tools.execute import run


def main(arguments: list[str] | None = None, course: Course | None = None) -> None:
    """Run all chapters, or one."""
    parser = argparse.ArgumentParser(description="fast runs, into copies")
    parser.add_argument("--chapter", metavar="N", help="one chapter only, such as 3 or own_images")
    parser.add_argument("--record", action="store_true", help="store the seconds")
    parser.add_argument("--full", action="store_true", help="with the budgets of the full profile")
    options = parser.parse_args(arguments)
    if options.full and options.record:
        parser.error("--record stores the seconds of the fast profile")
    course = course or Course()
    chapters = course.chapters(options.chapter)
    if options.chapter is None:
        shutil.rmtree(course.fast, ignore_errors=True)
    environment = {
        "COURSE_FAST": str(int(not options.full)),
        "COURSE_DATA": os.environ.get("COURSE_DATA") or "sample",
    }
    total = 0.0
    for chapter in chapters:
        notebook, seconds = run(chapter, environment)
        total += seconds
        write_if_changed(course.fast / f"{chapter.entry}.ipynb", notebook_text(notebook))
        if options.record:
            add_numbers(course.results, f"chapters.{chapter.key}", fast_seconds=seconds)
    print(f"{len(chapters)} notebooks in {total:.0f} s")


if __name__ == "__main__":
    run_tool(main)
