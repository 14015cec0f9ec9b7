"""The results as tables."""

from typing import Any

from benchmarks.minutes import CONTESTANTS
from benchmarks.throughput import BASELINE, WAYS

OPENING, CLOSING = "<!-- benchmarks -->", "<!-- /benchmarks -->"
Results = dict[str, Any]
Table = tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]  # title, note, header, rows


def tables(results: Results) -> list[Table]:
    """The tables of the parts that were measured."""
    makers = {"throughput": throughput, "peak": peak, "steps": steps, "accuracy": accuracy}
    makers |= {"minutes": minutes, "start": start}
    return [make(results) for part, make in makers.items() if part in results]


def throughput(results: Results) -> Table:
    """Images a second of the usual loop, the ratios, and what part of the peak `fit` reaches."""
    rows = []
    for each in results["throughput"]["comparisons"]:
        rates, precision = each["images_per_second"], each["precision"]
        kinds = results.get("peak", {}).get("rates", {}).get(precision, {}).values()
        peak = max((kind["flops_per_second"]["median"] for kind in kinds), default=float("inf"))
        part = f"{100 * each['flops_per_image'] * rates['fit']['median'] / peak:.1f} %"
        about = f"{each['images']:,} images in batches of {each['batch_size']}, {precision}"
        others = [spread(each["ratio"][name], "{:.2f}×") for name in WAYS if name != BASELINE]
        names = (f"{each['model']}, {each['dataset']}", about)
        rows.append((*names, spread(rates[BASELINE]), *others, part if kinds else "–"))
    note = "The usual loop's images per second, and how many times that the others reach. "
    note += machine(results["throughput"], results["throughput"]["comparisons"])
    header = ("model, data", "epoch", *(label for label, _ in WAYS.values()))
    return "Throughput", note, (*header, "fit's part of the peak"), rows


def peak(results: Results) -> Table:
    """The fastest matrix product and convolution in each precision."""
    rows = [
        (precision, kind, found["shape"], spread(found["flops_per_second"], scale=1e-9))
        for precision, kinds in results["peak"]["rates"].items()
        for kind, found in kinds.items()
    ]
    header = ("precision", "kind", "shape", "GFLOP/s")
    return "Peak of the machine", machine(results["peak"]), header, rows


def steps(results: Results) -> Table:
    """Milliseconds a step of `fit`, and what part of them the other ways take."""
    rows = []
    for each in results["steps"]["comparisons"]:
        milliseconds, ratios = each["milliseconds"], each["ratio"]
        others = [spread(ratios.get(name), "{:.2f}×") for name in ("compiled", "hand", "products")]
        name, compiling = f"{each['model']}, {each['dataset']}", f"{each['start_up_seconds']:.0f}"
        rows.append((name, spread(milliseconds["fit"], "{:.2f}"), *others, compiling))
    header = ("model, data", "fit, milliseconds", "compiled", "gradients by hand")
    header += ("matrix products alone", "seconds to compile")
    return "A step", machine(results["steps"], results["steps"]["comparisons"]), header, rows


def accuracy(results: Results) -> Table:
    """Seconds to every goal, how often it was reached, and what the whole trainings give."""
    goals, rows = list(results["accuracy"]["goals"].values()), []
    for goal in goals:
        for name, each in goal["contestants"].items():
            what = f"{goal['dataset']}, {100 * goal['accuracy']:g} %", WAYS[name][0]
            counts = str(each["epochs"]), f"{each['reached']} of {each['runs']}"
            keys = ("seconds_to_goal", "total_seconds")
            seconds = [spread(each[key], "{:,.1f}") for key in keys]
            rows.append((*what, *counts, *seconds, mean_and_std(each["test_accuracy"])))
    header = ("goal on validation", "training", "epochs", "reached", "seconds to the goal")
    header += ("seconds in all", "test accuracy")
    note = "Seconds to the goal are of the trainings that reached it. Test accuracy: mean ± "
    note += "standard deviation over the seeds, with the weights that were best on validation. "
    note += " ".join(dict.fromkeys(machine(goal, goals) for goal in goals))
    return "Time to accuracy", note, header, rows


def minutes(results: Results) -> Table:
    """What whole trainings of several lengths take and give; of the usual loop, every epoch."""
    part = results["minutes"]
    rows = [
        (
            *(CONTESTANTS[end["contestant"]], end["precision"]),
            *(str(end[key]) for key in ("epochs", "runs")),
            spread(end["seconds"]),
            *(mean_and_std(end[accuracy]) for accuracy in ("val_accuracy", "test_accuracy")),
        )
        for end in part["ends"]
    ]
    note = "Accuracies: mean ± standard deviation over the seeds. "
    header = ("training", "precision", "epochs", "seeds", "seconds")
    header += ("validation accuracy", "test accuracy")
    return "Accuracy after minutes", note + machine(part, [part]), header, rows


def start(results: Results) -> Table:
    """Seconds of imports and programs."""
    found = results["start"]["seconds"].items()
    rows = [(what, spread(seconds, "{:.3g}")) for what, seconds in found]
    return "Start", machine(results["start"]), ("from the prompt to the end", "seconds"), rows


def machine(part: Results, entries: list[Results] | None = None) -> str:
    """How the numbers are given, the machine, and where the pixels came from."""
    where, sources = part["setting"], dict.fromkeys(each["source"] for each in entries or [])
    device = "" if where["device"] == "cpu" else f"{where['device']}, "
    text = f"Median (smallest – largest); {device}{where['cpu']}, {where['threads']} of "
    text += f"{where['cores']} cores, PyTorch {where['versions']['torch']}, "
    text += f"{where['profile']} profile."
    return f"{text} Data: {'; '.join(sources)}." if sources else text


def spread(found: dict[str, float] | None, form: str = "{:,.0f}", scale: float = 1.0) -> str:
    """Median (smallest – largest)."""
    if found is None:
        return "–"
    median, low, high = (form.format(scale * found[key]) for key in ("median", "min", "max"))
    return f"{median} ({low} – {high})"


def mean_and_std(found: dict[str, float | None] | None) -> str:
    """Mean ± standard deviation in percent; the mean alone where there is one value."""
    if found is None:
        return "–"
    std = "" if found["std"] is None else f" ± {100 * found['std']:.2f}"
    return f"{100 * found['mean']:.2f}{std} %"


def markdown(*several: Results) -> str:
    """All tables, for the README and for the terminal; those of one part stand together."""
    lines = []
    found = [table for results in several for table in tables(results)]
    order = list(dict.fromkeys(title for title, *_ in found))
    for title, note, header, rows in sorted(found, key=lambda table: order.index(table[0])):
        rule = ("---", *["---:"] * (len(header) - 1))
        lines += [f"### {title}", "", note, ""]
        lines += [*(f"| {' | '.join(row)} |" for row in (header, rule, *rows)), ""]
    return "\n".join(lines or ["Not measured yet.", ""])


def filled(text: str, *several: Results) -> str:
    """`text` with the tables between its two markers."""
    before, rest = text.split(OPENING)
    return f"{before}{OPENING}\n\n{markdown(*several)}\n{CLOSING}{rest.split(CLOSING)[1]}"
