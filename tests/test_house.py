"""Files around the course agree with each other, and what is published is clean."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tools.course import Course

COURSE = Course()
ROOT = COURSE.root
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
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
PAGES = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md"),
    *("helpers/data/sample/README.md", "benchmarks/README.md"),
)


def tracked() -> list[Path]:
    """All files that belong to the course, also those that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode != 0:
        pytest.skip("not a git working copy")
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [path for path in map(ROOT.joinpath, names) if path.is_file()]


def texts() -> dict[str, str]:
    """The text of every text file by its name from the root."""
    files = [path for path in tracked() if path.suffix not in (".npz", ".png", ".pt", ".onnx")]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in files}


def requirements(group: str) -> dict[str, Requirement]:
    """A dependency group of pyproject.toml, without those that it includes."""
    entries = [e for e in SETTINGS["dependency-groups"][group] if isinstance(e, str)]
    return {requirement.name: requirement for requirement in map(Requirement, entries)}


def conda() -> dict[str, SpecifierSet]:
    """The entries of environment.yml, the pip part included."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    flat = [line for e in entries for line in (e["pip"] if isinstance(e, dict) else [e])]
    found = map(Requirement, flat)
    return {requirement.name: requirement.specifier for requirement in found}


def test_environment_has_the_packages_and_ranges_of_pyproject() -> None:
    wanted = requirements("course") | requirements("dev")
    expected = {CONDA_NAMES.get(name, name): spec.specifier for name, spec in wanted.items()}
    python = SpecifierSet(SETTINGS["project"]["requires-python"] + ",<3.14")
    assert conda() == expected | {"python": python, "pip": SpecifierSet()}


def test_declared_ranges_allow_the_tested_versions() -> None:
    for name, requirement in (requirements("course") | requirements("dev")).items():
        version = importlib.metadata.version(name)
        assert requirement.specifier.contains(version, prereleases=True), (name, version)


def test_everything_that_is_imported_is_declared() -> None:
    own = {path.stem for path in ROOT.glob("*.py")} | {"commands", "helpers", "tools", "benchmarks"}
    known = own | set(sys.stdlib_module_names) | set(requirements("course"))
    sources = [path for path in ROOT.glob("*.py") if path.name != "conftest.py"]
    for folder in ("commands", "helpers", "benchmarks", "examples", "notebooks"):
        sources += ROOT.glob(f"{folder}/**/*.py")
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            modules = {name.split(".")[0] for name in names}
            assert {MODULES.get(m, m) for m in modules} <= known, path


def test_the_repository_address_comes_from_one_place() -> None:
    home = COURSE.repository.removeprefix("https://github.com/")
    others = re.compile(r"github\.com/(?:github/)?([\w-]+/[\w.-]+)/(?:blob|raw|tree)/")
    for name, text in texts().items():
        if f"github.com/{home}" in text:
            assert name.startswith(ADDRESS_PLACES)
            assert set(others.findall(text)) <= {home}, f"{name} links to another repository"


def test_citation_agrees_with_the_course() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == SETTINGS["project"]["version"]
    assert citation["repository-code"] == COURSE.repository
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## ([\d.]+)", changes, re.MULTILINE)[1] == citation["version"]
    assert citation["title"].startswith(COURSE.config["title"])


def test_every_notebook_is_a_page_of_the_book() -> None:
    notebooks = {f"notebooks/{path.stem}" for path in ROOT.glob("notebooks/*.ipynb")}
    assert notebooks == {entry for entry in COURSE.entries if entry.startswith("notebooks/")}


@pytest.mark.parametrize("name", PAGES)
def test_links_to_files_and_make_commands_of_a_page_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if "://" not in target and not target.startswith("#"):
            assert ((ROOT / name).parent / unquote(target.split("#")[0])).exists(), target
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


def test_make_installs_once_and_again_only_after_a_change(tmp_path: Path) -> None:
    """With a Python that only writes down what it was asked to do."""
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    log, python = tmp_path / "log", tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@" >> "{log}"\n'
        '[ "$1 $2" != "-m venv" ] || { mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; '
        'cp "$0" "$3/bin/typos"; }\n'
    )
    python.chmod(0o755)

    def make(target: str, *settings: str) -> str:
        log.write_text("")
        command = ["make", "--no-print-directory", f"PYTHON={python}", target, *settings]
        environment = {k: v for k, v in os.environ.items() if k != "PYTEST_ARGS"}
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
        return log.read_text()

    assert "-m pip install --quiet --group dev" in make("install")
    assert make("install") == ""
    tests, lint = make("test"), make("lint")
    assert tests == lint + "-m pytest -n 2\n", (
        "everything that `make check` looks at, and all tests"
    )
    assert make("check").startswith(lint)
    (tmp_path / "pyproject.toml").touch()
    assert "--group dev" in make("book")
    assert "pip" not in make("book")
    oldest = make("oldest", f"oldest_python={python}").splitlines()
    assert oldest[1] == "-m venv .venv-oldest" and oldest[-1].startswith("-m pytest -n 2 -W")
    assert oldest[-2].endswith("--group dev --constraint .venv-lowest.txt")
    lowest = (tmp_path / ".venv-lowest.txt").read_text().split()
    for name, requirement in (requirements("course") | requirements("dev")).items():
        (pin,) = (line for line in lowest if line.startswith(f"{name}=="))
        assert str(requirement.specifier).split(",")[-1] == pin[len(name) :].replace("==", ">=")
    assert "--upgrade" in make("newest", f"newest_python={python}").splitlines()[-2]
    colab = make("colab", f"colab_python={python}").splitlines()
    assert colab[-2].endswith("--group colab")
    assert colab[-1] == "-m tools.run_colab .venv-colab/bin/python"


def test_no_file_is_large() -> None:
    sizes = {path.name: path.stat().st_size for path in tracked() if path.suffix != ".ipynb"}
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_no_file_names_a_registry_or_a_machine() -> None:
    hosts = ["py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org"]
    folders = [f"/{name}/" for name in ("work", "root", "home", "Users")] + ["/tmp" + "/full"]
    parts = [*map(re.escape, hosts), *(rf"(?<![\w.~-]){folder}" for folder in folders)]
    found = {name: re.findall("|".join(parts), text) for name, text in texts().items()}
    this = ("tests/test_house.py", "tests/test_notebooks.py")
    assert {name: hits for name, hits in found.items() if hits and name not in this} == {}
