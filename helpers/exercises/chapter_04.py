"""Chapter 4: optimizers and learning rates."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.grading import NotTried, Wrong, as_number, as_tensor, ask, exercise, expect

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
def sgd_step(step: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    w, g, lr = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.5, 2.0, -4.0]), 0.1
    found = ask(step, w, g, lr)
    expect(isinstance(found, Tensor), "return a tensor, the new weights")
    expect(found.shape == w.shape, "the new weights have the shape of the old ones")
    values = found.detach()
    expect(not near(values, w + lr * g), "that goes uphill: the gradient is to be subtracted")
    expect(not near(values, w - g), "the learning rate is missing: it multiplies the gradient")
    expect(
        not near(values, -lr * g) and not near(values, lr * g),
        "that is the step alone: it has to be added to the old weights",
    )
    expect(near(values, w - lr * g), "the new weights are w - lr * g")
    return "a small step against the gradient"


@exercise("4.2")
def momentum_path(path: Callable[[list[float], float, float], Sequence[float]]) -> str:
    gradients, lr, mu = [1.0, 2.0, 0.0, 0.0, -1.0], 0.1, 0.8

    def walk(keep: float, mix: float, sign: float = -1) -> list[float]:
        w, v, places = 0.0, 0.0, []
        for g in gradients:
            v = keep * v + mix * g
            w += sign * lr * v
            places.append(w)
        return places

    found = numbers(ask(path, gradients, lr, mu), len(gradients), "weights")
    expect(
        not near(found, walk(0, 1)),
        "that is plain SGD: the velocity has to be kept from step to step",
    )
    expect(
        not near(found, walk(mu, 1 - mu)),
        "here the gradient is added whole; the factor 1 - mu belongs to a running mean",
    )
    expect(not near(found, walk(mu, 1, 1)), "the weight goes uphill: subtract lr * v")
    velocity = -np.diff(walk(mu, 1), prepend=0) / lr
    expect(not near(found, velocity), "these are the velocities: return the weights")
    expect(
        not near(found, -lr * velocity),
        "each step has to start from the weight that the step before reached",
    )
    expect(near(found, walk(mu, 1)), "first v = mu * v + g, then w = w - lr * v, both from 0")
    return "the weight goes on moving where the gradient is 0"


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
    return "the first mean is the first gradient itself"


@exercise("4.4")
def cosine(schedule: Callable[[int, int, float], float]) -> str:
    total, highest = 40, 0.3
    steps = (0, 7, 20, 31, 40)
    found = np.array(
        [as_number(ask(schedule, s, total, highest), "the learning rate") for s in steps]
    )
    part = np.array(steps) / total
    wave = np.cos(np.pi * part)
    expect(
        not near(found, highest * wave),
        "that ends below 0: add 1 to the cosine and halve it",
    )
    expect(not near(found, highest * (1 + wave)), "that begins at twice the highest rate: halve it")
    expect(
        not near(found, highest * (1 + np.cos(2 * np.pi * part)) / 2),
        "that comes up again: the whole run is half a wave, an angle of pi",
    )
    expect(
        not near(found, highest * (1 - part)),
        "that is a straight line, the linear schedule",
    )
    expect(
        not near(found, highest * (1 + np.cos(180 * part)) / 2),
        "math.cos wants radians: half a turn is math.pi, not 180",
    )
    expect(not near(found, (1 + wave) / 2), "multiply by the highest rate")
    expect(
        not near(found, highest * (1 - wave) / 2), "that rises: it has to begin at the highest rate"
    )
    expect(
        near(found, highest * (1 + wave) / 2),
        "the rate is highest * (1 + cos(pi * step / total)) / 2",
    )
    return "flat at both ends, steep in the middle"


@exercise("4.5")
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
            given = w.clone()
            found = rule(given, CURVATURES * w, memory, lr)
            if found is None or found is ...:
                if torch.equal(given, w):
                    raise NotTried
                raise Wrong("return the new weights, also when you change w in place")
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
        mine < theirs,
        f"at its best rate your rule ends at {mine:.3g}, plain SGD at {theirs:.3g}: "
        "can it give both directions steps of like size?",
    )
    return f"at its best rate your rule ends at {mine:.3g}, plain SGD at {theirs:.3g}"
