"""Pack what a room without a network needs: book/_build/from-pixels-to-lightning.zip.

    python -m tools.book.build && python -m tools.book.pack

That is the course as it was committed, the book that is built (and its PDF, if there is one), and
two lists for pip. tools/book/classroom.md, on top of it, tells the teacher what to do.
"""

import importlib.metadata
import subprocess
import tomllib
import zipfile
from pathlib import Path

from helpers.support.errors import UserError
from tools.book.pdf import NAME
from tools.course import Course, run_tool


def lists(root: Path) -> dict[str, str]:
    """What pip has to fetch, and the versions that are installed here, by the name of the list."""
    groups = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    wanted = groups["course"] + [r for r in groups["dev"] if str(r).startswith("jupyterlab")]
    here = {d.name: d.version.partition("+")[0] for d in importlib.metadata.distributions()}
    versions = [f"{name}=={here[name]}" for name in sorted(here, key=str.lower)]
    return {"requirements.txt": "\n".join(wanted), "wheels.txt": "\n".join(versions)}


def main(course: Course | None = None) -> None:
    """Write the zip and say where it is."""
    course = course or Course()
    if not (course.html / "index.html").exists():
        raise UserError("no book to pack: python -m tools.book.build first")
    made = course.build / f"{NAME}.zip"
    command = ["git", "archive", "--format=zip", f"--prefix={NAME}/", f"--output={made}", "HEAD"]
    subprocess.run(command, cwd=course.root, check=True)
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(course.html.rglob("*")):
            packed.write(path, f"{NAME}/html/{path.relative_to(course.html).as_posix()}")
        if (printed := made.with_suffix(".pdf")).exists():
            packed.write(printed, f"{NAME}/{printed.name}")
        packed.write(course.root / "tools" / "book" / "classroom.md", f"{NAME}/CLASSROOM.md")
        for name, text in lists(course.root).items():
            packed.writestr(f"{NAME}/{name}", f"{text}\n")
    print(made)


if __name__ == "__main__":
    run_tool(main)
