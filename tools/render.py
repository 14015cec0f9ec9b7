"""Run the notebooks on the full data and store their outputs.

    python -m tools.render                all chapters
    python -m tools.render --chapter 3    one chapter

The data must be there (COURSE_DATA=full unless you set COURSE_DATA): where it is looked for is
said in helpers/data.py. Then the recorded numbers are put into the text, as tools/fill.py does.
"""

import argparse
import os

from tools import fill, frame
from tools.course import (
    Course,
    code_digest,
    notebook_text,
    read_notebook,
    run_tool,
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
        print(f"{chapter.entry} …", flush=True)
        notebook = read_notebook(chapter.notebook)
        seconds = run(notebook, chapter.notebook.parent, environment)
        notebook.metadata["course"] = {"code_digest": code_digest(notebook)}
        write_if_changed(chapter.notebook, notebook_text(notebook))
        fill.record(course, f"chapters.{chapter.key}", full_seconds=round(seconds, 1))
        print(f"{chapter.entry}: {seconds:.0f} s", flush=True)
        for text in complaints(notebook):
            warned = True
            print(f"{chapter.entry} wrote to stderr:\n{text}")
    fill.main([], course)
    return 1 if warned else 0


if __name__ == "__main__":
    run_tool(main)
