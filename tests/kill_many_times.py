"""Kill a script at many moments, resume it each time, and compare with a run never killed.

    python tests/kill_many_times.py train.py FOLDER

Prints one JSON object: how many kills fell where, and the moments after which something differed.
Every run is a fork of this process, which has trained once already: that saves seconds of imports
and first calls. It uses one thread, since threads do not survive a fork. Unix only.
"""

import contextlib
import csv
import importlib.util
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import commands.run  # noqa: E402
from helpers.data.load import SAMPLE  # noqa: E402
from helpers.data.npz import read_prepared  # noqa: E402
from helpers.support import files  # noqa: E402

FLAGS = (
    "--require-full --model linear --optimizer adam --scheduler onecycle --epochs 3 "
    "--batch-size 32 --augment --device cpu --quiet"
).split()
EXACT = ("epoch", "train_loss", "val_loss", "val_accuracy", "lr")  # the others are times
RANDOM_KILLS = 8
MOMENTS = random.Random(7)
LONGEST = 100  # seconds; a run that takes longer hangs, and is ended by an alarm


def script_module(name: str):
    spec = importlib.util.spec_from_file_location("script", ROOT / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script: str, argv: list[str]) -> int:
    lightning = script.startswith("lightning")
    return commands.run.main(script, "", script_module(script).train, argv, lightning=lightning)


def start(script: str, argv: list[str], log: Path, first: Callable[[], None] | None = None) -> int:
    """Run the script in a fork of this process; the process's number."""
    child = os.fork()
    if child:
        return child
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    signal.alarm(LONGEST)
    # tqdm's lock is one semaphore for a process and all its forks: a fork that was killed while it
    # drew would keep it for ever. Processes that users start share no such lock.
    tqdm.set_lock(threading.RLock())
    status = 99
    try:
        if first is not None:
            first()
        status = run(script, argv)
    finally:
        os._exit(status)


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_for(path: Path, child: int) -> None:
    while not path.exists():
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "ended before its folder was made"
        time.sleep(0.001)


def kill_at_rename(number: int) -> Callable[[], None]:
    """Let the process kill itself where it would give its `number`-th file its name."""

    def install() -> None:
        renamed, count = os.replace, [0]

        def replace(*paths: object) -> None:
            if count[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1
            renamed(*paths)

        files.os.replace = replace

    return install


def situation(folder: Path) -> str:
    if any(folder.glob(".*.part")):
        return "while a file was written"
    if (folder / "result.json").exists():
        return "after the end"
    with open(folder / "metrics.csv", encoding="utf-8") as file:
        done = len(file.readlines()) - 1
    return f"after {done} epochs"


def same(one: Path, other: Path) -> bool:
    """Whether two run folders hold equal weights, states and metrics."""
    for name in ("last.pt", "best.pt"):
        first, second = (torch.load(f / name, weights_only=True) for f in (one, other))
        for state in (first, second):
            for row in state.get("rows", []):
                del row["seconds"], row["images_per_second"]
            del state["digest"]  # of the times, too
        if not equal(first, second):
            return False
    rows = []
    for folder in (one, other):
        with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
            rows.append([[row[c] for c in EXACT] for row in csv.DictReader(file)])
    tests = [json.loads((f / "result.json").read_text())["test_loss"] for f in (one, other)]
    return rows[0] == rows[1] and tests[0] == tests[1]


def equal(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(equal, first, second))
    return first == second


def main(script: str, root: Path) -> None:
    torch.set_num_threads(1)
    tqdm.monitor_interval = 0  # no thread beside this one when it forks
    arrays, _ = read_prepared(SAMPLE / "mnist.npz")
    few = {name: array[:900] for name, array in arrays.items()}
    np.savez(root / "mnist.npz", **few)
    flags = [*FLAGS, "--data-dir", str(root)]
    assert run(script, [*flags, "--epochs", "1", "--out", str(root / "first")]) == 0
    log = root / "log.txt"
    whole = root / "whole"
    child = start(script, [*flags, "--out", str(whole)], log)
    wait_for(whole / "config.json", child)
    began = time.perf_counter()
    assert status_of(child) == 0, log.read_text()
    seconds = time.perf_counter() - began
    found, wrong = Counter(), []

    def resume(folder: Path, moment: str) -> None:
        found[situation(folder)] += 1
        status = status_of(start(script, ["--resume", str(folder), "--quiet"], log))
        leftovers = list(folder.glob(".*.part"))
        if status != 0 or leftovers or not same(whole, folder):
            wrong.append(f"{moment}: status {status}, {leftovers}")

    for number in range(RANDOM_KILLS):
        folder, moment = root / f"random{number}", MOMENTS.uniform(0, seconds)
        child = start(script, [*flags, "--out", str(folder)], log)
        wait_for(folder / "config.json", child)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        status_of(child)
        if number % 4 == 0:  # and once more, while it goes on
            child = start(script, ["--resume", str(folder), "--quiet"], log)
            time.sleep(MOMENTS.uniform(0, seconds / 2))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            status_of(child)
        resume(folder, f"killed after {moment:.3f} s")

    number = 2  # the first two files, metrics.csv and config.json, make the run
    while True:
        folder = root / f"rename{number}"
        child = start(script, [*flags, "--out", str(folder)], log, kill_at_rename(number))
        if status_of(child) == 0:
            break
        resume(folder, f"killed at rename {number}")
        number += 1
    print(json.dumps({"script": script, "kills": found, "renames": number - 2, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
