"""Memory that is kept, and where it cannot be, nothing breaks."""

import ctypes
from types import SimpleNamespace

from helpers.speed import keep_freed_memory


def test_kept_memory_is_asked_for_in_what_the_library_takes(monkeypatch):
    asked = {}

    def mallopt(name, value):  # as glibc before its version 2.35
        if value == 2**30:
            return 0
        asked[name] = value
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(mallopt=mallopt))
    assert keep_freed_memory() is True
    assert asked == {-3: 2**25, -1: 2**31 - 1}
    for refused in (-1, -3):
        library = SimpleNamespace(mallopt=lambda name, _, refused=refused: int(name != refused))
        monkeypatch.setattr(ctypes, "CDLL", lambda _name, library=library: library)
        assert keep_freed_memory() is False, "half of it helps nobody"
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert keep_freed_memory() is False, "another C library is no mistake"
