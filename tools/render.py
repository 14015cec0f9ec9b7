"""Run the notebooks on the full data and store their outputs.

    python -m tools.render                all chapters
    python -m tools.render --chapter 3    one chapter

The data must be there (COURSE_DATA=full unless you set COURSE_DATA): the manual says where it is
looked for. Then the recorded numbers are put into the text. Under each number's key stands the
chapter that it came from, and under the chapter's how it was made: when, with which code, data,
versions, on what.
"""

import argparse
import hashlib
import json
import os
from datetime import date

import torch
from nbformat import NotebookNode

from commands.run_folder import versions
from helpers.data.load import DATASET_NAMES, load
from helpers.notebook import add_numbers
from helpers.support.errors import UserError
from helpers.training import best_device
from tools import generate
from tools.course import (
    Course,
    code_digest,
    notebook_text,
    read_notebook,
    run_tool,
    source_digest,
    write_if_changed,
)
from tools.execute import complaints, rendered
from tools.fill_numbers import read_results


def circumstances(notebook: NotebookNode, course: Course, mode: str) -> dict[str, str | int]:
    """What a chapter's numbers depend on: date, its code and the helpers', data, machine."""
    total = hashlib.sha256(code_digest(notebook).encode())
    for path in sorted(course.root.glob("helpers/**/*.py")):
        total.update(path.read_bytes())
    code = "".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    data = {name: load(name, mode=mode).identity() for name in DATASET_NAMES if f'"{name}"' in code}
    return {
        "date": date.today().isoformat(),
        "code": total.hexdigest(),
        "data": ", ".join(f"{name} {known['digest'][:16]}" for name, known in data.items()),
        "device": str(best_device()),
        "threads": torch.get_num_threads(),
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Render all chapters or one."""
    parser = argparse.ArgumentParser(description="full runs, stored in notebooks/")
    parser.add_argument("--chapter", metavar="N", help="one chapter only, such as 3 or own_images")
    options = parser.parse_args(arguments)
    course = course or Course()
    environment = {"COURSE_DATA": os.environ.get("COURSE_DATA", "full")}
    chapters = course.chapters(options.chapter)
    generate.main([], course)
    warned = False
    for chapter in chapters:
        notebook, seconds, numbers = rendered(chapter, environment)
        if source_digest(read_notebook(chapter.notebook)) != source_digest(notebook):
            raise UserError(f"{chapter.entry}.ipynb was edited while it ran: nothing is stored")
        notebook.metadata["course"] = {"code_digest": code_digest(notebook)}
        write_if_changed(chapter.notebook, notebook_text(notebook))
        # What the chapter stored once, but records no longer, goes.
        stored = read_results(course).items()
        kept = {key: values for key, values in stored if values.get("chapter") != chapter.key}
        kept |= {key: values | {"chapter": chapter.key} for key, values in numbers.items()}
        write_if_changed(course.results, json.dumps(kept, indent=2, sort_keys=True) + "\n")
        made = circumstances(notebook, course, environment["COURSE_DATA"])
        add_numbers(course.results, f"chapters.{chapter.key}", full_seconds=seconds, **made)
        warned = warned or bool(complaints(notebook))
    generate.main([], course)
    return int(warned)


if __name__ == "__main__":
    run_tool(main)
