"""The course's models: softmax regression and a network with hidden layers, CNNs, fast CNNs."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")
ImageShape = tuple[int, int, int]

# Each inner tuple is a block: the channels of its 3x3 convolutions, followed by a max-pool.
CNN_BLOCKS: dict[str, tuple[tuple[int, ...], ...]] = {
    "small": ((32,), (64,)),
    "middle": ((32,), (64, 64), (128,)),
    "large": ((32,), (64, 64), (128, 128), (256,)),
}
# The channels of the three blocks of a fast CNN.
FAST_WIDTHS: dict[str, tuple[int, int, int]] = {
    "small": (16, 32, 64),
    "middle": (32, 64, 128),
    "large": (48, 128, 256),
}
MODEL_NAMES = ("softmax", "linear", "cnn", "fastcnn")


class LinearClassifier(nn.Module):
    """Flatten, then fully connected layers with ReLU between them: the models of chapter 2.

    With `hidden=()` this is softmax regression: one matrix, one bias. The default widths are
    those of LeNet-5's last layers (LeCun et al., 1998, "Gradient-based learning applied to
    document recognition").

    Shapes: images float32 `N x C x H x W` in, logits float32 `N x num_classes` out.
    """

    def __init__(
        self, image_shape: ImageShape, num_classes: int, hidden: Sequence[int] = (120, 84)
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        widths = [channels * height * width, *hidden]
        layers: list[nn.Module] = [nn.Flatten()]  # which pixels are neighbours is lost here
        for num_inputs, num_outputs in zip(widths[:-1], widths[1:], strict=True):
            # Without the bend of ReLU two linear layers would be no more than one.
            layers += [nn.Linear(num_inputs, num_outputs), nn.ReLU()]
        # Scores (logits), no softmax: the loss takes it, more exactly, together with the logarithm.
        layers.append(nn.Linear(widths[-1], num_classes))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class _ConvolutionalNetwork(nn.Module):
    """What both CNNs share: their head, and the order of pixels in memory."""

    def __init__(self, layers: list[nn.Module], channels: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        # The largest value of each feature map, wherever it is: the head is one linear layer, and
        # the network takes images of any size.
        self.head = nn.Sequential(
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )
        # All channels of a pixel side by side: convolutions of CPU and GPU run fastest so.
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        return self.head(self.features(images))


def _choose(sizes: Mapping[str, T], size: str) -> T:
    if size not in sizes:
        raise ValueError(f"unknown size {size!r}: choose from {', '.join(sizes)}")
    return sizes[size]


class CNN(_ConvolutionalNetwork):
    """Blocks of 3x3 convolutions, each block closed by a max-pool: the network of chapter 3.

    The blocks are those of VGG (Simonyan and Zisserman, 2014), with batch normalisation (Ioffe
    and Szegedy, 2015) behind every convolution.

    Shapes: images float32 `N x C x H x W` in, from 16 x 16 pixels, logits float32
    `N x num_classes` out.

    Raises:
        ValueError: `size` is not small, middle or large.
    """

    def __init__(self, image_shape: ImageShape, num_classes: int, size: str = "large") -> None:
        channels = image_shape[0]
        layers: list[nn.Module] = []
        for block in _choose(CNN_BLOCKS, size):
            for width in block:
                # Batch normalisation subtracts the mean, so a bias here would have no effect.
                layers += [
                    nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                channels = width
            layers.append(nn.MaxPool2d(2))  # half the height and width
        super().__init__(layers, channels, num_classes)


class FastCNN(_ConvolutionalNetwork):
    """`CNN` for short trainings: its layers in another order and proportion; chapter 7.

    Three blocks of two convolutions: few channels while the maps are large, many when they are
    small. That is the shape of Keller Jordan's CIFAR-10 networks (2024, "94% on CIFAR-10 in 3.29
    seconds on a single GPU"), narrower, for a CPU.

    Shapes: images float32 `N x C x H x W` in, from 8 x 8 pixels, logits float32
    `N x num_classes` out.

    Raises:
        ValueError: `size` is not small, middle or large.
    """

    def __init__(self, image_shape: ImageShape, num_classes: int, size: str = "large") -> None:
        channels = image_shape[0]
        layers: list[nn.Module] = []
        for width in _choose(FAST_WIDTHS, size):
            layers += [
                nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False),
                # Early: all that follows has a quarter of the pixels to go through.
                nn.MaxPool2d(2),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        super().__init__(layers, channels, num_classes)


def build_model(
    name: str, image_shape: ImageShape, num_classes: int, size: str = "large", seed: int = 0
) -> nn.Module:
    """Build a model by name; its first weights depend on `seed` alone.

    Raises:
        ValueError: `name` is not one of MODEL_NAMES, or `size` is unknown.
    """
    if name not in MODEL_NAMES:
        raise ValueError(f"unknown model {name!r}: choose from {', '.join(MODEL_NAMES)}")
    with torch.random.fork_rng():  # leaves the caller's random numbers alone
        torch.manual_seed(seed)
        if name == "softmax":
            return LinearClassifier(image_shape, num_classes, hidden=())
        if name == "linear":
            return LinearClassifier(image_shape, num_classes)
        network = FastCNN if name == "fastcnn" else CNN
        return network(image_shape, num_classes, size)


def count_parameters(model: nn.Module) -> int:
    """The number of trainable numbers in `model`."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def output_shapes(model: nn.Module, image_shape: ImageShape) -> list[tuple[str, tuple[int, ...]]]:
    """The layers of `model` in the order they run: class name, and shape of what comes out.

    The batch axis is left out. The mode of the model and its running means stay as they are.
    """
    shapes: list[tuple[str, tuple[int, ...]]] = []

    def note(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        shapes.append((type(layer).__name__, tuple(output.shape[1:])))

    layers = [layer for layer in model.modules() if not any(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    training, device = model.training, next(model.parameters()).device
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *image_shape, device=device))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return shapes
