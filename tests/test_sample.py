"""The bundled sample is what its README says, and its scripts make it again."""

import hashlib
from pathlib import Path

import numpy as np
import PIL
import pytest

from helpers.data.load import SAMPLE as FOLDER
from tools.stored import make_mnist, make_stand_in

PILLOW = tuple(map(int, PIL.__version__.split(".")[:2]))
SHAPES = {"mnist": (28, 28), "cifar10_stand_in": (32, 32, 3)}
SOURCES = {
    "mnist": "5,000 real MNIST digits (sample)",
    "cifar10_stand_in": "a drawn stand-in for CIFAR-10 (not photographs)",
}
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def read(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file}


@pytest.fixture(scope="module", params=sorted(SHAPES))
def sample(request: pytest.FixtureRequest) -> tuple[str, dict[str, np.ndarray]]:
    return request.param, read(request.param)


def test_shapes_types_and_source(sample: tuple[str, dict[str, np.ndarray]]) -> None:
    name, arrays = sample
    assert set(arrays) == {*ARRAYS, "source"} and str(arrays["source"]) == SOURCES[name]
    for part, count in (("train", 4000), ("test", 1000)):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        assert images.dtype == labels.dtype == np.uint8
        assert images.shape == (count, *SHAPES[name])
        assert np.bincount(labels).tolist() == [count // 10] * 10
        assert len(set(labels[:100].tolist())) == 10, "shuffled"


def test_no_image_is_there_twice(sample: tuple[str, dict[str, np.ndarray]]) -> None:
    _, arrays = sample
    both = {image.tobytes() for part in ("x_train", "x_test") for image in arrays[part]}
    assert len(both) == 5000


def test_digests_stand_in_the_readme(sample: tuple[str, dict[str, np.ndarray]]) -> None:
    name, arrays = sample
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for key in ARRAYS:
        digest = hashlib.sha256(arrays[key].tobytes()).hexdigest()
        assert f"| `{name}.npz` | `{key}` | `{digest}` |" in readme


@pytest.mark.skipif(PILLOW < (11, 2), reason="it drew a few pixels otherwise")
def test_drawings_are_reproduced() -> None:
    arrays = read("cifar10_stand_in")
    for part, order in zip(("train", "test"), make_stand_in.make_order(), strict=True):
        labels = [label for label, _ in order]
        assert arrays[f"y_{part}"].tolist() == labels
        # The first image of each class, drawn backwards: the order of drawing does not matter.
        for position in reversed([labels.index(label) for label in range(10)]):
            drawn = make_stand_in.draw(*order[position])
            np.testing.assert_array_equal(drawn, arrays[f"x_{part}"][position])


def test_digits_are_reproduced() -> None:
    arrays = read("mnist")
    made = make_mnist.make_arrays()
    assert set(made) == set(arrays)
    for key, array in made.items():
        np.testing.assert_array_equal(array, arrays[key])


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    arrays = {"x_train": np.arange(12, dtype=np.uint8), "source": np.array("made here")}
    for module in (make_mnist, make_stand_in):
        paths = [tmp_path / f"{k}.npz" for k in range(2)]
        for path in paths:
            module.save(arrays, path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        with np.load(paths[0], allow_pickle=False) as file:
            np.testing.assert_array_equal(file["x_train"], arrays["x_train"])
            assert str(file["source"]) == "made here"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.npz", "1.npz"]
