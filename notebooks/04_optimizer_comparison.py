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
# - say in which kind of loss plain gradient descent fails, and how momentum, RMSprop and Adam answer it,
# - write each of these rules in three or four lines, and find it again in `torch.optim`,
# - find a range of good learning rates with one short run,
# - use a schedule of `torch.optim.lr_scheduler` in a training loop,
# - say when weight decay and an L2 penalty are the same, and when not,
# - compare optimizers fairly, and say what your seeds can tell apart and what they cannot.
#
# **Before you start**: chapters 2 and 3. You should know the training loop, and what a gradient is.
#
# **Time**: read about 35 minutes, exercises and quiz about 40 more; the full run takes <!-- result:chapters.04.full_seconds|minutes -->5 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.04.fast_seconds|seconds -->26 s<!-- /result -->.
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

url = "https://github.com/claudiamohh/pytorch-image-classifier"
here = Path(globals().get("__file__", "_")).absolute().parent  # of a notebook: where it runs
root = next(filter(is_course, (here, *here.parents)), here / url.split("/")[-1])
if not is_course(root):
    clone = f'git -c core.askPass=true clone -q --depth 1 -b main {url} "{root}"'
    said = subprocess.getoutput(clone)
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
if "google.colab" in sys.modules:
    import torch

    on = torch.cuda.is_available()
    print("A GPU is on." if on else "No GPU is on: all works, only more slowly. To have one: "
          "Runtime → Change runtime type → T4 GPU → Save, then Runtime → Run all.")
    print("Your answers stay only in a copy of your own: File → Save a copy in Drive.")

# %% tags=["hide-input"]
import math
from dataclasses import replace
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import (
    CosineAnnealingLR, LambdaLR, LinearLR, OneCycleLR, SequentialLR, StepLR,
)

from helpers.data import load
from helpers.exercises import grade
from helpers.exercises.chapter_04 import draw_curves
from helpers.models import build_model, count_parameters
from helpers.notebook import budget, confirm, explore, record
from helpers.plots import COLOURS, MARKERS, plot_histories, use_style
from helpers.recipes import TrainingConfig
from helpers.training import best_device, evaluate, fit, make_optimizer

use_style()
device = best_device()
EPOCHS, LONG, CNN_EPOCHS = budget(full=(4, 12, 3), fast=(2, 3, 1))
mnist, cifar10 = load("mnist"), load("cifar10")
digits = mnist.subset(budget(full=8_000, fast=1_200)).to(device)
photos = cifar10.subset(budget(full=3_000, fast=300)).to(device)

# %% [markdown]
# ## One step down
#
# Chapter 2 ended its loop with `optimizer.step()`. The **optimizer** is the rule that turns gradients into new weights. You know the simplest rule:
#
# $$w \leftarrow w - \eta\, g$$
#
# The **learning rate** $\eta$ (eta) decides how long a step is. If the gradient $g$ comes from *all* training images, this is **gradient descent**. If it comes from one random batch, it is **stochastic gradient descent**, [SGD](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#sgd). *Stochastic* means: with chance in it. The gradient of a batch points roughly the right way, and costs far less.
#
# To see the steps alone, we leave chance out and take a loss with only two weights: a long, narrow valley.

# %%
curvature = torch.tensor([0.2, 20.0])  # along the valley, across it
START = torch.tensor([-4.0, 1.0])


def valley(w):
    return (curvature * w**2).sum(dim=-1) / 2


def gradient(w):
    return curvature * w  # the slope of c · w² / 2, as chapter 2 found for w²

# %% [markdown]
# **Curvature** says how fast the gradient grows as you walk. Here it is a hundred times higher across the valley than along it. The ratio of the largest to the smallest curvature is called the **[condition number](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#condition-number)**. A network has as many directions as weights, some steep and some nearly flat.
#
# Now a rule, and a walk by it. A rule gets the weights, the gradient, a `memory` (a dictionary, empty at first) and the rate. It returns the new weights. Plain descent remembers nothing.

# %%
def descent(w, g, memory, lr):
    return w - lr * g


def walk(rule, lr, steps=50, start=START, gradient=gradient):
    """The weights after every step of a rule, from the start on."""
    w, memory, path = start, {}, [start]
    for _ in range(steps):
        w = rule(w, gradient(w), memory, lr)
        path.append(w)
    return torch.stack(path)

# %% [markdown]
# The lines below are **contours**: all points of one line have the same loss. The gradient is at right angles to them, so it points *across* the valley, hardly ever along it. The star is the minimum.
#
# **Think first**: the same start at four learning rates. What happens when the rate is too low? What when it is too high?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four pictures of one long valley with the path of gradient descent. At 0.01 it slides to the floor and stays far from the minimum. At 0.05 it drops to the floor at once, then creeps. At 0.095 it zigzags across the valley and creeps. At 0.101 the zigzag grows."}}
def draw_valley(axis, path, colour=COLOURS[3], marker="o"):
    x, y = torch.meshgrid(
        torch.linspace(-4.6, 2.6, 200), torch.linspace(-1.6, 1.6, 200), indexing="ij"
    )
    levels = [0.05, 0.3, 1, 2.5, 5, 9, 14, 20]
    loss = valley(torch.stack([x, y], dim=-1))
    axis.contour(x, y, loss, levels=levels, colors="0.7", linewidths=0.7)
    axis.plot(*path.T, color=colour, marker=marker, markersize=3.5, linewidth=1.2)
    axis.plot(0, 0, "k*", markersize=11)
    axis.set(xlim=(-4.6, 2.6), ylim=(-1.6, 1.6), aspect="equal")
    axis.set(xlabel="flat weight", ylabel="steep weight")


def draw_descent(axis, lr):
    draw_valley(axis, walk(descent, lr, steps=25))


values = (0.005, 0.01, 0.02, 0.05, 0.08, 0.095, 0.1, 0.101)
shown = (0.01, 0.05, 0.095, 0.101)
display(explore(draw_descent, values, "learning rate", shown))
plt.close("all")

# %%
print("rate    flat weight   steep weight   loss after 50 steps")
for lr in (0.010, 0.050, 0.090, 0.099, 0.101):
    w = walk(descent, lr)[-1]
    print(f"{lr:.3f}   {w[0]:8.3f}   {w[1]:12.3f}   {valley(w):14.3f}")

# %% [markdown]
# No rate gets there in fifty steps. In the steep direction the gradient is $20\,w$, so a step multiplies $w$ by $1 - 20\,\eta$. The weight shrinks only while this factor lies between $-1$ and $1$, that is for $\eta < 0.1$. In general a direction of curvature $c$ allows $\eta < 2/c$. **So the steepest direction sets the limit.** At that limit the flat weight loses at most 2 % a step: $1 - 0.2 \cdot 0.1 = 0.98$.
#
# All other optimizers are answers to this one problem. There are two ideas: remember the *direction*, or give *each weight its own step*.
#
# ## Remember the direction: momentum
#
# Look at the zigzag. Across the valley the gradient changes its sign at every step. Along the valley it always has the same sign. So add up the gradients: the swings cancel, the small pushes along the valley pile up. The sum is called the velocity $v$, and this is **[momentum](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#momentum)**, like that of a ball. So that old gradients fade, the velocity keeps only the share $\mu = 0.9$ in each step:
#
# $$v \leftarrow \mu v + g \qquad w \leftarrow w - \eta\, v$$
#
# To test our rules, we let the optimizers of `torch.optim` walk through the same valley, in the loop you know:

# %%
def walk_torch(kind, steps=50, **settings):
    """The same walk with an optimizer of torch.optim."""
    w = START.clone().requires_grad_()
    optimizer, path = kind([w], **settings), [START]
    for _ in range(steps):
        optimizer.zero_grad()
        valley(w).backward()
        optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path)

# %%
def momentum(w, g, memory, lr, mu=0.9):
    v = memory["v"] = mu * memory.get("v", 0) + g
    return w - lr * v


ours, theirs = walk(momentum, 0.02), walk_torch(SGD, lr=0.02, momentum=0.9)
print("as torch.optim does it:", torch.allclose(ours, theirs, atol=1e-5))
print(f"loss after 50 steps: {valley(ours[-1]):.3f}")

# %% [markdown]
# How much longer do the steps become? Feed momentum a gradient that is always 1:

# %%
v = 0
for step in range(1, 51):
    v = 0.9 * v + 1
    if step in (1, 2, 5, 10, 20, 50):
        print(f"step {step:2d}: velocity {v:.2f}")

# %% [markdown]
# The velocity grows to $1/(1-\mu) = 10$ times the gradient. That is why momentum usually wants a *lower* learning rate than plain SGD. (It could bear a higher one: the swings cancel, and the limit across the valley rises from $2/c$ to $2(1+\mu)/c$.)
#
# **[Nesterov momentum](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#nesterov-momentum)** is the same with one look ahead. The velocity will be slowed down and used again in the next step anyway. So it counts that next share $\mu v$ now:

# %%
def nesterov(w, g, memory, lr, mu=0.9):
    v = memory["v"] = mu * memory.get("v", 0) + g
    return w - lr * (g + mu * v)


ours = walk(nesterov, 0.02)
theirs = walk_torch(SGD, lr=0.02, momentum=0.9, nesterov=True)
print("as torch.optim does it:", torch.allclose(ours, theirs, atol=1e-5))
print(f"loss after 50 steps: {valley(ours[-1]):.3f}")

# %% [markdown]
# ## Each weight its own step: RMSprop
#
# The other idea: the steep weight has large gradients and wants short steps; the flat weight has small gradients and wants long ones. So divide each gradient by its own usual size. What is usual? A **[running mean](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#running-mean)** $s$ of the squares, which mixes a little of each new value into the old mean. The root of such a mean square gives **[RMSprop](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#rmsprop)** its name (*root mean square*):
#
# $$s \leftarrow \alpha s + (1-\alpha)\, g^2 \qquad w \leftarrow w - \eta\, \frac{g}{\sqrt{s} + \epsilon}$$
#
# Everything here is done for each weight by itself. The tiny $\epsilon$ (epsilon) only prevents a division by zero.

# %%
def rmsprop(w, g, memory, lr, alpha=0.99, eps=1e-8):
    s = memory["s"] = alpha * memory.get("s", 0) + (1 - alpha) * g**2
    return w - lr * g / (s.sqrt() + eps)


ours, theirs = walk(rmsprop, 0.1), walk_torch(RMSprop, lr=0.1)
print("as torch.optim does it:", torch.allclose(ours, theirs, atol=1e-5))
print(f"loss after 50 steps: {valley(ours[-1]):.3f}")
print("first step:", (ours[1] - ours[0]).numpy().round(2) + 0.0)

# %% [markdown]
# The first step is equally long in both directions, although one gradient is 25 times the other. But it is 1.0, ten times the rate. The running mean starts at 0, so at first it is far too small, and dividing by something too small makes the step too long.
#
# ## Both ideas: Adam
#
# **[Adam](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#adam)** joins the two. It remembers a running mean $m$ of the gradients, as momentum does, and a running mean $s$ of their squares, as RMSprop does. And it mends the start. After $t$ steps a running mean with the share $\beta$ has reached only the part $1-\beta^t$ of what it should be. So divide by just that: the **bias correction**. Here is a gradient of 1 at every step again:

# %%
m = 0
for t in range(1, 51):
    m = 0.9 * m + 0.1 * 1
    if t in (1, 2, 5, 20, 50):
        print(f"step {t:2d}: running mean {m:.2f}, corrected {m / (1 - 0.9**t):.2f}")

# %%
def adam(w, g, memory, lr):
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    s = memory["s"] = 0.999 * memory.get("s", 0) + 0.001 * g**2
    m, s = m / (1 - 0.9**t), s / (1 - 0.999**t)
    return w - lr * m / (s.sqrt() + 1e-8)


ours, theirs = walk(adam, 0.3), walk_torch(Adam, lr=0.3)
print("as torch.optim does it:", torch.allclose(ours, theirs, atol=1e-5))
print("first step:", (ours[1] - ours[0]).numpy().round(2) + 0.0)

# %% [markdown]
# Adam's first step is as long as the learning rate in *every* weight, whatever the gradient. So its rates are of another order than those of SGD. The name is short for *adaptive moment estimation*, and each word comes from the valley:
#
# | Word | What it is in the rule | Which trouble it answers |
# |---|---|---|
# | moment | $m$, the mean of the gradients (the first moment) | the zigzag across the valley |
# | adaptive | $\sqrt{s}$, each weight's usual gradient (from the second moment) | steep and flat weights want different steps |
# | estimation | the means are estimated from the steps so far, and corrected for their start at 0 | a first step of the wrong length |
#
# The shares 0.9 and 0.999 are called $\beta_1$ and $\beta_2$ (beta).
#
# **[AdamW](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#adamw)** adds one more line: it shrinks every weight a little before each step. This pull towards 0 is called **[weight decay](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#weight-decay)**. A section below shows what it is for.

# %%
def adamw(w, g, memory, lr, decay=0.01):
    w = (1 - lr * decay) * w
    return adam(w, g, memory, lr)


ours, theirs = walk(adamw, 0.3), walk_torch(AdamW, lr=0.3, weight_decay=0.01)
print("as torch.optim does it:", torch.allclose(ours, theirs, atol=1e-5))

# %% [markdown]
# There is no more to an optimizer than these lines. Here they walk side by side.
#
# **Think first**: which rules will swing across the floor of the valley like a ball? Which will set off diagonally, because both weights get steps of the same length? And who, in the end, swings past the minimum?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Five paths through the valley from one start, and their losses by step. Gradient descent zigzags and stops far from the minimum. Momentum and Nesterov swing across the floor at first, then run along it. RMSprop and Adam set off diagonally; RMSprop reaches the minimum, Adam swings around it. In the sixth panel the loss of gradient descent stays highest."}}
walks = {
    "gradient descent": (descent, 0.09), "momentum": (momentum, 0.02),
    "Nesterov": (nesterov, 0.02), "RMSprop": (rmsprop, 0.1), "Adam": (adam, 0.3),
}
figure, axes = plt.subplots(3, 2, figsize=(6.4, 5.6))
tints = (COLOURS[3], COLOURS[1], COLOURS[2], COLOURS[4], COLOURS[0])
for axis, name, colour, marker in zip(axes.flat, walks, tints, MARKERS):
    rule, lr = walks[name]
    path = walk(rule, lr)
    draw_valley(axis, path, colour, marker)
    axis.set_title(f"{name}, rate {lr:g}")
    axis.label_outer()
    axes[2, 1].plot(valley(path).clamp(min=1e-6), color=colour, label=name)
axes[2, 1].set(yscale="log", xlabel="step", ylabel="loss", title="all five")
plt.show()

# %% [markdown]
# Momentum and Nesterov swing across the floor, then run along it. RMSprop and Adam set off diagonally. Adam, which has a momentum too, runs past the minimum and turns back.
#
# Is that a matter of the rates we picked? Now each rule runs at 36 rates, and its best one counts. The last column turns the valley by 45 degrees, so that it lies across both weights.

# %%
turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]]) / 2**0.5
rates = np.concatenate([[0.09], np.geomspace(0.001, 3, 35)])


def turned_gradient(w):
    return turn @ gradient(turn.T @ w)


def best_losses(rule):
    straight = [valley(walk(rule, lr)[-1]) for lr in rates]
    turned = [walk(rule, lr, 50, turn @ START, turned_gradient)[-1] for lr in rates]
    return min(straight).item(), min(valley(w @ turn) for w in turned).item()

# %%
best_loss = {name: best_losses(rule) for name, (rule, _) in walks.items()}
print("best loss in 50 steps    straight    turned")
for name, (straight, turned) in best_loss.items():
    print(f"{name:24s} {straight:8.5f}   {turned:8.5f}")
others = [losses[0] for name, losses in best_loss.items() if name != "gradient descent"]
confirm(max(others) < best_loss["gradient descent"][0] / 10,
        "every rule that remembers ends ten times lower than plain descent")

# %% [markdown]
# Plain descent and momentum do not care how the valley lies. RMSprop does: a step of its own for each *weight* helps only where the valley runs along the weights. In the turned valley that idea alone is worth nothing; Adam still has its momentum. In a network valleys lie in all directions, so no picture can tell which rule is best. That takes a measurement.
#
# ## What it costs: memory
#
# What a rule remembers has to be stored, one or two numbers for each weight. PyTorch keeps them in `optimizer.state`:

# %%
images, labels = next(iter(digits.batches("train", 64)))
makers = {
    "SGD": lambda p: SGD(p, lr=0.1), "momentum": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "RMSprop": lambda p: RMSprop(p, lr=0.001), "Adam": lambda p: Adam(p, lr=0.001),
}
for name, make in makers.items():
    model = build_model("linear", mnist.image_shape, mnist.num_classes).to(device)
    optimizer = make(model.parameters())
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    kept = [x for state in optimizer.state.values() for x in state.values()]
    total = sum(x.numel() for x in kept if torch.is_tensor(x) and x.dim() > 0)
    print(f"{name:9s} keeps {total / count_parameters(model):.1f} numbers a weight")

# %% [markdown]
# For our networks that is nothing. A model with a billion weights of four bytes takes 4 GB, its gradients another 4 GB, and Adam's two means 8 GB more.
#
# ## The learning rate in one short run
#
# Before trying many rates, one cheap look. In the **[learning-rate range test](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#learning-rate-range-test)** (after Smith, 2015) the rate rises from tiny to huge within one short run, each step by the same factor. At first nothing happens. Then the loss falls. At last it explodes. The useful rates lie where it falls.
#
# From here on, `fit` and `make_optimizer` of the course's helpers do what you have done by hand: the loop of chapter 2, and the optimizers of `torch.optim`. The contenders:

# %%
OPTIMIZERS = {
    "SGD": {"optimizer": "sgd", "momentum": 0.0},
    "SGD + momentum": {"optimizer": "sgd", "momentum": 0.9},
    "SGD + Nesterov": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    "Adam": {"optimizer": "adam"},
}
base = TrainingConfig(epochs=EPOCHS, batch_size=64)

# %% [markdown]
# The rate stands in `optimizer.param_groups`, so a loop may change it before each step. The loss of single batches jumps; we draw a running mean of it, with Adam's bias correction.
#
# **Think first**: Adam's steps have about the length of the rate, whatever the gradient. Will its loss explode at a higher rate than that of SGD, or at a lower one?

# %%
def range_test(settings, lowest=1e-5, highest=10.0, steps=150):
    """Rates and smoothed losses of one run in which the rate rises."""
    model = build_model("linear", mnist.image_shape, mnist.num_classes).to(device)
    optimizer = make_optimizer(model, replace(base, **settings))
    batches = cycle(digits.batches("train", 64, shuffle=True))
    rates, losses, mean = np.geomspace(lowest, highest, steps), [], 0.0
    for t, (rate, (images, labels)) in enumerate(zip(rates, batches), start=1):
        optimizer.param_groups[0]["lr"] = rate
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = 0.9 * mean + 0.1 * loss.item()
        losses.append(mean / (1 - 0.9**t))
        if not losses[-1] < 2 * losses[0]:
            break  # exploded: nothing more to learn from this run
    return rates[: len(losses)], np.array(losses)


tests = {name: range_test(settings) for name, settings in OPTIMIZERS.items()}

# %% tags=["hide-input"] mystnb={"image": {"alt": "Loss against learning rate on a logarithmic axis. Each curve is flat at about 2.3, falls, and rises steeply. Adam falls and rises at much lower rates than plain SGD; momentum and Nesterov lie between. A filled marker shows a tenth of the rate at the minimum, an open one the steepest descent."}}
figure, axis = plt.subplots(figsize=(6.4, 3.3))
tenth, steepest = {}, {}
for (name, (rates, losses)), colour, style, marker in zip(
    tests.items(), COLOURS, ("-", "--", ":", "-."), MARKERS
):
    low = losses.argmin()
    tenth[name] = rates[low] / 10
    steepest[name] = rates[np.gradient(losses[: low + 1]).argmin()]
    axis.plot(rates, losses, style, color=colour, label=name)
    for rate, fill in ((tenth[name], colour), (steepest[name], "white")):
        at = np.abs(np.log(rates / rate)).argmin()
        axis.plot(rates[at], losses[at], marker, color=colour, mfc=fill, markersize=8)
axis.set(xscale="log", xlabel="learning rate (rises during the run)", ylim=(0, 3.2))
axis.set_ylabel("smoothed loss")
axis.set_title("filled: a tenth of the minimum · open: steepest")
axis.legend(loc="lower left")
plt.show()
print("rate read off    a tenth of the minimum   steepest descent")
for name in OPTIMIZERS:
    print(f"{name:16s} {tenth[name]:12.4f} {steepest[name]:20.4f}")

# %% [markdown]
# Adam falls and explodes first. A step of 0.1 in *every* weight is enormous, as most weights are smaller than that. SGD multiplies small gradients, so its rates may be far higher.
#
# How do you read a rate off? Not at the lowest point itself: the run has reached it step by step, and a whole run at that rate may well explode. Two habits are common. One takes **a tenth of the rate at the minimum**. The other takes the rate of the **steepest descent**; Lightning's `lr_find` suggests that one. Both are rules of thumb, and they differ. Which one was better here? The next section tries all rates.
#
# ## A fair comparison
#
# Here is how a comparison goes wrong: pick one learning rate, try all optimizers at it, crown the winner. The winner is the one whom that rate suits. So every optimizer gets
#
# - the same model, images, number of epochs and batch size,
# - the same **[grid of learning rates](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#grid-search)** (a list fixed beforehand), and is judged at its own best one,
# - the same three seeds,
# - judgement on the **validation** split. A run counts with its best epoch.
#
# The model is the network of chapter 2 with hidden layers 120 and 84. The steps of the grid are about a factor of three. The ± is the standard deviation over the seeds. `ddof=1` makes it divide by $n-1$ instead of $n$: with three seeds it would come out too small otherwise.

# %%
LEARNING_RATES = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
SEEDS = (0, 1, 2)


def run(data, name, settings, lr, seed, config=base):
    config = replace(config, lr=lr, seed=seed, **settings)
    model = build_model(name, data.image_shape, data.num_classes, "small", seed)
    return fit(model, data, config, device=device, progress=False)


def accuracies(*arguments, seeds=SEEDS, config=base):
    runs = [run(*arguments, seed, config) for seed in seeds]
    return np.array([100 * each.best_val_accuracy for each in runs])

# %%
grid = {
    name: {lr: accuracies(digits, "linear", settings, lr) for lr in LEARNING_RATES}
    for name, settings in OPTIMIZERS.items()
}
mean = pd.DataFrame({name: {lr: each.mean() for lr, each in row.items()}
                     for name, row in grid.items()}).T
best = mean.idxmax(axis=1)
for name in OPTIMIZERS:
    lr, each = best[name], grid[name][best[name]]
    print(f"{name:15s} best at {lr:.4f}: {each.mean():.1f} ± {each.std(ddof=1):.1f} %")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Heat map of validation accuracy, one row an optimizer, one column a learning rate. SGD is best at high rates, Adam two orders lower, momentum and Nesterov between; every row falls off on both sides. A frame marks the best rate of each row, a filled dot a tenth of the range test's minimum, an open one its steepest descent."}}
figure, axis = plt.subplots(figsize=(6.4, 3.2))
picture = axis.imshow(mean, cmap="cividis", vmin=0, vmax=100, aspect="auto")
for (i, j), value in np.ndenumerate(mean.to_numpy()):
    colour = "black" if value > 55 else "white"
    axis.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=9, color=colour)
for i, name in enumerate(OPTIMIZERS):
    j = LEARNING_RATES.index(best[name])
    frame = plt.Rectangle((j - 0.47, i - 0.46), 0.94, 0.92, fill=False, linewidth=2)
    axis.add_patch(frame).set_edgecolor(COLOURS[3])
    for rate, fill in ((tenth[name], COLOURS[3]), (steepest[name], "white")):
        place = np.interp(math.log(rate), np.log(LEARNING_RATES), range(8))
        axis.plot(place, i + 0.33, "o", color=COLOURS[3], mfc=fill, markersize=5)
axis.set_xticks(range(len(LEARNING_RATES)), [f"{lr:g}" for lr in LEARNING_RATES])
axis.tick_params(axis="x", rotation=45)
axis.set_yticks(range(len(OPTIMIZERS)), list(OPTIMIZERS))
axis.set(xlabel="learning rate", title="frame: best · dots: range test")
figure.colorbar(picture, label="validation accuracy (%)")
plt.show()

# %%
top = mean.max(axis=1)
lower = {n: LEARNING_RATES[LEARNING_RATES.index(best[n]) - 2] for n in OPTIMIZERS}
cost = [top[n] - mean.loc[n, lower[n]] for n in OPTIMIZERS]
print(f"best row against worst row: {top.max() - top.min():.1f} points")
print(f"a rate two steps too low: from {min(cost):.1f} to {max(cost):.1f} points")
confirm(min(cost) > top.max() - top.min(), "the rate matters more than the optimizer")

# %% [markdown]
# Read it row by row. Every optimizer has a good range, with "too slow" on its left and a cliff on its right. The ranges lie in different places: that is why one common rate would have been unfair.
#
# And the range test? The steepest descent (open dots) lies within one step of the best rate in every row. The tenth of the minimum (filled) does so too, except for plain SGD, where it is far too careful. That is one test each, on one model. So take the range test for what it is: it finds the range in one short run. A few runs around it find the rate.
#
# ## Read the curves
#
# One number a run hides how it got there. So here is each contender at its best rate, for three times as many epochs.

# %% mystnb={"image": {"alt": "Two panels, epochs 1 to 12. Left: the training losses fall towards zero, while the validation losses stop falling after a few epochs and rise, most for Adam. Right: validation accuracy still rises a little for the three kinds of SGD and jumps up and down for Adam."}}
histories = {
    name: run(digits, "linear", settings, best[name], 0, replace(base, epochs=LONG))
    for name, settings in OPTIMIZERS.items()
}
plot_histories(histories)
plt.show()

# %% [markdown]
# How to read such curves:
#
# - **The gap.** From the third epoch on, the training loss falls and the validation loss does not. The network learns its images by heart, and for the validation loss more epochs of this bring nothing.
# - **The two measures disagree.** The validation *loss* stands still, or rises as Adam's does, while the *accuracy* hardly suffers or even creeps up. That is possible: a wrong answer given with more certainty costs more loss, and counts as one mistake all the same.
# - **The jumps.** Adam's curves are the most restless at the end. Its rate was chosen for four epochs. For twelve it is too high.
#
# Is Adam worse, then? One seed, and a rate chosen for another length, cannot say so. But the jumps call for a remedy: a rate that falls.
#
# ## Schedules: a rate that changes
#
# A high rate gets far quickly, but at the end it keeps the weights jumping around the minimum. A low rate settles down, but is slow. A **[schedule](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#schedule)** takes both: high first, low at the end. In PyTorch a schedule is an object beside the optimizer, from `torch.optim.lr_scheduler`. After every `optimizer.step()` you call `scheduler.step()`, and it sets the next rate:

# %%
batches = digits.batches("train", 64, shuffle=True)
model = build_model("linear", mnist.image_shape, mnist.num_classes).to(device)
optimizer = SGD(model.parameters(), lr=0.03, momentum=0.9)
scheduler = CosineAnnealingLR(optimizer, T_max=3 * len(batches))
for epoch in range(3):
    for images, labels in batches:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()  # after the optimizer's step, once a batch
    print(f"after epoch {epoch + 1}: rate {scheduler.get_last_lr()[0]:.4f}")

# %% [markdown]
# `T_max` is the number of steps until the rate is 0; here we count batches. Other code calls `scheduler.step()` once an epoch and counts epochs. A mix of the two is a common mistake, and nothing complains.
#
# The **cosine** schedule falls as half a wave. With $p$ for the part of the run that is done, from 0 to 1, it is $\eta(p) = \eta_{\max} \cdot \tfrac12\left(1 + \cos(\pi p)\right)$. **Step** divides the rate by ten now and then. **Warm-up** lets it rise first, because the first gradients may point anywhere. **One cycle** is warm-up and fall in one. `LambdaLR` takes any function of the step.

# %%
N = 200
SCHEDULES = {
    "step": lambda o: StepLR(o, step_size=67),
    "linear": lambda o: LinearLR(o, 1.0, 0.0, total_iters=N),
    "cosine": lambda o: CosineAnnealingLR(o, T_max=N),
    "one cycle": lambda o: OneCycleLR(o, 0.1, total_steps=N, cycle_momentum=False),
    "warm-up": lambda o: LambdaLR(o, lambda step: min(1, (step + 1) / 40)),
    "warm-up, cosine": lambda o: SequentialLR(
        o, [LinearLR(o, 0.1, total_iters=40), CosineAnnealingLR(o, N - 40)], [40]
    ),
}

# %% tags=["hide-input"] mystnb={"image": {"alt": "Learning rate against step for six schedules. Step goes down in two stairs, linear is a straight line to zero, cosine an S-shaped fall to zero, one cycle rises for 30 per cent of the run and falls to zero, warm-up rises and stays level, the last rises and then falls as a cosine."}}
figure, axes = plt.subplots(2, 3, figsize=(6.4, 3.4), sharex=True, sharey=True)
for axis, (name, make) in zip(axes.flat, SCHEDULES.items()):
    optimizer, rates = SGD([torch.zeros(1)], lr=0.1), []
    scheduler = make(optimizer)
    for _ in range(N):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    axis.plot(rates)
    axis.set(title=name, ylim=(0, 0.11))
for axis in axes[1]:
    axis.set_xlabel("step")
axes[0, 0].set_ylabel("rate")
axes[1, 0].set_ylabel("rate")
plt.show()

# %% [markdown]
# **Think first**: which schedule will gain the most over a constant rate? And will the best *highest* rate be the same with and without a schedule?
#
# A fair comparison again, with SGD and momentum. Every schedule gets three seeds at three peak rates: the best one of the grid, and the two above it.

# %%
kinds = {
    "constant": {}, "step": {"scheduler": "step"}, "linear": {"scheduler": "linear"},
    "cosine": {"scheduler": "cosine"}, "one cycle": {"scheduler": "onecycle"},
    "warm-up, cosine": {"scheduler": "cosine", "warmup_epochs": 0.5},
}
start = LEARNING_RATES.index(best["SGD + momentum"])
tried = LEARNING_RATES[start : start + 3]
rows = {}
for name, kind in kinds.items():
    settings = OPTIMIZERS["SGD + momentum"] | kind
    each = [accuracies(digits, "linear", settings, lr) for lr in tried]
    best_one = max(each, key=np.mean)
    rows[name] = [*map(np.mean, each), best_one.mean(), best_one.std(ddof=1)]
columns = [f"at {lr:.2f}" for lr in tried] + ["best", "std"]
by_schedule = pd.DataFrame(rows, columns).T
print(by_schedule.to_string(float_format="%.2f"))

# %%
smooth = by_schedule.loc[["linear", "cosine", "one cycle"], "best"]
confirm(smooth.min() > by_schedule.loc["constant", "best"],
        "a rate that falls smoothly to zero beats a constant one")

# %% [markdown]
# Look along the rows. At the best constant rate the schedules change little. The gain comes one column further right: a rate that falls can start higher than a constant one would bear. Another column further is too high for all, warm-up or not. Among linear, cosine and one cycle the differences are about as large as the spread of the seeds. Step spends two thirds of this short run at rates that are too low to get far. Warm-up added nothing here; people use it with very large batches and in transformers, the networks behind language models. (The seeds that choose a rate also judge it here. That flatters all six alike.)
#
# So let the rate fall smoothly to zero, from a higher start. From here on we use the cosine.
#
# ## Weight decay and the L2 penalty
#
# Large weights let a network fit noise. Two ideas against it look the same:
#
# - an **[L2 penalty](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#l2-regularisation)**: add $\frac{\lambda}{2}\lVert w\rVert^2$ to the loss: a small number $\lambda$ (lambda), times half the sum of all squared weights. Its gradient is $\lambda w$, so $g$ becomes $g + \lambda w$;
# - **weight decay**: leave the loss alone, and shrink every weight by the factor $1-\eta\lambda$ before each step.
#
# For plain SGD they *are* the same: $w - \eta\,(g + \lambda w) = (1-\eta\lambda)\,w - \eta\,g$. For Adam they are not:

# %%
def largest_gap(a, b):
    return (a - b).abs().max().item()


def decayed_descent(w, g, memory, lr):
    return descent((1 - lr * 0.1) * w, g, memory, lr)


shrunk = walk(decayed_descent, 0.05)
with_penalty = walk_torch(SGD, lr=0.05, weight_decay=0.1)
print(f"SGD:  decay against penalty {largest_gap(shrunk, with_penalty):.6f}")
decay, penalty = (walk_torch(kind, lr=0.3, weight_decay=0.1) for kind in (AdamW, Adam))
print(f"Adam: decay against penalty {largest_gap(decay, penalty):.6f}")

# %% [markdown]
# **Think first**: Adam divides its gradient by its usual size. With an L2 penalty, $\lambda w$ is a part of that gradient. What will happen to the pull on weights with large gradients?
#
# To see it, take two weights that start at 1 and get nothing but noise as gradients, one loud, one quiet. There is nothing to learn, so a fair pull should shrink both alike.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels, weight against step. Left, Adam with an L2 penalty: the weight with quiet gradients falls quickly to zero, the one with loud gradients stays near 1. Right, AdamW: both fall together along one curve."}}
noise = torch.randn(150, 2, 200, generator=torch.Generator().manual_seed(0))
noise *= torch.tensor([5.0, 0.05])[:, None]  # loud, quiet; 200 copies of each
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
for axis, (title, kind) in zip(axes, {"Adam + L2": Adam, "AdamW": AdamW}.items()):
    weights = torch.ones(2, 200)
    optimizer, track = kind([weights], lr=0.01, weight_decay=0.3), [[1.0, 1.0]]
    for g in noise:
        weights.grad = g.clone()
        optimizer.step()
        track.append(weights.mean(dim=1).tolist())
    loud, quiet = np.array(track).T
    axis.plot(loud, color=COLOURS[3], label="loud gradients")
    axis.plot(quiet, "--", color=COLOURS[0], label="quiet gradients")
    axis.set(xlabel="step", title=title, ylim=(-0.1, 1.1))
    print(f"{title:9s} after 150 steps: loud {loud[-1]:.2f}, quiet {quiet[-1]:.2f}")
axes[0].set_ylabel("weight (mean of 200)")
axes[1].legend()
plt.show()

# %% [markdown]
# Adam divides the pull away where gradients are loud. That was the point of Loshchilov and Hutter (2017): in Adam, decay belongs outside the gradient. So set weight decay in `AdamW`, not in `Adam`.
#
# ## Batch size and learning rate
#
# A larger batch gives a gradient with less noise, but fewer steps in an epoch. With four times the batch there are a quarter of the steps. The **linear scaling rule** (Goyal and others, 2017) says: then make each step four times as long. We try it with plain SGD, at an equal number of epochs. Rates and batch sizes both grow by a factor of four, so the rule follows the diagonals of the map.

# %%
BATCH_SIZES, RATES = (16, 64, 256), (1 / 64, 1 / 16, 1 / 4, 1)
by_batch = np.zeros((len(BATCH_SIZES), len(RATES)))
for (i, j), _ in np.ndenumerate(by_batch):
    config = replace(base, batch_size=BATCH_SIZES[i])
    task = digits, "linear", OPTIMIZERS["SGD"], RATES[j]
    by_batch[i, j] = accuracies(*task, seeds=(0, 1), config=config).mean()

# %% tags=["hide-input"] mystnb={"image": {"alt": "Heat map of validation accuracy, rows are batch sizes 16, 64 and 256, columns learning rates from 1/64 to 1. Small batches are best at low rates, large ones at high rates; arrows along the diagonal show the scaling rule."}}
figure, axis = plt.subplots(figsize=(6, 3))
low = np.clip(by_batch.max() - 15, 0, None)
picture = axis.imshow(by_batch, cmap="cividis", vmin=low, vmax=100, aspect="auto")
for (i, j), value in np.ndenumerate(by_batch):
    colour = "black" if value > (low + 100) / 2 else "white"
    axis.text(j, i, f"{value:.1f}", ha="center", va="center", color=colour)
for start in (0, 1):
    for i in (0, 1):
        axis.annotate(
            "", (start + i + 0.72, i + 0.68), (start + i + 0.28, i + 0.32),
            arrowprops={"arrowstyle": "->", "color": COLOURS[3], "linewidth": 2},
        )
axis.set_xticks(range(4), ["1/64", "1/16", "1/4", "1"])
axis.set_yticks(range(3), BATCH_SIZES)
axis.set(xlabel="learning rate", ylabel="batch size", title="arrows: the scaling rule")
figure.colorbar(picture, label="validation accuracy (%)", extend="min")
plt.show()
confirm(by_batch[2, 2] > by_batch[2, 0],
        "from batch 16 to 256: scaling the rate beats keeping it")

# %% [markdown]
# So when you change the batch size, look at the rate again. The rule tells you where to look first. It has a limit: follow the second diagonal to its end. Even a gradient without any noise allows no rate above $2/c$, the limit of the steepest direction. There, at the largest batch and the highest rate, keeping the old rate would have been far better than following the rule.
#
# ## Does it carry over to a CNN?
#
# Now the final comparison: the small CNN of chapter 3 on the colour images, with a cosine schedule. The rules are fixed beforehand and the same for every optimizer:
#
# - **tuning**: the best rate of the grid above and its two neighbours, each with two tuning seeds. While the best is at an end, try the next rate beyond it;
# - **judging**: the chosen rate runs with **five fresh seeds**. No seed that chose a rate judges it.
#
# AdamW is missing, because in so short a run it *is* Adam. At a rate of 0.003 and PyTorch's default decay of 0.01, a step shrinks the weights by 0.003 %, and 141 steps with a falling rate by about 0.2 %. Whether decay helps shows only in long runs, where its strength is tuned too. This comparison can say nothing about it.

# %%
cnn = replace(base, epochs=CNN_EPOCHS, scheduler="cosine")
RATES_CNN = [0.0001, *LEARNING_RATES, 3.0]  # room to go on at both ends
TUNING, FRESH = (10, 11), (21, 22, 23, 24, 25)


def tune(settings, start):
    """The best rate, and the mean accuracy at each rate that was tried."""
    places, at = set(range(len(RATES_CNN))), RATES_CNN.index(start)
    tried, ahead = {}, {at - 1, at, at + 1} & places
    while ahead:
        for at in ahead:
            task = photos, "cnn", settings, RATES_CNN[at]
            tried[at] = accuracies(*task, seeds=TUNING, config=cnn).mean()
        at = max(tried, key=tried.get)
        ahead = {at - 1, at + 1} & places - tried.keys()
    return RATES_CNN[at], {RATES_CNN[k]: tried[k] for k in sorted(tried)}


tuned = {name: tune(settings, best[name]) for name, settings in OPTIMIZERS.items()}

# %% tags=["hide-input"] mystnb={"image": {"alt": "Validation accuracy of the small CNN against the learning rate on a logarithmic axis, one line an optimizer, each with a peak inside its range; a ring marks the chosen rate."}}
figure, axis = plt.subplots(figsize=(6.4, 2.9))
for (name, (lr, tried)), colour, marker in zip(tuned.items(), COLOURS, MARKERS):
    axis.plot(tried.keys(), tried.values(), marker=marker, color=colour, label=name)
    axis.plot(lr, tried[lr], "o", color=colour, mfc="none", markersize=14)
axis.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy (%)")
axis.set_title("tuning on the CNN · ring: chosen")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# No optimizer chose an end of the rates it had tried; the rule of the tuning sees to that. SGD and the two kinds of momentum went one step *down* from their best rate on the digits. Adam stayed where it was. So a rate does not simply carry over to another network, even from a careful grid.
#
# **Think first**: how large must a difference be before you believe it?

# %%
final = {
    name: [run(photos, "cnn", settings, tuned[name][0], seed, cnn) for seed in FRESH]
    for name, settings in OPTIMIZERS.items()
}
accuracy = pd.DataFrame(
    {name: [100 * h.best_val_accuracy for h in runs] for name, runs in final.items()},
    index=pd.Index(FRESH, name="seed"),
)
print(accuracy.to_string(float_format="%.1f"))

# %% [markdown]
# Look along the rows, not only down the columns. All optimizers start a seed from the same weights and see the same batches in the same order. So we may compare them **paired by seed**: take the difference within each seed, then the mean of the five differences.
#
# The **[standard error](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#standard-error)** says how far such a mean would move if we took other seeds: the standard deviation of the differences, divided by $\sqrt5$. With five seeds, a mean difference below about **2.8** standard errors can easily be chance. (If the two were equally good, a difference of more than 2.8 standard errors, up or down, would come up in 5 % of such comparisons: that is Student's $t$ with four degrees of freedom.)

# %%
leader = accuracy.mean().idxmax()
difference = accuracy.sub(accuracy[leader], axis=0)
paired = pd.DataFrame({
    "mean": accuracy.mean(), "std": accuracy.std(), "minus leader": difference.mean(),
    "error": difference.std(ddof=1) / len(FRESH) ** 0.5,
})
paired["in errors"] = (paired["minus leader"] / paired["error"]).fillna(0)
paired.insert(0, "rate", [tuned[name][0] for name in accuracy])
print(paired.to_string(formatters={"rate": "{:.4f}".format}, float_format="%.2f"))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels, one row an optimizer. Left: validation accuracy of the small CNN, five points and the mean with its standard deviation. Right: mean difference to the leader with a bar of 2.8 standard errors; plain SGD lies clearly below zero."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.6), sharey=True)
for y, (name, colour, marker) in enumerate(zip(accuracy, COLOURS, MARKERS)):
    values, row = accuracy[name], paired.loc[name]
    left.plot(values, [y + 0.25] * len(values), ".", color=colour, alpha=0.7)
    left.errorbar(row["mean"], y, xerr=row["std"], fmt=marker, color=colour, capsize=4)
    gap, error = row["minus leader"], 2.8 * row["error"]
    right.errorbar(gap, y, xerr=error, fmt=marker, color=colour, capsize=4)
right.axvline(0, color="0.6", linestyle=":")
left.set_yticks(range(len(OPTIMIZERS)), list(accuracy))
left.set(xlabel="validation accuracy (%)", title="five seeds, mean ± std")
right.set(xlabel="difference (points)", title="minus leader, ± 2.8 errors")
left.set_ylim(len(OPTIMIZERS) - 0.4, -0.5)
plt.show()
confirm(paired.loc["SGD", "in errors"] < -2.8,
        "plain SGD is behind, by more than seeds explain")
for name in OPTIMIZERS:
    key = f"optimizers.{name.replace(' + ', '_').lower()}"
    record(key, val_accuracy=accuracy[name].mean() / 100, lr=tuned[name][0])

# %% [markdown]
# So what can five seeds tell apart here? Read the last column. **Plain SGD is behind**: its distance is several times its standard error. In the run that the book shows, momentum without Nesterov's look ahead is beyond the border, too. Where a distance is below 2.8 errors, as Adam's there, the five seeds do not decide. With three comparisons at once, one near that border is weak evidence.
#
# What these seeds *cannot* tell:
#
# - **Other images.** All runs are judged on the same validation images. Another 5,000 would shift all of them by some tenths of a point, and perhaps not all alike.
# - **Another tuning.** The rates were chosen with two seeds each. Two others might have chosen a neighbour. That uncertainty is outside the bars.
# - **The best epoch.** A run counts with its best epoch on validation, so every number here is a little too high. That holds for all contenders alike.
#
# To halve a standard error takes four times the seeds.
#
# ## What went wrong, and why
#
# **The learning rate was too high.** In the valley, the steep weight swings wider with every step. A network does the same with very many weights at once: the loss grows, then overflows to `inf` or `nan`. `fit` stops there and says so in `history.diverged`. Adam cannot overflow so easily, as its steps have about the length of the rate. It fails more quietly: the loss stays high.

# %%
broken = run(digits, "linear", OPTIMIZERS["SGD"], 1e6, 0)
print("SGD at a million has diverged:", broken.diverged)
print(f"Adam at 1.0 has an accuracy of {mean.loc['Adam', 1.0]:.1f} %")

# %% [markdown]
# *How to see it*: look at the loss of the first few dozen steps. If it rises, divide the rate by ten.
#
# **One shared learning rate.** Here is the unfair comparison, read from our grid:

# %%
shared = pd.DataFrame({f"all at {lr:.3f}": mean[lr] for lr in (0.001, 0.1)})
shared["each at its best"] = top
print(shared.to_string(float_format="%.1f"))
confirm(mean[0.001].idxmax() == "Adam" != mean[0.1].idxmax(),
        "at 0.001 Adam wins, at 0.1 it does not: the rate chose the winner")

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
optimizer = SGD(model.parameters(), lr=0.1)
model = build_model("softmax", mnist.image_shape, mnist.num_classes, seed=1)  # too late
images, labels = next(iter(mnist.batches("train", 64)))
losses = set()
for _ in range(20):
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.add(loss.item())
print("different losses in 20 steps on one batch:", len(losses))

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
test = evaluate(model, photos.batches("test", 500))
print(f"best run on validation: {100 * winner.best_val_accuracy:.1f} %")
print(f"the same run on test: {100 * test.accuracy:.1f} %")

# %% tags=["hide-input"]
parameters = count_parameters(model)
record("optimizers.final", test_accuracy=test.accuracy, parameters=parameters)

# %% [markdown]
# The test number belongs to one run with its best epoch. That is why it need not be the mean of the table.
#
# So, which optimizer, and at which learning rate? From the measurements of this chapter:
#
# - **Tune the learning rate first.** On the digits, two steps too low cost more than any change of optimizer. On the CNN the optimizer mattered, too.
# - **Then let it fall smoothly to zero**, from a start higher than a constant rate would bear.
# - **SGD with Nesterov momentum** had the best mean on the CNN. It costs one number a weight, and one keyword: `nesterov=True`. Begin at three to ten times the rate of Adam.
# - **Adam** is close, and its best rate was the same on both networks. When you know nothing of a network, that is worth a lot.
# - **Plain SGD** is for understanding.
#
# From the literature, as our runs cannot show it: begin with **AdamW at 0.001** on a new kind of network. It is what most people use for transformers, and weight decay belongs to it. Many image networks are trained with SGD and Nesterov momentum, as the two large CNNs of chapter 3 were.
#
# How far does this verdict go? It rests on two small networks, short runs and few images.
#
# ## Exercises
#
# Replace the dots, run the cell, read the hint. The first are easy, the last is open.
#
# ### Exercise 4.1: how high can the rate be? (easy)
#
# The loss is $\sum_i \frac{c_i}{2} w_i^2$, with the curvatures $c_i > 0$ in a list. Below which learning rate does gradient descent shrink *every* weight? Return that limit.

# %%
def highest_stable_rate(curvatures):
    ...


grade("4.1", highest_stable_rate)

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
# ### Exercise 4.2: read the curves (easy)
#
# Four runs of one model. They differ only in the learning rate. Which is which? Give each letter one of the words `"too low"`, `"too high"`, `"explodes"`, `"schedule"`, such as `{"A": "too low", …}`. *Too high* means: it learns, but a lower rate would end better. *Schedule* is a rate that falls to zero.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four training losses by step. A falls at once, then jumps up and down on one level. B falls slowly and is still falling at the end. C falls at once, and goes on falling to the lowest loss of all, ever more quietly. D rises steeply and leaves the picture."}}
draw_curves()
plt.show()

# %%
my_reading = ...


grade("4.2", my_reading)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_reading = {"A": "too high", "B": "too low", "C": "schedule", "D": "explodes"}
# ```
#
# A fast start says little: A and C begin alike. A keeps jumping from wall to wall because its steps never become shorter. B is the run that more epochs would help.
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
# ### Exercise 4.4: a scheduler in the loop (medium)
#
# Write one epoch of training. The scheduler steps once a batch. Return the list of the learning rates that the optimizer used, one for each batch. The loss is `F.cross_entropy`.

# %%
def train_one_epoch(model, loader, optimizer, scheduler):
    ...


grade("4.4", train_one_epoch)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def train_one_epoch(model, loader, optimizer, scheduler):
#     model.train()
#     rates = []
#     for images, labels in loader:
#         loss = F.cross_entropy(model(images), labels)
#         optimizer.zero_grad()
#         loss.backward()
#         rates.append(scheduler.get_last_lr()[0])
#         optimizer.step()
#         scheduler.step()
#     return rates
# ```
#
# The order matters: the optimizer uses a rate, then the scheduler sets the next one. The other way round, the first rate is never used. PyTorch warns of it.
#
# </details>
#
# ### Exercise 4.5: tune on a budget (medium)
#
# `accuracy_at(lr)` trains a model and returns its validation accuracy in per cent. That is expensive: you may call it **eight times**. Good rates may lie anywhere from 0.0001 to 1, with a cliff behind them. Return a rate that is at most two points from the best one. The check tries your function on four models.

# %%
def find_rate(accuracy_at):
    ...


grade("4.5", find_rate)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def find_rate(accuracy_at):
#     tried = {lr: accuracy_at(lr) for lr in (0.0001, 0.001, 0.01, 0.1, 1.0)}
#     best = max(tried, key=tried.get)
#     for lr in (best / 3, best * 3):
#         tried[lr] = accuracy_at(lr)
#     return max(tried, key=tried.get)
# ```
#
# First wide, in factors of ten. Then narrow, around the best. Rates are compared by factors, never by differences.
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
# Write another optimizer as `my_rule(w, g, memory, lr)`, which returns the new weights. `memory` is a dictionary that is empty at first and yours to fill. Adagrad, Lion or an idea of your own will do. The check lets your rule and plain SGD walk through a very narrow valley, each at the same 13 rates, and compares both at their best. Yours passes if its loss after 200 steps is less than a tenth of plain SGD's.

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
# It wins where weights differ in steepness, as RMSprop does. To use it on a network, keep one `memory` for each tensor. After `loss.backward()`, write `w.copy_(my_rule(w, w.grad, memory, lr))` under `torch.no_grad()`. For a fair comparison it needs the whole grid and three seeds, like the others.
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
# ❌ Not so: for plain SGD the formulas agree; both walked the same way through the valley.
#
# </details>
#
# **5. In a range test the loss is lowest at 0.1 and falls most steeply at 0.02. At which rate do you begin?**
#
# <details name="quiz-4-5"><summary>A. At 0.1, where the loss is lowest</summary>
#
# ❌ Not so: the test reached that rate step by step. A whole run there may well explode.
#
# </details>
# <details name="quiz-4-5"><summary>B. At the rate where the loss begins to move at all</summary>
#
# ❌ Not so: there the steps are still tiny, and training would be slow.
#
# </details>
# <details name="quiz-4-5"><summary>C. Between 0.01 and 0.02, then try its neighbours</summary>
#
# ✅ Yes: a tenth of the minimum and the steepest descent are both rules of thumb. Two or three real runs decide.
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
# - The steepest direction limits the rate of gradient descent, and the flat ones have to wait.
# - Momentum remembers the direction. RMSprop gives each weight its own step. Adam does both, and keeps two numbers a weight.
# - A range test finds the range of good rates in one short run; a few real runs find the rate.
# - `optimizer.step()`, then `scheduler.step()`. Let the rate fall smoothly to zero; the exact shape matters less.
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
