"""Turns, statistics, processes of their own, and a description of the machine."""

import os
import pickle
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from commands.run_folder import versions

ROOT = Path(__file__).resolve().parent.parent
ANSWER = """import pickle, sys
function, arguments = pickle.load(sys.stdin.buffer)
pickle.dump(function(*arguments), sys.stdout.buffer)"""
T = TypeVar("T")


class ProcessError(RuntimeError):
    """A process that should have measured something has ended without an answer."""


def tell(line: object) -> None:
    """Say on standard error what comes next."""
    print(line, file=sys.stderr, flush=True)


def interleave(contestants: Mapping[Any, Callable[[], T]], repetitions: int) -> dict[Any, list[T]]:
    """What each contestant returns in each repetition. They take turns, since a machine slows down
    when it gets warm or busy: in a row, that would pass for a difference between them. The first
    round is dropped: there memory is allocated and code is prepared.
    """
    rounds = [{k: turn() for k, turn in contestants.items()} for _ in range(1 + repetitions)]
    return {name: [each[name] for each in rounds[1:]] for name in contestants}


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median and spread, the numbers that the results keep: four significant digits."""
    numbers = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: float(f"{number:.4g}") for name, number in numbers.items()}


def mean_and_std(accuracies: Sequence[float]) -> dict[str, float | None]:
    """Mean and standard deviation of a sample (divided by n - 1), which one alone has not."""
    std = round(statistics.stdev(accuracies), 5) if len(accuracies) > 1 else None
    return {"mean": round(statistics.mean(accuracies), 5), "std": std}


def synchronise(device: torch.device) -> None:
    """Wait until an accelerator has done all that it was asked to do; a CPU always has."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


def in_fresh_process(function: Callable[..., T], *arguments: Any) -> T:
    """What `function` returns in a new process, which ends with this one at the latest.

    Raises:
        ProcessError: it ended before it answered.
    """
    asked = pickle.dumps((function, arguments))
    command = [sys.executable, "-c", ANSWER]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, cwd=ROOT, check=False)
    if done.returncode:
        raise ProcessError(f"its process ended with status {done.returncode}")
    return pickle.loads(done.stdout)


def train_apart(what: str, function: Callable[..., T], *arguments: Any) -> T:
    """What a training gives that has a process of its own; `what` says which one it is.

    Raises:
        ProcessError: the training ended early; the message names it.
    """
    tell(what)
    try:
        return in_fresh_process(function, *arguments)
    except ProcessError as error:
        raise ProcessError(f"{what}: {error}; is there enough memory?") from error


def setting(profile: str, repetitions: int, device: torch.device) -> dict[str, Any]:
    """What belongs beside every measured number."""
    usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    about = Path("/proc/cpuinfo")
    said = about.read_text(encoding="utf-8") if about.exists() else ""
    name = re.search(r"model name\s*: (.*)", said)
    # One name may stand for several generations; Linux on x86 has numbers, too.
    numbers = re.findall(r"^(?:cpu )?(family|model)\s*: (\d+)", said, re.MULTILINE)[:2]
    cpu = ", ".join([name[1], *map(" ".join, numbers)]) if name else platform.processor()
    return {
        "profile": profile,
        "repetitions": repetitions,
        "device": str(device),
        "cpu": cpu,
        "cores": len(usable(0)),
        "threads": torch.get_num_threads(),
        "cpu_instructions": torch.backends.cpu.get_cpu_capability(),
        "versions": versions(),
    }
