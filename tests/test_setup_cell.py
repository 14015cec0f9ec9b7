"""The set-up cell of the notebooks, run alone in the places where a reader may open one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.course import Course, read_notebook
from tools.generate import GPU, INSTALL, NOT_ON_COLAB, SETUP

COURSE = Course()
FOLDER = COURSE.repository.rsplit("/", 1)[-1]
MARKS = ("helpers/__init__.py", "helpers/exercises/grading.py", "train.py")
# Nothing leaves this machine: what tries to meets a closed port.
OFFLINE = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
SHOW = "\nimport helpers; print(Path(helpers.__file__).resolve().parents[1])"


def addressed(cell: str) -> str:
    """The cell as it stands in the notebooks."""
    return cell.replace("ADDRESS", COURSE.repository).replace("BRANCH", COURSE.branch)


def run(folder: Path, before: str = "", cell: str = SETUP, **environment: str):
    """Run the cell in `folder`, then print where `helpers` comes from."""
    code = before + addressed(cell) + SHOW
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | OFFLINE | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a cell that gives up; it is no traceback."""
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def make_course(root: Path, names: tuple[str, ...] = MARKS) -> Path:
    """The files of a course by which the cell knows it, empty."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def served(project: Path) -> dict[str, str]:
    """Variables that make git find this folder, committed, at the address of the course."""
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (f"init -q -b {COURSE.branch}", "add -A", "commit -q -m all"):
        subprocess.run([*git, *arguments.split()], check=True)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{project.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": COURSE.repository,
    }


@pytest.mark.parametrize("place", [".", "notebooks", "notebooks/deep/down", "helpers/exercises"])
def test_any_folder_of_a_clone(tmp_path: Path, place: str) -> None:
    course = make_course(tmp_path / "any name")
    (course / place).mkdir(parents=True, exist_ok=True)
    assert run(course / place).stdout.strip() == str(course.resolve())


def test_the_script_of_a_chapter_runs_from_anywhere(tmp_path: Path) -> None:
    course = make_course(tmp_path / "any name")
    script = course / "notebooks" / "any.py"
    script.parent.mkdir()
    script.write_text(addressed(SETUP) + SHOW, encoding="utf-8")
    for start in (tmp_path, script.parent):
        name = os.path.relpath(script, start)
        done = subprocess.run([sys.executable, name], cwd=start, capture_output=True, text=True)
        assert done.stdout.strip() == str(course.resolve()), done.stderr


def test_a_clone_beside_the_notebook_is_used_and_not_fetched_again(tmp_path: Path) -> None:
    course = make_course(tmp_path / FOLDER)
    assert run(tmp_path).stdout.strip() == str(course.resolve())


@pytest.mark.parametrize("empty", [False, True], ids=["nothing", "an empty folder"])
def test_the_course_is_fetched_beside_the_notebook(tmp_path: Path, empty: bool) -> None:
    """As on Colab; a foreign `helpers` beside the notebook does no harm."""
    variables = served(make_course(tmp_path / "origin"))
    alone = make_course(tmp_path / "alone", ("helpers/__init__.py", "helpers/lightning.py"))
    if empty:
        (alone / FOLDER).mkdir()
    assert run(alone, **variables).stdout.strip() == str((alone / FOLDER).resolve())
    assert run(alone).returncode == 0, "the second time without a network"


@pytest.mark.parametrize("there", [(), ("README.md",), MARKS[:2], ("train.py",)], ids=str)
def test_without_a_network(tmp_path: Path, there: tuple[str, ...]) -> None:
    """With nothing, part of a clone, or another project in the clone's place: none is touched."""
    make_course(tmp_path / FOLDER, there)
    before = sorted(tmp_path.rglob("*"))
    assert COURSE.repository in refusal(run(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_clone_cut_short_is_not_taken_for_the_course(tmp_path: Path) -> None:
    variables = served(make_course(tmp_path / "origin"))
    make_course(tmp_path / "alone" / FOLDER, MARKS[:2])
    assert FOLDER in refusal(run(tmp_path / "alone", **variables))


def test_without_git(tmp_path: Path) -> None:
    assert "git" in refusal(run(tmp_path, PATH=str(tmp_path)))


def test_an_address_where_another_project_is(tmp_path: Path) -> None:
    foreign = make_course(tmp_path / "origin", ("helpers/__init__.py", "train.py"))
    (tmp_path / "alone").mkdir()
    assert "another project" in refusal(run(tmp_path / "alone", **served(foreign)))


@pytest.mark.parametrize("name", ["helpers/__init__.py", "helpers.py", "helpers/lightning.py"])
def test_another_helpers_that_is_loaded_already(tmp_path: Path, name: str) -> None:
    make_course(tmp_path / FOLDER)
    make_course(tmp_path, (name,))
    assert "restart" in refusal(run(tmp_path, before="import helpers\n"))


def test_running_the_cell_again_changes_nothing(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    again = run(tmp_path, before=SETUP + "\nimport helpers\n")
    assert again.stdout.strip() == str(course.resolve())


def test_what_colab_lacks_is_installed_where_it_is_missing_and_only_then(tmp_path: Path) -> None:
    make_course(tmp_path)
    cell = SETUP + INSTALL.replace("PACKAGES", "['json', 'brandnew']")
    (tmp_path / "pip.py").write_text("import sys; sys.exit(' '.join(sys.argv[1:]))")
    assert "install -q brandnew" in refusal(run(tmp_path, cell=cell))
    (tmp_path / "pip.py").write_text("open('brandnew.py', 'w')")
    told = run(tmp_path, cell=cell).stdout.splitlines()
    assert told[0] == "Installed, as missing here: brandnew"
    assert len(run(tmp_path, cell=cell).stdout.splitlines()) == 1, "not a word the next time"


@pytest.mark.parametrize("on", [True, False])
def test_on_colab_a_line_says_whether_a_gpu_is_on(tmp_path: Path, on: bool) -> None:
    make_course(tmp_path)
    cuda = f"type('torch', (), dict(cuda=type('cuda', (), dict(is_available=lambda: {on}))))"
    colab = f"import sys; sys.modules |= {{'google.colab': sys, 'torch': {cuda}}}\n"
    told, answers, _ = run(tmp_path, before=colab, cell=SETUP + GPU).stdout.splitlines()
    assert told == "A GPU is on." if on else "Change runtime type" in told
    assert "Save a copy in Drive" in answers
    assert len(run(tmp_path, cell=SETUP + GPU).stdout.splitlines()) == 1, "not a word elsewhere"


def test_every_notebook_has_the_same_cell_and_installs_what_it_uses() -> None:
    for chapter in COURSE.chapters():
        cells = [cell.source for cell in read_notebook(chapter.notebook).cells]
        code = "".join(cells)
        used = [needs for name, needs in NOT_ON_COLAB.items() if f"\nimport {name}" in code]
        installed = [INSTALL.replace("PACKAGES", str(needs)) for needs in used]
        assert cells[1] == addressed(SETUP) + "".join(installed) + GPU, chapter.entry
