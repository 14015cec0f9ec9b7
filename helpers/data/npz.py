"""Prepared files: one data set in one `.npz` file, read, checked, written and set aside.

A prepared file holds `x_train y_train x_test y_test` and may hold `source`, a line that says what
the pixels are. Files that the course writes also hold `digest`; those from elsewhere have none.
"""

import hashlib
import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from helpers.support.errors import DataError, printable
from helpers.support.files import write_atomically

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
IMAGE_SHAPES = {"mnist": (28, 28), "cifar10": (32, 32, 3)}
ROUNDING = 1e-3  # of a pixel's 255 steps: k / 255 in 32 bits is nearer than that, a blend is not

Arrays = dict[str, np.ndarray]


class MissingFileError(DataError):
    """There is no prepared file, and none could be made."""


class DamagedFileError(DataError):
    """A prepared file that was whole once; `reason` says in plain words what is wrong."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"damaged data file {path}: {reason}; put a whole copy in its place")
        self.reason = reason


def read_prepared(path: Path, image_shape: tuple[int, ...] | None = None) -> tuple[Arrays, str]:
    """Read and check a prepared file.

    Args:
        image_shape: the shape that one image must have; without it, any.

    Returns:
        The four arrays: images uint8 `N x image_shape`, labels uint8 `N`; and their source.

    Raises:
        MissingFileError: there is no such file.
        DamagedFileError: the file is cut short, or its bytes are not those that were written.
        DataError: the file cannot be read, or holds something else: it is somebody's own.
    """
    try:
        arrays, source = _read(path)
        return _usable(path, arrays, image_shape), source
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"no data file {path}") from error
    except MemoryError as error:
        raise DataError(f"cannot read {path}: not enough memory") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {plain(error)}") from error


def _read(path: Path) -> tuple[Arrays, str]:
    """The arrays as they are stored, compared with the digest, and the source."""
    if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would be to wait for its writer
        raise DataError(f"cannot read {path}: it is not a file")
    try:
        with zipfile.ZipFile(path) as file:
            keys = {name.removesuffix(".npy") for name in file.namelist()}
            arrays = {key: _array(file, key) for key in ARRAYS}
            source = _array(file, "source") if "source" in keys else f"the file {path.name}"
            if "digest" in keys and str(_array(file, "digest")) != digest(arrays):
                raise DamagedFileError(path, "its contents do not match its digest")
            return arrays, printable(source)
    except DataError:
        raise
    except Exception as error:  # a few wrong bytes make numpy and zipfile stumble in many ways
        if not _is_whole(path):
            raise DamagedFileError(path, "it is not a whole npz file") from error
        if isinstance(error, MemoryError):
            raise
        wanted = f"it must hold plain arrays by the names {', '.join(ARRAYS)}"
        raise DataError(f"cannot use {path}: {wanted}") from error


def _array(file: zipfile.ZipFile, key: str) -> np.ndarray:
    """One array; never a pickle. What `np.load` does not: all is read, hence the sum compared."""
    with file.open(f"{key}.npy") as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):
            raise ValueError(f"{key} is longer than its header says")
        return array


def _is_whole(path: Path) -> bool:
    content = io.BytesIO(path.read_bytes())  # so that what the system fails to read is no damage
    try:
        with zipfile.ZipFile(content) as file:
            return file.testzip() is None
    except Exception:
        return False


@np.errstate(all="ignore")  # NaN and what is too large: found by comparing
def _usable(path: Path, arrays: Arrays, image_shape: tuple[int, ...] | None) -> Arrays:
    """The arrays as uint8, where that is exact.

    Raises:
        DataError: they are not images with their labels; the message says what is wanted.
    """
    found: Arrays = {}
    shape = tuple(image_shape or arrays["x_train"].shape[1:])
    for part in ("train", "test"):
        images = _pixels(arrays[f"x_{part}"])
        if images is None or images.shape[1:] != shape or len(shape) not in (2, 3):
            wanted = f"images N x {' x '.join(map(str, shape))} with whole numbers 0-255 (uint8)"
            raise DataError(f"cannot use {path}: x_{part} must hold {wanted}")
        labels = _whole(arrays[f"y_{part}"].reshape(-1))
        if labels is None or len(labels) != len(images) or labels.max() > 9:
            wanted = f"{len(images)} labels 0-9, one for each image of x_{part}"
            raise DataError(f"cannot use {path}: y_{part} must hold {wanted}")
        found |= {f"x_{part}": images, f"y_{part}": labels}
    return found


def _pixels(values: np.ndarray) -> np.ndarray | None:
    """`values` as uint8, or None where that is not exact. Numbers up to 1 are parts of 255."""
    if values.dtype.kind in "buif" and values.size and values.max() <= 1:
        scaled = 255.0 * values
        values = np.where(abs(scaled - scaled.round()) < ROUNDING, scaled.round(), scaled)
    return _whole(values)


def _whole(values: np.ndarray) -> np.ndarray | None:
    """`values` as uint8 if all are whole numbers from 0 to 255, and there are some; else None."""
    if values.dtype.kind not in "uif" or not values.size:
        return None
    if values.dtype == np.uint8:
        return values
    found = values.astype(np.uint8)
    return found if np.array_equal(found, values) else None


def write_prepared(path: Path, arrays: Arrays, source: str) -> None:
    """Write a prepared file with its digest; a reader sees the whole file or none.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    contents: Any = arrays | {"source": np.array(source), "digest": np.array(digest(arrays))}
    # Not compressed: photographs shrink by 7 % only, and reading takes three times as long.
    write_atomically(path, lambda file: np.savez(file, **contents))


def digest(arrays: Arrays) -> str:
    """SHA-256 over names, types, shapes and bytes of the four arrays, in a fixed order.

    The zip format has a checksum (CRC-32) for each array: that finds flipped bits. The digest
    finds what is a valid zip all the same: arrays of two files mixed, or images and labels that a
    program changed and saved again. It is no signature: who can write the file can write it too.
    """
    total = hashlib.sha256()
    for key in ARRAYS:
        array = np.ascontiguousarray(arrays[key])
        total.update(f"{key} {array.dtype.str} {array.shape};".encode())
        total.update(array.data)
    return total.hexdigest()


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `<name>.damaged`, or `.damaged-2` and so on; return the new path.

    Nothing is deleted, and no file that was set aside before is replaced.

    Raises:
        OSError: the file cannot be renamed.
    """
    aside, number = path.with_name(f"{path.name}.damaged"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    return path.rename(aside)


def plain(error: OSError) -> str:
    """What the operating system says, as a part of a sentence."""
    words = error.strerror or "unknown reason"
    return words[:1].lower() + words[1:]
