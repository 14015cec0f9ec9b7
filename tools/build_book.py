"""Build the book: python tools/build_book.py [--fast]

Without --fast from the notebooks' stored outputs; with it from the copies that tools/run_fast.py
made, with a line on every page that says so. Warnings are errors, and the pages are counted,
because the builder may report an error and yet exit with status 0.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nbformat  # noqa: E402

from tools.course import BOOK, BUILD, FAST_RUNS, ROOT, chapters, pages  # noqa: E402

STAGE = BUILD / "source"
BANNER = (
    '<div class="fast-run">This page shows a <strong>fast run on bundled sample data</strong>: '
    "small budgets, few images. The numbers of the full data sets are in the published book."
    "</div>"
)


def stage(fast: bool) -> None:
    """Copy the pages into a folder of their own, so that no other file is looked at."""
    shutil.rmtree(STAGE, ignore_errors=True)
    (STAGE / "notebooks").mkdir(parents=True)
    shutil.copytree(BOOK, STAGE / "book", ignore=shutil.ignore_patterns("_build"))
    for path in chapters():
        source = FAST_RUNS / path.name if fast else path
        if not source.exists():
            sys.exit(f"error: {source.name} has no fast run; run tools/run_fast.py first")
        notebook = nbformat.read(source, as_version=4)
        if fast:
            title, _, rest = notebook.cells[0].source.partition("\n")
            notebook.cells[0].source = f"{title}\n\n{BANNER}\n{rest}"
        nbformat.write(notebook, STAGE / "notebooks" / path.name)
    if fast:
        index = STAGE / "book" / "index.md"
        title, _, rest = index.read_text(encoding="utf-8").partition("\n")
        index.write_text(f"{title}\n\n{BANNER}\n{rest}", encoding="utf-8")


def build() -> None:
    """Run Jupyter Book on the staged pages and put the result into book/_build/html."""
    command = [sys.executable, "-m", "jupyter_book.cli.main", "build", str(STAGE)]
    command += ["--config", str(STAGE / "book" / "_config.yml")]
    command += ["--toc", str(STAGE / "book" / "_toc.yml"), "--path-output", str(STAGE)]
    command += ["-W", "-n", "--keep-going", "--quiet"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "ignore", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    html = STAGE / "_build" / "html"
    missing = [page for page in pages() if not (html / f"{page}.html").exists()]
    if done.returncode or missing:
        print(done.stdout)
        sys.exit(f"error: the book was not built (missing pages: {', '.join(missing) or 'none'})")
    shutil.rmtree(BUILD / "html", ignore_errors=True)
    shutil.move(html, BUILD / "html")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="from the fast runs")
    stage(parser.parse_args().fast)
    build()
    print(f"{len(pages())} pages; open book/_build/html/index.html")


if __name__ == "__main__":
    main()
