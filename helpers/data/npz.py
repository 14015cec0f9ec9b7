"""Prepared files: one data set in one `.npz` file, read, checked, written and set aside.

A prepared file holds `x_train y_train x_test y_test` (uint8) and may hold `source`, a line that
says what the pixels are. Files that the course writes also hold `digest`; files from elsewhere
have none, and only their structure is checked.
"""

import hashlib
from pathlib import Path

import numpy as np

from helpers.errors import DataError
from helpers.files import write_atomically

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
IMAGE_SHAPES = {"mnist": (28, 28), "cifar10": (32, 32, 3)}


class MissingFileError(DataError):
    """There is no prepared file."""


class DamagedFileError(DataError):
    """A prepared file that can be opened but not used; `reason` says why in plain words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"damaged data file {path}: {reason}; put a whole copy in its place")
        self.path, self.reason = path, reason


def read_prepared(
    path: Path, image_shape: tuple[int, ...] | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Read and check a prepared file: four arrays and the line that names their source.

    Args:
        image_shape: the shape that one image must have; without it, any.

    Raises:
        MissingFileError: there is no such file.
        DamagedFileError: the file is empty, damaged, or does not hold images with labels.
        DataError: the file cannot be read, for instance because access is denied.
    """
    try:
        arrays, source, stored = _read(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"no data file {path}") from error
    except MemoryError as error:
        raise DataError(f"cannot read {path}: not enough memory") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {plain(error)}") from error
    reason = _fault(arrays, image_shape)
    if not reason and stored is not None and stored != digest(arrays):
        reason = "its contents do not match its digest"
    if reason:
        raise DamagedFileError(path, reason)
    return arrays, source


def _read(path: Path) -> tuple[dict[str, np.ndarray], str, str | None]:
    with open(path, "rb") as opened:
        try:
            with np.load(opened, allow_pickle=False) as file:
                arrays = {key: file[key] for key in ARRAYS}
                source = str(file["source"]) if "source" in file else f"the file {path.name}"
                return arrays, source, str(file["digest"]) if "digest" in file else None
        except MemoryError:
            raise
        except KeyError as error:
            raise DamagedFileError(path, f"it does not hold {', '.join(ARRAYS)}") from error
        except Exception as error:
            # A few wrong bytes make numpy and zipfile stumble in a dozen ways, each with an
            # exception of its own. Only what the operating system reports is not damage.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DamagedFileError(path, "it is not a whole npz file") from error


def _fault(arrays: dict[str, np.ndarray], image_shape: tuple[int, ...] | None) -> str | None:
    """What is wrong with the structure of the arrays, in plain words."""
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        return "it does not hold arrays"
    shape = image_shape or arrays["x_train"].shape[1:]
    size = " x ".join(map(str, shape))
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or len(images) == 0:
            return f"x_{part} does not hold uint8 images"
        if images.shape[1:] != tuple(shape):
            return f"the images of x_{part} are not {size}"
        if len(images) != len(labels):
            return f"x_{part} and y_{part} differ in length"
        if labels.dtype.kind not in "ui" or labels.min() < 0 or labels.max() > 9:
            return f"y_{part} does not hold labels 0-9"
    return None


def write_prepared(path: Path, arrays: dict[str, np.ndarray], source: str) -> None:
    """Write a prepared file with its digest; a reader sees the whole file or none.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    contents = {key: np.ascontiguousarray(arrays[key]) for key in ARRAYS}
    contents |= {"source": np.array(source), "digest": np.array(digest(contents))}
    try:
        # Not compressed: photographs shrink by 7 % only, and reading takes three times as long.
        write_atomically(path, lambda file: np.savez(file, **contents))
    except OSError as error:
        raise DataError(f"cannot write {path}: {plain(error)}; make room and run again") from error


def digest(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and bytes of the four arrays, in a fixed order.

    The zip format has a checksum (CRC-32) for each array, and numpy compares it: that finds
    flipped bits. The digest finds what is a valid zip all the same: arrays of two files mixed,
    or images and labels that a program changed and saved again. It is no signature: who can
    write the file can write the digest too.
    """
    total = hashlib.sha256()
    for key in ARRAYS:
        array = np.ascontiguousarray(arrays[key])
        total.update(f"{key} {array.dtype.str} {array.shape};".encode())
        total.update(array.data)
    return total.hexdigest()


def set_aside(damaged: DamagedFileError) -> Path:
    """Rename a damaged file to `<name>.damaged`, or `.damaged-2` and so on; return the new path.

    Nothing is deleted, and no file that was set aside before is replaced.

    Raises:
        DataError: the file cannot be renamed.
    """
    path = damaged.path
    aside, number = path.with_name(f"{path.name}.damaged"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    try:
        path.rename(aside)
    except OSError as error:
        raise DataError(
            f"damaged data file {path}: {damaged.reason}; it cannot be set aside "
            f"({plain(error)}): delete it, or put a whole copy in its place"
        ) from error
    return aside


def plain(error: OSError) -> str:
    """What the operating system says, as a part of a sentence."""
    words = error.strerror or "unknown reason"
    return words[:1].lower() + words[1:]
