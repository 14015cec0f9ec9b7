"""Files around the course agree with each other, and what is published is clean."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from rattler import MatchSpec, Version, VersionSpec

from tools.course import Course

COURSE = Course()
ROOT = COURSE.root
LARGEST = 2_000_000  # bytes
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
MODULES = {
    "IPython": "ipython",
    "PIL": "pillow",
    "pytorch_lightning": "pytorch-lightning",
    "sklearn": "scikit-learn",
}
# Where the repository's address may stand; all but the first are generated or compared.
ADDRESS_PLACES = ("book/_config.yml", "README.md", "CITATION.cff", "notebooks/")


def tracked() -> list[Path]:
    """All files that belong to the course, also those that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git working copy")
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [path for path in map(ROOT.joinpath, names) if path.is_file()]


def texts() -> dict[str, str]:
    """The text of every text file by its name from the root."""
    found = {}
    for path in tracked():
        if path.suffix not in (".npz", ".png", ".ico"):
            found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    return found


def groups() -> dict[str, dict[str, str]]:
    """The dependency groups of pyproject.toml: name of a package -> its range."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, str]] = {}
    for group, entries in settings["dependency-groups"].items():
        pairs = [re.fullmatch(r"([\w.-]+)(.*)", e) for e in entries if isinstance(e, str)]
        found[group] = {match[1]: match[2] for match in pairs if match}
    return found


def conda() -> dict[str, Any]:
    """The entries of environment.yml: name -> MatchSpec; the pip part under its own names."""
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    specs = [entry for entry in dependencies if isinstance(entry, str)]
    for entry in dependencies:
        if isinstance(entry, dict):
            specs += [re.sub(r"(?=[<>=])", " ", spec, count=1) for spec in entry["pip"]]
    return {spec.name.normalized: spec for spec in map(MatchSpec, specs)}


def in_range(spec: MatchSpec, version: str) -> bool:
    """Whether a version fits; only the public part counts ("2.9.1+cpu" is 2.9.1)."""
    number = version.split("+")[0]
    return VersionSpec(str(spec.version)).matches(Version(number))


def test_environment_has_the_packages_and_ranges_of_pyproject() -> None:
    wanted = {
        CONDA_NAMES.get(name, name): ranges
        for group in groups().values()
        for name, ranges in group.items()
    }
    entries = conda()
    assert set(entries) - {"python", "pip"} == set(wanted)
    for name, ranges in wanted.items():
        expected = MatchSpec(f"{name} {ranges}")
        assert str(entries[name].version) == str(expected.version), name


def test_environment_allows_the_tested_versions() -> None:
    entries = conda()
    for group in groups().values():
        for name in group:
            version = importlib.metadata.version(name)
            assert in_range(entries[CONDA_NAMES.get(name, name)], version), (name, version)


@pytest.mark.parametrize(
    ("version", "allowed"),
    [("3.10.14", False), ("3.11.0", True), ("3.12.7", True), ("3.13.1", True), ("3.14.0", False)],
)
def test_environment_allows_python_3_11_to_3_13(version: str, allowed: bool) -> None:
    assert in_range(conda()["python"], version) is allowed


def test_everything_that_is_imported_is_declared() -> None:
    own = {path.stem for path in ROOT.glob("*.py")} | {"commands", "helpers", "tools", "benchmarks"}
    declared = set(groups()["course"])
    folders = ("commands", "helpers", "helpers/data", "benchmarks", "notebooks")
    sources = [*ROOT.glob("*.py"), *(p for name in folders for p in ROOT.glob(f"{name}/*.py"))]
    for path in sources:
        if path.name == "conftest.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in (full.split(".")[0] for full in names):
                known = name in sys.stdlib_module_names or name in own
                assert known or MODULES.get(name, name) in declared, f"{path.name}: {name}"


def test_the_repository_address_comes_from_one_place() -> None:
    address = COURSE.repository.removeprefix("https://")
    holders = [name for name, text in texts().items() if address in text]
    assert "book/_config.yml" in holders
    assert [name for name in holders if not name.startswith(ADDRESS_PLACES)] == []
    others = re.compile(r"github\.com/(?:github/)?([\w-]+/[\w.-]+)/(?:blob|raw|tree)/")
    home = address.removeprefix("github.com/")
    for name in holders:
        found = set(others.findall(texts()[name]))
        assert found <= {home}, f"{name} links to another repository"


def test_citation_is_whole() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert citation["version"] == settings["project"]["version"]
    assert citation["repository-code"] == COURSE.repository
    assert citation["license"] == "MIT"
    assert citation["title"].startswith(COURSE.config["title"])


def test_licence_says_what_code_and_text_are_under() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert "CC BY 4.0" in text
    assert (ROOT / "helpers" / "data" / "sample" / "README.md").is_file()


def test_every_page_of_the_book_has_a_source() -> None:
    for entry in COURSE.entries:
        assert any((ROOT / f"{entry}{end}").is_file() for end in (".md", ".ipynb")), entry
    listed = {entry for entry in COURSE.entries if entry.startswith("notebooks/")}
    notebooks = {f"notebooks/{path.stem}" for path in ROOT.glob("notebooks/*.ipynb")}
    assert notebooks == listed


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", "helpers/data/sample/README.md", "benchmarks/README.md"],
)
def test_links_to_files_lead_somewhere(name: str) -> None:
    source = ROOT / name
    text = source.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            path = source.parent / unquote(target.split("#")[0])
            assert path.exists(), f"{name} links to {target}"


def test_make_commands_in_the_text_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("README.md", "CONTRIBUTING.md", "book/index.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{name}: make {target}"


def test_ci_runs_the_tests_and_then_the_book() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[-2:] == ["make test", "make book"]
    assert "set -euo pipefail" in lines
    if sys.platform != "win32":
        assert script.stat().st_mode & 0o111


def test_make_installs_once_and_again_only_after_a_change(tmp_path: Path) -> None:
    """With a Python that only writes down what it was asked to do."""
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    log, python = tmp_path / "log", tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@" >> "{log}"\n'
        'if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
    )
    python.chmod(0o755)

    def make(target: str) -> str:
        log.write_text("")
        command = ["make", "--no-print-directory", f"PYTHON={python}", target]
        environment = {k: v for k, v in os.environ.items() if k != "PYTEST_ARGS"}
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
        return log.read_text()

    assert "-m pip install --quiet --group dev" in make("install")
    assert make("install") == ""
    assert make("test").split() == "-m pytest -n 2".split()
    assert "pip" not in make("course")
    (tmp_path / "pyproject.toml").touch()
    assert "--group dev" in make("book")
    assert "pip" not in make("book")


def test_no_file_is_large() -> None:
    sizes = {path.name: path.stat().st_size for path in tracked()}
    limit = {name: size for name, size in sizes.items() if not name.endswith(".ipynb")}
    assert {name: size for name, size in limit.items() if size > LARGEST} == {}


def test_no_file_names_a_registry_or_a_machine() -> None:
    hosts = ["py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org"]
    folders = [f"/{name}/" for name in ("work", "root", "home", "Users")] + ["/tmp" + "/full"]
    pattern = re.compile(
        "|".join([*map(re.escape, hosts), *(rf"(?<![\w.~-]){f}" for f in folders)])
    )
    this = Path(__file__).name
    found = [
        f"{name}: {match[0]}"
        for name, text in texts().items()
        if not name.endswith((this, "test_notebooks.py"))
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_spelling() -> None:
    prose = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
    prose += [
        *ROOT.glob("book/*.md"),
        *ROOT.glob("notebooks/*.py"),
        *ROOT.glob("helpers/**/*.py"),
        *ROOT.glob("commands/*.py"),
    ]
    prose += [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("benchmarks/*.md")]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *map(str, prose)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_code_style(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--quiet", "."],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
