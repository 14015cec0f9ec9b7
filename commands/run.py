"""The command line that `train.py` and `lightning_train.py` share: check, train, report."""

import argparse
import copy
import json
import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

from commands import report
from commands.flags import make_parser, read_flags, to_store, training_config
from commands.folder import CONFIG, RESULT, RunFolder, description, write_json
from commands.signals import Stopped, stop_on_signals
from helpers import processes
from helpers.data.batches import ImageData
from helpers.data.load import SampleWarning, load
from helpers.errors import DataError, RunError, UserError
from helpers.models import build_model, count_parameters
from helpers.recipes import TrainingConfig, with_epochs
from helpers.training import (
    EVALUATION_BATCH_SIZE,
    History,
    Metrics,
    best_device,
    check_image_sizes,
    make_optimizer,
    predict_logits,
    train_epoch,
)

FAILED = 1
USAGE_ERROR = 2
SAMPLE_EPOCHS = 5  # the sample is a fifteenth of the data: more passes, still less time


@dataclass
class Run:
    """One training run: what was asked for, the data, the model, and where results go."""

    flags: argparse.Namespace
    config: TrainingConfig
    data: ImageData
    model: nn.Module
    device: torch.device
    folder: RunFolder
    state: dict[str, Any] | None = None

    @property
    def title(self) -> str:
        return f"{self.flags.model} on {self.data.title}"

    @property
    def progress(self) -> bool:
        return not self.flags.quiet

    def save_epoch(self, state: dict[str, Any]) -> None:
        """Store the state after an epoch; of several processes only the main one does."""
        if processes.is_main():
            self.folder.save_epoch(self._description() | state)

    def _description(self) -> dict[str, Any]:
        flags, config = self.flags, asdict(self.config)
        return description(flags.model, flags.size, self.data, config)


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
    warnings.showwarning = _plain_warning
    warnings.simplefilter("always", SampleWarning)
    folder = None
    try:
        with stop_on_signals(), ExitStack() as cleanup:
            flags = read_flags(make_parser(program, description, lightning=lightning), argv)
            run, finished = prepare(flags, check, cleanup)
            folder = run.folder
            if flags.dry_run:
                return dry_run(run)
            if finished is None:
                cleanup.enter_context(processes.joined(run.device))
                finished = train_and_measure(run, train)
            elif flags.plot and processes.is_main():
                draw_again(run)
            return finish(run, finished)
    except (UserError, DataError, RunError) as error:
        return _fail(program, str(error), USAGE_ERROR)
    except OSError as error:
        where = f"cannot write {folder.path}" if folder else "cannot go on"
        return _fail(program, f"{where}: {error.strerror or error}", USAGE_ERROR)
    except Diverged as error:
        return _fail(program, str(error), FAILED)
    except torch.OutOfMemoryError:
        return _fail(program, "the device has too little memory: try half the --batch-size", FAILED)
    except Stopped as stopped:
        return _fail(
            program, f"stopped by {stopped}; {_how_to_go_on(program, folder)}", stopped.status
        )
    except RuntimeError as error:
        if not _lost_connection(error):
            raise
        message = f"another process of this run has ended; {_how_to_go_on(program, folder)}"
        print(f"{program}: error: {message}", file=sys.stderr)
        return FAILED


def _fail(program: str, message: str, status: int) -> int:
    if processes.is_main():
        print(f"{program}: error: {message}", file=sys.stderr)
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
    words = ("gloo", "nccl", "Connection closed by peer", "Connection reset by peer")
    return isinstance(error, dist.DistError) or any(word in str(error) for word in words)


def prepare(
    flags: argparse.Namespace, check: Callable[[Run], object], cleanup: ExitStack
) -> tuple[Run, dict[str, Any] | None]:
    """Check everything the user said, load the data, build the model, open the run folder.

    Returns the run, and its result if it is one that is resumed and was finished already.

    Raises:
        UserError, DataError, RunError: with a one-line message.
    """
    try:
        run = make_run(flags, cleanup)
        check(run)
    except (UserError, DataError, RunError):
        raise
    except ValueError as error:  # what models and configurations raise
        raise UserError(str(error)) from error
    if flags.resume:
        return run, _go_on(run)
    if processes.is_main() and not flags.dry_run:
        run.folder.create(to_store(flags, run.config))
        cleanup.callback(run.folder.release)
    return run, None


def make_run(flags: argparse.Namespace, cleanup: ExitStack) -> Run:
    """Everything that a run needs; a run that is resumed has its folder locked.

    Raises:
        UserError, DataError, RunError, ValueError: with a one-line message.
    """
    # A wrong model, size or device should not wait for a download.
    build_model(flags.model, (1, 28, 28), 10, flags.size)
    config = training_config(flags)
    device = choose_device(flags.device)
    check_processes(flags, config)
    if flags.compile:
        check_compiler()
    folder = RunFolder(Path(flags.resume or flags.out or _new_name(flags)))
    if flags.resume and processes.is_main():
        folder.reopen()
        cleanup.callback(folder.release)
    mode = "sample" if flags.sample else "full" if flags.require_full else None
    data = load(flags.dataset, flags.data_dir, mode, flags.val_fraction)
    if data.is_sample and flags.epochs is None:
        config = with_epochs(config, SAMPLE_EPOCHS * config.epochs)
    flags.sample = data.is_sample  # the run goes on, or is repeated, with the same data
    model = build_model(flags.model, data.image_shape, data.num_classes, flags.size, config.seed)
    check_image_sizes(model, data, config)
    if flags.compile:
        model.compile()
    return Run(flags, config, data, model.to(device), device, folder)


def _go_on(run: Run) -> dict[str, Any] | None:
    """Take the state of the run that is resumed; return its result if it is finished."""
    run.state = run.folder.read_state()
    if run.state is not None:
        for name, now in {
            "data_source": run.data.source,
            "world_size": number_of_processes(run.flags),
        }.items():
            if run.state.get(name, now) != now:
                raise UserError(
                    f"{run.folder.path}: the run had {name} {run.state[name]}, now it is {now}: "
                    "give it back what it had to resume it"
                )
    if processes.is_main() and not run.flags.dry_run:
        run.folder.repair(run.state)
    return run.folder.read_result()


def _new_name(flags: argparse.Namespace) -> Path:
    name = Path(flags.dataset).name or "images"
    return Path("runs") / f"{flags.model}-{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def choose_device(name: str) -> torch.device:
    """The device called `name`; auto takes the accelerator if there is one.

    Of several processes on a machine, each takes the accelerator with its local number.

    Raises:
        UserError: there is no such device here.
    """
    device = best_device() if name == "auto" else _device(name)
    if device.type != "cpu" and device.index is None and processes.local_rank() > 0:
        device = _device(f"{device.type}:{processes.local_rank()}")
    return device


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device).add(1).item()  # the device "meta" has no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {name!r} cannot be used here: choose auto or cpu") from error
    return device


def number_of_processes(flags: argparse.Namespace) -> int:
    """How many processes train together: Lightning's flags say so, or `torchrun` does."""
    if hasattr(flags, "devices"):
        return flags.devices * flags.num_nodes
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_processes(flags: argparse.Namespace, config: TrainingConfig) -> None:
    """Refuse a number of processes that cannot share a batch.

    Raises:
        UserError: it is below 1, or the batch size is not a multiple of it.
    """
    count = number_of_processes(flags)
    if count < 1:
        raise UserError("--devices and --num-nodes must be at least 1")
    if config.batch_size % count:
        raise UserError(
            f"batch size {config.batch_size} must be a multiple of the number of processes, {count}"
        )


def check_compiler() -> None:
    """Compile one addition, to find out early whether `torch.compile` works here.

    Raises:
        UserError: it does not.
    """
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(8))
    except Exception as error:  # whatever a compiler can stumble over
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"--compile cannot be used here ({reason}): leave it out") from error


def dry_run(run: Run) -> int:
    """Try one training step on a copy of the model and show what would be done."""
    model = copy.deepcopy(run.model)
    batches = run.data.to(run.device).batches(
        "train", run.config.batch_size, shuffle=True, augment=run.config.augment
    )
    started = time.perf_counter()
    train_epoch(model, [next(iter(batches))], make_optimizer(model, run.config))
    seconds = time.perf_counter() - started
    if processes.is_main():
        rows = {"data": run.data.source, "device": str(run.device)}
        rows["images"] = ", ".join(
            f"{len(getattr(run.data, split)):,} {split}" for split in ("train", "val", "test")
        )
        rows["parameters"] = f"{count_parameters(run.model):,}"
        rows["steps"] = f"{len(batches)} an epoch; the first took {seconds:.2f} s"
        rows |= {k.replace("_", " "): str(v) for k, v in asdict(run.config).items()}
        report.print_table(f"dry run: {run.title}; nothing was written", rows)
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
    result = report.make_result(history, measure(), run.model, run.data, run.config)
    if processes.is_main():
        if run.flags.plot:
            draw(run, history)
        write_json(run.folder.path / RESULT, result)
    return result


def draw(run: Run, history: History) -> None:
    """The figures of a run, whose model has its best weights."""
    batches = run.data.batches("test", EVALUATION_BATCH_SIZE)
    logits, labels = predict_logits(run.model, batches, history.precision)
    report.draw_figures(run.folder, run.title, history, logits, labels, run.data.classes)


def draw_again(run: Run) -> None:
    """The figures of a run that was finished earlier."""
    history = History()
    if run.state is not None:
        history.restore(run.state)
        history.load_best(run.model)
        draw(run, history)


def finish(run: Run, result: dict[str, Any]) -> int:
    """Show the result as the user wants it."""
    if processes.is_main():
        if run.flags.json:
            print(json.dumps(result | {"run_folder": str(run.folder.path)}, indent=2))
        elif not run.flags.quiet:
            report.print_result(run.title, result, run.folder)
    return 0


def _plain_warning(message: Warning | str, *_details: object, **_more: object) -> None:
    if processes.is_main():
        print(f"warning: {message}", file=sys.stderr)
