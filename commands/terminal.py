"""The one place where the programs meet the terminal: its streams, lines, tables and JSON."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from helpers.support.errors import UserError, printable

FAILED, USAGE_ERROR = 1, 2  # exit statuses


def open_streams() -> None:
    """Make all three standard streams usable, however the program was started.

    A stream that was closed leads nowhere: else the next file that is opened would take its
    number, and what a library prints would land in it. A character that the terminal cannot show
    becomes an escape.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        elif number and hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


def say(line: object) -> None:
    """One line on standard error; where nobody can hear it, it is not said."""
    with contextlib.suppress(OSError, ValueError):
        print(printable(line), file=sys.stderr, flush=True)


@contextlib.contextmanager
def output() -> Iterator[None]:
    """Within this, write to standard output; a reader that has gone (`| head`) is no mistake."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # for the flush at the program's end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise UserError(f"cannot write to standard output: {error.strerror}") from error


def exit_status(program: str, run: Callable[[], int]) -> int:
    """The exit status of `run`; a user's mistake is one line and 2, Ctrl-C one line and 130."""
    open_streams()
    try:
        with output():  # --help and all else
            return run()
    except UserError as error:
        say(f"{program}: error: {error}")
        return USAGE_ERROR
    except KeyboardInterrupt:
        say(f"{program}: stopped")
        return 130


def print_json(content: Any) -> None:
    """`content` as indented JSON on standard output."""
    with output():
        print(json.dumps(content, indent=2))


def print_rows(title: str, rows: Mapping[str, str]) -> None:
    """Names and values side by side, on standard output."""
    table = Table(title=Text(printable(title)), show_header=False)
    for name, value in rows.items():
        table.add_row(Text(name), Text(printable(value)))
    print_table(table)


def print_table(table: Table) -> None:
    """A table of rich's. Its cells should be `Text`: `[red]` or `:cat:` in a name is a name."""
    for column in table.columns:
        column.overflow = "fold"  # in a narrow window a long name takes several lines, uncut
    with output():
        Console(markup=False, emoji=False, highlight=False).print(table)
