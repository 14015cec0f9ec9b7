"""What several test files need."""

from pathlib import Path

import numpy as np
import pytest

from tools.book import build
from tools.course import Course


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 80 + 40 easy images under the name of MNIST: epochs of milliseconds."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    labels = (np.arange(80) % 10).astype(np.uint8)
    images = (rng.integers(0, 60, (80, 28, 28)) + 15 * labels[:, None, None]).astype(np.uint8)
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:40], "y_test": labels[:40]}
    np.savez(folder / "mnist.npz", **arrays)
    return folder


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the book, built once from the stored outputs."""
    course = Course()
    course.build = tmp_path_factory.mktemp("book")
    course.html = course.build / "html"
    build.main([], course)
    return course.html
