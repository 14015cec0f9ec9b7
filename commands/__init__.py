"""The command line behind `train.py`, `lightning_train.py`, `predict.py` and `export.py`.

Whatever is wrong with what a user typed, stored or has here is a `UserError` (or one of its kinds,
see `helpers/support/errors.py`), wherever it is found; the scripts tell its one line.
"""

import sys
from types import TracebackType


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while the libraries are still being loaded is no fault of theirs: no traceback."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    elif sys.stderr is not None:
        print("stopped", file=sys.stderr)


sys.excepthook = _one_line
