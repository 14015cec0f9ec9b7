"""Time the live page: python -m tools.book.time_live

The page *Draw a digit* of the built book is opened in Chromium, ten times, each with an empty
profile, so that nothing is kept from the time before. A line is drawn as soon as there is paper;
the page answers when the network has come. Then more is drawn and a photograph chosen, again and
again. The medians go into `book/results.json`. Run it on a quiet machine.
"""

import statistics
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.notebook import add_numbers
from helpers.support.errors import UserError
from tools.book.browser import CHROMIUM, Browser, served
from tools.course import Course, run_tool

PAGE = "book/live.html"
BUSY = "document.querySelector('.live[aria-busy=true]')"
TOOK = "performance.getEntriesByName('live-answer').map((entry) => entry.duration)"
PHOTO = (4000, 3000)  # pixels, as of a telephone
LOADS = 10
AGAIN = 5  # times that the photograph is chosen


def draw(browser: Browser) -> None:
    """A three, in 40 steps of a mouse: the browser has taken each before the next comes."""
    left, top = browser.run(
        "(({left, top}) => [left, top])"
        "(document.getElementById('live-drawing').getBoundingClientRect())"
    )
    turn = np.linspace(-2.4, 1.6, 20)
    arcs = [np.stack([130 + 60 * np.cos(turn), y + 48 * np.sin(turn)], 1) for y in (90, 186)]
    points = np.concatenate(arcs) + (left, top)
    for number, (x, y) in enumerate([points[0], *points, points[-1]]):
        ends = {0: "mousePressed", len(points) + 1: "mouseReleased"}
        known = {"x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        browser.send("Input.dispatchMouseEvent", type=ends.get(number, "mouseMoved"), **known)


def time_once(page: str, photo: Path, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of one load: `first` since it began, and of each later answer."""
    with closing(Browser(folder)) as browser:
        browser.open(page)
        browser.run("document.getElementById('live-drawing').scrollIntoView({block: 'center'})")
        draw(browser)
        first = "performance.getEntriesByName('live-answer')[0]"
        browser.wait_for(f"{first} && document.documentElement.dataset.live && !{BUSY}")
        took = {"first": [browser.run(f"{first}.startTime + {first}.duration")]}
        browser.run("document.getElementById('live-clear').click(); performance.clearMeasures()")
        draw(browser)
        browser.wait_for(f"strokes.length === 1 && !stroke && !{BUSY}")
        took["digits"] = browser.run(TOOK)
        browser.run("performance.clearMeasures()")
        for number in range(AGAIN):
            browser.choose("#live-photo-file", photo)
            browser.wait_for(f"{TOOK}.length > {number} && !{BUSY}")
        took["pictures"] = browser.run(TOOK)
        return took


def main() -> None:
    """Measure, record, say."""
    course = Course()
    if not CHROMIUM or not (course.html / PAGE).exists():
        raise UserError("it needs Chromium and the built book: make runtime, make book")
    took: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place, served(course.html) as server:
        photo = Path(place) / "photo.jpg"
        colours = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(colours).resize(PHOTO, Image.Resampling.BICUBIC).save(photo)
        for load in range(LOADS):
            found = time_once(server + PAGE, photo, Path(place) / str(load))
            for kind, times in found.items():
                took[kind] += times
    numbers: dict[str, float] = {"loads": LOADS}
    for kind, times in took.items():
        told = {"median": statistics.median(times), "max": max(times), "answers": len(times)}
        print(kind, *(f"{name} {value:.4g}" for name, value in told.items()))
        numbers |= {f"{kind}_{name}": round(value, 1) for name, value in told.items()}
    add_numbers(course.results, "live.milliseconds", **numbers)


if __name__ == "__main__":
    run_tool(main)
