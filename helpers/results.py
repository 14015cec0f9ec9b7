"""Numbers that the text quotes: written by the full run of a notebook, read by the book."""

import json
import os
from pathlib import Path

from helpers.files import write_atomically

RESULTS = Path(__file__).resolve().parent.parent / "book" / "results.json"


def record(key: str, **numbers: float | int | str) -> None:
    """Store `numbers` under `key` in book/results.json, in a full render only.

    Outside `make render` (which sets COURSE_RENDER=1) nothing is written, so that a reader's
    own run never changes what the book says. A key that is there already keeps the fields
    that are not given.
    """
    if os.environ.get("COURSE_RENDER") != "1":
        return
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[key] = results.get(key, {}) | numbers
    text = json.dumps(results, indent=2, sort_keys=True) + "\n"
    write_atomically(RESULTS, lambda file: file.write(text.encode()))
