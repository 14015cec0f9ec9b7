"""The flags that `train.py` and `lightning_train.py` share.

A flag has its value from the first of these that names it: the command line, the file of
`--config` (or of the run that `--resume` continues), the recipe for the model and data set in
`helpers.recipes.recipe`, and the parser's own default. The flags of training are made from the
fields of `TrainingConfig`, which hold their help.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NoReturn, get_origin, get_type_hints

from commands.run_folder import CHOSEN, CONFIG, FILES, read_json
from helpers.data.load import DATASET_NAMES, VAL_FRACTION
from helpers.models import CNN_BLOCKS, MODEL_NAMES
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.support.errors import RunError, UserError, printable
from helpers.support.files import user_path

HELP = {field.name: field.metadata["help"] for field in fields(TrainingConfig)}
TRAINING = tuple(HELP)
METAVARS = {
    "batch_size": "IMAGES",
    "warmup_epochs": "EPOCHS",
    "label_smoothing": "PART",
    "image_sizes": "PIXELS",
    "early_stopping": "PATIENCE",
}
# They say where and how loudly a run goes, not what comes out: free to change on --resume.
SPOKEN = {"out", "resume", "config", "dry_run", "plot", "quiet", "json"}  # not stored either
LIGHTNING = {"devices", "num_nodes", "strategy", "logger"}
HARMLESS = SPOKEN | LIGHTNING | {"data_dir"}  # processes are compared by their number


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are a UserError instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def out_path(text: str) -> str:
    """A path that was typed, short, as for showing."""
    try:
        return str(user_path(text, "path"))
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def path(text: str) -> str:
    """The same, absolute: it means the same from another folder."""
    return os.path.abspath(out_path(text))


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


def make_parser(program: str, description: str, *, lightning: bool = False) -> Parser:
    """The parser of both scripts; Lightning's has four flags more."""
    parser = Parser(
        prog=program,
        description=description,
        epilog="A recipe is the set of values that this course found good for a model and a data "
        "set (helpers/recipes.py).",
        allow_abbrev=False,
    )
    group = parser.add_argument_group("model and data")
    add, names = group.add_argument, ", ".join(DATASET_NAMES)
    add("--model", default="cnn", help=f"{', '.join(MODEL_NAMES)} (default: %(default)s)")
    text = f"of a cnn: {', '.join(CNN_BLOCKS)} (default: %(default)s)"
    add("--size", default="middle", help=text)
    text = f"{names}, or a folder of images (default: %(default)s)"
    add("--dataset", type=dataset, default="mnist", help=text)
    add("--data-dir", type=path, metavar="DIR", help="where data sets are kept (default: data/)")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--sample", action="store_true", help="use the bundled sample")
    text = "stop rather than use the sample"
    source.add_argument("--require-full", action="store_true", help=text)
    text = "part of the training images that is kept for validation (default: %(default)s)"
    add("--val-fraction", type=float, default=VAL_FRACTION, metavar="PART", help=text)

    text = "Where no default is named, it is the recipe's; --dry-run shows it."
    add = parser.add_argument_group("training", text).add_argument
    for name, kind in get_type_hints(TrainingConfig).items():
        options: dict[str, Any] = {"type": sizes if get_origin(kind) is tuple else kind}
        if kind is bool:
            options = {"action": argparse.BooleanOptionalAction}
        elif name in METAVARS:
            options["metavar"] = METAVARS[name]
        aliases = ["--epoch"] if name == "epochs" else []
        add(_flag(name), *aliases, **options, help=HELP[name])

    add = parser.add_argument_group("running").add_argument
    text = "auto, cpu, cuda, mps … (default: %(default)s)"
    add("--device", default="auto", help=text)
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

    if lightning:
        add = parser.add_argument_group("Lightning's own").add_argument
        text = "processes on this machine (default: %(default)s)"
        add("--devices", type=int, default=1, help=text)
        text = "machines (default: %(default)s)"
        add("--num-nodes", type=int, default=1, metavar="MACHINES", help=text)
        text = "how they share the work, such as ddp (default: %(default)s)"
        add("--strategy", default="auto", help=text)
        text = "log into the run folder too; may be given twice (default: none)"
        choices = ("csv", "tensorboard")
        add("--logger", action="append", default=[], choices=choices, help=text)
    return parser


def parse(parser: Parser, words: Sequence[str] | None) -> dict[str, Any]:
    """Only what was typed, without defaults."""
    unset = argparse.Namespace(**dict.fromkeys(vars(parser.parse_args([]))))
    found = vars(parser.parse_args(words, unset))
    return {name: value for name, value in found.items() if value is not None}


def read_flags(parser: Parser, argv: Sequence[str] | None) -> argparse.Namespace:
    """All flags of a run: typed, stored, or by default; the recipe's stay None.

    `chosen` names those that the user chose, now or in the run whose file is read.
    """
    typed, defaults = parse(parser, argv), vars(parser.parse_args([]))
    stored: dict[str, Any] = {}
    chosen = set(typed)
    if "resume" in typed:
        stored, chosen = read_config(parser, Path(typed["resume"]) / CONFIG)
        _refuse_changes(typed, defaults | stored)
    elif "config" in typed:
        stored, before = read_config(parser, Path(typed["config"]))
        # What followed from a choice follows anew if something is chosen otherwise.
        names_data = not chosen.isdisjoint({"sample", "require_full"})  # the sample has more epochs
        changes_data = names_data and ("sample" in typed) != bool(stored.get("sample"))
        if changes_data or not chosen.isdisjoint({*TRAINING, "model", "dataset"}):
            stored = {k: v for k, v in stored.items() if k not in TRAINING or k in before}
        chosen |= before
    if "sample" in typed or "require_full" in typed:
        stored = {k: v for k, v in stored.items() if k not in ("sample", "require_full")}
    flags = argparse.Namespace(**(dict.fromkeys(TRAINING) | defaults | stored | typed))
    flags.chosen = sorted(chosen & {*TRAINING})
    return flags


def to_store(flags: argparse.Namespace, config: TrainingConfig) -> dict[str, Any]:
    """What config.json says: all flags that decide the run, the recipe's values filled in.

    Under CHOSEN it names those that are not the recipe's.
    """
    content = {k: v for k, v in (vars(flags) | asdict(config)).items() if k not in SPOKEN}
    return content | {CHOSEN: content.pop("chosen")}


def _refuse_changes(typed: dict[str, Any], before: dict[str, Any]) -> None:
    """A run that goes on must be the run that began: no flag may change what comes out of it."""
    for name in ("config", "out"):
        if name in typed:
            raise UserError(f"--{name} and --resume do not go together: leave one out")
    again = f"--config {Path(typed['resume']) / CONFIG}"
    for name, value in typed.items():
        if name not in HARMLESS and value != before[name]:
            raise UserError(
                f"{_flag(name)} {value} would change the run, which has {before[name]}: leave it "
                f"out to resume, or start another run with {again}"
            )


def read_config(parser: Parser, file: Path) -> tuple[dict[str, Any], set[str]]:
    """The flags in a run's config.json, checked as if they had been typed, and which were chosen:
    all, where a file of an earlier version of this course does not say.
    """
    if not file.is_file():
        raise RunError(f"no configuration {printable(file)}: name a run's {CONFIG}")
    content = read_json(file)
    chosen = content.pop(CHOSEN, None)
    if chosen is not None and not (
        isinstance(chosen, list) and set(map(str, chosen)) <= {*TRAINING}
    ):
        raise UserError(f"{file}: {CHOSEN!r} must list flags of training")
    words, known = [], vars(parser.parse_args([]))
    for name, value in content.items():
        if name in LIGHTNING - known.keys():
            continue  # a run of the other script: its processes and loggers stay its own
        if name in ("resume", "config", "out") or name not in known:
            raise UserError(f"{file}: {name!r} is no setting of a run")
        words += _as_typed(file, name, value, known[name])
    try:
        stored = parse(parser, words)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return stored, set(stored if chosen is None else chosen)


def _as_typed(file: Path, name: str, value: Any, default: Any) -> list[str]:
    """The words for a setting in a file; what no words could have meant is refused."""
    is_training = name in TRAINING  # the recipe has their defaults; some are lists, some switches
    if (
        isinstance(value, dict)
        or (value is None and default is not None)
        or (isinstance(value, bool) and not is_training and default is not False)
        or (isinstance(value, list) and not is_training and not isinstance(default, list))
    ):
        raise UserError(
            f"{file}: {name!r} must be one value of its kind, not {json.dumps(value)[:40]}"
        )
    if value is None:
        return []
    if name == "data_dir" and not isinstance(value, str):
        raise UserError(f"{file}: 'data_dir' must name a folder, not {value!r:.40}")
    if value is False and not is_training:
        return []
    if isinstance(value, bool):
        return [_flag(name) if value else _flag(name).replace("--", "--no-", 1)]
    if isinstance(value, list) and is_training:
        value = ",".join(map(str, value)) or "full"
    values = value if isinstance(value, list) else [value]
    return [f"{_flag(name)}={entry}" for entry in values]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def training_config(flags: argparse.Namespace) -> TrainingConfig:
    """The recipe for this model and data set, with the user's changes."""
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
    return replace(config, **{k: changes[k] for k in TRAINING if changes[k] is not None})
