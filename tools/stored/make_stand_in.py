"""Make cifar10_stand_in.npz: a drawn stand-in for CIFAR-10.

Ten classes of the same names, 32x32 pixels, in colour, but drawn by this code: no photograph is
used. Every image is drawn by its own random generator, seeded by (class, index), so `draw` gives
the same picture whenever it is asked, in any order.

Run from the project's root:  python -m tools.stored.make_stand_in
"""

import math
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from helpers.data.load import SAMPLE
from tools.stored.make_mnist import save

SOURCE = "a drawn stand-in for CIFAR-10 (not photographs)"
OUTPUT = SAMPLE / "cifar10_stand_in.npz"
TRAIN_PER_CLASS = 400
TEST_PER_CLASS = 100
SEED = 20240502

SIZE = 32
OVER = 4  # drawn at four times the size, then averaged down
STEP = 17  # colours are rounded to multiples of this, so that the file compresses well

Colour = tuple[int, int, int]
Point = tuple[float, float]

# One box of paints for all classes: colour alone does not tell them apart.
PAINTS: tuple[Colour, ...] = (
    (235, 235, 230), (200, 40, 40), (45, 80, 170), (120, 120, 125), (45, 45, 50),
    (70, 140, 70), (225, 190, 60), (150, 95, 50), (200, 150, 95), (225, 125, 50),
    (110, 70, 45), (90, 160, 190), (175, 175, 175), (95, 115, 50), (230, 210, 180),
)  # fmt: skip
# Animals mostly (not always) wear the earthy ones of the paints.
ANIMALS = {"bird", "cat", "deer", "dog", "frog", "horse"}
EARTHY: tuple[Colour, ...] = (
    (235, 235, 230), (45, 45, 50), (150, 95, 50), (200, 150, 95), (225, 125, 50), (110, 70, 45),
    (175, 175, 175), (95, 115, 50), (230, 210, 180), (120, 120, 125),
)  # fmt: skip
BLACK: Colour = (25, 25, 30)
WHITE: Colour = (240, 240, 240)
GLASS: tuple[Colour, ...] = ((150, 190, 215), (60, 75, 95), (205, 220, 230))
SKIES: tuple[Colour, ...] = (
    (120, 175, 230), (175, 195, 215), (235, 185, 140), (80, 110, 165), (205, 225, 240),
)  # fmt: skip
SEAS: tuple[Colour, ...] = ((40, 90, 140), (60, 125, 135), (85, 105, 120), (30, 60, 100))
GRASSES: tuple[Colour, ...] = ((90, 140, 60), (135, 150, 70), (60, 105, 60), (175, 165, 95))
ROADS: tuple[Colour, ...] = ((105, 105, 110), (80, 80, 85), (150, 140, 130), (175, 165, 150))
WALLS: tuple[Colour, ...] = (
    (215, 200, 175), (175, 195, 185), (190, 160, 150), (140, 140, 165), (230, 225, 215),
)  # fmt: skip
FLOORS: tuple[Colour, ...] = ((140, 100, 65), (110, 85, 75), (165, 150, 135), (90, 90, 105))


def shade(colour: Colour, factor: float) -> Colour:
    """A darker (factor below 1) or a lighter (above 1) version of a colour."""
    return tuple(max(0, min(255, round(c * factor))) for c in colour)  # type: ignore[return-value]


def far_apart(a: Colour, b: Colour) -> bool:
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) > 130


class Brush:
    """Draws polygons given in object coordinates (-1 to 1, y downwards) in a random pose."""

    def __init__(self, canvas: Image.Image, random: Random, tilt: float) -> None:
        self.draw = ImageDraw.Draw(canvas)
        side = canvas.width
        scale = side / 2 * random.uniform(0.6, 0.94)
        stretch = random.uniform(0.85, 1.18)
        angle = math.radians(random.uniform(-tilt, tilt))
        flip = random.choice((-1, 1))
        slant = random.uniform(-0.15, 0.15)
        self.x0 = side * random.uniform(0.39, 0.61)
        self.y0 = side * random.uniform(0.41, 0.59)
        cos, sin = math.cos(angle), math.sin(angle)
        self.xx, self.xy = flip * scale * stretch * cos, scale * (flip * slant - sin)
        self.yx, self.yy = flip * scale * stretch * sin, scale * cos / stretch
        self.scale = scale

    def place(self, point: Point) -> Point:
        x, y = point
        return self.x0 + self.xx * x + self.xy * y, self.y0 + self.yx * x + self.yy * y

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self.draw.polygon([self.place(p) for p in points], fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, turn: float = 0.0
    ) -> None:
        """An ellipse around (x, y), turned by `turn` degrees."""
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        angles = [2 * math.pi * k / 28 for k in range(28)]
        ring = [(rx * math.cos(a), ry * math.sin(a)) for a in angles]
        self.polygon([(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in ring], colour)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        placed = [self.place(p) for p in points]
        self.draw.line(placed, fill=colour, width=max(2, round(width * self.scale)))


def airplane(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    dark = shade(paint, 0.72)
    if r.random() < 0.5:  # from the side
        w = r.uniform(0.13, 0.2)
        b.polygon([(-0.95, -0.5), (-0.72, -0.5), (-0.45, -0.05), (-0.85, 0.0)], second)
        b.oval(0.0, 0.0, 0.98, w, paint)
        b.polygon([(0.2, 0.02), (-0.12, 0.02), (-0.5, 0.5), (-0.3, 0.5)], dark)
        if r.random() < 0.6:
            b.polygon([(0.2, -0.08), (0.0, -0.08), (-0.25, -0.36), (-0.12, -0.36)], dark)
        b.polygon([(-0.65, 0.0), (-0.85, 0.0), (-1.0, 0.2), (-0.86, 0.2)], dark)
        b.oval(0.76, -0.06, 0.09, 0.06, BLACK)
    else:  # from above
        w = r.uniform(0.1, 0.16)
        sweep = r.uniform(0.1, 0.55)
        for side in (-1, 1):
            b.polygon(
                [(0.3, 0), (-0.12, 0), (-0.12 - sweep, side * 0.92), (0.08 - sweep, side * 0.92)],
                dark,
            )
            b.polygon([(-0.6, 0), (-0.85, 0), (-1.0, side * 0.36), (-0.84, side * 0.36)], second)
        b.oval(0.0, 0.0, 0.98, w, paint)
        b.oval(0.78, 0.0, 0.08, 0.06, BLACK)


def wheel(b: Brush, x: float, y: float, radius: float) -> None:
    b.oval(x, y, radius, radius, BLACK)
    b.oval(x, y, radius * 0.45, radius * 0.45, (165, 165, 170))


def automobile(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    glass = r.choice(GLASS)
    roof = r.uniform(-0.52, -0.38)
    back = r.uniform(-0.85, -0.55)
    front = r.uniform(0.3, 0.55)
    b.polygon([(back, -0.02), (back + 0.2, roof), (front - 0.25, roof), (front, -0.02)], paint)
    b.polygon([(back + 0.1, -0.04), (back + 0.25, roof + 0.1), (-0.14, roof + 0.1), (-0.14, -0.04)],
              glass)  # fmt: skip
    b.polygon([(-0.03, -0.04), (-0.03, roof + 0.1), (front - 0.3, roof + 0.1),
               (front - 0.11, -0.04)], glass)  # fmt: skip
    b.polygon([(-0.97, 0.0), (-0.9, -0.1), (0.8, -0.08), (0.98, 0.08), (0.98, 0.34), (-0.97, 0.34)],
              paint)  # fmt: skip
    b.box(-0.97, 0.24, 0.98, 0.34, shade(paint, 0.7))
    b.box(0.86, 0.04, 0.98, 0.14, (250, 240, 180))
    size = r.uniform(0.18, 0.24)
    wheel(b, -0.56, 0.34, size)
    wheel(b, 0.56, 0.34, size)


def truck(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    top = r.uniform(-0.72, -0.5)
    end = r.uniform(0.2, 0.4)
    cab = r.uniform(-0.4, -0.2)
    b.box(-0.97, 0.3, 0.95, 0.42, (60, 60, 65))
    if r.random() < 0.75:
        b.box(-0.98, top, end, 0.32, second)
        if r.random() < 0.5:
            b.box(-0.98, top + 0.32, end, top + 0.44, shade(second, 0.7))
    else:  # a tipper: open and lower
        b.polygon([(-0.98, -0.3), (end, -0.3), (end - 0.1, 0.32), (-0.85, 0.32)], second)
    left = end + 0.06
    b.polygon([(left, cab), (0.74, cab), (0.96, 0.02), (0.97, 0.38), (left, 0.38)], paint)
    b.polygon([(left + 0.12, cab + 0.09), (0.71, cab + 0.09), (0.85, 0.03), (left + 0.12, 0.03)],
              r.choice(GLASS))  # fmt: skip
    size = r.uniform(0.15, 0.2)
    for x in (-0.66, 0.66) if r.random() < 0.4 else (-0.74, -0.32, 0.66):
        wheel(b, x, 0.44, size)


def ship(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    kind = r.random()
    if kind < 0.4:  # under sail
        b.line([(0.0, 0.2), (0.0, -0.95)], (90, 65, 45), 0.06)
        b.polygon([(-0.06, -0.9), (-0.06, 0.1), (-0.7, 0.1)], second)
        if r.random() < 0.7:
            b.polygon([(0.06, -0.75), (0.06, 0.1), (0.55, 0.1)], shade(second, 0.85))
    else:  # with decks, a funnel and a mast
        left = r.uniform(-0.75, -0.3)
        b.box(left, -0.12, left + 0.85, 0.2, WHITE if r.random() < 0.5 else second)
        b.box(left + 0.12, -0.36, left + 0.6, -0.12, shade(second, 0.85))
        b.box(left + 0.05, -0.02, left + 0.78, 0.06, r.choice(GLASS))
        if r.random() < 0.7:
            b.box(left + 0.22, -0.66, left + 0.4, -0.36, shade(paint, 0.8))
        b.line([(left + 0.95, 0.2), (left + 0.95, -0.7)], BLACK, 0.05)
    b.polygon([(-0.98, 0.16), (0.98, 0.08), (0.72, 0.56), (-0.8, 0.56)], paint)
    b.polygon([(-0.86, 0.43), (0.8, 0.43), (0.72, 0.56), (-0.8, 0.56)], shade(paint, 0.6))


def bird(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    beak = r.choice(((235, 160, 40), (60, 55, 50), (220, 90, 50)))
    if r.random() < 0.4:  # in flight, wings raised
        b.polygon([(-0.5, 0.1), (-1.0, 0.0), (-0.95, 0.32), (-0.5, 0.25)], second)
        up = r.uniform(-0.95, -0.6)
        b.polygon([(0.3, 0.05), (-0.25, 0.1), (-0.55, up), (-0.15, up + 0.1)], shade(second, 0.8))
        b.oval(0.0, 0.15, 0.56, 0.24, paint)
        b.polygon([(0.2, 0.15), (-0.2, 0.15), (0.0, -up * 0.95), (-0.35, -up * 0.85)], second)
        b.oval(0.55, 0.0, 0.2, 0.19, paint)
        b.polygon([(0.7, -0.08), (1.0, 0.05), (0.7, 0.1)], beak)
        b.oval(0.6, -0.05, 0.055, 0.055, BLACK)
    else:  # standing
        lean = r.uniform(-35, -5)
        b.line([(0.0, 0.4), (0.0, 0.92), (0.14, 0.92)], beak, 0.06)
        b.line([(-0.16, 0.4), (-0.16, 0.92), (-0.02, 0.92)], beak, 0.06)
        b.polygon([(-0.3, 0.05), (-0.4, 0.4), (-0.98, 0.62), (-0.98, 0.42)], second)
        b.oval(0.0, 0.1, 0.56, 0.36, paint, lean)
        b.oval(0.4, -0.36, 0.25, 0.24, paint)
        b.polygon([(0.6, -0.46), (0.98, -0.33), (0.6, -0.24)], beak)
        b.oval(0.46, -0.42, 0.06, 0.06, BLACK)
        b.oval(-0.14, 0.14, 0.38, 0.18, second, lean + 8)


def sitting_body(b: Brush, r: Random, paint: Colour) -> None:
    """The body that cats and dogs share when they are seen from the front."""
    b.oval(0.0, 0.56, 0.42, 0.54, paint)
    b.line([(0.34, 0.95), (0.72, 0.8), (0.74, r.uniform(0.2, 0.5))], paint, 0.12)
    b.box(-0.2, 0.7, -0.05, 1.1, shade(paint, 0.85))
    b.box(0.05, 0.7, 0.2, 1.1, shade(paint, 0.85))


def cat(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    k, dy = 1.0, 0.05  # head size and place
    if r.random() < 0.5:
        sitting_body(b, r, paint)
        k, dy = 0.66, -0.3
    for s in (-1, 1):
        b.polygon([(s * 0.72 * k, dy - 0.1 * k), (s * 0.66 * k, dy - 0.98 * k),
                   (s * 0.12 * k, dy - 0.48 * k)], paint)  # fmt: skip
        b.polygon([(s * 0.6 * k, dy - 0.4 * k), (s * 0.58 * k, dy - 0.76 * k),
                   (s * 0.32 * k, dy - 0.5 * k)], (215, 150, 145))  # fmt: skip
    b.oval(0.0, dy, 0.74 * k, 0.62 * k, paint)
    if r.random() < 0.5:
        for x in (-0.18, 0.0, 0.18):
            b.line([(x * k, dy - 0.56 * k), (x * k, dy - 0.34 * k)], shade(paint, 0.6), 0.07 * k)
    eyes = r.choice(((150, 190, 70), (230, 190, 60), (110, 170, 200)))
    for s in (-1, 1):
        b.oval(s * 0.3 * k, dy - 0.08 * k, 0.15 * k, 0.13 * k, eyes)
        b.oval(s * 0.3 * k, dy - 0.08 * k, 0.05 * k, 0.12 * k, BLACK)
        b.line([(s * 0.3 * k, dy + 0.25 * k), (s * 0.95 * k, dy + 0.18 * k)], WHITE, 0.04 * k)
    b.polygon([(-0.09 * k, dy + 0.16 * k), (0.09 * k, dy + 0.16 * k), (0, dy + 0.28 * k)],
              (205, 110, 115))  # fmt: skip


def dog(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    k, dy = 1.0, 0.0
    if r.random() < 0.5:
        sitting_body(b, r, paint)
        k, dy = 0.66, -0.3
    muzzle = shade(paint, 1.25) if sum(paint) < 500 else shade(paint, 0.85)
    b.oval(0.0, dy - 0.06 * k, 0.6 * k, 0.66 * k, paint)
    ear = second if r.random() < 0.5 else shade(paint, 0.65)
    drop = r.uniform(0.1, 0.3)
    for s in (-1, 1):
        b.oval(s * 0.66 * k, dy + (drop - 0.15) * k, 0.2 * k, 0.52 * k, ear, -s * 14)
        b.oval(s * 0.25 * k, dy - 0.2 * k, 0.1 * k, 0.1 * k, BLACK)
    b.oval(0.0, dy + 0.36 * k, 0.36 * k, 0.34 * k, muzzle)
    b.oval(0.0, dy + 0.2 * k, 0.16 * k, 0.11 * k, BLACK)
    if r.random() < 0.5:
        b.oval(0.0, dy + 0.6 * k, 0.1 * k, 0.17 * k, (220, 100, 110))


def legs(b: Brush, r: Random, colour: Colour, width: float) -> None:
    """Four legs, standing or walking."""
    step = r.uniform(-0.14, 0.14)
    for x, sign in ((-0.5, 1), (-0.34, -1), (0.22, -1), (0.38, 1)):
        tone = colour if sign > 0 else shade(colour, 0.75)
        b.line([(x, 0.2), (x + sign * step * 0.4, 0.55), (x + sign * step, 0.95)], tone, width)


def deer(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    horn = r.choice(((90, 65, 45), (200, 180, 145), (50, 40, 40)))
    legs(b, r, paint, 0.08)
    b.oval(-0.08, 0.12, 0.56, 0.26, paint)
    b.polygon([(0.2, 0.15), (0.46, 0.1), (0.62, -0.4), (0.44, -0.42)], paint)
    b.oval(0.62, -0.42, 0.24, 0.12, paint, 18)
    b.polygon([(-0.55, 0.0), (-0.78, -0.08), (-0.62, 0.2)], WHITE)
    spread = r.uniform(0.0, 0.16)
    for s in (-1, 1):
        x = 0.5 + s * 0.05
        b.line([(x, -0.5), (x + s * (0.2 + spread), -0.72), (x + s * (0.16 + spread), -1.02)],
               horn, 0.07)  # fmt: skip
        b.line([(x + s * (0.12 + spread / 2), -0.66), (x + s * 0.02, -0.92)], horn, 0.06)
    b.polygon([(0.4, -0.46), (0.2, -0.56), (0.44, -0.34)], shade(paint, 0.75))
    b.oval(0.6, -0.46, 0.045, 0.045, BLACK)
    if r.random() < 0.4:
        for x, y in ((-0.4, 0.02), (-0.18, 0.0), (0.05, 0.03), (-0.28, 0.14)):
            b.oval(x, y, 0.05, 0.05, WHITE)


def horse(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    hair = r.choice((BLACK, shade(paint, 0.5), second))
    head = r.uniform(0.0, 0.35)  # how low the head is held
    legs(b, r, paint, 0.12)
    b.line([(-0.56, 0.0), (-0.82, 0.15), (-0.86, r.uniform(0.45, 0.7))], hair, 0.14)
    b.oval(-0.08, 0.08, 0.6, 0.3, paint)
    b.polygon([(0.08, 0.0), (0.48, 0.18), (0.74, head - 0.55), (0.5, head - 0.78)], paint)
    b.polygon([(-0.02, -0.08), (0.16, 0.0), (0.6, head - 0.74), (0.44, head - 0.84)], hair)
    b.oval(0.74, head - 0.5, 0.32, 0.14, paint, 42)
    b.polygon([(0.5, head - 0.7), (0.55, head - 0.95), (0.66, head - 0.7)], paint)
    b.oval(0.66, head - 0.6, 0.045, 0.045, BLACK)


def frog(b: Brush, r: Random, paint: Colour, second: Colour) -> None:
    dark = shade(paint, 0.72)
    belly = shade(paint, 1.3)
    if r.random() < 0.65:  # from the front
        for s in (-1, 1):
            b.oval(s * 0.66, 0.36, 0.3, 0.36, dark, s * 25)
            b.oval(s * 0.72, 0.7, 0.28, 0.1, dark)
        b.oval(0.0, 0.28, 0.68, 0.46, paint)
        b.oval(0.0, 0.46, 0.42, 0.24, belly)
        b.oval(0.0, -0.08, 0.62, 0.34, paint)
        for s in (-1, 1):
            b.oval(s * 0.38, -0.4, 0.2, 0.2, paint)
            b.oval(s * 0.38, -0.42, 0.12, 0.12, (235, 215, 110))
            b.oval(s * 0.38, -0.42, 0.06, 0.07, BLACK)
            b.oval(s * 0.26, 0.72, 0.16, 0.09, dark)
        b.line([(-0.46, 0.0), (-0.2, 0.1), (0.2, 0.1), (0.46, 0.0)], shade(paint, 0.45), 0.06)
    else:  # from the side
        b.polygon([(-0.9, 0.55), (-0.6, -0.12), (0.1, -0.36), (0.9, -0.12), (0.86, 0.14),
                   (0.3, 0.55)], paint)  # fmt: skip
        b.polygon([(0.25, 0.52), (0.84, 0.12), (0.4, 0.16)], belly)
        b.oval(-0.5, 0.36, 0.42, 0.24, dark, -28)
        b.oval(-0.4, 0.64, 0.42, 0.09, dark)
        b.line([(0.4, 0.3), (0.46, 0.62), (0.66, 0.66)], dark, 0.13)
        b.oval(0.5, -0.36, 0.2, 0.2, paint)
        b.oval(0.53, -0.38, 0.11, 0.11, (235, 215, 110))
        b.oval(0.53, -0.38, 0.06, 0.06, BLACK)


Painter = Callable[[Brush, Random, Colour, Colour], None]
SCENES = ("sky", "sea", "grass", "road", "indoor")
# The painter, its largest tilt in degrees, and how often the class is seen before each scene.
CLASSES: dict[str, tuple[Painter, float, tuple[int, ...]]] = {
    "airplane": (airplane, 30, (6, 1, 2, 2, 1)),
    "automobile": (automobile, 10, (1, 1, 2, 5, 2)),
    "bird": (bird, 18, (4, 2, 4, 1, 1)),
    "cat": (cat, 16, (1, 1, 3, 2, 5)),
    "deer": (deer, 8, (1, 1, 6, 2, 1)),
    "dog": (dog, 16, (1, 1, 4, 2, 4)),
    "frog": (frog, 12, (1, 3, 4, 2, 2)),
    "horse": (horse, 8, (1, 1, 6, 2, 1)),
    "ship": (ship, 9, (2, 7, 1, 1, 1)),
    "truck": (truck, 8, (1, 1, 2, 6, 1)),
}


def bands(
    draw: ImageDraw.ImageDraw, top: float, bottom: float, colour: Colour, slope: float, count: int
) -> None:
    """A vertical gradient in a few steps between two heights."""
    side = SIZE * OVER
    for k in range(count):
        y0 = OVER * round((top + (bottom - top) * k / count) / OVER)
        y1 = OVER * round((top + (bottom - top) * (k + 1) / count) / OVER)
        if y1 > y0:
            factor = 1 + slope * ((k + 0.5) / count - 0.5)
            draw.rectangle([0, y0, side, y1 - 1], fill=shade(colour, factor))


def background(canvas: Image.Image, r: Random, scene: str) -> Colour:
    """Paint a scene; give back the colour that will be around the object."""
    draw = ImageDraw.Draw(canvas)
    side = SIZE * OVER
    horizon = side * r.uniform(0.3, 0.75)
    slope = r.uniform(-0.35, 0.35)
    upper = r.choice(WALLS if scene == "indoor" else SKIES)
    if scene == "sky":
        bands(draw, 0, side, upper, slope, 5)
        for _ in range(r.randint(0, 2)):  # clouds
            x, y, w = r.uniform(0, side), r.uniform(0, side), r.uniform(16, 40)
            draw.ellipse([x - w, y - w / 3, x + w, y + w / 3], fill=shade(upper, 1.2))
        return upper
    lower = r.choice({"sea": SEAS, "grass": GRASSES, "road": ROADS, "indoor": FLOORS}[scene])
    if scene == "grass" and r.random() < 0.4:
        horizon = 0.0
    bands(draw, 0, horizon, upper, slope, 3)
    if scene == "road" and r.random() < 0.6:  # houses
        for _ in range(r.randint(1, 3)):
            x, w, h = r.uniform(0, side), r.uniform(14, 36), r.uniform(16, 50)
            draw.rectangle([x, horizon - h, x + w, horizon], fill=r.choice(WALLS))
    if scene == "grass" and horizon and r.random() < 0.6:  # trees
        for _ in range(r.randint(1, 3)):
            x, w = r.uniform(0, side), r.uniform(8, 20)
            draw.ellipse([x - w, horizon - 1.4 * w, x + w, horizon + 0.2 * w], fill=(50, 85, 50))
    if scene == "indoor" and r.random() < 0.5:  # a picture or a window on the wall
        x, y, w = r.uniform(0, side), r.uniform(0, horizon), r.uniform(14, 34)
        draw.rectangle([x, y - w, x + w, y], fill=r.choice(PAINTS))
    bands(draw, horizon, side, lower, -slope, 4)
    for _ in range(r.randint(1, 5)):  # waves, tufts, stones
        x = OVER * r.randint(0, SIZE - 1)
        y = OVER * r.randint(round(horizon) // OVER, SIZE - 1)
        w = OVER * r.randint(2, 8)
        draw.rectangle([x, y, x + w - 1, y + OVER - 1], fill=shade(lower, r.choice((0.75, 1.25))))
    return lower if r.random() < 0.5 else upper


def occlude(canvas: Image.Image, r: Random) -> None:
    """Now and then something small stands in front: a post, a bush or a ball."""
    draw = ImageDraw.Draw(canvas)
    side = SIZE * OVER
    kind = r.random()
    colour = r.choice(PAINTS)
    if kind < 0.08:
        left, width = OVER * r.randint(2, SIZE - 4), OVER * r.randint(1, 2)
        draw.rectangle([left, r.uniform(0, side / 2), left + width - 1, side], fill=colour)
    elif kind < 0.2:
        x, y, w = r.uniform(0, side), r.uniform(side * 0.75, side), r.uniform(10, 22)
        draw.ellipse([x - w, y - w, x + w, y + w], fill=r.choice(GRASSES))
    elif kind < 0.3:
        x, y, w = r.uniform(0, side), r.uniform(0, side), r.uniform(6, 12)
        draw.ellipse([x - w, y - w, x + w, y + w], fill=colour)


def draw(label: int, index: int) -> np.ndarray:
    """Draw picture number `index` of class number `label`: 32x32x3, uint8."""
    name, (painter, tilt, weights) = list(CLASSES.items())[label]
    r = Random(f"stand-in/{name}/{index}")
    canvas = Image.new("RGB", (SIZE * OVER, SIZE * OVER))
    scene = r.choices(SCENES, weights)[0]
    around = background(canvas, r, scene)
    paints = EARTHY if name in ANIMALS and r.random() < 0.6 else PAINTS
    paint = r.choice([p for p in paints if far_apart(p, around)])
    second = r.choice([p for p in paints if far_apart(p, paint)])
    painter(Brush(canvas, r, tilt), r, paint, second)
    occlude(canvas, r)

    image = np.asarray(canvas, dtype=np.float64)
    image = image.reshape(SIZE, OVER, SIZE, OVER, 3).mean(axis=(1, 3))
    contrast, brightness = r.uniform(0.7, 1.2), r.uniform(-30, 30)
    image = (image - 127.5) * contrast + 127.5 + brightness
    return (np.clip(np.rint(image / STEP), 0, 255 // STEP) * STEP).astype(np.uint8)


def make_order() -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The (class, index) of each training image and of each test image, shuffled."""
    train = [(c, i) for c in range(len(CLASSES)) for i in range(TRAIN_PER_CLASS)]
    test = [(c, TRAIN_PER_CLASS + i) for c in range(len(CLASSES)) for i in range(TEST_PER_CLASS)]
    shuffler = Random(SEED)
    shuffler.shuffle(train)
    shuffler.shuffle(test)
    return train, test


def make_arrays() -> dict[str, np.ndarray]:
    train, test = make_order()
    return {
        "x_train": np.stack([draw(c, i) for c, i in train]),
        "y_train": np.array([c for c, _ in train], dtype=np.uint8),
        "x_test": np.stack([draw(c, i) for c, i in test]),
        "y_test": np.array([c for c, _ in test], dtype=np.uint8),
        "source": np.array(SOURCE),
    }


if __name__ == "__main__":
    save(make_arrays(), OUTPUT)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes")
