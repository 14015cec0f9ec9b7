"""Fill measured numbers into the text: python tools/fill.py [--check]

Between `<!-- result:KEY|FORMAT -->` and `<!-- /result -->` stands the number that
book/results.json has for KEY, written as FORMAT says. KEY ends in the field's name.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nbformat  # noqa: E402

from tools.course import BOOK, NOTEBOOKS, RESULTS, ROOT  # noqa: E402

# In a Markdown table the bar has to be escaped.
MARKER = re.compile(r"(<!-- result:([\w.]+)\\?\|(\w+) -->)(.*?)(<!-- /result -->)")


def _minutes(value: float) -> str:
    count = max(1, round(value / 60))
    return "1 minute" if count == 1 else f"{count} minutes"


FORMATS: dict[str, Callable[[float], str]] = {
    "percent": lambda value: f"{100 * value:.2f} %",
    "percent1": lambda value: f"{100 * value:.1f} %",
    "seconds": lambda value: f"{value:.0f} s",
    "minutes": _minutes,
    "thousands": lambda value: f"{value:,.0f}",
    "plain": lambda value: f"{value:g}",
}


def filled(text: str, results: dict[str, dict[str, float]], where: str) -> str:
    """`text` with every marker's number put in; an unknown key or format ends the program."""

    def number(match: re.Match[str]) -> str:
        key, field = match[2].rsplit(".", 1)
        try:
            shown = FORMATS[match[3]](results[key][field])
        except KeyError as error:
            sys.exit(f"error: {where}: no result or format {error} for {match[1]}")
        return f"{match[1]}{shown}{match[5]}"

    return MARKER.sub(number, text)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    check = parser.parse_args(argv).check
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    texts = [ROOT / "README.md", *BOOK.glob("*.md"), *NOTEBOOKS.glob("*.py")]
    stale = [path for path in texts if not _fill_text(path, results, check)]
    stale += [p for p in NOTEBOOKS.glob("*.ipynb") if not _fill_notebook(p, results, check)]
    if check and stale:
        names = ", ".join(path.name for path in stale)
        sys.exit(f"error: numbers differ from book/results.json in {names}; run tools/fill.py")


def _fill_text(path: Path, results: dict[str, dict[str, float]], check: bool) -> bool:
    before = path.read_text(encoding="utf-8")
    after = filled(before, results, path.name)
    if after != before and not check:
        path.write_text(after, encoding="utf-8")
    return after == before


def _fill_notebook(path: Path, results: dict[str, dict[str, float]], check: bool) -> bool:
    notebook = nbformat.read(path, as_version=4)
    same = True
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            after = filled(cell.source, results, path.name)
            same, cell.source = same and after == cell.source, after
    if not same and not check:
        nbformat.write(notebook, path)
    return same


if __name__ == "__main__":
    main()
