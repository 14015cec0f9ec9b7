"""The bundled sample: whole, balanced, small, and honest about what it is."""

from pathlib import Path

import numpy as np
import pytest

SAMPLE = Path(__file__).resolve().parent.parent / "helpers" / "sample"
SHAPES = {"mnist": (28, 28), "cifar10_stand_in": (32, 32, 3)}


@pytest.fixture(params=SHAPES)
def sample(request):
    path = SAMPLE / f"{request.param}.npz"
    with np.load(path) as file:
        return request.param, path, {key: file[key] for key in file.files}


def test_shapes_balance_and_size(sample):
    name, path, arrays = sample
    for part, count in (("train", 4000), ("test", 1000)):
        assert arrays[f"x_{part}"].shape == (count, *SHAPES[name])
        assert arrays[f"x_{part}"].dtype == np.uint8
        assert np.bincount(arrays[f"y_{part}"]).tolist() == [count // 10] * 10
    assert path.stat().st_size < 2_000_000


def test_training_and_test_share_no_image(sample):
    _, _, arrays = sample
    train = {image.tobytes() for image in arrays["x_train"]}
    assert not any(image.tobytes() in train for image in arrays["x_test"])


def test_the_source_says_what_the_pixels_are(sample):
    name, _, arrays = sample
    word = "sample" if name == "mnist" else "not photographs"
    assert word in str(arrays["source"])
