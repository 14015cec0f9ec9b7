"""Checks of the exercises of chapter 6: mistakes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.exercises.grading import as_number, as_tensor, ask, exercise, expect

TOO_SURE = 3.0  # factor of the logits that 6.6 gives out
SLACK = 1.05  # cost for each image, against the best threshold


def _random(*shape: int, seed: int = 6) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _answers(count: int, seed: int, factor: float = 1.0) -> tuple[Tensor, Tensor]:
    """Logits `count x 10` and labels; calibrated with `factor` 1, too sure with a larger one."""
    logits = 2 * _random(count, 10, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator).flatten()
    return factor * logits, labels


@exercise("6.1")
def precision_of(function: Callable[[Tensor, Tensor, int], Tensor]) -> str:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2, 3])
    answers = torch.tensor([0, 0, 0, 1, 1, 0, 2, 1, 1, 1])  # nobody answers 3
    found = as_tensor(ask(function, labels, answers, 4), "the precisions")
    expect(found.shape == (4,), f"four numbers are wanted, one a class, not {tuple(found.shape)}")
    expect(
        not found.isnan().any(), "a class that is never answered gives 0 / 0, nan: it shall get 0"
    )
    counts = torch.bincount(labels * 4 + answers, minlength=16).view(4, 4).double()
    right = counts.diag()
    wanted = right / counts.sum(dim=0).clamp(min=1)
    expect(
        not torch.allclose(found, right / counts.sum(dim=1)),
        "that is the recall: divide by how often a class is answered, not by how often it is true",
    )
    expect(not torch.allclose(found, right), "these are counts: divide them")
    expect(
        not torch.allclose(found, right / len(labels)),
        "divide by the answers of the class, not by all of them",
    )
    expect(torch.allclose(found, wanted, atol=1e-6), f"wanted {wanted.tolist()}")
    more = as_tensor(ask(function, labels, answers, 5), "the precisions")
    expect(more.shape == (5,), "there may be classes that no label has: go by num_classes")
    return "it is the diagonal, divided by the sums of the columns"


@exercise("6.2")
def false_alarm(function: Callable[[int, float], float]) -> str:
    found = as_number(ask(function, 20, 0.05), "a probability")
    expect(abs(found - 1.0) > 1e-9, "20 · 0.05 = 1 is no probability: alarms can come together")
    expect(
        abs(found - 0.95**20) > 1e-9,
        "that is the probability of no alarm at all: at least one is the rest",
    )
    expect(abs(found - 0.05**20) > 1e-9, "that is the probability that all of them raise an alarm")
    expect(abs(found - 0.05) > 1e-9, "that is the probability for a single test")
    expect(
        abs(found - 20 * 0.05 * 0.95**19) > 1e-9,
        "that is the probability of exactly one alarm: two or more count, too",
    )
    expect(found <= 1, f"a probability is at most 1: give a share, not per cent, {found:.4f}")
    for tests, level in ((20, 0.05), (1, 0.05), (3, 0.5)):
        value = as_number(ask(function, tests, level), "a probability")
        wanted = 1 - (1 - level) ** tests
        expect(
            abs(value - wanted) < 1e-6,
            f"{tests} tests at {level} give {wanted:.4f}, you say {value:.4f}",
        )
    return "with 20 tests one false alarm or more is likelier than none: 64 %"


@exercise("6.3")
def wanted_temperature(words: Sequence[str]) -> str:
    expect(isinstance(words, list | tuple) and len(words) == 4, "four words are wanted, for A to D")
    said = [str(word).strip().lower() for word in words]
    allowed = ("above 1", "below 1", "1", "none")
    strange = [word for word in said if word not in allowed]
    expect(not strange, f"{strange} is not among {', '.join(allowed)}")
    expect(
        not (said[0] == "below 1" and said[2] == "above 1"),
        "the wrong way round: a model that is too sure needs smaller logits, so divide by more",
    )
    expect(said[0] == "above 1", "A: certainty 0.95, accuracy 0.80. Is it too sure?")
    expect(said[1] == "1", "B: differences of 0.01 are no reason to change anything")
    expect(said[2] == "below 1", "C is right more often than it says: it may be surer")
    expect(said[3] == "none", "D errs in both directions: what does one number do to each end?")
    return "below the diagonal above 1, above it below 1"


@exercise("6.4")
def accuracy_at(function: Callable[[Tensor, Tensor, float], float]) -> str:
    logits, labels = _answers(400, seed=4)
    logits = logits + 6 * _random(400, 1, seed=5)  # softmax forgets what all logits share
    certainty, answers = logits.softmax(dim=1).max(dim=1)
    right = (answers == labels).float()

    def at(score: Tensor, coverage: float) -> float:
        return right[score.argsort(descending=True)[: round(coverage * 400)]].mean().item()

    found = as_number(ask(function, logits, labels, 0.6), "an accuracy")
    expect(
        abs(found - right.mean().item()) > 1e-6, "that is the accuracy on all: coverage is not used"
    )
    expect(abs(found - at(-certainty, 0.6)) > 1e-6, "you answer the least sure ones")
    expect(
        abs(found - at(logits.amax(dim=1), 0.6)) > 1e-6,
        "you sort by the largest logit: take softmax first",
    )
    expect(
        abs(found - right[certainty >= 0.6].mean().item()) > 1e-6,
        "0.6 is the share that is answered, not a threshold on certainty",
    )
    order = certainty.argsort(descending=True)
    expect(
        abs(found - right[order[:240]].sum().item() / 400) > 1e-6,
        "divide by the number of answers that are given, not by all images",
    )

    def rounded_wrongly(coverage: float, count: int) -> bool:
        value = as_number(ask(function, logits, labels, coverage), "an accuracy")
        return abs(value - right[order[:count]].mean().item()) < 1e-6

    expect(
        not (rounded_wrongly(0.4995, 199) or rounded_wrongly(0.3005, 121)),
        "round the number of images to the nearest whole one, neither always down nor always up",
    )
    for coverage in (0.6, 0.25, 1.0):
        value = as_number(ask(function, logits, labels, coverage), "an accuracy")
        wanted = at(certainty, coverage)
        expect(
            abs(value - wanted) < 1e-5,
            f"at coverage {coverage} it is {wanted:.4f}, you say {value:.4f}",
        )
    return "it is one point of the curve in the chapter"


@exercise("6.5")
def targeted(function: Callable[[nn.Module, Tensor, Tensor, float], Tensor]) -> str:
    with torch.random.fork_rng():
        torch.manual_seed(6)
        model = nn.Sequential(nn.Flatten(), nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 5))
    pixels = _random(12, 3, 4, 4, seed=7).sigmoid()
    pixels[:, 0] = pixels[:, 0].round()  # some are at the limits already
    target = torch.arange(12) % 5
    leaf = pixels.clone().requires_grad_()
    F.cross_entropy(model(leaf), target).backward()
    slopes = leaf.grad
    step = 0.05
    found = as_tensor(ask(function, model, pixels, target, step), "the changed pixels").float()
    expect(found.shape == pixels.shape, f"the shape must stay, yours is {tuple(found.shape)}")

    def like(wanted: Tensor) -> bool:
        return torch.allclose(found, wanted, atol=1e-5)

    expect(not like(pixels), "nothing has changed")
    up, down = pixels + step * slopes.sign(), pixels - step * slopes.sign()
    expect(
        not (like(up) or like(up.clamp(0, 1))),
        "that makes the target less likely: its loss has to fall, so step down the slope",
    )
    expect(not like(down), "clamp: some pixels are below 0 or above 1 now")
    expect(
        not like((pixels - step * slopes).clamp(0, 1)),
        "take the sign of the gradient: every pixel uses its whole epsilon",
    )
    expect(
        found.min() >= 0 and found.max() <= 1,
        f"pixels lie between 0 and 1, yours between {found.min():.2f} and {found.max():.2f}",
    )
    moved = (found - pixels).abs().max().item()
    expect(moved < step + 1e-5, f"epsilon is {step}, but a pixel has changed by {moved:.3f}")
    expect(
        moved > 0.9 * step,
        f"no pixel has changed by more than {moved:.5f}: epsilon is {step}, of a range of 1",
    )
    expect(like(down.clamp(0, 1)), "the sign is not that of the slope of the target's loss")
    with torch.no_grad():
        rows = torch.arange(12)
        before, after = (model(p).softmax(dim=1)[rows, target].mean() for p in (pixels, found))
    return f"the target's mean probability rose from {before:.2f} to {after:.2f}"


@exercise("6.6")
def cheapest_threshold(function: Callable[[Tensor, Tensor, float, float], float]) -> str:
    logits, labels = _answers(20_000, seed=11, factor=TOO_SURE)
    certainty, answers = logits.softmax(dim=1).max(dim=1)
    mistaken = answers != labels

    def cost(threshold: float, wrong: float, person: float) -> float:
        given = certainty >= threshold
        mistakes = (given & mistaken).sum().item()
        return (wrong * mistakes + person * (len(given) - given.sum().item())) / len(given)

    ratios = []
    for wrong, person in ((10.0, 1.0), (4.0, 1.0), (1.0, 2.0)):
        known = _answers(5_000, seed=10, factor=TOO_SURE)
        given = as_number(ask(function, *known, wrong, person), "a threshold")
        paid = cost(given, wrong, person)
        grid = [*torch.linspace(0, 1, 501).tolist(), 0.9995, 0.9999, 1.1]
        best = min(cost(threshold, wrong, person) for threshold in grid)
        prices = f"with wrong = {wrong:g} and ask = {person:g}:"
        expect(given < 2, f"a threshold lies between 0 and 1, or just above; yours is {given:g}")
        formula = 1 - person / wrong
        expect(
            not (person < wrong and abs(given - formula) < 1e-6 and paid > SLACK * best),
            f"{prices} 1 - ask / wrong is right for a calibrated model; this one is too sure",
        )
        expect(
            not (person > wrong and given > 0.5 and paid > SLACK * best),
            f"{prices} to ask costs more than any mistake: answer always",
        )
        expect(
            not (person < wrong and given <= 0.1 and paid > SLACK * best),
            f"{prices} your threshold is so low that everything is answered: mistakes cost, too",
        )
        expect(
            paid <= SLACK * best,
            f"{prices} your threshold {given:.2f} costs {paid:.2f}, {best:.2f} is possible",
        )
        ratios.append(paid / best)
    return f"at most {100 * (max(ratios) - 1):.1f} % dearer than the best threshold on fresh images"
