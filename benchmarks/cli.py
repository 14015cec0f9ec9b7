"""The command line: measure, show, write."""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from benchmarks import accuracy, growth, limit, start, throughput
from benchmarks.measure import cores, setting
from benchmarks.processes import ProcessError
from benchmarks.profiles import FULL, PARTS, QUICK, Goal, Profile
from benchmarks.report import filled, print_tables, tables
from commands.flags import Parser
from commands.signals import Stopped, stop_on_signals
from helpers.data.batches import ImageData
from helpers.data.load import SampleWarning, load
from helpers.errors import DataError, UserError
from helpers.files import write_atomically
from helpers.training import best_device

PROGRAM = "python -m benchmarks"
FOLDER = Path(__file__).resolve().parent
RESULTS, README = FOLDER / "results.json", FOLDER / "README.md"
QUICK_RESULTS = FOLDER / "results-quick.json"
FAILED, USAGE_ERROR = 1, 2
MEASURE = {
    "throughput": throughput.measure,
    "limit": limit.measure,
    "growth": growth.measure,
    "start": start.measure,
}


class ResultsFile:
    """Results on the disk: read once, written again whenever a part of them was measured.

    So a measurement that is interrupted keeps what it has. The results of `RESULTS` go into the
    README, too.

    Raises:
        UserError: there is a file, and it holds no results.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.results, self.written = path, read_results(path), False

    def keep(self, part: str, content: dict[str, Any]) -> None:
        """Put a part in the place of what was there."""
        results = self.results | {part: content}
        self.results = {part: results[part] for part in PARTS if part in results}
        text = json.dumps(self.results, indent=1) + "\n"
        write_atomically(self.path, lambda file: file.write(text.encode()))
        self.written = True
        if self.path.resolve() == RESULTS:
            fill_readme(self.results)


def main(argv: list[str] | None = None, profile: Profile | None = None) -> int:
    """Measure, show, write; returns the exit status.

    0: done. 1: the machine gave out. 2: a mistake of the user, told in one line. 130 and 143:
    stopped by Ctrl-C and SIGTERM, along with the process that was training.
    """
    warnings.showwarning = _plain_warning
    warnings.simplefilter("always", SampleWarning)
    file = None
    try:
        with stop_on_signals():
            options = make_parser().parse_args(argv)
            profile = profile or (QUICK if options.quick else FULL)
            options.out = options.out or (QUICK_RESULTS if options.quick else RESULTS)
            check(options, profile)
            if options.readme:
                fill_readme(read_results(options.out))
                tell(f"filled: {README}")
                return 0
            file = ResultsFile(options.out)
            if options.threads:
                torch.set_num_threads(options.threads)
            run(options, profile, file)
            tell(f"written: {file.path}")
            print_tables(file.results)
            return 0
    except (UserError, DataError) as error:
        return _fail(str(error), USAGE_ERROR)
    except OSError as error:
        return _fail(f"cannot go on: {error}", USAGE_ERROR)
    except (ProcessError, torch.OutOfMemoryError) as error:
        return _fail(str(error).splitlines()[0], FAILED)
    except Stopped as stopped:
        kept = f"what was measured is in {file.path}" if file and file.written else None
        return _fail(f"stopped by {stopped}; {kept or 'nothing was written'}", stopped.status)


def make_parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Measure this course's training beside the usual one, and beside the machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="a rougher look")
    parser.add_argument(
        "--only", choices=PARTS, help="measure this part; the results keep their other parts"
    )
    parser.add_argument(
        "--goal",
        type=float,
        metavar="A",
        help="measure this validation accuracy of the accuracy part alone, for instance 0.9",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch (default: its own)")
    parser.add_argument(
        "--repetitions",
        type=int,
        metavar="N",
        help="timed rounds of everything; in the accuracy part, trainings with another seed",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"default: {RESULTS.name} in this folder, with --quick {QUICK_RESULTS.name}",
    )
    parser.add_argument(
        "--readme", action="store_true", help="measure nothing, put the results into the README"
    )
    return parser


def check(options: argparse.Namespace, profile: Profile) -> None:
    """Find mistakes before anything is measured.

    Raises:
        UserError: what is wrong, in one line.
    """
    if options.threads is not None and not 1 <= options.threads <= cores():
        raise UserError(f"--threads {options.threads}: must be from 1 to {cores()}, the cores here")
    if options.repetitions is not None and options.repetitions < 1:
        raise UserError(f"--repetitions {options.repetitions}: must be at least 1")
    if options.goal is not None:
        if options.only not in (None, "accuracy"):
            raise UserError(f"--goal: belongs to --only accuracy, not to {options.only}")
        choose_goals(options, profile)
    if options.readme and options.quick:
        raise UserError("--readme: shows the results of a full run; leave out --quick")
    out = options.out.resolve()
    if out.is_dir():
        raise UserError(f"--out {options.out}: is a folder; name a file")
    folder = next(parent for parent in out.parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise UserError(f"--out {options.out}: {folder} cannot be written")
    if options.readme and not out.exists():
        raise UserError(f"--readme: there are no results {options.out}; measure first")


def choose_goals(options: argparse.Namespace, profile: Profile) -> list[Goal]:
    """The goals that are wanted.

    Raises:
        UserError: the profile has none of that accuracy.
    """
    if options.goal is None:
        return list(profile.goals)
    chosen = [goal for goal in profile.goals if goal.accuracy == options.goal]
    if not chosen:
        known = ", ".join(f"{goal.accuracy:g}" for goal in profile.goals)
        raise UserError(f"--goal {options.goal:g}: choose from {known}")
    return chosen


def run(options: argparse.Namespace, profile: Profile, file: ResultsFile) -> None:
    """Measure the parts that are wanted; each has its setting beside its numbers."""
    device = best_device()
    datasets = {name: load(name) for name in profile.datasets}
    only = "accuracy" if options.goal is not None else options.only
    for part in [only] if only else PARTS:
        if part == "accuracy":
            run_accuracy(options, profile, datasets, device, file)
            continue
        repetitions = options.repetitions or profile.repetitions
        measured = MEASURE[part](profile, datasets, device, repetitions, tell)
        file.keep(part, {"setting": setting(profile.name, repetitions, device)} | measured)


def run_accuracy(
    options: argparse.Namespace,
    profile: Profile,
    datasets: dict[str, ImageData],
    device: torch.device,
    file: ResultsFile,
) -> None:
    """Measure the goals that are wanted; each has its own setting. The results keep the others.

    Everything is written after every training, since some take many minutes.
    """
    goals, seeds = choose_goals(options, profile), options.repetitions or profile.seeds
    described = {"setting": setting(profile.name, seeds, device)}
    for goal, found in accuracy.measure(profile, goals, datasets, device, seeds, tell):
        known = file.results.get("accuracy", {}).get("goals", {}) | {str(goal): described | found}
        names = [str(each) for each in profile.goals]
        file.keep("accuracy", {"goals": {name: known[name] for name in names if name in known}})


def tell(line: str) -> None:
    """Say on standard error what comes next."""
    print(line, file=sys.stderr, flush=True)


def read_results(path: Path) -> dict[str, Any]:
    """Earlier results; none if there is no file.

    Raises:
        UserError: the file is no results of this program, or of another version of it.
    """
    if not path.exists():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        results = None
    if not isinstance(results, dict) or not set(results) <= set(PARTS):
        raise UserError(f"--out {path}: holds no results; name another file")
    try:
        tables(results)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"--out {path}: not results of this version; name another file") from error
    return results


def fill_readme(results: dict[str, Any]) -> None:
    """Put results into the README of this folder."""
    text = filled(README.read_text(encoding="utf-8"), results)
    write_atomically(README, lambda file: file.write(text.encode()))


def _plain_warning(message: Warning | str, *_details: object, **_more: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _fail(message: str, status: int) -> int:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    return status
