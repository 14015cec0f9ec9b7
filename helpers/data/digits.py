"""Turn a picture of one handwritten digit into what a model trained on MNIST expects."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

FIELD = 28  # pixels: the side of an MNIST image
BOX = 20  # the side of the box that the digit itself fits into
CENTRE = 14  # index of the row and column of the centre of mass
LARGEST_SIDE = 1000  # pixels; larger pictures are first reduced, which is faster and less noisy
BLACK = 32  # grey value below which a background counts as MNIST's black
# Of the strongest ink: what is fainter is taken for paper, shadow or noise. Chosen on digits of the
# validation split, made into pictures of dark ink on unevenly lit, noisy paper.
PAPER = 0.35
FAINTEST = 16  # grey levels: what differs less from its ground is no ink
MOST_INK = 0.7  # part of the picture; a digit leaves more free
FRAME = 48  # grey levels between a frame and the paper inside it
FRAME_DEPTH = 0.06  # of the shorter side: how far inwards a frame is looked for
OFF_CENTRE = 1.05  # pixels that the centre of mass of a picture like MNIST's may be off
SPECK = 0.03  # of the largest part's pixels


class Digit(NamedTuple):
    """uint8 pixels `28 x 28`, light ink on black (None: no digit), and in words how they came."""

    pixels: np.ndarray | None
    read_as: str


def read_digit(image: Image.Image) -> Digit:
    """Prepare a picture of one digit in the way MNIST's images were prepared.

    Dark ink on light paper is inverted; `is_dark_on_light` decides. A frame round the picture,
    the background and specks are taken away, and `centre_like_mnist` does the rest. A picture that
    is boxed and centred as MNIST's are is left alone: it is one of them, or made like them.

    Args:
        image: mode "L" or "RGB", any size, one digit on an even background.
    """
    grey = _without_frame(image.convert("L"))
    inverted = is_dark_on_light(grey)
    if inverted:
        grey = ImageOps.invert(grey)
    read_as = "dark on light, inverted" if inverted else "light on dark"
    background = float(np.median(_border(grey)))
    if _is_like_mnist(np.asarray(grey)):
        return Digit(np.array(grey), f"{read_as}, 28 x 28 kept")
    ink = np.asarray(grey.reduce(max(1, max(grey.size) // LARGEST_SIDE)), dtype=np.float32)
    ink = np.clip(ink - background, 0, None)
    if ink.max() < FAINTEST:
        return Digit(None, "no digit: one colour")
    ink[ink < PAPER * ink.max()] = 0
    if np.mean(ink > 0) > MOST_INK:
        return Digit(None, "no digit: ink all over")
    return Digit(centre_like_mnist(_without_specks(ink)), read_as)


def _is_like_mnist(pixels: np.ndarray) -> bool:
    """Whether a digit on black fits 20 x 20 pixels, with its centre of mass in the middle."""
    if pixels.shape != (FIELD, FIELD) or np.median(pixels) >= BLACK:
        return False
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows) or max(np.ptp(rows), np.ptp(columns)) + 1 not in (BOX - 1, BOX):
        return False
    centres = (
        np.average(np.arange(FIELD), weights=pixels.sum(axis=a, dtype=float)) for a in (0, 1)
    )
    return all(abs(centre - CENTRE) < OFF_CENTRE for centre in centres)


def _without_frame(grey: Image.Image) -> Image.Image:
    """The picture without a frame of another tone, such as the edge of a scan or of a box."""
    depth = max(2, round(FRAME_DEPTH * min(grey.size)))
    if min(grey.size) < 4 * depth:
        return grey
    inside = grey.crop((depth, depth, grey.width - depth, grey.height - depth))
    is_frame = abs(np.median(_border(grey)) - np.median(_border(inside))) > FRAME
    return inside if is_frame else grey


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """The ink without spots that are far smaller than the largest connected part."""
    parts, count = ndimage.label(ink, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.where((sizes >= SPECK * sizes.max())[parts], ink, 0)


def is_dark_on_light(grey: Image.Image) -> bool:
    """Whether the border is light: its median is above the middle of the darkest and lightest."""
    darkest, lightest = grey.getextrema()
    return float(np.median(_border(grey))) > (darkest + lightest) / 2


def centre_like_mnist(ink: np.ndarray) -> np.ndarray:
    """Fit a digit into 20 x 20 pixels, then put its centre of mass into the middle of 28 x 28.

    "The original black and white (bilevel) images from NIST were size normalized to fit in a
    20x20 pixel box while preserving their aspect ratio. The resulting images contain grey levels
    as a result of the anti-aliasing technique used by the normalization algorithm. The images
    were centered in a 28x28 image by computing the center of mass of the pixels, and translating
    the image so as to position this point at the center of the 28x28 field."
    (LeCun, Cortes and Burges, "The MNIST database of handwritten digits")

    "The center" is the pixel with index 14, counted from 0: with it, and no other choice of
    rounding, MNIST's own digits come back to the place where they were (tests/test_predict.py).

    Args:
        ink: float, `H x W`, 0 where there is no ink; not all 0.

    Returns:
        uint8 `28 x 28`; the strongest ink is 255.
    """
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(digit.shape)
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    small = Image.fromarray(np.ascontiguousarray(digit, dtype=np.float32))
    digit = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    digit = np.rint(digit * (255 / digit.max())).astype(np.uint8)
    top, left = _first(digit.sum(axis=1)), _first(digit.sum(axis=0))
    field = np.zeros((FIELD, FIELD), np.uint8)
    field[top : top + height, left : left + width] = digit
    return field


def _first(mass: np.ndarray) -> int:
    """The index in the field of the first row (or column), all of them kept inside."""
    centre = np.average(np.arange(len(mass)), weights=mass)
    return min(max(round(CENTRE - centre), 0), FIELD - len(mass))


def _border(grey: Image.Image) -> np.ndarray:
    pixels = np.asarray(grey)
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
