"""Freed memory is kept, and where it cannot be, nothing breaks."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.speed import keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent
# Page faults of ten blocks of 64 MB, each used and freed; once as it is, once with memory kept.
COUNT_FAULTS = """
import resource, torch
from helpers.speed import keep_freed_memory

def faults():
    for _ in range(2):  # the first time memory is taken from the system in any case
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
print(keep_freed_memory(), given_back, faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is on Linux")
def test_kept_memory_costs_no_page_faults():
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    kept, before, after = done.stdout.split()
    if kept == "False":
        pytest.skip("another C library than glibc")
    assert int(after) < 0.1 * int(before)


def test_another_c_library_is_no_mistake(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert keep_freed_memory() is False
