"""The flags that `train.py` and `lightning_train.py` share.

A flag has its value from the first of these that names it: the command line, the file of
`--config` (or of the run that `--resume` continues), the recipe for the model and data set in
`helpers.recipes.recipe`, and DEFAULTS.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from commands.folder import CONFIG, read_json
from helpers.data.load import DATASET_NAMES
from helpers.errors import RunError, UserError
from helpers.models import CNN_BLOCKS, MODEL_NAMES
from helpers.recipes import (
    OPTIMIZERS,
    SCHEDULERS,
    TrainingConfig,
    recipe,
    with_changes,
    with_epochs,
)
from helpers.speed import PRECISIONS

DEFAULTS: dict[str, Any] = {
    "model": "cnn",
    "size": "small",
    "dataset": "mnist",
    "data_dir": None,
    "sample": False,
    "require_full": False,
    "val_fraction": 0.1,
    "device": "auto",
    "compile": False,
    "seed": 0,
    "out": None,
    "resume": None,
    "config": None,
    "dry_run": False,
    "plot": False,
    "quiet": False,
    "json": False,
}
LIGHTNING_DEFAULTS: dict[str, Any] = {
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
    "logger": [],
}
TRAINING = tuple(name for name in TrainingConfig.__dataclass_fields__ if name != "seed")
# They say where and how loudly a run goes, not what comes out: free to change on --resume.
HARMLESS = {"data_dir", "out", "resume", "config", "dry_run", "plot", "quiet", "json", "logger"}
LOGGERS = ("csv", "tensorboard")


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are a UserError instead of a page of usage."""

    def error(self, message: str) -> None:
        raise UserError(message)


class TrainingParser(Parser):
    """Gives only what was typed; `defaults` names all flags."""

    def __init__(self, lightning: bool, **options: Any) -> None:
        super().__init__(argument_default=argparse.SUPPRESS, allow_abbrev=False, **options)
        own = LIGHTNING_DEFAULTS if lightning else {}
        self.defaults = dict.fromkeys(TRAINING) | DEFAULTS | own


def make_parser(program: str, description: str, *, lightning: bool = False) -> TrainingParser:
    """The parser of both scripts; Lightning's has four flags more."""
    parser = TrainingParser(
        lightning,
        prog=program,
        description=description,
        epilog="A recipe is the set of values that this course found good for a model and a data "
        "set (helpers/training.py).",
    )
    _add_model_and_data(parser)
    _add_training(parser)
    _add_running(parser)
    if lightning:
        _add_lightning(parser)
    return parser


def _add_model_and_data(parser: Parser) -> None:
    group = parser.add_argument_group("model and data")
    group.add_argument("--model", help=f"{', '.join(MODEL_NAMES)} (default: cnn)")
    group.add_argument("--size", help=f"of a cnn: {', '.join(CNN_BLOCKS)} (default: small)")
    names = ", ".join(DATASET_NAMES)
    group.add_argument("--dataset", help=f"{names}, or a folder of images (default: mnist)")
    group.add_argument("--data-dir", help="where data sets are kept (default: data/)")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--sample", action="store_true", help="use the bundled sample")
    source.add_argument(
        "--require-full", action="store_true", help="stop rather than use the sample"
    )
    group.add_argument(
        "--val-fraction",
        type=float,
        metavar="PART",
        help="part of the training images that is kept for validation (default: 0.1)",
    )


def _add_training(parser: Parser) -> None:
    group = parser.add_argument_group(
        "training", "Where no default is named, it is the recipe's; --dry-run shows it."
    )
    group.add_argument("--epochs", "--epoch", type=int, help="passes over the training images")
    group.add_argument(
        "--batch-size", type=int, metavar="IMAGES", help="images per step, of all processes"
    )
    group.add_argument("--optimizer", help=", ".join(OPTIMIZERS))
    group.add_argument("--lr", type=float, help="learning rate, the schedule's highest")
    group.add_argument("--momentum", type=float, help="of sgd and rmsprop")
    group.add_argument(
        "--nesterov", action=argparse.BooleanOptionalAction, help="Nesterov's momentum, of sgd"
    )
    group.add_argument("--weight-decay", type=float, help="pull of the weights towards 0")
    group.add_argument("--scheduler", help=f"of the learning rate: {', '.join(SCHEDULERS)}")
    group.add_argument(
        "--warmup-epochs", type=float, metavar="EPOCHS", help="epochs of linear warm-up"
    )
    group.add_argument(
        "--label-smoothing", type=float, metavar="PART", help="part of the target given to all"
    )
    group.add_argument(
        "--image-sizes",
        type=_numbers,
        metavar="PIXELS",
        help="sizes of training images, such as 16,24,32, each for an equal part of the epochs; "
        "full: as they are",
    )
    group.add_argument(
        "--early-stopping",
        type=int,
        metavar="PATIENCE",
        help="stop after so many epochs without a better validation accuracy; 0: never",
    )
    group.add_argument(
        "--augment", action=argparse.BooleanOptionalAction, help="shift and flip training images"
    )
    group.add_argument("--seed", type=int, help="of everything random (default: 0)")


def _numbers(text: str) -> tuple[int, ...]:
    """Whole numbers between commas; none for the word full."""
    try:
        return () if text == "full" else tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like 16,24,32") from error


def _add_running(parser: Parser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument("--device", help="auto, cpu, cuda, mps … (default: auto)")
    group.add_argument(
        "--precision", help=f"{', '.join(PRECISIONS)}; auto takes the faster one, after a trial"
    )
    group.add_argument(
        "--compile", action="store_true", help="compile the model first (torch.compile)"
    )
    group.add_argument("--out", metavar="DIR", help="run folder (default: runs/…, by the time)")
    group.add_argument("--resume", metavar="DIR", help="go on with the run in this folder")
    group.add_argument(
        "--config", metavar="FILE", help="take all flags from a run's config.json; others change it"
    )
    group.add_argument(
        "--dry-run", action="store_true", help="check everything, try one step, write nothing"
    )
    group.add_argument(
        "--plot", action="store_true", help="draw curves.png and confusion.png into the run folder"
    )
    group.add_argument("--quiet", action="store_true", help="no progress, no table")
    group.add_argument(
        "--json", action="store_true", help="print the result as JSON instead of a table"
    )


def _add_lightning(parser: Parser) -> None:
    group = parser.add_argument_group("Lightning's own")
    group.add_argument("--devices", type=int, help="processes on this machine (default: 1)")
    group.add_argument("--num-nodes", type=int, metavar="MACHINES", help="machines (default: 1)")
    group.add_argument("--strategy", help="how they share the work, such as ddp (default: auto)")
    group.add_argument(
        "--logger",
        action="append",
        choices=LOGGERS,
        help="log into the run folder too; may be given twice (default: none)",
    )


def read_flags(parser: TrainingParser, argv: list[str] | None) -> argparse.Namespace:
    """All flags of a run: typed, stored, or by default; the recipe's stay None.

    Raises:
        UserError: a mistake in what was typed or stored; flags that do not go together.
        RunError: the file of --config or --resume cannot be read.
    """
    typed = vars(parser.parse_args(argv))
    stored: dict[str, Any] = {}
    if "resume" in typed:
        stored = read_config(parser, Path(typed["resume"]) / CONFIG)
        _refuse_changes(typed, stored, parser.defaults)
    elif "config" in typed:
        stored = read_config(parser, Path(typed["config"]))
    if "sample" in typed or "require_full" in typed:
        stored = {k: v for k, v in stored.items() if k not in ("sample", "require_full")}
    return argparse.Namespace(**(parser.defaults | stored | typed))


def to_store(flags: argparse.Namespace, config: TrainingConfig) -> dict[str, Any]:
    """What config.json says: all flags that decide the run, the recipe's values filled in."""
    spoken = HARMLESS - {"data_dir", "logger"}
    return {k: v for k, v in (vars(flags) | asdict(config)).items() if k not in spoken}


def _refuse_changes(
    typed: dict[str, Any], stored: dict[str, Any], defaults: dict[str, Any]
) -> None:
    """A run that goes on must be the run that began: no flag may change what comes out of it."""
    for name in ("config", "out"):
        if name in typed:
            raise UserError(f"--{name} and --resume do not go together: leave one out")
    for name, value in typed.items():
        known = stored.get(name, defaults[name])
        if name not in HARMLESS and value != known:
            raise UserError(
                f"{_flag(name)} {value} would change the run, which has {known}: leave it out to "
                f"resume, or start another run with --config {Path(typed['resume']) / CONFIG}"
            )


def read_config(parser: TrainingParser, path: Path) -> dict[str, Any]:
    """The flags in a run's config.json, checked as if they had been typed.

    Raises:
        UserError: a name that is no flag, or a value that does not fit.
        RunError: the file cannot be read.
    """
    if not path.is_file():
        raise RunError(f"no configuration {path}: name a run's {CONFIG}")
    content = read_json(path)
    words = []
    for name, value in content.items():
        if name in LIGHTNING_DEFAULTS and name not in parser.defaults:
            continue  # a run of the other script: its processes and loggers stay its own
        if name in ("resume", "config", "out") or name not in parser.defaults:
            raise UserError(f"{path}: {name!r} is no setting of a run")
        words += _as_typed(path, name, value)
    try:
        return vars(parser.parse_args(words))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _as_typed(path: Path, name: str, value: Any) -> list[str]:
    if value is None or (value is False and name in DEFAULTS):
        return []
    if isinstance(value, bool):
        return [_flag(name) if value else _flag(name).replace("--", "--no-", 1)]
    if isinstance(value, list) and name in TRAINING:
        return [f"{_flag(name)}={','.join(map(str, value)) or 'full'}"]
    if isinstance(value, list):
        return [f"{_flag(name)}={entry}" for entry in value]
    if isinstance(value, dict):
        raise UserError(f"{path}: {name!r} must be one value, not {json.dumps(value)[:40]}")
    return [f"{_flag(name)}={value}"]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def training_config(flags: argparse.Namespace) -> TrainingConfig:
    """The recipe for this model and data set, with the user's changes.

    Raises:
        ValueError: a value is out of its range.
    """
    config = recipe(flags.model, flags.dataset, flags.size)
    changes = dict(vars(flags))
    if flags.epochs and flags.epochs > 0:
        config = with_epochs(config, flags.epochs)
    other = flags.optimizer not in (None, config.optimizer)
    # The recipe's Nesterov momentum belongs to its sgd; another choice drops it.
    if flags.nesterov is None and (other or flags.momentum == 0):
        changes["nesterov"] = False
    if flags.scheduler == "onecycle" and flags.warmup_epochs is None:
        changes["warmup_epochs"] = 0.0  # onecycle has its own
    if other and flags.lr is None:
        changes["lr"] = {"sgd": 0.05, "rmsprop": 3e-4}.get(flags.optimizer, 1e-3)
    return with_changes(config, changes)
