"""Several processes that train one model: equal shares, the same curve, a clear end.

Each launcher starts one run from nothing. The other runs are forks with what it puts into the
environment, which is all that the scripts know of a launcher.
"""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import commands.run
import lightning_train
import train
from commands.prepare import expect_processes, require_same_data
from commands.run_folder import load_checkpoint
from commands.trainer import settle_for_all
from helpers.data.load import SAMPLE, load
from helpers.data.npz import read_prepared
from helpers.models import build_model
from helpers.recipes import recipe
from helpers.support import processes
from helpers.support.errors import UserError
from helpers.training import evaluate, fit
from tests.forked import forked

ROOT = Path(__file__).resolve().parent.parent
FLAGS = "--sample --model linear --epochs 8 --batch-size 120 --device cpu".split()
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", str(ROOT / "train.py")]
LIGHTNING = [str(ROOT / "lightning_train.py")]
LAUNCHERS = {
    "torchrun": (TORCHRUN, []),
    "Lightning": (LIGHTNING, ["--devices", "2", "--strategy", "ddp"]),
}
# What PyTorch 2.8 and 2.9 print when two processes meet.
GLOO = re.compile(r"^.*connected peer ranks is : \d+\n", re.MULTILINE)
EXACT = ("epoch", "train_loss", "val_loss", "val_accuracy", "lr")


def start(launcher, *flags):
    command, own = LAUNCHERS[launcher]
    return launch([*command, *map(str, flags), *own])


def launch(words):
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    )


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def two_forks(launcher, *flags, nodes=1):
    """Exit status, output and errors of both processes, on one machine or as if on two."""
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    ranks = [{"LOCAL_RANK": "0"} if nodes == 2 else {"LOCAL_RANK": str(n)} for n in range(2)]
    if launcher == "torchrun":
        script, own = "train.py", []
        ranks = [where | ranks[n] | {"RANK": str(n), "WORLD_SIZE": "2"} for n in range(2)]
    else:
        script = "lightning_train.py"
        own = ["--devices", 2 // nodes, "--num-nodes", nodes, "--strategy", "ddp"]
        ranks = [where | ({"NODE_RANK": str(n)} if nodes == 2 else ranks[n]) for n in range(2)]
    words = flags if "--resume" in flags else [*flags, *own]
    both = [forked(script, *words, **environment) for environment in ranks]
    ends = [process.finish() for process in both]
    return [(status, GLOO.sub("", output), errors) for status, output, errors in ends]


def finish(process):
    output, errors = process.communicate(timeout=200)
    return process.returncode, GLOO.sub("", output), errors


def curve(folder):
    with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
        return [tuple(float(row[name]) for name in EXACT) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """One run of two processes with each launcher."""
    root = tmp_path_factory.mktemp("together")
    for launcher in LAUNCHERS:
        status, output, errors = finish(start(launcher, *FLAGS, "--out", root / launcher))
        assert status == 0, errors
        assert output.count("test accuracy") == 1, "only one process speaks"
        assert errors.count("epoch 1/8") == 1 and "Traceback" not in errors
        assert "recommended to use" not in errors
    return root


def test_two_processes_follow_the_curve_of_one(together, tmp_path):
    """Not bit for bit: two halves of a batch are averaged apart, and then together."""
    flags = [*FLAGS, "--quiet", "--out", str(tmp_path / "one")]
    assert commands.run.main("train.py", "", train.train, flags) == 0
    for one, two in zip(curve(tmp_path / "one"), curve(together / "torchrun"), strict=True):
        assert two == pytest.approx(one, rel=1e-4)


def test_both_launchers_give_equal_numbers_and_weights(together):
    assert curve(together / "torchrun") == curve(together / "Lightning")
    first, second = (load_checkpoint(together / name / "last.pt") for name in LAUNCHERS)
    assert all(torch.equal(first["model"][k], second["model"][k]) for k in first["model"])
    assert first["world_size"] == second["world_size"] == 2


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_nodes_train_as_two_processes_do(launcher, together, tmp_path):
    """Two launches that know each other by address, as on two machines."""
    flags = [*FLAGS, "--out", str(tmp_path / "run")]
    if launcher == "torchrun":
        meet = f"--nnodes 2 --rdzv-id 7 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:{free_port()}"
        words = ["-m", "torch.distributed.run", *meet.split(), str(ROOT / "train.py"), *flags]
        ends = [finish(node) for node in [launch(words) for _ in range(2)]]
    else:
        ends = two_forks(launcher, *flags, nodes=2)
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert sum(output.count("test accuracy") for _, output, _ in ends) == 1
    assert curve(tmp_path / "run") == curve(together / launcher)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_validation_and_test_count_every_image_once(launcher, together):
    folder = together / launcher
    data = load("mnist", mode="sample")
    model = build_model("linear", data.image_shape, data.num_classes)
    state = load_checkpoint(folder / "last.pt")
    model.load_state_dict(state["model"])
    val = evaluate(model, data.batches("val", 500))
    assert state["rows"][-1]["val_accuracy"] == val.accuracy
    assert state["rows"][-1]["val_loss"] == pytest.approx(val.loss, rel=1e-6)
    model.load_state_dict(load_checkpoint(folder / "best.pt")["model"])
    test = evaluate(model, data.batches("test", 500))
    result = json.loads((folder / "result.json").read_text())
    assert result["test_accuracy"] == round(test.accuracy, 7)
    assert result["test_loss"] == pytest.approx(test.loss, rel=1e-6)


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    """A small CNN that one process has trained: its history, its data and their folder."""
    folder = tmp_path_factory.mktemp("part of the sample")
    arrays, _ = read_prepared(SAMPLE / "mnist.npz")
    np.savez(folder / "mnist.npz", **{name: array[:1200] for name, array in arrays.items()})
    data = load("mnist", folder, "full")
    model = build_model("cnn", data.image_shape, data.num_classes, "small")
    config = replace(recipe("cnn", "mnist"), epochs=3, batch_size=120, lr=0.02)
    return fit(model, data, config, device="cpu", progress=False), data, folder


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_cnn_in_two_processes_learns_as_in_one(launcher, cnn, tmp_path):
    """Batch normalisation sees half a batch in each process, so only the course is the same."""
    history, data, folder = cnn
    words = "--require-full --model cnn --size small --epochs 3 --batch-size 120 --lr 0.02"
    words += " --device cpu --quiet"
    ends = two_forks(launcher, *words.split(), "--data-dir", folder, "--out", tmp_path / "two")
    assert [status for status, _, _ in ends] == [0, 0], ends
    state = load_checkpoint(tmp_path / "two" / "last.pt")
    for one, two in zip(history.rows, state["rows"], strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.05)
    assert state["rows"][-1]["val_accuracy"] == pytest.approx(history.best_val_accuracy, abs=0.1)
    # What was saved is what was measured, running means included.
    model = build_model("cnn", data.image_shape, data.num_classes, "small")
    model.load_state_dict(state["model"])
    measured = evaluate(model, data.batches("val", 500))
    assert measured.accuracy == state["rows"][-1]["val_accuracy"]
    assert measured.loss == pytest.approx(state["rows"][-1]["val_loss"], rel=1e-6)


def children(pid):
    """The processes that `pid` has started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            after_name = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(after_name[1]) == pid:
            found.append(int(entry.name))
    return sorted(found)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes through /proc")
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_killed_worker_ends_the_run_which_then_goes_on(launcher, together, tmp_path):
    folder = tmp_path / "run"
    process = start(launcher, *FLAGS, "--out", folder)
    deadline = time.monotonic() + 100
    while not (folder / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    victim = children(process.pid)[-1]
    os.kill(victim, signal.SIGKILL)
    status, output, errors = finish(process)
    assert status == 1 and output == "", errors
    # The other process notices by itself, or the launcher stops it first.
    assert re.search("another process of this run has ended|stopped by SIGTERM", errors), errors
    assert "--resume" in errors
    assert not (folder / "result.json").exists()
    ends = two_forks(launcher, "--resume", folder)
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert curve(folder) == curve(together / launcher)
    first, second = (load_checkpoint(f / "last.pt") for f in (folder, together / launcher))
    assert all(torch.equal(first["model"][k], second["model"][k]) for k in first["model"])


def test_a_run_of_two_is_not_resumed_by_one(together, tmp_path, capsys):
    shutil.copytree(together / "torchrun", tmp_path / "two")
    (tmp_path / "two" / "result.json").unlink()
    words = ["--resume", str(tmp_path / "two")]
    assert commands.run.main("train.py", "", train.train, words) == 2
    assert "had 2 processes" in capsys.readouterr().err


def test_a_mistake_is_told_once():
    (one, *first), (two, *second) = two_forks("torchrun", "--model", "mlp")
    assert one == two == 2 and second == ["", ""]
    assert first[0] == "" and first[1].count("train.py: error: unknown model 'mlp'") == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--devices", "3", "--batch-size", "128"], "multiple of the number of processes, 3"),
        (["--devices", "0"], "at least 1"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(flags, message, capsys):
    def train(run):
        pytest.fail("must not train")

    words = ["--sample", *flags]
    assert commands.run.main("lightning_train.py", "", train, words, lightning=True) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "2", "LOCAL_RANK": "0"},
        {"LOCAL_RANK": "1"},
        {"NODE_RANK": "1"},
        {"SLURM_PROCID": "3", "SLURM_LOCALID": "3", "SLURM_NTASKS": "4"},
        {"WORLD_SIZE": ""},
        {"WORLD_SIZE": "abc", "RANK": "1"},
        {"WORLD_SIZE": "-1", "RANK": "0", "MASTER_ADDR": "127.0.0.1"},
        {"WORLD_SIZE": "2", "RANK": "1"},
    ],
)
@pytest.mark.parametrize("script", ["train.py", "lightning_train.py"])
def test_a_single_process_trains_and_speaks_whatever_the_environment_says(
    environment, script, monkeypatch, tmp_path, capsys, tiny_folder
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    own = {}
    if script.startswith("lightning"):
        own = {"lightning": True, "check": lightning_train.check}
    flags = ["--require-full", "--data-dir", tiny_folder, "--model", "softmax", "--epochs", "1"]
    words = [
        *map(str, flags),
        "--batch-size",
        "16",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "a"),
    ]
    module = {"train.py": train, "lightning_train.py": lightning_train}[script]
    assert commands.run.main(script, "", module.train, words, **own) == 0
    assert "test accuracy" in capsys.readouterr().out and (tmp_path / "a" / "result.json").exists()
    assert commands.run.main(script, "", module.train, ["--model", "x"], **own) == 2
    assert "unknown model" in capsys.readouterr().err


def test_alone_nothing_is_wrapped_shared_or_sent():
    model = torch.nn.Linear(2, 2)
    assert processes.wrap(model) is model and processes.world_size() == 1
    assert processes.from_main("fp32") == "fp32" and processes.rank() == 0
    number = torch.tensor(2.0)
    assert processes.sum_over_processes(number)[0] is number


LAUNCHER_VARIABLES = (
    *("WORLD_SIZE", "RANK", "MASTER_ADDR", "LOCAL_RANK", "NODE_RANK"),
    *("SLURM_NTASKS", "SLURM_PROCID", "TORCHELASTIC_RUN_ID", "COURSE_PRECISION"),
)


@pytest.fixture
def alone(monkeypatch):
    """A process that nobody has told that it is one of several."""
    for name in LAUNCHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(processes._Expected, "rank", 0)
    return monkeypatch


@pytest.mark.parametrize(
    ("devices", "nodes", "told", "expected"),
    [
        (1, 1, {"LOCAL_RANK": "7"}, 0),  # left behind by another program
        (2, 1, {}, 0),
        (2, 1, {"LOCAL_RANK": "1"}, 1),
        (2, 2, {"LOCAL_RANK": "1", "NODE_RANK": "1"}, 3),
        (2, 1, {"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, 1),
        (2, 1, {"SLURM_NTASKS": "5", "SLURM_PROCID": "1"}, 0),  # of another job
    ],
)
def test_a_process_knows_its_number_before_they_are_joined(devices, nodes, told, expected, alone):
    for name, value in told.items():
        alone.setenv(name, value)
    expect_processes(devices, nodes)
    assert processes.number() == expected and processes.is_main() is (expected == 0)


def test_torchrun_and_the_flags_have_to_agree(alone):
    told = {"WORLD_SIZE": "3", "RANK": "0", "MASTER_ADDR": "here", "TORCHELASTIC_RUN_ID": "a"}
    for name, value in told.items():
        alone.setenv(name, value)
    expect_processes(devices=3, num_nodes=1)
    with pytest.raises(UserError, match="torchrun has started 3 processes, but --devices 2"):
        expect_processes(devices=2, num_nodes=1)


def test_processes_with_different_data_do_not_train_together():
    same = {"digest": "a", "data_source": "one folder"}
    require_same_data([same, dict(same)])
    with pytest.raises(UserError, match="different data.*one folder.*another"):
        require_same_data([same, {"digest": "b", "data_source": "another"}])


def test_later_processes_take_the_precision_of_the_first(alone):
    def settled(wanted):
        run = SimpleNamespace(config=SimpleNamespace(precision=wanted))
        return settle_for_all(run, batches=None)

    alone.setattr(processes._Expected, "rank", 1)
    assert settled("bf16") == "bf16"
    with pytest.raises(UserError, match="choose fp32 or bf16"):
        settled("auto")
    alone.setenv("COURSE_PRECISION", "fp32")
    assert settled("auto") == "fp32"
