"""The command line: measure, show, write."""

import json
import sys
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch

from benchmarks import accuracy, minutes, steps, throughput
from benchmarks.measure import ProcessError, setting, tell
from benchmarks.report import filled, markdown, tables
from benchmarks.tasks import FULL, QUICK, Profile
from commands.flags import Parser, out_path
from commands.signals import Stopped, stop_on_signals
from helpers.data.load import SampleWarning, load
from helpers.support.errors import UserError
from helpers.support.files import write_atomically
from helpers.training import best_device

FOLDER = Path(__file__).resolve().parent
RESULTS, README = FOLDER / "results.json", FOLDER / "README.md"
QUICK_RESULTS = FOLDER / "results-quick.json"
PARTS = ("throughput", "peak", "steps", "accuracy", "minutes", "start")
# The parts that are timed in rounds; the other two train to the end.
TIMED = {
    "throughput": throughput.throughput,
    "peak": throughput.peak,
    "steps": steps.measure,
    "start": throughput.start,
}


def main(argv: list[str] | None = None, profile: Profile | None = None) -> int:
    """Measure, show, write; returns the exit status.

    0: done. 1: the machine gave out. 2: a mistake of the user, told in one line. 130 and 143:
    stopped by Ctrl-C and SIGTERM, along with the process that was training.
    """
    warnings.showwarning = lambda message, *_, **__: tell(f"warning: {message}")
    warnings.simplefilter("always", SampleWarning)
    text = "Measure this course's training beside the usual one, and beside the machine."
    parser = Parser(prog="python -m benchmarks", description=text, allow_abbrev=False)
    add = parser.add_argument
    add("--quick", action="store_true", help="a rougher look")
    add("--only", choices=PARTS, help="measure this part; the results keep their other parts")
    add("--goal", type=float, metavar="A", help="of the accuracy part, this goal alone: 0.9")
    text = "of the minutes part, the trainings with this seed that are not there yet"
    add("--seed", type=int, metavar="S", help=text)
    text = "timed rounds of everything; in accuracy and minutes, trainings with another seed"
    add("--repetitions", type=int, metavar="N", help=text)
    text = f"default: {RESULTS.name} in this folder, with --quick {QUICK_RESULTS.name}"
    add("--out", type=out_path, metavar="FILE", help=text)
    add("--readme", action="store_true", help="measure nothing; show what there is")
    try:
        with stop_on_signals():
            options = parser.parse_args(argv)
            options.out = Path(options.out or (QUICK_RESULTS if options.quick else RESULTS))
            results = read(options.out)
            if not options.readme:
                measure(options, profile or (QUICK if options.quick else FULL), results)
            write(options.out, results)
            print(markdown(results))
            return 0
    except (UserError, OSError) as error:
        message, status = str(error), 2
    except (ProcessError, torch.OutOfMemoryError) as error:
        message, status = str(error).splitlines()[0], 1
    except Stopped as stopped:
        message, status = f"stopped by {stopped}; what was measured is written", stopped.status
    tell(f"python -m benchmarks: {message}")
    return status


def measure(options: Namespace, profile: Profile, results: dict[str, Any]) -> None:
    """Measure what is wanted; write each part, and where a part trains to the end each training,
    when it is done. The results keep the rest.
    """
    goals = [goal for goal in profile.goals if options.goal in (None, goal.accuracy)]
    if not goals:
        known = ", ".join(f"{goal.accuracy:g}" for goal in profile.goals)
        raise UserError(f"--goal {options.goal:g}: choose from {known}")
    if options.repetitions is not None and options.repetitions < 1:
        raise UserError(f"--repetitions {options.repetitions}: must be at least 1")
    write(options.out, results)  # lest we measure and then cannot
    if options.seed is not None and (options.only not in (None, "minutes") or options.repetitions):
        raise UserError("--seed: it is of the minutes part, and does not go with --repetitions")
    only = options.only
    if only is None and options.goal is not None:
        only = "accuracy"
    elif only is None and options.seed is not None:
        only = "minutes"
    device, datasets = best_device(), {name: load(name) for name in profile.datasets}
    for part in [only] if only else PARTS:
        if part == "accuracy":
            seeds, known = options.repetitions or profile.seeds, results.setdefault(part, {})
            for goal, found in accuracy.measure(profile, goals, datasets, device, seeds):
                known.setdefault("goals", {})[str(goal)] = found
                write(options.out, results)
        elif part == "minutes":
            about = setting(profile.name, 1, device)
            if options.seed is None:
                seeds, known = [*range(options.repetitions or profile.seeds)], []
            else:
                seeds, known = [options.seed], trainings_like(about, results, options.seed)
            for found in minutes.measure(profile, datasets, seeds, known):
                count = len({run["seed"] for run in found["runs"]})
                results[part] = {"setting": about | {"repetitions": count}} | found
                write(options.out, results)
        else:
            count = options.repetitions or profile.repetitions
            found = {"setting": setting(profile.name, count, device)}
            results[part] = found | TIMED[part](profile, datasets, device, count)
            write(options.out, results)


def trainings_like(
    about: dict[str, Any], results: dict[str, Any], seed: int
) -> list[dict[str, Any]]:
    """The trainings of the minutes part; a UserError if `about`, a setting, is not theirs."""
    if (part := results.get("minutes")) is None:
        return []
    for name, value in about.items():
        if name != "repetitions" and part["setting"][name] != value:
            raise UserError(
                f"--seed {seed}: the other trainings have {name} {part['setting'][name]}, this one "
                f"would have {value}; leave out --seed, or name another file with --out"
            )
    return part["runs"]


def read(path: Path) -> dict[str, Any]:
    """Earlier results, if there are any; a UserError, if they are not of this version."""
    try:
        results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        tables(results)
        return results
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"--out {path}: holds no results of this version") from error


def published() -> list[Path]:
    """The results that the README shows: the main ones, and those of other processors."""
    return [RESULTS, *sorted(FOLDER.glob("results-on-*.json"))]


def write(path: Path, results: dict[str, Any]) -> None:
    """Write the results; those that are published go into the README, too."""
    text = json.dumps({part: results[part] for part in PARTS if part in results}, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
    if path.resolve() in published():
        readme = filled(README.read_text(encoding="utf-8"), *map(read, published()))
        write_atomically(README, lambda file: file.write(readme.encode()))


if __name__ == "__main__":
    sys.exit(main())
