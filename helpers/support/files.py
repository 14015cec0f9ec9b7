"""Files that are either whole or not there, and the paths that people type."""

import errno
import importlib
import os
import secrets
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO

from helpers.support.errors import UserError, printable

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds: a virus scanner or a spreadsheet lets go soon
LOST = {errno.EIO, errno.ENOSPC, errno.EDQUOT}  # what `fsync` says when bytes were lost


def can_lock(folder: Path) -> bool:
    """Whether files in `folder` can be locked, which some network drives refuse.

    filelock before its version 4 takes that for a lock of another process, and waits for it.

    Raises:
        OSError: nothing can be written there.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl = importlib.import_module("fcntl")
        except ImportError:  # Windows can
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write` with a temporary file beside `path`, then rename it to `path`.

    A reader sees the old file or the new one, never a part of one. If anything fails, also the
    disk being full, the temporary file is removed and the old file stays as it was.

    Raises:
        OSError: the folder cannot be written, the disk is full, or another program holds `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            try:
                os.fsync(file.fileno())
            except OSError as error:  # some file systems know no fsync
                if error.errno in LOST:
                    raise
        _replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _replace(temporary: Path, path: Path) -> None:
    """Rename; where that is refused, again for a while, then copy, if the file system allows it."""
    for pause in (*PAUSES, None):
        try:
            return os.replace(temporary, path)
        except OSError as error:
            refused = error
        if pause is None or not isinstance(refused, PermissionError):
            break
        time.sleep(pause)
    if refused.errno in LOST:
        raise refused
    try:
        shutil.copyfile(temporary, path)
    except OSError as error:
        words = f"{path.name} is open in another program, or may not be replaced"
        raise OSError(refused.errno, words, str(path)) from error
    temporary.unlink(missing_ok=True)
    text = f"{path.parent}: no file is replaced in one step here; a crash meanwhile may damage one"
    warnings.warn(text, stacklevel=3)


def user_path(text: str | Path, what: str) -> Path:
    """The path that somebody typed: `~` is their home, and no name is not the current folder.

    Every flag and environment variable that names a file or a folder is read here.

    Raises:
        UserError: the name is empty, or begins with the `~` of nobody; `what` says which one.
    """
    if not str(text).strip():
        raise UserError(f"{what}: the name is empty")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(f"{what}: there is no home folder for {printable(text)}") from error
