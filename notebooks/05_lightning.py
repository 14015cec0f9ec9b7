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
# - stop early, keep the best weights and log with callbacks, and read the log back,
# - prove that the rewrite computes the same numbers, bit for bit,
# - measure what Lightning costs, and decide when it is worth it.
#
# **Before you start**: chapter 2, above all its training loop, and the small CNN of chapter 3.
#
# **Time**: read about 25 minutes; the full run takes <!-- result:chapters.05.full_seconds|minutes -->3 minutes<!-- /result --> on two CPU cores.
#
# **The question**: PyTorch Lightning promises to take the loop off our hands. What do we have to write, what do we get, and is it really the same training?

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
import csv
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.nn import functional as F

from helpers.checks import check
from helpers.data import load
from helpers.lit import HistoryCallback, ImageDataModule, LitClassifier, quiet_lightning
from helpers.models import build_model
from helpers.plots import COLOURS, use_style
from helpers.profiles import budget
from helpers.results import record
from helpers.training import TrainingConfig, fit, make_optimizer, make_scheduler, predict_logits, recipe

use_style()
quiet_lightning()  # no start-up lines and no advice about workers, which we do not use
scratch = tempfile.TemporaryDirectory()  # logs and checkpoints of this chapter; gone at its end
folder = Path(scratch.name)

# %%
mnist = load("mnist")
digits = mnist.subset(budget(full=10_000, fast=2_000))
print("one image:", mnist.image_shape, " classes:", mnist.num_classes)

# %% [markdown]
# ## The loop in two classes
#
# The loop of chapter 2 mixes three things: *what* we learn (model, loss, optimizer), *from what* (batches), and *how it is driven* (epochs, modes, gradients on and off, bookkeeping). Lightning separates them. The first goes into a **LightningModule**, the second into a **LightningDataModule**, and the third is the **Trainer**, which we do not write.
#
# First the module. It is an ordinary `nn.Module` with a few methods of agreed names:

# %%
class DigitClassifier(pl.LightningModule):
    def __init__(self, model, config):
        super().__init__()
        self.model, self.config = model, config

    def forward(self, images):
        return self.model(images)

    def on_train_epoch_start(self):
        self.trainer.train_dataloader.set_epoch(self.current_epoch)  # another order in every epoch

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)  # the mean over the epoch
        return loss  # the Trainer calls zero_grad, backward and step

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("val_loss", F.cross_entropy(logits, labels))
        self.log("val_accuracy", (logits.argmax(dim=1) == labels).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=self.config.lr)


# %% [markdown]
# Then the data. Our batches are tensors in memory; a `DataLoader` would do as well.

# %%
class DigitData(pl.LightningDataModule):
    def __init__(self, data, config):
        super().__init__()
        self.data, self.config = data, config

    def train_dataloader(self):
        return self.data.batches("train", self.config.batch_size, shuffle=True, seed=self.config.seed)

    def val_dataloader(self):
        return self.data.batches("val", 500)


# %% [markdown]
# And the Trainer. Its arguments say how to run. Without the ones in `settings`, it would draw a progress bar, print a summary of the model, and try two validation batches before it starts. In your own work, leave these on; on a page of a book they are noise. We stay on the CPU for now, because we will compare bits.

# %%
settings = {
    "accelerator": "cpu",
    "devices": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}
config = TrainingConfig(epochs=3, batch_size=128, optimizer="sgd", lr=0.02, momentum=0.0)
module = DigitClassifier(build_model("linear", digits.image_shape, digits.num_classes), config)
trainer = pl.Trainer(max_epochs=config.epochs, logger=False, enable_checkpointing=False, **settings)
trainer.fit(module, datamodule=DigitData(digits, config))
for name, value in sorted(trainer.callback_metrics.items()):
    print(f"{name:13}{value.item():.4f}")

# %% [markdown]
# That was a whole training. Nobody wrote `backward`.
#
# ## Which lines went away, and where they went
#
# | Line of chapter 2's loop | Where it is now | Who writes it |
# |---|---|---|
# | `optimizer = torch.optim.SGD(…)` | `LightningModule.configure_optimizers` | you |
# | `batches = digits.batches("train", …)` | `LightningDataModule.train_dataloader` | you |
# | `digits.batches("val", 500)` | `LightningDataModule.val_dataloader` | you |
# | `batches.set_epoch(epoch)` | `LightningModule.on_train_epoch_start` (done for you if the loader has a `DistributedSampler`) | you |
# | `logits = model(images)`, `loss = F.cross_entropy(…)` | `LightningModule.training_step` | you |
# | `correct += …` | `LightningModule.validation_step` with `self.log` | you |
# | `loss_sum += loss.item() * len(labels)` | `self.log(…, on_epoch=True)` | one argument |
# | `for epoch in range(…)` | `Trainer(max_epochs=…)` and `Trainer.fit` | Lightning |
# | `for images, labels in batches` | `Trainer.fit` | Lightning |
# | `model.train()`, `model.eval()` | `Trainer.fit` | Lightning |
# | `with torch.no_grad()` | `Trainer.fit`, around every `validation_step` | Lightning |
# | `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()` | `Trainer.fit`, after every `training_step` | Lightning |
# | `.to(device)` of model and data | `Trainer(accelerator=…, devices=…)` | Lightning |
# | `print(f"epoch …")` | `Trainer(logger=…)`, progress bar | Lightning |
#
# Half of the lines are still ours. They moved to places with names. The other half is gone, and these are the lines in which mistakes are easy: a forgotten `zero_grad`, a forgotten `eval()`.
#
# **Think first**: in which order do the pieces run? When is `configure_optimizers` called: before or after the first batch is loaded? Is validation part of the training epoch, or does it come after it?
#
# ## Hooks, in the order they run
#
# The Trainer calls methods at agreed moments: **hooks**. A **callback** is an object that has some of these methods. Here is a callback that only writes down which hook was called. Two training batches and one validation batch are enough to see the pattern.

# %%
HOOKS = (
    "setup", "on_fit_start", "on_train_start", "on_train_epoch_start", "on_train_batch_start",
    "on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step",
    "on_train_batch_end", "on_validation_start", "on_validation_epoch_start", "on_validation_batch_start",
    "on_validation_batch_end", "on_validation_epoch_end", "on_validation_end", "on_train_epoch_end",
    "on_train_end", "on_fit_end", "teardown",
)  # fmt: skip


class Trace(pl.Callback):
    """Notes the name of every hook, and of the module's own methods, when it is called."""

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
module = TracedClassifier(build_model("linear", digits.image_shape, digits.num_classes), config)
trainer = pl.Trainer(max_epochs=1, limit_train_batches=2, limit_val_batches=1, callbacks=[trace],
                     logger=False, enable_checkpointing=False, **settings)
trainer.fit(module, datamodule=DigitData(digits, config))

# %%
depth = 0
for name in trace.calls:
    closes = name == "teardown" or name.endswith("_end")
    depth -= closes
    print("    " * depth + name)
    depth += name == "setup" or (name.endswith("_start"))

# %% [markdown]
# Methods with a star are those of our module; the others are open for callbacks. Read it as the loop of chapter 2: an epoch starts, a batch starts, `training_step`, `zero_grad`, `backward`, `optimizer.step`, the batch ends. Validation runs *inside* the training epoch, before `on_train_epoch_end`. That is why a callback may look at `val_accuracy` at the end of a training epoch.

# %%
calls = trace.calls
check(calls.index("configure_optimizers *") < calls.index("on_train_start"), "the optimizer is made before training starts")
check(calls.index("on_validation_end") < calls.index("on_train_epoch_end"), "validation belongs to the training epoch")
step = [calls.index(n) for n in ("training_step *", "on_before_zero_grad", "on_before_backward", "on_before_optimizer_step")]
check(step == sorted(step), "forward, zero_grad, backward, step: the order of chapter 2")

# %% [markdown]
# ## The same numbers, bit for bit
#
# Is it *really* the same training? "About the same accuracy" would not convince: a small mistake, say a learning rate that is changed one step late, also gives about the same accuracy. So we ask for more. Same first weights, same batches, same arithmetic in the same order: then every loss and every weight must be equal to the last bit.
#
# `helpers.lit` holds the two classes from above, with what `fit` can do as well: schedules, augmentation, label smoothing. Everything is decided by the same `config`. The left run is our loop, the right one is Lightning's.

# %%
def with_loop(name, data, config):
    model = build_model(name, data.image_shape, data.num_classes, size="small", seed=config.seed)
    history = fit(model, data, config, device="cpu", progress=False)
    return model, history


def with_lightning(name, data, config, **trainer_arguments):
    model = build_model(name, data.image_shape, data.num_classes, size="small", seed=config.seed)
    arguments = settings | {"logger": False, "enable_checkpointing": False} | trainer_arguments
    trainer = pl.Trainer(max_epochs=config.epochs, **arguments)
    trainer.fit(LitClassifier(model, config), datamodule=ImageDataModule(data, config))
    return model, trainer


# %% [markdown]
# The numbers of each epoch come from the log that Lightning writes: `CSVLogger` makes a file `metrics.csv`. The logger writes one row whenever something is logged, so an epoch takes several rows with gaps. We put them together again.

# %%
def read_log(trainer):
    """What was logged, as lists of (epoch, value) by name; the values exactly as written."""
    columns = {}
    with open(Path(trainer.logger.log_dir) / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if text:
                    columns.setdefault(name, []).append(float(text))
    return columns


def compare(name, data, config):
    loop_model, history = with_loop(name, data, config)
    lit_model, trainer = with_lightning(name, data, config, logger=CSVLogger(folder, name=f"parity_{name}"))
    log = read_log(trainer)
    rows = []
    for column in ("train_loss", "val_loss", "val_accuracy"):
        for epoch in range(config.epochs):
            rows.append({"model": name, "column": column, "epoch": epoch + 1, "our loop": history[column][epoch], "Lightning": log[column][epoch]})
        check(history[column] == log[column], f"{name}: {column} is equal in every epoch")
    pairs = list(zip(loop_model.state_dict().items(), lit_model.state_dict().items(), strict=True))
    equal = all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
    check(equal, f"{name}: all {len(pairs)} tensors of the state dict are equal bit for bit")
    return rows


parity_data = {"linear": digits, "cnn": mnist.subset(budget(full=4_000, fast=800))}
rows = []
for name, data in parity_data.items():
    rows += compare(name, data, replace(recipe(name, "mnist", "small"), epochs=2, seed=1))
print()
print(pd.DataFrame(rows).to_string(index=False, float_format="%.6f"))

# %% [markdown]
# Not "close": equal. The check uses `==` and `torch.equal`, no tolerance. And it includes the augmentation, the one-cycle schedule and the running means of batch normalisation, since the recipes use them.
#
# Is it a lucky choice of settings? Here are sixteen trainings: both models, both kinds of images, two optimizers, with and without augmentation. Each is done by our loop and by Lightning.

# %%
cifar10 = load("cifar10")
parity = []
for name in ("linear", "cnn"):
    for data in (mnist.subset(budget(full=1_000, fast=300)), cifar10.subset(budget(full=1_000, fast=300))):
        for optimizer, lr in (("sgd", 0.01), ("adam", 1e-3)):
            for augment in (False, True):
                settled = TrainingConfig(epochs=2, batch_size=32, optimizer=optimizer, lr=lr, augment=augment, seed=2)
                loop_model, history = with_loop(name, data, settled)
                kept = HistoryCallback(settled)
                lit_model, _ = with_lightning(name, data, settled, callbacks=[kept])
                weights = zip(loop_model.state_dict().values(), lit_model.state_dict().values(), strict=True)
                parity.append({
                    "model": name,
                    "image": " x ".join(map(str, data.image_shape)),
                    "optimizer": optimizer,
                    "augment": augment,
                    "train_loss": history["train_loss"][-1],
                    "val_accuracy": history["val_accuracy"][-1],
                    "equal numbers": all(history[c] == kept.history[c] for c in ("train_loss", "val_loss", "val_accuracy")),
                    "equal weights": all(torch.equal(ours, theirs) for ours, theirs in weights),
                })  # fmt: skip
print(pd.DataFrame(parity).to_string(index=False, float_format="%.6f"))
check(all(row["equal numbers"] and row["equal weights"] for row in parity), f"{len(parity)} of {len(parity)} trainings are equal bit for bit")

# %% [markdown]
# The same holds for the two scripts, which read the same flags and write the same files. We train the same small model with each, from the command line, and compare their `metrics.csv`.

# %%
def by_script(script):
    """The metrics of a short run, without the two columns that hold times."""
    out = folder / Path(script).stem
    flags = ["--sample", "--model", "cnn", "--optimizer", "adam", "--epochs", "3", "--seed", "3", "--device", "cpu", "--quiet", "--out", str(out)]
    subprocess.run([sys.executable, str(root / script), *flags], check=True)
    metrics = pd.read_csv(out / "metrics.csv")
    return metrics.drop(columns=["seconds", "images_per_second"])


plain, lightning = by_script("train.py"), by_script("lightning_train.py")
print(plain.to_string(index=False, float_format="%.6f"))
check(plain.equals(lightning), "train.py and lightning_train.py write the same numbers")

# %% [markdown]
# Three things make this work, and each is worth stealing for your own code:
#
# 1. **The weights depend on a seed of their own** (`build_model(…, seed=…)`), not on what ran before.
# 2. **Order and augmentation depend on seed and epoch alone.** Were they drawn from PyTorch's global generator, one more draw anywhere would change every batch after it.
# 3. **The mean is taken the same way.** Both weight the loss of a batch by its size; the last batch is smaller.
#
# It holds on the CPU in float32, on one machine. GPUs add up in an order that may change from run to run, so there "equal" becomes "equal up to rounding".
#
# What it tells us: the Trainer is not magic. It is our loop.

# %% [markdown]
# ## Callbacks: what we did not have to write
#
# Three callbacks do most of the daily work:
#
# - **EarlyStopping** ends the run when a number has not improved for `patience` epochs,
# - **ModelCheckpoint** writes the weights of the best epoch to disk,
# - **LearningRateMonitor** puts the learning rate into the log.
#
# To see them act, we train on few images for far too long. The network will learn them by heart, and the validation loss will turn.

# %%
few = mnist.subset(budget(full=1_000, fast=600))
long = TrainingConfig(epochs=40, batch_size=64, optimizer="adam", lr=3e-3, scheduler="step")
stopping = EarlyStopping("val_loss", mode="min", patience=4)
checkpoint = ModelCheckpoint(folder / "early", monitor="val_loss", mode="min", filename="best")
rates = LearningRateMonitor(logging_interval="step")
model, trainer = with_lightning(
    "linear", few, long,
    logger=CSVLogger(folder, name="early"), enable_checkpointing=True,
    callbacks=[stopping, checkpoint, rates], log_every_n_steps=5,
)  # fmt: skip
log = read_log(trainer)
best = log["val_loss"].index(min(log["val_loss"]))
check(len(log["val_loss"]) < long.epochs, "the run was stopped before its last epoch")
check(len(log["val_loss"]) - 1 - best == stopping.patience, "the best epoch is exactly `patience` epochs before the end")

# %% mystnb={"image": {"alt": "Left, training loss falls towards zero while validation loss turns and rises again after a dotted line at the best epoch. Right, the learning rate by step."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
epochs = range(1, len(log["val_loss"]) + 1)
left.plot(epochs, log["train_loss"], "--", label="training")
left.plot(epochs, log["val_loss"], label="validation")
left.axvline(best + 1, color="0.5", linestyle=":", label="best, kept on disk")
left.set(xlabel="epoch", ylabel="loss (nats)", title=f"{few.title}, few images")
left.legend()
right.plot(log["lr-Adam"], color=COLOURS[2])
right.set(xlabel="entry in the log (every 5th step)", ylabel="learning rate", title="LearningRateMonitor")
plt.show()

# %% [markdown]
# Everything in this figure was read back from `metrics.csv`. Other loggers (TensorBoard, Weights & Biases, MLflow) take the same numbers without a change in the module: `self.log` does not know who listens.
#
# A checkpoint is a file with a dict. PyTorch can open it without Lightning, and with `weights_only=True` it runs no code from the file.

# %%
saved = torch.load(checkpoint.best_model_path, weights_only=True)
print("in the checkpoint:", ", ".join(k for k in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "callbacks") if k in saved))
print("names of weights: ", ", ".join(list(saved["state_dict"])[:2]), "…")
weights = {name.removeprefix("model."): tensor for name, tensor in saved["state_dict"].items()}
best_model = build_model("linear", few.image_shape, few.num_classes)
best_model.load_state_dict(weights)
logits, labels = predict_logits(best_model, few.batches("val", 500))
reloaded_loss = F.cross_entropy(logits, labels).item()
check(abs(reloaded_loss - min(log["val_loss"])) < 1e-4, "the reloaded weights have the best validation loss again")

# %% [markdown]
# The names start with `model.`, because the network is the attribute `model` of our module. Strip it, and the weights fit the plain network.
#
# A checkpoint also holds the optimizer and the epoch, so a run can go on where it stopped: `trainer.fit(…, ckpt_path=…)`. Is that the same as a run that never stopped? We know how to ask.

# %%
straight = TrainingConfig(epochs=4, batch_size=128, optimizer="adam", lr=1e-3)
whole, _ = with_lightning("linear", digits, straight)

_, first_half = with_lightning("linear", digits, replace(straight, epochs=2))
first_half.save_checkpoint(folder / "half.ckpt")
resumed = build_model("linear", digits.image_shape, digits.num_classes, seed=99)  # other weights: the checkpoint must replace them
trainer = pl.Trainer(max_epochs=straight.epochs, logger=False, enable_checkpointing=False, **settings)
trainer.fit(LitClassifier(resumed, straight), datamodule=ImageDataModule(digits, straight), ckpt_path=folder / "half.ckpt")
same = all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
check(same, "two epochs, a checkpoint and two epochs more = four epochs, bit for bit")

# %% [markdown]
# ## What it costs
#
# The Trainer does a lot between two batches: it calls hooks, keeps metrics, looks whether it should stop. This takes time per *step*, whatever the model. So a tiny model pays a large share and a big one hardly notices.
#
# We measure both loops on the same work. The runs take turns, so that a slow moment of the machine hits both, and the fastest of each counts.

# %%
def seconds(run, *arguments):
    started = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - started


cost_rows = []
for name, count in (("linear", budget(full=20_000, fast=2_000)), ("cnn", budget(full=4_000, fast=800))):
    data = mnist.subset(count)
    once = replace(recipe(name, "mnist", "small"), epochs=budget(full=2, fast=1), augment=False)
    times = {with_loop: [], with_lightning: []}
    for repeat in range(budget(full=4, fast=3)):
        for run in times:
            times[run].append(seconds(run, name, data, once))
    loop, lightning = min(times[with_loop]), min(times[with_lightning])
    steps = once.epochs * len(data.batches("train", once.batch_size))
    cost_rows.append({"model": name, "our loop (s)": loop, "Lightning (s)": lightning, "ratio": lightning / loop, "extra per step (ms)": 1000 * (lightning - loop) / steps})
cost = pd.DataFrame(cost_rows)
print(cost.to_string(index=False, float_format="%.3f"))

# %% mystnb={"image": {"alt": "Bars of Lightning's time divided by our loop's: clearly above 1 for the linear network, close to 1 for the CNN."}}
figure, axis = plt.subplots(figsize=(6, 2.2))
axis.barh(["linear network", "small CNN"], cost["ratio"], color=COLOURS[:2], height=0.55)
axis.axvline(1, color="0.3", linestyle="--")
axis.invert_yaxis()
axis.set(xlabel="time of Lightning / time of our loop (dashed: equal)")
plt.show()

# %%
check(min(cost["ratio"]) > 0.5, "Lightning is no shortcut: both do the same work")

# %% [markdown]
# For the linear network a step is so short that the housekeeping shows. For the CNN it drowns in the convolutions, and with a larger model, or larger images, more so. Time is not the reason to avoid Lightning, unless your model is tiny.
#
# ## Two switches for finding mistakes
#
# **`fast_dev_run=True`** runs one training and one validation batch, without logs and checkpoints. It answers: does every line run at all? Here is a module with a mistake in its validation. Without the switch we would learn of it after a whole epoch of training, which may be an hour.

# %% tags=["nbval-ignore-output"]
class Broken(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels[:-1]))  # one label is missing


broken = Broken(build_model("linear", digits.image_shape, digits.num_classes), config)
try:
    pl.Trainer(fast_dev_run=True, **settings).fit(broken, datamodule=DigitData(digits, config))
except ValueError as error:
    print("caught after one batch:", error)

# %% [markdown]
# **`overfit_batches=2`** trains on the same two batches again and again. It answers: *can* the model learn? A healthy one learns two batches by heart and its loss goes towards 0. If not, the mistake is in the model or in the loss, and no amount of data will help.
#
# The two batches must stay the same, so we give it an unshuffled loader. (Lightning turns shuffling off in a `DataLoader`; it cannot know how to do that for ours.)

# %%
def overfit(module, epochs=60):
    """The training loss after many epochs on the same two batches of 64 images."""
    trainer = pl.Trainer(max_epochs=epochs, overfit_batches=2, limit_val_batches=0, logger=False, enable_checkpointing=False, **settings)
    trainer.fit(module, train_dataloaders=digits.batches("train", 64))
    return trainer.callback_metrics["train_loss"].item()


bold = replace(config, lr=0.1)
healthy = overfit(DigitClassifier(build_model("linear", digits.image_shape, digits.num_classes), bold))
print(f"loss on two batches, learned by heart: {healthy:.4f}")
check(healthy < 0.1, "a healthy model can learn two batches by heart")

# %% [markdown]
# ## The full run
#
# Now in earnest: the small CNN on all of the training images, with the recipe that chapter 3 used, through Lightning. `accelerator="auto"` takes a GPU if there is one; nothing else changes. The weights with the best validation accuracy are kept. The test split is used once, at the end, with `Trainer.test`.

# %%
full_config = recipe("cnn", "mnist", "small")
full_config = replace(full_config, batch_size=budget(full=full_config.batch_size, fast=32))
keep = ModelCheckpoint(folder / "full", monitor="val_accuracy", mode="max", filename="best")
model = build_model("cnn", mnist.image_shape, mnist.num_classes, size="small", seed=full_config.seed)
module, batches = LitClassifier(model, full_config), ImageDataModule(mnist, full_config)
trainer = pl.Trainer(
    **settings | {"accelerator": "auto"},
    max_epochs=full_config.epochs,
    logger=CSVLogger(folder, name="full"),
    callbacks=[keep, LearningRateMonitor(logging_interval="step")],
    log_every_n_steps=5,
)
started = time.perf_counter()
trainer.fit(module, datamodule=batches)
run_seconds = time.perf_counter() - started
log = read_log(trainer)
for epoch in range(full_config.epochs):
    print(f"epoch {epoch + 1}: training loss {log['train_loss'][epoch]:.4f}, validation accuracy {100 * log['val_accuracy'][epoch]:.2f} %")

# %% mystnb={"image": {"alt": "Left, training and validation loss fall over the epochs, the training loss above the validation loss. Right, the learning rate rises, then falls to almost zero."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
epochs = range(1, full_config.epochs + 1)
left.plot(epochs, log["train_loss"], "o--", label="training")
left.plot(epochs, log["val_loss"], "o-", label="validation")
left.set(xlabel="epoch", ylabel="loss (nats)", title=f"small CNN, {mnist.title}", xticks=epochs)
left.legend()
right.plot(log["lr-SGD"], color=COLOURS[2])
right.set(xlabel="entry in the log (every 5th step)", ylabel="learning rate", title="one-cycle schedule")
plt.show()

# %% [markdown]
# The training loss lies above the validation loss, since training images are shifted and their labels smoothed. Now the test split, once:

# %%
test = trainer.test(module, datamodule=batches, ckpt_path="best", verbose=False)[0]
print(f"test accuracy {100 * test['test_accuracy']:.2f} %, trained in {run_seconds:.1f} s")
record("lightning.mnist", test_accuracy=test["test_accuracy"], seconds=run_seconds)
check(test["test_accuracy"] > budget(full=0.975, fast=0.85), "the small CNN in Lightning reads digits")

# %% [markdown]
# ## What Lightning gives, and when not to use it
#
# With the module written, each of these is one argument of the Trainer, and no line of the module changes:
#
# | You want | Argument |
# |---|---|
# | a GPU, several GPUs, several machines | `accelerator="gpu", devices=4, num_nodes=2, strategy="ddp"` |
# | faster arithmetic with fewer bits | `precision="bf16-mixed"` |
# | large batches on a small GPU | `accumulate_grad_batches=8` |
# | no exploding gradients | `gradient_clip_val=1.0` |
# | to go on after a crash | `trainer.fit(…, ckpt_path=…)` |
# | to find the slow part | `profiler="simple"` |
# | a time limit | `max_time="00:01:00:00"` |
#
# Others who know Lightning can also read your code faster: they know where to look.
#
# **When to take the plain loop instead**
#
# - While you learn. You should have written the loop once; you have.
# - When a step is tiny, as with our linear network: the housekeeping costs more than it helps.
# - When the training does not look like "for each batch, one loss, one step": reinforcement learning, several optimizers that take turns, research on the optimizer itself. Lightning can do it (`automatic_optimization = False`), but then the loop is yours again and only split into methods.
# - When one more dependency is one too many. Lightning moves on its own schedule, and an update can change a hook.
#
# On the command line, `python train.py` and `python lightning_train.py` take the same flags and write the same files. Both go on after a crash with `--resume`, and both train with several processes: the first when `torchrun` starts it, the second with `--devices 2 --strategy ddp`.
#
# ## What went wrong, and why
#
# **Loud: the name of a number that nobody logged.** We asked for `val_acc`, but the module logs `val_accuracy`. Lightning says so and lists the names it knows. Read the end of the message first.

# %%
tiny = TrainingConfig(epochs=1, batch_size=128, optimizer="sgd", lr=0.02)
try:
    with_lightning("linear", mnist.subset(500), tiny, callbacks=[EarlyStopping("val_acc", mode="max")])
except RuntimeError as error:
    print(error)

# %% [markdown]
# **Loud: no optimizer.** A module without `configure_optimizers` is stopped before the first batch.

# %%
class Forgetful(pl.LightningModule):
    def training_step(self, batch, batch_idx):
        return batch[0].mean()


try:
    pl.Trainer(fast_dev_run=True, **settings).fit(Forgetful(), train_dataloaders=digits.batches("train"))
except Exception as error:
    message = str(error)
    print(type(error).__name__)
check("configure_optimizers" in message, "the message names the missing method")

# %% [markdown]
# **Silent: softmax twice.** A `forward` that returns probabilities looks tidy. But `F.cross_entropy` takes softmax itself, so now it is taken twice. Nothing fails. The second softmax gets numbers between 0 and 1, and even a perfect model can give the true class no more than $e^1 / (e^1 + 9 e^0)$. `overfit_batches` finds it within seconds:

# %%
class TwiceSoftmax(DigitClassifier):
    def forward(self, images):
        return self.model(images).softmax(dim=1)


floor = F.cross_entropy(torch.eye(10), torch.arange(10)).item()
twice = overfit(TwiceSoftmax(build_model("linear", digits.image_shape, digits.num_classes), bold))
print(f"loss on two batches: {twice:.3f}; correct module: {healthy:.3f}; lowest possible with two softmaxes: {floor:.3f}")
check(twice >= floor - 1e-4 and healthy < 0.1, "with softmax taken twice the loss cannot fall below its floor")

# %% [markdown]
# **Silent: a schedule that counts epochs.** Our one-cycle schedule wants to be moved on after every *batch*. Lightning's default is once an *epoch*, unless `configure_optimizers` returns `"interval": "step"`. Leave it out and there is no error: the learning rate just stays near its low start.

# %%
class EpochSchedule(LitClassifier):
    def configure_optimizers(self):
        optimizer = make_optimizer(self.model, self.config)
        steps = int(self.trainer.estimated_stepping_batches) // self.config.epochs
        return [optimizer], [make_scheduler(optimizer, self.config, steps)]  # "interval" is missing


cycle = TrainingConfig(epochs=3, batch_size=64, optimizer="sgd", lr=0.1, scheduler="onecycle")
logged = {}
for title, kind in (("interval: step", LitClassifier), ("interval left out", EpochSchedule)):
    model = build_model("linear", mnist.image_shape, mnist.num_classes)
    trainer = pl.Trainer(max_epochs=cycle.epochs, logger=CSVLogger(folder, name="interval"), enable_checkpointing=False,
                         callbacks=[LearningRateMonitor(logging_interval="step")], log_every_n_steps=1, **settings)
    trainer.fit(kind(model, cycle), datamodule=ImageDataModule(mnist.subset(1_500), cycle))
    logged[title] = read_log(trainer)
    print(f"{title:18} highest learning rate {max(logged[title]['lr-SGD']):.4f}, validation accuracy {100 * logged[title]['val_accuracy'][-1]:.1f} %")
check(max(logged["interval: step"]["lr-SGD"]) > 0.09, "stepped by batch, the learning rate reaches its peak")
check(max(logged["interval left out"]["lr-SGD"]) < 0.02, "stepped by epoch, it never gets there")

# %% mystnb={"image": {"alt": "Learning rate by step: a rise and fall when the schedule is stepped by batch; a nearly flat line near zero when it is stepped by epoch."}}
figure, axis = plt.subplots(figsize=(7, 2.8))
for (title, entries), style in zip(logged.items(), ("-", "--")):
    axis.plot(entries["lr-SGD"], style, label=title)
axis.set(xlabel="step", ylabel="learning rate")
axis.legend()
plt.show()

# %% [markdown]
# The bit-for-bit comparison above would have caught this one. That is what it is for: the mistakes that raise no error are found by comparing with something you trust.

# %%
scratch.cleanup()  # logs and checkpoints of this chapter

# %% [markdown]
# ### Try it yourself
#
# 1. Write a callback that prints the largest gradient after every backward pass. Which hook do you need?
# 2. Log the loss with `self.log("train_loss", loss)` alone, without `on_epoch=True`. What does the log hold now, and why does the curve look so rough?
# 3. Give the Trainer `accumulate_grad_batches=2` and halve the batch size. Are the weights still equal to those of the plain loop? Equal bit for bit, or only nearly? Why?
#
# ## Takeaways
#
# - A LightningModule says what is learned, a LightningDataModule from what, the Trainer how. It is the same loop.
# - "The same" can be proved: equal seeds, equal order, `torch.equal`.
# - Lightning costs a fixed time per step. Tiny models feel it, CNNs hardly.
# - Callbacks and loggers do the bookkeeping; `fast_dev_run` and `overfit_batches` find mistakes before the long run does.
# - Loud mistakes are the good ones. Compare with something you trust to find the silent ones.
#
# ## Next
#
# You have gone from pixels to Lightning. Take an own folder of images, `train/<class>/` and `test/<class>/`, and train on it with `python train.py --dataset FOLDER`.
