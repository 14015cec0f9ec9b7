"""Run the notebooks on the full data and store their outputs.

    python -m tools.render                all chapters
    python -m tools.render --chapter 3    one chapter

The data must be there (COURSE_DATA=full unless you set COURSE_DATA): the manual says where it is
looked for. Then the recorded numbers are put into the text.
"""

import argparse
import os

from helpers.errors import UserError
from helpers.notebook import add_numbers
from tools import frame
from tools.course import (
    Course,
    code_digest,
    notebook_text,
    read_notebook,
    run_tool,
    source_digest,
    write_if_changed,
)
from tools.execute import complaints, run


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Render all chapters or one."""
    parser = argparse.ArgumentParser(description="full runs, stored in notebooks/")
    parser.add_argument("--chapter", metavar="N", help="one chapter only, such as 3 or own_images")
    options = parser.parse_args(arguments)
    course = course or Course()
    environment = {"COURSE_RENDER": "1", "COURSE_DATA": os.environ.get("COURSE_DATA", "full")}
    chapters = course.chapters(options.chapter)
    frame.main([], course)
    warned = False
    for chapter in chapters:
        notebook, seconds = run(chapter, environment)
        if source_digest(read_notebook(chapter.notebook)) != source_digest(notebook):
            raise UserError(f"{chapter.entry}.ipynb was edited while it ran: nothing is stored")
        notebook.metadata["course"] = {"code_digest": code_digest(notebook)}
        write_if_changed(chapter.notebook, notebook_text(notebook))
        add_numbers(course.results, f"chapters.{chapter.key}", full_seconds=seconds)
        warned = warned or bool(complaints(notebook))
    frame.main([], course)
    return int(warned)


if __name__ == "__main__":
    run_tool(main)
