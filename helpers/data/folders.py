"""Read a folder of your own pictures, one folder for each class, as a data set.

Two layouts are understood:

    pets/train/cats/…  pets/train/dogs/…  pets/test/cats/…  pets/test/dogs/…
    pets/cats/…  pets/dogs/…

Without `test/`, `helpers.data` keeps a part of each class as the test split, also if the classes
lie in `pets/train/`. Beside `train/` and `test/` nothing is read, `valid/` neither:
the validation split is cut from the training pictures. Pictures in folders inside a class folder
belong to that class. Classes are sorted by name, which gives them their labels. Hidden files and
what systems leave behind (.DS_Store, Thumbs.db, __MACOSX) are passed over, and so are files that
are not pictures by their name. Every picture becomes 32 x 32 RGB by `helpers.data.pictures.squeeze`.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.data.pictures import find_images, is_hidden, read_image, squeeze
from helpers.errors import DataError, printable

SIDE = 32  # pixels
SPLIT_NAMES = ("train", "test", "val", "valid", "validation")


class Pictures(NamedTuple):
    """Images uint8 `N x 3 x 32 x 32` and their labels int64 `N`."""

    images: np.ndarray
    labels: np.ndarray


class FolderContent(NamedTuple):
    """What is in a folder of pictures; `test` is None where it has no part of its own."""

    classes: tuple[str, ...]
    training: Pictures
    test: Pictures | None


def read_folder(folder: Path) -> FolderContent:
    """Read all pictures of a folder in one of the two layouts above.

    Warns:
        UserWarning: pictures that cannot be read are skipped; the line counts and names them.

    Raises:
        DataError: the folder cannot be used; the message is one line that says what to change.
    """
    training_folder, testing_folder = _part(folder, "train"), _part(folder, "test")
    root = training_folder if training_folder and _is_split(training_folder) else folder
    classes = _class_names(root)
    if root == folder or testing_folder is None:
        # One picture each to learn from, to validate with, and to test with.
        return FolderContent(classes, _read_classes(root, classes, at_least=3), None)
    _compare(root, classes, testing_folder)
    training = _read_classes(root, classes, at_least=2)
    return FolderContent(classes, training, _read_classes(testing_folder, classes, at_least=1))


def _part(folder: Path, name: str) -> Path | None:
    """The folder with this name inside `folder`, written in small or capital letters."""
    return next((folder / found for found in _subfolders(folder) if found.lower() == name), None)


def _is_split(train: Path) -> bool:
    """Whether `train/` holds the training pictures; it may also be a class, such as of vehicles."""
    only_splits = {name.lower() for name in _subfolders(train.parent)} <= set(SPLIT_NAMES)
    return only_splits or bool(_subfolders(train))


def _subfolders(folder: Path) -> list[str]:
    try:
        return sorted(p.name for p in folder.iterdir() if p.is_dir() and not is_hidden(p))
    except OSError as error:
        raise DataError(f"cannot list the folder {printable(folder)}: {error.strerror}") from error


def _class_names(root: Path) -> tuple[str, ...]:
    classes = _subfolders(root)
    if len(classes) > 1:
        return tuple(classes)
    where = printable(root)
    if not classes:
        loose = sum(path.parent == root for path in find_images(root))
        noun = "picture" if loose == 1 else "pictures"
        beside = f" beside {loose} {noun}" if loose else ""
        raise DataError(
            f"{where}: 0 class folders found{beside}; put the pictures of each class into a folder "
            "of its own, named like the class"
        )
    only = printable(classes[0])
    inside = len(_subfolders(root / classes[0]))
    hint = f", or did you mean {where}/{only}?" if inside > 1 else ""
    raise DataError(f"{where}: 1 class folder found ({only}); at least two are needed{hint}")


def _compare(root: Path, classes: Sequence[str], test: Path) -> None:
    """Training and test have to have the same classes."""
    tested = _subfolders(test)
    missing = [name for name in classes if name not in tested]
    extra = [name for name in tested if name not in classes]
    complaints = []
    if extra:
        complaints.append(f"{root.name}/ lacks the class folders {_listed(extra)}")
    if missing:
        complaints.append(f"{test.name}/ lacks the class folders {_listed(missing)}")
    if complaints:
        where = printable(test.parent)
        raise DataError(f"{where}: {' and '.join(complaints)}; both need the same classes")


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(printable(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _read_classes(root: Path, classes: Sequence[str], at_least: int) -> Pictures:
    """All pictures of all classes."""
    images: list[np.ndarray] = []
    labels: list[int] = []
    skipped: dict[str, list[str]] = {}
    for label, name in enumerate(classes):
        for path in find_images(root / name):
            try:
                images.append(squeeze(read_image(path), SIDE, SIDE))
            except DataError:
                skipped.setdefault(name, []).append(path.name)
                continue
            labels.append(label)
    if skipped:
        warnings.warn(_skipped(root, skipped), stacklevel=2)
    counts = np.bincount(labels, minlength=len(classes))
    few = [n for n, count in zip(classes, counts, strict=True) if count < at_least]
    if few:
        raise DataError(
            f"{printable(root)}: too few readable pictures in the class folders {_listed(few)}; "
            f"each needs at least {at_least}"
        )
    return Pictures(np.stack(images).transpose(0, 3, 1, 2), np.array(labels, dtype=np.int64))


def _skipped(root: Path, skipped: dict[str, list[str]]) -> str:
    count = sum(map(len, skipped.values()))
    parts = [f"{len(names)} of {printable(c)} ({_listed(names)})" for c, names in skipped.items()]
    noun = "image" if count == 1 else "images"
    return f"{printable(root)}: {count} unreadable {noun} skipped: {', '.join(parts)}"
