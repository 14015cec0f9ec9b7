"""Load, check, split, batch and augment images.

Where `load` looks for a data set, in this order:

1. a prepared file `DIR/<name>.npz` with `x_train y_train x_test y_test` (uint8, or numbers that
   are exactly that); a damaged one is set aside as `<name>.npz.damaged`, never deleted;
2. a download from the mirrors in `helpers.data.download`, checked and then kept as that file;
3. the sample that comes with the course, with a warning.

`DIR` is the argument `data_dir`, else the environment variable COURSE_DATA_DIR, else `data/`.
COURSE_DATA=sample goes straight to the sample; COURSE_DATA=full makes a missing data set an error.
"""

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers.data.augmentation import Augmentation
from helpers.data.batches import ImageData, Split
from helpers.data.npz import IMAGE_SHAPES, DamagedFileError, MissingFileError, read_prepared
from helpers.support.errors import DataError, printable
from helpers.support.files import user_path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path(__file__).resolve().parent / "sample"
DIGITS = tuple("0123456789")
OBJECTS = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
DATASET_NAMES = ("mnist", "cifar10")
MODES = ("auto", "sample", "full")
SPLIT_SEED = 0
VAL_FRACTION = 0.1  # of the training images, where nobody says otherwise
TEST_FRACTION = 0.2  # of a folder without a test split

# The samples that stand in for full data in this process, with their titles.
standing_in: dict[str, str] = {}


class SampleWarning(UserWarning):
    """The bundled sample stands in for the full data set."""


def load(
    name: str,
    data_dir: str | Path | None = None,
    mode: str | None = None,
    val_fraction: float = VAL_FRACTION,
) -> ImageData:
    """Load `mnist`, `cifar10`, or a folder of images, as the module's text describes.

    Args:
        mode: auto, sample or full; without it, the environment variable COURSE_DATA, else auto.
        val_fraction: the part of the training images that becomes the validation split.

    Raises:
        UserError: an empty name; as DataError, an unknown name, a folder without classes, too few
            images for three splits, a prepared file that holds something else, or `mode="full"`
            and no full data to be had.
    """
    mode = mode or os.environ.get("COURSE_DATA") or "auto"
    if mode not in MODES:
        raise DataError(f"unknown data mode {mode!r}: choose from {', '.join(MODES)}")
    if not 0 < val_fraction < 1:
        raise DataError(f"validation fraction {val_fraction}: must be between 0 and 1")
    if name not in DATASET_NAMES:
        pictures = user_path(name, "data set")
        if os.path.isdir(pictures):
            return _from_folder(pictures, val_fraction)
        raise DataError(
            f"unknown data set {name!r}: choose from {', '.join(DATASET_NAMES)}, "
            "or name a folder of images"
        )
    if data_dir is not None:
        folder = user_path(data_dir, "data folder")
    else:
        folder = user_path(os.environ.get("COURSE_DATA_DIR") or ROOT / "data", "COURSE_DATA_DIR")
    if mode == "sample":
        return _sample(name, val_fraction)
    try:
        arrays, source = _full(name, folder)
    except MissingFileError as error:
        if mode == "full":
            raise
        warnings.warn(_sample_notice(name, error), SampleWarning, stacklevel=2)
        return _sample(name, val_fraction)
    standing_in.pop(name, None)
    title = {"mnist": "MNIST", "cifar10": "CIFAR-10"}[name]
    return _assemble(
        arrays, name=name, title=title, source=source, is_sample=False, val_fraction=val_fraction
    )


def sample_note() -> str:
    """What stands under figures and tables where samples stand in for full data, else nothing."""
    return f"data of this run: {', '.join(standing_in.values())}" if standing_in else ""


def _sample_notice(name: str, error: MissingFileError) -> str:
    line = "!" * 78
    stands_in = {
        "mnist": "5,000 of the 70,000 digits of MNIST",
        "cifar10": "a DRAWN STAND-IN for CIFAR-10, not its photographs",
    }[name]
    return (
        f"\n{line}\nThe full data set is not here: {error}\n"
        f"Going on with the bundled sample: {stands_in}.\n"
        f"Numbers made from it are not those of the full data set.\n{line}"
    )


def _sample(name: str, val_fraction: float) -> ImageData:
    key, title = {
        "mnist": ("mnist", "MNIST (sample)"),
        "cifar10": ("cifar10_stand_in", "drawn stand-in for CIFAR-10"),
    }[name]
    arrays, source = read_prepared(SAMPLE / f"{key}.npz")
    standing_in[name] = title
    return _assemble(
        arrays, name=key, title=title, source=source, is_sample=True, val_fraction=val_fraction
    )


def _assemble(arrays: dict[str, np.ndarray], **fields: Any) -> ImageData:
    grey = arrays["x_train"].ndim == 3
    return _build(
        classes=DIGITS if grey else OBJECTS,
        train=_split(arrays, "train"),
        test=_split(arrays, "test"),
        # A mirrored 2 is no digit; a mirrored ship is a ship.
        augmentation=Augmentation(2) if grey else Augmentation(2, flip=True, reflect=True),
        **fields,
    )


def _build(
    *,
    train: Split,
    val: Split | None = None,
    test: Split | None = None,
    val_fraction: float,
    **fields: Any,
) -> ImageData:
    """A data set of splits; those that are missing are cut from `train`, always the same images.

    Raises:
        DataError: a split is empty.
    """
    if test is None:
        train, test = _cut(train, TEST_FRACTION)
    if val is None:
        train, val = _cut(train, val_fraction)
    for name, split in {"training": train, "validation": val, "test": test}.items():
        if not len(split):
            raise DataError(f"{fields['title']}: no image for the {name} split; a class needs more")
    mean, std = channel_statistics(train.images)
    return ImageData(train=train, val=val, test=test, mean=mean, std=std, **fields)


def _cut(split: Split, fraction: float) -> tuple[Split, Split]:
    """What is left, and a part of each class."""
    chosen = stratified_mask(split.labels, fraction)
    return split[~chosen], split[chosen]


def stratified_mask(labels: Tensor, fraction: float) -> Tensor:
    """Choose `fraction` of each class at random, always the same ones: bool `N`.

    At least one image of each class is chosen and at least one is left.
    """
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        count = min(max(1, round(len(members) * fraction)), len(members) - 1)
        chosen[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return chosen


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in units of [0, 1], from a histogram.

    Counting the 256 values is exact and needs no float copy of the images.
    """
    values = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].flatten(), minlength=256).to(torch.float64)
        weights = counts / counts.sum()
        mean = (weights * values).sum()
        means.append(float(mean))
        # A constant channel has no spread; 1 leaves it at zero after normalisation.
        stds.append(float((weights * (values - mean) ** 2).sum().sqrt()) or 1.0)
    return tuple(means), tuple(stds)


def _split(arrays: dict[str, np.ndarray], part: str) -> Split:
    """One part of a prepared file, its channels first."""
    images = torch.from_numpy(np.ascontiguousarray(arrays[f"x_{part}"]))
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    return Split(images, torch.from_numpy(arrays[f"y_{part}"].astype(np.int64)))


def _full(name: str, folder: Path) -> tuple[dict[str, np.ndarray], str]:
    """The prepared file's arrays and source; what is missing or damaged is downloaded."""
    try:
        return read_prepared(folder / f"{name}.npz", IMAGE_SHAPES[name])
    except (MissingFileError, DamagedFileError) as error:
        from helpers.data.download import provide

        story = f"{error}; " if isinstance(error, DamagedFileError) else ""
        return provide(name, folder, story)


def _from_folder(folder: Path, val_fraction: float) -> ImageData:
    """A folder of pictures as a data set; without a test part, a fifth of each class is kept."""
    from helpers.data.folders import read_folder

    classes, splits = read_folder(folder)
    if "val" in splits and val_fraction != VAL_FRACTION:
        text = (
            f"validation fraction {val_fraction} changes nothing: the folder has a val of its own"
        )
        warnings.warn(text, stacklevel=2)
    folder = folder.resolve()
    data = _build(
        name=folder.name,
        title=printable(folder.name),
        classes=classes,
        source=f"the image folder {printable(folder)}",
        is_sample=False,
        val_fraction=val_fraction,
        augmentation=Augmentation(2, flip=True, reflect=True),
        **splits,
    )
    if copies := _copies(data):
        warnings.warn(f"{data.title}: {copies}", stacklevel=2)
    return data


def _copies(data: ImageData) -> str:
    """What to say of pictures that are there twice, pixel for pixel, where that misleads."""
    labels: dict[bytes, set[int]] = {}
    said: list[str] = []
    for name, split in {"training": data.train, "validation": data.val, "test": data.test}.items():
        pixels = [hashlib.sha256(image.numpy()).digest() for image in split.images]
        if again := sum(key in labels for key in pixels):
            said.append(f"{again} of {len(pixels)} {name} pictures are in another split, too")
        for key, label in zip(pixels, split.labels.tolist(), strict=True):
            labels.setdefault(key, set()).add(label)
    if several := sum(len(found) > 1 for found in labels.values()):
        said.append(f"pictures that are in more than one class: {several}")
    return f"{'; '.join(said)}: accuracies mislead, so remove the copies" if said else ""
