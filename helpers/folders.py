"""Read a folder of your own pictures, one folder for each class, as a data set.

Two layouts are understood:

    pets/train/cats/…  pets/train/dogs/…  pets/test/cats/…  pets/test/dogs/…
    pets/cats/…  pets/dogs/…

Without `test/`, a fifth of each class, always the same pictures, is kept as the test split, also
if the classes lie in `pets/train/`. Beside `train/` and `test/` nothing is read, `valid/` neither:
the validation split is cut from the training pictures. Pictures in folders inside a class folder
belong to that class. Classes are sorted by name, which gives them their labels. Hidden files and
what systems leave behind (.DS_Store, Thumbs.db, __MACOSX) are passed over, and so are files that
are not pictures by their name. Every picture becomes 32 x 32 RGB by `helpers.images.squeeze`.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.data import DataError, Split, stratified_mask
from helpers.images import find_images, is_hidden, printable, read_image, squeeze

SIDE = 32  # pixels
TEST_FRACTION = 0.2
SPLIT_NAMES = ("train", "test", "val", "valid", "validation")


def read_folder(folder: Path) -> dict[str, Any]:
    """The parts of an `ImageData`: name, title, classes, training and test (`Split`), source.

    Warns:
        UserWarning: pictures that cannot be read are skipped; the line counts and names them.

    Raises:
        DataError: the folder cannot be used; the message is one line that says what to change.
    """
    name = folder.resolve().name
    training_folder, testing_folder = _part(folder, "train"), _part(folder, "test")
    root = training_folder if training_folder and _is_split(training_folder) else folder
    has_test = root != folder and testing_folder is not None
    classes = _class_names(root)
    if has_test:
        _compare(root, classes, testing_folder)
    # One picture to learn from, one to validate with, and one to test with if there is no test/.
    training = _read_classes(root, classes, at_least=2 if has_test else 3)
    if has_test:
        test = _read_classes(testing_folder, classes, at_least=1)
    else:
        in_test = stratified_mask(training.labels, TEST_FRACTION)
        test, training = training[in_test], training[~in_test]
    return {
        "name": name,
        "title": name,
        "classes": classes,
        "training": training,
        "test": test,
        "source": f"the image folder {name}",
    }


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


def _read_classes(root: Path, classes: Sequence[str], at_least: int) -> Split:
    """All pictures of all classes: uint8 `N x 3 x 32 x 32`, labels int64 `N`."""
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
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return Split(stacked, torch.tensor(labels))


def _skipped(root: Path, skipped: dict[str, list[str]]) -> str:
    count = sum(map(len, skipped.values()))
    parts = [f"{len(names)} of {printable(c)} ({_listed(names)})" for c, names in skipped.items()]
    noun = "image" if count == 1 else "images"
    return f"{printable(root)}: {count} unreadable {noun} skipped: {', '.join(parts)}"
