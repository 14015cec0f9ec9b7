"""Data files: whole, damaged, or somebody's own."""

import io
import os
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.data import npz
from helpers.support.errors import DataError


def make_arrays(name, seed=0, train=50, test=20):
    rng = np.random.default_rng(seed)
    shape = npz.IMAGE_SHAPES[name]
    return {
        "x_train": rng.integers(0, 256, (train, *shape), dtype=np.uint8),
        "y_train": (np.arange(train) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (test, *shape), dtype=np.uint8),
        "y_test": (np.arange(test) % 10).astype(np.uint8),
    }


ARRAYS = {name: make_arrays(name) for name in npz.IMAGE_SHAPES}
MNIST, OTHER = ARRAYS["mnist"], make_arrays("mnist", seed=1)
LABELS = MNIST["y_test"].astype(float)


def changed(**changes):
    """Save a file of the course again with other contents: a valid zip with valid checksums."""

    def change(path):
        with np.load(path) as file:
            np.savez(path, **(dict(file) | changes))

    return change


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "nothing in it": lambda path: path.write_bytes(b""),
    "a page": lambda path: path.write_bytes(b"<html></html>"),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:2000]),
    "one byte less": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a flipped bit": flip,
    "mixed arrays": changed(x_test=OTHER["x_test"]),
    "other labels": changed(y_train=OTHER["y_train"][::-1]),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_told_from_what_is_missing(case, tmp_path):
    path = tmp_path / "mnist.npz"
    with pytest.raises(npz.MissingFileError):
        npz.read_prepared(path)
    npz.write_prepared(path, MNIST, "two\nlines")
    assert npz.read_prepared(path)[1].isprintable()
    DAMAGE[case](path)
    with pytest.raises(npz.DamagedFileError, match="whole npz|digest"):
        npz.read_prepared(path, (28, 28))


# Files that other programs wrote: no digest. What is wrong with each, and a word of the message.
OWN = {
    "a part missing": ({"x_test": None}, "names.*x_test"),
    "objects": ({"y_test": np.array([{}] * 20)}, "plain arrays"),
    "text": ({"y_test": np.array(["7"] * 20)}, "labels"),
    "dates": ({"x_test": MNIST["x_test"].astype("M8[s]")}, "x_test"),
    "no images": ({"x_train": MNIST["x_train"][:0], "y_train": LABELS[:0]}, "x_train"),
    "another size": ({"x_test": MNIST["x_test"][:, 1:]}, "28 x 28"),
    "photographs": (ARRAYS["cifar10"], "28 x 28"),
    "one number": ({"x_train": np.uint8(3)}, "x_train"),
    "lengths": ({"y_test": LABELS[1:]}, "20 labels"),
    "one-hot labels": ({"y_test": np.eye(10)[MNIST["y_test"]]}, "20 labels"),
    "label 11": ({"y_test": LABELS + 2}, "0-9"),
    "label -1": ({"y_test": LABELS - 1}, "0-9"),
    "label 0.5": ({"y_test": LABELS / 2}, "0-9"),
    "blended": ({"x_train": (MNIST["x_train"].clip(0, 254) + 0.3) / 255}, "0-255"),
    "standardised": ({"x_train": MNIST["x_train"] / 255 - 0.13}, "0-255"),
    "too bright": ({"x_train": MNIST["x_train"].astype(int) * 3}, "0-255"),
    "not a number": ({"x_train": np.full((50, 28, 28), np.nan)}, "0-255"),
    "infinite": ({"x_train": np.full((50, 28, 28), -np.inf)}, "0-255"),
}


@pytest.mark.parametrize("case", OWN)
def test_a_file_of_somebodys_own_is_not_called_damaged(case, tmp_path):
    changes, word = OWN[case]
    path = tmp_path / "mnist.npz"
    np.savez(path, **{k: v for k, v in (MNIST | changes).items() if v is not None})
    with pytest.raises(DataError, match=word) as error:
        npz.read_prepared(path, (28, 28))
    assert type(error.value) is DataError and str(error.value).isprintable()


SCALED = MNIST["x_train"] / np.float32(255)
EXACT = {
    "whole floats": MNIST["x_train"].astype(np.float16),
    "integers": MNIST["x_train"].astype(np.int64),
    "parts of 255": MNIST["x_train"] / 255,
    "parts of 255 in 32 bits": SCALED,
    "parts of 255, widened": SCALED.astype(np.float64),
    "times 1 / 255": MNIST["x_train"] * np.float32(1 / 255),
    "in another order": np.asfortranarray(MNIST["x_train"]),
}


@pytest.mark.parametrize("case", EXACT)
def test_what_is_exactly_such_a_file_is_read(case, tmp_path):
    labels = {key: MNIST[key][:, None].astype(np.float32) for key in ("y_train", "y_test")}
    np.savez_compressed(tmp_path / "own.npz", **MNIST | labels | {"x_train": EXACT[case]})
    found, source = npz.read_prepared(tmp_path / "own.npz", (28, 28))
    assert source == "the file own.npz"
    for key, array in MNIST.items():
        assert found[key].dtype == np.uint8 and np.array_equal(found[key], array)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "int64", "bool"])
def test_black_and_white_is_0_and_255_whatever_its_numbers(kind, tmp_path):
    """A picture to predict has 0 and 255: who was trained on 0 and 1 could not read it."""
    np.savez(tmp_path / "own.npz", **MNIST | {"x_test": (MNIST["x_test"] > 127).astype(kind)})
    found, _ = npz.read_prepared(tmp_path / "own.npz")
    assert np.array_equal(found["x_test"], 255 * (MNIST["x_test"] > 127))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), own=st.booleans())
def test_random_damage_never_gives_wrong_data(data, own, tmp_path):
    path, arrays = tmp_path / "mnist.npz", make_arrays("mnist", train=20, test=10)
    if own:
        np.savez(path, **arrays)
    else:
        npz.write_prepared(path, arrays, "made by the test")
    content = bytearray(path.read_bytes())
    # Half of the changes hit the last 2,000 bytes, and some a header: there is the structure.
    starts = [0, len(content) - 2000, *(content.find(b"{'descr'", k * 9000) for k in range(3))]
    for _ in range(data.draw(st.integers(1, 3))):
        start = max(0, data.draw(st.sampled_from(starts)))
        stop = min(len(content), start + data.draw(st.sampled_from([130, len(content)])))
        where = data.draw(st.integers(start, stop - 1))
        content[where] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content))) :]
    path.write_bytes(content)
    try:
        found, _ = npz.read_prepared(path, (28, 28))
    except DataError as error:
        assert str(error).isprintable()
    else:
        assert all(np.array_equal(found[key], arrays[key]) for key in arrays)


def test_a_header_that_says_less_than_there_is(tmp_path):
    """Numpy alone would stop before the checksum is compared, and give fewer images."""
    path, arrays = tmp_path / "own.npz", make_arrays("mnist", train=9000)
    np.savez(path, **arrays)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(9000, ", b"(1000, ").replace(b"(9000,)", b"(1000,)"))
    with pytest.raises(npz.DamagedFileError):
        npz.read_prepared(path)


@pytest.mark.parametrize(
    ("count", "word"), [(40, "plain"), (1 << 46, "memory"), (1 << 70, "plain")]
)
def test_a_header_that_lies_under_a_right_checksum(count, word, tmp_path):
    np.savez(tmp_path / "own.npz", **{k: v for k, v in MNIST.items() if k != "x_train"})
    array = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 28, 28)}
    np.lib.format.write_array_header_1_0(array, header)
    with zipfile.ZipFile(tmp_path / "own.npz", "a") as file:
        file.writestr("x_train.npy", array.getvalue() + MNIST["x_train"].tobytes())
    with pytest.raises(DataError, match=word) as error:
        npz.read_prepared(tmp_path / "own.npz")
    assert type(error.value) is DataError


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero", "/proc/self/mem", "loop"])
def test_what_is_no_file_is_one_line_at_once(kind, tmp_path):
    path = tmp_path / "mnist.npz"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else kind)
    with pytest.raises(DataError, match="cannot read .*mnist.npz") as error:
        npz.read_prepared(path)
    assert type(error.value) is DataError


def test_the_digest_depends_on_type_shape_place_and_bytes():
    changes = [
        {},
        {"x_train": MNIST["x_train"].reshape(50, 784)},
        {"y_train": MNIST["y_train"].astype(np.int8)},
        {"x_train": MNIST["x_test"], "x_test": MNIST["x_train"]},
        {"y_test": MNIST["y_test"][::-1]},
    ]
    assert len({npz.digest(MNIST | change) for change in changes}) == len(changes)
    turned = {"x_train": np.asfortranarray(MNIST["x_train"])}
    assert npz.digest(MNIST | turned) == npz.digest(MNIST)
