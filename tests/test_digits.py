"""What `read_digit` makes of pictures: to the pixel, as the live page's `pixels.js` has to do it.

The answers stand in `read_digits.png`, one below the other for each picture. After a change that
is meant, look at what `python -m tests.test_digits` writes there.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data.digits import is_dark_on_light, read_digit
from helpers.data.load import load

SHEET = Path(__file__).with_name("read_digits.png")
DARK, LIGHT, KEPT = "dark on light, inverted", "light on dark", "light on dark, 28 x 28 kept"
EMPTY, FULL = "no digit: one colour", "no digit: ink all over"
# How each picture was read: see `pictures`.
READ_AS = {
    "noise": DARK,
    "corner": LIGHT,
    "smooth": DARK,
    "few pixels": LIGHT,
    "squares": DARK,
    "rough squares": LIGHT,
    "small squares": LIGHT,
    "frame": DARK,
    "pale frame": DARK,
    "thin frame": LIGHT,
    "specks": DARK,
    "crossing": DARK,
    "mostly ink": LIGHT,
    "thin": DARK,
    "thick": LIGHT,
    "thicker": DARK,
    "large": DARK,
    "wide": LIGHT,
    "tall": DARK,
    "faint": LIGHT,
    "too faint": EMPTY,
    "much ink": LIGHT,
    "too much ink": FULL,
    "as MNIST": KEPT,
    "as MNIST, one row less": KEPT,
    "as MNIST, two rows less": LIGHT,
    "as MNIST, on grey": LIGHT,
    "one pixel off": LIGHT,
    "off centre": LIGHT,
    "on light grey": LIGHT,
    "too small": LIGHT,
    "dust": DARK,
    "glint": DARK,
    "dust alone": EMPTY,
    "on a table": DARK,
    "at the edge of a table": DARK,
    "between bars": DARK,
    "cut close": LIGHT,
    "sheet": EMPTY,
}


def ring(height: int, width: int, radius: float, stroke: float) -> np.ndarray:
    """An open ring, from 0 to 1, with a soft edge."""
    rows, columns = np.mgrid[:height, :width]
    rows, columns = rows - 0.53 * height, columns - 0.46 * width
    distance = np.hypot(rows, columns * height / width)
    ink = (stroke / 2 - abs(distance - radius) + 0.5).clip(0, 1)
    return np.where((columns > 0) & (abs(rows) < 0.17 * height), 0, ink)


def smoothed(ink: np.ndarray, times: int) -> np.ndarray:
    for _ in range(times):
        for axis in (0, 1):
            ink = (np.roll(ink, 1, axis) + 2 * ink + np.roll(ink, -1, axis)) / 4
    return ink


def at(shape: tuple[int, int], top: int, left: int, ink: np.ndarray) -> np.ndarray:
    sheet = np.zeros(shape)
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet


def pictures() -> Iterator[np.ndarray]:
    """Grey values, in the order of `READ_AS`."""
    data = load("mnist", mode="sample").test
    digits = [data.images[data.labels == label][3, 0].numpy() / 255 for label in range(10)]
    rng = np.random.default_rng(1)

    def large(label: int, times: int) -> np.ndarray:
        return smoothed(np.kron(digits[label], np.ones((times, times))), 2 * times)

    paper = 190 + np.linspace(-20, 20, 210)[:, None] + rng.normal(0, 5, (210, 160))
    yield paper - 130 * at((210, 160), 12, 5, large(2, 5))
    yield 10 + 240 * at((150, 230), 1, 117, large(3, 4))
    yield 255 - 235 * large(4, 6)
    yield 255 * digits[5].reshape(14, 2, 14, 2).mean((1, 3))[3:11, 3:11]
    yield 230 - 200 * np.kron(digits[6], np.ones((4, 4)))
    yield (
        20
        + 200 * np.kron(digits[7], np.ones((7, 7)))
        + np.kron(np.ones((98, 98)), [[0, 3], [5, 2]])
    )
    yield 250 * np.kron(digits[8], np.ones((2, 2)))
    for edge, width in ((70, 4), (165, 3)):
        framed = np.full((130, 120), float(edge))
        framed[width:-width, width:-width] = 220
        yield framed - 60 * at(framed.shape, 15, 14, large(9 - width, 3))
    yield np.pad(200 * at((100, 100), 8, 8, large(0, 3)), 1, constant_values=90)
    dusty = at((170, 170), 10, 40, large(2, 4))
    for top, left, side in ((3, 3, 4), (150, 150, 9), (140, 10, 14)):
        dusty[top : top + side, left : left + side] = 1
    yield 240 - 220 * dusty
    yield 250 - 230 * large(3, 5)[25:115, 30:105]
    yield 30 + 200 * large(8, 6)[40:125, 55:115]
    yield 240 - 220 * ring(200, 180, 70, 3)
    yield 15 + 230 * ring(200, 180, 60, 38)
    yield 250 - 240 * ring(200, 200, 55, 62)
    yield 240 - 180 * ring(2300, 1500, 700, 180)
    yield 255 * ring(60, 400, 22, 9)
    yield 250 - 200 * ring(390, 40, 150, 40)
    yield 100 + 17 * ring(120, 120, 40, 14)
    yield 100 + 15 * ring(120, 120, 40, 14)
    depth = np.minimum(*np.mgrid[:100, :100])
    depth = np.minimum(depth, depth[::-1, ::-1])
    depth[:12, 40:60] = 0  # or it would be a sheet
    for top in (100, 60):
        yield np.minimum(4 * depth, top)
    seven = digits[7]
    yield 255 * seven
    rows, columns = np.flatnonzero(seven.any(1)), np.flatnonzero(seven.any(0))
    for cut in (1, 2):
        cropped = seven[rows[0] : rows[-1] + 1 - cut, columns[0] : columns[-1] + 1]
        centre = (np.average(np.arange(n.size), weights=n) for n in map(cropped.sum, (1, 0)))
        yield 255 * at((28, 28), *(round(14 - middle) for middle in centre), cropped)
    yield np.maximum(255 * seven, 31)
    for off in (1, 2):
        yield 255 * np.roll(seven, off, 1)
    yield np.maximum(255 * seven, 33)
    yield 255 * at((28, 28), 7, 7, seven.reshape(14, 2, 14, 2).mean((1, 3)))
    pencil = 235 - 60 * at((150, 140), 25, 20, large(7, 4))
    pencil[5, 130] = pencil[140, 8] = 0
    yield pencil
    dim = 115 - 95 * at((150, 140), 25, 20, large(7, 4))
    dim[5, 130] = 255
    yield dim
    yield 235 - 230 * at((150, 140), 40, 30, np.ones((1, 2)))
    sheet = 230 - 180 * at((150, 140), 25, 20, large(7, 4))
    yield np.pad(sheet, 30, constant_values=40)
    yield np.pad(sheet, ((0, 0), (25, 0)), constant_values=40)
    yield np.pad(sheet, ((0, 0), (25, 30)), constant_values=40)
    close = seven[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    yield 230 * np.kron(close > 0.5, np.ones((9, 9)))
    yield np.pad(np.full((90, 80), 220.0), 30, constant_values=25)


def seen() -> dict[str, tuple[str, np.ndarray]]:
    """What comes of each picture: how it was read, and 28 x 28 pixels, black for no digit."""
    found = {}
    for name, grey in zip(READ_AS, pictures(), strict=True):
        digit = read_digit(Image.fromarray(np.rint(grey).clip(0, 255).astype(np.uint8)))
        pixels = np.zeros((28, 28), np.uint8) if digit.pixels is None else digit.pixels
        found[name] = digit.read_as, pixels
    return found


@pytest.mark.parametrize("name", READ_AS)
def test_a_picture_is_read_as_it_always_was(name: str, digits) -> None:
    read_as, pixels = digits[name]
    place = 28 * [*READ_AS].index(name)
    with Image.open(SHEET) as sheet:
        expected = np.asarray(sheet)[place : place + 28]
    assert read_as == READ_AS[name]
    # Other versions of the libraries may round otherwise.
    assert np.abs(pixels.astype(int) - expected).max() <= 3


def test_the_border_alone_says_what_is_paper_where_it_is_even() -> None:
    for paper, ink in ((250, 20), (20, 250)):
        sheet = np.full((60, 60), paper, np.uint8)
        sheet[1:-1, 1:-1] = ink
        assert is_dark_on_light(Image.fromarray(sheet)) is (paper > ink)


@pytest.fixture(scope="module")
def digits() -> dict[str, tuple[str, np.ndarray]]:
    return seen()


if __name__ == "__main__":
    answers = seen()
    Image.fromarray(np.concatenate([pixels for _, pixels in answers.values()])).save(SHEET)
    print(*(f"{name}: {read_as}" for name, (read_as, _) in answers.items()), sep="\n")
