"""A trained model as an ONNX file that takes plain pixels; chapter 8 shows the idea in the open."""

import copy
import json
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from helpers.support.errors import UserError
from helpers.support.files import write_atomically

FEATURES = 2  # feature maps that a file may hold besides its logits: those of the first two ReLUs


class Described(Protocol):
    """What must be known of a model's input and output: `ImageData` says it, `Predictor` too."""

    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def mean(self) -> tuple[float, ...]: ...
    @property
    def std(self) -> tuple[float, ...]: ...


class GlobalMax(nn.Module):
    """`AdaptiveMaxPool2d(1)` in words that the exporter of every PyTorch knows."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.amax(dim=(2, 3), keepdim=True)


class Shipped(nn.Module):
    """A copy of `model` with its normalisation inside, in evaluation mode, on the CPU.

    Shapes: pixels float32 `N x C x H x W` from 0 to 1 in, logits float32 `N x num_classes` out;
    with `features`, behind them the maps of the first two ReLUs, `N x channels x h x w` each.

    Raises:
        ValueError: `features` of a model that has none.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, data: Described, features: bool = False) -> None:
        super().__init__()
        if features and not hasattr(model, "features"):
            raise ValueError(f"{type(model).__name__} has no feature maps")
        self.model: Any = copy.deepcopy(model).cpu()
        self.features = features
        self.register_buffer("mean", torch.tensor(data.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(data.std).view(-1, 1, 1))
        for layer in list(self.model.modules()):
            for name, part in layer.named_children():
                if isinstance(part, nn.AdaptiveMaxPool2d) and part.output_size == 1:
                    setattr(layer, name, GlobalMax())
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps, images = [], (images - self.mean) / self.std
        if not self.features:
            return (self.model(images),)
        for layer in self.model.features:
            images = layer(images)
            if isinstance(layer, nn.ReLU):
                maps.append(images)
        return (self.model.head(images), *maps[:FEATURES])


def export(
    model: nn.Module, data: Described, path: Path, *, title: str = "", features: bool = False
) -> float:
    """Write `Shipped(model, data, features)` as an ONNX file, whole or not at all.

    Its input is `images`, for any number of them; its outputs are `logits` and, with `features`,
    `features_1` and `features_2`. Its metadata has `title`, and `classes` as a JSON list.

    Returns:
        the largest difference between its logits, in onnxruntime, and those of PyTorch.

    Raises:
        UserError: a package is missing, or the file does not answer as the model does.
        ValueError: a name too many or too few for the logits, or `features` of a model without.
        OSError: the file cannot be written.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  PyTorch's exporter needs it
    except ImportError as error:
        raise UserError(
            f"{error.name or error}: is missing; pip install onnx onnxruntime onnxscript"
        ) from error
    shipped = Shipped(model, data, features)
    images = torch.rand(3, *data.image_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = [output.numpy() for output in shipped(images)]
    if wanted[0].shape[1] != len(data.classes):
        raise ValueError(f"{len(data.classes)} class names for {wanted[0].shape[1]} logits")
    names = ["logits", *(f"features_{number}" for number in range(1, len(wanted)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the exporter says to its own developers
        program: Any = torch.onnx.export(
            shipped,
            (images,),
            input_names=["images"],
            output_names=names,
            dynamic_shapes={"images": {0: torch.export.Dim("N")}},
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    made = program.model_proto
    graph = made.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]  # the exporter's notes, with paths of this machine among them
    onnx.helper.set_model_props(made, {"classes": json.dumps(data.classes), "title": title})
    content = made.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for number in (1, 3):  # of images: any number must do
        found = session.run(names, {"images": images[:number].numpy()})
        for one, other in zip(found, wanted, strict=True):
            if not np.allclose(one, other[:number], rtol=1e-3, atol=1e-3):
                raise UserError("the exported file does not answer as the model does")
    write_atomically(path, lambda file: file.write(content))
    return float(np.abs(found[0] - wanted[0]).max())
