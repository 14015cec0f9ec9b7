"""The folder of one training run: configuration, metrics, result and checkpoints.

config.json   every flag, so that the run can be repeated
metrics.csv   one line an epoch
result.json   the test accuracy and what is needed to judge it
last.pt       the state after the last epoch, best.pt the best weights on validation
"""

import csv
import io
import json
import pickle
import platform
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from helpers.data import ImageData
from helpers.files import write_atomically
from helpers.training import COLUMNS


class RunError(ValueError):
    """A run folder or checkpoint that cannot be used; the message is one line."""


def prepare_run_folder(folder: Path) -> None:
    """Make `folder` and prove that files can be written in it.

    Raises:
        RunError: it cannot be made or written, or a finished or begun run is in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any((folder / name).exists() for name in ("config.json", "last.pt", "result.json")):
            raise RunError(f"output folder {folder} holds a run already; choose another --out")
        write_atomically(folder / "metrics.csv", lambda file: file.write(_csv([]).encode()))
    except OSError as error:
        raise RunError(f"cannot write the output folder {folder}: {error.strerror}") from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` atomically as indented JSON."""
    text = json.dumps(content, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_metrics(path: Path, rows: list[dict[str, float]]) -> None:
    """Write a history's rows atomically as CSV; floats keep all their digits."""
    write_atomically(path, lambda file: file.write(_csv(rows).encode()))


def _csv(rows: list[dict[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def description(
    model_name: str, size: str, data: ImageData, training: dict[str, Any]
) -> dict[str, Any]:
    """What a checkpoint says about its model, beside the weights: plain values only."""
    return {
        "format": 1,
        "model_name": model_name,
        "size": size,
        "image_shape": list(data.image_shape),
        "classes": list(data.classes),
        "mean": list(data.mean),
        "std": list(data.std),
        "data_source": data.source,
        "training": training,
    }


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically; `content["model"]` is the state dict."""
    write_atomically(path, lambda file: torch.save(content, file))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of `train.py` or `lightning_train.py`, tensors and plain values only.

    Raises:
        RunError: the file is missing, damaged, or not a checkpoint of this course.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RunError(f"no checkpoint {path}") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise RunError(f"damaged or foreign checkpoint {path}") from error
    if not isinstance(content, dict) or "model" not in content or "classes" not in content:
        raise RunError(f"{path} is not a checkpoint of this course")
    return content


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "pytorch-lightning"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
