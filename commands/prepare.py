"""What a training needs: all that the user said is checked before anything is written."""

import argparse
import contextlib
import copy
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from commands.device import choose_device
from commands.flags import to_store, training_config
from commands.run_folder import LAST, RunFolder, description
from helpers.data.batches import ImageData
from helpers.data.load import load
from helpers.data.pictures import listed
from helpers.models import build_model
from helpers.recipes import TrainingConfig, with_epochs
from helpers.support import processes
from helpers.support.errors import RunError, UserError
from helpers.training import History, check_image_sizes, make_optimizer, make_scheduler, restore

# The sample is a fifteenth of the data: more passes, still less time. The linear model on MNIST's
# gains nothing from more than these (validation, eight seeds: 96.1 % with 3 times, 96.0 % with 5).
SAMPLE_EPOCHS, SAMPLE_EPOCHS_LINEAR = 5, 3


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
    def classes(self) -> str:
        return f"{self.data.num_classes}: {listed(self.data.classes, most=10)}"

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
    except ValueError as error:  # what models and configurations raise; a UserError is one, too
        raise UserError(str(error)) from error
    if flags.resume:
        return run, _go_on(run)
    if processes.is_main() and not flags.dry_run:
        cleanup.callback(run.folder.release)  # also where `create` fails
        run.folder.create(to_store(flags, run.config), run.data.identity())
    return run, None


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
    folder = RunFolder(Path(flags.resume or flags.out or _new_name(flags, config.seed, cleanup)))
    if flags.resume and processes.is_main():
        cleanup.callback(folder.release)
        folder.reopen()
    mode = "sample" if flags.sample else "full" if flags.require_full else None
    data = load(flags.dataset, flags.data_dir, mode, flags.val_fraction)
    if flags.sample and not data.is_sample:
        raise UserError(f"--sample: there is none of {data.title}: leave it out")
    if data.is_sample and flags.epochs is None:
        times = SAMPLE_EPOCHS if flags.model in ("cnn", "fastcnn") else SAMPLE_EPOCHS_LINEAR
        config = with_epochs(config, times * config.epochs)
    flags.sample = data.is_sample  # the run goes on, or is repeated, with the same data
    model = build_model(flags.model, data.image_shape, data.num_classes, flags.size, config.seed)
    check_image_sizes(model, data, config)
    for name, split in {"validation": data.val, "test": data.test}.items():
        if len(split) < count:
            raise UserError(f"{count} processes for {len(split)} {name} images: use fewer of them")
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


def _new_name(flags: argparse.Namespace, seed: int, cleanup: ExitStack) -> Path:
    """A name that no other run has, also if several start in the same second: a folder is made.

    Where nothing comes into it, it goes again.
    """
    name = Path(flags.dataset).name or "images"
    stem = f"{flags.model}-{name}-{time.strftime('%Y%m%d-%H%M%S')}-seed{seed}"
    stem = processes.from_main(stem)  # all processes have to agree on it
    path, number = Path("runs") / stem, 1
    while processes.is_main() and not flags.dry_run:
        try:
            path.mkdir(parents=True)
            cleanup.callback(_remove_empty, path)
            break
        except FileExistsError:
            if not path.exists():  # `runs` is no folder
                raise
            number += 1
            path = path.with_name(f"{stem}-{number}")
    return path


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


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
