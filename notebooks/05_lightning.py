# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. The same in Lightning
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/05_lightning.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/05_lightning.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/05_lightning.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this chapter you can
#
# - rewrite a training loop as a LightningModule and a LightningDataModule,
# - say for every line of the old loop where it went,
# - put Lightning's hooks in order, and write a callback of your own,
# - stop early, keep the best weights, go on from a checkpoint, and read the log back,
# - start one training in two processes, and say what stays equal,
# - prove that a rewrite computes the same numbers, bit for bit,
# - measure what Lightning costs, and decide when it is worth it.
#
# **Before you start**: chapter 2, above all its training loop, and the small CNN of chapter 3.
#
# **Time**: read about 40 minutes; the full run takes <!-- result:chapters.05.full_seconds|minutes -->4 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.05.fast_seconds|seconds -->52 s<!-- /result -->.
#
# **The question**: PyTorch Lightning promises to take the loop off our hands. What do we have to write, what do we get, and is it really the same training?

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
import importlib.util

if importlib.util.find_spec("pytorch_lightning") is None:
    said = subprocess.getoutput(f'"{sys.executable}" -m pip install -q pytorch-lightning')
    if importlib.util.find_spec("pytorch_lightning") is None:
        raise Stop(f"Lightning could not be installed: {' '.join(said.split())}")

# %%
import csv
import html
import inspect
import os
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytorch_lightning as pl
import torch
from IPython.display import HTML, display
from pytorch_lightning.callbacks import (
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
)
from pytorch_lightning.loggers import CSVLogger
from torch.nn import functional as F

from helpers.data import load
from helpers.exercises import grade
from helpers.lit import HistoryCallback, ImageDataModule, LitClassifier, quiet_lightning
from helpers.models import build_model, count_parameters
from helpers.notebook import budget, confirm, record
from helpers.plots import COLOURS, WIDTH, use_style
from helpers.recipes import TrainingConfig, recipe
from helpers.training import (
    best_device,
    evaluate,
    fit,
    make_optimizer,
    make_scheduler,
    predict_logits,
)

use_style()
quiet_lightning()  # no start-up lines and no advice about workers, which we do not use

# %%
mnist = load("mnist")
digits = mnist.subset(budget(full=10_000, fast=2_000))
print("one image:", mnist.image_shape, " classes:", mnist.num_classes)

# %% [markdown]
# ## One loop, three jobs
#
# The loop of chapter 2 does three jobs at once. It says *what* is learned: model, loss, optimizer. It says *from what*: the batches. And it *drives*: epochs, training and evaluation mode, gradients on and off, bookkeeping.
#
# **Think first**: here is the loop once more, as a function. Cover the letters at the ends of the lines. Which lines would change for another problem, say another loss? Which lines are the same in every training you will ever write?


# %%
def train_plainly(model, data, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)  # M
    batches = data.batches("train", 128, shuffle=True)  # D
    history = []  # T
    for epoch in range(epochs):  # T
        model.train()  # T
        batches.set_epoch(epoch)  # M
        loss_sum = 0.0  # T
        for images, labels in batches:  # T
            logits = model(images)  # M
            loss = F.cross_entropy(logits, labels)  # M
            optimizer.zero_grad()  # T
            loss.backward()  # T
            optimizer.step()  # T
            loss_sum += loss.detach() * len(labels)  # T
        model.eval()  # T
        hits = 0  # T
        with torch.no_grad():  # T
            for images, labels in data.batches("val", 500):  # D
                logits = model(images)  # M
                hits += (logits.argmax(dim=1) == labels).sum()  # M
        history.append((loss_sum / len(data.train), hits / len(data.val)))  # T
    return history  # T


lines_of_loop = inspect.getsource(train_plainly).rstrip().splitlines()
jobs = Counter(line[-1] for line in lines_of_loop[1:])
print(f"{jobs['M']} lines say what is learned, {jobs['D']} from what,")
print(f"{jobs['T']} only drive")
confirm(jobs["T"] > jobs["M"] + jobs["D"], "most lines are the same in every training")

# %% [markdown]
# M: what is learned. D: from what. T: the driving. Lightning gives each job a place of its own:
#
# - **[LightningModule](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#lightningmodule)** (M): a class that holds the model, the loss and the optimizer. You write it.
# - **[LightningDataModule](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#lightningdatamodule)** (D): a class that hands out the batches. You write it.
# - **[Trainer](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#trainer)** (T): an object that drives. You do not write it, you choose its arguments.
#
# Two more words will come up. A **[hook](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#hook)** is a method with an agreed name that the Trainer calls at an agreed moment. A **[callback](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#callback)** is an object with hooks of its own: an add-on that can be plugged into any training.


# %% tags=["hide-input"] mystnb={"image": {"alt": "A wide box, the Trainer, with the endless circle forward, zero_grad, backward, step inside. From the left, LightningModule and LightningDataModule point into it: you write them. On the right it points to callbacks, loggers and checkpoints."}}
def box(axis, x, y, width, height, text, colour, style="-"):
    """A labelled rectangle whose lower left corner is (x, y)."""
    look = {"facecolor": colour + "33", "edgecolor": colour, "linestyle": style}
    axis.add_patch(plt.Rectangle((x, y), width, height, linewidth=1.5, **look))
    axis.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9)


def arrow(axis, start, end):
    axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3"})


figure, axis = plt.subplots(figsize=(WIDTH, 3.1))
box(axis, 0, 2.3, 2.5, 1.4, "M  LightningModule\nmodel, loss,\noptimizer", COLOURS[0])
box(
    axis,
    0,
    0.3,
    2.5,
    1.4,
    "D  LightningDataModule\ntraining and\nvalidation batches",
    COLOURS[2],
)
box(axis, 3.3, 0.3, 2.5, 3.4, "", COLOURS[1], "--")
axis.text(4.55, 3.35, "T  Trainer", ha="center", fontsize=9)
for row, text in enumerate(("batch", "training_step", "zero_grad", "backward", "step")):
    box(axis, 3.7, 2.65 - 0.53 * row, 1.7, 0.38, text, COLOURS[1])
turn = {"arrowstyle": "-|>", "color": "0.3", "connectionstyle": "arc3,rad=0.35"}
axis.annotate("", (5.5, 2.85), (5.5, 0.72), arrowprops=turn)
box(axis, 6.6, 2.7, 1.8, 1.0, "callbacks:\nyours and theirs", COLOURS[0])
box(axis, 6.6, 1.5, 1.8, 1.0, "loggers", COLOURS[1], "--")
box(axis, 6.6, 0.3, 1.8, 1.0, "checkpoints", COLOURS[1], "--")
arrow(axis, (2.5, 3.0), (3.3, 3.0))
arrow(axis, (2.5, 1.0), (3.3, 1.0))
for height in (3.2, 2.0, 0.8):
    arrow(axis, (5.8, height), (6.6, height))
axis.text(1.25, 3.85, "solid: you write", ha="center", fontsize=9)
axis.text(5.9, 3.85, "dashed: Lightning brings", ha="center", fontsize=9)
axis.set(xlim=(-0.05, 8.45), ylim=(0.2, 4.1))
axis.axis("off")
plt.show()

# %% [markdown]
# Now the code. The module is an ordinary `nn.Module` with a few methods of agreed names. `self.log` hands a number to whoever listens: a file, a progress bar, a callback.


# %%
class DigitClassifier(pl.LightningModule):
    def __init__(self, model, lr=0.02):
        super().__init__()
        self.model, self.lr = model, lr

    def forward(self, images):
        return self.model(images)

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=self.lr)

    def on_train_epoch_start(self):
        self.trainer.train_dataloader.set_epoch(self.current_epoch)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits, labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("val_loss", F.cross_entropy(logits, labels))
        self.log("val_accuracy", (logits.argmax(dim=1) == labels).float().mean())


# %% [markdown]
# Three of these lines need a word. `set_epoch` gives every epoch another order of the images. `on_epoch=True` asks for the mean over the epoch instead of one number per step. And `training_step` only *returns* the loss: the Trainer calls `zero_grad`, `backward` and `step`.
#
# Then the data. Our batches are tensors in memory; a `DataLoader` would do as well.


# %%
class DigitData(pl.LightningDataModule):
    def __init__(self, data):
        super().__init__()
        self.data = data

    def train_dataloader(self):
        return self.data.batches("train", 128, shuffle=True)

    def val_dataloader(self):
        return self.data.batches("val", 500)


# %% [markdown]
# And the Trainer. Without the arguments in `settings`, it would draw a progress bar, print a summary of the model, and try two validation batches before it starts. In your own work, leave these on; on a page of a book they are noise. We stay on the CPU for now, because we will compare bits.

# %%
settings = {
    "accelerator": "cpu",
    "devices": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}
no_files = {"logger": False, "enable_checkpointing": False}


def train_with_lightning(model, data, epochs):
    trainer = pl.Trainer(max_epochs=epochs, **no_files, **settings)
    trainer.fit(DigitClassifier(model), datamodule=DigitData(data))
    return trainer


def linear_network(seed=0):
    return build_model("linear", digits.image_shape, digits.num_classes, seed=seed)


by_loop, by_trainer = linear_network(), linear_network()
history = train_plainly(by_loop, digits, epochs=3)
trainer = train_with_lightning(by_trainer, digits, epochs=3)
train_loss, val_accuracy = history[-1]
print(
    f"our loop:  training loss {train_loss:.4f}, validation accuracy {val_accuracy:.4f}"
)
seen = trainer.callback_metrics
print(
    f"Lightning: training loss {seen['train_loss']:.4f}, "
    f"validation accuracy {seen['val_accuracy']:.4f}"
)

# %% [markdown]
# The same numbers, and that was a whole training, twice. In the second one we never called `backward`.
#
# ## Side by side: what went where
#
# The next cell puts both versions beside each other (on a narrow screen: one below the other). On the left stands the loop with its letters. On the right, M and D mark the lines that have moved there, some in other words, and `+` marks a line that is new.

# %% tags=["hide-input"]
PAPER = {"M": "#cfe5f5", "D": "#cdeee3", "T": "#ece7df", "+": "#fff3c4", " ": "#ffffff"}
ROW = "display:block;padding-left:9ch;text-indent:-9ch;overflow-wrap:anywhere"


def block(title, marked):
    """Lines of code as HTML, each with its sign in front and its colour behind."""
    rows = "".join(
        f'<span style="{ROW};background:{PAPER[sign]}">'
        f"{html.escape(f'{sign} {line}')}</span>"
        for sign, line in marked
    )
    return (
        f'<div style="flex:1 1 300px;min-width:0"><b>{title}</b>'
        '<pre style="white-space:pre-wrap;background:#ffffff;color:#111111;padding:4px;'
        f'margin:4px 0;font-size:11px;line-height:1.45">{rows}</pre></div>'
    )


def source(*methods):
    """The lines of some functions, with an empty one between any two."""
    texts = [inspect.getsource(method).rstrip() for method in methods]
    return "\n\n".join(texts).splitlines()


left = [(" ", lines_of_loop[0])]
left += [(line[-1], line.partition("  #")[0]) for line in lines_of_loop[1:]]
m, d = DigitClassifier, DigitData
right = ["class DigitClassifier(pl.LightningModule):"]
right += source(m.__init__, m.forward, m.configure_optimizers, m.on_train_epoch_start)
right += ["", *source(m.training_step, m.validation_step)]
right += ["", "class DigitData(pl.LightningDataModule):"]
right += source(d.__init__, d.train_dataloader, d.val_dataloader)
right += ["", *source(train_with_lightning)]
moved = dict.fromkeys(
    ("optim.SGD", "set_epoch", "logits =", "model(images)", "cross_entropy", "argmax"),
    "M",
) | {'batches("': "D"}


def sign_of(line):
    """M or D for a line that the loop has too, perhaps in other words; + for new."""
    found = [sign for piece, sign in moved.items() if piece in line]
    return found[0] if found else "+" if line else " "


marked = [(sign_of(line), line) for line in right]
display(
    HTML(
        '<div style="display:flex;flex-wrap:wrap;gap:10px">'
        + block("Plain loop: M, D move, T goes", left)
        + block("Lightning: M, D moved, + new", marked)
        + "</div>"
    )
)

# %%
signs = Counter(sign for sign, _ in marked)
written = {"our loop": len(left), "Lightning": sum(signs.values()) - signs[" "]}
print("lines of code:", written, "of which new:", signs["+"])
confirm(written["Lightning"] > written["our loop"], "other lines, but not fewer")

# %% [markdown]
# Surprised? For a loop this small Lightning does not save lines. Most of the new ones are names: `class`, `def`, `return`, `self.log`. What is saved is the T column, the lines in which mistakes are easy: a forgotten `zero_grad`, a forgotten `eval()`. And the next wish, a [checkpoint](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#checkpoint) or a second GPU, adds no line to the module. Here is where everything went:
#
# | | Line of the loop | Where it is now |
# |---|---|---|
# | M | `optimizer = …` | `configure_optimizers` |
# | M | `logits = …`, `loss = …` | `training_step` |
# | M | `hits += …` | `validation_step` with `self.log` |
# | M | `batches.set_epoch(epoch)` | `on_train_epoch_start` |
# | D | `batches = …`, `data.batches("val", 500)` | `train_dataloader`, `val_dataloader` |
# | T | `for epoch in …` | `Trainer(max_epochs=…)` |
# | T | `for images, labels in …` | `Trainer.fit` |
# | T | `model.train()`, `model.eval()`, `torch.no_grad()` | `Trainer.fit`, around the steps |
# | T | `zero_grad`, `backward`, `step` | `Trainer.fit`, after every `training_step` |
# | T | `loss_sum += …`, `history.append(…)` | `self.log(…, on_epoch=True)` |
#
# With a `DataLoader`, Lightning shuffles anew in every epoch and needs no `set_epoch`. Moving the model and the batches to a GPU (`.to(device)`) is the Trainer's job too.
#
# ## Hooks, in the order they run
#
# **Think first**: is `configure_optimizers` called before or after the first batch is loaded? Is validation part of the training epoch, or does it come after it?
#
# Do not believe, look. Here is a callback that only writes down which hook was called. Two training batches and one validation batch are enough to see the pattern.

# %%
HOOKS = """
setup on_fit_start on_train_start on_train_epoch_start on_train_batch_start
on_before_zero_grad on_before_backward on_after_backward on_before_optimizer_step
on_train_batch_end on_validation_start on_validation_epoch_start
on_validation_batch_start on_validation_batch_end on_validation_epoch_end
on_validation_end on_train_epoch_end on_train_end on_fit_end teardown
""".split()


class Trace(pl.Callback):
    """Notes the name of every hook when it is called."""

    def __init__(self):
        self.calls = []


def noting(name):
    return lambda trace, *args, **kwargs: trace.calls.append(name)


for hook in HOOKS:
    setattr(Trace, hook, noting(hook))


class TracedClassifier(DigitClassifier):
    def training_step(self, batch, batch_idx):
        trace.calls.append("training_step *")
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        trace.calls.append("validation_step *")
        return super().validation_step(batch, batch_idx)

    def configure_optimizers(self):
        trace.calls.append("configure_optimizers *")
        return super().configure_optimizers()


trace = Trace()
trainer = pl.Trainer(
    max_epochs=1,
    limit_train_batches=2,
    limit_val_batches=1,
    callbacks=[trace],
    **no_files,
    **settings,
)
trainer.fit(TracedClassifier(linear_network()), datamodule=DigitData(digits))
print(len(trace.calls), "calls, from", trace.calls[0], "to", trace.calls[-1])

# %% [markdown]
# Every `…_start` has its `…_end`, so the calls nest like brackets. The picture draws each pair as a box. Time runs downwards; what lies inside a box happens between its start and its end.

# %% tags=["hide-input"] mystnb={"image": {"alt": "All calls from top to bottom, in nested boxes. Inside the box of the fit lies the training, in it the epoch, in it two boxes of one batch each: training_step, zero_grad, backward, optimizer step. Below them, still inside the epoch, the box of the validation."}}
figure, axis = plt.subplots(figsize=(WIDTH, 7.6))
opened, colours = [], {"validation": COLOURS[1], "batch": COLOURS[2]}
for row, name in enumerate(trace.calls):
    ends = name == "teardown" or name.endswith("_end")
    if ends:
        top, first = opened.pop()
    depth = len(opened)
    if ends:
        colour = next((c for word, c in colours.items() if word in first), COLOURS[5])
        height, width = row - top + 0.9, 13 - 0.8 * depth
        corner = (0.6 * depth, top - 0.45)
        for face in (
            "white",
            colour + "33",
        ):  # white hides the colour of the box around
            look = {"facecolor": face, "edgecolor": colour, "zorder": depth / 10}
            axis.add_patch(plt.Rectangle(corner, width, height, **look))
    weight = "bold" if "*" in name else "normal"
    axis.text(0.6 * depth + 0.2, row, name, fontsize=9, va="center", fontweight=weight)
    if name == "setup" or name.endswith("_start"):
        opened.append((row, name))
notes = {
    "training_step *": "forward, loss",
    "on_before_zero_grad": "zero_grad",
    "on_before_backward": "backward",
    "on_before_optimizer_step": "optimizer.step",
    "validation_step *": "eval, no_grad",
}
for name, text in notes.items():
    row = trace.calls.index(name)
    axis.text(7.6, row, "← " + text, fontsize=9, va="center", color="0.25")
axis.set(xlim=(-0.2, 13.2), ylim=(len(trace.calls), -1))
axis.axis("off")
plt.show()

# %% [markdown]
# Bold with a star: our module's own methods. The rest is open for callbacks. Read it as the loop of chapter 2: an epoch starts, a batch starts, `training_step`, `zero_grad`, `backward`, `optimizer.step`, the batch ends. Validation runs *inside* the training epoch, before `on_train_epoch_end`. That is why a callback may look at `val_accuracy` at the end of a training epoch.

# %%
calls = trace.calls
confirm(
    calls.index("configure_optimizers *") < calls.index("on_train_start"),
    "the optimizer is made before training starts",
)
confirm(
    calls.index("on_validation_end") < calls.index("on_train_epoch_end"),
    "validation belongs to the training epoch",
)
places = [calls.index(name) for name in list(notes)[:4]]
confirm(
    places == sorted(places),
    "forward, zero_grad, backward, step: the order of chapter 2",
)

# %% [markdown]
# ## The same numbers, bit for bit
#
# Is it *really* the same training? "About the same accuracy" would not convince: many mistakes cost only a little accuracy. So we ask for more. Same first weights, same batches, same arithmetic in the same order: then every loss and every weight must be equal to the last **bit**, the smallest unit of a stored number. We can ask at once, of the two trainings above:


# %%
def equal_weights(one, other):
    """Whether two networks have the same tensors under the same names, bit for bit."""
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


confirm(
    equal_weights(by_loop, by_trainer),
    "our loop and Lightning end with the same weights",
)

# %% [markdown]
# `torch.equal` allows no tolerance: one bit in 100,000 weights would be found.
#
# Real trainings have more parts: a schedule of the learning rate, augmentation, label smoothing. `helpers.lit` holds the two classes from above with all of these, and `fit` is our loop with all of these. Both take the same `config`. The numbers of each epoch come from a **[logger](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#logger)**: `CSVLogger` writes all that `self.log` gets to a file `metrics.csv`.


# %%
scratch = tempfile.TemporaryDirectory()  # for logs and checkpoints
folder = Path(scratch.name)


def with_loop(name, data, config):
    shape, classes = data.image_shape, data.num_classes
    model = build_model(name, shape, classes, size="small", seed=config.seed)
    history = fit(model, data, config, device="cpu", progress=False)
    return model, history


def with_lightning(name, data, config, **trainer_arguments):
    shape, classes = data.image_shape, data.num_classes
    model = build_model(name, shape, classes, size="small", seed=config.seed)
    trainer = pl.Trainer(
        max_epochs=config.epochs, **settings | no_files | trainer_arguments
    )
    trainer.fit(LitClassifier(model, config), datamodule=ImageDataModule(data, config))
    return model, trainer


def read_log(trainer):
    """What was logged: a list of values by name, without the gaps."""
    columns = {}
    with open(Path(trainer.logger.log_dir) / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if text:
                    columns.setdefault(name, []).append(float(text))
    return columns


# %% [markdown]
# **Think first**: we train the small CNN three times: with our loop, with Lightning, and with our loop and another seed. All three use the same images and settings. What will the three curves of the validation loss look like?

# %%
part = mnist.subset(budget(full=3_000, fast=800))
settled = replace(recipe("cnn", "mnist"), epochs=3, lr=0.02, seed=1)
loop_model, history = with_loop("cnn", part, settled)
lit_model, trainer = with_lightning(
    "cnn", part, settled, logger=CSVLogger(folder, name="parity")
)
log = read_log(trainer)
other_model, other_history = with_loop("cnn", part, replace(settled, seed=2))
for column in ("train_loss", "val_loss", "val_accuracy"):
    confirm(history[column] == log[column], f"{column} is equal in every epoch")
confirm(equal_weights(loop_model, lit_model), "all tensors of the network are equal")
confirm(not equal_weights(loop_model, other_model), "another seed gives other weights")

# %% mystnb={"image": {"alt": "Validation loss against the epoch. The crosses of Lightning lie exactly in the circles of our loop; the dashed line of another seed comes near them and is not the same."}}
figure, axis = plt.subplots(figsize=(5.4, 3))
epochs = range(1, settled.epochs + 1)
axis.plot(
    epochs, history["val_loss"], "o-", markersize=11, fillstyle="none", label="our loop"
)
axis.plot(
    epochs, log["val_loss"], "x:", markersize=9, color=COLOURS[3], label="Lightning"
)
axis.plot(
    epochs,
    other_history["val_loss"],
    "s--",
    color="0.5",
    markersize=5,
    label="our loop, another seed",
)
axis.set(xlabel="epoch", ylabel="validation loss (nats)", xticks=epochs)
axis.legend(fontsize=9)
plt.show()

# %% [markdown]
# Not "close": equal. The other seed may come close, and yet it is another network. The equality includes the augmentation, the one-cycle schedule and the running means of batch normalisation, since the recipe uses them.
#
# Is it a lucky choice of settings? Here are sixteen trainings: both models, both kinds of images, two optimizers, with and without augmentation. Each is done by our loop and by Lightning.

# %%
cifar10 = load("cifar10")
few_images = budget(full=800, fast=300)
losses = ("train_loss", "val_loss", "val_accuracy")
parity = []
for name in ("linear", "cnn"):
    for data in (mnist.subset(few_images), cifar10.subset(few_images)):
        for optimizer, lr in (("sgd", 0.01), ("adam", 1e-3)):
            for augment in (False, True):
                settled = TrainingConfig(
                    epochs=2,
                    batch_size=32,
                    optimizer=optimizer,
                    lr=lr,
                    augment=augment,
                    seed=2,
                )
                loop_model, history = with_loop(name, data, settled)
                kept = HistoryCallback(settled)
                lit_model, _ = with_lightning(name, data, settled, callbacks=[kept])
                same = all(history[c] == kept.history[c] for c in losses)
                same_weights = equal_weights(loop_model, lit_model)
                parity.append(
                    {
                        "model": name,
                        "pixels": "x".join(map(str, data.image_shape)),
                        "optimizer": optimizer,
                        "augment": augment,
                        "train_loss": history["train_loss"][-1],
                        "numbers": "equal" if same else "differ",
                        "weights": "equal" if same_weights else "differ",
                    }
                )
parity = pd.DataFrame(parity)
print(parity.to_string(index=False, float_format="%.6f"))
confirm(
    (parity[["numbers", "weights"]] == "equal").all(axis=None),
    f"{len(parity)} of {len(parity)} trainings are equal bit for bit",
)

# %% [markdown]
# Three things make this work, and each is worth taking over into your own code:
#
# 1. **The weights depend on a seed of their own** (`build_model(…, seed=…)`), not on what ran before.
# 2. **Order and augmentation depend on seed and epoch alone.** Were they drawn from PyTorch's global generator, one more draw anywhere would change every batch after it.
# 3. **The mean is taken the same way.** Both weight the loss of a batch by its size; the last batch is smaller.
#
# It holds on the CPU in [float32](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#float32), on one machine. A GPU may add up in an order that changes from run to run. There "equal" becomes "equal up to rounding". What it tells us: the Trainer is not magic. It is our loop.
#
# ## Callbacks: theirs and yours
#
# Three callbacks of Lightning do most of the daily work:
#
# - **[EarlyStopping](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#early-stopping)** ends the run when a number has not improved for `patience` epochs,
# - **ModelCheckpoint** writes the weights of the best epoch to a file, a **checkpoint**,
# - **LearningRateMonitor** puts the learning rate into the log.
#
# And here is one of our own. We want to know how large the weights grow, as one number: the root of the sum of all squares, called the **norm**,
#
# $$\lVert w \rVert = \sqrt{\textstyle\sum_i w_i^2}.$$
#
# Which hook? The end of a training epoch. A callback may log, too; so the number lands in the same file as the losses.


# %%
class WeightNorm(pl.Callback):
    """Counts the batches, and logs the norm of all weights after every epoch."""

    def __init__(self):
        self.batches = 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.batches += 1

    def on_train_epoch_end(self, trainer, pl_module):
        squares = sum(w.detach().pow(2).sum() for w in pl_module.parameters())
        pl_module.log("weight_norm", squares.sqrt())


# %% [markdown]
# To see them act, we train on few images for far too long. **Think first**: the network will learn its few images by heart. What will the training loss do, what the validation loss, and what the norm of the weights?

# %%
few = mnist.subset(budget(full=1_000, fast=600))
long = TrainingConfig(epochs=40, batch_size=64, optimizer="adam", lr=3e-3)
stopping = EarlyStopping("val_loss", mode="min", patience=4)
checkpoint = ModelCheckpoint(
    folder / "early", monitor="val_loss", mode="min", filename="best"
)
counter = WeightNorm()
model, trainer = with_lightning(
    "linear",
    few,
    long,
    logger=CSVLogger(folder, name="early"),
    enable_checkpointing=True,
    callbacks=[stopping, checkpoint, counter],
    log_every_n_steps=5,
)
log = read_log(trainer)
best = log["val_loss"].index(min(log["val_loss"]))
epochs_run = len(log["val_loss"])
confirm(epochs_run < long.epochs, "the run was stopped before its last epoch")
confirm(
    epochs_run - 1 - best == stopping.patience,
    "the best epoch is exactly `patience` epochs before the end",
)
confirm(
    counter.batches == epochs_run * len(few.batches("train", long.batch_size)),
    "our callback has seen every batch of every epoch",
)
confirm(log["weight_norm"][-1] > log["weight_norm"][0], "the weights have grown")

# %% mystnb={"image": {"alt": "Left, the dashed training loss falls towards zero while the validation loss stops falling at a dotted line, the best epoch. Right, the norm of the weights grows."}}
figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(WIDTH, 3))
epochs = range(1, epochs_run + 1)
left_axis.plot(epochs, log["train_loss"], "--", label="training")
left_axis.plot(epochs, log["val_loss"], label="validation")
left_axis.axvline(best + 1, color="0.5", linestyle=":", label="best, kept")
left_axis.set(xlabel="epoch", ylabel="loss (nats)", title="early stopping")
left_axis.legend(fontsize=9)
right_axis.plot(epochs, log["weight_norm"], "D-", color=COLOURS[2], markersize=4)
right_axis.set(xlabel="epoch", ylabel="norm of all weights", title="our own callback")
plt.show()

# %% [markdown]
# Everything in this figure was read back from `metrics.csv`. Other loggers (TensorBoard, Weights & Biases, MLflow) take the same numbers without a change in the module: `self.log` does not know who listens.
#
# ## Checkpoints: open them, go on from them
#
# A checkpoint is a file with a `dict`. PyTorch can open it without Lightning. Its entry `state_dict` holds all weights by name. With `weights_only=True` it reads numbers and text and runs no code from the file. Always say so for files from the internet.

# %%
saved = torch.load(checkpoint.best_model_path, weights_only=True)
for key in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "callbacks"):
    confirm(key in saved, f"in the checkpoint: {key}")
print("names of weights:", ", ".join(list(saved["state_dict"])[:2]), "…")
weights = {name.removeprefix("model."): w for name, w in saved["state_dict"].items()}
best_model = linear_network()
best_model.load_state_dict(weights)
logits, labels = predict_logits(best_model, few.batches("val", 500))
reloaded_loss = F.cross_entropy(logits, labels).item()
confirm(
    abs(reloaded_loss - min(log["val_loss"])) < 1e-4,
    "the reloaded weights have the best validation loss again",
)

# %% [markdown]
# The names start with `model.`, because the network is the attribute `model` of our module. Strip it, and the weights fit the plain network.
#
# A checkpoint also holds the optimizer and the epoch, so a run can go on where it stopped: `trainer.fit(…, ckpt_path=…)`. Is that the same as a run that never stopped? We know how to ask. The resumed network starts with other weights on purpose: the checkpoint must replace them.

# %%
straight = TrainingConfig(epochs=4, batch_size=128, optimizer="adam", lr=1e-3)
whole, _ = with_lightning("linear", digits, straight)

_, first_half = with_lightning("linear", digits, replace(straight, epochs=2))
first_half.save_checkpoint(folder / "half.ckpt")


def go_on(*callbacks):
    """The network after the second half of the training, from the checkpoint."""
    network = linear_network(seed=99)
    trainer = pl.Trainer(
        max_epochs=straight.epochs, callbacks=list(callbacks), **no_files, **settings
    )
    module, data = LitClassifier(network, straight), ImageDataModule(digits, straight)
    trainer.fit(module, datamodule=data, ckpt_path=folder / "half.ckpt")
    return network


confirm(
    equal_weights(whole, go_on()),
    "2 epochs + checkpoint + 2 epochs = 4, bit for bit",
)

# %% [markdown]
# Is the state of the optimizer really needed? Adam keeps running means of the gradients, two numbers for every weight. A callback can make it forget them just before the second half starts:


# %%
class ForgetfulOptimizer(pl.Callback):
    def on_train_start(self, trainer, pl_module):
        trainer.optimizers[0].state.clear()


forgotten = go_on(ForgetfulOptimizer())
pairs = zip(whole.parameters(), forgotten.parameters(), strict=True)
furthest = max((a - b).abs().max().item() for a, b in pairs)
print(f"largest difference of one weight: {furthest:.4f}")
confirm(not equal_weights(whole, forgotten), "without the optimizer's state it differs")

# %% [markdown]
# ## Two processes by one flag
#
# A large training is shared among several GPUs or machines. Each runs a **process**, a program of its own with its own copy of the network. The usual way is called **[DDP](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#ddp)**, *distributed data parallel*. Every process gets a part of each batch and computes gradients for it. Then the processes exchange their gradients, and all take the same step with the mean.

# %% mystnb={"image": {"alt": "A batch of 120 images is split in two: 60 go to process 0, 60 to process 1. Each computes its own gradient with its own copy of the network; both gradients meet in their mean, with which both copies take the same step."}}
figure, axis = plt.subplots(figsize=(WIDTH, 2.5))
box(axis, 0, 0.9, 1.2, 1.2, "batch of\n120", COLOURS[2])
for number, bottom in enumerate((1.75, 0.25)):
    text = f"process {number}: 60 images,\ncopy of the network"
    box(axis, 1.9, bottom, 2.3, 1.0, text, COLOURS[0])
    box(axis, 4.8, bottom + 0.15, 1.3, 0.7, f"gradient {number}", COLOURS[1])
    arrow(axis, (1.2, 1.5), (1.9, bottom + 0.5))
    arrow(axis, (4.2, bottom + 0.5), (4.8, bottom + 0.5))
    arrow(axis, (6.1, bottom + 0.5), (6.8, 1.5))
box(axis, 6.8, 0.9, 1.6, 1.2, "mean: the same\nstep for both", COLOURS[1])
axis.set(xlim=(-0.05, 8.45), ylim=(0.1, 2.9))
axis.axis("off")
plt.show()

# %% [markdown]
# Why may the two halves be worked on apart? The loss of a batch is a mean over its images. With two halves of equal size, it is the mean of two means, and the gradient follows:
#
# $$\nabla L = \tfrac{1}{2}\left(\nabla L_0 + \nabla L_1\right).$$


# %%
def gradient(model, images, labels):
    model.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    return torch.cat([w.grad.flatten() for w in model.parameters()])


network = linear_network()
images, labels = next(iter(digits.batches("train", 120)))
whole_batch = gradient(network, images, labels)
halves = [gradient(network, images[part::2], labels[part::2]) for part in (0, 1)]
mean = (halves[0] + halves[1]) / 2
print(f"largest difference: {(mean - whole_batch).abs().max():.1e}")
confirm(
    torch.allclose(mean, whole_batch, atol=1e-6),
    "the mean of both halves is the gradient",
)

# %% [markdown]
# Equal, but for the rounding of the last digits: the numbers are added in another order.
#
# Now the real thing. The course has two scripts with the same flags: `train.py` with our loop, and `lightning_train.py`. DDP starts its processes by running the script again, so it needs a script. A notebook cell cannot be run again from outside. We start three short runs on the bundled sample of digits, each with a time limit.
#
# **Think first**: which of the three will agree bit for bit, and which only up to rounding?

# %%
FLAGS = "--sample --model linear --epochs 3 --batch-size 120 --seed 3 --device cpu"
limits = {"OMP_NUM_THREADS": "1"}  # one core for each process


def by_script(title, script, *more):
    """The metrics that a run of a script has written, and how long it took."""
    out = folder / title.replace(" ", "_")
    command = [
        sys.executable,
        str(root / script),
        *FLAGS.split(),
        "--quiet",
        *more,
        "--out",
        str(out),
    ]
    started = time.perf_counter()
    done = subprocess.run(
        command, timeout=200, env=os.environ | limits, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return pd.read_csv(out / "metrics.csv"), time.perf_counter() - started


plain, plain_seconds = by_script("plain loop", "train.py")
one, one_seconds = by_script("Lightning", "lightning_train.py")
two, two_seconds = by_script(
    "Lightning twice", "lightning_train.py", "--devices", "2", "--strategy", "ddp"
)

# %%
runs = {"train.py": plain, "lightning": one, "lightning, 2 processes": two}
table = pd.DataFrame({name: run["train_loss"] for name, run in runs.items()})
table.index = [f"epoch {number}" for number in plain["epoch"]]
print(table.to_string(float_format="%.8f"))
same = ["train_loss", "val_loss", "val_accuracy", "lr"]
confirm(
    plain[same].equals(one[same]),
    "train.py and lightning_train.py write the same numbers",
)
apart = (two["train_loss"] / one["train_loss"] - 1).abs().max()
print(f"two processes against one: losses differ by a share of {apart:.1e} at most")
confirm(apart < 1e-3, "two processes follow the curve of one, up to rounding")
print("seconds with start-up:", end=" ")
print(f"{plain_seconds:.1f}, {one_seconds:.1f}, {two_seconds:.1f}")
confirm(two_seconds > one_seconds / 2, "two processes are not twice as fast here")

# %% [markdown]
# One flag, and two processes have trained one model. On so small a task it does not pay: each process has to start and import everything first. It pays when a batch takes much longer than the exchange of the gradients.
#
# One warning. A layer that looks at the *whole batch* sees only its half. Batch normalisation is such a layer. Each half is normalised with its own mean and standard deviation, so a CNN in two processes trains a little differently. (Lightning offers `sync_batchnorm=True` against it, on GPUs.)

# %%
values = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
together = F.batch_norm(values, None, None, training=True)
apart = torch.cat(
    [F.batch_norm(half, None, None, training=True) for half in values.chunk(2)]
)
print(f"largest difference of one output: {(together - apart).abs().max():.2f}")
confirm(
    not torch.allclose(together, apart, atol=0.01),
    "batch normalisation depends on the share",
)

# %% [markdown]
# ## Two switches for finding mistakes
#
# **`fast_dev_run=True`** runs one training and one validation batch, without logs and checkpoints. It answers: does every line run at all? Here is a module with a mistake in its validation. Without the switch we would learn of it after a whole epoch of training, which may be an hour.


# %%
class Broken(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log(
            "val_loss", F.cross_entropy(self(images), labels[:-1])
        )  # one label is missing


try:
    trainer = pl.Trainer(fast_dev_run=True, **settings)
    trainer.fit(Broken(linear_network()), datamodule=DigitData(digits))
except ValueError as error:
    print("caught after", trainer.global_step, "step:", type(error).__name__)
    message = str(error)
confirm("batch_size" in message,
        "the message says that the two batch sizes do not match")

# %% [markdown]
# **`overfit_batches=2`** trains on the same two batches again and again. It answers: *can* the model learn? A healthy one learns two batches by heart and its loss goes towards 0. If not, the mistake is in the model or in the loss, and no amount of data will help.
#
# The two batches must stay the same, so we give it an unshuffled loader. (Lightning turns shuffling off in a `DataLoader`; it cannot know how to do that for ours.)


# %%
def overfit(module, epochs=60):
    """The training loss after many epochs on the same two batches of 64 images."""
    trainer = pl.Trainer(
        max_epochs=epochs,
        overfit_batches=2,
        limit_val_batches=0,
        **no_files,
        **settings,
    )
    trainer.fit(module, train_dataloaders=digits.batches("train", 64))
    return trainer.callback_metrics["train_loss"].item()


healthy = overfit(DigitClassifier(linear_network(), lr=0.1))
print(f"loss on two batches, learned by heart: {healthy:.4f}")
confirm(healthy < 0.1, "a healthy model can learn two batches by heart")

# %% [markdown]
# ## What it costs
#
# The Trainer does a lot between two batches: it calls hooks, keeps metrics, looks whether it should stop. This takes a time $h$ per *step*, which does not grow with the arithmetic in the step. If a step of the plain loop takes the time $t$, Lightning's share is
#
# $$\frac{t + h}{t} = 1 + \frac{h}{t}.$$
#
# **Think first**: for which network is this ratio larger, for the linear one or for the CNN?
#
# We measure both loops on the same work. The runs take turns, so that a slow moment of the machine hits both. Of each, the fastest run counts.


# %%
def seconds(run, *arguments):
    started = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - started


cost = []
for name, count in (
    ("linear", budget(full=20_000, fast=2_000)),
    ("cnn", budget(full=4_000, fast=800)),
):
    data = mnist.subset(count)
    passes = budget(full=2, fast=1)
    once = replace(recipe(name, "mnist"), epochs=passes, augment=False)
    times = {with_loop: [], with_lightning: []}
    for repeat in range(3):
        for run in times:
            times[run].append(seconds(run, name, data, once))
    loop, lightning = min(times[with_loop]), min(times[with_lightning])
    steps = once.epochs * len(data.batches("train", once.batch_size))
    cost.append(
        {
            "model": name,
            "loop (ms/step)": 1000 * loop / steps,
            "Lightning (ms/step)": 1000 * lightning / steps,
            "h (ms)": 1000 * (lightning - loop) / steps,
            "ratio": lightning / loop,
        }
    )
cost = pd.DataFrame(cost)
print(cost.to_string(index=False, float_format="%.3f"))

# %% mystnb={"image": {"alt": "Bars of Lightning's time divided by our loop's, against a dashed line at 1: the bar of the linear network is clearly longer than 1, that of the CNN ends near it."}}
figure, axis = plt.subplots(figsize=(5.6, 2.2))
bars = axis.barh(
    ["linear network", "small CNN"], cost["ratio"], color=COLOURS[:2], height=0.5
)
axis.bar_label(bars, fmt="%.2f", padding=3)
axis.axvline(1, color="0.3", linestyle="--")
axis.invert_yaxis()
axis.set(xlabel="time of Lightning / time of our loop (dashed: equal)")
axis.margins(x=0.12)
plt.show()

# %%
confirm(min(cost["ratio"]) > 0.5, "Lightning is no shortcut: both do the same work")
confirm(
    cost["ratio"][0] > cost["ratio"][1] - budget(full=0, fast=1),
    "the short steps of the linear network pay the larger share",
)

# %% [markdown]
# For the linear network a step is so short that the housekeeping shows. For the CNN it drowns in the convolutions, and with a larger model, or larger images, more so. Time is not the reason to avoid Lightning, unless your model is tiny.
#
# ## The full run
#
# Now in earnest: the small CNN on all of the training images, with the recipe that chapter 3 used, by both. `accelerator="auto"` takes a GPU if there is one; nothing else changes. The weights with the best validation accuracy are kept. The test split has to wait until the end of the chapter.

# %%
full_config = recipe("cnn", "mnist")
full_config = replace(
    full_config, batch_size=budget(full=full_config.batch_size, fast=32)
)


def small_cnn():
    shape, classes = mnist.image_shape, mnist.num_classes
    return build_model("cnn", shape, classes, size="small", seed=full_config.seed)


loop_model = small_cnn()
started = time.perf_counter()
history = fit(loop_model, mnist, full_config, device=best_device(), progress=False)
history.load_best(loop_model)
loop_seconds = time.perf_counter() - started

lit_model = small_cnn()
keep = ModelCheckpoint(
    folder / "full", monitor="val_accuracy", mode="max", filename="best"
)
module, batches = (
    LitClassifier(lit_model, full_config),
    ImageDataModule(mnist, full_config),
)
trainer = pl.Trainer(
    **settings | {"accelerator": "auto"},
    max_epochs=full_config.epochs,
    logger=CSVLogger(folder, name="full"),
    callbacks=[keep, LearningRateMonitor(logging_interval="step")],
    log_every_n_steps=5,
)
started = time.perf_counter()
trainer.fit(module, datamodule=batches)
lightning_seconds = time.perf_counter() - started
log = read_log(trainer)
for epoch in range(full_config.epochs):
    print(
        f"epoch {epoch + 1}: training loss {log['train_loss'][epoch]:.4f}, "
        f"validation accuracy {100 * log['val_accuracy'][epoch]:.2f} %"
    )
furthest = max(
    abs(a - b) for a, b in zip(history["val_loss"], log["val_loss"], strict=True)
)
confirm(
    furthest <= (0 if best_device().type == "cpu" else 0.1),
    "both runs have the same validation losses (on a GPU: nearly)",
)

# %% mystnb={"image": {"alt": "Left, training and validation loss fall over the epochs, the training loss above the validation loss. Right, the learning rate rises, then falls to almost zero."}}
figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
epochs = range(1, full_config.epochs + 1)
left_axis.plot(epochs, log["train_loss"], "o--", label="training")
left_axis.plot(epochs, log["val_loss"], "s-", label="validation")
left_axis.set(xlabel="epoch", ylabel="loss (nats)", title="small CNN", xticks=epochs)
left_axis.legend(fontsize=9)
right_axis.plot(log["lr-SGD"], color=COLOURS[2])
right_axis.set(
    xlabel="entry in the log", ylabel="learning rate", title="one-cycle schedule"
)
plt.show()

# %% [markdown]
# The training loss lies above the validation loss, since training images are shifted and their labels smoothed.
#
# ## What went wrong, and why
#
# **Loud: the name of a number that nobody logged.** We asked for `val_acc`, but the module logs `val_accuracy`. Lightning says so and lists the names it knows. Read the end of the message first.

# %%
tiny = TrainingConfig(epochs=1, batch_size=128, optimizer="sgd", lr=0.02)
try:
    wrong_name = EarlyStopping("val_acc", mode="max")
    with_lightning("linear", mnist.subset(500), tiny, callbacks=[wrong_name])
except RuntimeError as error:
    print(error)

# %% [markdown]
# **Loud: no optimizer.** A module without `configure_optimizers` is stopped before the first batch.


# %%
class Forgetful(pl.LightningModule):
    def training_step(self, batch, batch_idx):
        return batch[0].mean()


try:
    trainer = pl.Trainer(fast_dev_run=True, **settings)
    trainer.fit(Forgetful(), train_dataloaders=digits.batches("train"))
except Exception as error:
    message = str(error)
    print(type(error).__name__)
confirm("configure_optimizers" in message, "the message names the missing method")

# %% [markdown]
# **Silent: softmax twice.** A `forward` that returns probabilities looks tidy. But `F.cross_entropy` takes softmax itself, so now it is taken twice. Nothing fails. The second softmax gets numbers between 0 and 1. Even a perfect model can give the true class no more than $e^1 / (e^1 + 9 e^0)$. `overfit_batches` finds it within seconds:


# %%
class TwiceSoftmax(DigitClassifier):
    def forward(self, images):
        return self.model(images).softmax(dim=1)


floor = F.cross_entropy(torch.eye(10), torch.arange(10)).item()
twice = overfit(TwiceSoftmax(linear_network(), lr=0.1))
print(f"loss on two batches: {twice:.3f}; correct module: {healthy:.3f}")
print(f"lowest possible with two softmaxes: {floor:.3f}")
confirm(
    twice >= floor - 1e-4 and healthy < 0.1,
    "with softmax taken twice the loss cannot fall below its floor",
)

# %% [markdown]
# **Silent: a schedule that counts epochs.** Our one-cycle schedule wants to be moved on after every *batch*. Lightning's default is once an *epoch*, unless `configure_optimizers` returns `"interval": "step"`. Leave it out and there is no error: the learning rate just stays near its low start.


# %%
class EpochSchedule(LitClassifier):
    def configure_optimizers(self):
        optimizer = make_optimizer(self.model, self.config)
        steps = int(self.trainer.estimated_stepping_batches) // self.config.epochs
        return [optimizer], [
            make_scheduler(optimizer, self.config, steps)
        ]  # no "interval"


cycle = TrainingConfig(
    epochs=3, batch_size=64, optimizer="sgd", lr=0.1, scheduler="onecycle"
)
logged = {}
for title, kind in (("interval: step", LitClassifier), ("left out", EpochSchedule)):
    trainer = pl.Trainer(
        **settings | no_files | {"logger": CSVLogger(folder, name="interval")},
        max_epochs=cycle.epochs,
        log_every_n_steps=1,
        callbacks=[LearningRateMonitor(logging_interval="step")],
    )
    data = ImageDataModule(mnist.subset(1_500), cycle)
    trainer.fit(kind(linear_network(), cycle), datamodule=data)
    logged[title] = read_log(trainer)
highest = {title: max(entries["lr-SGD"]) for title, entries in logged.items()}
for title, entries in logged.items():
    print(
        f"{title:14} highest learning rate {highest[title]:.4f}, "
        f"validation accuracy {100 * entries['val_accuracy'][-1]:.1f} %"
    )
confirm(
    highest["interval: step"] > 0.09,
    "stepped by batch, the learning rate reaches its peak",
)
confirm(highest["left out"] < 0.02, "stepped by epoch, it never gets there")

# %% mystnb={"image": {"alt": "Learning rate by step: a rise and a fall when the schedule is stepped by batch; a nearly flat dashed line near zero when it is stepped by epoch."}}
figure, axis = plt.subplots(figsize=(5.6, 2.6))
for (title, entries), style in zip(logged.items(), ("-", "--")):
    axis.plot(entries["lr-SGD"], style, label=title)
axis.set(xlabel="step", ylabel="learning rate")
axis.legend(fontsize=9)
plt.show()

# %% [markdown]
# The bit-for-bit comparison would have caught this one. That is what it is for: the mistakes that raise no error are found by comparing with something you trust.
#
# ## Which one should I choose?
#
# All choices are made. Now, once, the test split, with the weights that were best on the validation split. The column *lines* counts the two versions that stand side by side near the start.

# %%
loop_test = evaluate(loop_model, mnist.batches("test", 500)).accuracy
best_weights = torch.load(keep.best_model_path, weights_only=True)["state_dict"]
module.load_state_dict(best_weights)
lit_test = trainer.test(module, datamodule=batches, verbose=False)[0]["test_accuracy"]
closing = pd.DataFrame(
    {
        "small CNN, MNIST": ["plain loop", "Lightning"],
        "lines": [written["our loop"], written["Lightning"]],
        "parameters": [count_parameters(loop_model), count_parameters(lit_model)],
        "seconds": [loop_seconds, lightning_seconds],
        "val %": [100 * history.best_val_accuracy, 100 * max(log["val_accuracy"])],
        "test %": [100 * loop_test, 100 * lit_test],
    }
)
print(closing.to_string(index=False, float_format="%.2f"))
record("lightning.mnist", test_accuracy=lit_test, seconds=lightning_seconds)
confirm(
    lit_test > budget(full=0.975, fast=0.85), "the small CNN in Lightning reads digits"
)
same_device = best_device().type == "cpu"
confirm(
    abs(loop_test - lit_test) < (1e-6 if same_device else 0.01),
    "both have the same test accuracy (on a GPU: nearly)",
)

# %% [markdown]
# The two numbers of seconds come from one run each, one after the other. Whatever else the machine did counts in them, so the bars above are the fairer comparison.
#
# The same network, the same weights, the same accuracy. So accuracy is no reason for either. What differs is what you write, what you get for it, and what it costs:

# %%
ratio = cost["ratio"]
rows = (
    (
        "lines of code, a small training",
        f"{written['our loop']}",
        f"{written['Lightning']}",
    ),
    ("zero_grad, backward, eval(), ...", "you", "Trainer"),
    ("early stopping, best weights", "you", "a callback"),
    ("a log file with all numbers", "you", "a logger"),
    ("going on after a crash", "you", "ckpt_path"),
    ("two processes", "you, torchrun", "one flag"),
    ("extra time, linear network", "none", f"{100 * ratio[0] - 100:.1f} %"),
    ("extra time, small CNN", "none", f"{100 * ratio[1] - 100:.1f} %"),
    ("seconds of the script run above", f"{plain_seconds:.1f}", f"{one_seconds:.1f}"),
    ("to know by heart", "PyTorch", "and the hooks"),
)
print(
    pd.DataFrame(rows, columns=["", "plain loop", "Lightning"]).to_string(index=False)
)
scratch.cleanup()  # the logs and checkpoints are not needed any more

# %% [markdown]
# Extra time below zero would only mean that the difference drowns in the noise of the machine.
#
# **Take Lightning** when you want several of these, each with one argument of the Trainer and no new line in the module:
#
# | You want | Argument |
# |---|---|
# | a GPU, several GPUs, several machines | `accelerator="gpu"`, `devices=4`, `num_nodes=2`, `strategy="ddp"` |
# | faster arithmetic with fewer bits | `precision="bf16-mixed"` |
# | large batches in small memory | `accumulate_grad_batches=8` |
# | no exploding gradients | `gradient_clip_val=1.0` |
# | to find the slow part | `profiler="simple"` |
# | a time limit (days:hours:minutes:seconds) | `max_time="00:01:00:00"` |
#
# Others who know Lightning can also read your code faster: they know where to look.
#
# **Take the plain loop**
#
# - while you learn. You should have written the loop once; you have.
# - when a step is tiny, as with our linear network: the housekeeping costs more than it helps.
# - when training is not "for each batch, one loss, one step": several optimizers that take turns, or research on the optimizer itself. Lightning can do it (`automatic_optimization = False`), but then the loop is yours again, split into methods.
# - when one more dependency is one too many. Lightning moves on its own schedule, and an update can change a hook.
#
# **The answer** to the question of this chapter. *What do we have to write?* Model, loss, optimizer and batches, in methods with agreed names; not fewer lines, but fewer places for mistakes. *What do we get?* Early stopping, checkpoints, logs, resuming and several processes, each by an argument. *Is it the same training?* Yes, bit for bit on the CPU, and we did not take anybody's word for it.
#
# ## Exercises
#
# Replace the dots, run the cell, read what the check says. Each check trains on a few small tensors and takes a second or two.
#
# ### Exercise 5.1: into the module (easy)
#
# Here is the inner part of a plain loop. Write the `training_step` that makes Lightning do the same.
#
# ```python
# for images, labels in batches:
#     logits = model(images)
#     loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
#     optimizer.zero_grad()
#     loss.backward()
#     optimizer.step()
# ```


# %%
class Smoothed(pl.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, batch_idx): ...


grade("5.1", Smoothed)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class Smoothed(pl.LightningModule):
#     def __init__(self, model):
#         super().__init__()
#         self.model = model
#
#     def training_step(self, batch, batch_idx):
#         images, labels = batch
#         logits = self.model(images)
#         return F.cross_entropy(logits, labels, label_smoothing=0.1)
# ```
#
# The other three lines are the Trainer's. Forget the `return`, and Lightning skips the batch: the weights never change, and no error tells you.
#
# </details>
#
# ### Exercise 5.2: what comes first? (easy)
#
# Put the eight calls into the order in which they run for the first time in `trainer.fit`. Try it without looking at the picture.

# %%
# training_step, on_train_epoch_end, on_before_optimizer_step, configure_optimizers,
# validation_step, on_before_zero_grad, on_train_start, on_before_backward
order = ...  # a list of these eight names, as strings

grade("5.2", order)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# order = [
#     "configure_optimizers",
#     "on_train_start",
#     "training_step",
#     "on_before_zero_grad",
#     "on_before_backward",
#     "on_before_optimizer_step",
#     "validation_step",
#     "on_train_epoch_end",
# ]
# ```
#
# The middle is one step of chapter 2's loop: forward, `zero_grad`, `backward`, `step`. Validation is a part of the training epoch.
#
# </details>
#
# ### Exercise 5.3: read the file back (middle)
#
# Lightning's `metrics.csv` has several rows for each epoch, with gaps: the validation writes one, the training another, the learning rate some more (these have no epoch). Write a function that reads such a file and returns a table with one row for each epoch, without gaps in `train_loss` and `val_loss`.


# %%
def by_epoch(path): ...


grade("5.3", by_epoch)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def by_epoch(path):
#     table = pd.read_csv(path)
#     return table.groupby("epoch")[["train_loss", "val_loss"]].first()
# ```
#
# `first` takes the first entry of each group that is not a gap. `dropna` would throw away every row, since no row is complete.
#
# </details>
#
# ### Exercise 5.4: the norm of the gradient (middle)
#
# Write a callback that appends to `self.norms`, once a step, the norm of the gradient: the root of the sum of the squares of all gradients, over all weights together. Which hook sees the gradients of the present step?


# %%
class GradientNorm(pl.Callback):
    def __init__(self):
        self.norms = []

    ...


grade("5.4", GradientNorm)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class GradientNorm(pl.Callback):
#     def __init__(self):
#         self.norms = []
#
#     def on_before_optimizer_step(self, trainer, pl_module, optimizer):
#         squares = sum(w.grad.pow(2).sum() for w in pl_module.parameters())
#         self.norms.append(squares.sqrt().item())
# ```
#
# `on_after_backward` would do as well. Before `backward` the gradients are empty, or still those of the step before.
#
# </details>
#
# ### Exercise 5.5: stop when it is over (middle)
#
# A loss that is `nan` (not a number) or infinite never comes back. Write a callback that ends the training within the epoch, after the first such batch. `outputs["loss"]` holds the loss of the batch. `trainer.should_stop = True` asks the Trainer to stop.


# %%
class StopWhenLost(pl.Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx): ...


grade("5.5", StopWhenLost)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class StopWhenLost(pl.Callback):
#     def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
#         if not torch.isfinite(outputs["loss"]):
#             trainer.should_stop = True
# ```
#
# `loss == float("nan")` is never true, since `nan` is not equal to itself. (`EarlyStopping(check_finite=True)`, the default, looks only when its number is logged.)
#
# </details>
#
# ### Exercise 5.6: choose the arguments (middle)
#
# Somebody asks you for a training that
#
# - takes steps as with batches of 256 images, though only 64 fit into memory,
# - shortens a gradient whose norm is above 1,
# - uses only the first tenth of the training batches in each epoch,
# - ends after two hours at the latest.
#
# The data module gives batches of 64. Which arguments does the Trainer need?

# %%
arguments = ...  # a dict of names and values for pl.Trainer(**arguments)

grade("5.6", arguments)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# arguments = {
#     "accumulate_grad_batches": 4,
#     "gradient_clip_val": 1.0,
#     "limit_train_batches": 0.1,
#     "max_time": "00:02:00:00",
# }
# ```
#
# Whole numbers and fractions differ: `limit_train_batches=10` means ten batches. The time counts days first.
#
# </details>
#
# ### Exercise 5.7: small parts, one step (hard)
#
# What does `accumulate_grad_batches` compute? Write it yourself. `accumulate` cuts a batch into parts of at most `size` images. It calls `backward` for each part and returns the list of all `w.grad`. They should be the gradients of the mean loss over the whole batch. The last part may be smaller! Then say how equal they are.


# %%
def accumulate(model, images, labels, size): ...


equality = ...  # "bit for bit", "up to rounding" or "not at all"

grade("5.7", accumulate, equality)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def accumulate(model, images, labels, size):
#     model.zero_grad()
#     for part, truth in zip(images.split(size), labels.split(size)):
#         loss = F.cross_entropy(model(part), truth)
#         (loss * len(part) / len(images)).backward()
#     return [w.grad for w in model.parameters()]
#
#
# equality = "up to rounding"
# ```
#
# `backward` adds to the gradients that are there, so `zero_grad` comes once, before the parts. Each part counts by its share of the images. Lightning divides by the number of parts; that is the same when all parts are equally large. The sums are taken in another order, hence the rounding. With batch normalisation it would not be equal at all.
#
# </details>
#
# ### Exercise 5.8: full parity (open-ended)
#
# Port this loop so that the weights come out equal, bit for bit if you can:
#
# ```python
# def their_loop(model, batches):
#     optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
#     schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
#     for epoch in range(2):
#         model.train()
#         for images, labels in batches:
#             loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
#             optimizer.zero_grad()
#             loss.backward()
#             torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.1)
#             optimizer.step()
#             schedule.step()
# ```
#
# Write `port(model)`: it returns a LightningModule that trains the given model, and a `dict` of arguments for the Trainer. Then do the same with a model and a loop of your own, and compare with `torch.equal`.


# %%
def port(model): ...


grade("5.8", port)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class Ported(pl.LightningModule):
#     def __init__(self, model):
#         super().__init__()
#         self.model = model
#
#     def training_step(self, batch, batch_idx):
#         images, labels = batch
#         return F.cross_entropy(self.model(images), labels, label_smoothing=0.1)
#
#     def configure_optimizers(self):
#         optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
#         schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
#         return [optimizer], [{"scheduler": schedule, "interval": "step"}]
#
#
# def port(model):
#     return Ported(model), {"max_epochs": 2, "gradient_clip_val": 0.1}
# ```
#
# The two easy things to miss are the interval of the schedule and the clipping, which is an argument of the Trainer.
#
# </details>
#
# ## Quiz
#
# **1. What does `training_step` have to do with the loss?**
#
# <details name="quiz-5-1"><summary>A. Call `backward` on it, then return it</summary>
#
# ❌ Not so: the Trainer calls `backward`. Calling it yourself would add the gradients twice, or fail.
#
# </details>
# <details name="quiz-5-1"><summary>B. Return it as a number, with `.item()`</summary>
#
# ❌ Not so: a plain number has lost its connection to the weights, so there is nothing to go backward through.
#
# </details>
# <details name="quiz-5-1"><summary>C. Return it as a tensor</summary>
#
# ✅ Yes: the Trainer takes the tensor and does `zero_grad`, `backward` and `step`.
#
# </details>
#
# **2. Our loop and Lightning end with the same accuracy to four digits. What does that prove?**
#
# <details name="quiz-5-2"><summary>A. Little: a small mistake could hide behind it</summary>
#
# ✅ Yes: many mistakes cost less than the fourth digit shows. Equal weights, bit for bit, prove more.
#
# </details>
# <details name="quiz-5-2"><summary>B. That both did the same training, step by step</summary>
#
# ❌ Not so: accuracy counts whole images. Two different networks can have the same number of hits.
#
# </details>
# <details name="quiz-5-2"><summary>C. That both used the same seed for order and weights</summary>
#
# ❌ Not so: another seed often ends at almost the same accuracy, with entirely different weights.
#
# </details>
#
# **3. You resume a run and load only the weights of the checkpoint into a new Trainer. Adam was the optimizer. What happens?**
#
# <details name="quiz-5-3"><summary>A. The same as without the break, since the weights are all that a network is</summary>
#
# ❌ Not so: the network is its weights, but the *training* also has the state of its optimizer.
#
# </details>
# <details name="quiz-5-3"><summary>B. It goes on, along another path</summary>
#
# ✅ Yes: Adam's running means start from zero again. `ckpt_path` restores them, and the epoch too.
#
# </details>
# <details name="quiz-5-3"><summary>C. Lightning refuses, because the state of the optimizer is missing</summary>
#
# ❌ Not so: Lightning cannot know that the weights have a history. There is no error.
#
# </details>
#
# **4. The same module takes 1.5 times as long in Lightning as in a plain loop. What is the likely reason?**
#
# <details name="quiz-5-4"><summary>A. Lightning computes gradients in a slower way than PyTorch does</summary>
#
# ❌ Not so: Lightning calls PyTorch's own `backward`. The arithmetic is the same, bit for bit.
#
# </details>
# <details name="quiz-5-4"><summary>B. The data are copied once more for every callback that listens</summary>
#
# ❌ Not so: callbacks get the batch that is there anyway; nothing is copied.
#
# </details>
# <details name="quiz-5-4"><summary>C. Each step is so short that the housekeeping shows</summary>
#
# ✅ Yes: the extra time does not grow with the arithmetic in a step, so short steps pay the larger share.
#
# </details>
#
# **5. Two processes train one model with DDP, the batch size of all together is 120. What does each process do?**
#
# <details name="quiz-5-5"><summary>A. It trains its own model on half of the data; the models are averaged at the end</summary>
#
# ❌ Not so: gradients are exchanged in every step, so the copies never drift apart.
#
# </details>
# <details name="quiz-5-5"><summary>B. It computes gradients for 60 images and steps with the mean</summary>
#
# ✅ Yes: the mean of both halves' gradients is the gradient of the whole batch, up to rounding.
#
# </details>
# <details name="quiz-5-5"><summary>C. It takes every second step while the other process waits</summary>
#
# ❌ Not so: nothing would be faster then. Both work at the same time, on different images.
#
# </details>
#
# **6. `overfit_batches=2` ends with a loss of 1.46 on ten classes. What do you conclude?**
#
# <details name="quiz-5-6"><summary>A. Good: the network does not overfit</summary>
#
# ❌ Not so: here it *should* learn two batches by heart. That it cannot is the finding.
#
# </details>
# <details name="quiz-5-6"><summary>B. More data is needed before the loss can fall</summary>
#
# ❌ Not so: two batches are easier to learn than many. More data would only hide the mistake.
#
# </details>
# <details name="quiz-5-6"><summary>C. Model or loss has a mistake</summary>
#
# ✅ Yes: 1.46 is just the floor that softmax taken twice leaves for ten classes.
#
# </details>
#
# **7. A schedule is made for 1,000 steps and returned as `[optimizer], [scheduler]`. What does Lightning do with it?**
#
# <details name="quiz-5-7"><summary>A. It moves the schedule on once per epoch</summary>
#
# ✅ Yes: that is the default. With ten epochs the schedule has done ten of its 1,000 moves, without an error.
#
# </details>
# <details name="quiz-5-7"><summary>B. It moves the schedule on after every batch</summary>
#
# ❌ Not so: that needs `"interval": "step"`. Lightning cannot see what the schedule was made for.
#
# </details>
# <details name="quiz-5-7"><summary>C. It stops with an error, because the length of the run is not that of the schedule</summary>
#
# ❌ Not so: this is one of the silent mistakes. Log the learning rate and look at it.
#
# </details>
#
# ## Takeaways
#
# - A LightningModule says what is learned, a LightningDataModule from what, the Trainer drives. It is the same loop.
# - You do not write fewer lines. You write fewer of the lines in which mistakes are easy.
# - "The same" can be proved: equal seeds, equal order, `torch.equal`.
# - A checkpoint with the optimizer's state continues exactly; the weights alone do not.
# - Two processes share each batch and average their gradients: the same curve, up to rounding.
# - Lightning costs a fixed time per step. Tiny models feel it, CNNs hardly.
# - `fast_dev_run` and `overfit_batches` find mistakes before the long run does. For silent ones, compare with something you trust.
#
# ## Read on
#
# - [Lightning's documentation](https://lightning.ai/docs/pytorch/stable/): all hooks in pseudocode, all arguments of the Trainer, all callbacks.
# - [PyTorch: saving and loading models](https://pytorch.org/tutorials/beginner/saving_loading_models.html): what a state dict is, and what to keep to resume.
# - [PyTorch: reproducibility](https://pytorch.org/docs/stable/notes/randomness.html): what can be equal bit for bit, and what cannot.
# - [Li and others, 2020, *PyTorch Distributed*](https://arxiv.org/abs/2006.15704): how DDP exchanges gradients while it still computes others.
# - [Goyal and others, 2017, *Accurate, Large Minibatch SGD*](https://arxiv.org/abs/1706.02677): how learning rate and batch size change together when many processes share the work.
#
# ## Next
#
# You have gone from pixels to Lightning. [Speed and scale](07_speed_and_scale.ipynb) asks where the seconds go, and how many of them can be saved. [Your own images](own_images.ipynb) trains on a folder of pictures of yours.
