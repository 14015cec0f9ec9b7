"""Write the badges and the set-up cell into every notebook: python tools/frame.py [--check]

Both are the same in all notebooks and are made from the repository's address in book/_config.yml.
The README's Colab badges come from there too. At the end every pair of notebook and script agrees.
"""

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jupytext  # noqa: E402
import nbformat  # noqa: E402

from tools.course import NOTEBOOKS, ROOT, chapters, pages, repository_url  # noqa: E402

SETUP_TAG = "course-setup"
BADGES = re.compile(r"<!-- badges -->.*?<!-- /badges -->", re.DOTALL)
README_BADGE = re.compile(r"<!-- colab:(\w+) -->(?:\[!\[.*?\]\(.*?\)\]\(.*?\))?")
COLAB = "https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb"
COLAB_IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"
BINDER = "https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/notebooks/{name}.ipynb"
SETUP = """\
# Set-up, the same in every chapter: find the course's `helpers`, on Colab fetch them first.
import importlib.util
import subprocess
import sys
from pathlib import Path

here = Path.cwd()
root = next((p for p in (here, *here.parents) if (p / "helpers" / "data.py").exists()), None)
if root is None:
    root = here / "{folder}"
    if not root.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "{url}", str(root)], check=True)
if str(root) not in sys.path:
    sys.path.insert(0, str(root))
for module, package in {{"pytorch_lightning": "pytorch-lightning", "filelock": "filelock"}}.items():
    if importlib.util.find_spec(module) is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)"""


def setup_cell() -> str:
    url = repository_url()
    return SETUP.format(url=url, folder=url.rsplit("/", 1)[1])


def badges(name: str) -> str:
    """Badges for Colab and Binder, and a link to the notebook's file."""
    url = repository_url()
    repository = url.removeprefix("https://github.com/")
    colab = COLAB.format(repository=repository, name=name)
    binder = BINDER.format(repository=repository, name=name)
    return (
        f"[Open in Colab]({colab}) · [Open in Binder]({binder}) · "
        f"[Download]({url}/raw/main/notebooks/{name}.ipynb)"
    )


def framed(notebook: nbformat.NotebookNode, name: str) -> None:
    """Put badges and set-up into `notebook`; it must have a place for both."""
    title = notebook.cells[0]
    if not BADGES.search(title.source):
        sys.exit(f"error: {name}: the first cell has no <!-- badges --> block")
    block = f"<!-- badges -->\n{badges(name)}\n<!-- /badges -->"
    title.source = BADGES.sub(lambda _: block, title.source, count=1)
    setups = [c for c in notebook.cells if SETUP_TAG in c.metadata.get("tags", [])]
    if len(setups) != 1:
        sys.exit(f"error: {name}: {len(setups)} cells have the tag {SETUP_TAG}, not one")
    setups[0].source = setup_cell()


def framed_readme(text: str) -> str:
    repository = repository_url().removeprefix("https://github.com/")

    def badge(match: re.Match[str]) -> str:
        link = COLAB.format(repository=repository, name=match[1])
        return f"<!-- colab:{match[1]} -->[![Open in Colab]({COLAB_IMAGE})]({link})"

    return README_BADGE.sub(badge, text)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    check = parser.parse_args(argv).check
    stale = [page for page in pages() if page.startswith("notebooks/") and not _frame(page, check)]
    readme = ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    after = framed_readme(before)
    if after != before:
        stale.append("README.md")
        if not check:
            readme.write_text(after, encoding="utf-8")
    if check and stale:
        sys.exit(f"error: run tools/frame.py: {', '.join(stale)}")
    chapters()


def _frame(page: str, check: bool) -> bool:
    """Frame one chapter. The script's cells count; the notebook's outputs are kept."""
    name = page.removeprefix("notebooks/")
    script, path = NOTEBOOKS / f"{name}.py", NOTEBOOKS / f"{name}.ipynb"
    source = script.read_text(encoding="utf-8")
    notebook = jupytext.reads(source, fmt="py:percent")
    framed(notebook, name)
    settings = jupytext.config.load_jupytext_config(str(script))
    text = jupytext.writes(notebook, fmt="py:percent", config=settings)
    if path.exists():
        notebook = jupytext.combine.combine_inputs_with_outputs(
            notebook, nbformat.read(path, as_version=4), fmt="py:percent"
        )
    same = text == source and path.exists() and _same_cells(notebook, path)
    if not same and not check:
        script.write_text(text, encoding="utf-8")
        nbformat.write(notebook, path)
    return same


def _same_cells(notebook: nbformat.NotebookNode, path: Path) -> bool:
    stored = nbformat.read(path, as_version=4)
    return [(c.cell_type, c.source) for c in notebook.cells] == [
        (c.cell_type, c.source) for c in stored.cells
    ]


if __name__ == "__main__":
    main()
