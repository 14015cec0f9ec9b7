"""The command line that `train.py` and `lightning_train.py` share: check, train, report."""

import argparse
import copy
import os
import shlex
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

from commands import report, terminal
from commands.flags import make_parser, read_flags, to_store, training_config
from commands.folder import CONFIG, LAST, RESULT, RunFolder, description, write_json
from commands.signals import Stopped, stop_on_signals
from helpers.data.batches import ImageData
from helpers.data.load import SampleWarning, load
from helpers.models import build_model, count_parameters
from helpers.recipes import TrainingConfig, with_epochs
from helpers.speed import settle_precision
from helpers.support import processes
from helpers.support.errors import RunError, UserError
from helpers.training import (
    History,
    Metrics,
    best_device,
    check_image_sizes,
    make_optimizer,
    make_scheduler,
    restore,
    train_epoch,
    training_batches,
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
            self.folder.save_epoch(self.description() | state)

    def description(self) -> dict[str, Any]:
        """What a checkpoint of this run says about its model, beside the weights."""
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


def expect_processes(devices: int, num_nodes: int) -> None:
    """Find out which of the processes this one will be, before Lightning has them joined."""
    count = devices * num_nodes
    started = processes.launched()
    if started not in (1, count) and "TORCHELASTIC_RUN_ID" in os.environ:
        raise UserError(
            f"torchrun has started {started} processes, but --devices {devices} and --num-nodes "
            f"{num_nodes} are {count}: make these agree, or leave torchrun out"
        )
    if count == 1:
        return processes.expect(0)
    local, node = processes.environment("LOCAL_RANK"), processes.environment("NODE_RANK") or 0
    if local is None and processes.environment("SLURM_NTASKS") == count:
        return processes.expect(processes.environment("SLURM_PROCID") or 0)
    processes.expect(node * devices + (local or 0))


def agree(begin: Callable[[], tuple[Run, Any]]) -> tuple[Run, Any]:
    """Begin in all processes, or in none; what is wrong in one of them is told by the first.

    In the others the message of the UserError is empty.
    """
    begun: Any = None
    mistake = ""
    try:
        begun = begin()
    except (UserError, OSError) as error:
        if processes.world_size() == 1:
            raise
        mistake = str(error)
    mistakes = processes.gathered(mistake)
    told = [text for text in dict.fromkeys(mistakes) if text]
    if told:
        first = f"process {mistakes.index(told[0])}: " if mistakes[0] != told[0] else ""
        raise UserError(f"{first}{told[0]}" if processes.rank() == 0 else "")
    run, finished = begun
    if processes.world_size() > 1:
        require_same_data(processes.gathered(run.data.identity()))
    return run, finished


def require_same_data(identities: list[dict[str, Any]]) -> None:
    """Refuse to train one model on different data."""
    for rank, identity in enumerate(identities):
        if identity["digest"] != identities[0]["digest"]:
            raise UserError(
                f"the processes have different data: process 0 has {identities[0]['data_source']}, "
                f"process {rank} has {identity['data_source']}; give all of them the same"
            )


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


def prepare(
    flags: argparse.Namespace, check: Callable[[Run], object], cleanup: ExitStack
) -> tuple[Run, dict[str, Any] | None]:
    """Check everything the user said, load the data, build the model, open the run folder.

    Returns the run, and its result if it is one that is resumed and was finished already.
    """
    if hasattr(flags, "devices"):
        expect_processes(flags.devices, flags.num_nodes)
    try:
        run = make_run(flags, cleanup)
        check(run)
    except UserError:
        raise
    except ValueError as error:  # what models and configurations raise
        raise UserError(str(error)) from error
    if flags.resume:
        return run, _go_on(run)
    if processes.is_main() and not flags.dry_run:
        run.folder.create(to_store(flags, run.config), run.data.identity())
        cleanup.callback(run.folder.release)
    return run, None


def make_run(flags: argparse.Namespace, cleanup: ExitStack) -> Run:
    """Everything that a run needs; a run that is resumed has its folder locked.

    Raises:
        UserError, ValueError: with a one-line message.
    """
    # A wrong model, size or device should not wait for a download.
    build_model(flags.model, (1, 28, 28), 10, flags.size)
    config = training_config(flags)
    device = choose_device(flags.device)
    count = number_of_processes(flags)
    if count < 1:
        raise UserError("--devices and --num-nodes must be at least 1")
    if config.batch_size % count:
        raise UserError(
            f"batch size {config.batch_size} must be a multiple of the number of processes, {count}"
        )
    if flags.compile:
        check_compiler()
    folder = RunFolder(Path(flags.resume or flags.out or _new_name(flags, config.seed)))
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
    folder, finished = run.folder, run.folder.read_result()
    run.state = folder.read_state()
    folder.check_data(run.data.identity(), run.state)
    if finished is not None:
        return finished
    if run.state is not None:
        before, now = run.state.get("world_size", 1), number_of_processes(run.flags)
        if before != now:
            raise UserError(f"{folder.path}: the run had {before} processes, now there are {now}")
        _check_state(run, run.state)
    if processes.is_main() and not run.flags.dry_run:
        folder.repair(run.state, run.data.identity())
    return None


def _check_state(run: Run, state: dict[str, Any]) -> None:
    """Find out before the training whether the state is one that this run can have had."""
    now, before = run.description(), dict(state)
    now |= now.pop("training")
    before |= before.pop("training", {})
    # An earlier version knew fewer settings, and said less of where data came from.
    same = all(repr(before.get(k, v)) == repr(v) for k, v in now.items() if k != "data_source")
    try:
        model = copy.deepcopy(run.model)
        optimizer = make_optimizer(model, run.config)
        restore(state, model, optimizer, make_scheduler(optimizer, run.config, 1))
        History().restore(state)
    except Exception:  # keys, shapes and types that differ
        same = False
    if not same:
        raise RunError(
            f"{run.folder.path / LAST} is damaged, or of another model: it cannot be resumed"
        )


def _new_name(flags: argparse.Namespace, seed: int) -> Path:
    """A name that no other run has, also if several start in the same second."""
    name = Path(flags.dataset).name or "images"
    stem = f"{flags.model}-{name}-{time.strftime('%Y%m%d-%H%M%S')}-seed{seed}"
    stem = processes.from_main(stem)  # all processes have to agree on it
    path, number = Path("runs") / stem, 1
    while processes.is_main() and not flags.dry_run:
        try:
            path.mkdir(parents=True)
            break
        except FileExistsError:
            if not path.exists():  # `runs` is no folder
                raise
            number += 1
            path = path.with_name(f"{stem}-{number}")
    return path


def choose_device(name: str) -> torch.device:
    """The device called `name`; auto takes the accelerator if there is one.

    Of several processes on a machine, each takes the accelerator with its local number.
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
    return processes.world_size()


def check_compiler() -> None:
    """Compile one addition, to find out early whether `torch.compile` works here."""
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(8))
    except Exception as error:  # whatever a compiler can stumble over
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"--compile cannot be used here ({reason}): leave it out") from error


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
