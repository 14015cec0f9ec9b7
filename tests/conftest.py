"""Tests run the notebooks in the fast profile, on the bundled sample."""

import os
from pathlib import Path

# Before any kernel starts: kernels inherit the environment.
os.environ["COURSE_FAST"] = "1"
os.environ["COURSE_DATA"] = "sample"
os.environ.pop("COURSE_RENDER", None)

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config):
    # nbval takes this path relative to the current folder.
    config.option.nbval_sanitize_with = str(ROOT / "tests" / "nbval_sanitize.cfg")


def pytest_collectstart(collector):
    # Figures and what goes to standard error (progress bars) are never compared. A figure's
    # text names its size in pixels, which may change with its content.
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("image/svg+xml", "stderr", "text/html")
