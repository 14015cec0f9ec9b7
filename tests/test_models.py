"""The models: shapes, sizes, reproducible first weights."""

import pytest
import torch
from torch import nn

from helpers.models import (
    CNN_BLOCKS,
    FAST_WIDTHS,
    MODEL_NAMES,
    LinearClassifier,
    build_model,
    count_parameters,
    output_shapes,
)


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_logits_have_one_column_a_class(name, image_shape):
    for size in CNN_BLOCKS:
        model = build_model(name, image_shape, 7, size).eval()
        logits = model(torch.randn(5, *image_shape))
        assert logits.shape == (5, 7) and logits.dtype == torch.float32
        negative = model(100 * torch.randn(50, *image_shape)).min() < 0
        assert negative, "logits must not pass through ReLU or softmax"


def test_linear_has_the_widths_of_the_text():
    layers = LinearClassifier((1, 28, 28), 10).layers
    widths = [layer.out_features for layer in layers if isinstance(layer, nn.Linear)]
    assert widths == [120, 84, 10]
    assert count_parameters(build_model("softmax", (1, 28, 28), 10)) == 784 * 10 + 10


@pytest.mark.parametrize(("size", "layers"), [("small", 2), ("middle", 4), ("large", 6)])
def test_sizes_count_convolutions_each_with_batch_norm(size, layers):
    modules = list(build_model("cnn", (3, 32, 32), 10, size).modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    assert len(convolutions) == len(norms) == layers
    assert all(m.bias is None and m.kernel_size == (3, 3) for m in convolutions)


def test_larger_sizes_have_more_parameters():
    counts = [count_parameters(build_model("cnn", (3, 32, 32), 10, s)) for s in CNN_BLOCKS]
    assert counts == sorted(counts) and len(set(counts)) == 3


def test_fast_cnn_pools_before_it_normalises_and_takes_small_images():
    model = build_model("fastcnn", (3, 32, 32), 10, "small").eval()
    kinds = [type(layer) for layer in model.features]
    assert kinds[:4] == [nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU]
    widths = [layer.out_channels for layer in model.features if isinstance(layer, nn.Conv2d)]
    assert widths == [width for width in FAST_WIDTHS["small"] for _ in range(2)]
    assert model(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    counts = [count_parameters(build_model("fastcnn", (3, 32, 32), 10, s)) for s in FAST_WIDTHS]
    assert counts == sorted(counts) and list(FAST_WIDTHS) == list(CNN_BLOCKS)


def test_first_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_model("cnn", (1, 28, 28), 10, "small", seed=5).state_dict()
    assert torch.equal(before, torch.get_rng_state()), "the global generator must stay as it was"
    torch.rand(3)
    again = build_model("cnn", (1, 28, 28), 10, "small", seed=5).state_dict()
    other = build_model("cnn", (1, 28, 28), 10, "small", seed=6).state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])


def test_convolutions_are_channels_last():
    model = build_model("cnn", (3, 32, 32), 10, "small")
    assert model.features[4].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "arguments",
    [
        ("mlp", (1, 28, 28), 10),
        ("cnn", (1, 28, 28), 10, "huge"),
        ("fastcnn", (1, 28, 28), 10, "huge"),
    ],
)
def test_unknown_names_are_refused(arguments):
    with pytest.raises(ValueError, match="choose from"):
        build_model(*arguments)


def test_count_leaves_frozen_parameters_out():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert count_parameters(model) == 6


def test_output_shapes_follow_the_images_way_and_leave_the_model_as_it_was():
    model = build_model("cnn", (3, 32, 32), 10, "small").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    shapes = output_shapes(model, (3, 32, 32))
    names = [name for name, _ in shapes]
    assert names == [type(m).__name__ for m in [*model.features, *model.head]]
    assert [shape for name, shape in shapes if name == "MaxPool2d"] == [(32, 16, 16), (64, 8, 8)]
    assert shapes[-1] == ("Linear", (10,))
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
