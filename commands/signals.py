"""Ctrl-C and SIGTERM end a run in an orderly way."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """The user or the system asks the program to end; like KeyboardInterrupt no Exception.

    `status` is the exit status that shells expect: 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Within this, Ctrl-C and SIGTERM raise `Stopped`; a second one ends the process at once.

    Since every file is written atomically, no moment is a bad one.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
