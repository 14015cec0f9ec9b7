"""The checks of the exercises of "Your own images"."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from helpers.exercises.grading import as_number, as_tensor, ask, exercise, expect
from helpers.models import build_model

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def _picture(mode: str) -> Image.Image:
    """Random pixels of the right size already, so that the way of resizing does not matter."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@exercise("own.1")
def prepare_a_picture(prepare: Callable[..., Tensor]) -> str:
    picture = _picture("RGB")
    given = ask(prepare, picture, MEAN, STD)
    found = as_tensor(given, "what the model sees")
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).double()
    mean, std = (torch.tensor(numbers).double()[:, None, None] for numbers in (MEAN, STD))
    right = ((pixels / 255 - mean) / std)[None]
    expect(found.ndim == 4, f"{found.ndim} axes: a batch of one picture has four, N x C x H x W")
    expect(
        found.shape == right.shape,
        f"the shape is {tuple(found.shape)}: (1, 3, 32, 32) is wanted, the channels before the "
        "pixels: permute(2, 0, 1)",
    )
    mixed = torch.from_numpy(np.array(picture)).reshape(3, 32, 32) / 255
    expect(
        not torch.allclose(found, ((mixed - mean) / std)[None], atol=1e-4),
        "reshape keeps the order of the numbers and so mixes the channels: permute(2, 0, 1)",
    )
    steps = {
        "the pixels are there, but not normalised: subtract the mean, divide by std": pixels / 255,
        "mean and std are in units of [0, 1]: divide the pixels by 255 first": (
            (pixels - mean) / std
        ),
        "subtract the mean first, then divide by std": pixels / 255 / std - mean,
    }
    for hint, wrong in steps.items():
        expect(not torch.allclose(found, wrong[None], atol=1e-4), hint)
    expect(torch.allclose(found, right, atol=1e-4), "the shape is right, the values are not")
    expect(
        isinstance(given, Tensor) and given.dtype == torch.float32,
        "the numbers are right, but a model wants a tensor of float32: .float()",
    )
    for mode, size in (("L", (32, 32)), ("RGB", (80, 50)), ("RGBA", (32, 32))):
        try:
            other = ask(prepare, _picture(mode).resize(size), MEAN, STD)
        except Exception:  # a grey picture has two axes, and permute three
            other = torch.empty(0)
        other = as_tensor(other, "what it sees")
        expect(
            other.shape == right.shape,
            "a grey or transparent picture, or one of another size, comes out with another shape: "
            'convert("RGB"), then resize((32, 32))',
        )
    return "any picture becomes what the model was trained on"


@exercise("own.2")
def pictures_without_a_mistake(needed: Callable[[float], float]) -> str:
    for accuracy in (0.5, 0.9, 0.95, 0.99):
        found = as_number(ask(needed, accuracy), "how many pictures")
        right = math.ceil(math.log(0.05) / math.log(accuracy))
        said = f"{found:g} for an accuracy of {accuracy}: "
        expect(found == int(found), said + "pictures come whole")
        expect(
            accuracy**found <= 0.05,
            said + f"this model would have them all right in {100 * accuracy**found:.0f} of 100 "
            "tries; at most 5 are allowed",
        )
        expect(found == right, said + f"fewer are enough, namely {right}; is it 0.05?")
    return "four pictures without a mistake do not even rule out a model that guesses"


def _frozen_parts(model: nn.Module, head: nn.Module) -> tuple[bool, bool]:
    """Whether all of the head learns, and whether anything else does."""
    own = {id(weight) for weight in head.parameters()}
    learns = all(weight.requires_grad for weight in head.parameters())
    return learns, any(w.requires_grad for w in model.parameters() if id(w) not in own)


@exercise("own.3")
def freeze_all_but_the_head(freeze: Callable[[nn.Module, int], nn.Module]) -> str:
    for size in ("small", "middle"):  # 64 and 128 features
        model = build_model("cnn", (3, 32, 32), 8, size)
        before = model.features[0].weight.detach().clone()
        found = ask(freeze, model, 5)
        expect(isinstance(found, nn.Module), "return the model")
        try:
            logits = found.eval()(torch.rand(2, 3, 32, 32))
        except RuntimeError:
            expect(
                False,
                f"the new layer does not fit the {size} network: it takes as many numbers as the "
                "old one took, its in_features",
            )
        expect(tuple(logits.shape) == (2, 5), f"{logits.shape[1]} logits come out, for 5 classes")
        learns, rest = _frozen_parts(found, found.head[-1])
        expect(learns, "the new layer is frozen too: freeze first, then put it in")
        expect(not rest, "the backbone still learns: set requires_grad to False for each weight")
        kept = torch.equal(found.features[0].weight, before)
        expect(kept, "the backbone has new weights: keep the old")
    return "only the new layer learns"


@exercise("own.4")
def frozen_in_every_mode(kind: Callable[[nn.Module, int, int], nn.Module]) -> str:
    whole = build_model("cnn", (3, 32, 32), 8, "small")
    backbone = nn.Sequential(whole.features, *whole.head[:-1])
    model = kind(backbone, 64, 2)
    expect(isinstance(model, nn.Module), "a class of nn.Module is wanted")
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    model.train()
    logits = ask(model.forward, torch.rand(8, 3, 32, 32))
    expect(tuple(logits.shape) == (8, 2), f"logits of shape {tuple(logits.shape)}, not (8, 2)")
    expect(logits.requires_grad, "no gradient reaches the head: only the backbone runs in no_grad")
    logits.sum().backward()
    _expect_still(backbone, before)
    frozen = {id(weight) for weight in backbone.parameters()}
    heads = [weight for weight in model.parameters() if id(weight) not in frozen]
    expect(
        heads and all(weight.grad is not None for weight in heads),
        "the head gets no gradient: is it an nn.Linear of its own, and not frozen?",
    )
    expect(model.train() is model, "train() returns the model itself, as nn.Module's does")
    expect(model.training, "in train() the head has to be in training mode: call super().train")
    expect(not model.eval().training, "eval() calls train(False): pass `mode` on")
    return "training mode reaches the head and stops before the backbone"


def _expect_still(backbone: nn.Module, before: dict[str, Tensor]) -> None:
    moved: Sequence[str] = [
        name for name, tensor in backbone.state_dict().items() if not tensor.equal(before[name])
    ]
    expect(
        not moved,
        "the backbone's running means moved in one forward pass: train() put its batch "
        "normalisation into training mode",
    )
    expect(
        all(weight.grad is None for weight in backbone.parameters()),
        "the backbone's weights got gradients: they are not frozen",
    )
