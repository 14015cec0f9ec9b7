# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Optimizer comparison
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/04_optimizer_comparison.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/04_optimizer_comparison.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/04_optimizer_comparison.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this chapter you can
#
# - write SGD, momentum, Nesterov, RMSprop, Adam and AdamW, and test them against PyTorch to the last bit,
# - find a learning rate with one short run, and check it against a grid,
# - draw five schedules and say what each does to the steps,
# - explain when weight decay and an L2 penalty are the same, and when not,
# - compare optimizers fairly: equal budgets, a learning rate tuned for each, several seeds,
# - say which differences your seeds can tell apart, and which they cannot.
#
# **Before you start**: chapters 2 and 3. You should know the training loop, and what a gradient is.
#
# **Time**: read about 45 minutes; the full run takes <!-- result:chapters.04.full_seconds|minutes -->5 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.04.fast_seconds|seconds -->30 s<!-- /result -->.
#
# **The question**: which optimizer should I use, and at which learning rate?

# %% tags=["course-setup", "hide-input"]
# @title Set-up, the same in every chapter: find the course's code, or fetch it
import subprocess
import sys
from pathlib import Path

class Stop(Exception if "get_ipython" in globals() else SystemExit):
    _render_traceback_ = lambda self: [str(self)]  # one line instead of a traceback

def is_course(folder):  # neither half a clone nor another project, whose helpers lack this file
    return all((folder / name).is_file() for name in ("helpers/exercises/grading.py", "train.py"))

url, here = "https://github.com/claudiamohh/pytorch-image-classifier", Path.cwd()
root = next(filter(is_course, (here, *here.parents)), here / url.split("/")[-1])
if not is_course(root):
    said = subprocess.getoutput(f"git -c core.askPass=true clone -q --depth 1 {url}")
    if not is_course(root):
        raise Stop(
            f"The course is not here and did not come from {url} ("
            f"{' '.join(said.split()) or 'another project is there'}). Move {root.name} away, if "
            "it is here, and run this cell again, or download the whole repository, unpack it, "
            "and open this notebook inside it."
        )
loaded = sys.modules.get("helpers")
if loaded and Path(getattr(loaded, "__file__", None) or "").parent != root / "helpers":
    raise Stop("Another project's `helpers` is loaded: restart, and run this cell first.")
sys.path.insert(0, str(root))

# %%
import math
from dataclasses import replace
from itertools import count

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from torch.nn import functional as F

from helpers.data import load
from helpers.exercises import grade
from helpers.models import build_model, count_parameters
from helpers.notebook import budget, confirm, explore, record
from helpers.plots import COLOURS, MARKERS, use_style
from helpers.recipes import TrainingConfig
from helpers.training import best_device, evaluate, fit, make_optimizer, make_scheduler

use_style()
device = best_device()

# %%
mnist, cifar10 = load("mnist"), load("cifar10")
digits = mnist.subset(budget(full=8_000, fast=1_200)).to(device)
print("image shapes:", mnist.image_shape, cifar10.image_shape)

# %% [markdown]
# ## One step down
#
# Chapter 2 ended its loop with `optimizer.step()`. The **optimizer** is the rule that turns gradients into new weights. The simplest rule is **SGD**, *stochastic gradient descent*: take a small step against the gradient. *Stochastic* means that the gradient comes from a random batch, not from all images.
#
# How small is a step? The **learning rate** decides: it is the number that multiplies the gradient.
#
# To see steps we need a loss with only two weights. Picture a long, narrow valley: steep across, flat along. The loss of a network has steep and flat directions too, only many more of them.
#
# The lines below are **contours**: all points of one line have the same loss. The gradient is at right angles to them.
#
# **Think first**: the picture is drawn at four learning rates. What will happen when the rate is too low? And when it is too high?

# %% mystnb={"image": {"alt": "Four pictures of one valley with the path of SGD. At 0.01 it creeps and stays far from the minimum. At 0.05 it drops to the floor at once, then creeps along it. At 0.095 it zigzags across the valley and comes nearest. At 0.101 the zigzag grows."}}
def valley(w):
    return 0.5 * w[0] ** 2 + 10 * w[1] ** 2


def gradient(w):
    return torch.stack([w[0], 20 * w[1]])


def draw_valley(axis):
    x, y = torch.meshgrid(
        torch.linspace(-4.6, 2.6, 90), torch.linspace(-1.6, 1.6, 90), indexing="ij"
    )
    loss = valley(torch.stack([x, y]))
    levels = [0, 0.3, 1.2, 3, 6, 10, 15, 22, 30, 40]
    axis.contourf(x, y, loss, levels=levels, cmap="Blues_r", alpha=0.4)
    axis.contour(x, y, loss, levels=levels, colors="0.6", linewidths=0.6)
    axis.plot(0, 0, "k*", markersize=11)
    axis.set(xlim=(-4.6, 2.6), ylim=(-1.6, 1.6))
    axis.set(xlabel="flat weight", ylabel="steep weight")


def draw_path(axis, lr):
    draw_valley(axis)
    path = [torch.tensor([-4.0, 1.0])]
    for _ in range(25):
        path.append(path[-1] - lr * gradient(path[-1]))
    axis.plot(*torch.stack(path).T, "o-", color=COLOURS[3], markersize=4, linewidth=1.2)


values = (0.005, 0.01, 0.02, 0.05, 0.08, 0.095, 0.1, 0.101)
display(explore(draw_path, values, "learning rate", shown=(0.01, 0.05, 0.095, 0.101)))
plt.close("all")

# %% [markdown]
# Too low, and the weights hardly move along the flat direction. Too high, and they jump from one wall to the other. There is a sharp limit. In the steep direction the gradient is $20\,w$, so one step multiplies $w$ by $1 - 20\,\eta$, where $\eta$ (eta) is the learning rate. The weight shrinks only while this factor lies between $-1$ and $1$, that is for $\eta < 0.1$.
#
# In general, a direction of **curvature** $c$ (how fast the gradient grows when you walk) allows $\eta < 2/c$. So the steepest direction sets the limit, and the flat ones have to wait. All other optimizers are answers to this one problem.

# %%
for lr, shrinks in ((0.099, True), (0.101, False)):
    w = torch.tensor([-4.0, 1.0])
    for _ in range(100):
        w = w - lr * gradient(w)
    verb = "shrinks" if shrinks else "grows"
    confirm((w[1].abs() < 1) == shrinks, f"at rate {lr} the steep weight {verb}")

# %% [markdown]
# ## What an optimizer can remember
#
# All optimizers get the same thing, the gradient $g$, and change the weights $w$. They differ in what they remember.
#
# **[Momentum](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#momentum)** remembers a velocity $v$. A ball that rolls down the valley is slowed by friction, but keeps going in a direction that was good for several steps. Swings across the valley cancel, steps along it add up. With $\mu = 0.9$, one steady gradient adds up to ten times its size.
#
# **[Adam](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#adam)** remembers two running means: $m$ of the gradients, and $s$ of their squares. A **running mean** mixes a little of the new value into the old mean: $m \leftarrow \beta m + (1-\beta)\,g$. Both start at 0, so at first they are too small. Dividing by $1-\beta^t$ at step $t$ mends exactly that: the **bias correction**.
#
# Here is what they remember when the gradient is 1 at every step:

# %% mystnb={"image": {"alt": "Two panels. Left: the velocity rises from 1 and levels off just below 10. Right: Adam's running mean starts at 0.1 and creeps up to 1; with the correction it is 1 from the first step."}}
steps = np.arange(1, 51)
velocity, running = [0.0], [0.0]
for _ in steps:
    velocity.append(0.9 * velocity[-1] + 1)
    running.append(0.9 * running[-1] + 0.1 * 1)
corrected = np.array(running[1:]) / (1 - 0.9**steps)

figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.7))
left.plot(steps, velocity[1:], color=COLOURS[0])
left.axhline(10, color="0.6", linestyle=":")
left.set(xlabel="step", ylabel="velocity", title="momentum", ylim=(0, 11))
right.plot(steps, running[1:], color=COLOURS[1], linestyle="--", label="as it is")
right.plot(steps, corrected, color=COLOURS[2], label="corrected")
right.set(xlabel="step", ylabel="running mean", title="Adam", ylim=(0, 1.1))
right.legend()
plt.show()
confirm(9.9 < velocity[-1] < 10,
        "a steady gradient adds up to nearly ten times its size")
confirm(np.allclose(corrected, 1),
        "with the correction the mean is right from step 1 on")

# %% [markdown]
# ## Six rules in the open
#
# As formulas, each line to be done at every step (all operations for each weight by itself):
#
# | Optimizer | Remembers | Rule |
# |---|---|---|
# | SGD | nothing | $w \leftarrow w - \eta\, g$ |
# | Momentum | velocity | $v \leftarrow \mu v + g$, then $w \leftarrow w - \eta\, v$ |
# | Nesterov | velocity | $v \leftarrow \mu v + g$, then $w \leftarrow w - \eta\,(g + \mu v)$ |
# | RMSprop | mean square | $s \leftarrow \alpha s + (1-\alpha)\, g^2$, then $w \leftarrow w - \eta\, g / (\sqrt{s} + \epsilon)$ |
# | Adam | both means | $w \leftarrow w - \eta\, \hat m / (\sqrt{\hat s} + \epsilon)$, with corrected $\hat m$, $\hat s$ |
# | AdamW | both means | $w \leftarrow (1 - \eta\lambda)\, w$, then as Adam |
#
# **Nesterov** looks one step ahead: it adds the velocity as it will be after the next slowing down. **[RMSprop](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#rmsprop)** divides every gradient by its usual size, so that flat and steep directions get steps of like size. Adam joins momentum with RMSprop. The tiny $\epsilon$ only prevents a division by zero. **AdamW** adds **weight decay**: it pulls every weight a little towards 0, with strength $\lambda$.
#
# Now as code. Some lines could look simpler. They are written as PyTorch writes them, because the order of operations decides how the last bit is rounded. A name that ends with `_` changes a tensor in place.

# %%
def sgd(w, g, memory, lr):
    w.add_(g, alpha=-lr)  # w - lr * g


def momentum(w, g, memory, lr, mu=0.9):
    v = memory.setdefault("v", torch.zeros_like(w))
    v.mul_(mu).add_(g)
    w.add_(v, alpha=-lr)


def nesterov(w, g, memory, lr, mu=0.9):
    v = memory.setdefault("v", torch.zeros_like(w))
    v.mul_(mu).add_(g)
    w.add_(g.add(v, alpha=mu), alpha=-lr)


def rmsprop(w, g, memory, lr, alpha=0.99, eps=1e-8):
    s = memory.setdefault("s", torch.zeros_like(w))
    s.mul_(alpha).addcmul_(g, g, value=1 - alpha)  # addcmul: s + (1 - alpha) * g * g
    w.addcdiv_(g, s.sqrt().add_(eps), value=-lr)  # addcdiv: w - lr * g / (…)


def adam(w, g, memory, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    memory["t"] = t = memory.get("t", 0) + 1
    m = memory.setdefault("m", torch.zeros_like(w))
    s = memory.setdefault("s", torch.zeros_like(w))
    m.lerp_(g, 1 - beta1)  # for rounding: m + (1 - beta1) * (g - m)
    s.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    # For rounding: the corrections go into the root and the rate, not into m and s.
    root = (s.sqrt() / (1 - beta2**t) ** 0.5).add_(eps)
    w.addcdiv_(m, root, value=-(lr / (1 - beta1**t)))


def adamw(w, g, memory, lr, decay=0.01, **settings):
    w.mul_(1 - lr * decay)
    adam(w, g, memory, lr, **settings)


class Own:
    """Applies one of our rules to every weight tensor, as `torch.optim` does."""

    def __init__(self, parameters, rule, **settings):
        self.weights, self.rule, self.settings = list(parameters), rule, settings
        self.memories = [{} for _ in self.weights]

    def zero_grad(self):
        for w in self.weights:
            w.grad = None

    @torch.no_grad()
    def step(self):
        for w, memory in zip(self.weights, self.memories):
            self.rule(w, w.grad, memory, **self.settings)

# %% [markdown]
# Are they right? We train two copies of one network on the same batches, one copy with our rule, one with PyTorch's optimizer. Then we compare every weight, not roughly, but **[bit for bit](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#bit-for-bit)**. (`foreach=False` asks PyTorch for its plain loop. Its faster kernels round differently.)

# %%
o = torch.optim
pairs = {
    "SGD": (dict(rule=sgd, lr=0.1), lambda p: o.SGD(p, lr=0.1, foreach=False)),
    "momentum": (
        dict(rule=momentum, lr=0.02),
        lambda p: o.SGD(p, lr=0.02, momentum=0.9, foreach=False),
    ),
    "Nesterov": (
        dict(rule=nesterov, lr=0.02),
        lambda p: o.SGD(p, lr=0.02, momentum=0.9, nesterov=True, foreach=False),
    ),
    "RMSprop": (
        dict(rule=rmsprop, lr=0.001),
        lambda p: o.RMSprop(p, lr=0.001, foreach=False),
    ),
    "Adam": (dict(rule=adam, lr=0.001), lambda p: o.Adam(p, lr=0.001, foreach=False)),
    "AdamW": (
        dict(rule=adamw, lr=0.001),
        lambda p: o.AdamW(p, lr=0.001, weight_decay=0.01, foreach=False),
    ),
}


def endless(batches):
    """Batches without end, in another order in every epoch."""
    for epoch in count():
        batches.set_epoch(epoch)
        yield from batches


def train_steps(make, steps=120, seed=0, extra_loss=None, dtype=torch.float32):
    """The weights after some steps of the optimizer that `make` builds, on the CPU."""
    model = build_model("linear", mnist.image_shape, mnist.num_classes, seed=seed)
    model.to(dtype)
    optimizer = make(model.parameters())
    batches = endless(digits.to("cpu").batches("train", 64, shuffle=True, seed=seed))
    for _, (images, labels) in zip(range(steps), batches):
        loss = F.cross_entropy(model(images.to(dtype)), labels)
        if extra_loss is not None:
            loss = loss + extra_loss(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [w.detach() for w in model.parameters()]


before = train_steps(pairs["SGD"][1], steps=0)
for name, (settings, theirs) in pairs.items():
    ours = train_steps(lambda p, settings=settings: Own(p, **settings))
    same = all(torch.equal(a, b) for a, b in zip(ours, train_steps(theirs)))
    moved = not any(torch.equal(a, b) for a, b in zip(ours, before))
    confirm(same and moved, f"our {name} equals PyTorch's in every bit after 120 steps")

# %% [markdown]
# There is no more to an optimizer than these lines. Now let four of them walk through the valley.
#
# **Think first**: SGD zigzags. What will momentum do at the bottom, where a ball would be fastest? And which rule will walk diagonally, because it gives both weights steps of the same size?

# %% mystnb={"image": {"alt": "Four panels with paths from the same start. SGD zigzags across the valley and creeps along it; momentum swings past the minimum and comes back; RMSprop and Adam set off diagonally and bend towards the minimum."}}
walks = {"SGD": (sgd, 0.09), "momentum": (momentum, 0.02), "RMSprop": (rmsprop, 0.1)}
walks["Adam"] = (adam, 0.3)
paths = {}
figure, axes = plt.subplots(2, 2, figsize=(6.4, 4.8), sharex=True, sharey=True)
for axis, (name, (rule, lr)), colour, marker in zip(
    axes.flat, walks.items(), (COLOURS[3], COLOURS[1], COLOURS[4], "k"), MARKERS
):
    w, memory, path = torch.tensor([-4.0, 1.0]), {}, [[-4.0, 1.0]]
    for _ in range(50):
        rule(w, gradient(w), memory, lr)
        path.append(w.tolist())
    paths[name] = np.array(path)
    draw_valley(axis)
    axis.plot(*paths[name].T, color=colour, marker=marker, markersize=4, linewidth=1.2)
    axis.set_title(f"{name}, rate {lr:g}")
    axis.label_outer()
plt.show()

# %%
crossings = {n: int((np.diff(np.sign(p[:12, 1])) != 0).sum()) for n, p in paths.items()}
confirm(crossings["SGD"] == 11, "SGD crosses the valley at each of its first 11 steps")
confirm(paths["momentum"][:, 0].max() > 0.5, "momentum swings past the minimum")
first = np.abs(paths["Adam"][1] - paths["Adam"][0])
confirm(np.allclose(first, 0.3, atol=1e-3), "Adam's first step is the rate, both ways")
first = np.abs(paths["RMSprop"][1] - paths["RMSprop"][0])
confirm(np.allclose(first, 1, atol=1e-3), "RMSprop's first step is ten times its rate")

# %% [markdown]
# Adam's first step is as long as the learning rate in *every* weight, whatever the gradient. That is why its rates are of another order than those of SGD. RMSprop has no bias correction: its mean square starts too small, so its first step is too long.
#
# ## The learning rate in one short run
#
# Before trying many rates, one cheap look. In the **[learning-rate range test](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#learning-rate-range-test)** (Smith, 2015) the rate rises from tiny to huge within one short run, each step by the same factor. At first nothing happens. Then the loss falls. At last it explodes. The useful rates lie where it falls.
#
# As a formula, for step $k$ of $K$ from $\eta_0$ to $\eta_1$: $\eta_k = \eta_0\,(\eta_1/\eta_0)^{k/(K-1)}$.
#
# The loss of single batches jumps. So we draw a running mean of it, with the bias correction that you know from Adam.
#
# **Think first**: Adam's steps have about the size of the learning rate, whatever the gradient. Will its loss explode at a higher rate than that of SGD, or at a lower one?

# %%
OPTIMIZERS = {
    "SGD": {"optimizer": "sgd", "momentum": 0.0},
    "SGD + momentum": {"optimizer": "sgd", "momentum": 0.9},
    "Adam": {"optimizer": "adam"},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.01},
}
base = TrainingConfig(epochs=budget(full=4, fast=2), batch_size=64)


def range_test(settings, lowest=1e-5, highest=10.0, steps=150):
    """Rates and smoothed losses of one run in which the rate rises."""
    model = build_model("linear", mnist.image_shape, mnist.num_classes).to(device)
    optimizer = make_optimizer(model, replace(base, lr=lowest, **settings))
    batches = endless(digits.batches("train", base.batch_size, shuffle=True))
    rates, losses, running = [], [], 0.0
    for k, (images, labels) in zip(range(steps), batches):
        rate = lowest * (highest / lowest) ** (k / (steps - 1))
        optimizer.param_groups[0]["lr"] = rate
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running = 0.9 * running + 0.1 * loss.item()
        rates.append(rate)
        losses.append(running / (1 - 0.9 ** (k + 1)))
        if not losses[-1] < 2 * losses[0]:
            break  # exploded: nothing more to learn from this run
    return np.array(rates), np.array(losses)


tests = {name: range_test(settings) for name, settings in OPTIMIZERS.items()}
suggested = {n: rates[losses.argmin()] / 10 for n, (rates, losses) in tests.items()}

# %% mystnb={"image": {"alt": "Loss against learning rate on a logarithmic axis. Each curve is flat at about 2.3, falls, and rises steeply. Adam and AdamW fall and rise at much lower rates than SGD. A marker shows the rate that is read off."}}
figure, axis = plt.subplots(figsize=(6.4, 3.3))
lines = ("-", "--", "-.", ":")
for (name, (rates, losses)), colour, style, marker in zip(
    tests.items(), COLOURS, lines, MARKERS
):
    axis.plot(rates, losses, style, color=colour, label=name)
    at = np.abs(np.log(rates / suggested[name])).argmin()
    axis.plot(rates[at], losses[at], marker, color=colour, markersize=9)
axis.set(xscale="log", xlabel="learning rate (rises during the run)")
axis.set(ylabel="smoothed loss (nats)", ylim=(0, 4), title="marker: the rate read off")
axis.legend()
plt.show()

# %%
for name, rate in suggested.items():
    print(f"{name:15s} rate read off: {rate:.5f}")
confirm(suggested["Adam"] < suggested["SGD"] / 5,
        "Adam wants a far lower rate than SGD")

# %% [markdown]
# How do you read a rate off? At the lowest point the loss is about to explode, so for a whole run that rate is a risk. A common habit is to take **a tenth of it**. That is a rule of thumb. The grid that comes next will tell whether it was a good one. (The curves of Adam and AdamW nearly coincide: in so short a run, weight decay does little.)
#
# ## A fair comparison
#
# Here is how a comparison goes wrong: pick one learning rate, try all optimizers at it, crown the winner. The winner is the one whom that rate suits. So every optimizer gets
#
# - the same model, the same images, the same number of epochs, the same batch size,
# - the same **[grid of learning rates](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#grid-search)** (a list fixed beforehand), and is judged at its own best one,
# - the same three seeds. We report mean ± **sample standard deviation** (the spread of single runs, divided by $n-1$),
# - judgement on the **validation** split.
#
# The model is the network of chapter 2 with hidden layers 120 and 84. The steps of the grid are about a factor of three.

# %%
LEARNING_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = (0, 1, 2)


def run(data, model_name, settings, lr, seed, config=base):
    config = replace(config, lr=lr, seed=seed, **settings)
    model = build_model(model_name, data.image_shape, data.num_classes, "small", seed)
    return fit(model, data, config, device=device, progress=False)


curves = {
    (name, lr, seed): run(digits, "linear", settings, lr, seed)
    for name, settings in OPTIMIZERS.items()
    for lr in LEARNING_RATES
    for seed in SEEDS
}
grid = pd.DataFrame(
    [(*key, 100 * history.best_val_accuracy) for key, history in curves.items()],
    columns=["optimizer", "lr", "seed", "accuracy"],
)
mean, std = (
    grid.pivot_table(
        index="optimizer", columns="lr", values="accuracy", aggfunc=kind, sort=False
    )
    for kind in ("mean", "std")
)
print(mean.to_string(float_format="%.1f"))
print("\nsample standard deviations of the three seeds:")
print(std.to_string(float_format="%.1f"))

# %% mystnb={"image": {"alt": "Heat map of validation accuracy, one row an optimizer, one column a learning rate. SGD is best at high rates, Adam and AdamW two orders lower; every row falls off on both sides. A frame marks the best rate of each row, a dot the rate nearest to the range test's."}}
figure, axis = plt.subplots(figsize=(6.4, 3.3))
picture = axis.imshow(mean, cmap="cividis", vmin=0, vmax=100, aspect="auto")
for (i, j), value in np.ndenumerate(mean.to_numpy()):
    colour = "black" if value > 55 else "white"
    axis.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=9, color=colour)
best = mean.idxmax(axis=1)
logs = np.log(LEARNING_RATES)
nearest = {n: int(np.abs(logs - np.log(suggested[n])).argmin()) for n in OPTIMIZERS}
for i, name in enumerate(OPTIMIZERS):
    j = LEARNING_RATES.index(best[name])
    frame = plt.Rectangle((j - 0.47, i - 0.46), 0.94, 0.92, fill=False, linewidth=2)
    axis.add_patch(frame).set_edgecolor(COLOURS[3])
    axis.plot(nearest[name], i + 0.32, "o", color=COLOURS[3], markersize=5)
axis.set_xticks(range(len(LEARNING_RATES)), [f"{lr:g}" for lr in LEARNING_RATES])
axis.tick_params(axis="x", rotation=45)
axis.set_yticks(range(len(OPTIMIZERS)), list(OPTIMIZERS))
axis.set(xlabel="learning rate", title="frame: best of the row · dot: range test")
figure.colorbar(picture, label="validation accuracy (%)")
plt.show()

# %% [markdown]
# Read it row by row. Every optimizer has a good range, with "too slow" on its left and a cliff on its right. The ranges lie in different places: that is why one common rate would have been unfair.

# %%
for name in OPTIMIZERS:
    ratio = best[name] / suggested[name]
    lost = mean.loc[name, best[name]] - mean.loc[name].iloc[nearest[name]]
    confirm(
        0.1 < ratio < budget(full=10, fast=100) and lost < budget(full=5, fast=40),
        f"{name}: the range test comes within a factor of ten of the best rate",
    )
confirm(best["SGD"] > 5 * best["Adam"], "SGD wants a far higher rate than Adam")
confirm(
    best["SGD"] > best["SGD + momentum"] * budget(full=1, fast=0.9),
    "with momentum, whose steps add up, the best rate is lower",
)
top = pd.Series({name: mean.loc[name, best[name]] for name in OPTIMIZERS})
confirm(
    top.max() - top.min() < budget(full=3, fast=15),
    "each at its own best rate, the four are close together",
)
two_below = {n: LEARNING_RATES[LEARNING_RATES.index(best[n]) - 2] for n in OPTIMIZERS}
cost = min(top[n] - mean.loc[n, two_below[n]] for n in OPTIMIZERS)
confirm(
    cost > budget(full=top.max() - top.min(), fast=-100),
    "two steps down the row cost more than any change of row",
)

# %% [markdown]
# How much does the range test save? One short run instead of the whole row. It finds the range, not the best rate. A tenth is cautious: for plain SGD the best rate is several times higher. So a few runs around it are still needed, and the higher neighbours are worth the first try.
#
# ## Schedules: a rate that changes
#
# A high rate gets far quickly, but at the end it keeps the weights jumping around the minimum. A low rate settles down, but is slow. A **[schedule](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#schedule)** takes both: high first, low at the end. **Warm-up** means a rate that first rises, because large steps on fresh weights are risky.
#
# With $p$ the part of the run that is done, from 0 to 1, a **cosine** schedule is
#
# $$\eta(p) = \eta_{\max} \cdot \tfrac12\left(1 + \cos(\pi p)\right)$$
#
# **Linear** is a straight line, **step** divides by ten after each third. **One cycle** rises for three tenths of the run, then falls. We draw what the optimizer really gets:

# %% mystnb={"image": {"alt": "Learning rate against step for five schedules. Constant stays level, step goes down in two stairs, linear is a straight line to zero, cosine an S-shaped fall to zero, one cycle rises for 30 per cent of the run and falls to zero."}}
SCHEDULES = {
    "constant": "none", "step": "step", "linear": "linear",
    "cosine": "cosine", "one cycle": "onecycle",
}
figure, axis = plt.subplots(figsize=(6.4, 2.9))
drawn = {}
for (name, scheduler), colour, style in zip(
    SCHEDULES.items(), COLOURS, ("-", (0, (1, 1)), "--", "-.", (0, (5, 1)))
):
    config = TrainingConfig(epochs=4, optimizer="sgd", lr=0.1, scheduler=scheduler)
    optimizer = make_optimizer(torch.nn.Linear(1, 1), config)
    schedule = make_scheduler(optimizer, config, steps_per_epoch=50)
    drawn[name] = []
    for _ in range(200):
        drawn[name].append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    axis.plot(drawn[name], color=colour, linestyle=style, label=name)
axis.set(xlabel="step (of 200)", ylabel="learning rate", ylim=(0, 0.11))
axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
formula = [0.05 * (1 + math.cos(math.pi * k / 200)) for k in range(200)]
confirm(np.allclose(drawn["cosine"], formula), "the cosine is drawn by our formula")

# %% [markdown]
# **Think first**: which schedule will gain the most over a constant rate? And will the best *highest* rate be the same with and without a schedule?
#
# A fair comparison again. Every schedule gets three highest rates and five seeds, 15 runs of equal length, and is shown at its best rate. The optimizer is SGD with momentum. (The seeds that choose a rate also judge it here. That flatters all five a little, and alike.)

# %%
FIVE = (0, 1, 2, 3, 4)
top_rates = [best["SGD + momentum"] * factor for factor in (1 / 3, 1, 3)]
by_schedule = {}
for name, kind in SCHEDULES.items():
    settings = OPTIMIZERS["SGD + momentum"] | {"scheduler": kind}
    tried = {}
    for lr in top_rates:
        runs = [run(digits, "linear", settings, lr, seed) for seed in FIVE]
        tried[lr] = np.array([100 * each.best_val_accuracy for each in runs])
    lr = max(tried, key=lambda lr: tried[lr].mean())
    by_schedule[name] = lr, tried[lr]
constant = by_schedule["constant"][1]
rows = [
    (name, lr, each.mean(), each.std(ddof=1), (each - constant).mean())
    for name, (lr, each) in by_schedule.items()
]
columns = ["schedule", "best rate", "mean", "std", "gain"]
print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="%.3f"))

# %% mystnb={"image": {"alt": "Validation accuracy of five schedules: five small points each, one a seed, and the mean with a bar of one standard deviation. Linear, cosine and one cycle lie to the right of constant, and their bars overlap; step lies to its left."}}
figure, axis = plt.subplots(figsize=(6.4, 2.9))
for position, ((_, each), colour, marker) in enumerate(
    zip(by_schedule.values(), COLOURS, MARKERS)
):
    axis.plot(each, [position + 0.22] * 5, ".", color=colour, alpha=0.7)
    spread = each.std(ddof=1)
    axis.errorbar(
        each.mean(), position, xerr=spread, fmt=marker, color=colour, capsize=4
    )
names = [f"{name}, {lr:.2g}" for name, (lr, _) in by_schedule.items()]
axis.set_yticks(range(5), names)
axis.set(xlabel="validation accuracy (%): seeds, mean ± std")
axis.set(ylabel="schedule, highest rate", ylim=(4.5, -0.5))
plt.show()

# %%
gains = {name: (each - constant).mean() for name, (_, each) in by_schedule.items()}
smooth = [gains[name] for name in ("linear", "cosine", "one cycle")]
confirm(
    min(smooth) > budget(full=0, fast=-15),
    "a rate that falls smoothly to zero beats a constant one",
)
confirm(
    max(smooth) - min(smooth) < budget(full=1, fast=15),
    "which of the smooth shapes it is matters less",
)
confirm(
    gains["step"] < min(smooth) + budget(full=0, fast=15),
    "the step schedule gains less than these, or nothing",
)
confirm(
    by_schedule["linear"][0] >= by_schedule["constant"][0],
    "with a falling rate the best highest rate is not lower",
)

# %% [markdown]
# So let the rate fall smoothly to zero, from a higher start than a constant rate would bear. The exact shape is a matter of taste. The step schedule shows what to avoid: in a run this short it spends two thirds of the steps at rates that are too low to get anywhere. The rest of the chapter uses the cosine.
#
# ## Weight decay and the L2 penalty
#
# Large weights let a network fit noise. Two ideas against it look the same:
#
# - an **[L2 penalty](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#l2-regularisation)**: add $\frac{\lambda}{2}\lVert w\rVert^2$ to the loss. Its gradient is $\lambda w$, so $g$ becomes $g + \lambda w$;
# - **weight decay**: leave the loss alone, and shrink every weight by the factor $1-\eta\lambda$ before each step.
#
# For plain SGD (without momentum) they *are* the same: $w - \eta\,(g + \lambda w) = (1-\eta\lambda)\,w - \eta\,g$. On a computer the two sides may be rounded differently. Two tricks let us see through the rounding. We choose $\lambda = 2^{-10}$, as a product with a power of two is exact. And we repeat the run in `float64`, with twice as many bits: what is only rounding shrinks to almost nothing there. (With momentum the penalty also goes through the velocity, so there the two differ a little.)

# %%
LAMBDA = 2.0**-10


def penalty(model):
    return LAMBDA / 2 * sum(w.pow(2).sum() for w in model.parameters())


def decayed_sgd(w, g, memory, lr):
    w.mul_(1 - lr * LAMBDA)
    sgd(w, g, memory, lr)


def largest_difference(a, b):
    return max((x - y).abs().max().item() for x, y in zip(a, b))


plain = train_steps(lambda p: o.SGD(p, lr=0.1, foreach=False))
penalised = train_steps(lambda p: o.SGD(p, lr=0.1, foreach=False), extra_loss=penalty)
option = train_steps(lambda p: o.SGD(p, lr=0.1, weight_decay=LAMBDA, foreach=False))
confirm(
    all(torch.equal(a, b) for a, b in zip(penalised, option)),
    "SGD(weight_decay=λ) is the L2 penalty, bit for bit",
)
confirm(largest_difference(plain, option) > 1e-4, "and it does change the weights")

fine = {"dtype": torch.float64}
option = train_steps(lambda p: o.SGD(p, lr=0.1, weight_decay=LAMBDA), **fine)
shrunk = train_steps(lambda p: Own(p, decayed_sgd, lr=0.1), **fine)
confirm(
    largest_difference(shrunk, option) < 1e-9,
    "for SGD shrinking the weights is the same up to rounding",
)

# %% [markdown]
# **Think first**: Adam divides its gradient by its usual size. With an L2 penalty, $\lambda w$ is a part of that gradient. What will happen to the pull on weights with large gradients?

# %%
adam_plain = train_steps(lambda p: o.Adam(p, lr=0.001))
adam_l2 = train_steps(lambda p: o.Adam(p, lr=0.001, weight_decay=0.1))
adam_decay = train_steps(lambda p: o.AdamW(p, lr=0.001, weight_decay=0.1))
effect = largest_difference(adam_plain, adam_decay)
confirm(
    largest_difference(adam_l2, adam_decay) > effect / 2,
    "for Adam the two are different optimizers",
)

# %% [markdown]
# To see how they differ, take two weights that start at 1 and get nothing but noise as gradients: one loud, one quiet. There is nothing to learn, so a fair pull should shrink both alike.

# %% mystnb={"image": {"alt": "Two panels, weight against step. Left, Adam with an L2 penalty: the weight with quiet gradients falls quickly to zero, the one with loud gradients stays near 1. Right, AdamW: both fall together along one curve."}}
noise = torch.randn(150, 2, 200, generator=torch.Generator().manual_seed(0))
noise *= torch.tensor([5.0, 0.05])[:, None]  # loud, quiet; 200 copies of each
pulls = {
    "Adam + L2": lambda p: o.Adam(p, lr=0.01, weight_decay=0.3),
    "AdamW": lambda p: o.AdamW(p, lr=0.01, weight_decay=0.3),
}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
left_over = {}
for axis, (name, make) in zip(axes, pulls.items()):
    weights = torch.ones(2, 200)
    optimizer, track = make([weights]), [[1.0, 1.0]]
    for g in noise:
        weights.grad = g.clone()
        optimizer.step()
        track.append(weights.mean(dim=1).tolist())
    left_over[name] = track[-1]
    loud, quiet = np.array(track).T
    axis.plot(loud, color=COLOURS[3], label="loud gradients")
    axis.plot(quiet, "--", color=COLOURS[0], label="quiet gradients")
    axis.set(xlabel="step", title=name, ylim=(-0.1, 1.1))
axes[0].set_ylabel("weight (mean of 200)")
axes[1].legend()
plt.show()
loud, quiet = left_over["Adam + L2"]
confirm(loud > 0.8 and quiet < 0.3, "with L2 inside Adam, loud weights escape the pull")
loud, quiet = left_over["AdamW"]
confirm(abs(loud - quiet) < 0.1 and loud < 0.8, "AdamW shrinks both alike")

# %% [markdown]
# That was the point of Loshchilov and Hutter (2017): in Adam, decay belongs outside the gradient. So set weight decay in `AdamW`, not in `Adam`.
#
# ## Batch size and learning rate
#
# A larger batch gives a gradient with less noise, but fewer steps in an epoch. With four times the batch there are a quarter of the steps. The **linear scaling rule** (Goyal and others, 2017) says: then make each step four times as long. It is a rule of thumb with limits. We try it with plain SGD, at an equal number of epochs. Rates and batch sizes both grow by a factor of four, so the rule follows the diagonals of the map.

# %%
BATCH_SIZES, RATES = (16, 64, 256), (1 / 64, 1 / 16, 1 / 4, 1)
by_batch = np.zeros((len(BATCH_SIZES), len(RATES)))
for (i, j), _ in np.ndenumerate(by_batch):
    config = replace(base, batch_size=BATCH_SIZES[i])
    runs = [
        run(digits, "linear", OPTIMIZERS["SGD"], RATES[j], seed, config)
        for seed in (0, 1)
    ]
    by_batch[i, j] = np.mean([100 * each.best_val_accuracy for each in runs])

# %% mystnb={"image": {"alt": "Heat map of validation accuracy, rows are batch sizes 16, 64 and 256, columns learning rates from 1/64 to 1. Small batches are best at low rates, large ones at high rates; arrows along the diagonal show the scaling rule."}}
figure, axis = plt.subplots(figsize=(6, 3))
low = np.clip(by_batch.max() - 15, 0, None)
picture = axis.imshow(by_batch, cmap="cividis", vmin=low, vmax=100, aspect="auto")
for (i, j), value in np.ndenumerate(by_batch):
    colour = "black" if value > (low + 100) / 2 else "white"
    axis.text(j, i, f"{value:.1f}", ha="center", va="center", color=colour)
for start in (0, 1):
    for i in (0, 1):
        axis.annotate(
            "", (start + i + 0.75, i + 0.75), (start + i + 0.25, i + 0.25),
            arrowprops={"arrowstyle": "->", "color": COLOURS[3], "linewidth": 2},
        )
axis.set_xticks(range(4), ["1/64", "1/16", "1/4", "1"])
axis.set_yticks(range(3), BATCH_SIZES)
axis.set(xlabel="learning rate", ylabel="batch size", title="arrows: the scaling rule")
figure.colorbar(picture, label="validation accuracy (%)", extend="min")
plt.show()

# %%
kept, scaled = by_batch[2, 0], by_batch[2, 2]
confirm(scaled > kept, "from batch 16 to 256: scaling the rate beats keeping it")
confirm(
    by_batch[2].argmax() >= by_batch[0].argmax(),
    "the best rate of large batches is not below that of small ones",
)

# %% [markdown]
# So batch size and learning rate are not two choices but one and a half. Change the batch, and you have to look at the rate again. The rule tells you where to look first. And it has a limit. Follow the second diagonal to its end: which rule from the valley says why a quieter gradient does not help for ever?
#
# ## Does it carry over to a CNN?
#
# Now the final comparison: the small CNN of chapter 3 on the colour images, with a cosine schedule. The budget is the same for each optimizer and fixed beforehand:
#
# - **tuning**: the grid above gave a rate for another model. Around it we try three rates on the CNN, with seed 0;
# - **judging**: the chosen rate runs with **five fresh seeds**, 1 to 5. The seed that chose the rate does not judge it.
#
# **Think first**: how large must a difference be before you believe it?

# %%
colour_part = cifar10.subset(budget(full=3_000, fast=400)).to(device)
cnn_base = replace(base, epochs=budget(full=4, fast=2), scheduler="cosine")
FRESH = (1, 2, 3, 4, 5)
final, chosen_rate, seconds = {}, {}, {}
for name, settings in OPTIMIZERS.items():
    tried = {}
    for factor in (1 / 3, 1, 3):
        lr = float(best[name] * factor)
        tried[lr] = run(colour_part, "cnn", settings, lr, 0, cnn_base).best_val_accuracy
    chosen_rate[name] = max(tried, key=tried.get)
    final[name] = [
        run(colour_part, "cnn", settings, chosen_rate[name], s, cnn_base) for s in FRESH
    ]
    seconds[name] = np.mean([each.seconds for each in final[name]])
accuracy = pd.DataFrame(
    {name: [100 * h.best_val_accuracy for h in runs] for name, runs in final.items()},
    index=pd.Index(FRESH, name="seed"),
)
print(accuracy.to_string(float_format="%.1f"))
for name in OPTIMIZERS:
    key = f"optimizers.{name.replace(' + ', '_').lower()}"
    record(key, val_accuracy=accuracy[name].mean() / 100, lr=chosen_rate[name])

# %% [markdown]
# Look along the rows, not only down the columns. All optimizers start a seed from the same weights and see the same batches in the same order. So we may compare them **paired by seed**: take the difference within each seed, then the mean of the five differences.
#
# The **[standard error](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#standard-error)** says how far such a mean would move if we took other seeds: the standard deviation of the differences, divided by $\sqrt5$. With five seeds, a mean difference below about **2.8** standard errors can easily be chance. (2.8 is where Student's $t$ distribution with four degrees of freedom leaves 5 %.)

# %%
leader = accuracy.mean().idxmax()
difference = accuracy.sub(accuracy[leader], axis=0).drop(columns=leader)
error = difference.std(ddof=1) / len(FRESH) ** 0.5
paired = pd.DataFrame({"difference": difference.mean(), "error": error})
paired["in errors"] = paired["difference"] / paired["error"]
print("each optimizer minus the leader, in points of validation accuracy:")
print(paired.to_string(float_format="%.2f", index=False))

# %% mystnb={"image": {"alt": "Two panels, one row an optimizer. Left: validation accuracy of the small CNN, five points and the mean with its standard deviation. Right: mean difference to the leader with a bar of 2.8 standard errors; plain SGD lies clearly below zero, the bar of SGD with momentum comes near zero, that of AdamW crosses it."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
for y, (name, colour, marker) in enumerate(zip(accuracy, COLOURS, MARKERS)):
    values = accuracy[name]
    left.plot(values, [y + 0.25] * len(values), ".", color=colour, alpha=0.7)
    left.errorbar(
        values.mean(), y, xerr=values.std(), fmt=marker, color=colour, capsize=4
    )
    if name == leader:
        right.plot(0, y, marker, color=colour)
    else:
        gap, error = paired.loc[name, ["difference", "error"]]
        right.errorbar(gap, y, xerr=2.8 * error, fmt=marker, color=colour, capsize=4)
right.axvline(0, color="0.6", linestyle=":")
left.set_yticks(range(4), list(accuracy))
left.set(xlabel="validation accuracy (%)", title="five seeds, mean ± std")
right.set(xlabel="difference (points)", title="minus leader, ± 2.8 errors")
left.set_ylim(3.6, -0.5)
plt.show()

# %%
errors = paired["in errors"].reindex(accuracy.columns).fillna(0)
confirm(
    errors["SGD"] < budget(full=-2.8, fast=100),
    "plain SGD is behind, by more than seeds explain",
)
confirm(
    min(errors["Adam"], errors["AdamW"]) > budget(full=-2.8, fast=-100),
    "between Adam and AdamW the five seeds do not decide",
)
means = accuracy.mean()
between = means["SGD"] < means["SGD + momentum"] < means.max()
confirm(
    between or budget(full=False, fast=True),
    "SGD with momentum lies between plain SGD and the leader",
)
confirm(
    -4.5 < errors["SGD + momentum"] < budget(full=-1.2, fast=100)
    or budget(full=False, fast=True),
    "behind the leader it is near the border of 2.8 errors: a close call",
)
twins = (accuracy["Adam"] - accuracy["AdamW"]).std()
others = (accuracy["SGD"] - accuracy["Adam"]).std()
confirm(
    twins < others * budget(full=1, fast=20),
    "pairs that rise and fall together by seed can be compared more sharply",
)

# %% [markdown]
# So what can five seeds tell apart here?
#
# - **Plain SGD is behind.** Its distance is several times its standard error.
# - **Adam or AdamW? Not decided.** Their runs rise and fall together, so even a small difference would show. What shows can be chance.
# - **SGD with momentum: a close call.** It lies between the two groups, and its distance to the leader is near the border. With three comparisons at once, one near the border is weak evidence. More seeds would settle it.
#
# To halve a standard error takes four times the seeds. And all this holds for *this tuning budget*: three rates on the CNN. Compare the rates in the closing table with the frames of the [heat map](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#heat-map). Where one is a third of it, or three times as high, the optimizer chose an end of its range. A better rate may lie beyond, and more tuning could change its place.
#
# ## What went wrong, and why
#
# **The learning rate was too high.** SGD on the valley multiplies the steep weight by $1 - 20\,\eta$ in every step:

# %% mystnb={"image": {"alt": "The steep weight by step at three learning rates: at 0.04 it falls smoothly to zero, at 0.095 it swings and settles, at 0.105 the swings grow."}}
figure, axis = plt.subplots(figsize=(6.4, 2.7))
for lr, style in ((0.04, "o-"), (0.095, "s--"), (0.105, "^:")):
    w = [(1 - 20 * lr) ** step for step in range(25)]
    axis.plot(w, style, markersize=4, label=f"rate {lr}")
axis.set(xlabel="step", ylabel="steep weight")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# A network does the same, with very many weights at once: the loss grows, then overflows to `inf` or `nan`. `fit` stops there and says so in `history.diverged`. Adam cannot overflow so easily, as its steps have about the size of the rate. It fails more quietly: the loss stays high.

# %%
broken = run(digits, "linear", OPTIMIZERS["SGD"], 1e6, 0)
confirm(broken.diverged, "SGD at a million: the loss is no longer a number, or huge")
confirm(
    mean.loc["Adam", 1.0] < mean.loc["Adam"].max() - 20,
    "Adam at 1.0 loses more than 20 points",
)

# %% [markdown]
# *How to see it*: look at the loss of the first few dozen steps. If it rises, divide the rate by ten.
#
# **One shared learning rate.** Here is the unfair comparison, read from our grid:

# %%
shared = pd.DataFrame({f"all at {lr:g}": mean[lr] for lr in (0.001, 0.1)})
shared["each at its best"] = top
print(shared.to_string(float_format="%.1f"))
spread = shared.max() - shared.min()
confirm(
    (spread.iloc[:2] > spread.iloc[2]).all(),
    "at a shared rate the four seem further apart than they are",
)
confirm(
    shared.iloc[:, 0].idxmax() in ("Adam", "AdamW")
    and shared.iloc[:, 1].idxmax() in ("SGD", "SGD + momentum"),
    "at 0.001 an Adam wins, at 0.1 an SGD: the rate chose the winner",
)

# %% [markdown]
# *How to see it*: ask of every comparison at which rate each side ran, and who chose it.
#
# **One seed each.** Suppose each optimizer had been run once, with a seed of its own. How often would the order of two neighbours have come out the other way round?

# %%
ranked = accuracy[accuracy.mean().sort_values(ascending=False).index].to_numpy().T
for place, (better, worse) in enumerate(zip(ranked[:-1], ranked[1:]), start=1):
    wrong = np.mean(worse[:, None] >= better[None, :])
    print(f"place {place} against {place + 1}: wrong order {wrong:.2f} of the time")

# %% [markdown]
# A number near 0.5 means that one run each is a coin toss. *How to see it*: a result without a spread is not yet a result.
#
# **The optimizer holds other weights.** An optimizer gets the weights once, when it is made. Build the model again afterwards, and it goes on changing the old one. Nothing complains.

# %%
model = build_model("softmax", mnist.image_shape, mnist.num_classes)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model = build_model("softmax", mnist.image_shape, mnist.num_classes, seed=1)  # too late
first = [w.detach().clone() for w in model.parameters()]
losses = []
images, labels = next(iter(mnist.batches("train", 64)))
for _ in range(20):
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
confirm(len(set(losses)) == 1, "20 steps, and the loss is the same to the last bit")
confirm(
    all(torch.equal(a, b) for a, b in zip(first, model.parameters())),
    "no weight has moved",
)

# %% [markdown]
# *How to see it*: a loss on one fixed batch has to change with every step. Test that before you train for an hour.
#
# ## Which one should I choose?
#
# All choices are made. The optimizer with the best mean on validation is the final choice. Of its five runs we take the one that was best on validation, with the weights of its best epoch. Now, once, the test split. The others do not get to see it.

# %%
winner = max(final[leader], key=lambda history: history.best_val_accuracy)
model = build_model("cnn", cifar10.image_shape, cifar10.num_classes, "small").to(device)
winner.load_best(model)
test = evaluate(model, colour_part.batches("test", 500))
parameters = count_parameters(model)
record("optimizers.final", test_accuracy=test.accuracy, parameters=parameters)
table = pd.DataFrame({
    "rate": chosen_rate,
    "grid runs": len(LEARNING_RATES) * len(SEEDS),
    "CNN runs": 3,
    "seconds": seconds,
    "val mean": accuracy.mean(),
    "std": accuracy.std(),
    "test": {n: 100 * test.accuracy if n == leader else math.nan for n in OPTIMIZERS},
})
print(f"small CNN, {parameters:,} parameters; seconds of one run")
table["rate"] = table["rate"].map("{:.4f}".format)
print(table.to_string(float_format="%.2f", na_rep="nan"))

# %% [markdown]
# `nan` stands where the test split was not used. The test number belongs to one run, the validation mean to five.
#
# So, which optimizer, and at which learning rate? The answer to our question:
#
# - **Tune the learning rate first.** In the heat map two steps down the row cost more than any change of row.
# - **To begin with**: AdamW at 0.001. It is rarely far off. Make one range test, then try a third and three times its rate.
# - **SGD with momentum** came close, and chapter 3's large CNN was trained with it. It needs more tuning. Begin at about ten times the rate of Adam.
# - **Let the rate fall smoothly to zero**, from a higher start.
# - **Plain SGD** is for understanding.
# - Weight decay goes with `AdamW` or `SGD`, not with `Adam`.
#
# How far does this verdict go? It rests on two small networks, short runs and few images. In runs so short, decay has hardly worked yet. It says nothing about large language models.
#
# ## Exercises
#
# Replace the dots, run the cell, read the hint. The first are easy, the last is open.
#
# ### Exercise 4.1: one SGD step (easy)
#
# Write `sgd_step(w, g, lr)`. It returns the new weights. `w` and `g` are tensors of one shape.

# %%
def sgd_step(w, g, lr):
    ...


grade("4.1", sgd_step)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def sgd_step(w, g, lr):
#     return w - lr * g
# ```
#
# The gradient points uphill, so we subtract it.
#
# </details>
#
# ### Exercise 4.2: momentum by hand (easy)
#
# A single weight starts at 0. `gradients` is a list of numbers, one a step. Return the list of the weight after each step, with PyTorch's rule: $v \leftarrow \mu v + g$, then $w \leftarrow w - \eta v$.

# %%
def momentum_path(gradients, lr, mu):
    ...


grade("4.2", momentum_path)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def momentum_path(gradients, lr, mu):
#     w, v, path = 0.0, 0.0, []
#     for g in gradients:
#         v = mu * v + g
#         w = w - lr * v
#         path.append(w)
#     return path
# ```
#
# The weight goes on moving after the gradient has become 0: that is momentum.
#
# </details>
#
# ### Exercise 4.3: Adam's bias correction (medium)
#
# Return the list of *corrected* running means $\hat m$, one for each gradient. The first step has $t = 1$.

# %%
def corrected_means(gradients, beta):
    ...


grade("4.3", corrected_means)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def corrected_means(gradients, beta):
#     m, means = 0.0, []
#     for t, g in enumerate(gradients, start=1):
#         m = beta * m + (1 - beta) * g
#         means.append(m / (1 - beta**t))
#     return means
# ```
#
# After $t$ steps the weights of all gradients in $m$ add up to $1-\beta^t$. Dividing makes it a true mean.
#
# </details>
#
# ### Exercise 4.4: the cosine schedule (medium)
#
# Write `cosine(step, total, highest)`: the learning rate at `step` (from 0 to `total`), which begins at `highest` and ends at 0.

# %%
def cosine(step, total, highest):
    ...


grade("4.4", cosine)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def cosine(step, total, highest):
#     return highest * 0.5 * (1 + math.cos(math.pi * step / total))
# ```
#
# Half a wave of the cosine goes from 1 to -1. Adding 1 and halving brings it to 1 … 0.
#
# </details>
#
# ### Exercise 4.5: how high can the rate be? (medium)
#
# The loss is $\sum_i \frac{c_i}{2} w_i^2$, with the curvatures $c_i > 0$ in a list. Below which learning rate does SGD shrink *every* weight? Return that limit.

# %%
def highest_stable_rate(curvatures):
    ...


grade("4.5", highest_stable_rate)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def highest_stable_rate(curvatures):
#     return 2 / max(curvatures)
# ```
#
# Each step multiplies $w_i$ by $1 - \eta c_i$. That stays above $-1$ for $\eta < 2/c_i$, and the steepest direction is the first to break it.
#
# </details>
#
# ### Exercise 4.6: choose a rate from a table (medium)
#
# `table` maps each learning rate to its validation accuracies, one a seed. Find the best mean. Then return the **smallest** rate whose mean lies at most one sample standard deviation (of the best rate's runs) below it. Small rates diverge less often, so we prefer them when the data cannot decide.

# %%
def choose_rate(table):
    ...


grade("4.6", choose_rate)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def choose_rate(table):
#     means = {lr: np.mean(values) for lr, values in table.items()}
#     best = max(means, key=means.get)
#     floor = means[best] - np.std(table[best], ddof=1)
#     return min(lr for lr in means if means[lr] >= floor)
# ```
#
# `ddof=1` divides by $n-1$: with few seeds the plain formula makes the spread too small.
#
# </details>
#
# ### Exercise 4.7: a rule of your own, compared fairly (open)
#
# Write another optimizer as `my_rule(w, g, memory, lr)`, which returns the new weights. `memory` is a dictionary that is empty at first and yours to fill. Adagrad, Lion or an idea of your own will do. The check lets your rule and plain SGD walk through a very narrow valley, each at the same 13 rates, and compares both at their best.

# %%
def my_rule(w, g, memory, lr):
    ...


grade("4.7", my_rule)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_rule(w, g, memory, lr):
#     """Adagrad (Duchi and others, 2011): divide by the root of all squares so far."""
#     memory["s"] = memory.get("s", torch.zeros_like(w)) + g**2
#     return w - lr * g / (memory["s"].sqrt() + 1e-8)
# ```
#
# It wins where directions differ in steepness, as RMSprop does. To compare it on a network, put it into `Own` (change `w` in place there), and give it the whole grid and three seeds, like the others.
#
# </details>
#
# ## Quiz
#
# **1. Adam beats SGD in a plot; both ran at 0.001. What does that show?**
#
# <details name="quiz-4-1"><summary>A. Adam is the better optimizer for that network</summary>
#
# ❌ Not so: 0.001 lies in Adam's good range and far below that of SGD.
#
# </details>
# <details name="quiz-4-1"><summary>B. 0.001 suits Adam</summary>
#
# ✅ Yes: the shared rate chose the winner. Each has to run at its own best rate.
#
# </details>
# <details name="quiz-4-1"><summary>C. SGD needs more epochs than Adam, always</summary>
#
# ❌ Not so: at its own best rate SGD came close in equal epochs, as our grid showed.
#
# </details>
#
# **2. You add momentum 0.9 to SGD. What should happen to the learning rate?**
#
# <details name="quiz-4-2"><summary>A. It should go down</summary>
#
# ✅ Yes: a steady gradient adds up to about ten times its size, so steps get longer.
#
# </details>
# <details name="quiz-4-2"><summary>B. It should go up, because momentum slows the weights down</summary>
#
# ❌ Not so: friction limits the velocity, but the steps still become longer than without.
#
# </details>
# <details name="quiz-4-2"><summary>C. It can stay, as momentum does not change step lengths</summary>
#
# ❌ Not so: in our grid the best rate with momentum was lower than without.
#
# </details>
#
# **3. Why does Adam divide its running means by $1-\beta^t$?**
#
# <details name="quiz-4-3"><summary>A. To make the learning rate fall during training</summary>
#
# ❌ Not so: the divisor goes to 1 after some steps. A falling rate is the schedule's work.
#
# </details>
# <details name="quiz-4-3"><summary>B. To prevent a division by zero in the first steps</summary>
#
# ❌ Not so: that is what the small number epsilon is there for.
#
# </details>
# <details name="quiz-4-3"><summary>C. Because they start at zero</summary>
#
# ✅ Yes: without the correction the first means would be far too small.
#
# </details>
#
# **4. When are an L2 penalty and weight decay the same update?**
#
# <details name="quiz-4-4"><summary>A. Always: the gradient of the penalty is the decay</summary>
#
# ❌ Not so: Adam divides that gradient by its size, along with the rest.
#
# </details>
# <details name="quiz-4-4"><summary>B. For plain SGD, up to rounding</summary>
#
# ✅ Yes: both give the same formula there, and only the last bits may differ.
#
# </details>
# <details name="quiz-4-4"><summary>C. Never, because one changes the loss and one does not</summary>
#
# ❌ Not so: for plain SGD the formulas agree; we checked it on a network.
#
# </details>
#
# **5. In a range test the loss is lowest at 0.1. At which rate do you begin to train?**
#
# <details name="quiz-4-5"><summary>A. At 0.1, where the loss is lowest</summary>
#
# ❌ Not so: just behind that point the loss explodes, so it is a risk for a whole run.
#
# </details>
# <details name="quiz-4-5"><summary>B. At the rate where the loss begins to move at all</summary>
#
# ❌ Not so: there the steps are still tiny, and training would be slow.
#
# </details>
# <details name="quiz-4-5"><summary>C. At about 0.01, then try its neighbours</summary>
#
# ✅ Yes: a tenth of it is a rule of thumb, and two more runs test it.
#
# </details>
#
# **6. Two optimizers differ by 0.3 points; the standard error of the paired difference is 0.4. What do you report?**
#
# <details name="quiz-4-6"><summary>A. That five seeds cannot tell them apart</summary>
#
# ✅ Yes: the difference is smaller than its own error. More seeds might decide it.
#
# </details>
# <details name="quiz-4-6"><summary>B. The first is better, as its mean is higher</summary>
#
# ❌ Not so: with other seeds the order could easily be the other way round.
#
# </details>
# <details name="quiz-4-6"><summary>C. They are equally good: the experiment has proved that</summary>
#
# ❌ Not so: no difference found is not a proof that there is none.
#
# </details>
# <details name="quiz-4-6"><summary>D. Whichever is better on the test split, after a look at both</summary>
#
# ❌ Not so: then the test split has chosen, and can no longer judge.
#
# </details>
#
# **7. You go from batches of 64 to batches of 256, at the same number of epochs. What is the first rate to try?**
#
# <details name="quiz-4-7"><summary>A. The old one, because the data are the same</summary>
#
# ❌ Not so: there are only a quarter of the steps, so the weights would get less far.
#
# </details>
# <details name="quiz-4-7"><summary>B. A quarter of the old one, because the batches are larger</summary>
#
# ❌ Not so: that makes fewer steps and shorter ones, the wrong direction.
#
# </details>
# <details name="quiz-4-7"><summary>C. Four times the old one</summary>
#
# ✅ Yes: that is the linear scaling rule. It has limits, so try the neighbours too.
#
# </details>
#
# ## Takeaways
#
# - Optimizers differ in what they remember of earlier gradients; each is about ten lines.
# - The steepest direction limits the rate of SGD. Momentum and Adam are two ways around it.
# - A range test finds the range of good rates in one short run.
# - Let the rate fall smoothly to zero; the exact shape matters less.
# - Decay and L2 agree for plain SGD and differ for Adam.
# - Compare each at its own best rate, with equal tuning and several seeds, paired. Say what the seeds cannot decide.
#
# ## Read on
#
# - Kingma and Ba, 2014, [Adam](https://arxiv.org/abs/1412.6980): the rule, and why the means are corrected.
# - Loshchilov and Hutter, 2017, [Decoupled weight decay](https://arxiv.org/abs/1711.05101): why AdamW.
# - Loshchilov and Hutter, 2016, [SGDR](https://arxiv.org/abs/1608.03983): the cosine schedule.
# - Smith, 2015, [Cyclical learning rates](https://arxiv.org/abs/1506.01186): the range test, in section 3.3.
# - Smith and Topin, 2017, [Super-convergence](https://arxiv.org/abs/1708.07120): one cycle with very high rates.
# - Goyal and others, 2017, [Accurate, large minibatch SGD](https://arxiv.org/abs/1706.02677): the linear scaling rule and its limits.
# - Schmidt, Schneider and Hennig, 2020, [Descending through a crowded valley](https://arxiv.org/abs/2007.01547): fifteen optimizers compared, with tuning budgets.
# - [`torch.optim`](https://pytorch.org/docs/stable/optim.html): PyTorch's page on optimizers, each with its rule as pseudo-code.
#
# ## Next
#
# Chapter 5 takes the whole loop into PyTorch Lightning.
