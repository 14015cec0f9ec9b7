"""Take a trained model out of its checkpoint and ask it about pictures."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from commands.run_folder import BEST, load_checkpoint
from helpers.data.batches import normalise
from helpers.data.digits import FIELD, read_digit
from helpers.data.pictures import squeeze
from helpers.models import build_model
from helpers.support.errors import RunError, printable

SIDES = range(16, 257)  # pixels: what the course's models can take
GREY = [1, FIELD, FIELD]


class Guess(NamedTuple):
    """A class and the probability that the model gives it."""

    name: str
    probability: float


@dataclass(frozen=True)
class Predictor:
    """A model in evaluation mode, with what its checkpoint says about its input and output."""

    model: nn.Module
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: torch.device | str

    @property
    def reads_digits(self) -> bool:
        """Whether pictures are prepared like MNIST's (one channel), not resized in colour."""
        return self.image_shape[0] == 1

    def prepare(self, image: Image.Image) -> tuple[np.ndarray | None, str]:
        """The uint8 pixels `C x H x W` that the model sees, and in words what was done.

        There are no pixels (None) where a digit is wanted and none can be seen.

        A model for one channel gets `helpers.data.digits.read_digit`, one for three channels
        `helpers.data.pictures.squeeze`, as in training on a folder.
        """
        if self.reads_digits:
            digit = read_digit(image)
            return None if digit.pixels is None else digit.pixels[None], digit.read_as
        _, height, width = self.image_shape
        return squeeze(image, height, width).transpose(2, 0, 1), f"resized to {width} x {height}"

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Softmax of the logits: uint8 `N x C x H x W` in, float64 `N x num_classes` on the CPU.

        Raises:
            RunError: the model's answers are not finite, as after a training that diverged.
        """
        inputs = normalise(images.to(self.device), self.mean, self.std)
        probabilities = self.model(inputs).cpu().double().softmax(dim=1)
        if not probabilities.isfinite().all():
            raise RunError("the model's answers are not finite numbers: it cannot be used")
        return probabilities

    def best(self, images: Tensor, top: int) -> list[list[Guess]]:
        """The `top` most probable classes of each image, best first; fewer if there are fewer."""
        values, labels = self.probabilities(images).sort(dim=1, descending=True, stable=True)
        rows = zip(values[:, :top].tolist(), labels[:, :top].tolist(), strict=True)
        return [[Guess(self.classes[n], p) for p, n in zip(*row, strict=True)] for row in rows]


def load_predictor(path: Path, device: torch.device | str) -> Predictor:
    """The model of a checkpoint that `train.py` or `lightning_train.py` wrote, on `device`.

    Raises:
        RunError: the checkpoint is missing, damaged, not one of this course, or its weights do
            not fit what it says about its model.
    """
    if os.path.isdir(path):  # a run's folder; unlike the method of Path it takes any length
        path = Path(path) / BEST
    content = load_checkpoint(path)
    try:
        problem = next(_problems(content), None)
    except Exception as error:  # values of any type
        raise RunError(f"damaged or foreign checkpoint {printable(path)}") from error
    if problem:
        raise RunError(f"{printable(path)} is not a checkpoint that can be used: {problem}")
    shape, classes = tuple(content["image_shape"]), tuple(content["classes"])
    mean, std = (tuple(map(float, content[key])) for key in ("mean", "std"))
    model = _model(content, path).to(device).eval()
    return Predictor(model, shape, classes, mean, std, device)


def _problems(content: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a checkpoint's description of its model."""
    for key in ("model_name", "size", "image_shape", "mean", "std"):
        if key not in content:
            yield f"it does not say its {key}"
    shape, classes = content["image_shape"], content["classes"]
    whole = _numbers(shape, 3) and all(type(side) is int for side in shape)
    if not whole or (shape != GREY and (shape[0] != 3 or not set(shape[1:]) <= set(SIDES))):
        yield f"its image shape is {printable(shape)[:60]}"
    if not isinstance(classes, list) or len(classes) < 2:
        yield "it has no list of at least two classes"
    if not all(isinstance(name, str) for name in classes):
        yield "its class names are not text"
    for key in ("mean", "std"):
        if not _numbers(content[key], shape[0]):
            yield f"its {key} is not one number for each channel"
    if min(content["std"]) <= 0:
        yield "its std is not above 0"


def _numbers(values: object, count: int) -> bool:
    """Whether `values` is a list of `count` finite numbers."""
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(isinstance(v, int | float) and np.isfinite(v) for v in values)


def _model(content: dict[str, Any], path: Path) -> nn.Module:
    described = f"{content['model_name']} of size {content['size']}"
    try:
        shape, classes = tuple(content["image_shape"]), len(content["classes"])
        model = build_model(content["model_name"], shape, classes, content["size"])
        model.load_state_dict(content["model"])
    except Exception as error:  # names and shapes that differ, or no tensors at all
        said = "its weights do not fit the model it describes"
        raise RunError(f"{printable(path)}: {said}, {printable(described)[:80]}") from error
    if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
        raise RunError(f"{printable(path)}: its weights are not finite numbers")
    return model
