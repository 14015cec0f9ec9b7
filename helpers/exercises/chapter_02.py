"""Checks of the exercises of chapter 2: the linear model."""

import copy
import dis
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from helpers.data.load import load
from helpers.exercises.grading import (
    NotTried,
    Wrong,
    as_number,
    as_tensor,
    ask,
    exercise,
    expect,
)
from helpers.models import build_model
from helpers.recipes import TrainingConfig
from helpers.training import evaluate, fit

CLOSE = 1e-4
CHALLENGE_EPOCHS = 4


def _near(found: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(found, wanted.double(), rtol=CLOSE, atol=1e-6)


@exercise("2.1")
def softmax_with_temperature(softmax: Callable[[Tensor, float], Tensor]) -> str:
    logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.5, 3.0]])
    wanted = (logits / 2.0).softmax(dim=1)
    found = as_tensor(ask(softmax, logits, 2.0), "probabilities")
    expect(found.shape == logits.shape, "one probability for every logit is wanted: keep the shape")
    mistakes = {
        "it multiplies by the temperature: divide, so that a large one evens out": (
            logits * 2.0
        ).softmax(dim=1),
        "the temperature changes nothing: divide the logits by it": logits.softmax(dim=1),
        "each column adds up to 1, not each image: sum over dim=1": (logits / 2.0).softmax(dim=0),
        "the sum runs over the whole batch: sum over dim=1, with keepdim=True": (
            (logits / 2.0).exp() / (logits / 2.0).exp().sum()
        ),
        "the logits themselves are divided by their sum: raise e to each first": (
            logits / logits.sum(dim=1, keepdim=True)
        ),
        "the probabilities are divided by the temperature: divide the logits": (
            logits.softmax(dim=1) / 2.0
        ),
        "these are logarithms: divide the powers of e by their sum": (logits / 2.0).log_softmax(
            dim=1
        ),
    }
    for hint, mistaken in mistakes.items():
        expect(not _near(found, mistaken), hint)
    expect(
        _near(found, wanted), "not the softmax of logits / temperature: for each image, sum to 1"
    )
    logits = torch.tensor([[0.0, 1000.0, 999.0], [0.0, 1.0, 0.0]])
    large = as_tensor(ask(softmax, logits, 1.0), "probabilities")
    expect(large[0].isfinite().all(), "e^1000 overflows: subtract the largest logit of each image")
    expect(
        large.isfinite().all(),
        "you subtract one maximum for the whole batch, and an image with small logits becomes 0/0: "
        "each image has its own, max(dim=1, keepdim=True)",
    )
    expect(_near(large, logits.softmax(dim=1)), "large logits come out wrong")
    negative = as_tensor(ask(softmax, torch.tensor([[-1000.0, -999.0]]), 1.0), "probabilities")
    expect(negative.isfinite().all(), "e^-1000 is 0, and 0/0 no number: subtract the largest logit")
    expect(
        not _attributes(softmax) & {"softmax", "log_softmax", "Softmax"},
        "the numbers are right, but that is PyTorch's softmax: write it with exp and sum",
    )
    return "each image's probabilities add up to 1, whatever the temperature"


def _attributes(function: Callable[..., Any]) -> set[str]:
    """The names that stand behind a dot in a function's code, as `softmax` in `F.softmax`."""
    steps = dis.get_instructions(function) if inspect.isfunction(function) else ()
    return {step.argval for step in steps if step.opname in ("LOAD_ATTR", "LOAD_METHOD")}


@exercise("2.2")
def number_of_parameters(count: Callable[[Sequence[int]], int]) -> str:
    for widths in ((784, 120, 84, 10), (784, 10), (5, 4, 3, 2, 6)):
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        weights, biases = sum(a * b for a, b in pairs), sum(widths[1:])
        found = as_number(ask(count, widths), "the count")
        mistakes = {
            "the biases are missing: one for every output of a layer": weights,
            "a bias for every input: it belongs to the outputs": weights + sum(widths[:-1]),
            "the input has no bias: only what a layer puts out": weights + sum(widths),
            "one bias a layer: it is one for every output": weights + len(pairs),
            "these are the numbers that flow through: count weights and biases": sum(widths),
        }
        if len(pairs) > 1:
            mistakes["only first and last width are used: each pair of neighbours is a layer"] = (
                widths[0] * widths[-1] + widths[-1]
            )
        for hint, mistaken in mistakes.items():
            expect(found != mistaken, hint)
        expect(
            found == weights + biases,
            f"for {widths} it is not {found:g}: add inputs × outputs + outputs of every layer",
        )
    return "nearly all parameters stand where the layer is widest"


@exercise("2.3")
def slope_of_weight(slope: Callable[..., float]) -> str:
    logits = torch.tensor([1.0, -0.5, 2.0, 0.0, 0.3, -1.0, 0.7, -0.2, 1.2, -2.0])
    pixels = torch.tensor([0.0, 0.7, -1.3])
    label, p = 2, logits.softmax(dim=0)
    for c, i in ((0, 1), (2, 1), (1, 2), (2, 2), (3, 0)):
        wanted = float(c == label)
        right = ((p[c] - wanted) * pixels[i]).item()
        found = as_number(ask(slope, logits, label, pixels, c, i), "the slope")
        mistakes = {
            "the sign is turned round: probability minus what was wanted": -right,
            "the pixel is missing: error times pixel": (p[c] - wanted).item(),
            "logits are no probabilities: apply softmax first": (
                (logits[c] - wanted) * pixels[i]
            ).item(),
            "1 is subtracted for the true class only": ((p[c] - 1) * pixels[i]).item(),
            "1 must be subtracted for the true class": (p[c] * pixels[i]).item(),
        }
        for hint, mistaken in mistakes.items():
            harmless = abs(mistaken - right) < CLOSE
            expect(harmless or abs(found - mistaken) > CLOSE, hint)
        expect(abs(found - right) < CLOSE, "not the slope: (probability − wanted) × pixel")
    return "error times pixel, the same as autograd finds"


@exercise("2.4")
def only_some(dataset: Callable[..., Any]) -> str:
    images = torch.arange(6 * 4, dtype=torch.float32).reshape(6, 1, 2, 2)
    labels = torch.tensor([9, 1, 4, 4, 0, 9])
    made = dataset(images.clone(), labels.clone(), (4, 9))
    count = ask(made.__len__)
    expect(count != len(labels), "it holds all images: keep those whose label is in classes")
    expect(count == 4, f"it holds {count} images: here it should be 4, two of each class")
    items = [ask(made.__getitem__, index) for index in range(count)]
    expect(
        all(isinstance(item, tuple | list) and len(item) == 2 for item in items),
        "an item is a pair: the image and its label",
    )
    found = [as_number(label, "the label") for _, label in items]
    expect(found != [9, 4, 4, 9], "these are the old labels: a label becomes its place in classes")
    expect(sorted(found) == [0, 0, 1, 1], f"the labels are {found}: only 0 and 1 can be")
    first = as_tensor(items[0][0], "the image")
    expect(first.shape == (1, 2, 2), "an image keeps its shape 1 × 2 × 2")
    order = [as_tensor(image, "the image")[0, 0, 0].item() for image, _ in items]
    expect(order == [0, 8, 12, 20], "image number i of the chosen ones, in their old order")
    expect(found == [1, 0, 0, 1], "a label does not belong to its image: 4 gets 0, 9 gets 1")
    (batch, targets) = next(iter(DataLoader(made, batch_size=4)))
    expect(batch.shape == (4, 1, 2, 2) and targets.dtype == torch.int64, "labels are whole numbers")
    other = dataset(images.clone(), labels.clone(), (9, 0, 1))
    kept = [
        (image[0, 0, 0].item(), int(n)) for image, n in map(other.__getitem__, range(len(other)))
    ]
    expect(
        kept == [(0, 0), (4, 2), (16, 1), (20, 0)],
        "right for 4 and 9, wrong for classes=(9, 0, 1): choose and number by `classes`, "
        "however many there are",
    )
    return "only the chosen classes, numbered from 0, ready for a DataLoader"


class _Echo(nn.Module):
    """Gives its input back as logits; in training mode it turns the order of the classes round."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.ones(()))  # some ask a model's parameters for its device

    def forward(self, images: Tensor) -> Tensor:
        return -images if self.training else images


@exercise("2.5")
def accuracy_of(accuracy: Callable[[nn.Module, Iterable[Any]], float]) -> str:
    truth = (torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([2, 0]))
    says = (torch.tensor([0, 1, 2, 0, 1, 1]), torch.tensor([1, 1]))
    batches = [(F.one_hot(s, 3).float(), t) for s, t in zip(says, truth, strict=True)]
    found = as_number(ask(accuracy, _Echo(), batches), "the accuracy")
    means = [(s == t).double().mean().item() for s, t in zip(says, truth, strict=True)]
    turned = [(-images).argmax(dim=1) == labels for images, labels in batches]
    mistakes = {
        "a mean of the batches' means: count right answers and images, divide once": (
            sum(means) / len(means)
        ),
        "this is the share of mistakes": 3 / 8,
        "a number of images: divide by how many there are": 5.0,
        "this is in per cent: a share from 0 to 1 is wanted": 62.5,
        "only the last batch counts: add up over all": means[-1],
        "only the first batch counts: do not return inside the loop": means[0],
        "right answers divided by the number of batches": 5 / 2,
        "the model was in training mode: call model.eval()": (
            torch.cat(turned).double().mean().item()
        ),
    }
    both = sum(right.double().mean().item() for right in turned) / len(turned)
    mistakes["two things: call model.eval(); and no mean of the batches' means, divide once"] = both
    for hint, mistaken in mistakes.items():
        expect(abs(found - mistaken) > CLOSE, hint)
    expect(abs(found - 5 / 8) < CLOSE, f"not {found:g}: right answers of all images, argmax(dim=1)")
    return "right answers of all images, in evaluation mode"


@exercise("2.6")
def wrong_lines(lines: Iterable[int]) -> str:
    expect(not isinstance(lines, str), "give the numbers as a list, such as [1, 2, 3]")
    try:
        found = {int(line) for line in lines}
    except (TypeError, ValueError):
        raise Wrong("give the numbers as a list, such as [1, 2, 3]") from None
    fine = {
        1: "line 1 is right: the optimizer is made once, with all parameters",
        3: "line 3 is right: several passes over the data",
        4: "line 4 is right: training mode at the start of every epoch",
        5: "line 5 is right: the loader shuffles anew in every epoch",
        7: "line 7 is right: cross_entropy takes logits",
        8: "line 8 is right: backward comes after the loss",
        9: "line 9 is right: step comes after backward",
        10: "line 10 is right: evaluation mode before the evaluation",
        11: "line 11 is right: no gradients are needed here",
    }
    for line in sorted(found):
        expect(line not in fine, fine.get(line, ""))
    expect(found <= {2, 6, 12}, "the lines have the numbers 1 to 12")
    expect(2 in found, "one is missing: when are the gradients of the last batch cleared?")
    expect(6 in found, "one is missing: which values can these logits never have?")
    expect(12 in found, "one is missing: on which images is this validation measured?")
    return "cleared too seldom, logits cut off, and a test split that is no test any more"


CAUSES = {"A": "zero_grad", "B": "fine", "C": "softmax", "D": "rate"}


@exercise("2.7")
def causes(found: dict[str, str]) -> str:
    expect(isinstance(found, dict) and set(found) == set(CAUSES), "give A, B, C and D a cause each")
    if any(cause is ... for cause in found.values()):
        raise NotTried
    words = set(CAUSES.values())
    for letter, cause in found.items():
        expect(cause in words, f"{letter}: write one of {', '.join(sorted(words))}")
    expect(set(found.values()) == words, "each of the four causes belongs to one curve")
    expect(found["B"] == "fine", "which curve comes closest to 0?")
    expect(found["A"] == "zero_grad", "which curve is good at first, and then gets worse again?")
    expect(
        found == CAUSES,
        "C or D: which one falls first and then flattens well below 2.30, towards 1.46? "
        "The other has hardly left its start",
    )
    return "seen from the curve alone"


@exercise("2.8")
def challenger(design: Callable[..., Any]) -> str:
    data = load("cifar10", mode="sample")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = ask(design, data.image_shape, data.num_classes)
    expect(
        isinstance(found, tuple | list) and len(found) == 2,
        "return two things: the model and its TrainingConfig",
    )
    model, config = found
    expect(isinstance(model, nn.Module), "the first thing must be the model, an nn.Module")
    expect(isinstance(config, TrainingConfig), "the second thing must be a TrainingConfig")
    expect(
        config.epochs <= CHALLENGE_EPOCHS,
        f"{config.epochs} epochs are more than the budget of {CHALLENGE_EPOCHS}",
    )
    images = data.normalise(data.val.images[:64])
    with torch.no_grad():
        logits = copy.deepcopy(model).cpu().eval()(images)
    wanted = (len(images), data.num_classes)
    expect(
        isinstance(logits, Tensor) and tuple(logits.shape) == wanted,
        "the model should give one logit for each class: shape N × num_classes",
    )
    sums = logits.sum(dim=1)
    expect(
        logits.min() < 0 or not torch.allclose(sums, torch.ones_like(sums), atol=1e-3),
        "the model ends with softmax: give logits, the loss does the softmax",
    )
    expect(logits.min() < 0, "no logit is negative: is there a ReLU on the logits?")
    baseline = build_model("softmax", data.image_shape, data.num_classes)
    equal = TrainingConfig(
        epochs=CHALLENGE_EPOCHS, optimizer="adamw", lr=1e-3, scheduler="cosine", weight_decay=0.01
    )
    scores = []
    for network, settings in ((baseline, equal), (model, config)):
        history = fit(network, data, settings, device="cpu", progress=False)
        expect(not history.diverged, "the loss exploded: try a smaller learning rate")
        scores.append(100 * evaluate(network, data.batches("val", 500)).accuracy)
    to_beat, reached = scores
    expect(
        reached > to_beat,
        f"{reached:.1f} % on validation, softmax regression has {to_beat:.1f} %: "
        "more capacity, more steps or another learning rate?",
    )
    return f"{reached:.1f} % on validation, softmax regression has {to_beat:.1f} %"
