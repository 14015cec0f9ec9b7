"""The gallery of the book: every recorded model, accuracy against seconds and against parameters.

Drawn as SVG with a link on every point, and told in a table, from book/results.json and what
benchmarks/ stores; book/_static/gallery.js only adds to what is there without scripts.
"""

import json
import math
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

from helpers.models import build_model, count_parameters
from tools.book.chart import BLUE, ORANGE
from tools.course import Course

MARKER = "<!-- gallery -->"
SETS = {"mnist": ("MNIST", (1, 28, 28)), "cifar10": ("CIFAR-10", (3, 32, 32))}
# Their result, name, the chapter that records it, and the flags of train.py for the same model.
CHAPTERS = (
    ("softmax", "Softmax regression", "02_linear_model", "--model softmax"),
    ("one_hidden", "One hidden layer", "02_linear_model", ""),
    ("linear", "Linear, 120-84-10", "02_linear_model", "--model linear"),
    ("cnn_large", "CNN, large", "03_cnn", "--model cnn --size large"),
)
FAST_SIZES = {"mnist 0.99": "small", "mnist 0.995": "middle"}  # the others are large
WITHOUT = {"mnist": "nearest_image", "cifar10": "nearest_thumbnail"}  # best of chapter 1
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 360, 70, 14, 34, 58
SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
AXES = {
    "seconds": ("Training (seconds)", (2, 4000), (10, 100, 1000)),
    "parameters": ("Parameters", (6e3, 3e6), (1e4, 1e5, 1e6)),
}


class Entry(NamedTuple):
    """One model on one data set; what is not recorded is None."""

    letter: str
    name: str
    data: str
    val: float | None
    test: float | None
    seconds: float | None
    parameters: int | None
    runs: int
    page: str
    command: str


def _chapters(results: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for key, name, page, flags in CHAPTERS:
        for data in SETS:
            if found := results.get(f"{key}.{data}"):
                # The test split is for the model that was chosen.
                test = found.get("test_accuracy") if key in ("linear", "cnn_large") else None
                numbers = found["val_accuracy"], test, found["seconds"], found["parameters"]
                command = f"python train.py {flags} --dataset {data}" if flags else ""
                yield name, data, *numbers, 1, f"../notebooks/{page}.html", command
    if found := results.get("optimizers.final"):
        best = max(v["val_accuracy"] for k, v in results.items() if k.startswith("optimizers.")
                   and "val_accuracy" in v)  # fmt: skip
        numbers = best, found["test_accuracy"], None, found["parameters"]
        page = "../notebooks/04_optimizer_comparison.html"
        yield "CNN, small, best optimizer", "cifar10", *numbers, 5, page, ""
    if found := results.get("lightning.mnist"):
        numbers = None, found["test_accuracy"], found["seconds"], None
        yield "CNN, small, in Lightning", "mnist", *numbers, 1, "../notebooks/05_lightning.html", ""


def _benchmarks(stored: Mapping[str, Any], readme: str) -> Iterator[tuple[Any, ...]]:
    for goal, found in stored.get("accuracy", {}).get("goals", {}).items():
        data = goal.split()[0]
        for who, told in found["contestants"].items():
            vals = [max(r["val_accuracy"]) for r in found["runs"] if r["contestant"] == who]
            test = told["test_accuracy"] and told["test_accuracy"]["mean"]
            size, parameters = FAST_SIZES.get(goal, "large"), None
            if who == "fit":
                model = build_model("fastcnn", SETS[data][1], 10, size)
                name, parameters = f"Fast CNN, {size}", count_parameters(model)
            else:
                name = "Large CNN, the usual loop"
            epochs = f"{told['epochs']} epoch" + "s" * (told["epochs"] > 1)
            command = f"python -m benchmarks --goal {found['accuracy']}"
            numbers = mean(vals), test, told["total_seconds"]["median"], parameters
            yield f"{name}, {epochs}", data, *numbers, told["runs"], readme, command


def _muon(
    runs: list[dict[str, Any]], ends: list[dict[str, Any]], readme: str
) -> Iterator[tuple[Any, ...]]:
    """The recipe in `runs`, by precision and length, and the longest of `ends` before it."""
    parameters = runs[0]["parameters"] if runs else None
    for end in [end for end in ends if end["contestant"] == "muon"][-1:]:
        accuracies = end["val_accuracy"]["mean"], end["test_accuracy"]["mean"]
        numbers = *accuracies, end["seconds"]["median"], parameters
        name, command = f"CNN with Muon, {end['epochs']} epochs", "python -m benchmarks"
        yield name, "cifar10", *numbers, end["runs"], readme, f"{command} --only minutes"
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in runs:
        others = {name: value for name, value in run["settings"].items() if name != "seed"}
        groups.setdefault((run["precision"], json.dumps(others)), []).append(run)
    for (precision, _), alike in groups.items():
        epochs, parts = (alike[0]["settings"][name] for name in ("epochs", "parts"))
        test = mean(run["test_accuracy"] for run in alike)
        seconds = median(run["seconds"][-1] for run in alike)
        name = f"CNN with Muon, {epochs} epochs, all images, {precision}"
        changes = f"epochs={epochs} parts={parts} precision={precision}"
        command = f"python -m benchmarks.muon --set {changes}"
        yield name, "cifar10", None, test, seconds, parameters, len(alike), readme, command


def _stored(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def entries(course: Course) -> list[Entry]:
    """Every model that has a recorded accuracy, by data set and then by accuracy."""
    results, folder = _stored(course.results), course.root / "benchmarks"
    measured = _stored(folder / "results.json")
    readme = f"{course.repository}/blob/{course.branch}/benchmarks/README.md"
    found = [
        *_chapters(results),
        *_benchmarks(measured, readme),
        *_muon(_stored(folder / "muon.json"), measured.get("minutes", {}).get("ends", []), readme),
    ]
    found.sort(key=lambda row: (list(SETS).index(row[1]), row[2] or row[3] or 0))
    return [Entry(chr(ord("A") + place), *row) for place, row in enumerate(found)]


def _panel(rows: list[Entry], data: str, axis: str, line: float | None) -> str:
    """One picture: accuracy upwards, seconds or parameters to the right."""
    title, (low, high), ticks = AXES[axis]
    shown = [row for row in rows if row.data == data and row.val and getattr(row, axis)]
    heights = [row.val or 0 for row in shown] + ([line] if line else [])
    floor, roof = (math.log(1 - share) for share in (min(heights) - 0.02, max(heights)))
    roof -= 0.25

    def x(value: float) -> float:
        part = math.log(value / low) / math.log(high / low)
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    def y(share: float) -> float:
        part = (math.log(1 - share) - floor) / (roof - floor)
        return round(HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP), 1)

    name = SETS[data][0]
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="group" '
        f'aria-label="{name}: accuracy against {axis}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="21" font-weight="bold">{name}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">{title}</text>',
    ]
    bottom = HEIGHT - BOTTOM
    for tick in ticks:
        parts.append(f'<path d="M{x(tick)} {TOP}V{bottom}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x(tick)}" y="{bottom + 20}" text-anchor="middle">{tick:,.0f}</text>'
        )
    for share in SHARES:
        if TOP <= y(share) <= bottom:
            parts.append(f'<path d="M{LEFT} {y(share)}H{WIDTH - RIGHT}" stroke="#ddd"/>')
            text = f"{100 * share:g} %"
            parts.append(f'<text x="{LEFT - 6}" y="{y(share) + 6}" text-anchor="end">{text}</text>')
    if line:
        dashes = 'stroke="#555" stroke-dasharray="5 4"'
        parts.append(f'<path d="M{LEFT} {y(line)}H{WIDTH - RIGHT}" {dashes}/>')
    for row in shown:
        across, up = x(getattr(row, axis)), y(row.val or 0)
        is_cnn = "CNN" in row.name
        mark = (
            f'<rect x="{across - 10}" y="{up - 10}" width="20" height="20" fill="{ORANGE}"/>'
            if is_cnn
            else f'<circle cx="{across}" cy="{up}" r="11" fill="{BLUE}"/>'
        )
        colour = "#000" if is_cnn else "#fff"
        parts.append(
            f'<a href="{row.page}" data-letter="{row.letter}" aria-label="{_told(row)}">{mark}'
            f'<text x="{across}" y="{up + 5.5}" text-anchor="middle" font-size="15" '
            f'fill="{colour}">{row.letter}</text></a>'
        )
    return "\n".join([*parts, "</svg>"])


def _told(row: Entry) -> str:
    """A row of the table in words, for its points."""
    parts = [f"{100 * row.val:.2f} % on validation" if row.val else "validation not recorded"]
    parts += [f"{100 * row.test:.2f} % on test"] if row.test else []
    parts += [f"{row.seconds:,.0f} s"] if row.seconds else []
    parts += [f"{row.parameters:,} parameters"] if row.parameters else []
    parts += ["one run" if row.runs == 1 else f"{row.runs} runs"]
    return escape(f"{row.letter}, {row.name}, {SETS[row.data][0]}: {', '.join(parts)}")


def _line(row: Entry) -> str:
    """A row of the table."""
    cells = [
        f"{100 * row.val:.2f} %" if row.val else "–",
        f"{100 * row.test:.2f} %" if row.test else "–",
        f"{row.seconds:,.0f}" if row.seconds else "–",
        f"{row.parameters:,}" if row.parameters else "–",
        f"{row.runs}",
    ]
    numbers = "".join(f"<td>{cell}</td>" for cell in cells)
    words = " ".join(f"<span>{word}</span>" for word in row.command.split())
    made = f"<code>{words}</code>" if words else ""
    return (
        f'<tr id="model-{row.letter}" data-seconds="{row.seconds or ""}"><td>{row.letter}</td>'
        f'<td><a href="{row.page}">{row.name}</a>{made}</td><td>{SETS[row.data][0]}</td>'
        f"{numbers}</tr>"
    )


def with_gallery(text: str, course: Course) -> str:
    """The page with pictures and table where its marker is."""
    if MARKER not in text:
        return text
    rows = entries(course)
    results = json.loads(course.results.read_text(encoding="utf-8"))
    panels = []
    for data in SETS:
        line = results.get(f"baselines.{'digits' if data == 'mnist' else 'colour'}.{WITHOUT[data]}")
        panels += [_panel(rows, data, axis, line and line["val_accuracy"]) for axis in AXES]
    names = "|Model|Data set|Validation|Test|Seconds|Parameters|Runs".split("|")
    head = "".join(f"<th>{name}</th>" for name in names)
    made = [
        '<div class="demo" id="gallery">',
        '<div class="gallery-panels">',
        *panels,
        "</div>",
        "</div>",
        '<div class="gallery-table"><table class="table">',
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
        *map(_line, rows),
        "</tbody></table></div>",
        '<script defer src="../_static/gallery.js"></script>',
    ]
    return text.replace(MARKER, "\n".join(made))
