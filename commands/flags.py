"""The flags that `train.py` and `lightning_train.py` share.

A flag has its value from the first of these that names it: the command line, the file of
`--config` (or of the run that `--resume` continues), the recipe for the model and data set in
`helpers.recipes.recipe`, and DEFAULTS. The flags of training are made from the fields of
`TrainingConfig`, which hold their help.
"""

import argparse
import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NoReturn, get_origin, get_type_hints

from commands.folder import CHOSEN, CONFIG, FILES, read_json
from helpers.data.load import DATASET_NAMES
from helpers.errors import RunError, UserError, printable
from helpers.files import user_path
from helpers.models import CNN_BLOCKS, MODEL_NAMES
from helpers.recipes import TrainingConfig, recipe, with_changes, with_epochs

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
TRAINING = tuple(field.name for field in fields(TrainingConfig))
METAVARS = {
    "batch_size": "IMAGES",
    "warmup_epochs": "EPOCHS",
    "label_smoothing": "PART",
    "image_sizes": "PIXELS",
    "early_stopping": "PATIENCE",
}
# They say where and how loudly a run goes, not what comes out: free to change on --resume.
HARMLESS = {
    *("data_dir", "out", "resume", "config", "dry_run", "plot", "quiet", "json", "logger"),
    *("devices", "num_nodes", "strategy"),  # the number of processes is compared by itself
}
LOGGERS = ("csv", "tensorboard")


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are a UserError instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


class TrainingParser(Parser):
    """Gives only what was typed; `defaults` names all flags."""

    def __init__(self, lightning: bool, **options: Any) -> None:
        super().__init__(argument_default=argparse.SUPPRESS, allow_abbrev=False, **options)
        own = LIGHTNING_DEFAULTS if lightning else {}
        self.defaults = dict.fromkeys(TRAINING) | DEFAULTS | own


def path(text: str) -> str:
    """A path that was typed: absolute, so that it means the same from another folder."""
    try:
        return os.path.abspath(user_path(text, "path"))
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def out_path(text: str) -> str:
    """As `path`, but kept short for showing."""
    path(text)
    return str(user_path(text, "path"))


def run_path(text: str) -> str:
    """A run's folder; naming a file of the run names its folder."""
    folder = Path(out_path(text))
    return str(folder.parent if folder.name in FILES and not folder.is_dir() else folder)


def dataset(text: str) -> str:
    """A data set's name, or the path of a folder."""
    folder = path(text)
    return folder if text not in DATASET_NAMES and os.path.isdir(folder) else text


def sizes(text: str) -> tuple[int, ...]:
    """Whole numbers between commas; none for the word full."""
    try:
        return () if text == "full" else tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like 16,24,32") from error


def make_parser(program: str, description: str, *, lightning: bool = False) -> TrainingParser:
    """The parser of both scripts; Lightning's has four flags more."""
    parser = TrainingParser(
        lightning,
        prog=program,
        description=description,
        epilog="A recipe is the set of values that this course found good for a model and a data "
        "set (helpers/recipes.py).",
    )
    _add_data(parser)
    _add_training(parser)
    _add_running(parser)
    if lightning:
        _add_lightning(parser)
    return parser


def _add_data(parser: Parser) -> None:
    group = parser.add_argument_group("model and data")
    add = group.add_argument
    add("--model", help=f"{', '.join(MODEL_NAMES)} (default: cnn)")
    add("--size", help=f"of a cnn: {', '.join(CNN_BLOCKS)} (default: small)")
    names = ", ".join(DATASET_NAMES)
    add("--dataset", type=dataset, help=f"{names}, or a folder of images (default: mnist)")
    add("--data-dir", type=path, metavar="DIR", help="where data sets are kept (default: data/)")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--sample", action="store_true", help="use the bundled sample")
    text = "stop rather than use the sample"
    source.add_argument("--require-full", action="store_true", help=text)
    text = "part of the training images that is kept for validation (default: 0.1)"
    add("--val-fraction", type=float, metavar="PART", help=text)


def _add_training(parser: Parser) -> None:
    group = parser.add_argument_group(
        "training", "Where no default is named, it is the recipe's; --dry-run shows it."
    )
    types = get_type_hints(TrainingConfig)
    for field in fields(TrainingConfig):
        kind, names = types[field.name], [_flag(field.name)]
        options: dict[str, Any] = {"type": sizes if get_origin(kind) is tuple else kind}
        if kind is bool:
            options = {"action": argparse.BooleanOptionalAction}
        elif field.name in METAVARS:
            options["metavar"] = METAVARS[field.name]
        if field.name == "epochs":
            names.append("--epoch")
        group.add_argument(*names, **options, help=field.metadata["help"])


def _add_running(parser: Parser) -> None:
    add = parser.add_argument_group("running").add_argument
    add("--device", help="auto, cpu, cuda, mps … (default: auto)")
    add("--compile", action="store_true", help="compile the model first (torch.compile)")
    add("--out", type=out_path, metavar="DIR", help="run folder (default: runs/…, by the time)")
    add("--resume", type=run_path, metavar="DIR", help="go on with the run in this folder")
    text = "take all flags from a run's config.json; others change it"
    add("--config", type=out_path, metavar="FILE", help=text)
    add("--dry-run", action="store_true", help="check everything, try one step, write nothing")
    text = "draw curves.png and confusion.png into the run folder"
    add("--plot", action="store_true", help=text)
    add("--quiet", action="store_true", help="no progress, no table")
    add("--json", action="store_true", help="print the result as JSON instead of a table")


def _add_lightning(parser: Parser) -> None:
    add = parser.add_argument_group("Lightning's own").add_argument
    add("--devices", type=int, help="processes on this machine (default: 1)")
    add("--num-nodes", type=int, metavar="MACHINES", help="machines (default: 1)")
    add("--strategy", help="how they share the work, such as ddp (default: auto)")
    text = "log into the run folder too; may be given twice (default: none)"
    add("--logger", action="append", choices=LOGGERS, help=text)


def read_flags(parser: TrainingParser, argv: list[str] | None) -> argparse.Namespace:
    """All flags of a run: typed, stored, or by default; the recipe's stay None.

    `chosen` names those that the user chose, now or in the run whose file is read.

    Raises:
        UserError: a mistake in what was typed or stored; flags that do not go together.
        RunError: the file of --config or --resume cannot be read.
    """
    typed = vars(parser.parse_args(argv))
    stored: dict[str, Any] = {}
    chosen = set(typed)
    if "resume" in typed:
        stored, before = read_config(parser, Path(typed["resume"]) / CONFIG)
        chosen = before if before is not None else set(stored)
        _refuse_changes(typed, stored, parser.defaults)
    elif "config" in typed:
        stored, before = read_config(parser, Path(typed["config"]))
        # What followed from a choice follows anew if something is chosen otherwise.
        if before is not None and not chosen.isdisjoint({*TRAINING, "model", "dataset"}):
            stored = {k: v for k, v in stored.items() if k not in TRAINING or k in before}
        chosen |= before if before is not None else set(stored)
    if "sample" in typed or "require_full" in typed:
        stored = {k: v for k, v in stored.items() if k not in ("sample", "require_full")}
    flags = argparse.Namespace(**(parser.defaults | stored | typed))
    flags.chosen = sorted(chosen & {*TRAINING})
    return flags


def to_store(flags: argparse.Namespace, config: TrainingConfig) -> dict[str, Any]:
    """What config.json says: all flags that decide the run, the recipe's values filled in.

    Under CHOSEN it names those that are not the recipe's.
    """
    spoken = HARMLESS - {"data_dir", "logger", "devices", "num_nodes", "strategy"} | {"chosen"}
    content = {k: v for k, v in (vars(flags) | asdict(config)).items() if k not in spoken}
    return content | {CHOSEN: flags.chosen}


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


def read_config(parser: TrainingParser, file: Path) -> tuple[dict[str, Any], set[str] | None]:
    """The flags in a run's config.json, checked as if they had been typed, and which were chosen.

    A file of an earlier version of this course does not say which were chosen: None.

    Raises:
        UserError: a name that is no flag, or a value that does not fit.
        RunError: the file cannot be read.
    """
    if not file.is_file():
        raise RunError(f"no configuration {printable(file)}: name a run's {CONFIG}")
    content = read_json(file)
    chosen = content.pop(CHOSEN, None)
    if chosen is not None and not (
        isinstance(chosen, list) and set(map(str, chosen)) <= {*TRAINING}
    ):
        raise UserError(f"{file}: {CHOSEN!r} must list flags of training")
    words = []
    for name, value in content.items():
        if name in LIGHTNING_DEFAULTS and name not in parser.defaults:
            continue  # a run of the other script: its processes and loggers stay its own
        if name in ("resume", "config", "out") or name not in parser.defaults:
            raise UserError(f"{file}: {name!r} is no setting of a run")
        words += _as_typed(file, name, value)
    try:
        return vars(parser.parse_args(words)), None if chosen is None else set(chosen)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error


def _as_typed(file: Path, name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if name == "data_dir" and not isinstance(value, str):
        raise UserError(f"{file}: 'data_dir' must name a folder, not {value!r:.40}")
    if value is False and name in DEFAULTS:
        return []
    if isinstance(value, bool):
        return [_flag(name) if value else _flag(name).replace("--", "--no-", 1)]
    if isinstance(value, list) and name in TRAINING:
        return [f"{_flag(name)}={','.join(map(str, value)) or 'full'}"]
    if isinstance(value, list):
        return [f"{_flag(name)}={entry}" for entry in value]
    if isinstance(value, dict):
        raise UserError(f"{file}: {name!r} must be one value, not {json.dumps(value)[:40]}")
    return [f"{_flag(name)}={value}"]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def training_config(flags: argparse.Namespace) -> TrainingConfig:
    """The recipe for this model and data set, with the user's changes.

    Raises:
        ValueError: a value is out of its range.
    """
    config = recipe(flags.model, flags.dataset)
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
