"""Ask a trained model about pictures: python predict.py --checkpoint runs/mine/best.pt cat.jpg

What comes out: the most probable classes of every picture, as a table or, with --json, as a list.

    [{"path": "cat.jpg", "read_as": "resized to 32 x 32", "unsure": false,
      "predictions": [{"class": "cat", "probability": 0.97}, …]}, …]

Exit status: 0, every picture was predicted; 1, there were pictures, but one or more could not be
read (one line each on standard error says which and why) or showed no digit (no predictions, and
`read_as` says why); the others were predicted, and with --json the output is a whole list; 2,
nothing to do: a wrong flag or checkpoint, or no picture under any of the names given (standard
output stays empty).
"""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import torch
from rich.table import Table
from rich.text import Text

from commands import terminal
from commands.device import choose_device
from commands.flags import Parser, out_path
from commands.predictor import Guess, Predictor, load_predictor
from commands.terminal import USAGE_ERROR
from helpers.data.pictures import HARMLESS, Finder, read_image
from helpers.support.errors import DataError, UserError, printable

PROGRAM = "predict.py"
STANDARD_INPUT = "-"
INCOMPLETE = 1
BATCH_SIZE = 64
UNSURE = 0.5  # an answer with a lower probability is marked
HOW = """\
Models with one channel (MNIST) expect one digit a picture. Dark ink on light paper and light ink
on a dark ground are both understood: if most of the border is lighter than the middle between dark
and light, the picture is inverted; where ink crosses the border, all pixels count. Dust and a glint
do not count, nor do dark edges; a sheet of paper that lies straight on a dark table is read without
the table. The digit is then drawn again in black and white with strokes about as wide as MNIST's,
fitted into 20 x 20 pixels and centred in 28 x 28, as MNIST's digits were; a picture that is made
like them already stays as it is. Models in colour see the whole picture, resized to the size they
were trained on, as in training on a folder of images. Transparent parts count as white, or as black
if nothing could be seen on white. An answer with a probability below 50 % is marked as unsure.
Exit status: 0 all pictures predicted, 1 some could not be read or show no digit, 2 nothing to
do."""


class Answer(NamedTuple):
    """A picture's name, how it was read, and the classes that the model finds most probable.

    There are no guesses where no digit can be seen; `read_as` says so.
    """

    path: str
    read_as: str
    guesses: list[Guess]

    @property
    def unsure(self) -> bool:
        return not self.guesses or self.guesses[0].probability < UNSURE


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM, description="Ask a trained model which class pictures are of.", epilog=HOW
    )
    parser.add_argument(
        "images",
        nargs="*",
        metavar="image",
        help="picture files, folders (with all picture files inside them, also in folders "
        "further in), or - for standard input",
    )
    text = "a run's folder, or its best.pt"
    parser.add_argument("--checkpoint", type=out_path, metavar="PATH", required=True, help=text)
    parser.add_argument("--top", type=int, default=3, metavar="K", help="classes (default: 3)")
    parser.add_argument("--json", action="store_true", help="a JSON list instead of a table")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps … (default: auto)")
    return parser


class Pictures:
    """The pictures that the arguments name; complains about each one that cannot be had."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.found = self.failed = 0

    def complain(self, message: object) -> None:
        self.failed += 1
        terminal.say(f"{PROGRAM}: {message}")

    def sources(self) -> Iterator[tuple[str, Path | IO[bytes]]]:
        """The name and the path, or the open file, of every picture."""
        for name in self.names:
            path = Path(os.path.expanduser(name))  # ~x.png stays: no user is called so
            if not name.strip():
                self.complain("a name is empty: is a variable not set?")
            elif name == STANDARD_INPUT:
                yield name, sys.stdin.buffer
            elif os.path.isdir(path):
                yield from self._inside(path)
            elif os.path.exists(path):
                yield name, path
            else:
                self.complain(f"cannot read {printable(name)}: no such file")

    def _inside(self, folder: Path) -> Iterator[tuple[str, Path]]:
        finder = Finder(folder)
        try:
            paths = finder.pictures(folder)
        except DataError as error:
            return self.complain(error)
        if report := finder.report():
            self.complain(f"{printable(folder)}: {report}")
            self.failed -= finder.left_out.keys() <= HARMLESS
        if not paths:
            self.complain(f"no picture in the folder {printable(folder)}")
        yield from ((str(path), path) for path in paths)

    def read(self, predictor: Predictor) -> Iterator[tuple[str, str, torch.Tensor | None]]:
        """The name, how it was read, and the uint8 pixels `C x H x W`, if any, of every picture."""
        for name, source in self.sources():
            self.found += 1
            try:
                image = read_image(source, "standard input" if name == STANDARD_INPUT else name)
            except DataError as error:
                self.complain(error)
                continue
            pixels, read_as = predictor.prepare(image)
            self.failed += pixels is None
            yield name, read_as, None if pixels is None else torch.from_numpy(pixels.copy())


def predict(predictor: Predictor, pictures: Pictures, top: int) -> Iterator[Answer]:
    """Read and predict the pictures batch by batch, in the order of the arguments."""
    reading = pictures.read(predictor)
    while batch := list(islice(reading, BATCH_SIZE)):
        seen = [pixels for _, _, pixels in batch if pixels is not None]
        guesses = iter(predictor.best(torch.stack(seen), top) if seen else [])
        for name, note, pixels in batch:
            yield Answer(name, note, [] if pixels is None else next(guesses))


def as_json(answer: Answer) -> dict[str, object]:
    """One picture's predictions as plain values, best first."""
    return {
        "path": answer.path,
        "read_as": answer.read_as,
        "unsure": answer.unsure,
        "predictions": [{"class": name, "probability": value} for name, value in answer.guesses],
    }


def print_table(answers: Sequence[Answer], predictor: Predictor) -> None:
    table = Table("picture", "class")
    table.add_column("probability", justify="right")
    if predictor.reads_digits:
        table.add_column("read as")
    for answer in answers:
        table.add_section()
        for rank, (name, probability) in enumerate(answer.guesses or [("—", None)]):
            share = "" if probability is None else f"{100 * probability:.2f} %"
            if rank == 0 and answer.guesses and answer.unsure:
                share = f"unsure: {share}"
            cells = [printable(answer.path), printable(name), share]
            if predictor.reads_digits:
                cells.append(answer.read_as)
            if rank:  # what holds for the whole picture stands in its first row
                cells[0], cells[3:] = "", []
            # Text, because a name such as [red].png is no instruction to change the colour.
            table.add_row(*map(Text, cells))
    terminal.print_table(table)


def run(args: argparse.Namespace) -> int:
    """Predict what the arguments ask for and print it; return the exit status.

    Raises:
        UserError, RunError: with a one-line message.
    """
    if args.top < 1:
        raise UserError(f"--top {args.top}: must be at least 1")
    if not args.images:
        raise UserError("no image given: name picture files, folders, or - for standard input")
    predictor = load_predictor(args.checkpoint, choose_device(args.device))
    pictures = Pictures(args.images)
    answers = list(predict(predictor, pictures, args.top))
    if not pictures.found:
        return USAGE_ERROR  # each name has had its line
    if args.json:
        terminal.print_json([as_json(answer) for answer in answers])
    elif answers:
        print_table(answers, predictor)
    return INCOMPLETE if pictures.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run; see `terminal.exit_status`."""
    return terminal.exit_status(PROGRAM, lambda: run(make_parser().parse_intermixed_args(argv)))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # standard error is for lines about pictures
    sys.exit(main())
