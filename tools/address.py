"""Move the course to another address, or say whether it is where its address says.

    python -m tools.address https://github.com/OWNER/NAME [--branch NAME]
    python -m tools.address --check

The address stands in book/_config.yml. Badges, links, set-up cells and the citation, which are made
from it, follow. `--check` compares it with the repository that this copy came from.
"""

import argparse
import os
import re
import subprocess

from helpers.support.errors import UserError
from tools import generate
from tools.course import Course, run_tool, write_if_changed

# What git and people write for one repository of GitHub, the only place that Colab opens.
FORMS = re.compile(
    r"(?:https://(?:[^/@\s]+@)?github\.com/|(?:ssh://)?git@github\.com[:/])"
    r"(?P<home>[\w-]+/[\w.-]+?)(?:\.git)?/?",
)
BRANCH = re.compile(r"[\w][\w./-]*")
LINES = re.compile(r"^(?P<key>  (?:url|branch): ).*$", re.MULTILINE)


def normal(address: str) -> str | None:
    """The address in its one form, or None where it is none of GitHub's."""
    match = FORMS.fullmatch(address.strip())
    return match and f"https://github.com/{match['home']}"


def move(course: Course, url: str, branch: str) -> Course:
    """Write the address and all that follows from it; return the course at its new place."""
    address = normal(url)
    if address is None:
        raise UserError(f"{url!r} is no address such as https://github.com/OWNER/NAME")
    if not BRANCH.fullmatch(branch):
        raise UserError(f"{branch!r} is no name of a branch")
    path = course.book / "_config.yml"
    new = {"  url: ": address, "  branch: ": branch}
    text = LINES.sub(lambda line: line["key"] + new[line["key"]], path.read_text(encoding="utf-8"))
    write_if_changed(path, text)
    moved = Course(course.root)
    generate.main([], moved)
    return moved


def origin(course: Course) -> str | None:
    """Where this copy came from, as GitHub or git says, in its one form; None if neither does."""
    if home := os.environ.get("GITHUB_REPOSITORY"):
        return normal(f"https://github.com/{home}")
    return normal(_git(course, "remote", "get-url", "origin"))


def default_branch(course: Course) -> str | None:
    """The branch that whoever opens the repository sees, if git knows it."""
    head = _git(course, "symbolic-ref", "refs/remotes/origin/HEAD")
    return head.strip().removeprefix("refs/remotes/origin/") or None


def _git(course: Course, *arguments: str) -> str:
    """What git says of this copy; nothing, if it fails or is not there."""
    command = ["git", "-C", str(course.root), *arguments]
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8").stdout
    except FileNotFoundError:
        return ""


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    """Move, or check."""
    parser = argparse.ArgumentParser(description="the address of the course, everywhere")
    parser.add_argument("url", nargs="?", metavar="URL", help="https://github.com/OWNER/NAME")
    parser.add_argument("--branch", metavar="NAME", help="the branch to open (default: as it is)")
    parser.add_argument("--check", action="store_true", help="change nothing, only tell")
    options = parser.parse_args(arguments)
    if options.check == bool(options.url):
        parser.error("name an address, or --check")
    course = course or Course()
    if options.url:
        course = move(course, options.url, options.branch or course.branch)
    elif (here := origin(course)) and here.lower() != course.repository.lower():
        print(
            f"This copy is at {here}, but its notebooks open and fetch {course.repository}. "
            f"To make it a course of its own: make address URL={here}"
        )
        return 1
    elif here and (branch := default_branch(course)) not in (None, course.branch):
        print(
            f"The branch of this copy is {branch}, but its notebooks open {course.branch}. "
            f"To change that: make address URL={here} BRANCH={branch}"
        )
        return 1
    print(f"The course is at {course.repository}, branch {course.branch}.")
    return 0


if __name__ == "__main__":
    run_tool(main)
