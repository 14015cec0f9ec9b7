"""The command line: measure, show, write."""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from benchmarks import growth, limit, throughput
from benchmarks.measure import cores, setting
from benchmarks.profiles import FULL, PARTS, QUICK, Profile
from benchmarks.report import filled, print_tables
from helpers.data import DataError, SampleWarning, load
from helpers.files import write_atomically
from helpers.flags import Parser, UserError
from helpers.training import best_device

PROGRAM = "python -m benchmarks"
FOLDER = Path(__file__).resolve().parent
RESULTS, README = FOLDER / "results.json", FOLDER / "README.md"
FAILED, USAGE_ERROR, INTERRUPTED = 1, 2, 130
MEASURE = {"throughput": throughput.measure, "limit": limit.measure, "growth": growth.measure}


def main(argv: list[str] | None = None, profile: Profile | None = None) -> int:
    """Measure, show, write; returns the exit status.

    0: done. 1: the machine gave out. 2: a mistake of the user, told in one line. 130: Ctrl-C.
    """
    warnings.showwarning = _plain_warning
    warnings.simplefilter("always", SampleWarning)
    try:
        options = make_parser().parse_args(argv)
        check(options)
        if options.readme:
            fill_readme(options.out)
            return 0
        earlier = read_results(options.out) if options.only else {}
        if options.threads:
            torch.set_num_threads(options.threads)
        results = earlier | run(options, profile or (QUICK if options.quick else FULL))
        write_results(options.out, {part: results[part] for part in PARTS if part in results})
        print_tables(results)
        return 0
    except (UserError, DataError) as error:
        return _fail(str(error), USAGE_ERROR)
    except OSError as error:
        return _fail(f"cannot go on: {error}", USAGE_ERROR)
    except (growth.GrowthError, torch.OutOfMemoryError) as error:
        return _fail(str(error).splitlines()[0], FAILED)
    except KeyboardInterrupt:
        return _fail("stopped by Ctrl-C; nothing was written", INTERRUPTED)


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
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch (default: its own)")
    parser.add_argument("--repetitions", type=int, metavar="N", help="timed rounds of everything")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, metavar="FILE", help=f"default: {RESULTS.name} here"
    )
    parser.add_argument(
        "--readme", action="store_true", help="measure nothing, put the results into the README"
    )
    return parser


def check(options: argparse.Namespace) -> None:
    """Find mistakes before anything is measured.

    Raises:
        UserError: what is wrong, in one line.
    """
    if options.threads is not None and not 1 <= options.threads <= cores():
        raise UserError(f"--threads {options.threads}: must be from 1 to {cores()}, the cores here")
    if options.repetitions is not None and options.repetitions < 1:
        raise UserError(f"--repetitions {options.repetitions}: must be at least 1")
    out = options.out.resolve()
    if out.is_dir():
        raise UserError(f"--out {options.out}: is a folder; name a file")
    folder = next(parent for parent in out.parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise UserError(f"--out {options.out}: {folder} cannot be written")
    if options.readme and not out.exists():
        raise UserError(f"--readme: there are no results {options.out}; measure first")


def run(options: argparse.Namespace, profile: Profile) -> dict[str, Any]:
    """Measure the parts that are wanted; each has its setting beside its numbers."""
    device = best_device()
    repetitions = options.repetitions or profile.repetitions
    datasets = {name: load(name) for name in profile.datasets}
    results = {}
    for part in [options.only] if options.only else PARTS:
        measured = MEASURE[part](profile, datasets, device, repetitions, tell)
        results[part] = {"setting": setting(profile.name, repetitions, device)} | measured
    return results


def tell(line: str) -> None:
    """Say on standard error what comes next."""
    print(line, file=sys.stderr, flush=True)


def read_results(path: Path) -> dict[str, Any]:
    """Earlier results; none if there is no file.

    Raises:
        UserError: the file is no results of this program.
    """
    if not path.exists():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        results = None
    if not isinstance(results, dict) or not set(results) <= set(PARTS):
        raise UserError(f"--out {path}: holds no results; name another file")
    return results


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Write the results; those of this folder go into its README, too."""
    text = json.dumps(results, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
    tell(f"written: {path}")
    if path.resolve() == RESULTS:
        fill_readme(path)


def fill_readme(path: Path) -> None:
    """Put the results of a file into the README of this folder."""
    try:
        text = filled(README.read_text(encoding="utf-8"), read_results(path))
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not results of this version; measure again") from error
    write_atomically(README, lambda file: file.write(text.encode()))
    tell(f"filled: {README}")


def _plain_warning(message: Warning | str, *_details: object, **_more: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _fail(message: str, status: int) -> int:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    return status
