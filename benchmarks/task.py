"""One training that several contestants do: the same model, data, batch size and optimizer."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from benchmarks.models import build
from helpers.data.batches import ImageData
from helpers.recipes import TrainingConfig
from helpers.speed import settle_precision

# Images that are left for validation, which is outside of what is timed.
VALIDATION_IMAGES = 100


@dataclass(frozen=True)
class Task:
    """A model and the data that it is trained on. `config.precision` counts for this course only;
    the usual loops train in float32.
    """

    model: str
    data: ImageData
    config: TrainingConfig
    device: torch.device

    def build(self) -> nn.Module:
        """The model in this course's layout; its first weights depend on the seed alone."""
        shape, num_classes = self.data.image_shape, self.data.num_classes
        return build(self.model, shape, num_classes, self.config.seed)

    @property
    def num_images(self) -> int:
        return len(self.data.train)


def make_task(model: str, data: ImageData, images: int, device: torch.device) -> Task:
    """Adam with learning rate 1e-3 and batches of 128 (the origin's model: 256), no augmentation.

    The precision is what this course's `--precision auto` chooses, once for all contestants.
    """
    batch_size = 256 if model == "origin large" else 128
    data = replace(data.subset(images), val=data.val[:VALIDATION_IMAGES])
    config = TrainingConfig(epochs=1, batch_size=batch_size, optimizer="adam", lr=1e-3)
    task = Task(model, data, config, device)
    batches = data.to(device).batches("train", batch_size)
    precision = settle_precision("auto", task.build().to(device), batches, announce=False)
    return replace(task, config=replace(config, precision=precision))
