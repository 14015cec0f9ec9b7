"""The folder of one training run: configuration, metrics, result and checkpoints.

config.json   every flag, so that the run can be repeated
data.json     what identifies the data: classes, counts, a digest, where they came from
metrics.csv   one line an epoch
result.json   the test accuracy and what is needed to judge it
last.pt       the state after the last epoch, best.pt the best weights on validation

Every file is written atomically. last.pt comes first: the other two are made from it again when a
run that was killed goes on.
"""

import csv
import errno
import hashlib
import io
import json
import math
import os
import platform
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from helpers.data.batches import ImageData
from helpers.support.errors import RunError, printable
from helpers.support.files import can_lock, write_atomically
from helpers.training import COLUMNS, EXPLODED_LOSS

CONFIG, DATA, METRICS, RESULT = "config.json", "data.json", "metrics.csv", "result.json"
LAST, BEST = "last.pt", "best.pt"
FIGURES = ("curves.png", "confusion.png")
FILES = (CONFIG, DATA, METRICS, RESULT, LAST, BEST, *FIGURES)
LOCK = ".lock"
# What file systems say that know no locks.
NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}
DIGEST = "digest"  # in a checkpoint: of all else in it
CHOSEN = "chosen"  # in config.json: the flags of training that are not the recipe's
STATE_KEYS = {"optimizer", "scheduler", "rows", "best_epoch", "best_model", "precision"}
# What a result must have, so that it can be shown.
RESULT_KEYS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("test_accuracy", "best_val_accuracy"), lambda v: type(v) in (int, float) and 0 <= v <= 1
    ),
    **dict.fromkeys(("epochs", "parameters"), lambda v: type(v) is int and v >= 0),
    **dict.fromkeys(("device", "precision", "data_source"), lambda v: type(v) is str),
    "seconds": lambda v: type(v) in (int, float) and 0 <= v < math.inf,
}


@contextmanager
def _writing(what: str, path: Path) -> Iterator[None]:
    """Within this, a folder that cannot be written is a mistake of the user."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write the {what} folder {path}: {error.strerror}") from error


class RunFolder:
    """One run's folder, in use by one process at a time, from `create` or `reopen` to `release`.

    The lock is the operating system's: it goes with the process, however that ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(path / LOCK, timeout=0)

    def create(self, config: dict[str, Any], data: dict[str, Any]) -> None:
        """Make the folder, lock it, and write `config` and what identifies the data into it."""
        with _writing("output", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._acquire()
            if there := [name for name in FILES if (self.path / name).exists()]:
                go_on = f", or continue it with --resume {self.path}" if CONFIG in there else ""
                raise RunError(
                    f"output folder {self.path} holds a run already ({', '.join(there)}): "
                    f"choose another --out{go_on}"
                )
            write_metrics(self.path / METRICS, [])
            write_json(self.path / CONFIG, config)
            write_json(self.path / DATA, data)

    def reopen(self) -> None:
        """Lock the folder of an earlier run and clear away what a kill has left half-written."""
        with _writing("run", self.path):
            self._acquire()
            self._tidy()

    def _acquire(self) -> None:
        try:
            self.lock.acquire()
        except (Timeout, NotImplementedError, OSError) as error:
            if isinstance(error, Timeout) and can_lock(self.path):
                raise RunError(
                    f"run folder {self.path} is in use by another process: wait for it, or stop it"
                ) from error
            refused = isinstance(error, Timeout | NotImplementedError) or error.errno in NO_LOCKS
            if not refused:
                raise
            warnings.warn(
                f"{self.path}: files cannot be locked here: take care that only one program uses "
                "this run folder",
                stacklevel=2,
            )

    def _tidy(self) -> None:
        """Remove what is left of a write that was cut short; only its holder may do so."""
        for name in FILES:
            for leftover in self.path.glob(f".{name}.*.part"):
                leftover.unlink()

    def release(self) -> None:
        """Leave the folder tidy, and let another process use it."""
        if self.lock.is_locked:
            self._tidy()
        self.lock.release()

    def read_state(self) -> dict[str, Any] | None:
        """The state after the last epoch that was saved; None if there is none yet."""
        if not (self.path / LAST).exists():
            return None
        state = load_checkpoint(self.path / LAST)
        if not state.keys() >= STATE_KEYS:
            raise RunError(f"{self.path / LAST} holds no training state: it cannot be resumed")
        return state

    def read_result(self) -> dict[str, Any] | None:
        """The result of a finished run, else None."""
        if not (self.path / RESULT).exists():
            return None
        result = read_json(self.path / RESULT)
        wrong = [name for name, fits in RESULT_KEYS.items() if not fits(result.get(name))]
        if wrong:
            raise RunError(
                f"{self.path / RESULT} is damaged (look at {', '.join(wrong)}): delete it, and "
                "--resume measures the test split again"
            )
        return result

    def check_data(self, now: dict[str, Any], state: dict[str, Any] | None) -> None:
        """Refuse to go on with other data than `now`, the `ImageData.identity` of those here.

        A run of an earlier version kept less to compare.
        """
        stored = read_json(self.path / DATA) if (self.path / DATA).exists() else {}
        for kept in (stored, state or {}):
            # The name of the source is compared where there is nothing better.
            for key in ("classes", "images", "digest" if "digest" in kept else "data_source"):
                before = kept.get(key, now[key])
                # Runs of an earlier version say a folder's name only, not where it is.
                named = key == "data_source" and _last_name(before) == _last_name(now[key])
                if before != now[key] and not named:
                    differ = f"its {key} were {_listed(before)}, now they are {_listed(now[key])}"
                    if key == "digest":
                        differ = "pixels or labels differ"
                    raise RunError(
                        f"{self.path}: these are not the data of this run: {differ}; give it back "
                        "its data to resume it, or start another run"
                    )

    def save_epoch(self, state: dict[str, Any]) -> None:
        """Store the state after an epoch, `helpers.training.training_state` with a description.

        An epoch that diverged has its line in metrics.csv, but replaces no checkpoint.
        """
        rows = state["rows"]
        if rows[-1]["train_loss"] < EXPLODED_LOSS:
            save_checkpoint(self.path / LAST, state)
            if rows[-1]["epoch"] == state["best_epoch"]:
                self._save_best(state)
        write_metrics(self.path / METRICS, rows)

    def repair(self, state: dict[str, Any] | None, data: dict[str, Any]) -> None:
        """Write again what a kill may have kept back: best.pt, metrics.csv, data.json."""
        with _writing("run", self.path):
            if state is not None:
                self._save_best(state)
            write_metrics(self.path / METRICS, state["rows"] if state is not None else [])
            if not (self.path / DATA).exists():
                write_json(self.path / DATA, data)

    def _save_best(self, state: dict[str, Any]) -> None:
        content = {k: v for k, v in state.items() if k not in STATE_KEYS}
        content |= {"model": state["best_model"], "epoch": state["best_epoch"]}
        save_checkpoint(self.path / BEST, content)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file with one object."""
    require_file(path)
    try:
        # Some editors put a byte-order mark in front.
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is not valid JSON: {printable(error)}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} must hold one JSON object")
    return content


def require_file(path: Path) -> None:
    """Refuse what is no file: to open a pipe would be to wait for whoever writes into it."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(f"cannot read {printable(path)}: {reason}") from error
    if not stat.S_ISREG(mode):
        raise RunError(f"cannot read {printable(path)}: it is no file")


def _last_name(source: object) -> str:
    """The name at the end of what says where data came from."""
    return str(source).removeprefix("the image folder ").rsplit("/", 1)[-1]


def _listed(values: object, most: int = 12) -> str:
    if not isinstance(values, list):
        return printable(values)[:80]
    shown = ", ".join(printable(value) for value in values[:most])
    return f"{shown} …" if len(values) > most else shown


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` atomically as indented JSON."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_metrics(path: Path, rows: list[dict[str, float]]) -> None:
    """Write a history's rows atomically as CSV; floats keep all their digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


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
    """Write a checkpoint atomically; `content["model"]` is the state dict.

    Put together in memory first, since `torch.save` reports a full disk as it likes.
    """
    packed = io.BytesIO()
    torch.save(content | {DIGEST: digest(content)}, packed)
    write_atomically(path, lambda file: file.write(packed.getbuffer()))


def digest(tree: Any) -> str:
    """SHA-256 over all that nested dicts and lists hold: tensors with type and shape, plain values.

    A state that somebody changed would train on without a word, with another rate or other weights.
    """
    if isinstance(tree, Tensor):
        total = hashlib.sha256(f"{tree.dtype} {tuple(tree.shape)}".encode())
        total.update(tree.detach().cpu().flatten().view(torch.uint8).numpy().data)
        return total.hexdigest()
    if isinstance(tree, dict):
        tree = [(key, digest(value)) for key, value in tree.items()]
    elif isinstance(tree, list | tuple):
        tree = [digest(value) for value in tree]
    return hashlib.sha256(repr(tree).encode()).hexdigest()


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of `train.py` or `lightning_train.py`, tensors and plain values only.

    Raises:
        RunError: the file is missing, damaged, or not a checkpoint of this course.
    """
    require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:  # whose checksums torch.load does not look at
            if archive.testzip() is not None:
                raise zipfile.BadZipFile
        content = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(content, dict):  # a run of an earlier version has no digest
            kept = content.pop(DIGEST, None)
            if kept is not None and kept != digest(content):
                raise ValueError
    except Exception as error:  # damaged bytes make the unpickler raise nearly anything
        raise RunError(f"damaged or foreign checkpoint {printable(path)}") from error
    if not isinstance(content, dict) or "model" not in content or "classes" not in content:
        raise RunError(f"{printable(path)} is not a checkpoint of this course")
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
