"""The chart of the first page: the test accuracy of four models, drawn from book/results.json.

As plain SVG, so that it follows from the numbers byte by byte, and tools/generate.py can hold it in
step with them as it does the text.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

BLUE, ORANGE = "#0072B2", "#E69F00"  # as in all figures
SETS = {"mnist": "MNIST: handwritten digits", "cifar10": "CIFAR-10: photographs"}
MODELS = {  # the key of a result: its name and colour
    "softmax": ("softmax regression", BLUE),
    "linear": ("linear, 120-84-10", BLUE),
    "cnn_large": ("CNN, large", ORANGE),
    "fastcnn": ("fast CNN", ORANGE),
}
IMAGES = 10_000  # in either test split
CLASSES = 10
WIDTH, LEFT, BAR = 560, 150, 280  # of the picture, of the names, of a bar of 100 %
ROW = 30


def _bar(name: str, colour: str, result: Mapping[str, Any], y: int) -> str:
    """One row: name, bar, interval, accuracy and seconds."""
    accuracy = result["test_accuracy"]
    half = 1.96 * sqrt(accuracy * (1 - accuracy) / IMAGES)
    ends = [LEFT + BAR * min(1, accuracy + side * half) for side in (-1, 1)]
    middle = y + ROW / 2
    return f"""\
<text x="{LEFT - 10}" y="{middle + 5}" text-anchor="end">{name}</text>
<rect x="{LEFT}" y="{y + 4}" width="{BAR * accuracy:.1f}" height="{ROW - 8}" fill="{colour}"/>
<path d="M{ends[0]:.1f} {middle}H{ends[1]:.1f}" stroke="#000" stroke-width="3"/>
<text x="{LEFT + BAR + 10}" y="{middle + 5}">{100 * accuracy:.1f} %\
<tspan fill="#555" dx="8">{result["seconds"]:.0f} s</tspan></text>
"""


def chart(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The chart as SVG; empty before anything is recorded."""
    rows, y = "", 8
    for data, title in SETS.items():
        known = [key for key in MODELS if f"{key}.{data}" in results]
        if not known:
            continue
        rows += f'<text x="{LEFT}" y="{y + 18}" font-weight="bold">{title}</text>\n'
        top = y = y + 28
        for key in known:
            name, colour = MODELS[key]
            rows += _bar(name, colour, results[f"{key}.{data}"], y)
            y += ROW
        for share, dashes in ((0, ""), (1 / CLASSES, ' stroke-dasharray="4 4"'), (1, "")):
            x, anchor = LEFT + BAR * share, "middle" if share else "end"
            rows += f'<path d="M{x:g} {top}V{y}" stroke="#555"{dashes}/>\n'
            rows += (
                f'<text x="{x:g}" y="{y + 17}" text-anchor="{anchor}" font-size="13" '
                f'fill="#555">{100 * share:g} %</text>\n'
            )
        y += 34
    if not rows:
        return ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" '
        f'height="{y}" font-family="sans-serif" font-size="15">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>\n{rows}</svg>\n'
    )
