"""Run the notebooks in the full profile and store their outputs: python tools/render.py

With --chapter N only one. The numbers that the text quotes are filled in afterwards.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nbformat  # noqa: E402

from helpers.files import write_atomically  # noqa: E402
from helpers.results import record  # noqa: E402
from tools import fill, frame  # noqa: E402
from tools.course import chapters, environment  # noqa: E402
from tools.execute import run  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chapter", type=int, help="render only this chapter")
    number = parser.parse_args().chapter
    selected = [p for p in chapters() if number is None or int(p.name[:2]) == number]
    if not selected:
        sys.exit(f"error: there is no chapter {number}")
    data = os.environ.get("COURSE_DATA", "full")
    os.environ["COURSE_RENDER"] = "1"
    frame.main([])
    for path in selected:
        print(f"{path.name} …", end=" ", flush=True)
        notebook, seconds = run(path, environment(COURSE_RENDER="1", COURSE_DATA=data))
        text = nbformat.writes(notebook) + "\n"
        write_atomically(path, lambda file, text=text: file.write(text.encode()))
        record(f"chapters.{path.name[:2]}", full_seconds=round(seconds, 1))
        print(f"{seconds:.0f} s", flush=True)
    fill.main([])


if __name__ == "__main__":
    main()
