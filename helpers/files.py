"""Files that are either whole or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from helpers.errors import UserError


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write` with a temporary file beside `path`, then rename it to `path`.

    A reader sees the old file or the new one, never a part of one. If anything fails, also the
    disk being full, the temporary file is removed and the old file stays as it was.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def user_path(text: str | Path, what: str) -> Path:
    """The path that somebody typed: `~` is their home, and no name is not the current folder.

    Every flag and environment variable that names a file or a folder is read here.

    Raises:
        UserError: the name is empty; `what` says which one.
    """
    if not str(text).strip():
        raise UserError(f"{what}: the name is empty")
    return Path(text).expanduser()
