"""Interleaving, statistics, and a description of the machine."""

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from commands.folder import versions

T = TypeVar("T")


def interleave(
    contestants: Mapping[str, Callable[[], T]], repetitions: int, warm_ups: int = 1
) -> dict[str, list[T]]:
    """Let all contestants take turns, again and again, so that a drift of the machine hits all.

    A machine slows down when it gets warm or busy. If each contestant had all its repetitions in
    a row, that would pass for a difference between them. The first `warm_ups` rounds are dropped:
    there memory is allocated and code is prepared.

    Returns:
        what each contestant returned in each repetition.
    """
    results: dict[str, list[T]] = {name: [] for name in contestants}
    for repetition in range(-warm_ups, repetitions):
        for name, turn in contestants.items():
            result = turn()
            if repetition >= 0:
                results[name].append(result)
    return results


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median and spread, the numbers that the results keep: four significant digits."""
    numbers = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: float(f"{number:.4g}") for name, number in numbers.items()}


def ratios(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Each repetition's value against the baseline's in the same repetition."""
    return [value / base for value, base in zip(values, baseline, strict=True)]


def synchronise(device: torch.device) -> None:
    """Wait until an accelerator has done all that it was asked to do; a CPU always has."""
    if device.type == "cpu":
        return
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None:
        accelerator.synchronize()
    elif device.type == "cuda":
        torch.cuda.synchronize()


def cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    """The processor's name as the operating system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def setting(profile: str, repetitions: int, device: torch.device) -> dict[str, Any]:
    """What belongs beside every measured number."""
    return {
        "profile": profile,
        "repetitions": repetitions,
        "device": str(device),
        "cpu": cpu_model(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "cpu_instructions": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
    }
