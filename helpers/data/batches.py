"""A data set in memory: its splits, and the batches that training takes from them."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from helpers.data.augmentation import Augmentation, Crops, draw_moves, resize


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


class Batches:
    """Batches of normalised images and labels; iterate as often as you like.

    It takes the place of PyTorch's `DataLoader` where a data set fits into memory. Order and
    augmentation depend on `seed` and the epoch (`set_epoch`) alone, never on what ran before, nor
    on how many processes share the work.

    With `world_size` processes, the one with number `rank` gets its share of every batch; the
    batch size is that of all together. Shuffled batches are cut to equal shares, so the last one
    of an epoch may lose up to `world_size - 1` images. Batches in order (validation, test) lose
    none: every image is in exactly one share, and the shares, which may differ by an image, have
    equally many batches if there is an image for each process.

    `image_sizes` names the pixels of an image's edge for each epoch; without it, or after its last
    entry, images keep their size. Shifts shrink along with the images.

    Yields:
        images float32 `B x C x H x W`, normalised, and labels int64 `B`; fewer in the last batch.

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
        if not self.shuffle:  # every `world_size`-th image
            share = positions[self.rank :: self.world_size]
            batches = share.split(self.batch_size)
            if self.world_size > 1:
                # As many as the largest share needs, or Lightning waits for one too many.
                largest = math.ceil(self.num_images / self.world_size)
                batches = share.tensor_split(max(1, math.ceil(largest / self.batch_size)))
            return tuple(batch for batch in batches if len(batch))
        # Equal shares, or one process would wait for a gradient that another never sends.
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

    @property
    def epoch_seed(self) -> int:
        """One number of seed and epoch; the large odd factor keeps (0, 1) and (1, 0) apart."""
        return self.seed * 1_000_003 + self.epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self._prepare()
        generator = torch.Generator().manual_seed(self.epoch_seed)
        order = torch.arange(self.num_images)
        if self.shuffle:  # or each batch holds what was stored side by side: often one class
            order = torch.randperm(self.num_images, generator=generator)
        if self.augmentation is not None:
            # For the whole epoch at once: then a batch's size and share change nothing.
            moves = draw_moves(self.num_images, self.scaled, generator)
        for positions in self._positions():
            index = order[positions]  # which images this batch takes
            on_device = index.to(self.split.labels.device)
            if self.augmentation is None:
                images = self.images.index_select(0, on_device)
            else:
                images = self.crops.take(index, moves[positions])
            # Only now float32: a whole data set of it would take four times the memory of bytes.
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

    def identity(self) -> dict[str, Any]:
        """What tells this data from other data: plain values, for a run to keep and compare.

        `digest` is a SHA-256 over images and labels of the three splits.
        """
        total = hashlib.sha256()
        for split in (self.train, self.val, self.test):
            for part in (split.images, split.labels):
                total.update(f"{part.dtype} {tuple(part.shape)};".encode())
                total.update(part.cpu().contiguous().numpy().data)
        return {
            "data_source": self.source,
            "classes": list(self.classes),
            "images": [len(self.train), len(self.val), len(self.test)],
            "digest": total.hexdigest(),
        }

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
    return images.to(torch.float32, copy=True).mul_(scale).sub_(offset)


@lru_cache
def _scale_and_offset(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Made once and not for every batch: small tensors take as long as the pixels do."""
    means, stds = torch.tensor([mean, std], dtype=torch.float32, device=device)[..., None, None]
    return 1 / (255 * stds), means / stds
