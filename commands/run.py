"""The command line that `train.py` and `lightning_train.py` share: prepare, train, report."""

import copy
import os
import shlex
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import torch
from torch import distributed as dist

from commands import report, terminal
from commands.flags import make_parser, read_flags
from commands.prepare import Run, agree, prepare
from commands.run_folder import CONFIG, RESULT, RunFolder, write_json
from commands.signals import Stopped, stop_on_signals
from commands.terminal import FAILED, USAGE_ERROR
from helpers.data.load import SampleWarning
from helpers.models import count_parameters
from helpers.precision import settle_precision
from helpers.support import processes
from helpers.support.errors import UserError
from helpers.training import History, Metrics, make_optimizer, train_epoch, training_batches


class Diverged(Exception):
    """The loss exploded; the message is one line with advice."""


# A script's part: train the run; the function that comes back measures the test split.
Train = Callable[[Run], tuple[History, Callable[[], Metrics]]]


def main(
    program: str,
    description: str,
    train: Train,
    argv: list[str] | None = None,
    *,
    lightning: bool = False,
    check: Callable[[Run], object] = lambda run: None,
) -> int:
    """Parse, prepare, train, report; returns the exit status.

    `check` is a script's own look at the run, before anything is written.

    0: done. 1: the training diverged, or another process of it was lost. 2: a mistake of the
    user, told in one line. 130 and 143: stopped by Ctrl-C and SIGTERM.
    """
    terminal.open_streams()
    warnings.showwarning = _plain_warning
    warnings.simplefilter("always", SampleWarning)
    parser, folder = make_parser(program, description, lightning=lightning), None
    try:
        with stop_on_signals(), ExitStack() as cleanup:
            cleanup.enter_context(processes.joined())
            run, finished = agree(lambda: prepare(read_flags(parser, argv), check, cleanup))
            folder = run.folder
            if run.flags.dry_run:
                return dry_run(run)
            if finished is None:
                finished = train_and_measure(run, train)
            elif run.flags.plot and run.state is not None and processes.is_main():
                history = History()
                history.restore(run.state)
                history.load_best(run.model)
                draw(run, history)
            finish(run, finished)
            return 0
    except UserError as error:
        message, status = str(error), USAGE_ERROR
    except OSError as error:
        where = f"cannot write {folder.path}" if folder else "cannot go on"
        message, status = f"{where}: {error.strerror or error}", USAGE_ERROR
    except Diverged as error:  # as in all processes
        message, status = str(error) if processes.is_main() else "", FAILED
    except torch.OutOfMemoryError:
        message = "the device has too little memory: try half the --batch-size"
        status = FAILED
    except Stopped as stopped:
        message, status = f"stopped by {stopped}; {_how_to_go_on(program, folder)}", stopped.status
        message = message if processes.is_main() else ""
    except RuntimeError as error:
        if not _lost_connection(error):
            raise
        said = str(error).strip().splitlines()[0][:200]
        message = f"another process of this run has ended ({said}); "
        message, status = message + _how_to_go_on(program, folder), FAILED
    if message:
        who = "" if processes.is_main() else f"process {processes.number()}: "
        terminal.say(f"{program}: error: {who}{message}")
    return status


def _how_to_go_on(program: str, folder: RunFolder | None) -> str:
    if folder is None or not (folder.path / CONFIG).exists():
        return "nothing was begun"
    command = f"--resume {shlex.quote(str(folder.path))}"
    if "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_PROCID" in os.environ:
        return f"every finished epoch is saved: start all processes again with {command}"
    return f"every finished epoch is saved; go on with: python {program} {command}"


def _lost_connection(error: RuntimeError) -> bool:
    """Whether `torch.distributed` says that a process it speaks to is gone."""
    words = ("Connection closed by peer", "Connection reset by peer", "ncclRemoteError")
    gone = (dist.DistNetworkError, dist.DistStoreError)
    return isinstance(error, gone) or any(word in str(error) for word in words)


def dry_run(run: Run) -> int:
    """Try the first step of the run on a copy of the model and show what would be done."""
    model, config = copy.deepcopy(run.model), run.config
    batches = training_batches(run.data.to(run.device), config)
    precision = settle_precision(config.precision, model, batches, announce=False)
    started = time.perf_counter()
    train_epoch(
        model,
        [next(iter(batches))],
        make_optimizer(model, config),
        label_smoothing=config.label_smoothing,
        precision=precision,
    )
    seconds = time.perf_counter() - started
    if processes.is_main():
        rows = {"data": run.data.source, "device": str(run.device)}
        rows["images"] = ", ".join(
            f"{len(getattr(run.data, split)):,} {split}" for split in ("train", "val", "test")
        )
        rows["classes"] = run.classes
        rows["parameters"] = f"{count_parameters(run.model):,}"
        rows["steps"] = f"{len(batches)} an epoch; the first took {seconds:.2f} s"
        rows |= {k.replace("_", " "): str(v) for k, v in asdict(config).items()}
        terminal.print_rows(f"dry run: {run.title}; nothing was written", rows)
    return 0


def train_and_measure(run: Run, train: Train) -> dict[str, Any]:
    """Train, then measure the test split, once, with the best weights; write the result.

    Raises:
        Diverged: the loss exploded or is no number any more.
    """
    history, measure = train(run)
    if history.diverged:
        row = history.rows[-1]
        raise Diverged(
            f"the training diverged: its loss is {row['train_loss']:.4g} in epoch "
            f"{row['epoch']:.0f} at learning rate {run.config.lr:g}; try a tenth of it "
            f"(--lr {run.config.lr / 10:g}) or a warm-up (--scheduler cosine --warmup-epochs 1)"
        )
    history.load_best(run.model)
    result = report.make_result(run, history, measure())
    if processes.is_main():
        write_json(run.folder.path / RESULT, result)  # before anything that may go wrong
        if run.flags.plot:
            draw(run, history)
        if hint := report.chance_hint(run, result):
            terminal.say(hint)
    return result


def draw(run: Run, history: History) -> None:
    """The figures of a run, whose model has its best weights; they can fail, the run cannot."""
    try:
        report.draw_figures(run, history)
    except Exception as error:  # fonts, backends, names with formulas in them, a full disk
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        terminal.say(f"warning: the figures could not be drawn ({reason}); all else is saved")


def finish(run: Run, result: dict[str, Any]) -> None:
    """Show the result as the user wants it."""
    if processes.is_main() and run.flags.json:
        terminal.print_json(result | {"run_folder": str(run.folder.path)})
    elif processes.is_main() and not run.flags.quiet:
        report.print_result(run, result)


def _plain_warning(message: Warning | str, *_details: object, **_more: object) -> None:
    if processes.is_main():
        for line in f"warning: {message}".splitlines():  # the notice of the sample has several
            terminal.say(line)
