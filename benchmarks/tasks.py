"""What is measured: the models, the trainings, and how much of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from helpers.data.batches import ImageData
from helpers.data.load import load
from helpers.models import ImageShape, build_model
from helpers.precision import settle_precision
from helpers.recipes import TrainingConfig

Datasets = dict[str, ImageData]
SPLITS = ("train", "val", "test")


def origin_cnn(image_shape: ImageShape, num_classes: int) -> nn.Sequential:
    """The large CNN of the project that this course grew out of: images to logits."""
    channels, height, width = image_shape
    layers: list[nn.Module] = []
    for pair in ((32, 64), (128, 128), (256, 256)):
        for filters in pair:
            layers += [nn.Conv2d(channels, filters, kernel_size=3, padding=1), nn.ReLU()]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(256 * (height // 8) * (width // 8), 1024), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, num_classes))


def load_part(dataset: str, images: int | None, mode: str) -> ImageData:
    """A data set (`mode` as in `load`) with at most so many images in each split."""
    data = load(dataset, mode=mode)
    return replace(data, **{split: getattr(data, split)[:images] for split in SPLITS})


@dataclass(frozen=True)
class Task:
    """One training that several ways do; the usual ones do it in float32 whatever `config` says."""

    model: str
    data: ImageData
    config: TrainingConfig
    device: torch.device

    def build(self) -> nn.Module:
        """The model as this course trains it, for instance `CNN small`; the seed decides it."""
        shape, classes, seed = self.data.image_shape, self.data.num_classes, self.config.seed
        if self.model == "origin large":
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                # As in this course's own CNN: the order in which convolutions run fastest.
                return origin_cnn(shape, classes).to(memory_format=torch.channels_last)
        kind, _, size = self.model.partition(" ")
        return build_model(kind.lower(), shape, classes, size or "large", seed)


def make_task(
    model: str, data: ImageData, images: int, device: torch.device, precision: str = "auto"
) -> Task:
    """Adam with learning rate 1e-3 and batches of 128 (the origin's model: 256), no augmentation.

    Where `precision` is `auto`, it is chosen once, for all ways.
    """
    size = 256 if model == "origin large" else 128
    data = replace(data.subset(images), val=data.val[:100])  # validation is not timed
    config = TrainingConfig(epochs=1, batch_size=size, optimizer="adam", lr=1e-3)
    task = Task(model, data, config, device)
    batches = data.to(device).batches("train", size)
    precision = settle_precision(precision, task.build().to(device), batches, announce=False)
    return replace(task, config=replace(config, precision=precision))


@dataclass(frozen=True)
class Goal:
    """A validation accuracy (0 to 1) that a training is to reach.

    `epochs`: the recipe's schedule for the fast CNN of that `size`. The usual loop has no schedule:
    it stops at the goal, or after `usual_epochs`; with 0 it does not run.
    """

    dataset: str
    accuracy: float
    epochs: int
    size: str = "large"
    usual_epochs: int = 0

    def __str__(self) -> str:
        return f"{self.dataset} {self.accuracy:g}"


@dataclass(frozen=True)
class Profile:
    """The amount of work of a run.

    `images`: for each model the training images of a timed epoch, at most; about a second's work,
    since shorter times are unsteady. `seeds`: trainings for every goal; the usual loop has one.
    `accuracy_images`: how many images a split has there and in the minutes part, at most.
    `steps`: for each model the steps that are timed together in the steps part.
    `lengths`: of the minutes part, the trainings: a contestant, and its epochs.
    """

    name: str
    repetitions: int
    images: Mapping[str, int]
    goals: tuple[Goal, ...]
    seeds: int = 1
    datasets: tuple[str, ...] = ("mnist", "cifar10")
    matrix_sizes: tuple[int, ...] = (1024, 2048, 4096)
    accuracy_images: int | None = None
    lengths: tuple[tuple[str, int], ...] = ()
    steps: Mapping[str, int] = field(default_factory=dict)


FULL = Profile(
    "full",
    repetitions=5,
    images={"linear": 60_000, "CNN small": 4096, "CNN middle": 2048}
    | dict.fromkeys(("CNN large", "FastCNN large", "origin large"), 1024),
    goals=(
        Goal("cifar10", 0.79, epochs=5, usual_epochs=10),
        Goal("cifar10", 0.85, epochs=10),
        Goal("cifar10", 0.9, epochs=14),
        Goal("mnist", 0.99, epochs=1, size="small"),
        Goal("mnist", 0.995, epochs=5, size="middle"),
    ),
    seeds=3,
    lengths=(
        *(("fit", 2), ("fit", 4), ("muon", 1), ("muon", 4)),
        # What each idea gives, in about the time of `fit` with 4 epochs.
        *(("fit_whole", 3), ("cnn_growing", 7), ("cnn_whole", 4)),
        *(("fit", 11), ("muon", 11), ("usual", 5), ("fit", 22)),
    ),
    steps={"linear": 300, "CNN small": 20, "CNN middle": 10, "FastCNN large": 6},
)
QUICK = Profile(
    "quick",
    repetitions=2,
    images={"linear": 4096, "CNN small": 512, "origin large": 256},
    datasets=("cifar10",),
    matrix_sizes=(1024,),
    goals=(Goal("cifar10", 0.3, epochs=5, size="small", usual_epochs=1),),
    accuracy_images=2048,
    lengths=(("fit", 1), ("fit", 2), ("muon", 1), ("usual", 1)),
    steps={"linear": 100},
)
