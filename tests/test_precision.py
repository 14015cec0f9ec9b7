"""float32 or bfloat16, by a trial."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.data.load import load
from helpers.models import build_model
from helpers.precision import (
    PrecisionTrial,
    autocast,
    choose_precision,
    settle_precision,
)

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

    monkeypatch.setattr("helpers.precision.autocast", timed)
    monkeypatch.setattr("helpers.precision.time.perf_counter", now)
    trial = choose_precision(model, (torch.rand(32, 1, 28, 28), torch.arange(32) % 10))
    assert trial.precision != slow and trial.precision in str(trial)
    assert (trial.bf16_seconds > trial.fp32_seconds) == (slow == "bf16")
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters()) and model.training


def trial_by_clock(monkeypatch, *seconds):
    """The trial whose steps take so many seconds, and the number of images in each step."""
    clock = (moment for taken in seconds for moment in (0.0, taken))
    monkeypatch.setattr("helpers.precision.time.perf_counter", lambda: next(clock))
    sizes = []

    class Model(nn.Linear):
        def forward(self, images):
            sizes.append(len(images))
            return super().forward(images)

    return choose_precision(Model(4, 10), (torch.rand(100, 4), torch.arange(100) % 10)), sizes


@pytest.mark.parametrize(
    ("bf16", "chosen"), [(8.9, "bf16"), (9.0, "fp32"), (9.5, "fp32"), (11.0, "fp32")]
)
def test_the_trial_wants_a_clear_difference_and_forgets_its_first_step(monkeypatch, bf16, chosen):
    """Of three steps in each precision, in turns, after a glance; 64 images must do."""
    trial, sizes = trial_by_clock(monkeypatch, 9.0, 9.0, 1.0, 2.9, 0.5, 0.5, 10.0, bf16, 12.0, 12.0)
    assert sizes == [8] * 4 + [64] * 6
    assert trial == (chosen, 10.0, bf16)
    assert str(trial).endswith(f"took {1000 * bf16:.1f} ms in bf16, 10000.0 ms in fp32")


def test_where_bf16_is_hopeless_a_glance_is_enough(monkeypatch):
    """Emulated, a step with 64 images may take seconds."""
    trial, sizes = trial_by_clock(monkeypatch, 9.0, 9.0, 1.0, 3.0)
    assert trial == ("fp32", 1.0, 3.0) and sizes == [8] * 4


@pytest.mark.parametrize("notebook", [False, True])
def test_the_choice_is_told_once_and_not_in_a_notebook(notebook, monkeypatch, capsys):
    trial = PrecisionTrial("bf16", 2.0, 1.0)
    monkeypatch.setattr("helpers.precision.choose_precision", lambda *_: trial)
    monkeypatch.setattr("helpers.precision.in_notebook", lambda: notebook)
    batches = load("mnist", mode="sample").batches("train", 8)
    for wanted, announce, told in (
        ("auto", True, not notebook),
        ("auto", False, False),
        ("bf16", True, False),
    ):
        assert settle_precision(wanted, nn.Flatten(), batches, announce) == "bf16"
        said = capsys.readouterr()
        assert said.out == "" and said.err == f"{trial}\n" * told
    assert settle_precision("fp32", nn.Flatten(), batches, True) == "fp32"


@pytest.mark.parametrize(("sizes", "tried"), [((), 28), ((16, 20), 20)])
def test_images_that_grow_are_tried_at_their_last_size(sizes, tried, monkeypatch):
    seen = []

    def look(model, batch):
        seen.append(batch[0].shape)
        return PrecisionTrial("fp32", 1.0, 1.0)

    monkeypatch.setattr("helpers.precision.choose_precision", look)
    batches = load("mnist", mode="sample").batches("train", 8, image_sizes=sizes)
    settle_precision("auto", nn.Flatten(), batches, announce=False)
    assert seen == [(8, 1, tried, tried)] and batches.epoch == 0


def test_autocast_multiplies_in_the_named_precision():
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with autocast(torch.device("cpu"), precision):
            assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


def test_without_bf16_units_the_trial_stays_with_float32():
    """oneDNN is forbidden all instructions after AVX2, so bfloat16 has no units to run on."""
    code = """
import torch
from helpers.models import build_model
from helpers.precision import choose_precision

batch = torch.randn(16, 3, 16, 16), torch.arange(16) % 10
print(choose_precision(build_model("cnn", (3, 16, 16), 10, "small"), batch).precision)
"""
    forbidden = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=forbidden, capture_output=True, text=True
    )
    assert done.stdout == "fp32\n", done.stderr
