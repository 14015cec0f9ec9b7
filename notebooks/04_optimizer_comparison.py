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
# - write the update rules of SGD, momentum and Adam, and check them against PyTorch,
# - compare optimizers fairly: equal budgets, a learning rate tuned for each, several seeds,
# - read a heat map of learning rates and recognise divergence,
# - choose an optimizer and say how sure you are.
#
# **Before you start**: chapters 2 and 3.
#
# **Time**: read about 25 minutes; the full run takes <!-- result:chapters.04.full_seconds|minutes -->3 minutes<!-- /result --> on two CPU cores.
#
# **The question**: which optimizer should I use, and at which learning rate?

# %% tags=["course-setup"]
# Set-up, the same in every chapter: find the course's `helpers`, on Colab fetch them first.
import importlib.util
import subprocess
import sys
from pathlib import Path

here = Path.cwd()
root = next((p for p in (here, *here.parents) if (p / "helpers" / "data.py").exists()), None)
if root is None:
    root = here / "pytorch-image-classifier"
    if not root.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "https://github.com/claudiamohh/pytorch-image-classifier", str(root)], check=True)
if str(root) not in sys.path:
    sys.path.insert(0, str(root))
for module, package in {"pytorch_lightning": "pytorch-lightning", "filelock": "filelock"}.items():
    if importlib.util.find_spec(module) is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from helpers.checks import check
from helpers.data import load
from helpers.models import build_model
from helpers.plots import COLOURS, MARKERS, use_style
from helpers.profiles import budget
from helpers.results import record
from helpers.training import TrainingConfig, best_device, fit

use_style()
device = best_device()
mnist, cifar10 = load("mnist"), load("cifar10")

# %% [markdown]
# ## Three rules for one step
#
# All optimizers get the same thing, the gradient $g$ of the loss, and change the weights $w$. They differ in what they remember. $\eta$ is the learning rate.
#
# **SGD** remembers nothing: $w \leftarrow w - \eta\, g$.
#
# **Momentum** remembers a velocity. Like a ball, it goes on in a direction that was good for several steps: $v \leftarrow \mu v + g$, then $w \leftarrow w - \eta\, v$.
#
# **Adam** remembers the mean $m$ of the gradients and the mean $s$ of their squares, and divides one by the root of the other. So every weight gets steps of about the size $\eta$, whether its gradients are large or small. The means start at zero, so they are corrected by $1-\beta^t$ at step $t$ (Kingma and Ba, 2014).
#
# **AdamW** is Adam with weight decay taken out of the gradient: weights shrink by $\eta\lambda w$ in a step of their own (Loshchilov and Hutter, 2017).

# %%
def sgd(w, g, memory, lr):
    return w - lr * g


def momentum(w, g, memory, lr, mu=0.9):
    memory["v"] = mu * memory.get("v", 0) + g
    return w - lr * memory["v"]


def adam(w, g, memory, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    memory["t"] = t = memory.get("t", 0) + 1
    memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    memory["s"] = beta2 * memory.get("s", 0) + (1 - beta2) * g**2
    m, s = memory["m"] / (1 - beta1**t), memory["s"] / (1 - beta2**t)
    return w - lr * m / (s**0.5 + eps)

# %% [markdown]
# A test problem with two weights: a long, narrow valley. It is steep across and flat along, as the loss of a network is. We run our rules and PyTorch's optimizers side by side.

# %%
def valley(w):
    return 0.5 * w[0] ** 2 + 10 * w[1] ** 2


def gradient(w):
    return torch.stack([w[0], 20 * w[1]])


start, steps = torch.tensor([-4.0, 1.0]), 60
rules = {"SGD": (sgd, 0.09), "momentum": (momentum, 0.02), "Adam": (adam, 0.3)}
paths = {}
for name, (rule, lr) in rules.items():
    w, memory, paths[name] = start.clone(), {}, [start.tolist()]
    for _ in range(steps):
        w = rule(w, gradient(w), memory, lr)
        paths[name].append(w.tolist())

# %%
classes = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.09),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.3),
}
for name, make in classes.items():
    w = torch.nn.Parameter(start.clone())
    optimizer = make([w])
    for _ in range(steps):
        optimizer.zero_grad()
        valley(w).backward()
        optimizer.step()
    check(torch.allclose(w.detach(), torch.tensor(paths[name][-1]), atol=1e-4), f"our {name} ends where PyTorch's ends")

# %% mystnb={"image": {"alt": "Paths on the contour lines of a narrow valley: SGD zigzags across it, momentum swings past the minimum and back, Adam goes diagonally."}}
x, y = torch.meshgrid(torch.linspace(-4.5, 2.5, 120), torch.linspace(-1.3, 1.3, 120), indexing="ij")
figure, axis = plt.subplots(figsize=(7.5, 3.4))
axis.contour(x, y, valley(torch.stack([x, y])), levels=12, colors="0.8", linewidths=1)
for (name, path), colour, marker in zip(paths.items(), COLOURS, MARKERS):
    axis.plot(*np.array(path).T, color=colour, marker=marker, markersize=3, linewidth=1.2, label=name)
axis.plot(0, 0, "k*", markersize=12)
axis.set(xlabel="first weight (flat)", ylabel="second weight (steep)", xlim=(-4.5, 2.5), ylim=(-1.3, 1.3))
axis.legend()
plt.show()

# %% [markdown]
# ## A fair comparison
#
# Here is how a comparison goes wrong: pick one learning rate, try all optimizers at it, crown the winner. The winner is the one whom that learning rate suits. So every optimizer gets
#
# - the same model, the same images, the same number of epochs, the same batch size,
# - the same **grid of learning rates**, and is judged at its own best one,
# - the same three seeds; we report mean ± standard deviation,
# - judgement on the **validation** split.
#
# **Think first**: Adam's steps have about the size of the learning rate, whatever the gradient. Will its best learning rate be higher or lower than SGD's?

# %%
OPTIMIZERS = {
    "SGD": {"optimizer": "sgd", "momentum": 0.0},
    "SGD + momentum": {"optimizer": "sgd", "momentum": 0.9},
    "Adam": {"optimizer": "adam"},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.01},
}
LEARNING_RATES = (0.0001, 0.001, 0.01, 0.1, 1.0)
SEEDS = (0, 1, 2)
digits = mnist.subset(budget(full=8_000, fast=1_200)).to(device)
base = TrainingConfig(epochs=budget(full=4, fast=2), batch_size=64)


def run(data, model_name, settings, lr, seed, config=base):
    config = replace(config, lr=lr, seed=seed, **settings)
    model = build_model(model_name, data.image_shape, data.num_classes, "small", seed)
    return fit(model, data, config, device=device, progress=False)


# %%
rows, curves = [], {}
for name, settings in OPTIMIZERS.items():
    for lr in LEARNING_RATES:
        for seed in SEEDS:
            history = run(digits, "linear", settings, lr, seed)
            curves[name, lr, seed] = history
            rows.append({"optimizer": name, "lr": lr, "seed": seed, "diverged": history.diverged,
                         "val_accuracy": 100 * history.best_val_accuracy})
grid = pd.DataFrame(rows)
mean = grid.pivot_table(index="optimizer", columns="lr", values="val_accuracy", sort=False)
std = grid.pivot_table(index="optimizer", columns="lr", values="val_accuracy", aggfunc=lambda v: v.std(ddof=0), sort=False)
print(mean.to_string(float_format="%.1f"))

# %% mystnb={"image": {"alt": "Heat map of validation accuracy, one row an optimizer, one column a learning rate: SGD is best at high rates, Adam and AdamW at low ones, and every row has a cliff."}}
figure, axis = plt.subplots(figsize=(8, 3.4))
picture = axis.imshow(mean, cmap="cividis", vmin=0, vmax=100, aspect="auto")
for (i, j), value in np.ndenumerate(mean.to_numpy()):
    text = f"{value:.1f}\n± {std.to_numpy()[i, j]:.1f}"
    axis.text(j, i, text, ha="center", va="center", fontsize=9, color="black" if value > 55 else "white")
axis.set_xticks(range(len(LEARNING_RATES)), [f"{lr:g}" for lr in LEARNING_RATES])
axis.set_yticks(range(len(OPTIMIZERS)), list(OPTIMIZERS))
axis.set(xlabel="learning rate", title=f"linear network, {mnist.title}")
figure.colorbar(picture, label="validation accuracy (%)")
plt.show()

# %% [markdown]
# Read it row by row. Every optimizer has a good range, with too slow on its left and a cliff on its right. The ranges lie in different places: that is why one common learning rate would have been unfair.

# %%
best = {name: max(LEARNING_RATES, key=lambda lr: mean.loc[name, lr]) for name in OPTIMIZERS}
check(best["SGD"] > best["Adam"], "plain SGD wants a higher learning rate than Adam")
top = pd.Series({name: mean.loc[name, best[name]] for name in OPTIMIZERS})
check(top.max() - top.min() < budget(full=5, fast=15), "each at its own best rate, the four are close together")
shared = mean[0.001]
check(shared.max() - shared.min() > top.max() - top.min(), "at one common rate the same four seem far apart")

# %% mystnb={"image": {"alt": "Training loss by epoch for each optimizer at its best learning rate, with a band for three seeds; the curves end close together."}}
figure, axis = plt.subplots(figsize=(7, 3.2))
for (name, lr), colour, marker in zip(best.items(), COLOURS, MARKERS):
    losses = np.array([curves[name, lr, seed]["train_loss"] for seed in SEEDS])
    epochs = np.arange(1, losses.shape[1] + 1)
    axis.plot(epochs, losses.mean(0), color=colour, marker=marker, label=f"{name}, lr {lr:g}")
    axis.fill_between(epochs, losses.min(0), losses.max(0), color=colour, alpha=0.2)
axis.set(xlabel="epoch", ylabel="training loss (nats)", xticks=epochs, title="band: smallest to largest of three seeds")
axis.legend()
plt.show()

# %% [markdown]
# ## Does it carry over to a CNN?
#
# The small CNN on the colour images: each optimizer at three learning rates around the best one from above, one seed to choose; then the chosen rate with two more seeds. The budget for tuning is again the same for all.

# %%
colour_part = cifar10.subset(budget(full=3_000, fast=600)).to(device)
cnn_base = replace(base, epochs=budget(full=4, fast=2))
results = []
for name, settings in OPTIMIZERS.items():
    tried = {}
    for factor in (0.3, 1.0, 3.0):
        lr = best[name] * factor
        tried[lr] = run(colour_part, "cnn", settings, lr, 0, cnn_base)
    lr = max(tried, key=lambda rate: tried[rate].best_val_accuracy)
    runs = [tried[lr], *(run(colour_part, "cnn", settings, lr, seed, cnn_base) for seed in (1, 2))]
    accuracy = np.array([100 * each.best_val_accuracy for each in runs])
    results.append({"optimizer": name, "lr": lr, "val_accuracy": accuracy.mean(), "std": accuracy.std()})
    record(f"optimizers.{name.replace(' + ', '_').lower()}", val_accuracy=float(accuracy.mean()) / 100, lr=lr)
cnn = pd.DataFrame(results).set_index("optimizer")
print(cnn.to_string(formatters={"lr": "{:.4f}".format}, float_format="%.1f"))

# %% mystnb={"image": {"alt": "Validation accuracy of the small CNN with each optimizer, as points with error bars of one standard deviation; the bars of several overlap."}}
figure, axis = plt.subplots(figsize=(7, 2.8))
for position, ((name, row), colour, marker) in enumerate(zip(cnn.iterrows(), COLOURS, MARKERS)):
    axis.errorbar(row["val_accuracy"], position, xerr=row["std"], fmt=marker, color=colour, markersize=9, capsize=4)
axis.set_yticks(range(len(cnn)), cnn.index)
axis.set(xlabel="validation accuracy (%), mean ± standard deviation of three seeds", title=f"small CNN, part of {cifar10.title}")
axis.invert_yaxis()
plt.show()

# %% [markdown]
# Where the bars overlap, three seeds do not tell the two apart. Say so, instead of naming a winner.
#
# ## What went wrong, and why
#
# **The learning rate was too high.** SGD on the valley: every step multiplies the steep weight by $1 - 20\eta$. As long as this is between -1 and 1, the weight shrinks. Above $\eta = 0.1$ every step overshoots by more than the one before.

# %% mystnb={"image": {"alt": "The steep weight by step for three learning rates: at 0.04 it falls smoothly, at 0.095 it swings and settles, at 0.105 the swings grow."}}
figure, axis = plt.subplots(figsize=(7, 2.8))
for lr, style in ((0.04, "-"), (0.095, "--"), (0.105, ":")):
    w = [(1 - 20 * lr) ** step for step in range(30)]
    axis.plot(w, style, label=f"learning rate {lr}")
axis.set(xlabel="step", ylabel="steep weight")
axis.legend()
plt.show()

# %% [markdown]
# A network does the same, with millions of weights at once: the loss grows, then overflows to `inf` or `nan`. `fit` stops there and says so in `history.diverged`.

# %%
broken = run(digits, "linear", OPTIMIZERS["SGD"], 1e6, 0)
print("losses:", broken["train_loss"])
check(broken.diverged, "at a learning rate of a million the loss is no longer a number")
check(mean.loc["Adam", 1.0] < 60, "Adam at 1.0 does not overflow, but does not learn either")

# %% [markdown]
# How to see it: look at the loss of the first few dozen steps. If it rises, divide the learning rate by ten.
#
# ## What to choose
#
# - **To begin with**: Adam or AdamW at 0.001. It is rarely far off, on any model.
# - **For the last points on images**: SGD with momentum and a schedule, if you have the time to tune the learning rate. Chapter 3's large CNN was trained that way.
# - **Plain SGD** is for understanding.
# - Whatever you choose: **tune the learning rate first**. In the heat map a step to the side costs more than a change of row.
#
# How far does this verdict go? It rests on a linear network and a small CNN, short runs, three seeds, no schedule. It says nothing about large language models.
#
# ### Try it yourself
#
# 1. Add RMSprop to the comparison.
# 2. Double the batch size. Does the best learning rate of SGD move? And Adam's?
# 3. Add `scheduler="cosine"` to all runs. Do the gaps become smaller?
#
# ## Takeaways
#
# - Optimizers differ in what they remember of earlier gradients.
# - Compare each at its own best learning rate, with equal tuning budgets and several seeds.
# - Too high a rate makes swings grow; the loss tells you within a few steps.
# - The test split was not needed here: nothing was shipped.
#
# ## Next
#
# Chapter 5 takes the whole loop into PyTorch Lightning.
