# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. Data exploration
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/01_data_exploration.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/01_data_exploration.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/01_data_exploration.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this chapter you can
#
# - say what every axis of a tensor of images means, and how many bytes it takes,
# - check a data set before you train on it: classes, balance, copies,
# - compute the constants that normalise images, and say on which images,
# - explain why there are three splits, and show what a leak between them does,
# - decide which changes of an image keep its label,
# - measure the baselines that a trained model has to beat, your own eyes among them.
#
# **Before you start**: some Python, classes included, and the short page on [tensors](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#tensor) before this one. No knowledge of deep learning is needed.
#
# **Time**: read about 30 minutes; exercises and quiz about an hour more. The full run takes <!-- result:chapters.01.full_seconds|minutes -->1 minute<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.01.fast_seconds|seconds -->13 s<!-- /result -->.
#
# **The question**: what does a computer see when it looks at an image, and what must we know about a [data set](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#data-set) before we train on it?

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
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from torch import nn

from helpers.data import load, resize
from helpers.exercises import grade
from helpers.notebook import budget, confirm, explore, record
from helpers.plots import COLOURS, MARKERS, draw_image, show_images, use_style
from helpers.training import best_device

use_style()
device = best_device()  # a GPU if there is one

# How much is done in a full run, and in the fast profile.
STEPS = budget(full=1000, fast=200)
SEARCHED = budget(full=20_000, fast=3_600)
SMALLER = budget(full=10_000, fast=3_000)

# %% [markdown]
# ## Two data sets
#
# A **data set** is a collection of examples: here images, each with its **[label](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#label)**, the name of what it shows. The possible labels are the **[classes](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#class)**.
#
# **[MNIST](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#mnist)**: handwritten digits, grey, 28 × 28 [pixels](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#pixel). **[CIFAR-10](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cifar-10)**: small photographs of ten kinds of things, in colour, 32 × 32 pixels. We load both. `source` says where the pixels came from. That belongs beside every number that we compute: a copy that was stored as JPEG, for example, differs a little from the original, and a stand-in of drawn pictures, used where nothing else can be had, differs a lot.

# %% tags=["nbval-ignore-output"]
mnist, cifar10 = load("mnist"), load("cifar10")
for data in (mnist, cifar10):
    print(f"{data.title}: {data.source}")

# %% [markdown]
# ## A first taste: a model names ten images
#
# Before we look closely, here is where the course is going. The next cell builds a small [model](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#model) and trains it, once on the digits and once on the photographs. It is chapter 2 in advance: you need not understand it yet. Read only the comments.

# %%
def train_small(data):
    torch.manual_seed(0)
    pixels = data.train.images[0].numel()  # how many numbers an image has
    layers = nn.Flatten(), nn.Linear(pixels, 100), nn.ReLU(), nn.Linear(100, 10)
    model = nn.Sequential(*layers).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for step in range(STEPS):
        some = torch.randint(len(data.train), (100,))  # a hundred images at random
        images, labels = data.train.images[some], data.train.labels[some]
        answers = model(images.to(device) / 255)
        loss = nn.functional.cross_entropy(answers, labels.to(device))  # how wrong?
        optimizer.zero_grad()
        loss.backward()  # how does each weight change that?
        optimizer.step()  # change all weights a little
    return model


digit_model, photo_model = train_small(mnist), train_small(cifar10)

# %% [markdown]
# A few seconds of training. Now both models name images that they have not seen.

# %%
def name_images(model, images):
    return model(images.to(device) / 255).argmax(dim=1).cpu()  # the highest score


tastes = (("digits", digit_model, mnist), ("colour", photo_model, cifar10))
for kind, model, data in tastes:
    right = name_images(model, data.val.images) == data.val.labels  # a mask
    print(f"{kind} images: {100 * right.float().mean():.1f} % named rightly")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Five digits and five small photographs, each under the name that a model gave it; where the name is wrong, the true one stands below it."}}
figure, axes = plt.subplots(2, 5, figsize=(6.4, 3.5))
for line, model, split, classes in (
    (axes[0], digit_model, mnist.val[:5], mnist.classes),
    (axes[1], photo_model, cifar10.val[15:20], cifar10.classes),
):
    says = name_images(model, split.images)
    for axis, image, said, label in zip(line, split.images, says, split.labels):
        draw_image(axis, image)
        wrong = said != label
        truth = f"\nbut is {classes[label]}" if wrong else "\n "
        colour = COLOURS[3] if wrong else "black"
        axis.set_title(f"says {classes[said]}{truth}", fontsize=9, color=colour)
plt.show()
for kind, model, data in tastes:
    right = name_images(model, data.val.images) == data.val.labels
    record(f"first_taste.{kind}", val_accuracy=right.double().mean().item())

# %% [markdown]
# Nobody told the model what a 7 looks like. It was shown examples, and the same lines of code learned digits and photographs. Most of the digits are named rightly, but fewer than half of the photographs.
#
# Three words in the cells serve this book, and you may pass over them. `record` stores a number for another page. `budget` says how much to compute, in full and in a quick run. And `confirm` looks whether a sentence of the text holds in your own run: ✅ it does, ➖ it does not.
#
# Why are photographs so much harder? Are these scores good, compared with what? Can we trust them? This chapter answers with what every model sees: the data. Chapter 2 explains the lines above.
#
# ## An image is a grid of numbers
#
# A computer sees no 5 and no frog. It sees numbers. Here is one digit, and the numbers in a part of it. 0 is black, 255 is white.

# %%
digit = mnist.train.images[0, 0]  # the first image, its only channel
part = digit[10:18, 10:18]
print(digit.shape, part.shape)

# %% tags=["hide-input"] mystnb={"image": {"alt": "On the left a digit with a square marked; on the right the pixels of that square enlarged, each with its number from 0 to 255."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.3))
left.imshow(digit, vmin=0, vmax=255)
square = plt.Rectangle((9.5, 9.5), 8, 8, fill=False, edgecolor=COLOURS[1], linewidth=2)
left.add_patch(square)
left.set(xlabel="column (pixels)", ylabel="row (pixels)")
right.imshow(part, vmin=0, vmax=255)
for (i, j), value in np.ndenumerate(part.numpy()):
    colour = "black" if value > 128 else "white"
    right.text(j, i, str(value), ha="center", va="center", fontsize=9, color=colour)
right.axis("off")
plt.show()

# %% [markdown]
# A colour image is three such grids, one for each **[channel](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#channel)**: red, green and blue. In each grid a high number means much light of that colour.

# %% mystnb={"image": {"alt": "A colour image, and beside it its red, green and blue channel, each drawn as a grey picture."}}
photo = cifar10.train.images[5:6]  # a slice: still four axes, 1 × 3 × 32 × 32
channels = [photo[:, c : c + 1].expand(1, 3, -1, -1) for c in range(3)]  # grey
names = ("in colour", "red", "green", "blue")
show_images(torch.cat([photo, *channels]), range(4), names, columns=4)
plt.show()

# %% [markdown]
# ## A tensor of images
#
# Many images make a tensor with four axes: **N** images, **C** channels (1 for grey, 3 for colour), **H** rows and **W** columns. We write $x_{n,c,h,w}$ for the number in image $n$, channel $c$, row $h$, column $w$. As [`uint8`](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#uint8) each number takes one byte, as [`float32`](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#float32) four.

# %%
for data in (mnist, cifar10):
    images = data.train.images
    print("C × H × W:", tuple(images.shape[1:]), images.dtype)
    print("smallest and largest value:", int(images.min()), int(images.max()))

# %% [markdown]
# **Think first**: MNIST has about 54,000 [training images](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#training-split), CIFAR-10 has 45,000. How many megabytes do they need, and how many as `float32`?

# %%
for data in (mnist, cifar10):
    count = data.train.images.numel()  # N · C · H · W
    print(f"{count / 1e6:.1f} MB as uint8, {4 * count / 1e6:.1f} MB as float32")

# %% [markdown]
# ## Look at them
#
# Before any statistics: look at the images with their labels. Are they upright? Do the labels fit?

# %% mystnb={"image": {"alt": "Eight handwritten digits and twelve small colour images, each under its label, such as 7, frog or truck."}}
for data, count, columns in ((mnist, 8, 8), (cifar10, 12, 6)):
    few = data.train[:count]
    show_images(few.images, few.labels, data.classes, columns, title=data.title)
    plt.show()

# %% [markdown]
# ## The human baseline: name ten yourself
#
# A **[baseline](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#baseline)** is a simple method whose score a better one has to beat. The first baseline is you. Here are ten images without their labels. The classes are *airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck*.
#
# **Think first**: name all ten before you read on. How many will you get right?

# %% mystnb={"image": {"alt": "Ten small colour images, numbered from 1 to 10, without their labels."}}
quiz = cifar10.val[:10]
numbers = [f"number {n}" for n in range(1, 11)]
show_images(quiz.images, range(10), numbers, columns=5, title=cifar10.title)
plt.show()

# %% tags=["hide-input"]
def score(guesses, labels, classes):
    """Say how many of the guessed names are right."""
    short = {"car": "automobile", "plane": "airplane"}
    words = guesses.lower().replace(",", " ").split()
    words = [short.get(word, word) for word in words]
    strange = [word for word in words if word not in classes]
    if not words:
        return "⬜ no guesses yet"
    if strange or len(words) != len(labels):
        return f"❌ {len(labels)} class names are wanted; not one: {strange}"
    truth = [classes[label] for label in labels]
    missed = [n + 1 for n, word in enumerate(words) if word != truth[n]]
    return f"✅ {len(truth) - len(missed)} of {len(truth)}; missed: {missed or 'none'}"


answers = " ".join(cifar10.classes[label] for label in quiz.labels)
record("guesses.cifar10", answers=answers)

# %% [markdown]
# Write your ten guesses into the next cell, between the quotation marks, and run it. *car* and *plane* count too.

# %%
my_guesses = ""  # ten words, such as "ship cat …", in the order of the numbers
print(score(my_guesses, quiz.labels, cifar10.classes))

# %% [markdown]
# <details><summary>The answers, for the ten images that are stored in the book</summary>
#
# 1 cat, 2 truck, 3 frog, 4 dog, 5 bird, 6 automobile, 7 automobile, 8 truck, 9 horse, 10 horse. The first is hard: a cat in the dark, cut off by the edge.
#
# If you run the notebook on the drawn stand-in, you see other images. Then only the cell above knows.
#
# </details>
#
# Ten images are few: one more or less moves the score by ten points. In [a study with sixty people](https://arxiv.org/abs/1811.07270) each named a thousand of the [test images](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#test-split). They were right for about 94 of 100. So people make mistakes here, and so did those who gave the labels. This is not a ceiling: a model that has studied fifty thousand of these images may do better than people who see them for the first time.
#
# ## How many pixels do you need?
#
# **Think first**: we shrink four images from 32 × 32 pixels to 16 × 16, 8 × 8 and 4 × 4. At which size can you no longer name them? In JupyterLab or Colab you get a slider, in the book four sizes beside each other.

# %% tags=["hide-input"] mystnb={"image": {"alt": "The same four small images at 32, 16, 8 and 4 pixels a side: at 16 most can still be named, at 4 only patches of colour are left."}}
def draw_small(axis, side):
    four = resize(cifar10.train.images[1:5], side)
    pairs = torch.cat([four[:2], four[2:]], dim=2)  # the third below the first
    draw_image(axis, torch.cat(list(pairs), dim=2))
    axis.axis("off")


explore(draw_small, (32, 24, 16, 12, 8, 6, 4), "pixels a side:", shown=(32, 16, 8, 4))

# %% [markdown]
# You recognise shapes that you know from elsewhere. A computer that starts from nothing has only the numbers, and no idea which of them matter. Remember the small pictures of 8 × 8 pixels: they come back as a tool.
#
# ## Classes and balance
#
# A data set is **[balanced](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#balanced)** if every class has about the same number of images. If one class made up nine tenths, a model that always names it would be right nine times out of ten, and useless.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Bar charts of the share of each class in both training splits; all bars are near ten per cent."}}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
for data, axis, colour in zip((mnist, cifar10), axes, COLOURS):
    share = 100 * data.train.labels.bincount() / len(data.train)
    axis.bar(data.classes, share, color=colour)
    axis.set(title=data.title, xlabel="class")
    axis.tick_params(axis="x", rotation=0 if data is mnist else 90)
axes[0].set_ylabel("share of training images (%)")
plt.show()

# %% [markdown]
# All bars are close to a tenth. Both sets are balanced.
#
# ## The mean image of each class
#
# Average all images of a class. If the result still looks like the class, then its images lie neatly on top of each other.

# %% mystnb={"image": {"alt": "Above, the mean image of each digit, blurred but readable. Below, the mean image of each class of the colour images: soft blobs of colour, hardly to be recognised."}}
def mean_images(split):
    """The mean of each class: mask its images, then average over axis 0."""
    means = [split.images[split.labels == c].float().mean(dim=0) for c in range(10)]
    return torch.stack(means) / 255  # 10 × C × H × W, from 0 to 1


for data in (mnist, cifar10):
    means = mean_images(data.train)
    columns = 10 if data is mnist else 5
    show_images(means, range(10), data.classes, columns, title=data.title)
    plt.show()

# %% [markdown]
# The mean digits can be read. The mean photographs are blobs: a little blue where there was sky, a little brown where there were animals. Things in photographs stand anywhere, at any size. Remember this picture in chapter 2, whose first model has to get along with one [template](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#template) per class.
#
# ## Three splits
#
# - **Training** images: the model learns from them.
# - **Validation** images: *we* learn from them. Which model? Which settings? When to stop?
# - **Test** images: used once, at the very end, to say how good the result is.
#
# Why not choose on the test images? Because the best of many tries is partly luck, and luck does not repeat. Let a thousand "models" name digits by throwing dice. Each is scored on the same hundred images, and we keep the best.
#
# **Think first**: how many of the hundred does the best one name rightly? And how many per cent of fresh images?

# %%
truth = mnist.val.labels[:400]


def throw_dice(seed):
    """A thousand guessers: % right on 100 images, and on 300 fresh ones."""
    generator = torch.Generator().manual_seed(seed)  # the same dice every time
    dice = torch.randint(0, 10, (1000, 400), generator=generator)
    right = 100 * (dice == truth).float()  # 1000 × 400 against 400: broadcasting
    return right[:, :100].mean(dim=1), right[:, 100:].mean(dim=1)


on_hundred, on_fresh = throw_dice(seed=2)
best = on_hundred.argmax()
print(f"the best on the hundred: {on_hundred[best]:.1f} % right")
print(f"the same one on fresh images: {on_fresh[best]:.1f} %")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Histogram of the scores of a thousand random guessers around ten per cent; a solid line marks the best, far to the right, a dashed line the same guesser on fresh images, back among the others."}}
figure, axis = plt.subplots(figsize=(6.4, 2.8))
axis.hist(on_hundred.numpy(), bins=np.arange(0.5, 25), color=COLOURS[5])
top = 1.05 * axis.get_ylim()[1]
axis.vlines(on_hundred[best], 0, top, color=COLOURS[3])
axis.text(on_hundred[best] + 0.2, 0.6 * top, "the best\nof them")
axis.vlines(on_fresh[best], 0, top, color="k", linestyle="--")
axis.text(0.5, 0.8 * top, "the same one,\nfresh images")
axis.set(xlabel="right on a hundred images (%)", ylabel="number of guessers")
axis.set(xlim=(0, 25), ylim=(0, top))
plt.show()

# %% [markdown]
# The winner was not better, only luckiest. Was this throw of the dice an exception? One seed proves little, in the lesson on luck least of all. So repeat the whole contest with twenty [seeds](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#seed). The $\pm$ is the [standard deviation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#standard-deviation): how far the twenty typically lie from their mean.

# %%
winners = []
for seed in range(20):
    on_hundred, on_fresh = throw_dice(seed)
    best = on_hundred.argmax()
    winners.append([on_hundred[best].item(), on_fresh[best].item()])
mean, spread = torch.tensor(winners).mean(dim=0), torch.tensor(winners).std(dim=0)
print(f"winners on the hundred images: {mean[0]:.1f} ± {spread[0]:.1f} % right")
print(f"winners on the fresh images:   {mean[1]:.1f} ± {spread[1]:.1f} %")
confirm(mean[0] > 15, "the best of a thousand dice look far better than chance")
confirm(abs(mean[1] - 10) < 2, "on fresh images they are as good as dice are")

# %% [markdown]
# Single winners lie some points above or below ten on the fresh images, because three hundred images are not many. Their mean shows that choosing gained nothing.
#
# You will compare fewer models than a thousand, but the effect is the same. So we choose on validation, and the test images wait. The [validation split](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#validation-split) here is a tenth of the original training images. It has the same share of every class (it is **[stratified](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#stratified)**), and it is always the same.
#
# ## Pixel statistics and normalisation
#
# How are the numbers distributed?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Histograms of pixel values: most pixels of the digits are exactly black, the colour images use the whole range."}}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.9), sharey=True)
green, blue = ("green", COLOURS[2], "--"), ("blue", COLOURS[0], ":")
curves = {1: [("grey", "k", "-")], 3: [("red", COLOURS[3], "-"), green, blue]}
for data, axis in zip((mnist, cifar10), axes):
    for channel, (name, colour, line) in enumerate(curves[data.image_shape[0]]):
        pixels = data.train.images[:, channel].flatten()
        share = 100 * torch.bincount(pixels, minlength=256).double() / len(pixels)
        axis.semilogy(share.clamp(min=1e-4), line, color=colour, label=name, lw=1.4)
    axis.set(xlabel="pixel value (0 to 255)", title=data.title, ylim=(1e-2, 100))
    axis.legend(fontsize=9)
axes[0].set_ylabel("share of pixels (%)")
plt.show()

# %% [markdown]
# Training goes better when the inputs lie around 0 and spread by about 1. So we measure two numbers for each channel. The **mean** says where the values lie. The **standard deviation** says how far they typically are from the mean. Then we **[normalise](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#normalisation)**:
#
# $$x' = \frac{x/255 - \text{mean}}{\text{std}}$$
#
# Constants that you find for MNIST and CIFAR-10 were made like this, but not all of them: the standard deviations 0.2023, 0.1994, 0.2010 that are often copied for CIFAR-10 are means over the spreads of single images. So we compute them ourselves, **on the training images only**. What we know about other images must not [leak](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#leakage) into the model.

# %%
for data in (mnist, cifar10):
    for channel in range(data.image_shape[0]):
        pixels = data.train.images[:, channel].double() / 255
        mean, std = pixels.mean().item(), pixels.std(correction=0).item()
        print(f"mean {mean:.4f}  std {std:.4f}", end="  ")
        known = data.mean[channel], data.std[channel]
        print("as in the rest of the course:", np.allclose((mean, std), known))

# %% [markdown]
# To normalise many images at once, put mean and standard deviation into the shape C × 1 × 1. Broadcasting then repeats them for every image, row and column.

# %%
images = cifar10.train.images[:100]
mean, std = (torch.tensor(x)[:, None, None] for x in (cifar10.mean, cifar10.std))
by_hand = (images / 255 - mean) / std  # 100 × 3 × 32 × 32 against 3 × 1 × 1
print("the same:", torch.allclose(by_hand, cifar10.normalise(images), atol=1e-5))
black, white = ((x - mnist.mean[0]) / mnist.std[0] for x in (0, 1))
print(f"in the digits, black becomes {black:.2f} and white {white:.2f}")

# %% [markdown]
# Note the last line. Black is 0 in the file, but a *negative* number for the model. Zero is now a dark grey.
#
# ## How far apart are two images?
#
# Lay two images on top of each other and subtract them, pixel by pixel. If little is left, they are close.

# %%
def squared_difference(a, b):
    return (a.float() - b.float()) ** 2 / 255**2


ones, zeros = (mnist.train.images[mnist.train.labels == n] for n in (1, 0))
same = squared_difference(ones[0], ones[1])
other = squared_difference(ones[0], zeros[0])
print(f"a one and a one: {same.sum():.1f}, a one and a zero: {other.sum():.1f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two pairs of digits, each with its difference: two images of the same digit leave less light in the picture of the difference than two different digits."}}
figure, axes = plt.subplots(1, 6, figsize=(6.4, 1.5))
pictures = (ones[0], ones[1], same, ones[0], zeros[0], other)
for axis, picture, name in zip(axes, pictures, 2 * ["a", "b", "(a − b)²"]):
    draw_image(axis, picture)
    axis.set_title(name, fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# To make one number of it, square the differences, add them up and take the root:
#
# $$d(a, b) = \sqrt{\textstyle\sum_i (a_i - b_i)^2}$$
#
# With this **[distance](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#distance)** we can ask for an image's **[nearest neighbours](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#k-nearest-neighbours)**, the training images with the smallest distance to it. The next cell does it for many images at once. It uses $(a-b)^2 = a^2 - 2ab + b^2$: the middle term, for all pairs, is a single `@`, and products of whole tensors are what computers do fastest. The comments say the shapes: N known images, M asked ones, D pixels.

# %%
def flat(images):
    """Each image as one row of numbers from 0 to 1."""
    return images.to(device).flatten(1).float() / 255


def nearest(known, asked, k):
    """Distances (M × k) of the k nearest of the N known rows, and their positions."""
    b2 = known.norm(dim=1) ** 2  # N: the sum of squares of each known row
    distances, positions = [], []
    for a in asked.split(500):  # 500 rows at a time, to save memory
        a2 = a.norm(dim=1, keepdim=True) ** 2  # 500 × 1
        squared = a2 - 2 * a @ known.T + b2  # 500 × 1, 500 × N and N: 500 × N
        found = squared.topk(k, largest=False)  # the k smallest of each row
        distances.append(found.values.clamp(min=0).sqrt())  # rounding may go below 0
        positions.append(found.indices)
    return torch.cat(distances).cpu(), torch.cat(positions).cpu()


known, asked = flat(mnist.train.images[:50]), flat(mnist.val.images[:4])
by_torch = torch.cdist(asked, known).min(dim=1).values.cpu()  # PyTorch's own
print(torch.allclose(nearest(known, asked, 1)[0][:, 0], by_torch, atol=1e-3))

# %% [markdown]
# **Think first**: will the neighbours of a digit have its label? And those of a photograph?

# %%
neighbours = {}
for kind, data in (("digits", mnist), ("colour images", cifar10)):
    known, asked = flat(data.train.images), flat(data.val.images[:400])
    distances, index = nearest(known, asked, k=5)
    neighbours[kind] = distances, index
    same = data.train.labels[index] == data.val.labels[:400, None]  # 400 × 5, 400 × 1
    share = 100 * same.float().mean()
    print(f"{kind}: {share:.1f} % of the neighbours have the same label")
    confirm(share > 85 if data is mnist else share < 50,
            "nearly all of them" if data is mnist else "fewer than half of them")

# %% tags=["hide-input"] mystnb={"image": {"alt": "A digit and two colour images in the first column, each with its five nearest training images to the right, under distance and class. The digit's neighbours show the same digit; those of the colour images have similar colours but often other classes."}}
figure, axes = plt.subplots(3, 6, figsize=(6.4, 4.6))
colour = cifar10, "colour images"
asked = (mnist, "digits", 4), (*colour, 4), (*colour, 8)
for line, (data, kind, c) in zip(axes, asked):
    distances, index = neighbours[kind]
    row = (data.val.labels[:400] == c).nonzero()[0, 0]  # the first of that class
    draw_image(line[0], data.val.images[row])
    line[0].set_title(f"asked\n{data.classes[c]}", fontsize=9)
    for near, distance, axis in zip(index[row], distances[row], line[1:]):
        draw_image(axis, data.train.images[near])
        name = data.classes[data.train.labels[near]]
        axis.set_title(f"{distance:.1f}\n{name}", fontsize=9)
for axis in axes.flat:
    axis.axis("off")
plt.show()

# %% [markdown]
# For digits, *similar pixels* nearly means *same class*. For photographs it does not. A white cat on a dark sofa and a dark cat on a white sofa share almost no pixel. Neighbours of a photograph share its background. (The two photographs in the picture are lucky ones: more of their neighbours fit than on average.)
#
# ## Is an image in two splits?
#
# An image that stands both in training and in validation asks for nothing but memory. Such a **leak** makes a score too good. So we look for exact copies: the same bytes. A Python `set` tells at once whether it holds something.

# %%
for name, data in (("digits", mnist), ("colour images", cifar10)):
    seen = {image.numpy().tobytes() for image in data.train.images}
    for split in (data.val, data.test):
        copies = sum(image.numpy().tobytes() in seen for image in split.images)
        kind = "validation" if split is data.val else "test"
        print(f"{name}, {kind}: {100 * copies / len(split):.3f} % are copies")

# %% [markdown]
# None, or next to none. But *nearly* the same image leaks too: cut a little differently, or made brighter. The optional part near the end looks for such twins.
#
# We used the test images just now. Is that allowed? Yes: we asked whether the test is *fair*, and choose nothing by what we find. To pick a model by its test score would not be allowed.
#
# ## Which changes keep the label?
#
# A digit moved by a pixel is the same digit. A mirrored ship is a ship. **[Augmentation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#augmentation)** makes such changes to the training images, newly drawn at every pass, and the labels stay. So the model learns that they do not matter. Chapter 3 does it.
#
# **Think first**: shift, mirror, half a turn. Which of them may be done to a 6, and which to a photograph?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two rows of four large pictures, a 6 and a photograph, with a thin cross at the middle: as it is, shifted by five pixels, mirrored, and turned by half a turn. The shifted 6 is a 6, the mirrored one no digit, the turned one a 9. The photograph may be shifted and mirrored; upside down it is hardly ever met."}}
six = mnist.train.images[mnist.train.labels == 6][:1]
changes = {
    "as it is": lambda x: x,
    "shift": lambda x: nn.functional.pad(x, (5, 0))[..., :-5],
    "mirror": lambda x: x.flip(3),
    "half turn": lambda x: x.flip(2, 3),
}
verdicts = (["", "yes", "no digit", "no: a 9"], ["", "yes", "yes", "hardly"])
figure, axes = plt.subplots(2, 4, figsize=(6.4, 4.2))
for line, image, said in zip(axes, (six, photo), verdicts):
    for axis, (name, change), verdict in zip(line, changes.items(), said):
        draw_image(axis, change(image)[0])
        middle = image.shape[2] / 2 - 0.5
        axis.axvline(middle, color=COLOURS[1], lw=0.8)
        axis.axhline(middle, color=COLOURS[1], lw=0.8)
        axis.set_title(f"{name}: {verdict}" if verdict else name)
plt.show()

# %% [markdown]
# The rule: a change is allowed if *you* would still give the image the same label, and if such images can really come. "Hardly" means that the label may stay, but nobody takes photographs like that. Then the model spends effort on images it will never meet. So this course shifts digits but never mirrors them, and shifts and mirrors photographs.
#
# ## What went wrong, and why
#
# ### Arithmetic on `uint8`
#
# Make an image brighter by adding 100 to every pixel:

# %%
wrong = digit + 100
right_way = (digit.float() + 100).clamp(0, 255).to(torch.uint8)
print("200 + 100 =", (torch.tensor([200], dtype=torch.uint8) + 100).item())

# %% tags=["hide-input"] mystnb={"image": {"alt": "A digit, the digit with 100 added to its uint8 pixels so that its bright stroke has turned dark, and the digit brightened correctly."}}
three = torch.stack([digit, wrong, right_way])[:, None]
names = ("original", "uint8 + 100", "float + 100, clamped")
show_images(three, range(3), names, columns=4)
plt.show()

# %% [markdown]
# After 255 comes 0 again: bright becomes dark. No error, no warning, only wrong images. How to see it: look at the images again *after* every step of preparation. The cure: convert to float first, and `clamp` what is out of range.
#
# ### Leakage
#
# Suppose that photographs were taken in series, and somebody split them at random. Then some validation images have a twin in training, taken a moment later. We imitate it: a part of the validation images, each moved by one pixel, is put among the training images. Then every validation image gets the label of its nearest training image.
#
# **Think first**: half of the validation images have a twin. How much does the validation score rise? How much better has the method become?

# %%
train, val = cifar10.train[:SMALLER], cifar10.val[:400]
shares, seeming, honest = (0.0, 0.1, 0.25, 0.5), [], []
for share in shares:
    leaked = int(share * len(val))
    twins = val.images[:leaked].roll(1, dims=3)
    known = flat(torch.cat([train.images, twins]))
    known_labels = torch.cat([train.labels, val.labels[:leaked]])
    _, index = nearest(known, flat(val.images), k=1)
    right = 100 * (known_labels[index[:, 0]] == val.labels).double()
    seeming.append(right.mean().item())  # all validation images
    honest.append(right[leaked:].mean().item())  # those without a twin
print(f"from {seeming[0]:.1f} % to {seeming[-1]:.1f} % by leakage alone")
confirm(seeming[-1] > seeming[0] + 20, "the score rises by more than 20 points")
confirm(abs(honest[-1] - honest[0]) < 8, "without a twin nothing has improved")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Accuracy against the share of validation images with a twin in training: the score of all validation images climbs steeply, the score of those without a twin hardly changes."}}
figure, axis = plt.subplots(figsize=(6.4, 2.8))
percent = [100 * share for share in shares]
axis.plot(percent, seeming, "-", marker=MARKERS[0], label="all validation images")
axis.plot(percent, honest, "--", marker=MARKERS[1], label="those without a twin")
axis.set(xlabel="validation images with a twin (%)", ylabel="accuracy (%)")
axis.set(ylim=(0, 100))
axis.legend()
plt.show()

# %% [markdown]
# The method learned nothing new, it only met its acquaintances. How to see it: look for twins, and distrust a score that is too good. The cure: split by *series*, person or day, not by single image.
#
# There are quieter leaks. Constants of normalisation from all images, settings chosen by the test score, a split made *after* augmentation: each lets the answer sheet into the classroom.
#
# ## Which one should I choose?
#
# Four ways to name an image without any training:
#
# - **most frequent class**: always the same answer,
# - **nearest mean**: the class whose mean image is nearest,
# - **nearest image**: the label of the nearest training image,
# - **nearest thumbnail**: the same with images of 8 × 8 pixels, made equally bright and equally rich in contrast.
#
# **Think first**: write down your guess for the eight scores, then run.

# %%
def thumbnails(images):
    """Rows of 8 × 8 pixels a channel, each with mean 0 and length 1."""
    rows = resize(images, 8).to(device).flatten(1).float()  # N × 64 or N × 192
    rows = rows - rows.mean(dim=1, keepdim=True)  # equally bright
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1)  # equal contrast


def nearest_image(train, images, rows=flat):
    known = rows(train.images)
    _, index = nearest(known, rows(images), k=1)
    return train.labels[index[:, 0]], known.numel()


def nearest_mean(train, images):
    means = mean_images(train).to(device).flatten(1)  # row c is the mean of class c
    return nearest(means, flat(images), k=1)[1][:, 0], means.numel()


def most_frequent(train, images):
    return train.labels.bincount().argmax().repeat(len(images)), 1

# %%
methods = {
    "most frequent class": most_frequent,
    "nearest mean": nearest_mean,
    "nearest image": nearest_image,
    "nearest thumbnail": lambda train, images: nearest_image(train, images, thumbnails),
}
table = []
for kind, data in (("digits", mnist), ("colour", cifar10)):
    for name, method in methods.items():
        start = time.perf_counter()
        found, kept = method(data.train, data.val.images)
        seconds = time.perf_counter() - start
        accuracy = 100 * (found == data.val.labels).double().mean().item()
        table.append([name, kind, kept / 1000, seconds, accuracy])
titles = ["method", "images", "kept (thousands)", "time (s)", "validation (%)"]
table = pd.DataFrame(table, columns=titles)
print(table.to_string(index=False, float_format="{:,.1f}".format))

# %% tags=["hide-input"]
for name, kind, _, _, accuracy in table.itertuples(index=False):
    record(f"baselines.{kind}.{name.replace(' ', '_')}", val_accuracy=accuracy / 100)
scores = table.set_index(["images", "method"])["validation (%)"]
better = scores["colour", "nearest thumbnail"] > scores["colour", "nearest image"] + 3
confirm(better, "colour: thumbnails keep far fewer numbers and are right more often")
right = {k: name_images(m, d.val.images) == d.val.labels for k, m, d in tastes}
below = all(100 * r.float().mean() < scores[k].max() for k, r in right.items())
confirm(below, "the model of the first minute stays below the best baseline of each")
confirm(scores["colour"].max() < 50, "colour: yet all are wrong more often than right")

# %% [markdown]
# *kept* is how many numbers a method has to keep to answer: one class, ten mean images, or all training images. [Accuracy](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#accuracy) is the share of right answers.
#
# **Which baseline is to beat?** For the digits the nearest image. For the colour images the nearest thumbnail. It keeps far fewer numbers and is right more often. Few, coarse pixels no longer show where exactly a thing stands, and equal contrast takes out the light. So what we leave out can matter as much as what we put in. A model near the score of the most frequent class has learned nothing: look for a mistake in the code.
#
# The model of the first taste reached <!-- result:first_taste.digits.val_accuracy|percent1 -->93.9 %<!-- /result --> and <!-- result:first_taste.colour.val_accuracy|percent1 -->41.6 %<!-- /result --> on the same images. It stays *below* the best baseline of each. So a few seconds of training look impressive only until somebody asks: compared with what?
#
# **Which data set first?** MNIST. Everything runs in seconds, so mistakes in the code show at once. But because nearly everything works there, it hardly tells a good idea from a better one. For that go on to CIFAR-10, where the baselines are low and your own eyes are far above them.
#
# **Neighbours or a model?** Nearest neighbours need no training, but they keep every image and search all of them for each answer. A model takes long to train, and then answers from few numbers.
#
# The test images were not used for this table. Many models will be compared with these baselines, and validation is enough to know what to beat.

# %% [markdown]
# ## Optional: twins, suspicious labels, and a map
#
# Skip this part on a first reading: no later chapter needs it. It looks for three things that a careful person checks.
#
# ### Near twins
#
# Nearly the same image in two splits is a leak, too. [Duplicates](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#duplicate) of this kind differ in a few pixels or in brightness, so their bytes do not help. But their thumbnails are close. Here are the closest pairs of a test image and a training image.
#
# **Think first**: will the closest pairs be real twins, or only similar?

# %%
closest = {}
for data in (mnist, cifar10):
    known, asked = thumbnails(data.train.images), thumbnails(data.test.images)
    distances, index = nearest(known, asked, k=1)
    closest[data] = distances[:, 0], index[:, 0]

# %% tags=["hide-input"] mystnb={"image": {"alt": "Pairs of a test image above and its closest training image below, three of the digits and three of the colour images; each under its class name."}}
figure, axes = plt.subplots(2, 6, figsize=(6.4, 3.2))
for data, block in ((mnist, axes[:, :3]), (cifar10, axes[:, 3:])):
    distances, index = closest[data]
    asked = distances.argsort()[:3]
    lines = (data.test, asked, "test"), (data.train, index[asked], "training")
    for line, (split, positions, name) in zip(block, lines):
        for axis, position in zip(line, positions):
            draw_image(axis, split.images[position])
            label = data.classes[split.labels[position]]
            axis.set_title(f"{name}\n{label}", fontsize=9)
            axis.axis("off")
plt.show()

# %% [markdown]
# Among the digits the closest pairs are plain strokes: two people drew the same 1. A small distance alone is no proof. Among the photographs of CIFAR-10 the closest pairs are real twins. (In the drawn stand-in they are drawings with similar colours.) Always look at the pairs before you believe a number.
#
# How many twins there are depends on the distance at which we draw the line. A first hint is whether both images have the same label:

# %%
table = []
for threshold in (0.1, 0.2, 0.25, 0.3, 0.4):
    row = [threshold]
    for data in (mnist, cifar10):
        distances, index = closest[data]
        close = distances < threshold
        same = data.train.labels[index[close]] == data.test.labels[close]
        row += [100 * close.float().mean().item(), 100 * same.float().mean().item()]
    table.append(row)
titles = ["threshold", "digits (%)", "same label (%)", "colour (%)", "same label (%) "]
print(pd.DataFrame(table, columns=titles).round(2).to_string(index=False, na_rep="nan"))

# %% [markdown]
# For the colour images the share with the same label falls as the threshold grows: more and more pairs are only similar. For the digits it stays high, because similar digits *are* the same digit. There it says nothing about twins. Exercise 1.3 finds a better way to choose the threshold.
#
# A thorough study found that [3.3 % of the test images of CIFAR-10](https://arxiv.org/abs/1902.00423) have a near twin among the training images. We leave the splits as they are, as nearly everybody does. But keep in mind: published scores on CIFAR-10 may be a little too good.
#
# ### Are the labels right?
#
# People gave the labels, and people make mistakes. Sixty thousand labels cannot be read again. But we can ask for those that are worth a second look. An image is **suspicious** if its nearest neighbours agree with each other, and not with its label.
#
# The neighbours vote. `one_hot` writes each label as ten numbers, with a 1 in the place of the class, so adding them up counts the votes. `scatter` is the opposite of `gather`: it writes one number into every row.

# %%
def second_look(split, k=10):
    """Of k neighbours: how many share the label; how many agree on which other."""
    rows, own = flat(split.images), split.labels[:, None]  # N × D and N × 1
    _, index = nearest(rows, rows, k + 1)
    index = index[:, 1:]  # N × k: the nearest of all is the image itself
    votes = nn.functional.one_hot(split.labels[index], 10).sum(dim=1)  # N × 10
    same = votes.gather(dim=1, index=own)[:, 0]  # N: votes for the own label
    others = votes.scatter(dim=1, index=own, value=0)  # N × 10: all other votes
    agree, other = others.max(dim=1)
    return same, agree, other


searched = mnist.train[:SEARCHED]
_, agree, other = second_look(searched)
worst = agree.argsort(descending=True, stable=True)[:12]

# %% tags=["hide-input"] mystnb={"image": {"alt": "Twelve suspicious digits, each under its label and the label that most of its ten neighbours have: some are badly written, some might be labelled wrongly."}}
figure, axes = plt.subplots(2, 6, figsize=(6.4, 3.3))
for axis, position in zip(axes.flat, worst):
    draw_image(axis, searched.images[position])
    says, voted = searched.labels[position], other[position]
    axis.set_title(f"label {says}\nothers {voted}", fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# **Suspicious is not wrong.** Most of these digits are written in a rare way: a narrow 8, a 2 without a loop, a 6 like a stroke. Of a few you may doubt the label. In the book's picture one 8 looks much like a 6, and one 3 like a 7. So the list is a reason to look, and never a reason to change or delete an image unseen. Rare but right examples are those from which a model learns most.
#
# **Think first**: will the same search work for the photographs?

# %%
for kind, data in (("digits", mnist), ("colour images", cifar10)):
    same, _, _ = second_look(data.train[:SMALLER])
    lonely = 100 * (same == 0).float().mean()
    print(f"no neighbour has the label: {lonely:.1f} % of the {kind}")

# %% [markdown]
# Of the digits, the list is short enough to read. Of the colour images it would be endless, and most of those labels are right: the distance fails, not the people. A search for wrong labels is only as good as the eyes that search. A trained network has better eyes. Chapter 3 looks at the images for which it is certain of another class.
#
# ### A map of all images
#
# An image with 784 pixels is a point in a space with 784 directions, one for each pixel. **[PCA](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#pca)** (principal component analysis) finds the directions in which the points spread most. We look along the first two.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two scatter plots of images projected to two dimensions, coloured by class: of the digits, 0 and 4 lie apart, while 2, 6 and 8 share one region; the classes of colour images lie on top of each other."}}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 4))
for data, axis in zip((mnist, cifar10), axes):
    rows, labels = flat(data.train.images[:2000]).cpu(), data.train.labels[:2000]
    pca = PCA(2, random_state=0)
    points = pca.fit_transform(rows.numpy())
    for c in range(0, 10, 2):  # five classes: more would only hide each other
        x, y = points[(labels == c).numpy()].T
        style = {"color": COLOURS[c // 2], "marker": MARKERS[c // 2]}
        axis.scatter(x, y, s=8, alpha=0.6, label=data.classes[c], **style)
    axis.set(title=data.title, xlabel="first direction (distance)")
    axis.legend(fontsize=9, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    kept = 100 * pca.explained_variance_ratio_.sum()
    print(f"two directions show {kept:.1f} % of the spread (variance)")
axes[0].set_ylabel("second direction (distance)")
plt.show()

# %% [markdown]
# Of these five digits 0 and 4 stand apart. 2, 6 and 8 lie on each other: a map with two axes hides most of what tells them apart. The classes of the colour images lie on top of each other altogether. A map like this is good for a first look, and proves nothing.
#
# ## Exercises
#
# Replace the dots and run the cell. ⬜ means not tried yet, ❌ comes with a hint, ✅ is right. The solutions are folded below.
#
# ### Exercise 1.1: halfway between (easy)
#
# You get two tensors of `uint8` images, of the same shape. Lay them on top of each other, each half transparent: every pixel becomes the mean of the two. Give back `uint8`, rounded down.

# %%
def halfway(a, b):
    ...


grade("1.1", halfway)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def halfway(a, b):
#     return ((a.float() + b.float()) / 2).to(torch.uint8)
# ```
#
# The sum of two bright pixels does not fit into `uint8`, although their mean does. Halving first, `a // 2 + b // 2`, never wraps, but rounds twice. `to(torch.uint8)` cuts off what stands behind the point.
#
# </details>
#
# ### Exercise 1.2: the constants of normalisation (middle)
#
# The text went through the channels in a loop. Do it without one: return the mean and the standard deviation of each channel of `uint8` images, in units of 0 to 1. That is two tensors with one number for each channel.

# %%
def channel_stats(images):
    ...


grade("1.2", channel_stats)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def channel_stats(images):
#     pixels = images.double() / 255
#     return pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3), correction=0)
# ```
#
# Axes 0, 2 and 3 are images, rows and columns. What is left is axis 1, the channels.
#
# </details>
#
# ### Exercise 1.3: the threshold for twins (middle)
#
# How close must two thumbnails be to be called twins? To find out, we *make* twins: images moved by one pixel and darkened. So we know their distances, and compare them with those of strangers: of a test image and its nearest training image. (A few of these are real twins, but most are not.)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two histograms of distances. For the digits the hills of twins and strangers cover each other. For the colour images the hill of twins lies on the left of that of strangers, with little overlap."}}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.9), sharey=True)
made = {}
for data, axis in zip((mnist, cifar10), axes):
    images = data.test.images[:1000]
    darker = (0.9 * images.roll(1, dims=3)).to(torch.uint8)
    twins = (thumbnails(images) - thumbnails(darker)).norm(dim=1).cpu()
    made[data] = twins, closest[data][0][:1000]
    for distances, name, colour in zip(made[data], ("twins", "strangers"), COLOURS):
        bins = np.arange(0, 1.02, 0.02)
        axis.hist(distances, bins, alpha=0.7, color=colour, label=name)
    axis.set(title=data.title, xlabel="distance of the thumbnails")
axes[0].set_ylabel("number of pairs")
axes[1].legend()
plt.show()

# %% [markdown]
# First read the figure. For which data set does a threshold exist at all? Where would you put it?
#
# Then write a function. It gets the distances of `twins` and of `strangers` and returns a threshold. Pairs with a distance *below* it will be called twins. Choose the one with the fewest mistakes: twins missed plus strangers called twins. Then try it: `best_threshold(*made[cifar10])`.

# %%
def best_threshold(twins, strangers):
    ...


grade("1.3", best_threshold)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def best_threshold(twins, strangers):
#     candidates = torch.cat([twins, strangers]).unique()
#     candidates = torch.cat([candidates, candidates[-1:] + 1])  # or: all are twins
#     missed = (twins >= candidates[:, None]).sum(dim=1)
#     false_alarms = (strangers < candidates[:, None]).sum(dim=1)
#     return candidates[(missed + false_alarms).argmin()]
# ```
#
# Between two neighbouring distances nothing changes, so it is enough to try the distances themselves. `[:, None]` compares every candidate with every pair.
#
# For the colour images the two hills hardly overlap, and a threshold in the valley makes few mistakes. For the digits they cover each other: *no* threshold of this distance tells twins from digits that are merely alike. Then only a better distance helps, or your eyes.
#
# </details>
#
# ### Exercise 1.4: let the neighbours vote (middle)
#
# The text asks the nearest image only. Ask `k` of them: return, for each of `images`, the label that most of its `k` nearest training images have.

# %%
def vote_of_neighbours(train_images, train_labels, images, k):
    ...


grade("1.4", vote_of_neighbours)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def vote_of_neighbours(train_images, train_labels, images, k):
#     known, asked = (x.flatten(1).float() for x in (train_images, images))
#     _, index = torch.cdist(asked, known).topk(k, largest=False)
#     return train_labels[index].mode(dim=1).values
# ```
#
# `index` has the shape N × k, and so have the labels of the neighbours. `mode` finds the most frequent one in each row. Which `k` is best is a choice: make it on validation.
#
# </details>
#
# ### Exercise 1.5: read the curve, predict, then measure (middle)
#
# How much are more images worth? The figure shows the nearest image on the small MNIST sample that comes with the course, with 50 to 1,600 training images.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Accuracy of the nearest image against the number of training images, on an axis on which every mark doubles the number: the curve climbs steeply at first and slowly at the end, from about 65 to about 90 per cent."}}
small = load("mnist", mode="sample")
sizes, curve = (50, 100, 200, 400, 800, 1600), []
for n in sizes:
    found, _ = nearest_image(small.train[:n], small.val.images)
    curve.append(100 * (found == small.val.labels).double().mean().item())
figure, axis = plt.subplots(figsize=(6.4, 3))
axis.semilogx(sizes, curve, "o-", base=2)
axis.set_xticks(sizes, [f"{n:,}" for n in sizes])
axis.minorticks_off()
axis.grid(alpha=0.4)
axis.set(xlabel="training images", ylabel="accuracy (%)", ylim=(50, 100))
plt.show()

# %% [markdown]
# 1. `gain`: by how many points does the accuracy rise from 200 to 400 images? Read it off.
# 2. `prediction`: which accuracy, in %, do you expect with all 3,600 images? Write it down *before* you measure.
# 3. `accuracy_with(n)`: measure it with the first `n` training images, on the validation split, in %.

# %%
gain = ...
prediction = ...
small = load("mnist", mode="sample")  # small.train and small.val


def accuracy_with(n):
    ...


grade("1.5", gain, prediction, accuracy_with)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# gain = 4
# prediction = 92
# small = load("mnist", mode="sample")
#
#
# def accuracy_with(n):
#     images = small.train.images[:n], small.val.images
#     known, asked = (x.flatten(1).float() for x in images)
#     nearest = torch.cdist(asked, known).argmin(dim=1)
#     return 100 * (small.train.labels[nearest] == small.val.labels).float().mean()
# ```
#
# The first doublings bring several points each, the last ones a point or two. (The curve has kinks, because it is measured on 400 images only: four of them make a point.) To go from 93 to 94 % takes far more images than from 73 to 74 %. Models that learn are one way out: they get more out of every image.
#
# </details>
#
# ### Exercise 1.6: beat the neighbours, without training (open)
#
# Name the digits of the small MNIST sample that comes with the course. Your function gets training images, their labels, and validation images, and returns one label for each. It has to be right more often than nearest neighbours in plain pixels, with one, three or five of them. Use what you know about changes that keep a label. Keep it under a few seconds.

# %%
def my_classifier(train_images, train_labels, images):
    ...


grade("1.6", my_classifier)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_classifier(train_images, train_labels, images):
#     steps = (-1, 0, 1)
#     moved = [train_images.roll((a, b), dims=(2, 3)) for a in steps for b in steps]
#     known = torch.cat(moved).flatten(1).float()
#     labels = train_labels.repeat(len(moved))
#     distances = torch.cdist(images.flatten(1).float(), known)
#     return labels[distances.argmin(dim=1)]
# ```
#
# This is augmentation: every training image also stands there moved by a pixel, in eight directions. There are other ways, such as blurring the images or making the digits upright first. Blurring and moving together gain still more.
#
# </details>
#
# ## Quiz
#
# Think of an answer first, then open the options.
#
# **1. The training pixels have mean 0.47. Which mean do you use to normalise the test images?**
#
# <details name="quiz-1-1"><summary>A. Also 0.47, the one of training</summary>
#
# ✅ Yes: the model learned from images prepared with 0.47, so every later image must be prepared the same way.
#
# </details>
# <details name="quiz-1-1"><summary>B. The mean of the test images, so that they too have mean 0</summary>
#
# ❌ Then a darker test set would look the same as a bright one, and knowledge of the test images leaks in.
#
# </details>
# <details name="quiz-1-1"><summary>C. The mean of all images together, because more images are more exact</summary>
#
# ❌ More exact, but it uses the test images before the test: that is leakage.
#
# </details>
#
# **2. A model is right on 95 % of the images. Is it good?**
#
# <details name="quiz-1-2"><summary>A. Yes, 95 % is close to 100 %</summary>
#
# ❌ If 95 % of the images belong to one class, a model that always names it gets this score too.
#
# </details>
# <details name="quiz-1-2"><summary>B. Only a comparison with baselines on the same images can tell</summary>
#
# ✅ Yes: against the most frequent class, nearest neighbours and people, 95 % may be much or little.
#
# </details>
# <details name="quiz-1-2"><summary>C. No, a computer should never make mistakes, so anything below 100 % is bad</summary>
#
# ❌ Some images cannot be named by anybody, and some labels are wrong.
#
# </details>
#
# **3. Nearest neighbours of photographs often show other things. Why?**
#
# <details name="quiz-1-3"><summary>A. Their labels are mostly wrong, because people made mistakes</summary>
#
# ❌ A few labels may be wrong, but most neighbours differ: the distance is to blame.
#
# </details>
# <details name="quiz-1-3"><summary>B. There are too few photographs in the training split</summary>
#
# ❌ More images help a little. But pixel distance would still compare backgrounds first.
#
# </details>
# <details name="quiz-1-3"><summary>C. Colour images have no distance; it exists for grey ones only</summary>
#
# ❌ The formula takes any numbers, also those of three channels.
#
# </details>
# <details name="quiz-1-3"><summary>D. Pixel distance compares colours at places, not things</summary>
#
# ✅ Yes: background, light and position make up most of the distance, whatever the image shows.
#
# </details>
#
# **4. You try fifty settings and keep the one with the best validation score. What do you expect on the test images?**
#
# <details name="quiz-1-4"><summary>A. A slightly lower score</summary>
#
# ✅ Yes: the best of many is partly lucky on the images it was chosen on, and luck does not repeat.
#
# </details>
# <details name="quiz-1-4"><summary>B. The same score, because both splits come from the same source</summary>
#
# ❌ That holds for a setting fixed beforehand; this one was chosen *because* its score was high.
#
# </details>
# <details name="quiz-1-4"><summary>C. A score at the level of chance</summary>
#
# ❌ Only dice fall back that far: settings that really differ keep what is not luck.
#
# </details>
#
# **5. You augment first and split into training and validation afterwards. What happens?**
#
# <details name="quiz-1-5"><summary>A. The model trains more slowly, and nothing else changes</summary>
#
# ❌ The speed is not the problem: look for twins between the splits.
#
# </details>
# <details name="quiz-1-5"><summary>B. Nothing bad: the augmented images are all different from each other</summary>
#
# ❌ Different bytes, but nearly the same image: in this chapter a shift by one pixel was enough.
#
# </details>
# <details name="quiz-1-5"><summary>C. Validation gets too good a score</summary>
#
# ✅ Yes: copies of one image land on both sides, and to recognise them takes memory only.
#
# </details>
#
# **6. Which change may be used to augment handwritten digits?**
#
# <details name="quiz-1-6"><summary>A. A turn by half a circle</summary>
#
# ❌ It makes a 9 out of a 6, and the label would say 6 all the same.
#
# </details>
# <details name="quiz-1-6"><summary>B. A shift by two pixels</summary>
#
# ✅ Yes: everybody still reads the same digit, and people do write a little to the side.
#
# </details>
# <details name="quiz-1-6"><summary>C. A mirror image, because it works well for photographs of ships and cats</summary>
#
# ❌ What keeps a label depends on the data: a mirrored 2 is no digit.
#
# </details>
#
# ## Takeaways
#
# **The question, answered.** A computer sees a block of numbers, N × C × H × W, and nothing of what you know about frogs and ships. Two images are alike for it if their numbers are alike. That is nearly enough for digits: the nearest image gives the right label to <!-- result:baselines.digits.nearest_image.val_accuracy|percent1 -->97.2 %<!-- /result --> of them. It is far from enough for photographs: <!-- result:baselines.colour.nearest_image.val_accuracy|percent1 -->34.4 %<!-- /result -->. Before training we must know:
#
# - *What is there?* Shapes, types, ranges, and the images themselves.
# - *How many of each class?* The most frequent class is the score that costs nothing.
# - *Are the splits apart?* No twins, and constants from the training images only.
# - *Are the labels right?* Ask the neighbours, then look. Suspicious is not wrong.
# - *Which changes keep a label?* Only those may augment.
# - *What must be beaten?* Baselines without training, and your own eyes.
#
# ## Read on
#
# - Y. LeCun and others, [Gradient-based learning applied to document recognition](https://doi.org/10.1109/5.726791) (1998): where MNIST comes from, with many methods compared on it.
# - A. Krizhevsky, [Learning multiple layers of features from tiny images](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf) (2009): how CIFAR-10 was collected and labelled.
# - T. Ho-Phuoc, [CIFAR10 to compare visual recognition performance between deep neural networks and humans](https://arxiv.org/abs/1811.07270) (2018): the [human baseline](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#human-baseline).
# - B. Barz and J. Denzler, [Do we train on test data?](https://arxiv.org/abs/1902.00423) (2019): near-duplicates in CIFAR, found with a better distance than ours.
# - C. Northcutt and others, [Pervasive label errors in test sets](https://arxiv.org/abs/2103.14749) (2021): wrong labels in well-known data sets, MNIST and CIFAR-10 among them.
# - S. Kapoor and A. Narayanan, [Leakage and the reproducibility crisis in machine-learning-based science](https://arxiv.org/abs/2207.07048) (2022): kinds of leakage, and published results that fell with them.
# - scikit-learn, [Nearest neighbors](https://scikit-learn.org/stable/modules/neighbors.html): the same search as a finished tool, and faster ways to do it.
#
# ## Next
#
# Chapter 2 trains a first model, and writes the [training loop](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#training-loop) line by line.
