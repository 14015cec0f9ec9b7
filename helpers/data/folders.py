"""Read a folder of your own pictures, one folder for each class, as a data set.

Two layouts are understood, also with a folder around them that holds nothing else:

    pets/train/cats/…  pets/train/dogs/…  pets/test/cats/…  pets/test/dogs/…
    pets/cats/…  pets/dogs/…

`val/` may stand beside `train/`, and the splits may have other usual names (Training, seg_test).
A split without a folder is cut from the training pictures by `helpers.data.load`. A folder that is
called like a split is a class where that is plain (car, ship, train); the unclear is refused.
Pictures in folders inside a class folder belong to that class. Classes are sorted by name, which
gives them their labels. What `helpers.data.pictures.Finder` leaves out is named in a warning.
Every picture becomes 32 x 32 RGB by `helpers.data.pictures.squeeze`.
"""

import re
import warnings
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from helpers.data.batches import Split
from helpers.data.pictures import Finder, composed, listed, read_image, squeeze
from helpers.support.errors import DataError, printable

SIDE = 32  # pixels
SPLIT_NAME = re.compile(
    r"(?P<prefix>.*[\W_])?"
    r"((?P<train>train(ing)?)|(?P<val>val(id(ation)?)?|dev)|(?P<test>test(ing)?|eval(uation)?))"
    r"([\W_]*(set|split|images?|imgs?|pictures?|photos?|data|\d))*[\W_]*",
    re.IGNORECASE,
)
LAYOUT = "train/CLASS/ (and val/CLASS/, test/CLASS/), or CLASS/ alone"


class Part(NamedTuple):
    """Where class folders are; a class has two if its name is there composed and decomposed."""

    root: Path
    classes: dict[str, list[Path]]


def read_folder(folder: Path) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Read all pictures of a folder in one of the two layouts above.

    Returns:
        The classes, and the splits by name: train, and val and test where they have a folder.

    Warns:
        UserWarning: something is left out, such as unreadable pictures; the line says what and why.

    Raises:
        DataError: the folder cannot be used; the message is one line that says what to change.
    """
    finder = Finder(folder)
    try:
        parts = _parts(finder, folder)
        at_least = {"train": 4 - len(parts)}  # one stays for training where the others are cut
        read = {name: _read(finder, part, at_least.get(name, 1)) for name, part in parts.items()}
    except DataError as error:
        raise DataError("; ".join(filter(None, (str(error), finder.report())))) from error
    if report := finder.report():
        warnings.warn(f"{printable(folder.name or folder)}: {report}", stacklevel=2)
    return tuple(parts["train"].classes), read


def _parts(finder: Finder, folder: Path) -> dict[str, Part]:
    """Where the classes of each split are, by its name; `train` is always there, and first."""
    top = _look_through(finder, folder)
    below = finder.listing(top.root).folders
    named = {f: _look_through(finder, f) for f in below if _split_name(f)}
    if len(below) > 1 and not {"train"} < set(map(_split_name, named)):
        named = {f: part for f, part in named.items() if not _is_class(finder, f, below)}
    names = [_split_name(f) or "" for f in named]
    splits = dict(zip(names, named.values(), strict=True))
    beside = _by_name(f for f in below if f not in named)
    train = splits.pop("train", Part(top.root, beside))
    is_clear = any(_agree(train.classes, part.classes) for part in splits.values())
    if "train" in names:
        is_clear = not beside or (is_clear and not _agree(train.classes, beside))
    if len({*names}) < len(names) or (names and not is_clear):
        raise _unclear(below)
    parts = {"train": train, **splits}
    finder.left_out["beside the splits"] += chain(*beside.values()) if "train" in names else ()
    for root in sorted({top.root, *(part.root for part in parts.values())}):
        finder.left_out["outside the class folders"] += finder.listing(root).pictures
    for part in parts.values():
        _check(finder, part, train)
    return parts


def _split_name(folder: Path) -> str | None:
    """train, val or test, if a folder is called like one of them."""
    match = SPLIT_NAME.fullmatch(folder.name)
    return next(n for n in ("train", "val", "test") if match[n]) if match else None


def _look_through(finder: Finder, folder: Path) -> Part:
    """What is in a folder, or further in if it holds one folder of folders and nothing else."""
    while len((here := finder.listing(folder)).folders) == 1 and not here.pictures:
        only = here.folders[0]
        is_class = finder.listing(only).pictures
        if is_class or _split_name(only) not in (None, _split_name(folder)):
            break
        folder = only
    return Part(folder, _by_name(finder.listing(folder).folders))


def _by_name(folders: Iterable[Path]) -> dict[str, list[Path]]:
    classes: dict[str, list[Path]] = {}
    for folder in folders:
        classes.setdefault(composed(folder.name), []).append(folder)
    return classes


def _agree(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether classes have names in common; one alone may be chance."""
    return len({*some} & {*others}) > 1


def _is_class(finder: Finder, folder: Path, below: Sequence[Path]) -> bool:
    """Whether a folder called like a split is a class: `train` or `eye_test`, beside other things.

    Not if class folders inside it are there outside it too, or if it is called like the training
    split and holds two folders or more and no picture.
    """
    name, within = SPLIT_NAME.fullmatch(folder.name), finder.listing(folder)
    if _split_name(folder) == "train":
        if len(within.folders) > 1 and not within.pictures:
            return False
    elif not (name and name["prefix"]):
        return False
    elsewhere = [_look_through(finder, other).classes for other in below if other != folder]
    return not _agree(_look_through(finder, folder).classes, chain(_by_name(below), *elsewhere))


def _check(finder: Finder, part: Part, train: Part) -> None:
    """Two classes or more, those of the training pictures, and nothing unclear among them.

    Unclear are splits among or inside them, and the same classes again inside one of them.
    """
    where = printable(part.root)
    if len(part.classes) < 2:
        found = listed([*part.classes]) or "none"
        raise DataError(f"{where}: class folders: {found}; at least 2 are needed: use {LAYOUT}")
    classes = [*chain(*part.classes.values())]
    for folders in (classes, *(finder.listing(folder).folders for folder in classes)):
        if len({*map(_split_name, folders)} - {None}) > 1:
            raise _unclear(folders)
    for folder in classes:
        if _agree(_look_through(finder, folder).classes, part.classes):
            raise _unclear(classes)
    lacks = [
        f"{some.root.name} lacks the class folders {listed(missing)}"
        for some, whole in ((train, part), (part, train))
        if (missing := [name for name in whole.classes if name not in some.classes])
    ]
    if lacks:
        raise DataError(f"{where}: {printable(' and '.join(lacks))}; both need the same classes")


def _unclear(folders: Sequence[Path]) -> DataError:
    where, names = printable(folders[0].parent), listed([folder.name for folder in folders])
    return DataError(f"{where}: unclear which of {names} are splits: use {LAYOUT}")


def _read(finder: Finder, part: Part, at_least: int) -> Split:
    """All pictures of all classes, `N x 3 x 32 x 32`."""
    images: list[np.ndarray] = []
    labels: list[int] = []
    for label, folders in enumerate(part.classes.values()):
        for path in finder.pictures(*folders):
            try:
                images.append(squeeze(read_image(path), SIDE, SIDE))
                labels.append(label)
            except DataError:
                finder.left_out["unreadable"].append(path)
    counts = np.bincount(labels, minlength=len(part.classes))
    few = [f"{name} ({n})" for name, n in zip(part.classes, counts, strict=True) if n < at_least]
    if few:
        where = printable(part.root)
        raise DataError(f"{where}: too few pictures: {listed(few)}; a class needs {at_least}")
    stacked = np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
    return Split(torch.from_numpy(stacked), torch.tensor(labels))
