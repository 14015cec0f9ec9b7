"""Write a trained model as an ONNX file: python export.py --checkpoint runs/mine --out mine.onnx

It runs without PyTorch, in a browser for instance: pixels from 0 to 1 go in, logits come out, and
the names of the classes stand in the file. Chapter 8 shows how. Exit status: 0, the file is
written and answers as the model does; 2, a mistake, told in one line, and nothing is written.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from commands import terminal
from commands.flags import Parser, out_path
from commands.predictor import load_predictor
from commands.run_folder import BEST
from helpers.export import export
from helpers.support.errors import UserError, printable

PROGRAM = "export.py"


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description="Write a trained model as an ONNX file.")
    text = "a run's folder, or its best.pt"
    parser.add_argument("--checkpoint", type=out_path, metavar="PATH", required=True, help=text)
    text = "the file to write (default: best.onnx beside the checkpoint)"
    parser.add_argument("--out", type=out_path, metavar="FILE", help=text)
    text = "its name for those who open it (default: the name of the run's folder)"
    parser.add_argument("--title", help=text)
    text = "also put out the maps of the first two layers, which the live page shows; CNNs only"
    parser.add_argument("--features", action="store_true", help=text)
    return parser


def run(args: argparse.Namespace) -> int:
    """Export what the arguments ask for; return the exit status.

    Raises:
        UserError, RunError: with a one-line message.
    """
    checkpoint = Path(args.checkpoint)
    if os.path.isdir(checkpoint):
        checkpoint /= BEST
    predictor = load_predictor(checkpoint, "cpu")
    out = Path(args.out or checkpoint.with_suffix(".onnx"))
    if out.suffix != ".onnx":
        raise UserError(f"--out {printable(out)}: the name of the file must end with .onnx")
    title = args.title if args.title is not None else checkpoint.resolve().parent.name
    try:
        difference = export(predictor.model, predictor, out, title=title, features=args.features)
    except OSError as error:
        raise UserError(f"cannot write {printable(out)}: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(str(error)) from error
    print(
        f"{printable(out)}: {out.stat().st_size / 1000:.1f} kB, {len(predictor.classes)} classes, "
        f"logits within {difference:.1e} of PyTorch's"
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run; see `terminal.exit_status`."""
    return terminal.exit_status(PROGRAM, lambda: run(make_parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
