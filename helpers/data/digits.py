"""Turn a picture of one handwritten digit into what a model trained on MNIST expects."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

FIELD = 28  # pixels: the side of an MNIST image
BOX = 20  # the side of the box that the digit itself fits into
CENTRE = 14  # index of the row and column of the centre of mass
LARGEST_SIDE = 1000  # pixels; larger pictures are first reduced, which is faster and less noisy
BLACK = 32  # grey value below which a background counts as MNIST's black
EVEN = 0.8  # part of the border that has to agree on what is paper
# Of the strongest ink: what is fainter is taken for paper, shadow or noise. Chosen on digits of the
# validation split, made into pictures of dark ink on unevenly lit, noisy paper.
PAPER = 0.35
FAINTEST = 16  # grey levels: what differs less from its ground is no ink
MOST_INK = 0.7  # part of the picture; a digit leaves more free
SMALLEST_BLOCK = 3  # pixels: the side of squares that were one pixel each
EQUAL = 8  # grey levels by which neighbours in a square may differ, in a JPEG file
FEWEST_EDGES = 4  # between squares, from top to bottom and from side to side
FRAME = 48  # grey levels between a frame and the paper inside it
FRAME_DEPTH = 0.06  # of the shorter side: how far inwards a frame is looked for
OFF_CENTRE = 1.05  # pixels that the centre of mass of a picture like MNIST's may be off
SPECK = 0.03  # of the largest part's pixels
DUST = 1e-4  # of the pixels: so few may be a glint, or dust darker than the ink
SHEET = 0.8  # of its box: so much ink, with four straight sides, is a sheet of paper
STRAIGHT = 0.9  # of a side: so much of it has ink
# The sides at which the edge of the ink is found: fine enough that it shows as grey in the box.
FINE = 4 * BOX
EDGE = 4.0  # how many times as steep the edges get
THINNEST, THICKEST = 6.0, 12.0  # fine pixels: most strokes of MNIST's digits are between


class Digit(NamedTuple):
    """uint8 pixels `28 x 28`, light ink on black (None: no digit), and in words how they came."""

    pixels: np.ndarray | None
    read_as: str


def read_digit(image: Image.Image) -> Digit:
    """Prepare a picture of one digit in the way MNIST's images were prepared.

    Dark ink on light paper is inverted; `is_dark_on_light` decides. Large square pixels, a frame
    round the picture, the background and specks are taken away. Then the ink is drawn again in
    black and white, as NIST's images were (`_bilevel`), and `centre_like_mnist` does the rest.
    Where all ink is one full rectangle, it is a sheet of paper on a dark ground, and what is on it
    is read. A picture that is boxed and centred as MNIST's are is left alone: it is one of them, or
    made like them.

    Args:
        image: mode "L" or "RGB", any size, one digit on an even background.
    """
    plain = _without_frame(_without_blocks(image.convert("L")))
    inverted = is_dark_on_light(plain)
    grey = ImageOps.invert(plain) if inverted else plain
    read_as = "dark on light, inverted" if inverted else "light on dark"
    if _is_like_mnist(np.asarray(grey)):
        return Digit(np.array(grey), f"{read_as}, 28 x 28 kept")
    background = float(np.median(_border(grey)))
    if background > _middle(grey):  # more ink than paper there
        background = float(_extremes(np.asarray(grey))[0])
    factor = max(1, max(grey.size) // LARGEST_SIDE)
    ink = np.asarray(grey.reduce(factor), dtype=np.float32)
    ink = np.clip(ink - background, 0, None)
    ink = np.minimum(ink, _extremes(ink)[1])
    if ink.max() < FAINTEST:
        return Digit(None, "no digit: one colour")
    if min(ink.shape) >= FIELD:
        ink = _without_edges(ink)
        if sheet := _sheet(ink >= PAPER * ink.max()):
            left, top, right, bottom = (factor * place for place in sheet)
            box = left, top, min(right, plain.width), min(bottom, plain.height)
            return read_digit(plain.crop(box))
    if max(ink.shape) < 2 * FINE:  # so that an edge can lie between two pixels
        ink = _resized(np.pad(ink, 1), 2 * FINE)
    ink[ink < PAPER * ink.max()] = 0
    if np.mean(ink > 0) > MOST_INK:
        return Digit(None, "no digit: ink all over")
    return Digit(centre_like_mnist(_bilevel(_without_specks(ink))), read_as)


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


def _without_blocks(grey: Image.Image) -> Image.Image:
    """One pixel again for each square of a picture that was enlarged by repeating its pixels."""
    pixels = np.asarray(grey)
    rows, columns = (
        1
        + np.flatnonzero(
            (np.abs(np.diff(pixels.astype(np.int16), axis=axis)) > EQUAL).any(1 - axis)
        )
        for axis in (0, 1)
    )
    gaps = np.concatenate([np.diff(rows), np.diff(columns)])
    if min(len(rows), len(columns)) < FEWEST_EDGES or gaps.min() < SMALLEST_BLOCK:
        return grey
    side = gaps.sum() / np.rint(gaps / gaps.min()).sum()  # neighbours may have the same grey
    if np.abs(gaps - side * np.rint(gaps / side)).max() > 1:
        return grey
    middles = (_middles(*axis, side) for axis in zip((rows, columns), pixels.shape, strict=True))
    return Image.fromarray(pixels[np.ix_(*middles)])


def _middles(edges: np.ndarray, end: int, side: float) -> list[int]:
    """Where the middle of every block is: one or more of them from one edge to the next."""
    found = []
    for start, stop in pairwise([0, *edges.tolist(), end]):
        count = round((stop - start) / side)
        found += [int(start + (place + 0.5) * (stop - start) / count) for place in range(count)]
    return found


def _without_frame(grey: Image.Image) -> Image.Image:
    """The picture without a frame of another tone, such as the edge of a scan or of a box."""
    if min(grey.size) < FIELD:  # so few pixels are all the digit's
        return grey
    depth, border = round(FRAME_DEPTH * min(grey.size)), _border(grey)
    inside = grey.crop((depth, depth, grey.width - depth, grey.height - depth))
    tone = np.median(border)
    is_even = np.mean(abs(border - tone) < FRAME) > EVEN
    return inside if is_even and abs(tone - np.median(_border(inside))) > FRAME else grey


def _without_edges(ink: np.ndarray) -> np.ndarray:
    """The ink without parts that fill a whole edge of the picture, such as the edge of a table.

    If nothing else is there, such a part is the digit, in a picture that was cut close to it.
    """
    parts, sizes = _parts(ink >= PAPER * ink.max())
    counts = ((np.bincount(side, minlength=len(sizes)), len(side)) for side in _sides(parts))
    along = np.any([count >= STRAIGHT * length for count, length in counts], axis=0)
    along[0] = False
    if max(sizes[~along]) < SPECK * max(sizes):
        return ink
    return np.where(along[parts], 0, ink)


def _sheet(dark: np.ndarray) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of a full rectangle, if that is all and smaller than the picture."""
    left, top, right, bottom = _box(dark)
    inside = dark[top:bottom, left:right]
    is_sheet = min(inside.shape) >= FIELD and inside.mean() > SHEET
    is_sheet = is_sheet and min(side.mean() for side in _sides(inside)) >= STRAIGHT
    return (left, top, right, bottom) if is_sheet and inside.size < dark.size else None


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """The ink without spots that are far smaller than the largest connected part."""
    parts, sizes = _parts(ink > 0)
    return np.where((sizes >= SPECK * sizes.max())[parts], ink, 0)


def _parts(dark: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each pixel's connected part, 0 where it is not dark, and the parts' sizes."""
    parts, count = ndimage.label(dark, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    return parts, sizes


def _box(ink: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part with ink; right and bottom are outside."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _sides(pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    return pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]


def is_dark_on_light(grey: Image.Image) -> bool:
    """Whether the paper is light: most of the border, or of all pixels where ink crosses it.

    Light is what is above the middle between dark and light.
    """
    light = float(np.mean(_border(grey) > _middle(grey)))
    if 1 - EVEN < light < EVEN:
        light = float(np.mean(np.asarray(grey) > _middle(grey)))
    return light > 0.5


def _middle(grey: Image.Image) -> float:
    darkest, lightest = _extremes(np.asarray(grey))
    return (float(darkest) + float(lightest)) / 2


def _extremes(values: np.ndarray) -> tuple[np.generic, np.generic]:
    """The lowest and the highest value, without so few that they may be dust or a glint."""
    few = int(DUST * values.size)
    ordered = np.partition(values.ravel(), (few, values.size - 1 - few))
    return ordered[few], ordered[-1 - few]


def _bilevel(ink: np.ndarray) -> np.ndarray:
    """The ink in black and white, its longer side `FINE` pixels, with strokes as wide as MNIST's.

    NIST's images had no greys. Those of a blurred or enlarged picture lie around its strokes, which
    would look fat, and fill the holes of small ones: half of the ink is the edge. Strokes that are
    far thinner or thicker than MNIST's are grown or worn off.

    Returns:
        float, 0 to 1, with some grey left where an edge was blurred, so that it stays smooth.
    """
    left, top, right, bottom = _box(ink)
    fine = _resized(ink[top:bottom, left:right], FINE)
    strong = np.percentile(fine[fine > 0], 95)
    fine = np.clip((fine / strong - 0.5) * EDGE + 0.5, 0, 1)
    black = np.pad(fine > 0.5, 1)
    # Steps from ink to paper; along a slanting edge there are about 1.25 for each pixel of it.
    edge = 0.8 * sum(np.count_nonzero(np.diff(black, axis=axis)) for axis in (0, 1))
    width = 2 * np.count_nonzero(black) / edge
    if width < THINNEST:
        steps = round((THINNEST - width) / 2)
        fine = ndimage.grey_dilation(np.pad(fine, steps), footprint=_disk(steps))
    elif width > THICKEST:
        steps = min(2, round((width - THICKEST) / 2))
        fine = ndimage.grey_erosion(fine, footprint=_disk(steps), mode="constant")
    return fine


def _disk(radius: int) -> np.ndarray:
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return rows**2 + columns**2 <= radius**2 + 0.5


def _resized(ink: np.ndarray, side: int) -> np.ndarray:
    """The same, its longer side `side` pixels."""
    height, width = (max(1, round(n * side / max(ink.shape))) for n in ink.shape)
    image = Image.fromarray(np.ascontiguousarray(ink, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).clip(0)


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
    left, top, right, bottom = _box(ink)
    digit = ink[top:bottom, left:right]
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
    return np.concatenate(_sides(np.asarray(grey)))
