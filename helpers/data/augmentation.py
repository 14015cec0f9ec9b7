"""Shift, mirror and resize whole batches of images."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

RESIZED_AT_ONCE = 2000  # images; as float32 they take four times the memory of their bytes


@dataclass(frozen=True)
class Augmentation:
    """How far training images are shifted (pixels) and whether they may be mirrored.

    The usual one for CIFAR-10 is a shift with a horizontal flip (He et al., 2015, "Deep residual
    learning for image recognition", section 4.2: 4 pixels in trainings of 160 epochs; in our
    short ones 2 pixels gave more on the validation split).
    """

    shift: int = 0
    flip: bool = False
    reflect: bool = False  # an edge that a shift uncovers shows the mirrored image, not zeros

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
    if augmentation.flip:  # half of the images
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
    """Images (any dtype, `N x C x H x W`) laid out so that to move them is to copy rows of pixels.

    Chapter 1 shows what the moves do. A shifted image is a window of the padded one, and each row
    of that window lies in one piece in memory. So one `index_select` copies all rows of a batch,
    which is several times as fast as to look up every pixel.
    """

    def __init__(self, images: Tensor, augmentation: Augmentation) -> None:
        self.shape, self.shift = images.shape, augmentation.shift
        # A border as wide as the largest shift, so that every window lies inside.
        if augmentation.reflect:
            padded = _reflect(_reflect(images, self.shift, 2), self.shift, 3)
        else:
            padded = F.pad(images, (self.shift,) * 4)
        if augmentation.flip:  # mirrored copies of all images stand behind them
            padded = torch.cat([padded, padded.flip(3)])
        self.padded_height, self.padded_width = padded.shape[2:]
        # Entry i is the run of pixels, one image wide, that begins at pixel i: a view, no copy.
        width, pixels = self.shape[3], padded.contiguous().view(-1)
        self.rows = pixels.as_strided((len(pixels) - width + 1, width), (1, 1))

    def take(self, index: Tensor, moves: Moves) -> Tensor:
        """The images with the numbers `index` (int64 `B`, on the CPU), moved as `moves` says.

        Returns:
            A new tensor `B x C x H x W` on the images' device.
        """
        count, channels, height, width = self.shape
        image = torch.where(moves.mirrored, index + count, index)
        # The window's upper left corner in the padded image; in a mirrored one left is right.
        top = self.shift + moves.rows
        left = self.shift + torch.where(moves.mirrored, -moves.columns, moves.columns)
        # Where each row of each channel begins, counted in pixels from the very first one.
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
