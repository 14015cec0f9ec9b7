"""Run every notebook as Colab does: in an empty folder, with what is installed there.

    python -m tools.run_colab PYTHON                 the fast profile, on the sample
    python -m tools.run_colab PYTHON --full          the full profile, on the sample
    python -m tools.run_colab PYTHON --chapter 3     one chapter only

PYTHON is that of an environment with Colab's versions; `make colab` sets one up. The course is
fetched from the last commit of this clone instead of its address. A notebook fails if a cell does,
or if a package that was there has another version afterwards. What it installed is removed again.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from helpers.support.errors import UserError
from tools.course import Chapter, Course, run_tool, write_if_changed
from tools.execute import run

# A kernel that imports `google.colab`, as Colab's does before the first cell.
STUB = {"google/colab/__init__.py": "", "sitecustomize.py": "import google.colab"}


def git(*arguments: str | Path) -> None:
    """Run git, silent unless it fails."""
    subprocess.run(["git", *arguments], check=True, stdout=subprocess.DEVNULL)


def packages(python: str) -> dict[str, str]:
    """What `pip freeze` says: names and versions."""
    said = subprocess.check_output([python, "-m", "pip", "freeze", "--all"], text=True)
    return dict(line.split("==") for line in said.splitlines() if "==" in line)


def serve(course: Course, folder: Path) -> dict[str, str]:
    """Copy the last commit; return the variables with which git finds it at the address."""
    git("init", "-q", "--bare", folder)
    head = f"HEAD:refs/heads/{course.branch}"
    git("-C", folder, "fetch", "-q", "--depth", "1", course.root.as_uri(), head)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{folder.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": course.repository,
    }


def try_out(chapter: Chapter, python: str, environment: dict[str, str]) -> None:
    """Run one chapter and print what its set-up cell says."""
    before = packages(python)
    try:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(chapter.notebook, folder)
            notebook, _ = run(chapter, environment, python, Path(folder))
        set_up = next(cell for cell in notebook.cells if cell.cell_type == "code")
        print("".join(output.get("text", "") for output in set_up.outputs), end="")
    finally:
        after = packages(python)
        if added := after.keys() - before.keys():
            subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", *added], check=True)
    changed = [name for name, version in before.items() if after.get(name) != version]
    if changed:
        raise UserError(f"it changed what was installed: {', '.join(changed)}")


def main(arguments: list[str] | None = None, course: Course | None = None) -> None:
    """Run all chapters, or one."""
    parser = argparse.ArgumentParser(description="notebooks as on Colab")
    parser.add_argument("python", help="the Python of an environment with Colab's versions")
    parser.add_argument("--chapter", metavar="N", help="one chapter only, such as 3 or own_images")
    parser.add_argument("--full", action="store_true", help="with the budgets of the full profile")
    options = parser.parse_args(arguments)
    course = course or Course()
    chapters, failed = course.chapters(options.chapter), []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in STUB.items():
            write_if_changed(Path(folder) / name, text)
        environment = {
            "COURSE_FAST": str(int(not options.full)),
            "COURSE_DATA": "sample",
            "PYTHONPATH": folder,
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or its debugger warns
            **serve(course, Path(folder) / "origin"),
        }
        for chapter in chapters:
            try:
                try_out(chapter, os.path.abspath(options.python), environment)
            except UserError as error:
                print(error)
                failed.append(chapter.entry)
    if failed:
        raise UserError(f"failed: {', '.join(failed)}")
    print(f"{len(chapters)} notebooks ran to the end; what was installed is as it was")


if __name__ == "__main__":
    run_tool(main)
