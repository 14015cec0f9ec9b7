"""Drawings made from pictures: digits drawn again with another pen, and drawings of other things.

The live page of the book is read by people who draw with a mouse or a finger, and MNIST was
written with a pen. `redraw` makes the first kind of picture from the second: bent a little, reduced
to its lines, drawn again with a thin or a thick pen, and centred by `helpers.data.digits`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from helpers.data.digits import centre_like_mnist

SIDE = 56  # pixels: the field in which lines are found and drawn, two for one of MNIST's
AT_ONCE = 2000  # pictures; the steps of a batch need some 30 MB of memory for each thousand
# Half the width of a pen, in pixels of the field: `predict.py` makes nearly such a one of any pen.
THINNEST, THICKEST = 1.2, 3.6
UNBENT = 0.25  # part of the other drawings that keeps its filled areas

# Drawings of something else. Letters that a reader could take for a digit are left out, such as
# O, S, Z, g and y. What the network learns from and what it is tested on have no kind in common.
LEARNT = {
    "letters": "AEFHKMNPRTWXafhkmnrtwx",
    "figures": ("cross", "saltire", "triangle", "square", "pentagon", "arrow", "zigzag", "wave",
                "dash", "dot", "dots", "hash", "ladder", "scribble", "pair", "corner"),
}  # fmt: skip
UNSEEN = {
    "letters": "ΓΔΞΠΣΨΩЖИЮЯЩ&%?@£€",
    "figures": ("star", "heart", "house", "spiral", "smiley", "tree", "stairs", "moon"),
}


def skeletons(masks: np.ndarray) -> np.ndarray:
    """The lines in the middle of the ink, one pixel wide: the method of Zhang and Suen.

    (T. Y. Zhang and C. Y. Suen, 1984, "A fast parallel algorithm for thinning digital patterns".)

    Args:
        masks: bool, `N x H x W`, True where there is ink.
    """
    masks = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    core = (slice(None), slice(1, -1), slice(1, -1))
    # The eight neighbours, beginning above and going round with the clock.
    around = [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0)]
    height, width = masks.shape[1] - 2, masks.shape[2] - 2
    changed = True
    while changed:
        changed = False
        for triples in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            ring = [masks[:, r : r + height, c : c + width] for r, c in around]
            count = sum(n.view(np.uint8) for n in ring)
            steps = sum((~ring[n] & ring[(n + 1) % 8]).view(np.uint8) for n in range(8))
            peel = masks[core] & (count >= 2) & (count <= 6) & (steps == 1)
            for a, b, c in triples:
                peel &= ~(ring[a] & ring[b] & ring[c])
            if peel.any():
                masks[core] &= ~peel
                changed = True
    return masks[core]


def redraw(pictures: np.ndarray, generator: np.random.Generator, filled: float = 0.0) -> np.ndarray:
    """Each picture drawn again, with a pen of another width.

    Args:
        pictures: uint8 `N x H x W`, light ink on black.
        filled: the part of the pictures whose areas stay as they are.

    Returns:
        uint8 `N x 28 x 28`, centred like MNIST's.
    """
    return np.concatenate(
        [
            _redraw(pictures[start : start + AT_ONCE], generator, filled)
            for start in range(0, len(pictures), AT_ONCE)
        ]
    )


def _redraw(pictures: np.ndarray, generator: np.random.Generator, filled: float) -> np.ndarray:
    masks = _bend(pictures, generator) > 100
    masks[~masks.any(axis=(1, 2)), SIDE // 2, SIDE // 2] = True  # a dot that was lost
    lines = skeletons(masks)
    drawn = []
    for mask, line in zip(masks, lines, strict=True):
        # Thin pens count as much as thick ones.
        radius = np.exp(generator.uniform(np.log(THINNEST), np.log(THICKEST)))
        start = mask if generator.random() < filled else line
        distance = ndimage.distance_transform_edt(~start)
        ink = np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)
        drawn.append(centre_like_mnist(ink))
    return np.stack(drawn)


def _bend(pictures: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Turned, slanted, stretched and bent a little: `N x SIDE x SIDE`, smaller by a fifth."""
    count = len(pictures)

    def some(reach: float) -> np.ndarray:
        return generator.uniform(-reach, reach, count)

    angle, slant = np.radians(some(12)), some(0.2)
    across, down = 1.25 * np.exp(some(0.2)), 1.25 * np.exp(some(0.2))
    cosine, sine = np.cos(angle), np.sin(angle)
    theta = np.zeros((count, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = across * cosine, across * (slant * cosine - sine)
    theta[:, 1, 0], theta[:, 1, 1] = down * sine, down * (slant * sine + cosine)
    grid = F.affine_grid(torch.from_numpy(theta), [count, 1, SIDE, SIDE], align_corners=False)
    waves = torch.from_numpy(generator.normal(0, 0.035, (count, 2, 5, 5)).astype(np.float32))
    waves = F.interpolate(waves, (SIDE, SIDE), mode="bicubic", align_corners=True)
    inputs = torch.from_numpy(pictures).float()[:, None]
    bent = F.grid_sample(inputs, grid + waves.permute(0, 2, 3, 1), align_corners=False)
    return bent[:, 0].numpy()


def others(
    kinds: Mapping[str, Sequence[str]],
    count: int,
    generator: np.random.Generator,
    digits: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Drawings of anything but one digit, as many of letters as of figures of lines.

    Args:
        kinds: LEARNT or UNSEEN.
        digits: uint8 `N x 28 x 28`; two of them side by side are no digit.

    Returns:
        uint8 `count x 28 x 28`, and of each the letter or the name of the figure.
    """
    names = [
        str(generator.choice(list(kinds["figures" if number % 2 else "letters"])))
        for number in range(count)
    ]
    pictures = [
        _letter(name, generator)
        if len(name) == 1
        else _pair(digits, generator)
        if name == "pair"
        else _figure(FIGURES[name](generator))
        for name in names
    ]
    return redraw(np.stack(pictures), generator, UNBENT), np.array(names)


FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSans-Oblique", "DejaVuSansMono")


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf", 46)


def _letter(letter: str, generator: np.random.Generator) -> np.ndarray:
    picture = Image.new("L", (SIDE, SIDE))
    font = _font(str(generator.choice(FONTS)))
    ImageDraw.Draw(picture).text((SIDE / 2, SIDE / 2), letter, 255, font, anchor="mm")
    return np.asarray(picture)


def _pair(digits: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Two digits side by side, close or apart."""
    picture = np.zeros((SIDE, SIDE), np.uint8)
    apart = int(generator.integers(20, 27))
    for left, digit in zip(
        (0, apart), digits[generator.integers(len(digits), size=2)], strict=True
    ):
        part = picture[14:42, left : left + 28]
        np.maximum(part, digit, out=part)
    return picture


def _figure(lines: list[np.ndarray]) -> np.ndarray:
    """Lines (points from 0 to 1, down is positive) as a picture, each point a little off."""
    picture = Image.new("L", (2 * SIDE, 2 * SIDE))
    pen = ImageDraw.Draw(picture)
    for line in lines:
        points = [tuple(2 * SIDE * (0.08 + 0.84 * point)) for point in line]
        pen.line(points, 255, 6, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), 255)
    return np.asarray(picture.reduce(2))


def _lines(*lines: list[tuple[float, float]]) -> Callable[[np.random.Generator], list[np.ndarray]]:
    """A figure of straight lines, whose corners are a little elsewhere each time."""
    return lambda generator: [
        np.asarray(line) + generator.normal(0, 0.03, (len(line), 2)) for line in lines
    ]


def _curve(
    x: Callable[[np.ndarray], np.ndarray], y: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """A curve whose parameter goes once round: from 0 to 2 pi."""
    t = np.linspace(0, 2 * np.pi, 60)
    return np.stack([x(t), y(t)], axis=1)


def _ring(x: float, y: float, radius: float) -> np.ndarray:
    return _curve(lambda t: x + radius * np.cos(t), lambda t: y + radius * np.sin(t))


def _corners(count: int, step: int = 1) -> list[tuple[float, float]]:
    """A closed figure of `count` corners on a circle, joined to every `step`-th one."""
    turns = 2 * np.pi * step * np.arange(count + 1) / count
    return [(0.5 + 0.5 * np.sin(t), 0.5 - 0.5 * np.cos(t)) for t in turns]


def _zigzag(generator: np.random.Generator) -> list[np.ndarray]:
    turns = int(generator.integers(5, 9))
    y = np.where(np.arange(turns) % 2, 0.3, 0.7) + generator.normal(0, 0.08, turns)
    return [np.stack([np.linspace(0, 1, turns), y], axis=1)]


def _wave(generator: np.random.Generator) -> list[np.ndarray]:
    high, times = generator.uniform(0.1, 0.3), generator.uniform(1.5, 3)
    return [_curve(lambda t: t / (2 * np.pi), lambda t: 0.5 + high * np.sin(times * t))]


def _dots(generator: np.random.Generator) -> list[np.ndarray]:
    places = generator.uniform(0.1, 0.9, (int(generator.integers(2, 6)), 2))
    return [np.stack([place, place + 0.02]) for place in places]


def _scribble(generator: np.random.Generator) -> list[np.ndarray]:
    """A line that goes to many places without lifting the pen."""
    places = generator.uniform(0, 1, (int(generator.integers(7, 16)), 2))
    steps = np.linspace(0, len(places) - 1, 6 * len(places))
    return [np.stack([np.interp(steps, range(len(places)), p) for p in places.T], axis=1)]


def _spiral(generator: np.random.Generator) -> list[np.ndarray]:
    turns = generator.uniform(2.5, 3.5)
    return [
        _curve(
            lambda t: 0.5 + 0.5 * t / (2 * np.pi) * np.cos(turns * t),
            lambda t: 0.5 + 0.5 * t / (2 * np.pi) * np.sin(turns * t),
        )
    ]


def _ladder(generator: np.random.Generator) -> list[np.ndarray]:
    rungs = [[(0.25, y), (0.75, y)] for y in (0.15, 0.4, 0.65, 0.9)]
    return _lines([(0.25, 0), (0.25, 1)], [(0.75, 0), (0.75, 1)], *rungs)(generator)


def _heart(generator: np.random.Generator) -> list[np.ndarray]:
    return [
        _curve(
            lambda t: 0.5 + 0.5 * np.sin(t) ** 3,
            lambda t: 0.45 - (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t)) / 30,
        )
    ]


def _smiley(generator: np.random.Generator) -> list[np.ndarray]:
    smile = _curve(lambda t: 0.5 + 0.25 * np.cos(t / 2), lambda t: 0.55 + 0.2 * np.sin(t / 2))
    return [_ring(0.5, 0.5, 0.5), _ring(0.33, 0.35, 0.04), _ring(0.67, 0.35, 0.04), smile]


def _moon(generator: np.random.Generator) -> list[np.ndarray]:
    outer = _curve(lambda t: 0.6 - 0.5 * np.sin(t / 2), lambda t: 0.5 - 0.5 * np.cos(t / 2))
    inner = _curve(lambda t: 0.6 - 0.2 * np.sin(t / 2), lambda t: 0.5 - 0.5 * np.cos(t / 2))
    return [outer, inner]


FIGURES: dict[str, Callable[[np.random.Generator], list[np.ndarray]]] = {
    "cross": _lines([(0.5, 0), (0.5, 1)], [(0, 0.5), (1, 0.5)]),
    "saltire": _lines([(0, 0), (1, 1)], [(1, 0), (0, 1)]),
    "triangle": _lines([(0.5, 0), (1, 0.9), (0, 0.9), (0.5, 0)]),
    "square": _lines([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]),
    "pentagon": _lines(_corners(5)),
    "arrow": _lines([(0, 0.5), (1, 0.5)], [(0.65, 0.2), (1, 0.5), (0.65, 0.8)]),
    "corner": _lines([(0, 0), (0, 1), (1, 1)]),
    "dash": _lines([(0, 0.5), (1, 0.5)]),
    "dot": _lines([(0.49, 0.5), (0.51, 0.5)]),
    "hash": _lines(
        [(0.3, 0), (0.3, 1)], [(0.7, 0), (0.7, 1)], [(0, 0.3), (1, 0.3)], [(0, 0.7), (1, 0.7)]
    ),
    "zigzag": _zigzag,
    "wave": _wave,
    "dots": _dots,
    "ladder": _ladder,
    "scribble": _scribble,
    "star": _lines(_corners(5, 2)),
    "heart": _heart,
    "house": _lines(
        [(0.1, 1), (0.1, 0.4), (0.5, 0), (0.9, 0.4), (0.9, 1), (0.1, 1)],
        [(0.4, 1), (0.4, 0.7), (0.6, 0.7), (0.6, 1)],
    ),
    "spiral": _spiral,
    "smiley": _smiley,
    "tree": _lines([(0.5, 1), (0.5, 0.75)], [(0.1, 0.75), (0.5, 0), (0.9, 0.75), (0.1, 0.75)]),
    "stairs": _lines([(n // 2 / 4, 1 - (n + 1) // 2 / 4) for n in range(9)]),
    "moon": _moon,
}
