"""Where things stand: the project's folders, its chapters and its address."""

import os
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
BOOK = ROOT / "book"
BUILD = BOOK / "_build"
FAST_RUNS = BUILD / "fast"
RESULTS = BOOK / "results.json"
FAST_PROFILE = {"COURSE_FAST": "1", "COURSE_DATA": "sample"}

sys.path.insert(0, str(ROOT))  # helpers, for the tools that use them


def pages() -> list[str]:
    """The book's pages in order, without suffix, relative to the project's root."""
    contents = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    return [contents["root"], *(chapter["file"] for chapter in contents["chapters"])]


def chapters() -> list[Path]:
    """The notebooks of the table of contents, in order."""
    found = [ROOT / f"{page}.ipynb" for page in pages() if page.startswith("notebooks/")]
    missing = [path.name for path in found if not path.exists()]
    if missing:
        sys.exit(f"error: in book/_toc.yml but not in notebooks/: {', '.join(missing)}")
    return found


def repository_url() -> str:
    """The repository's address; it is written in book/_config.yml and nowhere else."""
    config = yaml.safe_load((BOOK / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"]


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without the course's settings, plus `variables`."""
    kept = {k: v for k, v in os.environ.items() if k not in ("COURSE_FAST", "COURSE_RENDER")}
    return kept | {"PYTHONWARNINGS": "default"} | variables
