"""How a model is trained: every setting, and the ones that this course found good."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from helpers.precision import PRECISIONS

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULERS = ("none", "step", "linear", "cosine", "onecycle")


def _setting(default: Any, text: str) -> Any:
    """A field of TrainingConfig; its text is the help of the flag of the same name, too."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides how a model is trained.

    `momentum` counts for sgd and rmsprop. `lr` is the highest learning rate that the schedule
    reaches. `warmup_epochs` raises the rate linearly from almost 0 (not with onecycle, which has
    its own warm-up). `image_sizes` are heights and widths (pixels) that training images are
    resized to, each for an equal share of the epochs, in this order; () leaves them alone. With
    fewer epochs than sizes only the last ones are used.
    `early_stopping` is the number of epochs without a better validation accuracy after which
    training stops; 0 turns it off. Epochs in which the images still grow do not count.

    Raises:
        ValueError: a value is out of its range; the message is one line.
    """

    epochs: int = _setting(10, "passes over the training images")
    batch_size: int = _setting(128, "images per step, of all processes")
    optimizer: str = _setting("adam", ", ".join(OPTIMIZERS))
    lr: float = _setting(1e-3, "learning rate, the schedule's highest")
    momentum: float = _setting(0.9, "of sgd and rmsprop")
    nesterov: bool = _setting(False, "Nesterov's momentum, of sgd")
    weight_decay: float = _setting(0.0, "pull of the weights towards 0")
    scheduler: str = _setting("none", f"of the learning rate: {', '.join(SCHEDULERS)}")
    warmup_epochs: float = _setting(0.0, "epochs of linear warm-up")
    label_smoothing: float = _setting(0.0, "part of the target given to all classes")
    augment: bool = _setting(False, "shift and flip training images")
    image_sizes: tuple[int, ...] = _setting(
        (), "sizes of training images, such as 16,24,32, each for an equal part of the epochs; "
        "full: as they are"
    )  # fmt: skip
    early_stopping: int = _setting(
        0, "stop after so many epochs without a better validation accuracy; 0: never"
    )
    precision: str = _setting(
        "fp32", f"{', '.join(PRECISIONS)}; auto takes the faster one, after a trial"
    )
    seed: int = _setting(0, "of everything random")

    def __post_init__(self) -> None:
        _require_choice("optimizer", self.optimizer, OPTIMIZERS)
        _require_choice("scheduler", self.scheduler, SCHEDULERS)
        _require_choice("precision", self.precision, PRECISIONS)
        _require(1 <= self.epochs <= 100_000, "epochs", self.epochs, "from 1 to 100,000")
        _require(
            1 <= self.batch_size < 2**31, "batch size", self.batch_size, "from 1 to 2147483647"
        )
        _require(0 < self.lr < math.inf, "learning rate", self.lr, "a number above 0")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "from 0 to below 1")
        _require(0 <= self.weight_decay < math.inf, "weight decay", self.weight_decay, "0 or more")
        _require(0 <= self.label_smoothing < 1, "label smoothing", self.label_smoothing, "0 to <1")
        _require(
            0 <= self.warmup_epochs < self.epochs,
            "warm-up epochs",
            self.warmup_epochs,
            f"from 0 to below the number of epochs, {self.epochs}",
        )
        _require(
            all(size >= 1 for size in self.image_sizes),
            "image sizes",
            ",".join(map(str, self.image_sizes)),
            "1 pixel or more",
        )
        _require(self.early_stopping >= 0, "early stopping", self.early_stopping, "0 or more")
        _require(0 <= self.seed < 2**31, "seed", self.seed, "from 0 to 2147483647")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ValueError("nesterov: needs the optimizer sgd with a momentum above 0")
        if self.warmup_epochs and self.scheduler == "onecycle":
            raise ValueError("warm-up epochs: onecycle has its own; choose another schedule")

    @property
    def size_of_epoch(self) -> tuple[int, ...]:
        """The image size of every epoch (pixels); empty where images keep their size."""
        # The last sizes stay in a short run: a network that has never seen full size is poor at it.
        sizes, epochs = self.image_sizes[-self.epochs :], self.epochs
        return tuple(sizes[e * len(sizes) // epochs] for e in range(epochs)) if sizes else ()

    @property
    def growing_epochs(self) -> int:
        """Epochs until the images have their last size; a validation before says little."""
        sizes = self.size_of_epoch
        return sizes.index(sizes[-1]) if sizes else 0


def _require(condition: bool, what: str, value: object, need: str) -> None:
    if not condition:
        raise ValueError(f"{what} {value}: must be {need}")


def _require_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"unknown {what} {value!r}: choose from {', '.join(choices)}")


def recipe(model_name: str, dataset_name: str) -> TrainingConfig:
    """The settings this course found good, on the validation split, for a model and data set.

    Data sets other than MNIST (an own folder, the drawn stand-in) take those of CIFAR-10.
    """
    grey = dataset_name == "mnist"
    if model_name == "fastcnn" and grey:
        return TrainingConfig(
            epochs=5,
            batch_size=64,
            optimizer="sgd",
            lr=0.1,
            nesterov=True,
            weight_decay=5e-4,
            scheduler="linear",
            warmup_epochs=1,
            label_smoothing=0.1,
            augment=True,
            precision="auto",
        )
    if model_name == "fastcnn":
        return TrainingConfig(
            epochs=14,
            batch_size=128,
            optimizer="sgd",
            lr=0.18,
            momentum=0.85,
            nesterov=True,
            weight_decay=1.3e-3,
            scheduler="linear",
            warmup_epochs=3,
            label_smoothing=0.2,
            augment=True,
            # Most of what a network learns first is coarse, and small images cost less.
            image_sizes=(16, 20, 24, 32),
            precision="auto",
        )
    if model_name == "cnn":
        return TrainingConfig(
            epochs=4 if grey else 12,
            batch_size=128 if grey else 256,
            optimizer="sgd",
            lr=0.1 if grey else 0.2,
            nesterov=True,
            weight_decay=5e-4,
            scheduler="onecycle",
            label_smoothing=0.1,
            augment=True,
        )
    # "linear" and "softmax"
    return TrainingConfig(
        epochs=15 if grey else 25,
        batch_size=128,
        optimizer="adamw",
        lr=2e-3 if grey else 1e-3,
        weight_decay=0.01,
        scheduler="cosine",
        augment=model_name != "softmax",
    )


def with_epochs(config: TrainingConfig, epochs: int) -> TrainingConfig:
    """`config` with another length, in which the warm-up keeps its share."""
    return replace(
        config, epochs=epochs, warmup_epochs=config.warmup_epochs * epochs / config.epochs
    )
