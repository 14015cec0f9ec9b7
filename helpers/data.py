"""Load, check, split, batch and augment images.

Where `load` looks for a data set, in this order:

1. a prepared file `DIR/<name>.npz` with `x_train y_train x_test y_test` (uint8);
2. a download from the mirrors in `helpers.download`, checked and then kept as that file;
3. the sample that comes with the course, with a warning.

`DIR` is the argument `data_dir`, else the environment variable COURSE_DATA_DIR, else `data/`.
COURSE_DATA=sample goes straight to the sample; COURSE_DATA=full makes a missing data set an error.
"""

import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from helpers.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = Path(__file__).resolve().parent / "sample"
DIGITS = tuple("0123456789")
OBJECTS = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
DATASET_NAMES = ("mnist", "cifar10")
MODES = ("auto", "sample", "full")
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
SPLIT_SEED = 0


class DataError(ValueError):
    """Data that cannot be used; the message is one line: what, where, what to do."""


class SampleWarning(UserWarning):
    """The bundled sample stands in for the full data set."""


@dataclass(frozen=True)
class Split:
    """Images (uint8, `N x C x H x W`) and their labels (int64, `N`)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> "Split":
        return Split(self.images[index], self.labels[index])

    def to(self, device: torch.device | str) -> "Split":
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Augmentation:
    """How far training images are shifted (pixels) and whether they may be mirrored.

    Edges that a shift uncovers are filled with zeros, or, with `reflect`, with the mirrored
    image. A shift with a horizontal flip is the usual augmentation for CIFAR-10
    (He et al., 2015, "Deep residual learning for image recognition", section 4.2: 4 pixels in
    trainings of 160 epochs; in our short ones 2 pixels gave more on the validation split).
    """

    shift: int = 0
    flip: bool = False
    reflect: bool = False


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Shift and flip every image of a batch by its own random amount.

    Args:
        images: uint8 (or any dtype) `N x C x H x W`, on any device.
        generator: a CPU generator; its state alone decides the random amounts.

    Returns:
        A new tensor with the shape, dtype and device of `images`.
    """
    count, channels, height, width = images.shape
    reach = augmentation.shift
    rows, columns = torch.arange(height).repeat(count, 1), torch.arange(width).repeat(count, 1)
    if augmentation.flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    if reach:
        moves = torch.randint(-reach, reach + 1, (2, count, 1), generator=generator)
        rows, columns = rows + moves[0], columns + moves[1]
    outside = _outside(rows, height)[:, :, None] | _outside(columns, width)[:, None, :]
    index = torch.arange(count)[:, None, None, None], torch.arange(channels)[None, :, None, None]
    index += _fold(rows, height)[:, None, :, None], _fold(columns, width)[:, None, None, :]
    moved = images[tuple(part.to(images.device) for part in index)]
    if reach and not augmentation.reflect:
        moved.masked_fill_(outside[:, None].to(images.device), 0)
    return moved


def _outside(positions: Tensor, size: int) -> Tensor:
    return (positions < 0) | (positions >= size)


def _fold(positions: Tensor, size: int) -> Tensor:
    """Mirror positions outside `0 … size - 1` back inside, without repeating the edge."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()


class Batches:
    """Batches of normalised images and labels; iterate as often as you like.

    Order and augmentation depend on `seed` and the epoch alone, never on what ran before.
    `set_epoch` chooses the epoch, as in `torch.utils.data.DistributedSampler`.

    Yields:
        images float32 `B x C x H x W`, normalised, and labels int64 `B`. The last batch may be
        smaller.
    """

    def __init__(
        self,
        data: "ImageData",
        split: Split,
        batch_size: int,
        *,
        shuffle: bool = False,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch size {batch_size}: must be at least 1")
        self.data, self.split, self.batch_size = data, split, batch_size
        self.shuffle, self.augmentation, self.seed, self.epoch = shuffle, augmentation, seed, 0

    @property
    def num_images(self) -> int:
        return len(self.split)

    def __len__(self) -> int:
        return -(-self.num_images // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) whose order and augmentation the next iteration takes."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # Two numbers make one seed; the large odd factor keeps (0, 1) and (1, 0) apart.
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.arange(self.num_images)
        if self.shuffle:
            order = torch.randperm(self.num_images, generator=generator)
        for index in order.to(self.split.labels.device).split(self.batch_size):
            images = self.split.images[index]
            if self.augmentation is not None:
                images = augment(images, self.augmentation, generator)
            yield self.data.normalise(images), self.split.labels[index]


@dataclass(frozen=True)
class ImageData:
    """A data set in memory: three splits, class names, and what is needed to normalise.

    `mean` and `std` are one number a channel, in units of [0, 1], of the training split.
    `source` says where the pixels came from and belongs beside every result.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    is_sample: bool
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device | str) -> "ImageData":
        """The same data with all tensors on `device`."""
        return replace(
            self, train=self.train.to(device), val=self.val.to(device), test=self.test.to(device)
        )

    def subset(self, count: int) -> "ImageData":
        """The same data with only the first `count` training images (mean and std unchanged)."""
        return replace(self, train=self.train[:count])

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 images to float32 with mean 0 and standard deviation 1 in each channel."""
        return normalise(images, self.mean, self.std)

    def denormalise(self, images: Tensor) -> Tensor:
        """Undo `normalise`: float32 in [0, 1], ready to be drawn."""
        shown = images * _channels(self.std, images) + _channels(self.mean, images)
        return shown.clamp(0, 1)

    def batches(
        self,
        split: str,
        batch_size: int = 128,
        *,
        shuffle: bool = False,
        augment: bool = False,
        seed: int = 0,
    ) -> Batches:
        """Batches of the split named train, val or test."""
        if split not in ("train", "val", "test"):
            raise ValueError(f"unknown split {split!r}: choose from train, val, test")
        return Batches(
            self,
            getattr(self, split),
            batch_size,
            shuffle=shuffle,
            augmentation=self.augmentation if augment else None,
            seed=seed,
        )


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 images `N x C x H x W` to float32, with one mean and standard deviation a channel.

    Args:
        mean: in units of [0, 1], as in `ImageData` and in a checkpoint; `std` likewise.
    """
    scale = 1 / (255 * _channels(std, images))
    offset = _channels(mean, images) / _channels(std, images)
    return images.to(torch.float32).mul_(scale).sub_(offset)


def _channels(numbers: Sequence[float], images: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32, device=images.device)[:, None, None]


def load(
    name: str,
    data_dir: str | Path | None = None,
    mode: str | None = None,
    val_fraction: float = 0.1,
) -> ImageData:
    """Load `mnist`, `cifar10`, or a folder of images, as the module's text describes.

    Args:
        mode: auto, sample or full; without it, the environment variable COURSE_DATA, else auto.
        val_fraction: the part of the training images that becomes the validation split.

    Raises:
        DataError: an unknown name, a damaged file, a folder without classes, or `mode="full"`
            and the full data cannot be had.
    """
    mode = mode or os.environ.get("COURSE_DATA") or "auto"
    if mode not in MODES:
        raise DataError(f"unknown data mode {mode!r}: choose from {', '.join(MODES)}")
    if not 0 < val_fraction < 1:
        raise DataError(f"validation fraction {val_fraction}: must be between 0 and 1")
    if name not in DATASET_NAMES:
        if Path(name).is_dir():
            return _from_folder(name, val_fraction)
        raise DataError(
            f"unknown data set {name!r}: choose from {', '.join(DATASET_NAMES)}, "
            "or name a folder of images"
        )
    folder = Path(data_dir or os.environ.get("COURSE_DATA_DIR") or ROOT / "data")
    if mode == "sample":
        return _sample(name, val_fraction)
    prepared = folder / f"{name}.npz"
    if not prepared.exists():
        try:
            _download(name, folder)
        except DataError as error:
            if mode == "full":
                raise
            warnings.warn(_sample_notice(name, error), SampleWarning, stacklevel=2)
            return _sample(name, val_fraction)
    arrays, source = read_prepared(prepared)
    title = {"mnist": "MNIST", "cifar10": "CIFAR-10"}[name]
    return _assemble(name, title, arrays, source, False, val_fraction)


def read_prepared(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """Read and check a prepared file: four uint8 arrays and the line that names their source.

    Raises:
        DataError: the file is empty, damaged, or does not hold images with labels.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ARRAYS}
            source = str(file["source"]) if "source" in file else f"the file {path.name}"
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"damaged data file {path}: {type(error).__name__}; delete it and run again"
        ) from error
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)
        whole = images.dtype == np.uint8 and images.ndim in (3, 4) and len(images) > 0
        if not whole or len(images) != len(labels) or labels.max() > 9:
            raise DataError(f"{path}: x_{part} and y_{part} are not uint8 images with labels 0-9")
    return arrays, source


def _sample_notice(name: str, error: DataError) -> str:
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
    return _assemble(key, title, arrays, source, True, val_fraction)


def _assemble(
    name: str,
    title: str,
    arrays: dict[str, np.ndarray],
    source: str,
    is_sample: bool,
    val_fraction: float,
) -> ImageData:
    grey = arrays["x_train"].ndim == 3
    training = Split(_channels_first(arrays["x_train"]), _labels(arrays["y_train"]))
    return _build(
        name=name,
        title=title,
        classes=DIGITS if grey else OBJECTS,
        training=training,
        test=Split(_channels_first(arrays["x_test"]), _labels(arrays["y_test"])),
        source=source,
        is_sample=is_sample,
        val_fraction=val_fraction,
        # A mirrored 2 is no digit; a mirrored ship is a ship.
        augmentation=Augmentation(2) if grey else Augmentation(2, flip=True, reflect=True),
    )


def _build(*, training: Split, val_fraction: float, **fields: object) -> ImageData:
    in_val = stratified_mask(training.labels, val_fraction)
    train = training[~in_val]
    mean, std = channel_statistics(train.images)
    return ImageData(train=train, val=training[in_val], mean=mean, std=std, **fields)  # type: ignore[arg-type]


def stratified_mask(labels: Tensor, fraction: float) -> Tensor:
    """Choose `fraction` of each class at random, always the same ones: bool `N`.

    At least one image of each class is chosen and at least one is left.
    """
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        count = min(max(1, round(len(members) * fraction)), max(len(members) - 1, 0))
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


def _channels_first(images: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(images))
    return tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()


def _labels(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(labels.reshape(-1).astype(np.int64))


def _download(name: str, folder: Path) -> None:
    from helpers.download import fetch_dataset

    arrays, source = fetch_dataset(name, folder)
    contents = arrays | {"source": np.array(source)}
    try:
        write_atomically(folder / f"{name}.npz", lambda file: np.savez_compressed(file, **contents))
    except OSError as error:
        raise DataError(f"cannot write {folder / name}.npz: {error.strerror}") from error


def _from_folder(name: str, val_fraction: float) -> ImageData:
    from helpers.folders import read_folder

    parts = read_folder(Path(name))
    return _build(
        **parts,
        is_sample=False,
        val_fraction=val_fraction,
        augmentation=Augmentation(2, flip=True, reflect=True),
    )
