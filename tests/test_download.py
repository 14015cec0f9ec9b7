"""Downloads under fire: a local server plays every mirror, good, bad, slow and hostile.

Nothing of our own is replaced: `load` talks to real sockets. The fake archives are tiny, but real:
torchvision's own classes parse them, with the checksums of the fakes in their tables.
"""

import contextlib
import gzip
import hashlib
import io
import itertools
import json
import os
import pickle
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import numpy as np
import pytest
import torchvision  # noqa: F401  (imported early: slow, and needs the rights of the user)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torchvision.datasets import CIFAR10, MNIST

from helpers.data import download, npz
from helpers.data.load import SampleWarning, load
from helpers.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("mnist", "cifar10")
TAR = CIFAR10.filename


# --- tiny data sets -----------------------------------------------------------------------------


def make_arrays(name, seed=0, train=50, test=20):
    rng = np.random.default_rng(seed)
    shape = npz.IMAGE_SHAPES[name]
    return {
        "x_train": rng.integers(0, 256, (train, *shape), dtype=np.uint8),
        "y_train": (np.arange(train) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (test, *shape), dtype=np.uint8),
        "y_test": (np.arange(test) % 10).astype(np.uint8),
    }


def idx(array):
    """The IDX format of the MNIST files, gzipped."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


def tar_gz(members):
    """A tar archive of (name or TarInfo, bytes)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def mnist_files(arrays):
    parts = ("x_train", "y_train", "x_test", "y_test")
    return {
        filename: idx(arrays[part])
        for (filename, _), part in zip(MNIST.resources, parts, strict=True)
    }


def cifar_members(arrays):
    """The files inside the CIFAR-10 archive, each a pickle of flat rows, channels first."""
    rows = {p: arrays[f"x_{p}"].transpose(0, 3, 1, 2).reshape(-1, 3072) for p in ("train", "test")}
    size = len(rows["train"]) // 5
    parts = [("train", slice(k * size, (k + 1) * size)) for k in range(5)] + [("test", slice(None))]
    entries = [
        {"data": rows[part][where], "labels": arrays[f"y_{part}"][where].tolist()}
        for part, where in parts
    ]
    names = [filename for filename, _ in CIFAR10.train_list + CIFAR10.test_list]
    members = dict(zip(names, map(pickle.dumps, entries), strict=True))
    members[CIFAR10.meta["filename"]] = pickle.dumps({"label_names": ["airplane"] * 10})
    return members


ARRAYS = {name: make_arrays(name) for name in NAMES}
MEMBERS = cifar_members(ARRAYS["cifar10"])
CIFAR_TAR = tar_gz([(f"{CIFAR10.base_folder}/{n}", content) for n, content in MEMBERS.items()])
FILES = mnist_files(ARRAYS["mnist"]) | {TAR: CIFAR_TAR}
FIRST = {"mnist": MNIST.resources[0][0], "cifar10": TAR}
COUNT = {"mnist": 4, "cifar10": 1}  # files of a data set


def tables(urls, tar=CIFAR_TAR):
    """The attributes that make torchvision and the course know the fakes."""
    urls = list(urls)
    return {
        "MNIST": {"resources": [(name, md5(FILES[name])) for name, _ in MNIST.resources]},
        "CIFAR10": {
            "tgz_md5": md5(tar),
            "train_list": [[name, md5(MEMBERS[name])] for name, _ in CIFAR10.train_list],
            "test_list": [[name, md5(MEMBERS[name])] for name, _ in CIFAR10.test_list],
            "meta": CIFAR10.meta | {"md5": md5(MEMBERS[CIFAR10.meta["filename"]])},
        },
        "download": {"MNIST_MIRRORS": urls, "CIFAR10_MIRRORS": urls},
    }


PLACES = {"MNIST": MNIST, "CIFAR10": CIFAR10, "download": download}


# --- the server ---------------------------------------------------------------------------------


class Mirror(ThreadingHTTPServer):
    """One mirror. `script` holds a behaviour for each request; the last one stays."""

    daemon_threads = False  # so that closing the server waits for every thread

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.reset()

    def reset(self, *script):
        self.script, self.requests, self.files = list(script or [good]), [], dict(FILES)

    @property
    def host(self):
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self):
        return f"http://{self.host}/"

    def close(self):
        self.stop.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request, client_address):
        """Say nothing: clients that go away are the point."""


class Handler(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self):
        script, name = self.server.script, self.path.rsplit("/", 1)[-1]
        self.server.requests.append((name, self.headers["Range"]))
        act = script.pop(0) if len(script) > 1 else script[0]
        asked = self.headers["Range"]
        self.start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        act(self, self.server.files[name])

    def log_message(self, *args):
        pass

    def answer(self, code, length=None, **headers):
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def part(self, body):
        """Begin the answer to a request for a range or for all; return what is to be sent."""
        self.answer(206 if self.start else 200, len(body) - self.start)
        return body[self.start :]


def good(handler, body):
    if handler.start >= len(body):
        handler.answer(416, 0)
    else:
        handler.wfile.write(handler.part(body))


def status(code):
    def act(handler, body):
        handler.answer(code, 9)
        handler.wfile.write(b"not here\n")

    act.__name__ = f"status_{code}"
    return act


def wrong(handler, body):
    good(handler, bytes(byte ^ 255 for byte in body))


def empty(handler, body):
    handler.answer(200, 0)


def page(handler, body):
    """A login page where a file should be, as in a hotel."""
    text = b"<html>please log in</html>" * 40
    handler.answer(200, len(text), Content_Type="text/html")
    handler.wfile.write(text)


def no_range(handler, body):
    handler.answer(200, len(body))
    handler.wfile.write(body)


def wrong_range(handler, body):
    handler.answer(206, len(body))
    handler.wfile.write(body)


def truncated(handler, body):
    rest = handler.part(body)
    handler.wfile.write(rest[: len(rest) // 2])


def wrong_and_truncated(handler, body):
    truncated(handler, bytes(byte ^ 255 for byte in body))


def truncated_without_length(handler, body):
    handler.answer(200)
    handler.wfile.write(body[: len(body) // 2])


def chunked(handler, body, end=b"0\r\n\r\n"):
    handler.protocol_version = "HTTP/1.1"
    handler.answer(200, Transfer_Encoding="chunked")
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(body), body) + end)
    handler.close_connection = True


def chunked_and_truncated(handler, body):
    chunked(handler, body[: len(body) // 2], end=b"")


def reset(handler):
    """Close the connection with an error (RST) instead of an end."""
    handler.rfile.close()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def dropped(handler, body):
    rest = handler.part(body)
    handler.wfile.write(rest[: len(rest) // 2])
    reset(handler)


def dropped_at_once(handler, body):
    reset(handler)


def garbage(handler, body):
    handler.wfile.write(b"\x00\x01 this is no web server\r\n\r\n")


def hung_up(handler, body):
    """Closes the connection without a word."""


def moved(where):
    def act(handler, body):
        handler.answer(302, 0, Location=where)

    act.__name__ = f"moved_to_{where.split(':')[0].strip('/')}"
    return act


def in_circles(handler, body):
    handler.answer(302, 0, Location=handler.path)


def silent(handler, body):
    handler.server.stop.wait(60)


def drip(handler, body):
    for byte in handler.part(body):
        handler.wfile.write(bytes([byte]))
        if handler.server.stop.wait(0.02):
            break


def drip_after_half(handler, body):
    rest = handler.part(body)
    handler.wfile.write(rest[: len(rest) // 2])
    for byte in rest[len(rest) // 2 :]:
        handler.wfile.write(bytes([byte]))
        if handler.server.stop.wait(0.02):
            break


def drip_in_header(handler, body):
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Nothing: ")
    while not handler.server.stop.wait(0.02):
        handler.wfile.write(b"x")


def drip_in_chunk_size(handler, body):
    handler.answer(200, Transfer_Encoding="chunked")
    while not handler.server.stop.wait(0.02):
        handler.wfile.write(b"0")


def endless(handler, body):
    handler.answer(200)
    while not handler.server.stop.is_set():
        handler.wfile.write(bytes(1 << 16))


FAST_AND_BAD = {
    status(403): r"answered 403 \(Forbidden\)",
    status(404): r"answered 404 \(Not Found\)",
    status(429): r"answered 429 \(Too Many Requests\)",
    status(500): r"answered 500 \(Internal Server Error\)",
    status(599): r"answered 599",
    wrong: r"wrong bytes \(the checksum differs\)",
    empty: r"wrong bytes \(the checksum differs\)",
    page: r"wrong bytes \(the checksum differs\)",
    truncated_without_length: r"wrong bytes \(the checksum differs\)",
    truncated: r"connection closed after [\d,]+ of [\d,]+ bytes",
    chunked_and_truncated: "not the answer of a web server",
    dropped: "connection (dropped|closed after .* bytes)",
    dropped_at_once: "connection dropped",
    hung_up: "connection dropped",
    garbage: "not the answer of a web server",
    moved("file:///etc/hosts"): r"answered 302 \(Found\)",
    moved("ftp://127.0.0.1/x"): "leads to an address that is not http or https",
    moved("//:x/"): "not the answer of a web server",
    in_circles: r"answered 302 \(Found\)",
}
SLOW_AND_BAD = {
    silent: r"no answer within 0\.3 seconds",
    drip: "slower than 200 bytes a second",
    drip_after_half: "slower than 200 bytes a second",
    drip_in_header: "slower than 200 bytes a second",
    drip_in_chunk_size: "slower than 200 bytes a second",
    endless: "sends more than 3,000,000 bytes",
}
GOOD = [good, no_range, chunked]


@pytest.fixture(scope="module")
def servers():
    found = [Mirror() for _ in range(3)]
    yield found
    for mirror in found:
        mirror.close()


@pytest.fixture
def mirrors(servers, monkeypatch):
    """Two mirrors, known to the course as the only ones."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for mirror in servers:
        mirror.reset()
    know(monkeypatch, tables(mirror.url for mirror in servers[:2]))
    return servers[:2]


def know(monkeypatch, values):
    for place, attributes in values.items():
        for attribute, value in attributes.items():
            monkeypatch.setattr(PLACES[place], attribute, value)


@pytest.fixture
def short(monkeypatch):
    """Time limits for tests. The good mirrors keep them with a wide margin."""
    for limit, value in {
        "STALL_SECONDS": 0.3,
        "PACE_SECONDS": 0.1,
        "MINIMUM_RATE": 200,
        "LARGEST": 3_000_000,
    }.items():
        monkeypatch.setattr(download, limit, value)


# --- what must hold -----------------------------------------------------------------------------


def check_loaded(data, name, arrays=None):
    """All four arrays are the right ones; the training part is cut in two, so compare it sorted."""
    arrays = arrays or ARRAYS[name]
    test = data.test.images.numpy()
    test = test[:, 0] if name == "mnist" else test.transpose(0, 2, 3, 1)
    assert not data.is_sample
    assert np.array_equal(test, arrays["x_test"])
    assert np.array_equal(data.test.labels.numpy(), arrays["y_test"])
    pairs = [
        (image.numpy().tobytes(), int(label))
        for split in (data.train, data.val)
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    images = arrays["x_train"] if name == "mnist" else arrays["x_train"].transpose(0, 3, 1, 2)
    expected = [(i.tobytes(), int(k)) for i, k in zip(images, arrays["y_train"], strict=True)]
    assert sorted(pairs) == sorted(expected)


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def failure(name, folder):
    """The one line with which `load` ends."""
    with pytest.raises(DataError) as error:
        load(name, folder, mode="full")
    line = str(error.value)
    assert not re.search(r"\n|\wError|Errno|<|\w\(", line), line  # plain words
    return line


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("act", GOOD)
def test_good_mirror_makes_the_prepared_file(name, act, mirrors, tmp_path):
    mirrors[0].reset(act)
    data = load(name, tmp_path, mode="full")
    check_loaded(data, name)
    assert data.source.startswith("MNIST, the original" if name == "mnist" else "CIFAR-10, the")
    assert visible(tmp_path) == [f"{name}.npz"]  # the downloads are gone
    with np.load(tmp_path / f"{name}.npz") as file:
        assert str(file["digest"]) == npz.digest(ARRAYS[name])
    assert len(mirrors[0].requests) == COUNT[name] and not mirrors[1].requests
    check_loaded(load(name, tmp_path, mode="full"), name)
    assert len(mirrors[0].requests) == COUNT[name]


# Both data sets by turns; the property below tries every pair.
@pytest.mark.parametrize(
    ("act", "name"), list(zip(FAST_AND_BAD, itertools.cycle(NAMES), strict=False))
)
def test_bad_mirror_is_named_and_the_next_one_takes_over(name, act, mirrors, tmp_path):
    for mirror in mirrors:
        mirror.reset(act)
    line = failure(name, tmp_path)
    for mirror in mirrors:
        assert_reason(line, mirror, FAST_AND_BAD[act])
    assert FIRST[name] in line and f"put a whole {name}.npz into {tmp_path}" in line
    mirrors[1].reset()
    check_loaded(load(name, tmp_path, mode="full"), name)
    assert visible(tmp_path) == [f"{name}.npz"]
    assert mirrors[0].requests and len(mirrors[1].requests) >= COUNT[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_stands_in_with_a_warning_until_a_mirror_works(name, mirrors, tmp_path):
    mirrors[0].reset(status(403))
    mirrors[1].reset(dropped)
    with pytest.warns(SampleWarning) as caught:
        assert load(name, tmp_path, mode="auto").is_sample
    assert len(caught) == 1
    notice = str(caught[0].message)
    assert "cannot download" in notice and all(mirror.host in notice for mirror in mirrors)
    assert caught[0].filename == __file__  # it points to the line that called `load`
    mirrors[1].reset()
    check_loaded(load(name, tmp_path, mode="auto"), name)


def assert_reason(line, mirror, reason):
    assert re.search(rf"{re.escape(mirror.host)}: {reason}[;)]", line), line


@pytest.mark.parametrize("act", SLOW_AND_BAD)
def test_slow_mirror_costs_a_bounded_time(act, mirrors, short, tmp_path):
    for mirror in mirrors:
        mirror.reset(act)
    started = time.monotonic()
    line = failure("cifar10", tmp_path)
    assert time.monotonic() - started < 30  # a drip alone would take an hour
    for mirror in mirrors:
        assert_reason(line, mirror, SLOW_AND_BAD[act])
    mirrors[1].reset()
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    assert visible(tmp_path) == ["cifar10.npz"]


def test_a_mirror_that_gives_nothing_is_asked_once(mirrors, tmp_path):
    mirrors[0].reset(hung_up)
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    assert len(mirrors[0].requests) == 1


def test_what_came_before_the_drip_is_kept(mirrors, short, tmp_path):
    mirrors[0].reset(drip_after_half)
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    (_, asked), half = mirrors[1].requests[0], len(CIFAR_TAR) // 2
    assert half <= int(asked[6:-1]) < len(CIFAR_TAR)


def test_the_mirror_that_worked_is_asked_first_for_the_next_file(mirrors, tmp_path):
    mirrors[0].reset(status(403))
    check_loaded(load("mnist", tmp_path, mode="full"), "mnist")
    assert len(mirrors[0].requests) == 1 and len(mirrors[1].requests) == 4


def test_a_broken_transfer_goes_on_where_it_stopped(mirrors, tmp_path):
    mirrors[0].reset(truncated, truncated, good)
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    size = len(CIFAR_TAR)
    half = size // 2
    quarter = half + (size - half) // 2
    expected = [None, f"bytes={half}-", f"bytes={quarter}-"]
    assert [asked for _, asked in mirrors[0].requests] == expected and not mirrors[1].requests


def test_a_mirror_that_knows_no_ranges_starts_anew(mirrors, tmp_path):
    mirrors[0].reset(truncated, no_range)
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    assert len(mirrors[0].requests) == 2 and not mirrors[1].requests


def test_the_next_run_and_the_next_mirror_go_on_too(mirrors, tmp_path):
    half = len(CIFAR_TAR) // 2
    mirrors[0].reset(truncated, status(500))
    mirrors[1].reset(status(404))
    assert "answered 500" in failure("cifar10", tmp_path)
    assert mirrors[1].requests == [(TAR, f"bytes={half}-")]
    assert visible(tmp_path) == ["cifar10.download"]
    mirrors[0].reset(good)
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    assert mirrors[0].requests == [(TAR, f"bytes={half}-")]


def test_files_that_are_whole_are_not_asked_for_again(mirrors, tmp_path):
    mirrors[0].reset(good, good, status(403))
    mirrors[1].reset(status(403))
    failure("mnist", tmp_path)
    mirrors[0].reset()
    check_loaded(load("mnist", tmp_path, mode="full"), "mnist")
    wanted = [name for name, _ in MNIST.resources[2:]]
    assert [name for name, _ in mirrors[0].requests] == wanted


@pytest.mark.parametrize(
    "leftover", [b"rubbish", CIFAR_TAR + b"too long", CIFAR_TAR, bytes(len(CIFAR_TAR))]
)
def test_wrong_leftovers_are_thrown_away(leftover, mirrors, tmp_path):
    work = tmp_path / "cifar10.download"
    work.mkdir()
    (work / f"{TAR}.part").write_bytes(leftover)
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    assert not mirrors[1].requests


def test_a_damaged_archive_from_an_earlier_run_is_fetched_again(mirrors, tmp_path):
    work = tmp_path / "cifar10.download"
    work.mkdir()
    (work / TAR).write_bytes(CIFAR_TAR[:5000])
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")


def test_wrong_bytes_of_one_mirror_do_not_spoil_those_of_the_next(mirrors, tmp_path):
    mirrors[0].reset(wrong_and_truncated, status(500))
    mirrors[1].reset(truncated, truncated, good)
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")


ACTS = [*GOOD, *FAST_AND_BAD, wrong_and_truncated, wrong_range]
SCRIPTS = st.lists(st.sampled_from(ACTS), min_size=1, max_size=6)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from(NAMES), scripts=st.tuples(SCRIPTS, SCRIPTS))
def test_any_sequence_of_answers_ends_in_the_right_data_or_one_line(name, scripts, mirrors):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for mirror, script in zip(mirrors, scripts, strict=True):
            mirror.reset(*script)
        try:
            check_loaded(load(name, folder, mode="full"), name)
            assert visible(folder) == [f"{name}.npz"]
        except DataError as error:
            assert "\n" not in str(error)
            assert all(f"{mirror.host}: " in str(error) for mirror in mirrors)
            assert not (folder / f"{name}.npz").exists()
        for mirror in mirrors:
            mirror.reset()
        check_loaded(load(name, folder, mode="full"), name)
        assert visible(folder) == [f"{name}.npz"]


# --- hosts that cannot be reached ---------------------------------------------------------------


def closed_port():
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_without_a_host_the_sample_takes_over_quickly_and_loudly(mirrors, tmp_path, monkeypatch):
    refusing = f"http://127.0.0.1:{closed_port()}/"
    urls = [refusing, "http://nowhere.invalid/", "ftp://127.0.0.1/", "http:///nothing/"]
    know(monkeypatch, tables(urls))
    with pytest.warns(SampleWarning, match="DRAWN STAND-IN"):
        data = load("cifar10", tmp_path, mode="auto")
    assert data.is_sample
    line = failure("cifar10", tmp_path)
    assert f"{refusing[7:-1]}: connection refused" in line
    assert "nowhere.invalid: " in line and line.count("not an http or https address") == 2


def test_all_hosts_together_cost_no_more_than_the_limit(monkeypatch):
    waited, clock = [], [0.0]

    def never_answers(address, timeout):
        waited.append(timeout)
        clock[0] += timeout
        raise TimeoutError

    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 80)) for n in range(9)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: addresses)
    monkeypatch.setattr(socket, "create_connection", never_answers)
    monkeypatch.setattr(download.time, "monotonic", lambda: clock[0])
    states = download.reachable([f"https://mirror{n}.example/" for n in range(20)])
    assert sum(waited) <= download.REACH_SECONDS
    assert waited[0] == download.CONNECT_SECONDS / 2  # time is left for the other addresses
    for host in ("mirror0", "mirror1", "mirror2"):  # and for the other hosts
        assert states[f"https://{host}.example/"] == "no answer within 4 seconds"
    assert states["https://mirror19.example/"] == "no time left to try it"


def test_a_proxy_is_asked_where_one_is_set(mirrors, tmp_path, monkeypatch):
    know(monkeypatch, tables(["http://nowhere.invalid/data/"]))
    monkeypatch.setenv("http_proxy", mirrors[1].url)
    check_loaded(load("mnist", tmp_path, mode="full"), "mnist")
    assert len(mirrors[1].requests) == 4


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_a_certificate_that_nobody_vouches_for_is_refused(mirrors, tmp_path, monkeypatch):
    pair = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout"
    command = [*command.split(), pair[0], "-out", pair[1]]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair[1], pair[0])
    # What learners are told elsewhere to do: it must change nothing here.
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    server = Mirror(context)
    try:
        know(monkeypatch, tables([f"https://localhost:{server.server_address[1]}/"]))
        line = failure("mnist", tmp_path / "data")
    finally:
        server.close()
    assert "its certificate cannot be verified" in line and not server.requests
    assert not re.search("switch|disable|unverified|ignore", line)


# --- several processes --------------------------------------------------------------------------

WORKER = """
import json, sys

sys.path.insert(0, sys.argv[1])
from torchvision.datasets import CIFAR10, MNIST
from helpers import download
from helpers.data import load

def tell(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".lock") and not told:
        told.append(print("at the lock", flush=True))

told = []
sys.addaudithook(tell)
for line in sys.stdin:
    name, folder, values = json.loads(line)
    for place, found in (("MNIST", MNIST), ("CIFAR10", CIFAR10), ("download", download)):
        for attribute, value in values[place].items():
            setattr(found, attribute, value)
    told.clear()
    data = load(name, folder, mode="full")
    print(data.source, data.test.labels.sum().item(), flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def workers():
    """Two processes that load what they are told to. They start early, for importing is slow."""
    command = [sys.executable, "-W", "error", "-c", WORKER, str(ROOT)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    found = [subprocess.Popen(command, **pipes) for _ in range(2)]
    yield found
    for process in found:
        process.kill()
        process.communicate()


def tell(process, name, folder, mirrors):
    """Have a process load a data set; return when it has come to the lock."""
    values = tables(mirror.url for mirror in mirrors)
    process.stdin.write(json.dumps([name, str(folder), values]) + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "at the lock\n"


def test_two_processes_download_once(workers, mirrors, tmp_path):
    both_wait = threading.Event()

    def good_when_both_wait(handler, body):
        assert both_wait.wait(60)
        good(handler, body)

    mirrors[0].reset(good_when_both_wait)
    for process in workers:
        tell(process, "mnist", tmp_path, mirrors)
    both_wait.set()  # both have seen that the file is missing before one of them got a byte
    lines = {process.stdout.readline() for process in workers}
    assert lines == {f"MNIST, the original 70,000 images {ARRAYS['mnist']['y_test'].sum()}\n"}
    assert [name for name, _ in mirrors[0].requests] == [name for name, _ in MNIST.resources]
    assert visible(tmp_path) == ["mnist.npz"]


def test_a_process_that_was_killed_blocks_nobody(workers, mirrors, tmp_path):
    asked, dead = threading.Event(), threading.Event()

    def hold(handler, body):
        half = handler.part(body)[: len(body) // 2]
        handler.wfile.write(half)
        asked.set()
        dead.wait(60)

    mirrors[0].reset(hold, good)
    (tmp_path / ".cifar10.npz.abc.part").write_bytes(b"of a process that was killed earlier")
    tell(workers[0], "cifar10", tmp_path, mirrors)
    assert asked.wait(60)
    with pytest.raises(filelock.Timeout):  # it does hold the lock
        filelock.FileLock(tmp_path / ".cifar10.lock").acquire(timeout=0)
    workers[0].kill()
    workers[0].wait()
    dead.set()
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    assert sorted(os.listdir(tmp_path)) == [".cifar10.lock", "cifar10.npz"]


def test_waiting_for_another_process_ends(mirrors, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LOCK_SECONDS", 0.05)
    with filelock.FileLock(tmp_path / ".mnist.lock"):
        line = failure("mnist", tmp_path)
    assert line.startswith("another process has been downloading mnist into")
    assert not mirrors[0].requests


def test_a_whole_file_is_read_without_the_lock(mirrors, tmp_path):
    npz.write_prepared(tmp_path / "mnist.npz", ARRAYS["mnist"], "made by the test")
    with filelock.FileLock(tmp_path / ".mnist.lock"):
        check_loaded(load("mnist", tmp_path, mode="full"), "mnist")


# --- damaged prepared files ---------------------------------------------------------------------


def overwrite(path, **changes):
    """Save the file again with other contents: a valid zip with valid checksums."""
    with np.load(path) as file:
        contents = dict(file) | changes
    np.savez(path, **{key: value for key, value in contents.items() if value is not None})


def flip(path, at=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)


OTHER = make_arrays("mnist", seed=1)
NOT_WHOLE = "it is not a whole npz file"
NOT_THE_DIGEST = "its contents do not match its digest"
DAMAGE = {
    "nothing in it": (lambda path: path.write_bytes(b""), NOT_WHOLE),
    "no archive": (lambda path: path.write_bytes(b"no archive at all"), NOT_WHOLE),
    "a page": (lambda path: path.write_bytes(b"<html></html>"), NOT_WHOLE),
    "one array": (lambda path: np.save(path.open("wb"), OTHER["x_test"]), NOT_WHOLE),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:2000]), NOT_WHOLE),
    "one byte less": (lambda path: path.write_bytes(path.read_bytes()[:-1]), NOT_WHOLE),
    "a flipped bit": (flip, NOT_WHOLE),
    "objects": (lambda path: overwrite(path, y_test=np.array([{}])), NOT_WHOLE),
    "mixed arrays": (lambda path: overwrite(path, x_test=OTHER["x_test"]), NOT_THE_DIGEST),
    "other images": (lambda path: overwrite(path, x_train=OTHER["x_train"]), NOT_THE_DIGEST),
    "other labels": (lambda path: overwrite(path, y_train=OTHER["y_train"][::-1]), NOT_THE_DIGEST),
    "other types": (
        lambda path: overwrite(path, y_test=OTHER["y_test"].astype(np.int8)),
        NOT_THE_DIGEST,
    ),
    "a part missing": (lambda path: overwrite(path, x_test=None), "it does not hold x_train, "),
    "floats": (lambda path: overwrite(path, x_train=np.zeros((50, 28, 28))), "x_train does not"),
    "no images": (lambda path: overwrite(path, x_test=OTHER["x_test"][:0]), "x_test does not"),
    "another size": (
        lambda path: overwrite(path, x_test=OTHER["x_test"][:, 1:]),
        "the images of x_test are not 28 x 28",
    ),
    "lengths": (lambda path: overwrite(path, y_test=OTHER["y_test"][1:]), "x_test and y_test diff"),
    "label 11": (lambda path: overwrite(path, y_test=OTHER["y_test"] + 2), "labels 0-9"),
    "label -1": (
        lambda path: overwrite(path, y_test=OTHER["y_test"].astype(int) - 1),
        "labels 0-9",
    ),
    "label 0.5": (lambda path: overwrite(path, y_test=OTHER["y_test"] / 2), "labels 0-9"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_set_aside_and_fetched_again(case, mirrors, tmp_path):
    damage, reason = DAMAGE[case]
    path = tmp_path / "mnist.npz"
    npz.write_prepared(path, ARRAYS["mnist"], "made by the test")
    damage(path)
    damaged = path.read_bytes()
    with pytest.warns(UserWarning, match="fetched again") as caught:
        check_loaded(load("mnist", tmp_path, mode="auto"), "mnist")
    assert len(caught) == 1
    line = str(caught[0].message)
    assert str(path) in line and reason in line and "mnist.npz.damaged" in line
    assert caught[0].filename == __file__  # the line that called `load`
    assert (tmp_path / "mnist.npz.damaged").read_bytes() == damaged
    assert visible(tmp_path) == ["mnist.npz", "mnist.npz.damaged"]


@pytest.mark.parametrize("case", DAMAGE)
def test_without_a_mirror_a_damaged_file_is_one_line_and_lies_aside(case, tmp_path, monkeypatch):
    damage, reason = DAMAGE[case]
    know(monkeypatch, tables([f"http://127.0.0.1:{closed_port()}/"]))
    path = tmp_path / "mnist.npz"
    npz.write_prepared(path, ARRAYS["mnist"], "made by the test")
    damage(path)
    damaged = path.read_bytes()
    line = failure("mnist", tmp_path)
    assert line.startswith(f"damaged data file {path} (") and reason in line
    assert "set aside as mnist.npz.damaged; cannot download" in line
    assert f"put a whole mnist.npz into {tmp_path}" in line
    assert (tmp_path / "mnist.npz.damaged").read_bytes() == damaged


def test_the_sample_takes_over_from_a_damaged_file_and_says_so(mirrors, tmp_path):
    for mirror in mirrors:
        mirror.reset(status(403))
    (tmp_path / "cifar10.npz").write_bytes(b"damaged")
    with pytest.warns(SampleWarning, match=r"set aside as cifar10\.npz\.damaged"):
        assert load("cifar10", tmp_path, mode="auto").is_sample


def test_files_set_aside_earlier_are_kept(mirrors, tmp_path):
    for number in range(3):
        (tmp_path / "mnist.npz").write_bytes(b"%d" % number)
        with pytest.warns(UserWarning, match="fetched again"):
            load("mnist", tmp_path, mode="full")
    names = ["mnist.npz.damaged", "mnist.npz.damaged-2", "mnist.npz.damaged-3"]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"0", b"1", b"2"]


def test_a_file_from_elsewhere_needs_no_digest(mirrors, tmp_path):
    arrays = ARRAYS["cifar10"] | {"y_test": ARRAYS["cifar10"]["y_test"][:, None]}
    np.savez_compressed(tmp_path / "cifar10.npz", **arrays)
    before = (tmp_path / "cifar10.npz").read_bytes()
    data = load("cifar10", tmp_path, mode="full")
    check_loaded(data, "cifar10")
    assert data.source == "the file cifar10.npz" and not mirrors[0].requests
    assert (tmp_path / "cifar10.npz").read_bytes() == before and len(os.listdir(tmp_path)) == 1


def test_digits_are_not_taken_for_photographs(mirrors, tmp_path):
    np.savez(tmp_path / "cifar10.npz", **ARRAYS["mnist"])
    with pytest.warns(UserWarning, match="the images of x_train are not 32 x 32 x 3"):
        check_loaded(load("cifar10", tmp_path, mode="auto"), "cifar10")


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_flipped_bits_never_give_wrong_data(data, tmp_path):
    path = tmp_path / "mnist.npz"
    arrays = make_arrays("mnist", train=20, test=10)
    npz.write_prepared(path, arrays, "made by the test")
    content = bytearray(path.read_bytes())
    # Half of the flips hit the last 2,000 bytes, where most of the structure is.
    start = data.draw(st.sampled_from([0, len(content) - 2000]))
    content[data.draw(st.integers(start, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, _ = npz.read_prepared(path, (28, 28))
    except DataError:
        return
    assert all(np.array_equal(found[key], arrays[key]) for key in arrays)


def test_the_digest_depends_on_type_shape_place_and_bytes():
    arrays = make_arrays("mnist")
    changes = [
        {},
        {"x_train": arrays["x_train"].reshape(50, 784)},
        {"y_train": arrays["y_train"].astype(np.int8)},
        {"x_train": arrays["x_test"], "x_test": arrays["x_train"]},
        {"y_test": arrays["y_test"][::-1]},
    ]
    assert len({npz.digest(arrays | change) for change in changes}) == len(changes)
    turned = np.asfortranarray(arrays["x_train"])
    assert npz.digest(arrays | {"x_train": turned}) == npz.digest(arrays)


# --- hostile archives ---------------------------------------------------------------------------


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def fifo(name):
    info = tarfile.TarInfo(name)
    info.type = tarfile.FIFOTYPE
    return info


HOSTILE = {
    "parent path": [("../escaped.txt", b"evil")],
    "parent path further in": [("cifar-10-batches-py/../../escaped.txt", b"evil")],
    "absolute path": [("/escaped.txt", b"evil")],
    "Windows drive": [("C:\\escaped.txt", b"evil")],
    "Windows parent": [("..\\escaped.txt", b"evil")],
    "symbolic link": [(link("out", ".."), b""), ("out/escaped.txt", b"evil")],
    "absolute link": [(link("out", "/"), b"")],
    "hard link": [(link("out", "../secret", tarfile.LNKTYPE), b"")],
    "fifo": [(fifo("pipe"), b"")],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_archive_that_leads_outside_is_refused(case, mirrors, tmp_path, monkeypatch):
    inside = [(f"{CIFAR10.base_folder}/{name}", content) for name, content in MEMBERS.items()]
    archive = tar_gz([*inside, *HOSTILE[case]])
    for mirror in mirrors:
        mirror.files[TAR] = archive
    know(monkeypatch, tables([mirrors[0].url], archive))
    (tmp_path / "secret").write_text("not yours")
    folder = tmp_path / "data"
    line = failure("cifar10", folder)
    assert f"cannot unpack {TAR}: " in line and "leads out of the folder" in line
    assert sorted(os.listdir(tmp_path)) == ["data", "secret"]
    assert visible(folder) == ["cifar10.download"]
    assert os.listdir(folder / "cifar10.download") == [TAR]  # nothing was unpacked


@pytest.mark.parametrize("archive", [CIFAR_TAR[:-2000], b"no archive", tar_gz([("x", b"y")])])
def test_archive_that_is_none_is_one_line(archive, mirrors, tmp_path, monkeypatch):
    mirrors[0].files[TAR] = archive
    know(monkeypatch, tables([mirrors[0].url], archive))
    line = failure("cifar10", tmp_path)
    assert "the archive is damaged" in line or "are not cifar10" in line


def test_mnist_files_that_are_none_are_one_line(mirrors, tmp_path, monkeypatch):
    monkeypatch.setattr(MNIST, "resources", [(n, md5(b"no gzip")) for n, _ in MNIST.resources])
    mirrors[0].files = dict.fromkeys(FILES, b"no gzip")
    assert "are not mnist" in failure("mnist", tmp_path)


# --- the disk -----------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_while_downloading_is_one_line(mirrors, tmp_path):
    part = tmp_path / "cifar10.download" / f"{TAR}.part"
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    line = failure("cifar10", tmp_path)
    assert line.startswith(f"cannot write the data folder {tmp_path}: no space left on device; ")
    assert not mirrors[1].requests  # it is not the mirror's fault
    (tmp_path / "cifar10.npz").write_bytes(b"damaged")
    line = failure("cifar10", tmp_path)
    assert "set aside as cifar10.npz.damaged; cannot write" in line and "no space left" in line
    part.unlink()
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("size", [100, 100_000, 200_000])
def test_full_disk_while_writing_the_prepared_file_loses_nothing(size, mirrors, tmp_path):
    import resource

    (tmp_path / "cifar10.npz").write_bytes(b"damaged")
    work = tmp_path / "cifar10.download"
    work.mkdir()
    (work / TAR).write_bytes(CIFAR_TAR)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        line = failure("cifar10", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "damaged; cannot write" in line and "file too large" in line
    left = [".cifar10.lock", "cifar10.download", "cifar10.npz.damaged"]
    assert sorted(os.listdir(tmp_path)) == left
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10")
    assert not mirrors[0].requests  # what was fetched before was used


def test_a_file_where_the_folder_should_be_is_one_line(mirrors, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "data"):
        assert failure("mnist", folder).startswith(f"cannot write the data folder {folder}: ")
    with pytest.warns(SampleWarning, match="cannot write the data folder"):
        assert load("mnist", tmp_path / "file", mode="auto").is_sample


def test_a_folder_where_the_file_should_be_is_one_line_and_stays(mirrors, tmp_path):
    (tmp_path / "mnist.npz").mkdir()
    assert failure("mnist", tmp_path).startswith(f"cannot read {tmp_path / 'mnist.npz'}: ")
    assert visible(tmp_path) == ["mnist.npz"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails")
def test_a_file_that_the_system_fails_to_read_is_not_called_damaged(mirrors, tmp_path):
    (tmp_path / "mnist.npz").symlink_to("/proc/self/mem")  # its first bytes cannot be read
    line = failure("mnist", tmp_path)
    assert line == f"cannot read {tmp_path / 'mnist.npz'}: input/output error"
    assert visible(tmp_path) == ["mnist.npz"] and not mirrors[0].requests


@pytest.fixture
def guarded(mirrors):
    """A folder with a prepared file in which we may read but not write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        npz.write_prepared(folder / "mnist.npz", ARRAYS["mnist"], "made by the test")
        user = os.geteuid()
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)  # the superuser may write everywhere: be nobody for a while
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows knows no such rights")


@posix
def test_a_folder_that_may_only_be_read_is_enough_for_a_whole_file(guarded):
    check_loaded(load("mnist", guarded, mode="full"), "mnist")


@posix
def test_a_folder_that_may_not_be_written_is_one_line(guarded, mirrors):
    line = failure("cifar10", guarded)
    assert line.startswith(f"cannot write the data folder {guarded}: permission denied; ")
    assert os.listdir(guarded) == ["mnist.npz"] and not mirrors[0].requests


@contextlib.contextmanager
def as_owner():
    """Once more the user who owns the guarded folder."""
    user = os.geteuid()
    os.seteuid(os.getuid())
    yield
    os.seteuid(user)


@posix
def test_a_damaged_file_that_may_not_be_renamed_is_one_line(guarded):
    with as_owner():
        (guarded / "mnist.npz").write_bytes(b"damaged")
    line = failure("mnist", guarded)
    assert line.startswith(f"damaged data file {guarded / 'mnist.npz'}: it is not a whole npz file")
    with as_owner():  # the lock was made earlier: now only the renaming fails
        (guarded / ".mnist.lock").touch()
        (guarded / ".mnist.lock").chmod(0o666)
    line = failure("mnist", guarded)
    assert line.startswith(f"damaged data file {guarded / 'mnist.npz'}: it is not a whole npz file")
    assert "it cannot be set aside (permission denied)" in line
    assert (guarded / "mnist.npz").read_bytes() == b"damaged"


@posix
def test_a_file_that_may_not_be_read_is_not_called_damaged(guarded):
    with as_owner():
        (guarded / "mnist.npz").chmod(0)
    line = failure("mnist", guarded)
    assert line == f"cannot read {guarded / 'mnist.npz'}: permission denied"
    assert os.listdir(guarded) == ["mnist.npz"]
