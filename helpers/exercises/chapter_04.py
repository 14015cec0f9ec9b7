"""Chapter 4: optimizers and learning rates."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LinearLR

from helpers.exercises.grading import (
    Wrong,
    as_number,
    as_tensor,
    ask,
    exercise,
    expect,
    expect_result,
)
from helpers.plots import COLOURS, WIDTH

Rule = Callable[[Tensor, Tensor, dict[str, Any], float], Tensor]


def numbers(found: object, count: int, what: str) -> np.ndarray:
    """`count` numbers, from a list, an array or a tensor."""
    values = as_tensor(found, what).numpy()
    hint = f"return {count} {what}, one for each gradient, not {values.size}"
    expect(values.shape == (count,), hint)
    return values


def near(found: object, wanted: object) -> bool:
    return bool(np.allclose(found, wanted, rtol=1e-4, atol=1e-7))


@exercise("4.1")
def highest_stable_rate(limit: Callable[[list[float]], float]) -> str:
    for curvatures in ([1.0, 20.0], [8.0, 0.5, 2.0], [3.0]):
        found = as_number(ask(limit, curvatures), "the limit")
        steepest, flattest = max(curvatures), min(curvatures)
        if steepest > flattest:
            expect(
                not near(found, 2 / flattest),
                "that is the limit of the flattest direction; a steeper one grows there",
            )
            expect(
                not near(found, 2 / float(np.mean(curvatures))),
                "the mean curvature does not help the steepest direction: that one decides",
            )
            expect(
                not near(found, 2 / sum(curvatures)),
                "each direction shrinks by itself: the curvatures are not added up",
            )
        expect(
            not near(found, 1 / steepest),
            "at that rate the steepest weight is 0 after one step; it still shrinks above it",
        )
        expect(
            not near(found, steepest / 2) or math.isclose(steepest, 2),
            "the limit falls when the curvature rises: turn the fraction round",
        )
        expect(
            near(found, 2 / steepest),
            "each step multiplies a weight by 1 - lr * c, which must lie between -1 and 1",
        )
    return "the steepest direction sets the limit for all"


CURVES = {"A": "too high", "B": "too low", "C": "schedule", "D": "explodes"}


def losses_by_step() -> dict[str, np.ndarray]:
    """Four runs of SGD on a noisy bowl of 40 directions, which differ in their rate alone."""
    steps, draw = 200, np.random.default_rng(0)
    curvatures = np.geomspace(0.2, 20, 40)
    falling = 0.09 * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
    rates = {"too high": 0.09, "too low": 0.001, "schedule": falling, "explodes": 0.104}
    losses = {}
    for letter, name in CURVES.items():
        w, found = np.full(40, 0.3), []
        for rate in np.broadcast_to(rates[name], steps):
            found.append(float((curvatures * w**2).sum() / 2))
            w = w - rate * (curvatures * w + draw.normal(0, 1.5, 40))
        losses[letter] = np.array(found)
    return losses


def draw_curves() -> Figure:
    """The curves that exercise 4.2 asks to read."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3))
    for (letter, losses), colour, style in zip(
        losses_by_step().items(), COLOURS, ("-", "--", "-.", ":"), strict=False
    ):
        axis.plot(losses, style, color=colour, label=letter, linewidth=1.4)
    axis.set(xlabel="step", ylabel="training loss", ylim=(0, 16))
    axis.legend()
    return figure


@exercise("4.2")
def read_curves(reading: dict[str, str]) -> str:
    expect(isinstance(reading, dict), 'give a dictionary, such as {"A": "too low", …}')
    found = {str(letter).upper(): str(word).lower() for letter, word in reading.items()}
    expect(found.keys() == CURVES.keys(), "give each of the letters A, B, C and D one word")
    unknown = sorted(set(found.values()) - set(CURVES.values()))
    expect(not unknown, f"the words are {', '.join(sorted(CURVES.values()))}; not {unknown}")
    expect(found["D"] == "explodes", "which curve leaves the picture at the top?")
    expect(found["B"] == "too low", "which curve is still falling slowly at the end?")
    expect(
        found["A"] == "too high", "A and C start alike: which of them goes on jumping at the end?"
    )
    expect(found == CURVES, "one word for each curve, each word once")
    return "the end of a curve says more than its start"


@exercise("4.3")
def corrected_means(means: Callable[[list[float], float], Sequence[float]]) -> str:
    gradients, beta = [2.0, 2.0, -1.0, 4.0], 0.9

    def running(keep: float, divisor: Callable[[int], float]) -> list[float]:
        m, found = 0.0, []
        for t, g in enumerate(gradients, start=1):
            m = keep * m + (1 - keep) * g
            found.append(m / divisor(t))
        return found

    try:
        answer = ask(means, gradients, beta)
    except ZeroDivisionError:
        raise Wrong("a division by zero: the first step has t = 1, not 0") from None
    found = numbers(answer, len(gradients), "means")
    expect(
        not near(found, running(beta, lambda t: 1)),
        "the correction is missing: divide by 1 - beta**t",
    )
    expect(
        not near(found, running(beta, lambda t: 1 - beta)),
        "the divisor changes with the step: 1 - beta**t, not 1 - beta",
    )
    expect(
        not near(found, running(beta, lambda t: 1 - beta ** (t + 1))),
        "t is one too high: the first step has t = 1",
    )
    expect(
        not near(found, running(1 - beta, lambda t: 1 - beta**t)),
        "beta and 1 - beta have changed places: the old mean keeps the share beta",
    )
    m, spoilt = 0.0, []
    for t, g in enumerate(gradients, start=1):
        m = (beta * m + (1 - beta) * g) / (1 - beta**t)
        spoilt.append(m)
    expect(
        not near(found, spoilt),
        "keep m itself uncorrected: only what you return is divided",
    )
    wanted = running(beta, lambda t: 1 - beta**t)
    expect(near(found, wanted), "m = beta * m + (1 - beta) * g, then m / (1 - beta**t)")
    found = numbers(ask(means, gradients, 0.5), len(gradients), "means")
    expect(near(found, running(0.5, lambda t: 1 - 0.5**t)), "right for beta = 0.9 alone: use beta")
    return "the first mean is the first gradient itself"


def _epoch(kind: str) -> tuple[list[float], Tensor]:
    """Rates and weights after one epoch, done right or with one mistake."""
    model, loader, optimizer, scheduler = _epoch_task()
    rates = []
    for images, labels in loader:
        loss = F.cross_entropy(model(images), labels)
        if kind != "no zero_grad":
            optimizer.zero_grad()
        loss.backward()
        if kind == "scheduler first":
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if kind in ("right", "no zero_grad"):
            scheduler.step()
    return rates, model.weight.detach()


def _epoch_task() -> tuple[nn.Linear, list[tuple[Tensor, Tensor]], torch.optim.SGD, LinearLR]:
    draw = torch.Generator().manual_seed(0)
    model = nn.Linear(4, 3)
    with torch.no_grad():
        for w in model.parameters():
            w.copy_(torch.randn(w.shape, generator=draw))
    loader = [
        (torch.randn(8, 4, generator=draw), torch.randint(3, (8,), generator=draw))
        for _ in range(5)
    ]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return model, loader, optimizer, LinearLR(optimizer, 1.0, 0.1, total_iters=5)


@exercise("4.4")
def train_one_epoch(loop: Callable[..., Sequence[float]]) -> str:
    expect(callable(loop), "give the function itself, without calling it")
    model, loader, optimizer, scheduler = _epoch_task()
    before = model.weight.detach().clone()
    with warnings.catch_warnings():  # of a scheduler that steps first: it gets its hint below
        warnings.simplefilter("ignore")
        # No copies here: the optimizer has to hold the weights of this very model.
        found = loop(model, loader, optimizer, scheduler)
        wrong = {kind: _epoch(kind) for kind in ("no zero_grad", "scheduler first", "no scheduler")}
    weights = model.weight.detach()
    expect_result(found, loop, "nothing is returned: return the list of rates")
    expect(
        not torch.equal(weights, before), "no weight has moved: does the optimizer make its step?"
    )
    expect(
        not near(weights, wrong["no zero_grad"][1]),
        "gradients of earlier batches count again: call optimizer.zero_grad()",
    )
    expect(
        not near(weights, wrong["scheduler first"][1]),
        "the scheduler stepped before the optimizer: the first rate is never used",
    )
    expect(
        not near(weights, wrong["no scheduler"][1]),
        "all batches ran at one rate: call scheduler.step() after every batch",
    )
    rates, right = _epoch("right")
    expect(near(weights, right), "the weights moved, but not by one step of the optimizer a batch")
    values = as_tensor(found, "the rates").numpy()
    expect(values.shape != (len(rates), 1), "get_last_lr() gives a list of one rate: take its [0]")
    expect(values.shape == (len(rates),), f"return {len(rates)} rates, one for each batch")
    expect(
        not near(values[:-1], rates[1:]),
        "these are the rates after scheduler.step(): note the rate before it",
    )
    expect(near(values, rates), "return the rates that the optimizer used, in order")
    return "optimizer.step(), then scheduler.step(), once a batch"


PEAKS, CALLS = (-2.5, -0.6, -3.4, -1.0), 8


@exercise("4.5")
def find_rate(find: Callable[[Callable[[float], float]], float]) -> str:
    for peak in PEAKS:
        tried: list[float] = []

        def accuracy_at(lr: float, peak: float = peak, tried: list[float] = tried) -> float:
            lr = as_number(lr, "the learning rate")
            expect(lr > 0, "a learning rate is above 0")
            tried.append(lr)
            expect(len(tried) <= CALLS, f"that was call number {CALLS + 1}: the budget is {CALLS}")
            return _accuracy(lr, peak)

        found = as_number(ask(find, accuracy_at), "the learning rate")
        expect(tried, "call accuracy_at(lr) to learn something about this model")
        expect(found < 10, "return the learning rate, not its accuracy")
        expect(found > 0, "a learning rate is above 0")
        if 94 - _accuracy(found, peak) > 2:
            expect(
                sum(lr < 0.1 for lr in tried) > 1,
                "nearly all your rates are large: go in factors, such as 0.0001, 0.001, 0.01",
            )
            best = max(tried, key=lambda lr: _accuracy(lr, peak))
            expect(near(found, best), f"you tried {best:g}, which was better than {found:g}")
            raise Wrong("more than two points from the best: look again closer around your best")
    return f"within two points of the best, in at most {CALLS} runs"


def _accuracy(lr: float, peak: float) -> float:
    """A hill over the logarithm of the rate, with a cliff on its right; `peak` is a power of 10."""
    away = math.log10(lr) - peak
    return 10.0 if away > 0.5 else max(10.0, 94 - 10 * away**2)


@exercise("4.6")
def choose_rate(choose: Callable[[dict[float, list[float]]], float]) -> str:
    # Means: 90, 93.6, 94, 94.4, 93.9; the best is 0.1, whose sample standard deviation is 0.5.
    table = {
        0.3: [93.7, 93.9, 94.1],
        0.001: [89.8, 90.0, 90.2],
        0.1: [93.9, 94.4, 94.9],
        0.03: [92.9, 94.0, 95.1],
        0.01: [93.4, 93.6, 93.8],
    }
    # Means: 79.5, 80; the spread is 0.577 with n - 1, 0.471 with n.
    close = {0.01: [79.49, 79.49, 79.49], 0.1: [79.5, 79.833, 80.667]}
    found = as_number(ask(choose, table), "one learning rate")
    expect(
        any(near(found, lr) for lr in table),
        "return a learning rate of the table, not an accuracy",
    )
    expect(not near(found, 0.1), "that has the best mean; do smaller rates come within one std?")
    expect(
        not near(found, 0.3),
        "0.3 comes within one std too, but the smallest such rate is wanted",
    )
    expect(
        not near(found, 0.01),
        "the mean of 0.01 is further from the best than one std of the best rate's runs",
    )
    expect(not near(found, 0.001), "that is the smallest rate of all, and far from the best mean")
    expect(near(found, 0.03), "best mean, minus one std; then the smallest rate above that")
    lucky = {0.01: [70.0, 70.0, 91.0], 0.1: [90.0, 90.0, 90.3]}
    expect(
        near(as_number(ask(choose, lucky), "one learning rate"), 0.1),
        "compare means: one lucky run must not decide",
    )
    expect(
        near(as_number(ask(choose, close), "one learning rate"), 0.01),
        "take the sample standard deviation, which divides by n - 1 (ddof=1)",
    )
    return "when the seeds cannot decide, the smaller rate is taken"


RATES = [10.0**power for power in np.arange(-4, 0.1, 1 / 3)]  # 13 of them
START, CURVATURES = torch.tensor([-4.0, 1.0]), torch.tensor([1.0, 1000.0])


def best_loss(rule: Rule) -> float:
    """The lowest loss that `rule` reaches in 200 steps through a narrow valley, at its best rate.

    Raises:
        Wrong: what the rule returns cannot be weights.
        NotTried: the rule does nothing.
    """
    losses = []
    for lr in RATES:
        w, memory = START.clone(), {}
        for _ in range(200):
            found = rule(w.clone(), CURVATURES * w, memory, lr)
            expect_result(found, rule, "return the new weights, also when you change w in place")
            if not isinstance(found, Tensor) or found.shape != w.shape:
                raise Wrong("return one tensor, the new weights, of the shape of w")
            w = found.detach().clone()
            if not torch.isfinite(w).all():
                break
        loss = float((0.5 * CURVATURES * w**2).sum())
        losses.append(loss if math.isfinite(loss) else math.inf)
    return min(losses)


def plain_sgd(w: Tensor, g: Tensor, memory: dict[str, Any], lr: float) -> Tensor:
    return w - lr * g


@exercise("4.7")
def my_rule(rule: Rule) -> str:
    expect(callable(rule), "give the function itself, without calling it")
    mine, theirs = best_loss(rule), best_loss(plain_sgd)
    first = float((0.5 * CURVATURES * START**2).sum())
    expect(mine < first, "at no rate does your rule get below the first loss: check its sign")
    expect(
        not math.isclose(mine, theirs, rel_tol=1e-3),
        "your rule ends where plain SGD ends: what does it remember, and does it use it?",
    )
    expect(
        mine < theirs / 10,  # another constant, such as 0.9 lr, moves the grid a little: to 0.7
        f"at its best rate your rule ends at {mine:.3g}, plain SGD at {theirs:.3g}: "
        "can it give both directions steps of like size?",
    )
    return f"at its best rate your rule ends at {mine:.3g}, plain SGD at {theirs:.3g}"
