"""Downloads under fire: a local server plays every mirror, good, bad, slow and hostile.

`load` talks to real sockets. The archives are tiny, but real; torchvision's tables know their sums.
"""

import errno
import gzip
import hashlib
import io
import os
import pickle
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, MNIST

from helpers.data import download, npz
from helpers.data.load import SampleWarning, load
from helpers.support.errors import DataError
from tests.test_npz import ARRAYS

NAMES = ("mnist", "cifar10")


# --- the files of a mirror ----------------------------------------------------------------------


def idx(array):
    """The IDX format of the MNIST files, gzipped."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


def cifar_tar(arrays):
    """The CIFAR-10 archive: pickles of flat rows, channels first."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:

        def add(name, content):
            info = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        add("readme.html", b"<html></html>")
        for part, listed in (("test", CIFAR10.test_list), ("train", CIFAR10.train_list)):
            rows = arrays[f"x_{part}"].transpose(0, 3, 1, 2).reshape(-1, 3072)
            labels, size = arrays[f"y_{part}"].tolist(), len(rows) // len(listed)
            for k, (name, _) in enumerate(listed):
                cut = slice(k * size, (k + 1) * size)
                add(name, pickle.dumps({"data": rows[cut], "labels": labels[cut]}))
    return buffer.getvalue()


FILES = {
    name: idx(ARRAYS["mnist"][key])
    for (name, _), key in zip(MNIST.resources, npz.ARRAYS, strict=True)
} | {CIFAR10.filename: cifar_tar(ARRAYS["cifar10"])}
MD5 = {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}


# --- the mirrors --------------------------------------------------------------------------------


class Mirror(ThreadingHTTPServer):
    daemon_threads = False  # so that closing the server waits for every thread

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.act, self.requests, self.stop = good, [], threading.Event()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

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
        name = self.path.rsplit("/", 1)[-1]
        self.server.requests.append(name)
        self.server.act(self, FILES[name])

    def log_message(self, *args):
        pass

    def answer(self, code, length=None):
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()


def good(handler, body):
    handler.answer(200, len(body))
    handler.wfile.write(body)


def status(code):
    return lambda handler, body: handler.answer(code, 0)


def wrong(handler, body):
    good(handler, bytes(byte ^ 255 for byte in body))


def truncated(handler, body):
    handler.answer(200, len(body))
    handler.wfile.write(body[: len(body) // 2])


def dropped(handler, body):
    """Close the connection with an error (RST) instead of an end."""
    truncated(handler, body)
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.rfile.close()
    handler.connection.close()


def hung_up(handler, body):
    """Closes the connection without a word."""


def silent(handler, body):
    handler.server.stop.wait(60)


def dripping(handler, body):
    handler.answer(200, len(body))
    for byte in body:
        handler.wfile.write(bytes([byte]))
        if handler.server.stop.wait(0.02):
            break


def steady(handler, body):
    """Slow, but not too slow: eight parts in about a second."""
    handler.answer(200, len(body))
    part = len(body) // 8 + 1
    for start in range(0, len(body), part):
        handler.wfile.write(body[start : start + part])
        handler.server.stop.wait(0.12)


def dripping_header(handler, body):
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Nothing: ")
    while not handler.server.stop.wait(0.02):
        handler.wfile.write(b"x")


def endless(handler, body):
    handler.answer(200)
    while not handler.server.stop.is_set():
        handler.wfile.write(bytes(1 << 16))


# What each does, and a word of what the reader is told.
QUICK = {status(code): str(code) for code in (403, 404, 500, 599)}
QUICK |= {wrong: "checksum", truncated: "checksum", dropped: "", hung_up: "no whole answer"}
SLOW = dict.fromkeys((silent, dripping, dripping_header, endless), "too slow")


@pytest.fixture(scope="module")
def servers():
    found = [Mirror() for _ in range(2)]
    yield found
    for mirror in found:
        mirror.close()


@pytest.fixture
def mirrors(servers, monkeypatch):
    """Two good mirrors, known to the course as the only ones."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "*")
    for mirror in servers:
        mirror.act, mirror.requests = good, []
    know(monkeypatch, *(f"http://{mirror.host}/" for mirror in servers))
    resources = [(name, MD5[name]) for name, _ in MNIST.resources]
    monkeypatch.setattr(MNIST, "resources", resources)
    monkeypatch.setattr(CIFAR10, "tgz_md5", MD5[CIFAR10.filename])
    return servers


def know(monkeypatch, *urls):
    monkeypatch.setattr(download, "MNIST_MIRRORS", urls)
    monkeypatch.setattr(download, "CIFAR10_MIRRORS", urls)


@pytest.fixture
def nowhere(mirrors, monkeypatch):
    """A mirror on a port on which nobody listens."""
    know(monkeypatch, "http://127.0.0.1:9/")


# --- downloads ----------------------------------------------------------------------------------


def check_loaded(data, name, folder):
    """The full data set was loaded, and lies in the folder, byte for byte."""
    found, source = npz.read_prepared(folder / f"{name}.npz")
    assert all(np.array_equal(found[key], array) for key, array in ARRAYS[name].items())
    assert not data.is_sample and data.source == source and "the original" in source


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def failure(name, folder, mode="full"):
    """The one line with which `load` ends."""
    with pytest.raises(DataError) as error:
        load(name, folder, mode=mode)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_good_mirror_makes_the_prepared_file(name, mirrors, tmp_path):
    folder = tmp_path / "new"
    for _ in range(2):  # the second time from the file
        check_loaded(load(name, folder, mode="full"), name, folder)
        assert len(mirrors[0].requests) == (4 if name == "mnist" else 1) and not mirrors[1].requests
    assert visible(folder) == [f"{name}.npz"]


def test_a_slow_mirror_is_waited_for_as_long_as_bytes_come(mirrors, tmp_path, monkeypatch):
    limits = {"OPEN_SECONDS": 0.2, "STALL_SECONDS": 0.25, "MINIMUM_RATE": 100}
    for limit, value in limits.items():
        monkeypatch.setattr(download, limit, value)
    mirrors[0].act = steady
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10", tmp_path)
    assert not mirrors[1].requests


@pytest.mark.parametrize("act", QUICK | SLOW)
def test_a_bad_mirror_is_named_and_the_next_one_takes_over(act, mirrors, tmp_path, monkeypatch):
    name = NAMES[list(QUICK | SLOW).index(act) % 2]  # both by turns
    if act in SLOW:
        limits = {"OPEN_SECONDS": 0.6, "STALL_SECONDS": 0.7, "LARGEST": 3_000_000}
        for limit, value in limits.items():
            monkeypatch.setattr(download, limit, value)
    mirrors[0].act = mirrors[1].act = act
    line = failure(name, tmp_path)
    assert line.count((QUICK | SLOW)[act]) >= 2
    assert all(f"{mirror.host}: " in line for mirror in mirrors)
    assert f"put a whole {name}.npz into {tmp_path}" in line
    mirrors[0].requests.clear()
    mirrors[1].act = good
    check_loaded(load(name, tmp_path, mode="auto"), name, tmp_path)
    assert visible(tmp_path) == [f"{name}.npz"]
    assert len(mirrors[0].requests) == 1  # the one that worked is asked first for the next file


def test_without_a_network_the_sample_takes_over_loudly(nowhere, tmp_path, monkeypatch):
    with pytest.warns(SampleWarning, match="refused(.|\n)*DRAWN STAND-IN") as caught:
        assert load("cifar10", tmp_path, mode="auto").is_sample
    assert len(caught) == 1 and caught[0].filename == __file__  # the line that called `load`
    know(monkeypatch, "http://nowhere.invalid/", "http:///nothing/", "nothing")
    line = failure("cifar10", tmp_path)
    assert "nowhere.invalid: " in line and "no host" in line and "unknown url type" in line


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
    know(monkeypatch, f"https://localhost:{server.server_address[1]}/")
    try:
        assert "certificate" in failure("mnist", tmp_path / "data") and not server.requests
    finally:
        server.close()


@pytest.mark.parametrize("locks", [True, False])
def test_two_at_once_download_once_where_files_can_be_locked(locks, mirrors, tmp_path, monkeypatch):
    if not locks:
        fcntl = pytest.importorskip("fcntl")
        monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    provide, both_wait = download.provide, threading.Barrier(2)

    def wait(*arguments):
        both_wait.wait(60)  # both have seen that the file is missing
        return provide(*arguments)

    monkeypatch.setattr(download, "provide", wait)
    with ThreadPoolExecutor(2) as pool:  # two threads lock each other out as two processes do
        for data in pool.map(lambda _: load("mnist", tmp_path, mode="full"), range(2)):
            check_loaded(data, "mnist", tmp_path)
    assert len(mirrors[0].requests) == (4 if locks else 8) and visible(tmp_path) == ["mnist.npz"]


def refuse(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


# --- files that are damaged, or cannot be written -----------------------------------------------


def test_damaged_files_are_set_aside_and_fetched_again(mirrors, tmp_path):
    for number in range(3):
        (tmp_path / "mnist.npz").write_bytes(b"%d" % number)
        with pytest.warns(UserWarning, match="not a whole npz file.*fetched again") as caught:
            check_loaded(load("mnist", tmp_path, mode="auto"), "mnist", tmp_path)
        assert len(caught) == 1 and caught[0].filename == __file__  # the line that called `load`
    names = ["mnist.npz.damaged", "mnist.npz.damaged-2", "mnist.npz.damaged-3"]
    assert visible(tmp_path) == ["mnist.npz", *names]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"0", b"1", b"2"]


def test_without_a_mirror_a_damaged_file_lies_aside(nowhere, tmp_path):
    (tmp_path / "cifar10.npz").write_bytes(b"damaged")
    with pytest.warns(SampleWarning, match=r"set aside as cifar10\.npz\.damaged; cannot download"):
        assert load("cifar10", tmp_path, mode="auto").is_sample


@pytest.mark.parametrize("mode", ["auto", "full"])
def test_a_file_of_somebodys_own_stays_where_it_is(mode, mirrors, tmp_path):
    np.savez(tmp_path / "mnist.npz", **ARRAYS["cifar10"])
    before = (tmp_path / "mnist.npz").read_bytes()
    line = failure("mnist", tmp_path, mode)
    assert "28 x 28" in line and "damaged" not in line and not mirrors[0].requests
    assert (tmp_path / "mnist.npz").read_bytes() == before and visible(tmp_path) == ["mnist.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_is_one_line_and_loses_nothing(mirrors, tmp_path):
    import resource

    (tmp_path / "cifar10.npz").write_bytes(b"damaged")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        line = failure("cifar10", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "damaged; cannot write" in line and "too large" in line
    assert sorted(os.listdir(tmp_path)) == [".cifar10.lock", "cifar10.npz.damaged"]
    check_loaded(load("cifar10", tmp_path, mode="full"), "cifar10", tmp_path)


def test_a_file_where_the_folder_should_be_is_one_line(mirrors, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "data"):
        assert f"cannot write the data folder {folder}" in failure("mnist", folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows knows no such rights")
def test_a_folder_that_may_only_be_read(mirrors):
    with tempfile.TemporaryDirectory() as temporary:
        folder, user = Path(temporary), os.geteuid()
        npz.write_prepared(folder / "mnist.npz", ARRAYS["mnist"], "the original")
        (folder / "cifar10.npz").write_bytes(b"damaged")
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)  # the superuser may write everywhere: be nobody for a while
        try:
            check_loaded(load("mnist", folder, mode="full"), "mnist", folder)
            line = failure("cifar10", folder)
        finally:
            os.seteuid(user)
            folder.chmod(0o755)
        assert "damaged data file" in line and "ermission denied" in line
        assert visible(folder) == ["cifar10.npz", "mnist.npz"] and not mirrors[0].requests
