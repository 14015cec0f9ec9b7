"""The command line that `train.py` and `lightning_train.py` share."""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from helpers.data import DATASET_NAMES, DataError, ImageData, SampleWarning, load
from helpers.models import CNN_BLOCKS, MODEL_NAMES, build_model, count_parameters
from helpers.runs import (
    RunError,
    description,
    load_checkpoint,
    prepare_run_folder,
    save_checkpoint,
    versions,
    write_json,
    write_metrics,
)
from helpers.training import (
    EVALUATION_BATCH_SIZE,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULERS,
    History,
    TrainingConfig,
    best_device,
    config_dict,
    evaluate,
    recipe,
    with_changes,
)

USAGE_ERROR = 2
DIVERGED = 1
SAMPLE_EPOCHS = 5  # the sample is a fifteenth of the data: more passes, still less time


class UserError(ValueError):
    """A mistake of the user; the message is one line: what, where, what to do."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # one line, without the usage text before it
        self.exit(USAGE_ERROR, f"{self.prog}: error: {message} (see --help)\n")


@dataclass
class Run:
    """One training run: what was asked for, the data, the model, and where results go."""

    args: argparse.Namespace
    config: TrainingConfig
    data: ImageData
    model: nn.Module
    device: torch.device
    folder: Path

    def checkpoint(self) -> dict[str, Any]:
        """The part of a checkpoint that does not change during training."""
        return description(self.args.model, self.args.size, self.data, config_dict(self.config))

    def save_epoch(self, state: dict[str, Any]) -> None:
        """Store the state after an epoch; first the checkpoints, then the metrics they hold."""
        rows = state["rows"]
        save_checkpoint(self.folder / "last.pt", self.checkpoint() | state)
        if rows[-1]["epoch"] == state["best_epoch"]:
            best = self.checkpoint() | {"model": state["best_model"], "epoch": rows[-1]["epoch"]}
            save_checkpoint(self.folder / "best.pt", best)
        write_metrics(self.folder / "metrics.csv", rows)


def make_parser(program: str, description: str) -> argparse.ArgumentParser:
    """The parser of both scripts; a flag that is not given takes the recipe's value."""
    parser = _Parser(
        prog=program,
        description=description,
        epilog="Flags of training that are not given take the values of the recipe for this "
        "model and data set (helpers/training.py).",
    )
    model = parser.add_argument_group("model and data")
    model.add_argument("--model", default="cnn", help=f"{', '.join(MODEL_NAMES)} (default: cnn)")
    sizes = ", ".join(CNN_BLOCKS)
    model.add_argument("--size", default="small", help=f"of the cnn: {sizes} (default: small)")
    model.add_argument(
        "--dataset",
        default="mnist",
        help=f"{', '.join(DATASET_NAMES)}, or a folder of images (default: mnist)",
    )
    model.add_argument("--data-dir", type=Path, help="where data sets are kept (default: data/)")
    source = model.add_mutually_exclusive_group()
    source.add_argument("--sample", action="store_true", help="use the bundled sample")
    source.add_argument(
        "--require-full", action="store_true", help="stop rather than use the sample"
    )
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", "--epoch", type=int, help="passes over the training images")
    training.add_argument("--batch-size", type=int, help="images per step")
    training.add_argument("--optimizer", help=", ".join(OPTIMIZERS))
    training.add_argument("--lr", type=float, help="learning rate, the schedule's highest")
    training.add_argument("--momentum", type=float, help="of sgd and rmsprop")
    training.add_argument("--weight-decay", type=float)
    training.add_argument("--scheduler", help=", ".join(SCHEDULERS))
    training.add_argument("--warmup-epochs", type=float, help="epochs of linear warm-up")
    training.add_argument("--label-smoothing", type=float)
    training.add_argument(
        "--early-stopping", type=int, metavar="PATIENCE", help="epochs without a better one"
    )
    training.add_argument(
        "--augment", action=argparse.BooleanOptionalAction, help="shift and flip training images"
    )
    training.add_argument("--precision", help=", ".join(PRECISIONS))
    training.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    output = parser.add_argument_group("running")
    output.add_argument("--device", default="auto", help="auto, cpu, cuda, mps … (default: auto)")
    output.add_argument("--out", type=Path, help="run folder (default: runs/…, named by the time)")
    output.add_argument("--quiet", action="store_true", help="no progress bar, no table")
    return parser


def prepare(args: argparse.Namespace) -> Run:
    """Check everything the user said, load the data, build the model, make the run folder.

    Raises:
        UserError, DataError, RunError, ValueError: with a one-line message.
    """
    config = make_config(args)
    device = choose_device(args.device)
    mode = "sample" if args.sample else "full" if args.require_full else None
    # A wrong model or size should not wait for a download.
    build_model(args.model, (1, 28, 28), 10, args.size)
    data = load(args.dataset, args.data_dir, mode)
    if data.is_sample and args.epochs is None:
        config = replace(config, epochs=SAMPLE_EPOCHS * config.epochs)
    model = build_model(args.model, data.image_shape, data.num_classes, args.size, args.seed)
    folder = args.out or Path("runs") / (
        f"{args.model}-{data.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    )
    prepare_run_folder(folder)
    run = Run(args, config, data, model, device, folder)
    flags = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
    write_json(folder / "config.json", flags | config_dict(config))
    return run


def make_config(args: argparse.Namespace) -> TrainingConfig:
    """The recipe for this model and data set, with the user's changes."""
    config = recipe(args.model, args.dataset, args.size)
    changes = dict(vars(args))
    # The recipe's Nesterov momentum belongs to its sgd; another choice drops it.
    if args.optimizer not in (None, config.optimizer) or args.momentum == 0:
        changes["nesterov"] = False
    if args.optimizer not in (None, config.optimizer) and args.lr is None:
        changes["lr"] = {"sgd": 0.05, "rmsprop": 3e-4}.get(args.optimizer, 1e-3)
    return with_changes(config, changes)


def choose_device(name: str) -> torch.device:
    """The device called `name`; auto takes the accelerator if there is one.

    Raises:
        UserError: there is no such device here.
    """
    if name == "auto":
        return best_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {name!r} cannot be used here: choose auto or cpu") from error
    return device


def finish(run: Run, history: History, seconds: float) -> int:
    """Measure the test split, once, with the best weights; write the result and show it."""
    if history.diverged:
        row = history.rows[-1]
        print(
            f"error: the loss is {row['train_loss']} in epoch {row['epoch']:.0f} at learning rate "
            f"{run.config.lr:g}; try a tenth of it (--lr {run.config.lr / 10:g})",
            file=sys.stderr,
        )
        return DIVERGED
    run.model.load_state_dict(load_checkpoint(run.folder / "best.pt")["model"])
    run.model.to(run.device)
    test_batches = run.data.batches("test", EVALUATION_BATCH_SIZE)
    test = evaluate(run.model, test_batches, history.precision)
    result = {
        "test_accuracy": test.accuracy,
        "test_loss": test.loss,
        "best_val_accuracy": history.best_val_accuracy,
        "epochs": len(history),
        "seconds": round(seconds, 3),
        "images_per_second": round(sum(history["images_per_second"]) / len(history), 1),
        "parameters": count_parameters(run.model),
        "data_source": run.data.source,
        "device": str(run.device),
        "precision": history.precision,
        "seed": run.config.seed,
        "versions": versions(),
    }
    write_json(run.folder / "result.json", result)
    if not run.args.quiet:
        print_table(run, result)
    return 0


def print_table(run: Run, result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{run.args.model} on {run.data.title}", show_header=False)
    for name, value in {
        "test accuracy": f"{100 * result['test_accuracy']:.2f} %",
        "best validation accuracy": f"{100 * result['best_val_accuracy']:.2f} %",
        "parameters": f"{result['parameters']:,}",
        "epochs": str(result["epochs"]),
        "time": f"{result['seconds']:.1f} s",
        "data": result["data_source"],
        "run folder": str(run.folder),
    }.items():
        table.add_row(name, value)
    Console().print(table)


def main(
    program: str, description: str, train: Callable[[Run], History], argv: list[str] | None
) -> int:
    """Parse, prepare, train, finish; a user's mistake is one line and exit status 2."""
    warnings.showwarning = _plain_warning
    warnings.simplefilter("always", SampleWarning)
    try:
        run = prepare(make_parser(program, description).parse_args(argv))
    except (UserError, DataError, RunError, ValueError) as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return USAGE_ERROR
    try:
        started = time.perf_counter()
        history = train(run)
        return finish(run, history, time.perf_counter() - started)
    except OSError as error:
        print(f"{program}: error: cannot write {run.folder}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print(f"{program}: stopped; the epochs done are in {run.folder}", file=sys.stderr)
        return 130


def _plain_warning(message: Warning | str, *_details: object, **_more: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
