"""The course outside this machine: on Windows and macOS, and in the workflows of GitHub."""

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.test_house import tracked
from tools.course import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
FORMS = sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):(?!=)", MAKEFILE, re.MULTILINE))
# Names that Windows keeps for devices, whatever their ending.
DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{kind}{n}" for kind in ("com", "lpt") for n in range(10)
}
UNIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
UNIX_NAMES = {
    *("fork", "forkpty", "getuid", "geteuid", "killpg", "mkfifo", "sched_getaffinity", "setsid"),
    *("symlink", "symlink_to", "uname", "SIGALRM", "SIGHUP", "SIGKILL"),
}
SHIPPED = ("benchmarks/", "commands/", "examples/", "helpers/", "notebooks/", "tools/")


def names() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in tracked()]


def sources(*, shipped: bool) -> dict[str, ast.Module]:
    """The Python files that readers run, or the tests."""
    found = {}
    for name in names():
        ours = name.startswith(SHIPPED) or ("/" not in name and name != "conftest.py")
        if name.endswith(".py") and ours == shipped:
            found[name] = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    return found


def test_every_name_of_a_file_is_one_that_windows_and_macos_take() -> None:
    for name in names():
        assert re.fullmatch(r"[\w./-]+", name, re.ASCII) and len(name) < 100, name
        for part in name.split("/"):
            assert part.split(".")[0].lower() not in DEVICES and not part.endswith("."), name
    assert len({name.lower() for name in names()}) == len(names()), "names differ in case only"


def test_no_file_is_a_link_and_every_text_has_the_line_ends_of_unix() -> None:
    listed = subprocess.run(["git", "ls-files", "-s", "--eol"], cwd=ROOT, capture_output=True)
    assert b"120000" not in listed.stdout
    attributes = (ROOT / ".gitattributes").read_text(encoding="utf-8")
    assert "* text=auto eol=lf" in attributes
    for path in tracked():
        if path.suffix not in (".npz", ".png", ".pt", ".onnx"):
            assert b"\r\n" not in path.read_bytes(), path


def test_what_readers_run_uses_nothing_that_only_unix_has() -> None:
    """Nor its own encoding of a text. Behind getattr or hasattr a name is a text, and may stand."""
    for name, tree in sources(shipped=True).items():
        for node in ast.walk(tree):
            where = f"{name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & UNIX_MODULES, where
            if isinstance(node, ast.ImportFrom):
                assert node.module not in UNIX_MODULES, where
            if isinstance(node, ast.Attribute):
                assert node.attr not in UNIX_NAMES, where
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                given = {keyword.arg for keyword in node.keywords}
                if node.func.attr == "read_text" and not name.startswith("notebooks/"):
                    assert node.args or "encoding" in given, where
                if node.func.attr == "write_text" and not name.startswith("notebooks/"):
                    assert len(node.args) > 1 or "encoding" in given, where


def test_a_test_that_needs_unix_can_be_imported_elsewhere() -> None:
    for name, tree in sources(shipped=False).items():
        for node in tree.body:
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & UNIX_MODULES, name


def runs(workflow: dict[Any, Any]) -> list[str]:
    return [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_is_there_with_pinned_actions(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert {"name", True, "permissions", "jobs"} <= set(workflow), "YAML reads `on` as true"
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 120 and "latest" not in str(job["runs-on"])
    used = re.findall(r"uses: (.*)", text)
    assert used and all(
        re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used
    )
    for command in runs(workflow):
        for target in re.findall(r"\bmake (?:-s )?([a-z]+)", command):
            assert target in TARGETS, target
        for module in re.findall(r"python -m (tools\.\w+)", command):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module
        for script in re.findall(r"python (\w+\.py)", command):
            assert (ROOT / script).exists(), script


def test_the_workflows_cover_what_is_promised() -> None:
    work = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS}
    matrix = work["tests"]["jobs"]["tests"]["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.13"]
    for name, commands in {
        "tests": ("make lint", "make test", "make oldest", "make newest", "make -s address"),
        "book": ("make book",),
        "weekly": ("make course", "tools.run_fast --full", "make colab"),
        "release": ("make test", "make zip", "git archive"),
    }.items():
        said = "\n".join(runs(work[name]))
        assert all(command in said for command in commands), name
    assert work["weekly"]["jobs"]["hosts"]["env"]["COURSE_DATA"] == "full"
    assert "schedule" in work["weekly"][True]
    assert "default_branch" in work["book"]["jobs"]["book"]["if"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    windows = work["tests"]["jobs"]["tests"]["steps"]
    for line in next(s["run"] for s in windows if "README" in s.get("name", "")).splitlines():
        assert line in readme, "the workflow sets Windows up as the README does"


def test_every_hook_before_a_commit_works_without_a_network() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [each["repo"] for each in hooks["repos"]] == ["local"]
    for hook in hooks["repos"][0]["hooks"]:
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")


def test_forms_and_the_container_can_be_read() -> None:
    assert {path.stem for path in FORMS} == {"cell", "text"}
    for path in FORMS:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(form)
        ids = [field["id"] for field in form["body"]]
        assert len(set(ids)) == len(ids)
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make install"
