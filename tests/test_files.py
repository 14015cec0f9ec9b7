"""Files that are written whole, on whatever file system; and the paths that people type."""

import errno
import os
import stat
import sys
import time

import pytest
from filelock import FileLock, Timeout

from commands.run_folder import RunFolder
from helpers.support import files
from helpers.support.errors import RunError, UserError, printable
from helpers.support.files import can_lock, user_path, write_atomically


def write(path, content):
    write_atomically(path, lambda file: file.write(content))


def refuse(number, times=1000):
    """A function of the system that fails, at first or always."""
    left = iter(range(times))

    def fail(*arguments, real=os.replace):
        if next(left, None) is None:
            return real(*arguments)
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file with old contents, and pauses that take no time."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    (tmp_path / "metrics.csv").write_bytes(b"old")
    return tmp_path / "metrics.csv"


def test_folders_are_made_on_the_way_there(tmp_path):
    path = tmp_path / "one" / "two" / "three"
    write(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_umask_is_respected(umask, path):
    before = os.umask(umask)
    try:
        write(path, b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("name", ["chmod", "fsync"])
def test_file_systems_that_lack_a_function(name, path, monkeypatch):
    for number in (errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        monkeypatch.setattr(os, name, refuse(number))
        write(path, b"%d" % number)
        assert path.read_bytes() == b"%d" % number


def test_bytes_that_were_lost_are_an_error(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="space"):
        write(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(path.parent) == [path.name]


def test_a_file_that_is_held_for_a_moment_is_tried_again(path, monkeypatch):
    monkeypatch.setattr(os, "replace", refuse(errno.EACCES, times=len(files.PAUSES)))
    write(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EPERM, errno.ENOTSUP])
def test_where_nothing_is_replaced_it_is_copied_with_a_warning(number, path, monkeypatch):
    monkeypatch.setattr(os, "replace", refuse(number))
    with pytest.warns(UserWarning, match="one step"):
        write(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC])
def test_a_file_that_is_held_for_good_stays_as_it_is(number, path, monkeypatch):
    waited = [0.0]
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(os, "replace", refuse(number))
    if number == errno.EACCES:  # with a full disk nobody shall try to copy over the old file
        monkeypatch.setattr(files.shutil, "copyfile", refuse(errno.EACCES))
    with pytest.raises(OSError, match=r"metrics\.csv|space"):
        write(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(path.parent) == [path.name]
    if number == errno.EACCES:
        assert waited == sorted(waited) and 1 < sum(waited) < 2, "seconds, in all"
    else:
        assert waited == [0.0], "waiting makes no room"


def test_a_name_stays_on_one_line():
    assert printable("pets\n\x1b[1m\ud800 cats é") == "pets\\n\\x1b[1m\\ud800 cats é"
    assert printable(12) == "12"


def test_paths_that_people_type(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert user_path("~/mine", "--out") == tmp_path / "mine"
    for text, word in (("", "empty"), (" ", "empty"), ("~nobody-at-all/x", "home")):
        with pytest.raises(UserError, match=f"--out: .*{word}"):
            user_path(text, "--out")


@pytest.mark.parametrize("refusal", [Timeout("the lock"), OSError(errno.ENOLCK, "No locks")])
def test_a_drive_that_refuses_locks_is_no_run_in_use(refusal, tmp_path, monkeypatch):
    """filelock 3 says `Timeout` there, filelock 4 hands on the error."""

    def refuse(*_, **__):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    def acquire(*_, **__):
        raise refusal

    monkeypatch.setattr(FileLock, "acquire", acquire)
    assert can_lock(tmp_path)
    if isinstance(refusal, Timeout):
        with pytest.raises(RunError, match="in use"):
            RunFolder(tmp_path / "held").create({}, {})
    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refuse)
    assert not can_lock(tmp_path)
    with pytest.warns(UserWarning, match="cannot be locked"):
        RunFolder(tmp_path / "run").create({}, {})
    assert (tmp_path / "run" / "config.json").exists()
