# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Speed and scale
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/07_speed_and_scale.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/07_speed_and_scale.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/07_speed_and_scale.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this chapter you can
#
# - count the operations of a network and say how fast your machine could be,
# - find where the seconds of a training go, with a stopwatch and with a profiler,
# - make a training faster, step by step, and show what each step gave,
# - compare speeds so that somebody else gets the same ratios,
# - train on two processes, and know what is needed for many machines.
#
# **Before you start**: chapters 3 and 5.
#
# **Time**: read about 35 minutes, exercises and quiz about 30 minutes more. The full run takes <!-- result:chapters.07.full_seconds|minutes -->1 minute<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.07.fast_seconds|seconds -->25 s<!-- /result -->.
#
# **The question**: where do the seconds go, and how many of them can we save?

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
# @title Imports
import json
import os

# The profiler's own log is for its developers. PyTorch looks here when it is loaded.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import subprocess
import time
from dataclasses import replace
from io import StringIO
from statistics import median
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from helpers.data import load
from helpers.exercises import grade
from helpers.models import build_model
from helpers.notebook import budget, confirm, record
from helpers.plots import COLOURS, MARKERS, use_style
from helpers.recipes import recipe, with_epochs
from helpers.precision import autocast, choose_precision
from helpers.speed import keep_freed_memory
from helpers.training import best_device, fit

use_style()
device = best_device()
cifar10 = load("cifar10")

# %% [markdown]
# ## How fast could it be?
#
# Almost all work of a CNN is multiplying and adding. PyTorch can count these operations: `FlopCounterMode` looks at every matrix product and every convolution, forward and backward. A multiplication and an addition count as two operations ([FLOP](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#flop)).

# %%
large = build_model("cnn", cifar10.image_shape, cifar10.num_classes, "large")
images, labels = next(iter(cifar10.batches("train", 32)))
with FlopCounterMode(display=False) as counter:
    loss = F.cross_entropy(large(images), labels)
    forward_flop = counter.get_total_flops() / 32
    loss.backward()
flop = counter.get_total_flops() / 32
print(
    f"forward {forward_flop / 1e6:.1f} MFLOP an image, "
    f"forward and backward {flop / 1e6:.1f} MFLOP"
)
confirm(
    2.5 < flop / forward_flop < 3.1,
    "a training step costs about three times a prediction",
)

# %% [markdown]
# Why three? Backward computes two gradients for every layer, one for its weights and one for its input, and each costs as much as the [forward pass](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#forward-pass). (The first layer needs no gradient for its input.)
#
# How many operations can this machine do in a second? Two best cases: the product of two large matrices, and a convolution of many channels. Which of them is faster differs from processor to processor, so we measure both, in both precisions, and take the larger one as the limit.


# %%
SIZE = budget(full=2048, fast=256)
CHANNELS = budget(full=128, fast=32)
REPEATS = budget(full=5, fast=2)


def fastest(function, inputs, flop):
    """The best rate (FLOP/s) of several calls."""
    rates = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        function(inputs).sum().item()  # asking for a number waits until it is there
        rates.append(flop / (time.perf_counter() - started))
    return max(rates)


# %%
@torch.no_grad()
def limit(dtype):
    """Operations a second of a matrix product or a convolution, whichever is faster."""
    matrix = torch.randn(SIZE, SIZE, device=device).to(dtype)
    maps = torch.randn(64, CHANNELS, 16, 16, device=device).to(dtype)
    maps = maps.to(memory_format=torch.channels_last)
    layer = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False).to(device, dtype)
    product = fastest(matrix.mm, matrix, 2 * SIZE**3)
    convolution = fastest(layer, maps, 2 * 9 * CHANNELS * maps.numel())
    for kind, rate in (("product", product), ("convolution", convolution)):
        print(f"{dtype}, {kind}: {rate / 1e9:.1f} GFLOP/s")
    return max(product, convolution)


peak = {"fp32": limit(torch.float32), "bf16": limit(torch.bfloat16)}
for name, rate in peak.items():
    print(f"{name}: at most {rate / flop:.1f} images of the large CNN a second")

# %% [markdown]
# **bf16** (bfloat16) is a number format with 16 bits instead of 32: the same range, fewer digits. Many processors and GPUs made since 2020 have units for it; Colab's T4 is older and has none. Where they are missing, or only half there, bf16 is no gain. So we measure, and never choose by name.
#
# **Think first**: the usual training loop reaches which part of this limit? A half, a tenth, a hundredth?
#
# ## A ladder, one rung at a time
#
# We begin with the loop that most tutorials show, and change one thing at a time. The model is the large CNN of chapter 3, the optimizer Adam, the batch size 128. Only the last rungs touch the model and the images; all others give the same training, up to rounding, only sooner.
#
# A stopwatch has rules of its own. The first steps are not counted: there memory is fetched and much is prepared. All rungs are built first, and then they take **turns**: a few steps of each, round after round. A machine that slows down slows all of them down. We take the **median** of the rounds and show the slowest and the fastest beside it.

# %%
BATCH_SIZE = budget(full=128, fast=16)
ROUNDS, STEPS = budget(full=5, fast=1), budget(full=4, fast=1)
ladder = {}  # of each rung: its step, and where its batches come from


# %%
def images_per_second(step, iterator):
    """The speed of a few steps; the time to get the batches counts."""
    started = time.perf_counter()
    for _ in range(STEPS):
        step(*next(iterator))
    return STEPS * BATCH_SIZE / (time.perf_counter() - started)


# %%
def in_turns(contestants):
    """Images a second of each in every round; the first round is a warm-up."""
    iterators = {name: iter(batches) for name, (_, batches) in contestants.items()}
    rounds = []
    for _ in range(1 + ROUNDS):
        rounds.append(
            {n: images_per_second(contestants[n][0], iterators[n]) for n in contestants}
        )
    return pd.DataFrame(rounds[1:])


# %% [markdown]
# **Rung 0, the usual loop.** A data set that gives one image at a time, as torchvision's own do: an array becomes a PIL image, `ToTensor` makes a tensor of it, `Normalize` normalises it. A `DataLoader` puts 128 of them together. The model has PyTorch's default layout.


# %%
class OneByOne(Dataset):
    """What torchvision.datasets.CIFAR10 does for every item."""

    def __init__(self, split, transform):
        self.arrays = split.images.permute(0, 2, 3, 1).numpy()
        self.labels, self.transform = split.labels.tolist(), transform
        self.to_pil = transforms.ToPILImage()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.to_pil(self.arrays[index])), self.labels[index]


# %% [markdown]
# A model in PyTorch's usual layout of memory, and one step of training as in chapter 2. Both are used on several rungs.


# %%
def plain(model):
    """The same layers in PyTorch's default memory layout."""
    return (
        nn.Sequential(model.features, model.head)
        .to(memory_format=torch.contiguous_format)
        .to(device)
    )


# %%
def new_large():
    return build_model("cnn", cifar10.image_shape, cifar10.num_classes, "large")


# %%
def make_step(model, optimizer, precision="fp32"):
    model.train()

    def step(images, labels):
        images, labels = images.to(device), labels.to(device)
        with autocast(device, precision):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


# %%
normalise = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize(cifar10.mean, cifar10.std)]
)
loader = DataLoader(OneByOne(cifar10.train, normalise), BATCH_SIZE, shuffle=True)
model = plain(new_large())
step = make_step(model, torch.optim.Adam(model.parameters()))
ladder["usual loop"] = step, loader

# %% [markdown]
# **Rung 1, images in memory.** The whole data set fits into memory as bytes. So nothing is done for single images: a batch is one `index_select` on a tensor, and normalising is one multiplication and one subtraction for all its pixels. That is what `helpers.data.Batches` does.

# %%
batches = cifar10.to(device).batches("train", BATCH_SIZE, shuffle=True)
model = plain(new_large())
step = make_step(model, torch.optim.Adam(model.parameters()))
ladder["images in memory"] = step, batches

# %% [markdown]
# What do the batches cost, and what does augmentation add? Here it is cheap: the images are padded once, and the mirrored ones stand beside them, so that a moved image is a matter of which rows of pixels are copied (`helpers.data.Crops`).


# %%
def milliseconds_per_batch(batches):
    """Median time to get a batch, without any training."""
    times, iterator = [], iter(batches)
    for _ in range(min(len(batches), budget(full=100, fast=10))):
        started = time.perf_counter()
        next(iterator)
        times.append(1000 * (time.perf_counter() - started))
    return median(times[3:])


# %%
augmented = cifar10.to(device).batches("train", BATCH_SIZE, shuffle=True, augment=True)
print(
    f"a batch takes {milliseconds_per_batch(batches):.2f} ms, "
    f"augmented {milliseconds_per_batch(augmented):.2f} ms; "
    f"from the usual loader {milliseconds_per_batch(loader):.2f} ms"
)

# %% [markdown]
# **Rung 2, [channels last](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#channels-last).** A tensor `N × C × H × W` lies in memory channel by channel: first all red pixels, then all green ones. A convolution needs all channels of one pixel at once. In the layout *channels last* they are neighbours. Shapes and results stay the same, only the order in memory changes. The course's CNNs do this in their constructor.

# %%
model = new_large().to(device)
step = make_step(model, torch.optim.Adam(model.parameters()))
ladder["channels last"] = step, batches

# %% [markdown]
# **Between two rungs, keep freed memory.** Every step needs the same large blocks of memory and frees them again. The C library gives such blocks back to the operating system, and the next step has to fetch them anew, 4 kB by 4 kB. `keep_freed_memory` asks the library not to. On a GPU, PyTorch keeps memory by itself.
#
# This holds for the whole process from then on, so it cannot take turns: we measure once before and once after. A ratio close to 1 may then be chance. All rungs of the table are measured later, so all have it, the usual loop too.

# %%
before = in_turns({"channels last": (step, batches)}).median()
keep_freed_memory()
after = in_turns({"channels last": (step, batches)}).median()
print(f"memory kept: {(after / before).item():.2f} times as fast")

# %% [markdown]
# **Rung 3, the precision that is faster here, and a [fused optimizer](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#fused-optimizer).** `choose_precision` tries steps in float32 and in bfloat16, on a CPU with at most 64 images, and takes bf16 only if it is clearly faster. `fused=True` updates all weights in one go.

# %%
model = new_large().to(device)
trial = choose_precision(model, next(iter(batches)))
print(
    f"a step in fp32 takes {1000 * trial.fp32_seconds:.1f} ms, "
    f"in bf16 {1000 * trial.bf16_seconds:.1f} ms"
)
optimizer = torch.optim.Adam(model.parameters(), fused=True)
step = make_step(model, optimizer, trial.precision)
ladder["best precision, fused"] = step, batches

# %% [markdown]
# **Rung 4, another order of layers.** In chapter 3 a block is convolution, batch norm, ReLU, max-pool. Put the pool right behind the convolution, and the other two have a quarter of the pixels to go through. `FastCNN` does that, and it has few channels where the maps are large and many where they are small. We count its operations, too.

# %%
fast = build_model("fastcnn", cifar10.image_shape, cifar10.num_classes, "large").to(
    device
)
with torch.no_grad(), FlopCounterMode(display=False) as counter:
    fast(images.to(device))
print(f"forward {counter.get_total_flops() / 32 / 1e6:.1f} MFLOP an image")
precision = choose_precision(fast, next(iter(batches))).precision
fast_step = make_step(fast, torch.optim.Adam(fast.parameters(), fused=True), precision)
ladder["fast CNN, pool first"] = fast_step, batches

# %% [markdown]
# This is another model, so [images a second](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#throughput) say little by themselves. It is in fact a larger one, which needs more operations for an image than the large CNN. It may be slower and still learn more in a second. Whether this rung and the next pay is a question for the second half of the chapter, where we look at accuracy.
#
# **Rung 5, small images first.** An image of 16 × 16 pixels has a quarter of the pixels of one of 32 × 32, so it needs about a quarter of the operations. It is blurred, but early in training the network learns coarse things anyway. So the images grow over the epochs: 16, 20, 24, then 32 pixels (*[progressive resizing](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#progressive-resizing)*).

# %%
SIZES = (16, 20, 24, 32)
for size in SIZES[:-1]:
    small = cifar10.to(device).batches(
        "train", BATCH_SIZE, shuffle=True, image_sizes=(size,)
    )
    ladder[f"{size} pixels"] = fast_step, small

# %% [markdown]
# Now the turns.

# %%
rates = in_turns(ladder)
ratios = rates.div(rates["usual loop"], axis=0)  # within each round
table = pd.DataFrame(
    {
        "images/s": rates.median(),
        "times the usual loop": ratios.median(),
        "lowest": ratios.min(),
        "highest": ratios.max(),
    }
)
print(table.to_string(float_format="%.2f"))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Bar chart of training speed on each rung, as a multiple of the usual loop, with a line from the slowest to the fastest round: images in memory, channels last and the best precision add up for the same training; the fast CNN and smaller images follow in another colour."}}
figure, axis = plt.subplots(figsize=(6.4, 3.4))
middle = ratios.median()
same_training = 4
axis.barh(
    list(ladder),
    middle,
    xerr=[middle - ratios.min(), ratios.max() - middle],
    color=[COLOURS[0]] * same_training + [COLOURS[1]] * (len(ladder) - same_training),
    capsize=3,
)
axis.set(
    xlabel="times the images a second of the usual loop",
    title="blue: the same training; orange: another model, other images",
)
axis.invert_yaxis()
plt.show()

# %% [markdown]
# A range that includes the number of the rung above is no result: that rung gave nothing here that we could see. On another machine it may. The fast CNN gets through fewer images than the rung above it, because each needs more operations. Small images make up for that.
#
# Growing images train at all four sizes, each for a quarter of the epochs. The speed of the whole run is then the *harmonic* mean of the four: equal numbers of images take unequal times.

# %%
sizes = [f"{size} pixels" for size in SIZES[:-1]] + ["fast CNN, pool first"]
growing_rate = len(sizes) / (1 / rates[sizes].median()).sum()
print(f"fast CNN with growing images: {growing_rate:.1f} images/s")

# %%
used = {
    "usual loop": rates["usual loop"].median() * flop / peak["fp32"],
    "best": rates["best precision, fused"].median() * flop / peak[trial.precision],
}
for name, part in used.items():
    print(f"{name}: {100 * part:.1f} % of the limit")

# %%
confirm(
    ratios["best precision, fused"].median() > 1.1,
    "the same training is faster than the usual loop",
)
confirm(
    growing_rate > rates["fast CNN, pool first"].median(),
    "small images are faster than large ones",
)

# %% [markdown]
# Each is compared with the limit of its own precision. The rest has two causes. Batch norm, ReLU and pooling read and write much memory and compute little. And not every convolution suits the machine as well as the one of our best case: the first has only 3 channels.
#
# ## Where do the seconds go?
#
# A stopwatch says how long; a **[profiler](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#profiler)** says on what. `torch.profiler` notes every operation that PyTorch runs. We let it watch five steps of three networks and add up the time of each kind of operation.


# %%
def profile(model, precision, steps=budget(full=5, fast=2)):
    """Seconds by operation, the largest first."""
    step, iterator = (
        make_step(model, torch.optim.Adam(model.parameters(), fused=True), precision),
        iter(batches),
    )
    step(*next(iterator))
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU]
    ) as watched:
        for _ in range(steps):
            step(*next(iterator))
    found = {
        event.key: event.self_cpu_time_total / 1e6 for event in watched.key_averages()
    }
    return pd.Series(found).sort_values(ascending=False)


# %% tags=["hide-input"]
# @title Operations by kind
KINDS = {
    "convolution": "conv",
    "batch norm": "batch_norm",
    "max-pool": "max_pool",
    "optimizer": "adam",
    "copies": "copy_",
}


def by_kind(seconds):
    """Shares of the time by kind of operation."""
    shares, rest = {}, seconds.copy()
    for kind, word in KINDS.items():
        chosen = rest.index.str.contains(word, case=False)
        shares[kind], rest = rest[chosen].sum(), rest[~chosen]
    shares["all else"] = rest.sum()
    return pd.Series(shares) / seconds.sum()


# %%
small = build_model("cnn", cifar10.image_shape, cifar10.num_classes, "small")
profiles = pd.DataFrame(
    {
        "small CNN": by_kind(profile(small.to(device), "fp32")),
        "large CNN": by_kind(profile(new_large().to(device), trial.precision)),
        "fast CNN": by_kind(profile(fast, precision)),
    }
)
print((100 * profiles).to_string(float_format="%.1f"))
confirm(
    profiles.loc["convolution"].min() > 0.3,
    "convolutions take much of the time in all three",
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three stacked bars, one a model, with the share of convolution, batch norm, max-pool, optimizer, copies and all else; convolution is the largest part in all."}}
figure, axis = plt.subplots(figsize=(6.4, 2.4))
left = 0
for (kind, shares), colour in zip(profiles.iterrows(), COLOURS):
    axis.barh(
        profiles.columns,
        100 * shares,
        left=left,
        color=colour,
        edgecolor="white",
        label=kind,
    )
    left = left + 100 * shares
axis.set(xlabel="share of the time (%)", xlim=(0, 100))
axis.legend(
    ncols=3, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, 1.5), frameon=False
)
axis.invert_yaxis()
plt.show()

# %% [markdown]
# The smaller the network, the smaller the part of the convolutions. In the small CNN more than half of the time goes elsewhere, into work that computes little and moves much: batch norm, and under "all else" ReLU and its way back. That is why it stays further below the limit than the large one.
#
# On a GPU, `self_cpu_time_total` would only say how long it took to *ask* for the work; PyTorch's documentation tells you to add `ProfilerActivity.CUDA` and to read `self_device_time_total`.
#
# ## Accuracy against seconds
#
# Now for what counts: how good is the network after so many seconds? First, do images that grow pay? We train the fast CNN twice by its recipe on 10,000 of the training images: with whole images, and with images that grow. An epoch of small images costs less, so the growing ones get four epochs and the whole ones three, which takes at least as long. Both are judged on the validation split, with one seed.

# %%
part = cifar10.subset(budget(full=10_000, fast=400))
curves = {}


def train(name, config):
    model = build_model("fastcnn", part.image_shape, part.num_classes, "large")
    started, points = time.perf_counter(), []

    def note(state):
        seconds = time.perf_counter() - started
        points.append((seconds, 100 * state["rows"][-1]["val_accuracy"]))

    fit(model, part, config, device=device, progress=False, after_epoch=note)
    curves[name] = points
    print(f"{name}: {points[-1][1]:.1f} % after {points[-1][0]:.1f} s")


# %%
short = recipe("fastcnn", "cifar10")
whole = replace(with_epochs(short, budget(full=3, fast=1)), image_sizes=())
train("whole images", whole)
train("growing images", with_epochs(short, budget(full=4, fast=2)))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Validation accuracy against seconds for two short trainings of the fast CNN: the one with growing images begins near chance and ends above the one with whole images."}}
figure, axis = plt.subplots(figsize=(6.4, 3))
for (name, points), colour, marker in zip(curves.items(), COLOURS, MARKERS):
    axis.plot(*zip(*points), color=colour, marker=marker, markersize=5, label=name)
axis.set(
    xlabel="seconds since the start, validation included",
    ylabel="validation accuracy (%)",
    title="10,000 images, one seed",
)
axis.legend()
plt.show()

# %%
last = {name: points[-1][1] for name, points in curves.items()}
confirm(
    last["growing images"] > last["whole images"],
    "images that grow end higher, in no more time",
)

# %% [markdown]
# While the images are smallest, the accuracy on full-size validation images is hardly better than chance: the network has never seen objects so large. It rises as they grow. What counts is the end, when the schedule has brought the learning rate down.
#
# That is one seed, a part of the images, and less than a minute. For a verdict we have to train on all images, with several seeds.
#
# ### The whole recipe, on all images
#
# How good can the fast CNN be after one minute, and how good after some more? `python -m benchmarks --only minutes` finds out. For every length there is a training of its own on all images, in a [process](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#process) of its own, with a schedule that ends just then, and several seeds. Beside it the *same network* is trained by the usual loop: Adam, float32, no augmentation, whole images from the start. A third contestant is another network with the optimizer *Muon*: the file `benchmarks/muon.py`. (Muon is momentum, but before a step each weight matrix's update is made equally long in all directions.)
#
# The results are in the file `benchmarks/results.json`. The cells below only read it, since these trainings take more than an hour.
#
# **Think first**: the usual loop has no tricks that cost accuracy at first. After how many minutes will the recipe be ahead, and by how much at the end?

# %%
stored = json.loads((root / "benchmarks" / "results.json").read_text())
minutes = stored["minutes"]
print("processor:", minutes["setting"]["cpu"])
print("images:", minutes["source"])

# %% tags=["hide-input"] mystnb={"image": {"alt": "Validation accuracy against minutes on all of CIFAR-10. The recipe and Muon lie close together, near 80 % in less than a minute and near 89 % after five to six minutes. The usual loop with the same network has 67 % after a minute and ends at 78 %, where its bar, the standard deviation over the seeds, is the longest of all."}}
# From a file, not from this run.
WAYS = {"usual": "usual loop", "fit": "the recipe, by fit"}
WAYS["muon"] = "Muon, another network"
figure, axis = plt.subplots(figsize=(6.4, 3.8))
for (way, label), colour, marker in zip(WAYS.items(), COLOURS, MARKERS):
    ends = [end for end in minutes["ends"] if end["contestant"] == way]
    times = [end["seconds"]["median"] / 60 for end in ends]
    means = [100 * end["val_accuracy"]["mean"] for end in ends]
    stds = [100 * (end["val_accuracy"]["std"] or 0) for end in ends]
    style = {"color": colour, "marker": marker, "label": label, "capsize": 3}
    axis.errorbar(times, means, stds, **style)
axis.set(xlabel="minutes, validation included", ylabel="validation accuracy (%)")
axis.set(xlim=0)
axis.set_title("CIFAR-10, all images: mean ± standard deviation")
axis.legend()
plt.show()

# %% tags=["hide-input"]
# @title The same as a table
# From a file, not from this run.
def percent(found):
    """Mean ± standard deviation over the seeds, where there are several."""
    if found is None:
        return "-"
    std = "" if found["std"] is None else f" ± {100 * found['std']:.2f}"
    return f"{100 * found['mean']:.2f}{std}"


def row(training, end):
    seconds = end["seconds"]["median"]
    about = {"training": training, "epochs": end["epochs"], "seeds": end["runs"]}
    about |= {"precision": end["precision"], "seconds": seconds}
    about["validation (%)"] = percent(end["val_accuracy"])
    return about | {"test (%)": percent(end["test_accuracy"])}


shown = [end for end in minutes["ends"] if end["contestant"] in WAYS]
table = pd.DataFrame([row(WAYS[end["contestant"]], end) for end in shown])
print(table.to_string(index=False, float_format="%.0f"))
for end in shown:
    if end["test_accuracy"]:
        record(
            f"minutes.{end['contestant']}_{end['epochs']}",
            test_accuracy=end["test_accuracy"]["mean"],
            seconds=end["seconds"]["median"],
            runs=end["runs"],
        )

# %%
ends = pd.DataFrame(minutes["ends"]).set_index("contestant")
ends["seconds"] = [seconds["median"] for seconds in ends["seconds"]]
ends["validation"] = [100 * found["mean"] for found in ends["val_accuracy"]]
usual, recipes = ends.loc["usual"].iloc[-1], ends.loc["fit"]
longest = recipes.iloc[-1]
for name, end in (("usual loop", usual), ("recipe", longest)):
    print(f"{name}: {600 * end['epochs'] / end['seconds']:.1f} passes in ten minutes")
shorter = recipes[recipes["seconds"] < usual["seconds"] / 2]
confirm(
    longest["validation"] > usual["validation"] + 5,
    "the same network ends more than 5 points higher with the recipe",
)
confirm(
    shorter["validation"].max() > usual["validation"],
    "half of the usual loop's time is enough to be ahead of it",
)

# %% [markdown]
# So the recipe is ahead from the first point on, with the network that both share. It isn't one trick. In the same seconds it makes several times as many passes (bf16, channels last, small images first), and it gets more out of each: augmentation, label smoothing, and a learning rate that falls to 0 at the end.
#
# The usual loop also has the longest bars. Its learning rate never falls, and one epoch ends well, another badly. So a single training of it says little.
#
# In the same time the recipe and Muon end within about a point of each other, now the one ahead and now the other.
#
# ### What each idea gives
#
# Which part comes from the growing images, which from the fast CNN? Four trainings of little more than a minute each tell. The large CNN has the recipe of chapter 3, once as it is, and once with images that grow. The fast CNN has its own recipe, in the same two ways. All are done by `fit`, with so many epochs that they take about equally long.

# %% tags=["hide-input"]
# @title Four trainings of little more than a minute
# From a file, not from this run.
IDEAS = {
    ("cnn_whole", 4): "large CNN, whole images",
    ("cnn_growing", 7): "large CNN, growing images",
    ("fit_whole", 3): "fast CNN, whole images",
    ("fit", 4): "fast CNN, growing images",
}
found = {(end["contestant"], end["epochs"]): end for end in minutes["ends"]}
ideas = pd.DataFrame([row(name, found[key]) for key, name in IDEAS.items()])
print(ideas.to_string(index=False, float_format="%.0f"))

# %%
first, *_, last = (100 * found[key]["val_accuracy"]["mean"] for key in IDEAS)
confirm(
    last > first + 1,
    "both ideas together end more than a point higher",
)

# %% [markdown]
# Growing images help the fast CNN, by more than the spread over the seeds. They do not help the large CNN with the recipe of chapter 3. With whole images the fast CNN is no clear gain over the large one: on validation the difference is within the spread. On the test split it is ahead, but it also took longer, so this table does not settle it. So it is the two together that count, and even they are the smaller part. Look back at the usual loop after a minute: the larger part is the recipe (augmentation, label smoothing, a learning rate that falls to 0 in time), and code that gets through more images while it lasts.
#
# What is in the fast recipe? Batches of 128, SGD with Nesterov momentum, a learning rate that rises for a fifth of the run and then falls in a straight line, weight decay, label smoothing of 0.2, augmentation, images that grow.
#
# Is more possible? Yes, with more time. `benchmarks/muon.py` is one recipe in one file, short enough to read. It was found by trials that the validation images judged: `benchmarks/search.md` tells what was tried, and what was chance. Its last trainings learned from the training *and* the validation images, and each used the test split at its end. Three small choices were made after such results had been seen, and `benchmarks/search.md` names them. So the last tenths of a point may be luck.

# %% tags=["hide-input"]
# @title The whole of benchmarks/muon.py, on two cores
# From a file, not from this run.
runs = json.loads((root / "benchmarks" / "muon.json").read_text())
whole = pd.DataFrame(
    {
        "seed": run["settings"]["seed"],
        "epochs": run["settings"]["epochs"],
        "precision": run["precision"],
        "minutes": run["seconds"][-1] / 60,
        "test (%)": 100 * run["test_accuracy"],
    }
    for run in runs
)
print(whole.to_string(index=False, float_format="%.2f"))
for precision, seeds in whole.groupby("precision"):
    mean, std = seeds["test (%)"].mean(), seeds["test (%)"].std()
    print(f"test accuracy in {precision}, over the seeds: {mean:.2f} ± {std:.2f} %")
    record(
        f"muon_{precision}",
        test_accuracy=mean / 100,
        std=std / 100,
        seconds=60 * seeds["minutes"].median(),
        runs=len(seeds),
    )

# %% [markdown]
# So <!-- result:muon_bf16.seconds|minutes -->10 minutes<!-- /result --> on two cores give <!-- result:muon_bf16.test_accuracy|percent -->90.20 %<!-- /result -->, the mean over the seeds. In float32 it takes <!-- result:muon_fp32.seconds|minutes -->15 minutes<!-- /result --> for <!-- result:muon_fp32.test_accuracy|percent -->90.02 %<!-- /result -->, with fewer epochs. Compare them with the lines of the table above with care. Those trainings left the validation images out, so they had a tenth fewer images to learn from.
#
# Minutes on another machine are other minutes. The next table is from a processor without units for bfloat16, so all is float32 there. It says when the recipe reached a validation accuracy for the first time: the median of the seeds that reached it. It also has the accuracy on the test split, with the standard deviation where there were several seeds. That split was used once for each training, at its end.

# %% tags=["hide-input"]
# @title The table: when each goal was reached
# From a file, not from this run.
part, rows = stored["accuracy"], []
for goal in part["goals"].values():
    found = goal["contestants"]["fit"]
    reached, test = found["seconds_to_goal"], found["test_accuracy"]
    rows.append(
        {
            "data": goal["dataset"],
            "goal (%)": 100 * goal["accuracy"],
            "epochs": found["epochs"],
            "reached": f"{found['reached']} of {found['runs']}",
            "seconds to goal": reached["median"] if reached else float("nan"),
            "test (%)": 100 * test["mean"],
            "std": 100 * test["std"] if test["std"] else float("nan"),
        }
    )
    key = "mnist" if "MNIST" in goal["dataset"] else "cifar10"
    record(
        f"fastcnn.{key}",
        test_accuracy=test["mean"],
        seconds=found["total_seconds"]["median"],
        runs=found["runs"],
    )
print("processor:", next(iter(part["goals"].values()))["setting"]["cpu"])
print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f", na_rep="-"))

# %% [markdown]
# ### What gave little here
#
# Two ideas that one often reads about, and what `python -m benchmarks --only steps` measured for them. **`torch.compile`** joins small operations into larger ones: `model.compile()`, or `python train.py --compile`. And why have [autograd](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#autograd) find the gradients at every step, if they can be worked out by hand? That was tried with the linear model. Beside it stand its matrix products alone, without which there is no step at all.

# %%
# From a file, not from this run.
steps = stored["steps"]["comparisons"]
names = [f"{each['model']}, {each['dataset']}" for each in steps]
table = pd.DataFrame(
    [{way: ratio["median"] for way, ratio in each["ratio"].items()} for each in steps],
    index=names,
)
table["fit"] = [each["milliseconds"]["fit"]["median"] for each in steps]
table["to compile (s)"] = [each["start_up_seconds"] for each in steps]
table = table.rename(columns={"fit": "fit (ms)", "hand": "by hand"})
print("processor:", stored["steps"]["setting"]["cpu"])
print("a step of fit, and how many times as long the others take")
print(table.to_string(float_format="%.2f", na_rep="-"))

# %% [markdown]
# On this processor no compiled step is clearly faster, and a short run would lose the seconds of compiling, too. A GPU is another matter: there many small calls are the brake. So `--compile` is there for you to try, and off unless you say so.
#
# Autograd is a small part even here, where a step is shorter than anywhere else in the course. A larger part is neither autograd nor matrix products: it is small calls, for ReLU, softmax, sums and Adam. We leave it at that.
#
# ## What went wrong, and why
#
# **The first step was timed.** Memory, the code for every operation and the optimizer's state are prepared in the first step. Whoever times one step of each contestant measures that. Here everything is long prepared, so we ask a fresh process for the times of its first ten steps.

# %%
FIRST_STEPS = """
import time
import torch
from torch.nn import functional as F
from helpers.models import build_model

images, labels = torch.randn(128, 3, 32, 32), torch.zeros(128, dtype=torch.int64)
model = build_model("cnn", (3, 32, 32), num_classes=10, size="small")
optimizer = torch.optim.Adam(model.parameters())
for step in range(10):
    started = time.perf_counter()
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    print(1000 * (time.perf_counter() - started))
"""
fresh = [sys.executable, "-c", FIRST_STEPS]
times = [float(line) for line in subprocess.check_output(fresh, cwd=root).split()]

# %% tags=["hide-input"] mystnb={"image": {"alt": "Milliseconds of the first ten training steps of a small CNN in a fresh process; the bar of the first, in another colour, is higher than the others."}}
figure, axis = plt.subplots(figsize=(6.4, 2.6))
colours = [COLOURS[3], *[COLOURS[0]] * (len(times) - 1)]
axis.bar(range(1, len(times) + 1), times, color=colours)
axis.set(xlabel="step", ylabel="milliseconds", title="ten steps in a fresh process")
plt.show()

# %%
confirm(
    times[0] > 1.2 * median(times[1:]),
    "the first step takes clearly longer than those that follow",
)

# %% [markdown]
# **The contestants ran one after the other.** A computer slows down when it gets warm, or when another program wakes up. If A has all its runs in the morning and B in the afternoon, that passes for a difference between A and B. To see how large the error can be, we time the *same* thing as A and as B: the true ratio is 1. Once all of A before all of B, once in turns.

# %%
contestant = build_model("cnn", cifar10.image_shape, cifar10.num_classes, "small")
contestant = contestant.to(device)
step = make_step(contestant, torch.optim.Adam(contestant.parameters(), fused=True))
iterator, count = iter(batches), budget(full=12, fast=4)
rounds = [images_per_second(step, iterator) for _ in range(count)]
half = len(rounds) // 2
in_a_row = median(rounds[:half]) / median(rounds[half:])
alternating = median(a / b for a, b in zip(rounds[::2], rounds[1::2]))
print(f"A against itself: {in_a_row:.3f} in a row, {alternating:.3f} in turns")
print(f"single rounds lie between {min(rounds):.1f} and {max(rounds):.1f} images/s")

# %% [markdown]
# On a quiet machine both ratios are close to 1, on a busy one the first may be far off. Whatever differs by less than that is no result. `python -m benchmarks` therefore lets all contestants take turns, and prints the smallest and the largest value beside every median.
#
# **The clock was stopped too early.** On a GPU `loss.backward()` returns at once and the work goes on behind it. A stopwatch then measures how fast Python can ask. Wait with `torch.accelerator.synchronize()`, or ask for a number with `.item()`, before you look at the clock. `make_step` returns `loss.item()` for this reason. In a real loop that is a brake: the GPU waits for Python at every step. `helpers.training.train_epoch` keeps the sum of the losses on the device until the epoch is over.
#
# **bf16 was chosen by its name.** On a processor without units for it, the same step is slower in bf16. `--precision auto` tries before it decides.
#
# ## What changes on a GPU
#
# The numbers of this chapter are from a CPU. We ran the same programs on one NVIDIA H200, with PyTorch 2.11, and trained the fast CNN on CIFAR-10 in four ways. (All that was measured there is in `benchmarks/gpu.json`.)
#
# | Training, float32, batches of 128 | images/s |
# |---|---:|
# | usual loop | <!-- result:h200.usual\|thousands -->4,777<!-- /result --> |
# | usual loop, `num_workers=8` | <!-- result:h200.usual_8_workers\|thousands -->15,050<!-- /result --> |
# | `fit`, all images on the GPU | <!-- result:h200.fit\|thousands -->35,530<!-- /result --> |
# | the same in Lightning | <!-- result:h200.lightning\|thousands -->26,000<!-- /result --> |
# | `fit`, bf16 | <!-- result:h200.fit_bf16\|thousands -->31,150<!-- /result --> |
# | `fit`, bf16, batches of 2,048 | <!-- result:h200.fit_2048\|thousands -->264,700<!-- /result --> |
#
# - **First the data are the brake.** In the usual loop the card waits for a CPU that prepares one image after the other. Workers help. Better still, a data set that fits into the card's memory is moved there once, as `fit` does. With data too large for that: `DataLoader(num_workers=…, pin_memory=True)` and `tensor.to(device, non_blocking=True)`.
# - **Then Python is.** A step in batches of 128 is a long row of tiny tasks, and the card does each of them faster than Python asks for the next. So bf16 gains nothing here, and `--precision auto` rightly stays with float32.
# - **Larger batches** change that: the tasks grow, and there are fewer of them. Even then the fast CNN uses only <!-- result:h200.part_of_peak|percent1 -->11.8 %<!-- /result --> of what this card can multiply in bf16. Our networks are small for it. A larger batch wants a larger learning rate: chapter 4.
# - **The whole recipe** took <!-- result:h200.seconds|seconds -->24 s<!-- /result --> there, and reached <!-- result:h200.test_accuracy|percent1 -->87.0 %<!-- /result --> on the test split: the accuracy of a CPU, only sooner.
# - **`torch.compile`** may help more than on a CPU. It takes a while at the start, and again for every new image size.
# - **Never wait**: no `.item()`, no `print(loss)` in the loop.
# - **The same seed is not the same run.** In float32 two runs with one seed drifted apart on this card, and so did `fit` and Lightning. Some of its tasks add numbers in whatever order they arrive. In bf16, where we tried it once, all three ended with the same weights. On one CPU, with the same number of threads, they always do.
#
# ## Two processes, and then many
#
# One machine has an end. The next step is **data parallel** training (DDP, *distributed data parallel*): every process has a copy of the model and takes its share of every batch. After `backward` the processes average their gradients, so all copies make the same step and stay equal.
#
# Here is a whole training of that kind. Five lines make the difference to the loop of chapter 2, and each has a comment. We keep it as text, because every process is to run it from its first line.

# %%
BEGINNING = """
import statistics, time
import torch
from torch import distributed
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
from helpers.data import load
from helpers.models import build_model

distributed.init_process_group("gloo")  # the processes meet; on GPUs: "nccl"
processes = distributed.get_world_size()
mnist = load("mnist", mode="sample")
dataset = TensorDataset(mnist.normalise(mnist.train.images), mnist.train.labels)
sampler = DistributedSampler(dataset)  # every process gets images of its own
loader = DataLoader(dataset, 128 // processes, sampler=sampler, drop_last=True)
"""

# %% [markdown]
# Every process now has the same data, and a sampler that leaves it the images that are its own. The rest is the loop that you know. We train two models, and note how long a step takes.

# %%
TRAINING = """
for name in ("linear", "cnn"):
    model = build_model(name, mnist.image_shape, mnist.num_classes, "small")
    model = DistributedDataParallel(model)  # its backward averages the gradients
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in (1, 2):
        sampler.set_epoch(epoch)  # another order in every epoch
        total, seconds = torch.zeros(()), []
        for images, labels in loader:
            started = time.perf_counter()
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds.append(time.perf_counter() - started)
            total += loss.detach() / len(loader)
        distributed.all_reduce(total)  # the sum over all processes
        if distributed.get_rank() == 0:
            print(name, epoch, total.item() / processes, statistics.median(seconds))
"""

# %% [markdown]
# `torchrun` starts the processes and tells each its number. We let one process do all the work, then two share it. Each has one thread, as if it were a machine of its own. The batch of 128 is that of all processes together.


# %%
def train_with(processes):
    """Run the script in so many processes; what the first one prints, as a table."""
    with TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(BEGINNING + TRAINING)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}", str(script)]
        settings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
        said = subprocess.check_output(command, env=settings, text=True)
    rows = [line for line in said.splitlines() if line.startswith(("linear", "cnn"))]
    names = ["model", "epoch", "loss", "seconds"]
    return pd.read_csv(StringIO("\n".join(rows)), sep=" ", names=names)


# %%
one, two = train_with(1), train_with(2)
table = one[["model", "epoch"]].assign(one=one["loss"], two=two["loss"])
print(table.to_string(index=False, float_format="%.6f"))
difference = ((one["loss"] - two["loss"]).abs() / one["loss"])[one["model"] == "linear"]
confirm(difference.max() < 1e-4, "the linear model's loss is the same, up to rounding")

# %% [markdown]
# Why not bit for bit? Each process averages the gradients of its 64 images, and then the two averages are averaged. Adding the same numbers in another order rounds differently. The CNN differs a little more: batch norm takes its means over the 64 images of one process.
#
# What did sharing gain? Say a step takes $t_1$ seconds alone, and $t_2$ shared by two. Then $t_2 - t_1 / 2$ of it went into waiting and averaging: the part that is not shared. However many processes there are, no step gets shorter than that. This is **Amdahl's law**, and it sets a limit: at most $t_1 / (t_2 - t_1 / 2)$ times as fast.

# %%
alone, shared = (table.groupby("model")["seconds"].last() for table in (one, two))
not_shared = (shared - alone / 2).clip(lower=0)
scaling = pd.DataFrame(
    {
        "alone (ms)": 1000 * alone,
        "shared (ms)": 1000 * shared,
        "times as fast": alone / shared,
        "at most": alone / not_shared,
    }
)
print(scaling.to_string(float_format="%.2f"))

# %% [markdown]
# The linear model gains little or loses: its step is so short that averaging takes a large part of it. The CNN computes longer for every gradient that is sent, so it fares better. So it is with large networks: the more work between two meetings, the better they scale. But a step waits for the slower process: where other programs take turns on the cores too, even the CNN may lose. On one machine you would take one process with two threads, which needs no averaging at all. Processes are for a second GPU or a second machine. There the same command runs on every machine, and they meet at one address. (`train.py` has such lines, too.)
#
# ```bash
# torchrun --nnodes=2 --nproc-per-node=1 --rdzv-id=42 --rdzv-backend=c10d \
#     --rdzv-endpoint=HOST:29400 train.py --model fastcnn --dataset cifar10 --out runs/many
# ```
#
# In Lightning, flags say it: `python lightning_train.py --devices 1 --num-nodes 2 --strategy ddp …`. The [manual](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/command_line.md) says more, also for SLURM.
#
# Every step has to wait for the slowest process and for the network. With twice the processes and the same batch, each computes half as long between two waits. So people enlarge the batch along with the number of machines, and tune the learning rate again ([Goyal et al., 2017](https://arxiv.org/abs/1706.02677)).
#
# ## Which one should I choose?
#
# | You train | Take | Beware |
# |---|---|---|
# | on a CPU | `--precision auto`, and `--model fastcnn` for runs of several minutes | in a run of seconds the fast CNN does not pay |
# | on a GPU | the same, and batches as large as your accuracy allows | see the table above before you buy a larger card |
# | more images than fit into memory | `DataLoader` with workers | measure first whether the data are the brake at all |
# | on several machines | `torchrun` | a step must be long against the time to average gradients |
#
# ## Exercises
#
# Replace the dots `...` and run the cell: it says ✅, or ❌ with a hint. The solution is folded below each.
#
# ### Exercise 7.1: count the operations (easy)
#
# How many operations does a convolution need for one image, forward? It maps `in_channels` to `out_channels` with `kernel × kernel` filters, and its output is `height × width`. A multiplication and an addition are two operations; leave the bias out.


# %%
def conv_flop(in_channels, out_channels, kernel, height, width): ...


grade("7.1", conv_flop)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def conv_flop(in_channels, out_channels, kernel, height, width):
#     return 2 * in_channels * kernel**2 * out_channels * height * width
# ```
#
# Every output number is a sum of `in_channels · kernel²` products, and there are `out_channels · height · width` of them.
#
# </details>
#
# ### Exercise 7.2: the speed of the whole run (easy)
#
# A run has the same number of images at each of several speeds (images a second). Return the speed of the whole run. Predict it first for 100 and 300 images a second.


# %%
def overall_speed(speeds): ...


grade("7.2", overall_speed)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def overall_speed(speeds):
#     return len(speeds) / sum(1 / speed for speed in speeds)
# ```
#
# The slow part lasts longer, so it counts more. 100 and 300 make 150, not 200.
#
# </details>
#
# ### Exercise 7.3: a fair ratio (medium)
#
# `a` and `b` are the seconds of two contestants that took turns, round by round. The first round was the warm-up. How many times as fast as `a` is `b`? Compare within each round and take the median of the ratios, so that a slow round of both changes nothing.


# %%
def times_as_fast(a, b): ...


grade("7.3", times_as_fast)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def times_as_fast(a, b):
#     return median(x / y for x, y in zip(a[1:], b[1:]))
# ```
#
# Seconds of `a` over seconds of `b`: whoever needs less time is faster.
#
# </details>
#
# ### Exercise 7.4: how far does it scale? (medium)
#
# A step takes `compute` seconds on one process. With `processes` of them each has its share of the images, but averaging the gradients adds `wait` seconds to every step (none with one process). How many times as fast is the whole? Predict what 8 processes give with 0.8 s and 0.1 s.


# %%
def speedup(compute, wait, processes): ...


grade("7.4", speedup)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def speedup(compute, wait, processes):
#     return compute / (compute / processes + (wait if processes > 1 else 0))
# ```
#
# 8 processes: 0.8 / (0.1 + 0.1) = 4 times as fast, and never more than 8 times, however many there are. This is *Amdahl's law*: the part that is not shared sets the limit, `compute / wait`.
#
# </details>
#
# ### Exercise 7.5: shares for every process (medium)
#
# `order` is the shuffled order of an epoch (int64 `N`). Return the positions of process number `rank` out of `world_size`: every `world_size`-th one, beginning with number `rank`. All processes need the same number of images, or one would wait for ever. So leave out what is too much at the end of `order`.


# %%
def share(order, rank, world_size): ...


grade("7.5", share)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def share(order, rank, world_size):
#     whole = len(order) - len(order) % world_size
#     return order[:whole][rank::world_size]
# ```
#
# PyTorch's `DistributedSampler` does this with `drop_last=True`. Without it, some images are taken twice, so that the shares are equal.
#
# </details>
#
# ### Exercise 7.6: find the brake (open-ended)
#
# Three trainings were profiled. For each there are the seconds of one step: waiting for the batch, forward and backward, the optimizer, and all else.
#
# | | batch | forward and backward | optimizer | else |
# |---|---:|---:|---:|---:|
# | A | 0.30 | 0.08 | 0.01 | 0.01 |
# | B | 0.01 | 0.35 | 0.02 | 0.02 |
# | C | 0.02 | 0.06 | 0.14 | 0.02 |
#
# Which change helps each of them most? Choose from `"workers"` (of the `DataLoader`), `"bf16"` (say it halves forward and backward) and `"fused"` (say it takes a third of the optimizer's time).

# %%
best_change = ...  # a list of three words, for A, B and C

grade("7.6", best_change)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# best_change = ["workers", "bf16", "fused"]
# ```
#
# Work on the largest part. For C, bf16 saves 0.03 s and the fused optimizer more than 0.09 s.
#
# </details>
#
# ## Quiz
#
# **1. A new loop trains 20 % more images a second than yours. What do you ask first?**
#
# <details name="quiz-7-1"><summary>A. How many lines it has, and which libraries it needs on your machine</summary>
#
# ❌ Not so: that is a matter of taste, not of speed.
#
# </details>
# <details name="quiz-7-1"><summary>B. Whether it trains the same model, and how far rounds differ</summary>
#
# ✅ Yes: a smaller model is always faster, and a difference below the spread is none.
#
# </details>
# <details name="quiz-7-1"><summary>C. Whether it runs on a GPU</summary>
#
# ❌ Not so: a ratio is about one machine. But you do ask on which.
#
# </details>
#
# **2. Your network uses 20 % of what the machine can multiply. Where is the rest?**
#
# <details name="quiz-7-2"><summary>A. Lost: the code has a mistake</summary>
#
# ❌ Not so: no real network reaches the limit, which is the best case of one operation.
#
# </details>
# <details name="quiz-7-2"><summary>B. In the learning rate, which is too small, so that the steps take longer than they should</summary>
#
# ❌ Not so: a learning rate changes what is learned, not how many operations a second there are.
#
# </details>
# <details name="quiz-7-2"><summary>C. In work that moves memory: batch norm, ReLU, pooling, batches</summary>
#
# ✅ Yes: the profiler says how much each of them takes.
#
# </details>
#
# **3. Why does `--precision auto` try both instead of asking for the processor's name?**
#
# <details name="quiz-7-3"><summary>A. Names are hard to read in Python</summary>
#
# ❌ Not so: `platform` has them. They just do not tell.
#
# </details>
# <details name="quiz-7-3"><summary>B. bf16 always wins, and the trial is only there to warm up the processor before the training</summary>
#
# ❌ Not so: without units for it, bf16 is slower. And on a fast GPU small batches gain nothing.
#
# </details>
# <details name="quiz-7-3"><summary>C. Whether bf16 pays depends on processor, model and batch size together</summary>
#
# ✅ Yes: so it is measured, on the very model, with images of the very training.
#
# </details>
#
# **4. On a GPU a step seems to take 0.2 ms, whatever the batch size. Why?**
#
# <details name="quiz-7-4"><summary>A. The stopwatch measured how fast Python asks, not how fast the card works</summary>
#
# ✅ Yes: calls return at once. Ask for a number, or synchronise, before you look at the clock.
#
# </details>
# <details name="quiz-7-4"><summary>B. A GPU is so fast that batches cost nothing</summary>
#
# ❌ Not so: ten times the images are ten times the operations.
#
# </details>
# <details name="quiz-7-4"><summary>C. The batches were all the same, so the card kept the answers and did not compute them again</summary>
#
# ❌ Not so: equal batches cost as much as different ones.
#
# </details>
#
# **5. With growing images the validation accuracy is poor at first, and jumps when they are large. What does that tell?**
#
# <details name="quiz-7-5"><summary>A. Small images damaged the network until then</summary>
#
# ❌ Not so: in the end it is as good as one that saw large images only.
#
# </details>
# <details name="quiz-7-5"><summary>B. It is judged on full-size images, which it had not met before</summary>
#
# ✅ Yes: so judge the whole run by its end.
#
# </details>
# <details name="quiz-7-5"><summary>C. The learning rate rose at that moment</summary>
#
# ❌ Not so: the schedule goes on as before, from batch to batch.
#
# </details>
#
# ## Takeaways
#
# - Count the operations and measure the machine: then you know what is left to gain.
# - Keep data in memory and work on whole batches; use channels last; keep freed memory; measure the precision.
# - Small images first buy more accuracy for a second; judge such a trick by accuracy against seconds.
# - Time after a warm-up, in turns, with the median and the spread.
# - DDP: equal copies, shared batches, averaged gradients; the loop stays the same.
#
# ## Read on
#
# - PyTorch, [performance tuning guide](https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html): the same advice, and more of it.
# - PyTorch, [profiler recipe](https://docs.pytorch.org/tutorials/recipes/recipes/profiler_recipe.html): what the profiler can do beside counting.
# - [Keller Jordan, 2024](https://arxiv.org/abs/2404.00498): 94 % on CIFAR-10 in seconds, and how one gets there.
# - [Goyal et al., 2017](https://arxiv.org/abs/1706.02677): large batches on many machines, and which learning rate they want.
#
# ## Next
#
# [Ship it](08_ship_it.ipynb) hands your model to somebody who has no PyTorch. Or train on pictures of your own: [Your own images](own_images.ipynb).
