"""The models that are compared, each in this course's memory layout and in the usual one."""

import torch
from torch import Tensor, nn

from helpers.models import CNN, FastCNN, ImageShape, build_model

# The models by the names that the results use.
MODELS = ("linear", "CNN small", "CNN middle", "CNN large", "FastCNN large", "origin large")


class OriginCNN(nn.Module):
    """The large CNN of the project that this course grew out of.

    Three pairs of 3x3 convolutions (32-64, 128-128, 256-256) with ReLU, a 2x2 max-pool after each
    pair, then fully connected layers 1024-512-classes with ReLU.

    Shapes: images float32 `N x C x H x W` in, logits float32 `N x num_classes` out.
    """

    def __init__(self, image_shape: ImageShape, num_classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        layers: list[nn.Module] = []
        for pair in ((32, 64), (128, 128), (256, 256)):
            for filters in pair:
                layers += [nn.Conv2d(channels, filters, kernel_size=3, padding=1), nn.ReLU()]
                channels = filters
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * (height // 8) * (width // 8), 1024),
            nn.ReLU(),
            nn.Linear(1024, 512),
            nn.ReLU(),
            nn.Linear(512, num_classes),
        )
        # As in this course's own CNN: the order in which convolutions run fastest.
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        return self.head(self.features(images))


def build(name: str, image_shape: ImageShape, num_classes: int, seed: int = 0) -> nn.Module:
    """A model of `MODELS` as this course trains it; its first weights depend on `seed` alone."""
    if name == "origin large":
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return OriginCNN(image_shape, num_classes)
    kind, _, size = name.partition(" ")
    return build_model(kind.lower(), image_shape, num_classes, size or "large", seed)


def usual_layout(model: nn.Module) -> nn.Module:
    """The same layers and weights without this course's channels-last order: N x C x H x W."""
    if isinstance(model, CNN | FastCNN | OriginCNN):
        layers = nn.Sequential(model.features, model.head)
        return layers.to(memory_format=torch.contiguous_format)
    return model
