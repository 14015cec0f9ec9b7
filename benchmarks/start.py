"""Seconds until a training can start: importing and loading, in fresh processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import start_process
from benchmarks.measure import interleave, summary
from benchmarks.processes import ProcessError
from benchmarks.profiles import Profile
from helpers.data.batches import ImageData

ROOT = Path(__file__).resolve().parent.parent


def measure(
    profile: Profile,
    datasets: dict[str, ImageData],
    device: torch.device,
    repetitions: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """All data sets in turns. Every file has been read before: by this process, at the latest."""
    tell("start: imports and loading, each in a process of its own")
    turns = {
        name: lambda name=name, data=data: first_seconds(name, data.is_sample)
        for name, data in datasets.items()
    }
    results = interleave(turns, repetitions, warm_ups=0)
    every = [run for runs in results.values() for run in runs]
    return {
        "imports": {part: summary([run[part] for run in every]) for part in ("torch", "train")},
        "loads": [
            {
                "dataset": data.title,
                "source": data.source,
                "seconds": summary([run["load"] for run in results[name]]),
            }
            for name, data in datasets.items()
        ],
    }


def first_seconds(name: str, is_sample: bool) -> dict[str, float]:
    """What `start_process` says of a data set.

    Started by its name and not with `multiprocessing`, which may import this program first.

    Raises:
        ProcessError: it ended without an answer.
    """
    command = [
        sys.executable,
        "-m",
        start_process.__name__,
        name,
        "sample" if is_sample else "full",
    ]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}, check=False
    )
    if done.returncode:
        raise ProcessError(f"start: {name}: its process ended with status {done.returncode}")
    return json.loads(done.stdout)
