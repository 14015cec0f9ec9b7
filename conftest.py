"""Tests run the notebooks in the fast profile, on the bundled sample.

This file lies at the root because pytest applies hooks to the folder of their conftest.py only,
and the notebooks are not in tests/.
"""

import os
from pathlib import Path

import pytest

# Before any kernel starts: kernels inherit the environment.
os.environ["COURSE_FAST"] = "1"
os.environ["COURSE_DATA"] = "sample"
os.environ.pop("COURSE_RENDER", None)

ROOT = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    """nbval takes the path of its rules relative to the current folder: make it absolute."""
    config.option.nbval_sanitize_with = str(ROOT / "tests" / "nbval_sanitize.cfg")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Never compare figures, HTML tables (their text is compared) and standard error."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("image/svg+xml", "stderr", "text/html")
