"""The address of the course: it stands once, and everything made from it follows."""

import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.support.errors import UserError
from tests.test_house import tracked
from tools import address, generate
from tools.course import ROOT, Course, code_digest, read_notebook

ELSEWHERE = "https://github.com/some-body/their.course"


@pytest.fixture
def copy(tmp_path: Path) -> Course:
    """All files of the course, in another folder, without its history."""
    for path in tracked():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return Course(tmp_path)


def texts(course: Course) -> dict[str, str]:
    """Every file that can be read as text, by its name from the root."""
    found = {}
    for path in course.root.rglob("*"):
        if path.is_file() and path.suffix not in (".npz", ".pt", ".png", ".onnx"):
            found[path.relative_to(course.root).as_posix()] = path.read_text(encoding="utf-8")
    return found


def digests(course: Course) -> list[str]:
    return [code_digest(read_notebook(chapter.notebook)) for chapter in course.chapters()]


def test_another_address_leaves_nothing_of_the_old_one(copy: Course) -> None:
    before, (owner, name) = digests(copy), copy.repository.split("/")[-2:]
    assert address.main([ELSEWHERE, "--branch", "next/year"], copy) == 0
    first = texts(copy)
    for part in (owner, name):
        assert [file for file, text in first.items() if part in text] == [], part
    moved = Course(copy.root)
    assert (moved.repository, moved.branch) == (ELSEWHERE, "next/year")
    assert digests(moved) == before, "no stored output became stale"
    assert [line for line in generate.problems(moved) if "out of step" in line] == []
    for file in ("CITATION.cff", "README.md", "notebooks/00_tensors.py", "notebooks/03_cnn.ipynb"):
        assert "some-body/their.course" in first[file]
    assert "/blob/next/year/book/glossary.md#" in first["notebooks/03_cnn.py"]
    assert "-b next/year {url}" in first["notebooks/03_cnn.py"]
    address.main([ELSEWHERE], moved)
    assert texts(copy) == first, "twice is the same as once, and the branch stays"
    address.main([copy.repository, "--branch", copy.branch], moved)
    for path in tracked():
        assert path.read_bytes() == (copy.root / path.relative_to(ROOT)).read_bytes(), "and back"


@pytest.mark.parametrize(
    "written",
    [
        *("https://github.com/a-b/c.d", "https://github.com/a-b/c.d/", "git@github.com:a-b/c.d"),
        *("https://github.com/a-b/c.d.git\n", "ssh://git@github.com/a-b/c.d.git"),
        "https://name:secret@github.com/a-b/c.d.git",
    ],
)
def test_every_form_of_an_address_is_one_address(written: str) -> None:
    assert address.normal(written) == "https://github.com/a-b/c.d"


def test_what_is_no_address_changes_nothing(copy: Course) -> None:
    before = texts(copy)
    wrong = [["a/b"], ["https://example.org/a/b"], ["https://github.com/a"]]
    wrong += [[ELSEWHERE, "--branch", branch] for branch in (" main", "a b", "a;b", '"', "-f")]
    for arguments in wrong:
        with pytest.raises((UserError, SystemExit)):
            address.main(arguments, copy)
    assert texts(copy) == before


def test_a_copy_elsewhere_is_told_the_one_command(
    copy: Course, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(copy.root.parent))
    assert address.main(["--check"], copy) == 0, "no repository at all"
    git = ["git", "-C", str(copy.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    assert address.main(["--check"], copy) == 0, "no origin"
    subprocess.run([*git, "remote", "add", "origin", f"{copy.repository}.git"], check=True)
    assert address.main(["--check"], copy) == 0
    head = ["symbolic-ref", "refs/remotes/origin/HEAD"]
    capsys.readouterr()
    for branch, status in (("next/year", 1), (copy.branch, 0)):
        subprocess.run([*git, *head, f"refs/remotes/origin/{branch}"], check=True)
        assert address.main(["--check"], copy) == status
        assert ("BRANCH=next/year\n" in capsys.readouterr().out) == bool(status)
    elsewhere = "git@github.com:some-body/their.course.git"
    subprocess.run([*git, "remote", "set-url", "origin", elsewhere], check=True)
    assert address.main(["--check"], copy) == 1
    said = capsys.readouterr().out
    assert said.endswith(f"make address URL={ELSEWHERE}\n") and said.count("\n") == 1
    monkeypatch.setenv("GITHUB_REPOSITORY", copy.repository.split("github.com/")[1].upper())
    assert address.main(["--check"], copy) == 0, "what GitHub says goes first"
    monkeypatch.setenv("GITHUB_REPOSITORY", "some-body/their.course")
    assert address.main(["--check"], copy) == 1
    with pytest.raises(SystemExit):
        address.main([], copy)
    with pytest.raises(SystemExit):
        address.main([ELSEWHERE, "--check"], copy)
