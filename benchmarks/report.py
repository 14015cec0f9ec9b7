"""The results as tables: on the terminal, and in the README of this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.limit import SHARES
from benchmarks.profiles import BASELINE, CONTESTANTS
from benchmarks.targets import target_rows

OPENING, CLOSING = "<!-- benchmarks -->", "<!-- /benchmarks -->"
Results = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A title, a line that says what belongs beside the numbers, a header, and rows of text."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(results: Results) -> list[Table]:
    """All tables of the parts that were measured."""
    makers: dict[str, tuple[Callable[[Results], Table], ...]] = {
        "throughput": (ratio_table, rate_table),
        "limit": (limit_table, share_table),
        "accuracy": (goal_table, test_table),
        "growth": (growth_table,),
        "start": (start_table,),
    }
    found = [make(results[part]) for part in makers if part in results for make in makers[part]]
    return [target_table(results), *found] if target_rows(results) else found


def target_table(results: Results) -> Table:
    """What is wanted beside what was measured."""
    note = "Of several cases, the one furthest from what is wanted; median (smallest – largest), "
    note += "for the test accuracy mean (minus – plus one standard deviation)."
    header = ("what", "case", "wanted", "measured", "reached")
    return Table("Targets", note, header, target_rows(results))


def ratio_table(part: Results) -> Table:
    """How many times as fast as the usual loop each contestant is."""
    rows = []
    for each in part["comparisons"]:
        base = number(each["images_per_second"][BASELINE]["median"])
        faster = [times(each["ratio"][name]["median"]) for name in CONTESTANTS if name != BASELINE]
        rows.append((f"{each['model']}, {each['dataset']}", base, *faster))
    others = [label for name, label in CONTESTANTS.items() if name != BASELINE]
    header = ("model, data", "usual loop (images/s)", *others)
    note = f"How many times as fast as the usual loop; {described(part)}"
    return Table("Throughput: ratios", note, header, rows)


def rate_table(part: Results) -> Table:
    """Images per second of every contestant, with their spread."""
    rows = []
    for each in part["comparisons"]:
        rates = [spread(each["images_per_second"][name], number) for name in CONTESTANTS]
        about = f"{each['images']:,} images, batches of {each['batch_size']}, {each['precision']}"
        rows.append((f"{each['model']}, {each['dataset']}", about, *rates))
    header = ("model, data", "epoch", *CONTESTANTS.values())
    note = "Images per second of training: median (smallest – largest); " + sources(
        part["comparisons"]
    )
    return Table("Throughput: images per second", note, header, rows)


def limit_table(part: Results) -> Table:
    """What part of the machine's fastest matrix product the training reaches."""
    rows = [
        (
            f"{each['model']}, {each['dataset']}",
            f"{each['flops_per_image'] / 1e6:,.2f}",
            spread(each["images_per_second"], number),
            each["precision"],
            spread(each["part_of_peak"], percent),
        )
        for each in part["models"]
    ]
    header = ("model, data", "MFLOP an image", "images/s of fit", "precision", "part of the peak")
    peaks = ", ".join(
        f"{name} {peak['flops_per_second']['median'] / 1e9:,.0f} GFLOP/s "
        f"({peak['matrix_size']} × {peak['matrix_size']})"
        for name, peak in part["peak"].items()
    )
    note = f"Peak of the matrix product: {peaks}; {described(part)}"
    return Table("Distance to the limit", note, header, rows)


def share_table(part: Results) -> Table:
    """Where the time of fit's steps goes."""
    rows = [
        (
            f"{each['model']}, {each['dataset']}",
            *(percent(each["share"][name]["median"]) for name in SHARES),
        )
        for each in part["models"]
    ]
    return Table("Where a step's time goes", described(part), ("model, data", *SHARES), rows)


def goal_table(part: Results) -> Table:
    """Seconds to every goal, how often it was reached, and how many times faster that is."""
    rows = []
    for goal in part["goals"].values():
        for name, each in goal["contestants"].items():
            ratio = goal["ratio"] if name == "fit" else None
            rows.append(
                (
                    goal_title(goal),
                    CONTESTANTS[name],
                    str(each["epochs"]),
                    f"{each['reached']} of {each['runs']}",
                    optional(each["seconds_to_goal"], lambda s: spread(s, seconds)),
                    optional(ratio, lambda r: spread(r, times)),
                )
            )
    header = ("goal on validation", "training", "epochs", "reached", "seconds to the goal")
    note = "Median (smallest – largest) of the trainings that reached the goal; "
    return Table(
        "Time to accuracy",
        note + described_goals(part),
        (*header, "usual loop's seconds / these"),
        rows,
    )


def test_table(part: Results) -> Table:
    """What the whole trainings give and take."""
    rows = []
    for goal in part["goals"].values():
        for name, each in goal["contestants"].items():
            rows.append(
                (
                    goal_title(goal),
                    CONTESTANTS[name],
                    optional(each["test_accuracy"], mean_and_std),
                    optional(each["test_accuracy_flips"], mean_and_std),
                    spread(each["total_seconds"], seconds),
                    spread(each["load_seconds"], seconds),
                    optional(each["memory_peak"], lambda m: spread(m, megabytes)),
                )
            )
    header = ("goal on validation", "training", "test accuracy", "with flips", "seconds in all")
    note = "Test accuracy with the weights that were best on validation: mean ± standard "
    note += "deviation over the seeds. The rest: median (smallest – largest); "
    return Table(
        "After the whole training",
        note + sources(list(part["goals"].values())),
        (*header, "seconds to load", "peak memory (MB)"),
        rows,
    )


def goal_title(goal: Results) -> str:
    return f"{goal['dataset']}, {100 * goal['accuracy']:g} %"


def described_goals(part: Results) -> str:
    """The machine of every goal, once where it is the same; how often, the rows say."""
    return " ".join(dict.fromkeys(f"{machine(goal)}." for goal in part["goals"].values()))


def start_table(part: Results) -> Table:
    """Seconds of imports and of loading."""
    rows = [
        ("import torch", spread(part["imports"]["torch"], seconds)),
        ("what train.py imports besides", spread(part["imports"]["train"], seconds)),
    ]
    rows += [
        (f"load {each['dataset']}", spread(each["seconds"], seconds)) for each in part["loads"]
    ]
    note = "Median (smallest – largest); " + sources(part["loads"]) + f" {described(part)}"
    return Table("Start", note, ("step", "seconds"), rows)


def growth_table(part: Results) -> Table:
    """Seconds an epoch and peak memory, by what changes."""
    base = part["base"]
    fixed = f"{base['images']:,} images, CNN {base['size']}, batches of {base['batch_size']}, "
    note = f"Everything else is as in the base: {fixed}threads: {base['threads']}, "
    note += "processes: 1. Several processes have one thread each and share every batch; their "
    note += f"base is one process with one thread. {part['dataset']}; {described(part)}"
    header = ("what changes", "seconds an epoch", "times the base", "peak memory (MB)", "precision")
    return Table("Growth", note, header, [growth_row(point) for point in part["points"]])


def growth_row(point: Results) -> tuple[str, ...]:
    """One point, by the respect in which it is looked at."""
    value = point[point["axis"]]
    changed = f"{value:,}" if isinstance(value, int) else str(value)
    return (
        f"{point['axis'].replace('_', ' ')}: {changed}",
        spread(point["seconds"], seconds),
        times(point["ratio"]["median"]),
        growth_memory(point),
        point["precision"],
    )


def growth_memory(point: Results) -> str:
    """The peak of the process; of several, the largest one's and the sum of all."""
    if point["memory_peak"] is None:
        return "unknown"
    largest = spread(point["memory_peak"], megabytes)
    if point["processes"] == 1:
        return largest
    return f"{largest}; all: {megabytes(point['memory_total']['median'])}"


def described(part: Results) -> str:
    """The machine and the run, in a line."""
    return f"{machine(part)}, median of {part['setting']['repetitions']}."


def machine(part: Results) -> str:
    """The machine, the version of PyTorch and the profile."""
    where = part["setting"]
    device = "" if where["device"] == "cpu" else f"{where['device']}, "
    return (
        f"{device}{where['cpu']}, {where['threads']} of {where['cores']} cores, "
        f"PyTorch {where['versions']['torch']}, {where['profile']} profile"
    )


def sources(entries: list[Results]) -> str:
    """Where the pixels came from, each source once."""
    return "data: " + "; ".join(dict.fromkeys(each["source"] for each in entries)) + "."


def number(value: float) -> str:
    return f"{value:,.0f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def seconds(value: float) -> str:
    return f"{value:.3g}"


def megabytes(value: float) -> str:
    return f"{value / 1e6:,.0f}"


def times(value: float) -> str:
    return f"{value:.2f}×"


def mean_and_std(value: dict[str, float | None]) -> str:
    """Mean ± standard deviation in percent; the mean alone where there is one value."""
    mean = f"{100 * value['mean']:.2f}"
    return f"{mean} %" if value["std"] is None else f"{mean} ± {100 * value['std']:.2f} %"


def optional(value: Any, write: Callable[[Any], str]) -> str:
    return "–" if value is None else write(value)


def spread(summary: dict[str, float], write: Callable[[float], str]) -> str:
    """Median (smallest – largest)."""
    return f"{write(summary['median'])} ({write(summary['min'])} – {write(summary['max'])})"


def print_tables(results: Results, console: Console | None = None) -> None:
    """All tables on standard output."""
    console = console or Console()
    for table in tables(results):
        drawn = RichTable(title=table.title, caption=table.note, title_justify="left")
        for position, name in enumerate(table.header):
            drawn.add_column(name, justify="left" if position == 0 else "right")
        for row in table.rows:
            drawn.add_row(*row)
        console.print(drawn)


def markdown(results: Results) -> str:
    """All tables for the README."""
    lines = [] if results else ["Not measured yet.", ""]
    for table in tables(results):
        lines += [f"### {table.title}", "", table.note, ""]
        lines.append(line(table.header))
        lines.append("|---" + "|---:" * (len(table.header) - 1) + "|")
        lines += [*map(line, table.rows), ""]
    return "\n".join(lines)


def line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def filled(text: str, results: Results) -> str:
    """`text` with the tables between its two markers.

    Raises:
        ValueError: a marker is missing.
    """
    before, opening, rest = text.partition(OPENING)
    _, closing, after = rest.partition(CLOSING)
    if not (opening and closing):
        raise ValueError(f"the markers {OPENING} and {CLOSING} are missing")
    return f"{before}{OPENING}\n\n{markdown(results)}\n{CLOSING}{after}"
