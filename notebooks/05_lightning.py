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
# - rewrite a training loop as a LightningModule, and say where each line went,
# - give it data through a LightningDataModule with real `DataLoader`s,
# - log numbers, keep the best weights, stop early, and read the log back,
# - load a checkpoint, predict with it, and go on after a crash,
# - put Lightning's hooks in order, and write a callback of your own,
# - find mistakes before a long run does,
# - measure what Lightning costs, and decide when it is worth it.
#
# **Before you start**: the `Dataset`, `DataLoader` and training loop of chapter 2, and the small CNN of chapter 3. Of chapter 4 you need Adam and the one-cycle schedule.
#
# **Time**: read about 35 minutes, exercises and quiz about 60 more. The full run takes <!-- result:chapters.05.full_seconds|minutes -->3 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.05.fast_seconds|seconds -->30 s<!-- /result -->.
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
import importlib.util

missing = [name for name in ['pytorch_lightning'] if importlib.util.find_spec(name) is None]
if missing:
    said = subprocess.getoutput(f'"{sys.executable}" -m pip install -q {" ".join(missing)}')
    importlib.invalidate_caches()
    if not all(map(importlib.util.find_spec, missing)):
        raise Stop(f"Could not install {', '.join(missing)}: {' '.join(said.split())}")
    print("Installed, as missing here:", ", ".join(missing))
if "google.colab" in sys.modules:
    import torch

    on = torch.cuda.is_available()
    print("A GPU is on." if on else "No GPU is on: all works, only more slowly. To have one: "
          "Runtime → Change runtime type → T4 GPU → Save, then Runtime → Run all.")
    print("Your answers stay only in a copy of your own: File → Save a copy in Drive.")

# %% tags=["hide-input"]
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    RandomSampler,
    TensorDataset,
)

from helpers.data import load
from helpers.exercises import grade
from helpers.lightning import quiet_lightning
from helpers.models import build_model, count_parameters
from helpers.notebook import budget, confirm, is_live, record
from helpers.plots import COLOURS, WIDTH, show_images, use_style
from helpers.speed import keep_freed_memory

use_style()

# %% tags=["hide-input"]
mnist = load("mnist")
digits = mnist.subset(2_000)  # enough for all but the last run

EPOCHS = 3  # of the last run, on all images
LENGTHS = budget(full=(10, 30, 60), fast=(4, 8))  # steps, to measure the cost
REPEATS = budget(full=7, fast=1)

# %% tags=["hide-input"]
scratch = tempfile.TemporaryDirectory()  # for logs and checkpoints
folder = Path(scratch.name)
quiet_lightning()  # no lines about devices, workers, log intervals: the text says why
# A page cannot store a moving bar; whoever runs this has it.
page = {} if is_live() else {"enable_progress_bar": False}

# %% [markdown]
# ## One loop, three jobs
#
# Here is chapter 2 once more, in short. A `Dataset` gives one image and its label. A `DataLoader` makes batches of them.


# %%
class Digits(Dataset):
    def __init__(self, data, split):
        self.data, self.split = data, getattr(data, split)

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        batch_of_one = self.split.images[index : index + 1]  # normalise wants a batch
        image = self.data.normalise(batch_of_one)[0]
        return image, self.split.labels[index]


# %%
train_loader = DataLoader(Digits(digits, "train"), batch_size=128, shuffle=True)
val_loader = DataLoader(Digits(digits, "val"), batch_size=500)
image, label = train_loader.dataset[0]
print(len(train_loader), "training batches; one image:", image.shape)

# %% [markdown]
# The loop does three jobs at once. It says *what* is learned: the loss and the optimizer. It says *from what*: the loaders. And it *drives*: epochs, training and evaluation mode, gradients on and off, bookkeeping.
#
# **Think first**: cover the letters at the ends of the lines. Which lines would change for another problem? Which are the same in every training that you will ever write?


# %%
def train_plainly(model, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)  # M
    losses = []  # T
    for epoch in range(epochs):  # T
        model.train()  # T
        for images, labels in train_loader:  # D
            loss = F.cross_entropy(model(images), labels)  # M
            optimizer.zero_grad()  # T
            loss.backward()  # T
            optimizer.step()  # T
            losses.append(loss.item())  # T
        model.eval()  # T
        correct = 0  # T
        with torch.no_grad():  # T
            for images, labels in val_loader:  # D
                correct += (model(images).argmax(dim=1) == labels).sum().item()  # M
        print(f"validation accuracy {correct / len(val_loader.dataset):.3f}")  # T
    return losses  # T


# %%
pl.seed_everything(0)  # Lightning's shortcut: seeds Python, NumPy and PyTorch
plain_network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
plain_losses = train_plainly(plain_network, epochs=2)

# %% [markdown]
# M: what is learned. D: from what. T: the driving, which is most of it. Lightning gives each job a place of its own:
#
# - **[LightningModule](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#lightningmodule)** (M): a class with the model, the loss and the optimizer. You write it.
# - **[LightningDataModule](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#lightningdatamodule)** (D): a class that hands out the loaders. You write it, or pass the loaders themselves.
# - **[Trainer](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#trainer)** (T): an object that drives. You choose its arguments.

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
data_text = "D  LightningDataModule\ntraining and\nvalidation batches"
box(axis, 0, 0.3, 2.5, 1.4, data_text, COLOURS[2])
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
# ## Your first LightningModule
#
# It is an ordinary `nn.Module` with a few methods of agreed names. Find in it the lines that were marked M. (`batch_idx` is the number of the batch in its epoch. Lightning passes it on; we rarely need it.)


# %%
class FirstModule(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self.model(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        hits = self.model(images).argmax(dim=1) == labels
        self.log("val_accuracy", hits.float().mean(), prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=0.02)


# %% [markdown]
# `training_step` only *returns* the loss. The Trainer calls `zero_grad`, `backward` and `step`. `self.log` hands a number to whoever listens: a file, the progress bar (`prog_bar=True`), a callback.
#
# Most projects write `import lightning as L` and `L.Trainer`. We write `import pytorch_lightning as pl` and `pl.Trainer`. It is the same library under two package names. Do not mix the two in one program: a module of one is a stranger to the Trainer of the other.
#
# ## The Trainer as it comes
#
# The only argument that you need is `max_epochs`. We add `default_root_dir`, so that its files go to a temporary folder instead of beside this notebook.

# %% tags=["nbval-ignore-output"]
trainer = pl.Trainer(max_epochs=1, default_root_dir=folder, **page)
trainer.fit(FirstModule(), train_loader, val_loader)
print("steps:", trainer.global_step)

# %% [markdown]
# In your own session you also see a progress bar. A page cannot store one that moves, so `page` switches it off here. We have silenced some messages, too. They say which devices were found, that more workers, processes that load batches ahead, may be faster (our images are in memory already), and that our epochs are shorter than the interval between two log entries. In your own project, read them all once.
#
# Before the first step the Trainer has printed a **summary** of the model: $784 \cdot 10$ weights and 10 biases. (FLOPs are the multiplications and additions for one image. They stay 0 unless the module names an image to try, `example_input_array`.) And it has run two batches of the validation, the **sanity check**. A mistake in `validation_step` thus shows up after a second, not after the first hour of training.
#
# It has also left files behind:

# %%
for path in sorted((folder / "lightning_logs").rglob("*")):
    print(path.relative_to(folder).as_posix().split(".out")[0])
page["enable_model_summary"] = False  # one summary on this page is enough

# %% [markdown]
# Every new Trainer makes a new folder: `version_0`, `version_1` and so on. `epoch=0-step=16.ckpt` is a [checkpoint](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#checkpoint): all weights after the last epoch, and more. What was logged is in the `events` file, if the package TensorBoard is installed, otherwise in `metrics.csv`.
#
# ## What went where
#
# | | Line of the loop | Where it is now |
# |---|---|---|
# | M | `optimizer = …` | `configure_optimizers` |
# | M | `loss = …` | `training_step` |
# | M | `correct += …` | `validation_step` |
# | D | the two loaders | arguments of `fit`, or a LightningDataModule |
# | T | `for epoch in …` | `Trainer(max_epochs=…)` |
# | T | `for images, labels in …` | `fit` |
# | T | `model.train()`, `model.eval()`, `torch.no_grad()` | `fit`, around the steps |
# | T | `zero_grad`, `backward`, `step` | `fit`, after every `training_step` |
# | T | `losses.append(…)`, `print(…)` | `self.log(…)` |
#
# Moving the model and each batch to a GPU (`.to(device)`) is the Trainer's job too.
#
# Did this save lines? Hardly. Most of the new ones are names: `class`, `def`, `return`. What we got rid of are the T lines, in which mistakes are easy: a forgotten `zero_grad`, a forgotten `eval()`. And the next wish will be one argument, not ten more lines.
#
# ## A module for daily work
#
# The first module is a minimum. Real projects add three things.
#
# **Metrics as objects.** `self.log` takes the mean over the batches, weighted by their size. For accuracy that is right, and we use the object only to show how. For many other metrics it is not right. *torchmetrics*, which comes with Lightning, has objects that collect what they need over a whole epoch and over all processes. Pass the object itself to `self.log`.
#
# **All four steps.** `test_step` for the test split, `predict_step` for images without labels.
#
# **[Hyperparameters](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#hyperparameter) that are saved.** `save_hyperparameters()` notes all arguments of `__init__` in `self.hparams`, and writes them into every checkpoint. So the file alone is enough to build the network again.


# %%
class ClassifierSteps(pl.LightningModule):
    def forward(self, images):
        return self.model(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.val_accuracy(logits, labels)
        self.log("val_accuracy", self.val_accuracy, prog_bar=True)
        self.log("val_loss", F.cross_entropy(logits, labels), sync_dist=True)

    def test_step(self, batch, batch_idx):
        images, labels = batch
        self.test_accuracy(self(images), labels)
        self.log("test_accuracy", self.test_accuracy)

    def predict_step(self, batch, batch_idx):
        return self(batch[0]).argmax(dim=1)


# %% [markdown]
# `on_epoch=True` asks for the mean over the epoch; in training, the default is one number every 50 steps. `sync_dist=True` matters as soon as several processes share the work: without it, the log holds the loss of *one* process's images. There is a warning, but no error. Metric objects do this by themselves.
#
# The steps are the same for every classifier. What ours is made of, the next class says.

# %%
from torchmetrics.classification import MulticlassAccuracy


class DigitNetwork(ClassifierSteps):
    def __init__(self, model="cnn", lr=0.003):
        super().__init__()
        self.save_hyperparameters()
        self.model = build_model(model, (1, 28, 28), num_classes=10, size="small")
        self.val_accuracy = MulticlassAccuracy(num_classes=10, average="micro")
        self.test_accuracy = MulticlassAccuracy(num_classes=10, average="micro")

    def configure_optimizers(self):
        return torch.optim.Adam(self.model.parameters(), lr=self.hparams.lr)


module = DigitNetwork("linear", lr=0.01)
print(dict(module.hparams))

# %% [markdown]
# (`"linear"` is the helpers' name for chapter 2's network 120-84-10, hidden layers and all.)
#
# `average="micro"` is the accuracy that you know: hits divided by images. The default, `"macro"`, gives each class the same weight instead. On an unbalanced set that is quite another number.
#
# (Does your `__init__` take a whole network as an argument? Write `save_hyperparameters(ignore=["model"])`, and hand the network over again when you load.)
#
# ## The data as a module
#
# `prepare_data` is for work that must be done once on a machine, such as a download. `setup` runs in every process and builds the data sets. Then one method for each loader.


# %%
class DigitData(pl.LightningDataModule):
    def __init__(self, batch_size=128, num_images=None):
        super().__init__()
        self.batch_size, self.num_images = batch_size, num_images

    def prepare_data(self):
        load("mnist")  # fetches the files if they are not here yet

    def setup(self, stage):  # stage: "fit", "validate", "test" or "predict"
        self.digits = load("mnist").subset(self.num_images)  # None: all

    def train_dataloader(self):
        return DataLoader(Digits(self.digits, "train"), self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(Digits(self.digits, "val"), batch_size=500)

    def test_dataloader(self):
        return DataLoader(Digits(self.digits, "test"), batch_size=500)

    predict_dataloader = test_dataloader


# %% [markdown]
# ## Four helpers for every day
#
# A **[callback](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#callback)** is an object that the Trainer calls at agreed moments: an add-on for any training. A **[logger](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#logger)** takes all that `self.log` gets. These four are in almost every project:
#
# - **ModelCheckpoint** writes a file of the best epoch, by the number that it has to `monitor`. A second one, without `monitor`, writes a file after every epoch: with `save_last=True` the newest is `last.ckpt`. (One object for both will not do: in new versions of Lightning it writes `last.ckpt` only when the best has changed.)
# - **[EarlyStopping](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#early-stopping)** ends the run when a number has not improved for `patience` epochs.
# - **LearningRateMonitor** puts the learning rate into the log.
# - **CSVLogger** writes a table, `metrics.csv`.
#
# To see them act, we train on few images for far too long. **Think first**: the network will learn its 1,000 images by heart. What will the training loss do, and what the validation loss?

# %%
from pytorch_lightning.callbacks import (
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
)
from pytorch_lightning.loggers import CSVLogger

pl.seed_everything(0)
data = DigitData(batch_size=64, num_images=1_000)
checkpoint = ModelCheckpoint(monitor="val_accuracy", mode="max", filename="best")
newest = ModelCheckpoint(filename="newest", save_last=True)
stopping = EarlyStopping("val_loss", mode="min", patience=5)
trainer = pl.Trainer(
    max_epochs=60,
    callbacks=[checkpoint, newest, stopping, LearningRateMonitor("epoch")],
    logger=CSVLogger(folder, name="few"),
    **page,
)
trainer.fit(DigitNetwork("linear", lr=0.003), datamodule=data)
confirm(trainer.current_epoch < 60, "the run was stopped before its last epoch")

# %% [markdown]
# The log is an ordinary table. An epoch has several rows with gaps, since each listener writes when it is called. `groupby("epoch").first()` puts them together.

# %%
log = pd.read_csv(folder / "few" / "version_0" / "metrics.csv")
print(log.head(5).to_string(index=False))
by_epoch = log.groupby("epoch").first()

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left, the dashed training loss falls towards zero while the validation loss soon stops falling; a dotted line marks its lowest point, from which early stopping counts. Right, validation accuracy by epoch with a star at the best epoch, whose weights are kept."}}
figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(WIDTH, 3))
epochs = by_epoch.index + 1
left_axis.plot(epochs, by_epoch["train_loss"], "--", label="training")
left_axis.plot(epochs, by_epoch["val_loss"], label="validation")
lowest = by_epoch["val_loss"].idxmin() + 1
left_axis.axvline(lowest, color="0.5", linestyle=":", label="lowest: now count to 5")
left_axis.set(xlabel="epoch", ylabel="loss (nats)", title="EarlyStopping", ylim=0)
left_axis.legend(fontsize=9)
best = by_epoch["val_accuracy"].idxmax()
right_axis.plot(epochs, 100 * by_epoch["val_accuracy"], color=COLOURS[2])
kept = 100 * by_epoch["val_accuracy"][best]
right_axis.plot(best + 1, kept, "*", markersize=14, color=COLOURS[3], label="kept")
right_axis.set(xlabel="epoch", ylabel="validation accuracy (%)")
right_axis.set_title("ModelCheckpoint")
for axis in (left_axis, right_axis):
    axis.locator_params(axis="x", integer=True)
right_axis.legend(fontsize=9)
plt.show()

# %% [markdown]
# The training loss goes on falling, the validation loss does not, though the accuracy still creeps up: the network gets more certain, also where it is wrong. The lowest loss and the highest accuracy need not be in the same epoch: say which one you want. We stop by the loss, which is smoother, and keep the best accuracy, which we report.
#
# Other loggers take the same numbers without a change in the module. For TensorBoard, write `logger=TensorBoardLogger("runs")` and run `tensorboard --logdir runs`: your browser then shows the curves while they grow.
#
# ## Load the best
#
# A checkpoint is a `dict` that PyTorch can open without Lightning. `weights_only=True` reads numbers and text, and runs no code from the file. Always say so for files from the internet.

# %%
print(sorted(path.name for path in Path(checkpoint.dirpath).iterdir()))
saved = torch.load(checkpoint.best_model_path, weights_only=True)
print(saved["hyper_parameters"])
print(*saved["state_dict"], sep="\n")

# %% [markdown]
# `load_from_checkpoint` is a method of the *class*. It reads the hyperparameters, builds the network, and fills in the weights. Is it the right one? We measure it again on the validation split.

# %%
best_module = DigitNetwork.load_from_checkpoint(checkpoint.best_model_path)
again = trainer.validate(best_module, datamodule=data, verbose=False)[0]
print(f"best in the log: {by_epoch['val_accuracy'].max():.4f}")
print(f"loaded:          {again['val_accuracy']:.4f}")

# %% [markdown]
# To ask it for an answer, use it as any network. It comes in training mode, so say `eval()` first.

# %%
best_module.eval()
with torch.no_grad():
    images, labels = next(iter(val_loader))
    answers = best_module(images[:8]).argmax(dim=1)
print(f"right among the first eight: {(answers == labels[:8]).float().mean():.3f}")

# %% [markdown]
# ## Go on after a crash
#
# A checkpoint also holds the state of the optimizer and the number of the epoch. So a training can go on where it stopped. Is a run with a crash *the same* as one without?
#
# For that, the order of the images must not depend on what ran before. `DistributedSampler` shuffles by seed and epoch alone. It is made for several processes, and works with one; the Trainer tells it the epoch.


# %%
class PowerCut(pl.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 40:
            raise RuntimeError("the power is gone in step 40")


# %%
def run(name, *callbacks, seed=0, ckpt_path=None):
    pl.seed_everything(seed)
    module, images = DigitNetwork("linear"), Digits(digits, "train")
    order = DistributedSampler(images, num_replicas=1, rank=0)
    loader = DataLoader(images, batch_size=128, sampler=order)
    keep = ModelCheckpoint(folder / name, save_last=True)
    trainer = pl.Trainer(
        max_epochs=4, callbacks=[keep, *callbacks], logger=False, **page
    )
    trainer.fit(module, loader, val_loader, ckpt_path=ckpt_path)
    return module.model


# %% [markdown]
# The crash comes in the middle of the third epoch, since an epoch has 16 steps. To start again, `ckpt_path="last"` looks for `last.ckpt` in the folder of the `ModelCheckpoint`.

# %%
without_crash = run("without")
try:
    run("crash", PowerCut())
except RuntimeError as error:
    print(error)
saved = torch.load(folder / "crash" / "last.ckpt", weights_only=True)
print("last.ckpt was written after step", saved["global_step"])

# %%
resumed = run("crash", seed=99, ckpt_path="last")


def equal_weights(one, other):
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


print("the same weights, to the last bit:", equal_weights(without_crash, resumed))

# %% [markdown]
# Only the eight steps after the last file had to be done again. (With `shuffle=True` the images would come in another order: as good, but not equal.)
#
# The file must be *there*: set `save_last=True` before the crash, in a `ModelCheckpoint` without `monitor`. Where it is missing, Lightning only warns, and starts from the beginning. And it must be used as a whole: with the weights alone, Adam's running means start from zero, and training goes another way.
#
# ## Hooks, in the order they run
#
# A **[hook](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#hook)** is a method with an agreed name that the Trainer calls at an agreed moment. `training_step` is one. There are dozens; here are the ones that matter.
#
# **Think first**: is the optimizer made before or after training starts? Is validation part of the training epoch, or does it come after it?
#
# Do not guess, look. Each hook of this module notes its name.

# %%
calls = []


class Noting(FirstModule):
    def configure_optimizers(self):
        calls.append("configure_optimizers *")
        return super().configure_optimizers()

    def training_step(self, batch, batch_idx):
        calls.append("training_step *")
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        calls.append("validation_step *")
        return super().validation_step(batch, batch_idx)

    def on_before_zero_grad(self, optimizer):
        calls.append("on_before_zero_grad")

    def on_before_backward(self, loss):
        calls.append("on_before_backward")

    def on_before_optimizer_step(self, optimizer):
        calls.append("on_before_optimizer_step")


# %% [markdown]
# The hooks with `_start` and `_end` are noted by a callback. A callback has the same hooks, and gets the Trainer and the module (`pl_module`) as arguments.


# %%
class NotingCallback(pl.Callback):
    def on_fit_start(self, *_): calls.append("on_fit_start")
    def on_sanity_check_start(self, *_): calls.append("on_sanity_check_start")
    def on_sanity_check_end(self, *_): calls.append("on_sanity_check_end")
    def on_train_start(self, *_): calls.append("on_train_start")
    def on_train_epoch_start(self, *_): calls.append("on_train_epoch_start")
    def on_train_batch_start(self, *_): calls.append("on_train_batch_start")
    def on_train_batch_end(self, *_): calls.append("on_train_batch_end")
    def on_validation_start(self, *_): calls.append("on_validation_start")
    def on_validation_end(self, *_): calls.append("on_validation_end")
    def on_train_epoch_end(self, *_): calls.append("on_train_epoch_end")
    def on_train_end(self, *_): calls.append("on_train_end")
    def on_fit_end(self, *_): calls.append("on_fit_end")


# %%
bare = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
few = {"limit_train_batches": 2, "limit_val_batches": 1}
trainer = pl.Trainer(max_epochs=1, callbacks=[NotingCallback()], **few, **bare)
trainer.fit(Noting(), train_loader, val_loader)
print(len(calls), "calls, from", calls[0], "to", calls[-1])

# %% [markdown]
# (`bare` switches off files, bar and summary: the many short experiments to come would only leave litter.)
#
# Every `…_start` has its `…_end`, so the calls nest like brackets. The picture draws each pair as a box; time runs downwards.

# %% tags=["hide-input"] mystnb={"image": {"alt": "All calls from top to bottom, in nested boxes. Inside the box of the fit lies first the sanity check with one validation step, then the training, in it the epoch, in it two boxes of one batch each: training_step, zero_grad, backward, optimizer step. Below them, still inside the epoch, the box of the validation."}}
figure, axis = plt.subplots(figsize=(WIDTH, 6.6))
opened = []
colours = {"validation": COLOURS[1], "sanity": COLOURS[1], "batch": COLOURS[2]}
for row, name in enumerate(calls):
    if name.endswith("_end"):
        top, first = opened.pop()
        depth = len(opened)
        colour = next((c for word, c in colours.items() if word in first), COLOURS[5])
        corner, width = (0.6 * depth, top - 0.45), 13 - 0.8 * depth
        for face in ("white", colour + "33"):  # white hides the box around
            look = {"facecolor": face, "edgecolor": colour, "zorder": depth / 10}
            axis.add_patch(plt.Rectangle(corner, width, row - top + 0.9, **look))
    weight = "bold" if "*" in name else "normal"
    place = 0.6 * len(opened) + 0.2
    axis.text(place, row, name, fontsize=9, va="center", fontweight=weight)
    if name.endswith("_start"):
        opened.append((row, name))
notes = {
    "training_step *": "forward, loss",
    "on_before_zero_grad": "zero_grad",
    "on_before_backward": "backward",
    "on_before_optimizer_step": "optimizer.step",
    "validation_step *": "eval, no_grad",
}
for name, text in notes.items():
    row = calls.index(name)
    axis.text(7.6, row, "← " + text, fontsize=9, va="center", color="0.25")
axis.set(xlim=(-0.2, 13.2), ylim=(len(calls), -1))
axis.axis("off")
plt.show()

# %% [markdown]
# Bold with a star: methods that every module has. Inside a green box you find the loop of chapter 2: `training_step`, `zero_grad`, `backward`, `optimizer.step`.
#
# The optimizer is made before training starts, even before the sanity check. And validation runs *inside* the training epoch, before `on_train_epoch_end`. That is why a callback may look at `val_accuracy` at the end of a training epoch.
#
# ## A callback of your own, and a proof
#
# Is it *really* the same training? "About the same accuracy" would not convince: many mistakes cost only a little of it. With the same first weights, the same batches and the same arithmetic, every loss must be equal to the last bit.
#
# The plain loop kept the loss of every step. A callback can do the same at the end of each batch; `outputs["loss"]` is what `training_step` has returned.


# %%
class KeepLosses(pl.Callback):
    def __init__(self):
        self.losses = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].item())


# %%
pl.seed_everything(0)  # as before the plain loop
keep, module = KeepLosses(), FirstModule()
trainer = pl.Trainer(max_epochs=2, accelerator="cpu", callbacks=[keep], **bare)
trainer.fit(module, train_loader, val_loader)

pairs = pd.DataFrame({"plain loop": plain_losses, "Lightning": keep.losses})
pairs.index = [f"step {number}" for number in range(1, len(pairs) + 1)]
print(pairs.iloc[[0, 1, -1]].to_string(float_format="%.9f"))
print("all losses equal:", plain_losses == keep.losses)
print("all weights equal:", equal_weights(plain_network, module.model))

# %% [markdown]
# Not "close": equal. The Trainer is not magic. It is our loop.
#
# One seed at the start was enough, since both versions draw the same random numbers. (The sanity check draws some, too; Lightning puts the generator back afterwards.) It holds on the CPU, on one machine. A GPU may add up in another order from run to run: there "equal" becomes "equal up to rounding".
#
# ## Two switches that find mistakes
#
# The sanity check tries the validation. But what about the rest? Here is a module whose author mistyped a name in the last line of the epoch. **`fast_dev_run=True`** runs *one* training and *one* validation batch and every hook around them, without logs and checkpoints. It answers: does every line run at all?


# %%
class Mistyped(DigitNetwork):
    def on_train_epoch_end(self):
        print(f"loss {self.trainer.callback_metrics['trian_loss']:.3f}")


for switch in ({"max_epochs": 1}, {"fast_dev_run": True}):
    trainer = pl.Trainer(**switch, **bare)
    try:
        trainer.fit(Mistyped("linear"), train_loader, val_loader)
    except KeyError as error:
        print(switch, "→ KeyError", error, "in step", trainer.global_step)

# %% [markdown]
# The sanity check saw nothing, since `on_train_epoch_end` is no part of it. Without the switch we learn of the mistake after a whole epoch, with it after one step. Make it a habit before every long run.
#
# **`overfit_batches=2`** trains on the same two batches again and again. It answers: *can* the model learn? A healthy one learns two batches by heart and its loss goes towards 0. If not, the mistake is in the model or in the loss, and no amount of data will help.
#
# **Think first**: this `forward` returns probabilities, which looks tidy. What does `F.cross_entropy` make of them?


# %%
class TwiceSoftmax(DigitNetwork):
    def forward(self, images):
        return self.model(images).softmax(dim=1)


# %%
def overfit(module):
    """The training loss after many epochs on the same two batches of 64 images."""
    same = DataLoader(Digits(digits, "train"), batch_size=64)
    trainer = pl.Trainer(
        max_epochs=60, overfit_batches=2, limit_val_batches=0, **bare
    )
    trainer.fit(module, same)
    return trainer.callback_metrics["train_loss"].item()


healthy, twice = overfit(DigitNetwork("linear")), overfit(TwiceSoftmax("linear"))
floor = F.cross_entropy(torch.eye(10), torch.arange(10)).item()
print(f"correct module: {healthy:.3f}; softmax twice: {twice:.3f} (floor {floor:.3f})")
confirm(healthy < 0.1 < floor - 1e-4 <= twice, "two batches tell the two modules apart")

# %% [markdown]
# **Softmax twice** is a *silent* mistake: nothing fails. `cross_entropy` takes softmax itself, and so the second softmax gets numbers between 0 and 1. Even a perfect model can give the true class no more than $e^1 / (e^1 + 9 e^0)$. That is the floor: more training never gets below it.
#
# ## What it costs
#
# The Trainer does a lot between two batches: it calls hooks, keeps metrics, looks whether it should stop. Do not divide the time of one run by its steps: setting up the Trainer is in it too. Measure runs of *several lengths*, and draw a line through them:
#
# $$\text{time} = a + h \cdot \text{steps}.$$
#
# $a$ is what a run costs before its first step, $h$ what each step adds.
#
# **Think first**: for which network will the $h$ of the two loops differ more, in per cent: for the network of linear layers or for the CNN?
#
# Both loops get batches of 64 images from the same `DataLoader`, without validation. They take turns, and of each length the fastest run counts. Freed memory is kept for the next step, in both: chapter 7 shows what it costs to give it back, and here that would drown the difference.


# %%
def plain_steps(model, loader, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    model.train()
    for step, (images, labels) in enumerate(loader, start=1):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == steps:
            break


def lightning_steps(module, loader, steps):
    trainer = pl.Trainer(
        max_epochs=1, limit_train_batches=steps, accelerator="cpu", **bare
    )
    trainer.fit(module, loader)


# %% tags=["hide-input"]
def seconds(run, *arguments):
    started = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - started


keep_freed_memory()
part = Digits(digits, "train")
draws = RandomSampler(part, replacement=True, num_samples=64 * max(LENGTHS))
loader = DataLoader(part, batch_size=64, sampler=draws)
timed = []
for model in ("linear", "cnn"):
    for repeat in range(REPEATS):
        for steps in LENGTHS:
            module = DigitNetwork(model)
            plain_time = seconds(plain_steps, module.model, loader, steps)
            lit_time = seconds(lightning_steps, DigitNetwork(model), loader, steps)
            timed.append((model, "plain loop", steps, plain_time))
            timed.append((model, "Lightning", steps, lit_time))
timed = pd.DataFrame(timed, columns=["model", "loop", "steps", "seconds"])
fastest = timed.groupby(["model", "loop", "steps"])["seconds"].min()

# %%
lines = {}
for key, times in fastest.groupby(level=["model", "loop"]):
    h, a = np.polyfit(times.index.get_level_values("steps"), times, deg=1)
    lines[key] = {"a (ms)": 1000 * a, "h (ms a step)": 1000 * h}
lines = pd.DataFrame(lines).T.loc[["linear", "cnn"]]
print(lines.to_string(float_format="%.2f"))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels, linear network and small CNN: seconds against steps, measured points on two straight lines each, the plain loop and Lightning. For the linear network the line of Lightning is clearly steeper; for the CNN the two lie close together."}}
figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3))
for axis, model in zip(axes, ("linear", "cnn")):
    for loop, marker, colour in (("plain loop", "o", 0), ("Lightning", "s", 1)):
        times = fastest[model, loop]
        a, h = lines.loc[(model, loop)] / 1000
        steps = np.array([0, *times.index])
        axis.plot(steps, a + h * steps, color=COLOURS[colour], label=loop)
        axis.plot(times.index, times, marker, color=COLOURS[colour])
    axis.set(xlabel="steps", title=f"{model} network", ylim=0)
axes[0].set(ylabel="seconds")
axes[0].legend(fontsize=9)
plt.show()

# %% [markdown]
# The few milliseconds of $a$ are mostly noise here; do not read much into them. Look at $h$: each step costs Lightning some housekeeping. How much of a step is that?

# %%
h = lines["h (ms a step)"].unstack()
h["extra (ms)"] = h["Lightning"] - h["plain loop"]
h["extra (%)"] = 100 * h["extra (ms)"] / h["plain loop"]
print(h.loc[["linear", "cnn"]].to_string(float_format="%.2f"))
share = h["extra (%)"]
confirm(share["cnn"] < share["linear"], "the larger network pays the smaller share")

# %% [markdown]
# The arithmetic of a step is the plain loop's, so Lightning's share shrinks as the network grows. The CNN's extra time is a small difference of two large numbers, and so the less certain of the two: this cannot tell whether it is the same for both networks. And where a `DataLoader` has to open files first, a step is longer and the share smaller still.
#
# ## The full run
#
# Now in earnest: the small CNN on all training images, with the one-cycle schedule of chapter 4. A schedule is returned beside its optimizer. `estimated_stepping_batches` is the number of steps of the whole run. `"interval": "step"` says that the schedule moves after every step.


# %%
class ScheduledNetwork(DigitNetwork):
    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.model.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.hparams.lr,
            total_steps=self.trainer.estimated_stepping_batches,
        )
        moves = {"scheduler": schedule, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": moves}


# %% [markdown]
# Lightning takes a GPU if there is one. There is no early stopping here: a schedule with a planned end should reach it.

# %%
pl.seed_everything(1)
module, data = ScheduledNetwork("cnn", lr=0.01), DigitData()
best = ModelCheckpoint(monitor="val_accuracy", mode="max", filename="best")
trainer = pl.Trainer(
    max_epochs=EPOCHS,
    callbacks=[best, LearningRateMonitor("step")],
    logger=CSVLogger(folder, name="full"),
    log_every_n_steps=5,
    **page,
)
started = time.perf_counter()
trainer.fit(module, datamodule=data)
fit_seconds = time.perf_counter() - started

# %%
log = pd.read_csv(folder / "full" / "version_0" / "metrics.csv")
by_epoch = log.groupby("epoch").first()[["train_loss", "val_loss", "val_accuracy"]]
by_epoch.index += 1
print(by_epoch.to_string(float_format="%.4f"))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left, training and validation loss fall over the epochs. Right, the learning rate against the step: it rises to its peak, then falls to almost zero."}}
figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
left_axis.plot(by_epoch["train_loss"], "o--", label="training")
left_axis.plot(by_epoch["val_loss"], "s-", label="validation")
left_axis.set(xlabel="epoch", ylabel="loss (nats)", title="small CNN", ylim=0)
left_axis.set_xticks(by_epoch.index)
left_axis.legend(fontsize=9)
rates = log.dropna(subset="lr-Adam")
right_axis.plot(rates["step"], rates["lr-Adam"], color=COLOURS[2])
right_axis.set(xlabel="step", ylabel="learning rate", title="one-cycle schedule")
plt.show()

# %% [markdown]
# All choices are made. Now, once, the test split. `ckpt_path="best"` loads the weights that were best on the validation split; without it, those of the last epoch are measured.

# %%
result = trainer.test(datamodule=data, ckpt_path="best", verbose=False)[0]
print(f"test accuracy {100 * result['test_accuracy']:.2f} %")

# %% [markdown]
# `predict` calls `predict_step` for every batch and gives a list of what came back. Here are the first test images on which the network is wrong, with its answers.

# %% mystnb={"image": {"alt": "Eight handwritten digits that the network reads wrongly, each under its wrong answer; most are untidy, or look like the digit that was answered."}}
answers = torch.cat(trainer.predict(datamodule=data, ckpt_path="best"))
test_images, truth = data.digits.test.images, data.digits.test.labels
wrong = (answers != truth).nonzero()[:8, 0]
show_images(test_images[wrong], answers[wrong], mnist.classes)
plt.show()

# %% tags=["hide-input"]
record("lightning.mnist", test_accuracy=result["test_accuracy"], seconds=fit_seconds)

# %% [markdown]
# ## Several GPUs
#
# A large training is shared among several **processes**, one for each GPU, each with its own copy of the network. The usual way is called **[DDP](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#ddp)**: every process computes gradients for its part of the batch, and all step with the mean of them. In Lightning it is two arguments, in a script (other processes cannot run the cells of a notebook):
#
# ```python
# trainer = pl.Trainer(devices=2, strategy="ddp")
# ```
#
# The Trainer starts the processes, and gives each its share of every `DataLoader`. The batch size is now that of *one* process. And `self.log` needs `sync_dist=True`, as said above. [Speed and scale](07_speed_and_scale.ipynb) runs two processes and compares them with one.
#
# ## What went wrong, and why
#
# You have met two mistakes already: a mistyped name, which `fast_dev_run` found, and softmax taken twice, which `overfit_batches` found. Two more.
#
# **Loud: the name of a number that nobody logged.** We ask for `val_acc`, but the module logs `val_accuracy`. Lightning says so and lists the names that it knows. Read the end of the message first.

# %%
trainer = pl.Trainer(max_epochs=1, callbacks=[EarlyStopping("val_acc")], **bare)
try:
    trainer.fit(DigitNetwork("linear"), train_loader, val_loader)
except RuntimeError as error:
    print(error)

# %% [markdown]
# **Silent: a schedule that counts epochs.** Lightning moves a schedule on once an *epoch*, unless `"interval"` says otherwise. Leave it out, and there is no error. (`OneCycleLR` alone gets a warning.) Here is a cosine that should end at zero.


# %%
class CosineNetwork(DigitNetwork):
    moves = {"interval": "step"}

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        steps = self.trainer.estimated_stepping_batches
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        schedule = {"scheduler": cosine, **self.moves}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %%
class LeftOut(CosineNetwork):
    moves = {}


rates = {}
for kind in (CosineNetwork, LeftOut):
    logger = CSVLogger(folder, name=kind.__name__)
    trainer = pl.Trainer(
        max_epochs=3,
        callbacks=[LearningRateMonitor("step")],
        log_every_n_steps=1,
        **bare | {"logger": logger},
    )
    trainer.fit(kind("linear", lr=0.01), train_loader, val_loader)
    table = pd.read_csv(Path(logger.log_dir) / "metrics.csv")
    rates[kind.__name__] = table["lr-Adam"].dropna().to_numpy()
    accuracy = 100 * trainer.callback_metrics["val_accuracy"]
    print(f"{kind.__name__}: validation accuracy {accuracy:.1f} %")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Learning rate by step: a smooth fall to zero when the schedule is moved by step; a dashed line that stays at the top when it is moved by epoch."}}
figure, axis = plt.subplots(figsize=(5.6, 2.6))
for (name, values), style in zip(rates.items(), ("-", "--")):
    axis.plot(range(1, len(values) + 1), values, style, label=name)
axis.set(xlabel="step", ylabel="learning rate", ylim=0)
axis.legend(fontsize=9)
plt.show()
scratch.cleanup()  # the logs and checkpoints are not needed any more

# %% [markdown]
# The two accuracies alone would hardly have told you. The curve of the LearningRateMonitor does, if you look at it.
#
# ## Which one should I choose?
#
# Both do the same training, so accuracy is no reason for either. What differs is what you write, and what you get for it:
#
# | You want | In a plain loop you write | In Lightning you write |
# |---|---|---|
# | `zero_grad`, `backward`, `eval()`, `no_grad` | four lines, in the right places | nothing |
# | a mean over the epoch, a log file | sums, counts, a writer | `self.log`, a logger |
# | the best weights, early stopping | a few `if`s and a copy | two callbacks |
# | going on after a crash | saving and loading of five things | `ModelCheckpoint(save_last=True)`, `ckpt_path="last"` |
# | a GPU, several GPUs or machines | `.to(device)`; DDP by hand | `accelerator`, `devices`, `num_nodes`, `strategy` |
# | fewer bits, for speed | `torch.autocast` around forward and loss (chapter 7) | `precision="bf16-mixed"` |
# | large batches in small memory | a second counter | `accumulate_grad_batches=8` |
# | no exploding gradients | one line | `gradient_clip_val=1.0` |
# | a first guess of the learning rate | chapter 4's range test | `Tuner(trainer).lr_find(module)` |
# | a time limit | a clock | `max_time="00:01:00:00"` (days first) |
#
# **Take Lightning** when you want several of these. Others who know it also read your code faster: they know where to look.
#
# **Take the plain loop**
#
# - while you learn. You should have written the loop once; you have.
# - when a step is tiny, as with our network of linear layers: the housekeeping costs more than it helps.
# - when training is not "for each batch, one loss, one step". Lightning can do it (`automatic_optimization = False`), but then the loop is yours again, split into methods.
# - when one more dependency, whose updates can change a hook, is one too many.
#
# To start a project of your own, copy [`examples/lightning_minimal.py`](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/examples/lightning_minimal.py): all parts of this chapter in one short script.
#
# **The answer** to the question of this chapter. *What do we have to write?* Model, loss, optimizer and batches, in methods with agreed names. *What do we get?* Everything in the right-hand column. *Is it the same training?* Yes, bit for bit on the CPU.
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
# for images, labels in loader:
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
# The other three lines are the Trainer's. Forget the `return`, and Lightning skips every batch: the weights never change. There is no error, only one warning, "`training_step` returned `None`", which is easily overlooked.
#
# </details>
#
# ### Exercise 5.2: what comes first? (easy)
#
# Put the eight calls into the order in which they run for the first time in `trainer.fit`, with the sanity check switched off. Try it without looking at the picture.

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
# ### Exercise 5.3: write a data module (middle)
#
# Somebody hands you two tensors, `images` and `labels`. Write the data module: the first 80 % of the images are for training, the others for validation. Training batches come in a new order in every epoch, validation batches in the order given. A `TensorDataset(images, labels)` makes a data set of tensors.


# %%
class TensorData(pl.LightningDataModule):
    def __init__(self, images, labels, batch_size):
        super().__init__()
        self.images, self.labels, self.batch_size = images, labels, batch_size

    def setup(self, stage): ...

    def train_dataloader(self): ...

    def val_dataloader(self): ...


grade("5.3", TensorData)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class TensorData(pl.LightningDataModule):
#     def __init__(self, images, labels, batch_size):
#         super().__init__()
#         self.images, self.labels, self.batch_size = images, labels, batch_size
#
#     def setup(self, stage):
#         cut = int(0.8 * len(self.images))
#         self.train_set = TensorDataset(self.images[:cut], self.labels[:cut])
#         self.val_set = TensorDataset(self.images[cut:], self.labels[cut:])
#
#     def train_dataloader(self):
#         return DataLoader(self.train_set, self.batch_size, shuffle=True)
#
#     def val_dataloader(self):
#         return DataLoader(self.val_set, self.batch_size)
# ```
#
# Real data are often sorted by class. Then the first 80 % would lack some classes, and you would draw the validation images at random, with a seed of their own.
#
# </details>
#
# ### Exercise 5.4: the norm of the gradient (middle)
#
# Write a callback that appends to `self.norms`, once a step, the norm of the gradient: the root of the sum of the squares of all gradients, over all weights together. Which hook sees the gradients of the present step? In a callback, `trainer` and `pl_module` come first: `on_before_…(self, trainer, pl_module, optimizer)`.


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
# ### Exercise 5.6: load the best and predict (middle)
#
# A training has left a checkpoint. Write a function that loads it and returns the number of the predicted class for each image, as one tensor. `module_class` is a LightningModule that calls `save_hyperparameters`, and its `forward` gives logits. Its network contains dropout, a layer that is random in training mode.


# %%
def answers_of(module_class, path, images): ...


grade("5.6", answers_of)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def answers_of(module_class, path, images):
#     module = module_class.load_from_checkpoint(path)
#     module.eval()
#     with torch.no_grad():
#         return module(images).argmax(dim=1)
# ```
#
# `module_class()` with `load_state_dict` would build a network with the default hyperparameters, into which the weights need not fit. And without `eval()` you get another answer in every call.
#
# </details>
#
# ### Exercise 5.7: resume a crashed run (middle)
#
# A run that should have had `epochs` epochs crashed. It left a checkpoint at `path`. Write a function that finishes it: it trains `module` up to `epochs` epochs *in total*, and returns the Trainer. Pass `**quiet` on to `pl.Trainer`, so that nothing is written beside this notebook.


# %%
def finish(module, loader, path, epochs, quiet): ...


grade("5.7", finish)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def finish(module, loader, path, epochs, quiet):
#     trainer = pl.Trainer(max_epochs=epochs, **quiet)
#     trainer.fit(module, loader, ckpt_path=path)
#     return trainer
# ```
#
# `max_epochs` counts all epochs, those before the crash included. `load_from_checkpoint` would bring back the weights, but neither the optimizer's memory nor the number of the epoch.
#
# </details>
#
# ### Exercise 5.8: small parts, one step (hard)
#
# What does `accumulate_grad_batches` compute? Write it yourself. `accumulate` cuts a batch into parts of at most `size` images. It calls `backward` for each part and returns the list of all `w.grad`. They should be the gradients of the mean loss over the whole batch. The last part may be smaller! Then say how equal they are.


# %%
def accumulate(model, images, labels, size): ...


equality = ...  # "bit for bit", "up to rounding" or "not at all"

grade("5.8", accumulate, equality)

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
# `backward` adds to the gradients that are there, so `zero_grad` comes once, before the parts. Each part counts by its share of the images. Lightning divides by the number of parts; that is the same when all parts are equally large. The sums are taken in another order, hence the rounding. Two processes share a batch in the same way. With batch normalisation it would not be equal at all: each part would be normalised by its own mean.
#
# </details>
#
# ### Exercise 5.9: full parity (open-ended)
#
# Port this loop so that the weights come out equal, bit for bit if you can:
#
# ```python
# optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
# schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
# for epoch in range(2):
#     model.train()
#     for images, labels in loader:
#         loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
#         optimizer.zero_grad()
#         loss.backward()
#         torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.1)
#         optimizer.step()
#         schedule.step()
# ```
#
# `clip_grad_norm_` is new here: where the norm of the whole gradient (exercise 5.4) is above `max_norm`, it multiplies all gradients by one number, so that the norm becomes `max_norm`.
#
# `port(model)` returns a LightningModule that trains the given model, and a `dict` of arguments for the Trainer.


# %%
def port(model): ...


grade("5.9", port)

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
# The two easy things to miss are the interval of the schedule and the clipping, which is an argument of the Trainer. Now do the same with a loop of your own, and compare with `torch.equal`.
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
# ✅ Yes: many mistakes cost less than the fourth digit shows. Equal losses in every step, bit for bit, prove more.
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
# **4. A fit of 10 steps takes 1 s, a fit of 20 steps 1.1 s. How long does one more step take?**
#
# <details name="quiz-5-4"><summary>A. 100 ms: a second divided by ten steps</summary>
#
# ❌ Not so: most of that second is there before the first step. Ten more steps added far less.
#
# </details>
# <details name="quiz-5-4"><summary>B. 55 ms: the longer run is the better measurement, so divide that</summary>
#
# ❌ Not so: a longer run only hides the set-up better. It is still divided among the steps.
#
# </details>
# <details name="quiz-5-4"><summary>C. 10 ms: the difference, divided by ten</summary>
#
# ✅ Yes: that is $h$, the slope of the line. The other 0.9 s are $a$, once for each run.
#
# </details>
#
# **5. A run with `ModelCheckpoint(monitor="val_accuracy")` crashes in its tenth epoch. You restart with `ckpt_path="last"`. What do you need?**
#
# <details name="quiz-5-5"><summary>A. Nothing more: the best file is also the newest</summary>
#
# ❌ Not so: `"last"` looks for `last.ckpt` only. Without it Lightning warns, and begins with the first epoch. And the best epoch may have been the third.
#
# </details>
# <details name="quiz-5-5"><summary>B. A second `ModelCheckpoint(save_last=True)`, without `monitor`, set before the crash</summary>
#
# ✅ Yes: then a file of the newest epoch lies beside the best one, whichever was best, with the optimizer's state in it.
#
# </details>
# <details name="quiz-5-5"><summary>C. `load_from_checkpoint`, called before the new `fit`</summary>
#
# ❌ Not so: that brings back weights only. The optimizer would start anew, and the epochs at 0.
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
# **7. A cosine schedule is made for 1,000 steps and returned as `[optimizer], [scheduler]`. What does Lightning do with it?**
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
# - Save the hyperparameters, keep the best *and* the last checkpoint, log the learning rate.
# - `load_from_checkpoint` is for using a network, `ckpt_path` for going on with its training.
# - "The same" can be proved: equal seeds, equal order, equal losses to the last bit.
# - A run costs $a + h \cdot \text{steps}$. Lightning adds a little to every step; the larger the network, the smaller its share.
# - `fast_dev_run` and `overfit_batches` find mistakes before the long run does. For silent ones, compare with something you trust.
#
# ## Read on
#
# - [Lightning's documentation](https://lightning.ai/docs/pytorch/stable/): all hooks in pseudocode, all arguments of the Trainer, all callbacks.
# - [TorchMetrics](https://lightning.ai/docs/torchmetrics/stable/): each metric with its formula and its defaults.
# - [PyTorch: saving and loading models](https://pytorch.org/tutorials/beginner/saving_loading_models.html): what a state dict is, and what to keep to resume.
# - [PyTorch: reproducibility](https://pytorch.org/docs/stable/notes/randomness.html): what can be equal bit for bit, and what cannot.
#
# ## Next
#
# You have gone from pixels to Lightning. [Mistakes](06_mistakes.ipynb) asks when a model's answer can be trusted. [Speed and scale](07_speed_and_scale.ipynb) asks where the seconds go, and how many of them can be saved. [Your own images](own_images.ipynb) trains on a folder of pictures of yours.
