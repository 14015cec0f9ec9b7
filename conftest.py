"""Tests run the notebooks in the fast profile, on the bundled sample.

This file lies at the root because pytest applies hooks to the folder of their conftest.py only,
and the notebooks are not in tests/.
"""

import inspect
import os
import re
import sys
from pathlib import Path

import pytest

# Before any kernel starts and before anything imports torch: kernels inherit the environment.
os.environ["COURSE_FAST"] = "1"
os.environ["COURSE_DATA"] = "sample"
os.environ.pop("COURSE_RENDER", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers of two threads would wait in turns

ROOT = Path(__file__).resolve().parent
# The files that take longest start first, so that all workers of `pytest -n 2` end together.
LONGEST_FIRST = (
    "test_processes",
    "test_resume",
    "03_cnn",
    "05_lightning",
    "test_scripts",
    "test_cli",
    "test_predict",
    "test_parity",
    "04_optimizer_comparison",
    "own_images",
    "06_mistakes",
    "07_speed_and_scale",
    "08_ship_it",
    "02_linear_model",
    "test_benchmarks",
    "test_book_in_browser",
    "test_tools",
)

# What Windows has not, or allows only to some: a test that names it runs elsewhere.
UNIX_ONLY = re.compile(r"\b(?:mkfifo|symlink_to|chmod|fork|setrlimit|SIGKILL|SIGTERM)\b|\"make\"")


def pytest_configure(config: pytest.Config) -> None:
    """nbval takes the path of its rules relative to the current folder: make it absolute."""
    config.option.nbval_sanitize_with = str(ROOT / "tests" / "nbval_sanitize.cfg")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Never compare figures, HTML tables (their text is compared) and standard error."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("image/svg+xml", "stderr", "text/html")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    if sys.platform == "win32":
        elsewhere = pytest.mark.skip(reason="the test needs Unix")
        for item in items:
            function = getattr(item, "function", None)
            if function and UNIX_ONLY.search(inspect.getsource(function)):
                item.add_marker(elsewhere)
