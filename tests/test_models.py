"""The models: shapes, sizes, reproducible first weights."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.models import (
    CNN_BLOCKS,
    MODEL_NAMES,
    LinearClassifier,
    build_model,
    count_parameters,
    output_shapes,
)

COLOUR = (3, 32, 32)


@pytest.mark.parametrize("image_shape", [(1, 28, 28), COLOUR])
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_logits_have_one_column_a_class(name, image_shape):
    for size in CNN_BLOCKS:
        model = build_model(name, image_shape, 7, size).eval()
        logits = model(10 * torch.randn(50, *image_shape))
        assert logits.shape == (50, 7) and logits.dtype == torch.float32
        assert logits.min() < 0, "logits must not pass through ReLU or softmax"


def test_linear_has_the_widths_of_the_text_and_bends_between_them():
    layers = LinearClassifier((1, 28, 28), 10).layers
    widths = [layer.out_features for layer in layers if isinstance(layer, nn.Linear)]
    assert widths == [120, 84, 10]
    softmax = build_model("softmax", (1, 28, 28), 10)
    softmax.layers[1].bias.requires_grad_(False)
    assert count_parameters(softmax) == 784 * 10, "what is frozen does not count"
    one, two = torch.randn(2, 5, 1, 28, 28)
    for model, straight in ((softmax, True), (LinearClassifier((1, 28, 28), 10), False)):
        middle = (model(one) + model(two)) / 2
        assert torch.allclose(model((one + two) / 2), middle, atol=1e-5) is straight


NORMALISED = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
FAST = [nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU, *NORMALISED]


@pytest.mark.parametrize(
    ("name", "size", "kinds", "widths"),
    [
        ("cnn", "small", 2 * [*NORMALISED, nn.MaxPool2d], [32, 64]),
        (
            "cnn",
            "middle",
            [*NORMALISED, nn.MaxPool2d, *NORMALISED, *NORMALISED, nn.MaxPool2d]
            + [*NORMALISED, nn.MaxPool2d],
            [32, 64, 64, 128],
        ),
        ("fastcnn", "small", 3 * FAST, [16, 16, 32, 32, 64, 64]),
    ],
)
def test_networks_are_built_as_the_text_says(name, size, kinds, widths):
    layers = build_model(name, COLOUR, 10, size).features
    assert [type(layer) for layer in layers] == kinds
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == widths
    assert all(layer.kernel_size == (3, 3) and layer.bias is None for layer in convolutions)


@pytest.mark.parametrize(("name", "smallest"), [("cnn", 16), ("fastcnn", 8)])
def test_larger_sizes_have_more_parameters_and_take_images_of_any_size(name, smallest):
    models = [build_model(name, COLOUR, 10, size).eval() for size in CNN_BLOCKS]
    counts = list(map(count_parameters, models))
    assert counts == sorted(set(counts)) and len(counts) == 3
    model = models[-1]
    for side in (smallest, 45):
        assert model(torch.zeros(2, 3, side, side)).shape == (2, 10)
    with pytest.raises(RuntimeError):
        model(torch.zeros(2, 3, smallest - 1, smallest - 1))


@pytest.mark.parametrize(
    ("key", "arguments"),
    [
        ("softmax.mnist", ("softmax", (1, 28, 28), 10)),
        ("linear.cifar10", ("linear", COLOUR, 10)),
        ("cnn_large.mnist", ("cnn", (1, 28, 28), 10)),
        ("optimizers.final", ("cnn", COLOUR, 10, "small")),
        ("live.digits", ("fastcnn", (1, 28, 28), 11, "small")),
        ("live.pictures", ("fastcnn", COLOUR, 10, "middle")),
    ],
)
def test_models_have_as_many_parameters_as_is_published(key, arguments):
    results = Path(__file__).resolve().parent.parent / "book" / "results.json"
    published = json.loads(results.read_text(encoding="utf-8"))[key]["parameters"]
    assert count_parameters(build_model(*arguments)) == published


def test_the_head_sees_the_largest_value_of_each_map():
    model = build_model("cnn", COLOUR, 10, "small").eval()
    images = torch.randn(4, *COLOUR)
    largest = model.features(images).amax(dim=(2, 3))
    assert torch.allclose(model(images), model.head[-1](largest))


def test_convolutions_get_channels_last():
    model, seen = build_model("cnn", COLOUR, 10, "small"), []
    model.features[0].register_forward_hook(lambda _layer, given, _out: seen.append(given[0]))
    model(torch.randn(2, *COLOUR))
    for tensor in (seen[0], model.features[4].weight):
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_first_weights_depend_on_the_seed_alone():
    before = torch.get_rng_state()
    first, again, other = (
        build_model("cnn", (1, 28, 28), 10, "small", seed=seed).state_dict() for seed in (5, 5, 6)
    )
    assert torch.equal(before, torch.get_rng_state()), "the global generator must stay as it was"
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])


@pytest.mark.parametrize("arguments", [("mlp", "large"), ("cnn", "huge"), ("fastcnn", "huge")])
def test_unknown_names_are_refused(arguments):
    name, size = arguments
    with pytest.raises(ValueError, match="mlp|huge"):
        build_model(name, (1, 28, 28), 10, size)


def test_output_shapes_follow_the_images_way_and_leave_the_model_as_it_was():
    model = build_model("cnn", COLOUR, 10, "small").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    shapes = output_shapes(model, COLOUR)
    names = [name for name, _ in shapes]
    assert names == [type(m).__name__ for m in [*model.features, *model.head]]
    assert [shape for name, shape in shapes if name == "MaxPool2d"] == [(32, 16, 16), (64, 8, 8)]
    assert shapes[-1] == ("Linear", (10,))
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
