"""float32 or bfloat16 by a trial; memory that is kept, and where it cannot be, nothing breaks."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from helpers.models import build_model
from helpers.speed import autocast, choose_precision, keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("slow", ["fp32", "bf16"])
def test_the_trial_believes_the_clock_and_leaves_the_model_as_it_was(monkeypatch, slow):
    """A step in the slow precision takes 1 s, the others 0.1 s; each first step is slow, too."""
    model = build_model("cnn", (1, 28, 28), 10, "small")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    clock, current, seen = 0.0, "", set()

    def timed(device, precision):
        nonlocal current
        current = precision
        return autocast(device, precision)

    def now():
        nonlocal clock
        first = current not in seen
        clock += 1.0 if current == slow or first else 0.1
        seen.add(current)
        return clock

    monkeypatch.setattr("helpers.speed.autocast", timed)
    monkeypatch.setattr("helpers.speed.time.perf_counter", now)
    trial = choose_precision(model, (torch.rand(32, 1, 28, 28), torch.arange(32) % 10))
    assert trial.precision != slow and trial.precision in str(trial)
    assert (trial.bf16_seconds > trial.fp32_seconds) == (slow == "bf16")
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters()) and model.training


def test_autocast_multiplies_in_the_named_precision():
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with autocast(torch.device("cpu"), precision):
            assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


def test_without_bf16_units_the_trial_stays_with_float32():
    """oneDNN is forbidden all instructions after AVX2, so bfloat16 has no units to run on."""
    code = """
import torch
from helpers.models import build_model
from helpers.speed import choose_precision

batch = torch.randn(16, 3, 16, 16), torch.arange(16) % 10
print(choose_precision(build_model("cnn", (3, 16, 16), 10, "small"), batch).precision)
"""
    forbidden = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=forbidden, capture_output=True, text=True
    )
    assert done.stdout == "fp32\n", done.stderr


def test_kept_memory_is_asked_for_in_what_the_library_takes(monkeypatch):
    asked = {}

    def mallopt(name, value):  # as glibc before its version 2.35
        if value == 2**30:
            return 0
        asked[name] = value
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(mallopt=mallopt))
    assert keep_freed_memory() is True
    assert asked == {-3: 2**25, -1: 2**31 - 1}
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert keep_freed_memory() is False, "another C library is no mistake"
