"""Load, check, split, batch and augment images.

Where `load` looks for a data set, in this order:

1. a prepared file `DIR/<name>.npz` with `x_train y_train x_test y_test` (uint8); a damaged one
   is set aside as `<name>.npz.damaged`, never deleted;
2. a download from the mirrors in `helpers.download`, checked and then kept as that file;
3. the sample that comes with the course, with a warning.

`DIR` is the argument `data_dir`, else the environment variable COURSE_DATA_DIR, else `data/`.
COURSE_DATA=sample goes straight to the sample; COURSE_DATA=full makes a missing data set an error.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.prepared import (
    IMAGE_SHAPES,
    DamagedFileError,
    DataError,
    MissingFileError,
    read_prepared,
)

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = Path(__file__).resolve().parent / "sample"
DIGITS = tuple("0123456789")
OBJECTS = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
DATASET_NAMES = ("mnist", "cifar10")
MODES = ("auto", "sample", "full")
SPLIT_SEED = 0
FOLDER_TEST_FRACTION = 0.2
RESIZED_AT_ONCE = 2000  # images; as float32 they take four times the memory of their bytes


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

    def scaled(self, factor: float) -> "Augmentation":
        """The same for images whose edges are `factor` times as long."""
        return replace(self, shift=round(self.shift * factor))


@dataclass(frozen=True)
class Moves:
    """What augmentation does to each of `N` images: shifts in pixels and whether it is mirrored.

    `rows` and `columns` are int64 `N`, `mirrored` is bool `N`; all on the CPU.
    """

    rows: Tensor
    columns: Tensor
    mirrored: Tensor

    def __getitem__(self, index: Tensor | slice) -> "Moves":
        return Moves(self.rows[index], self.columns[index], self.mirrored[index])


def draw_moves(count: int, augmentation: Augmentation, generator: torch.Generator) -> Moves:
    """Draw how each of `count` images is shifted and whether it is mirrored.

    The state of `generator`, a CPU generator, alone decides.
    """
    mirrored = torch.zeros(count, dtype=torch.bool)
    if augmentation.flip:
        mirrored = torch.rand(count, generator=generator) < 0.5
    reach = augmentation.shift
    rows, columns = torch.randint(-reach, reach + 1, (2, count), generator=generator)
    return Moves(rows, columns, mirrored)


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Shift and flip every image of a batch by its own random amount.

    Args:
        images: uint8 (or any dtype) `N x C x H x W`, on any device.
        generator: a CPU generator; its state alone decides the random amounts.

    Returns:
        A new tensor with the shape, dtype and device of `images`.
    """
    moves = draw_moves(len(images), augmentation, generator)
    return Crops(images, augmentation).take(torch.arange(len(images)), moves)


class Crops:
    """Images laid out so that to shift and mirror them is to copy rows of pixels.

    The images are padded by the largest shift, with zeros or, with `reflect`, with the mirrored
    image; where images may be mirrored, a mirrored copy of all of them stands behind. A row of a
    shifted image is then a run of neighbouring pixels in memory, and one `index_select` copies
    all rows of a batch. That is several times as fast as to look up every pixel.

    Args:
        images: any dtype, `N x C x H x W`.
    """

    def __init__(self, images: Tensor, augmentation: Augmentation) -> None:
        self.shape, self.shift = images.shape, augmentation.shift
        if augmentation.reflect:
            padded = _reflect(_reflect(images, self.shift, 2), self.shift, 3)
        else:
            padded = F.pad(images, (self.shift,) * 4)
        if augmentation.flip:
            padded = torch.cat([padded, padded.flip(3)])
        self.padded_height, self.padded_width = padded.shape[2:]
        # Entry i is the run of pixels, one image wide, that begins at pixel i.
        width, pixels = self.shape[3], padded.contiguous().view(-1)
        self.rows = pixels.as_strided((len(pixels) - width + 1, width), (1, 1))

    def take(self, index: Tensor, moves: Moves) -> Tensor:
        """The images with the numbers `index` (int64 `B`, on the CPU), moved as `moves` says.

        Returns:
            A new tensor `B x C x H x W` on the images' device.
        """
        count, channels, height, width = self.shape
        image = torch.where(moves.mirrored, index + count, index)
        top = self.shift + moves.rows
        left = self.shift + torch.where(moves.mirrored, -moves.columns, moves.columns)
        channel = image[:, None] * channels + torch.arange(channels)
        row = (
            channel[:, :, None] * self.padded_height
            + (top[:, None] + torch.arange(height))[:, None]
        )
        first = row * self.padded_width + left[:, None, None]
        moved = self.rows.index_select(0, first.flatten().to(self.rows.device))
        return moved.view(len(index), channels, height, width)


def _reflect(images: Tensor, width: int, dim: int) -> Tensor:
    """Mirror `width` pixels beyond both ends of a dimension, without repeating the edge.

    As PyTorch's reflection padding, which does not take bytes on every device.
    """
    before = images.narrow(dim, 1, width).flip(dim)
    after = images.narrow(dim, images.shape[dim] - 1 - width, width).flip(dim)
    return torch.cat([before, images, after], dim)


def resize(images: Tensor, size: int) -> Tensor:
    """Square copies of `images` (uint8, `N x C x H x W`), `size` pixels high and wide.

    Every new pixel is the mean of the old ones that it covers, weighted by a triangle (PyTorch's
    `interpolate` with `antialias=True`).
    """
    resized = images.new_empty(*images.shape[:2], size, size)
    for new, old in zip(resized.split(RESIZED_AT_ONCE), images.split(RESIZED_AT_ONCE), strict=True):
        smooth = F.interpolate(old.float(), (size, size), mode="bilinear", antialias=True)
        new.copy_(smooth.round_().clamp_(0, 255))
    return resized


class Batches:
    """Batches of normalised images and labels; iterate as often as you like.

    Order and augmentation depend on `seed` and the epoch alone, never on what ran before, nor on
    how many processes share the work. `set_epoch` chooses the epoch, as in
    `torch.utils.data.DistributedSampler`.

    With `world_size` processes, the one with number `rank` gets its share of every batch; the
    batch size is that of all processes together. Shuffled batches are cut to equal shares, so the
    last batch of an epoch may lose up to `world_size - 1` images, other ones in every epoch.
    Batches in order (validation, test) lose none: every image is in exactly one share.

    `image_sizes` names the pixels of an image's edge for each epoch; without it, or after its last
    entry, images keep their size. Shifts shrink along with the images.

    Yields:
        images float32 `B x C x H x W`, normalised, and labels int64 `B`. The last batch may be
        smaller.

    Raises:
        ValueError: the batch size is below 1 or, shuffled, not a multiple of `world_size`.
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
        image_sizes: Sequence[int] = (),
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch size {batch_size}: must be at least 1")
        if shuffle and batch_size % world_size:
            raise ValueError(
                f"batch size {batch_size}: must be a multiple of the number of processes, "
                f"{world_size}"
            )
        self.data, self.split, self.batch_size = data, split, batch_size
        self.shuffle, self.augmentation, self.seed, self.epoch = shuffle, augmentation, seed, 0
        self.image_sizes = tuple(image_sizes)
        self.prepared_for: int | None = -1  # no size
        self.rank, self.world_size = rank, world_size

    @property
    def num_images(self) -> int:
        """Images of the whole split, whatever this process's share."""
        return len(self.split)

    def __len__(self) -> int:
        return len(self._positions())

    def _positions(self) -> tuple[Tensor, ...]:
        """Where in the epoch's order this process's share of each batch stands."""
        positions = torch.arange(self.num_images)
        if not self.shuffle:
            share = positions[self.rank :: self.world_size]
            return tuple(batch for batch in share.split(self.batch_size) if len(batch))
        whole = positions[: self.num_images - self.num_images % self.world_size]
        return tuple(b[self.rank :: self.world_size] for b in whole.split(self.batch_size))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) whose order and augmentation the next iteration takes."""
        self.epoch = epoch

    @property
    def image_size(self) -> int | None:
        """Height and width (pixels) of this epoch's images; None: they are as they are."""
        return self.image_sizes[self.epoch] if self.epoch < len(self.image_sizes) else None

    def _prepare(self) -> None:
        """Resize and pad the images for this epoch, unless the epoch before had the same ones."""
        if self.prepared_for == (size := self.image_size):
            return
        self.images, scale = self.split.images, 1.0
        if size is not None:
            scale = size / max(self.images.shape[2:])
            # On the CPU, so that every device trains on the same pixels.
            self.images = resize(self.images.cpu(), size).to(self.images.device)
        if self.augmentation is not None:
            self.scaled = self.augmentation.scaled(scale)
            self.crops = Crops(self.images, self.scaled)
        self.prepared_for = size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self._prepare()
        # Two numbers make one seed; the large odd factor keeps (0, 1) and (1, 0) apart.
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.arange(self.num_images)
        if self.shuffle:
            order = torch.randperm(self.num_images, generator=generator)
        if self.augmentation is not None:
            # For the whole epoch at once: then a batch's size and share change nothing.
            moves = draw_moves(self.num_images, self.scaled, generator)
        for positions in self._positions():
            index = order[positions]
            on_device = index.to(self.split.labels.device)
            if self.augmentation is None:
                images = self.images.index_select(0, on_device)
            else:
                images = self.crops.take(index, moves[positions])
            yield self.data.normalise(images), self.split.labels.index_select(0, on_device)


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
        device = images.device
        shown = images * _channels(self.std, device) + _channels(self.mean, device)
        return shown.clamp(0, 1)

    def batches(
        self,
        split: str,
        batch_size: int = 128,
        *,
        shuffle: bool = False,
        augment: bool = False,
        seed: int = 0,
        image_sizes: Sequence[int] = (),
        rank: int = 0,
        world_size: int = 1,
    ) -> Batches:
        """Batches of the split named train, val or test; see `Batches` for the rest."""
        if split not in ("train", "val", "test"):
            raise ValueError(f"unknown split {split!r}: choose from train, val, test")
        return Batches(
            self,
            getattr(self, split),
            batch_size,
            shuffle=shuffle,
            augmentation=self.augmentation if augment else None,
            seed=seed,
            image_sizes=image_sizes,
            rank=rank,
            world_size=world_size,
        )


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 images `N x C x H x W` to float32, with one mean and standard deviation a channel.

    Args:
        mean: in units of [0, 1], as in `ImageData` and in a checkpoint; `std` likewise.
    """
    scale, offset = _scale_and_offset(tuple(mean), tuple(std), images.device)
    return images.to(torch.float32).mul_(scale).sub_(offset)


@lru_cache
def _scale_and_offset(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Made once and not for every batch: small tensors take as long as the pixels do."""
    means, stds = (_channels(numbers, device) for numbers in (mean, std))
    return 1 / (255 * stds), means / stds


def _channels(numbers: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32, device=device)[:, None, None]


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
        DataError: an unknown name, a folder without classes, or `mode="full"` and the full data
            cannot be had.
    """
    mode = mode or os.environ.get("COURSE_DATA") or "auto"
    if mode not in MODES:
        raise DataError(f"unknown data mode {mode!r}: choose from {', '.join(MODES)}")
    if not 0 < val_fraction < 1:
        raise DataError(f"validation fraction {val_fraction}: must be between 0 and 1")
    if name not in DATASET_NAMES:
        if Path(name).is_dir():
            return _from_folder(Path(name), val_fraction)
        raise DataError(
            f"unknown data set {name!r}: choose from {', '.join(DATASET_NAMES)}, "
            "or name a folder of images"
        )
    folder = Path(data_dir or os.environ.get("COURSE_DATA_DIR") or ROOT / "data")
    if mode == "sample":
        return _sample(name, val_fraction)
    try:
        arrays, source = _full(name, folder)
    except DataError as error:
        if mode == "full":
            raise
        warnings.warn(_sample_notice(name, error), SampleWarning, stacklevel=2)
        return _sample(name, val_fraction)
    title = {"mnist": "MNIST", "cifar10": "CIFAR-10"}[name]
    return _assemble(name, title, arrays, source, False, val_fraction)


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


def _full(name: str, folder: Path) -> tuple[dict[str, np.ndarray], str]:
    """The prepared file's arrays and source; what is missing or damaged is downloaded."""
    try:
        return read_prepared(folder / f"{name}.npz", IMAGE_SHAPES[name])
    except (MissingFileError, DamagedFileError):
        from helpers.download import provide

        return provide(name, folder)


def _from_folder(folder: Path, val_fraction: float) -> ImageData:
    """A folder of pictures as a data set; without a test part, a fifth of each class is kept."""
    from helpers.folders import read_folder

    content, name = read_folder(folder), folder.resolve().name
    training = _split(*content.training)
    if content.test is None:
        in_test = stratified_mask(training.labels, FOLDER_TEST_FRACTION)
        test, training = training[in_test], training[~in_test]
    else:
        test = _split(*content.test)
    return _build(
        name=name,
        title=name,
        classes=content.classes,
        training=training,
        test=test,
        source=f"the image folder {name}",
        is_sample=False,
        val_fraction=val_fraction,
        augmentation=Augmentation(2, flip=True, reflect=True),
    )


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    return Split(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels))
