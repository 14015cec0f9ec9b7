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
# - check a data set before you train on it: classes, balance, duplicates, suspicious labels,
# - compute the constants that normalise images, and say on which images,
# - explain why there are three splits, and show what a leak between them does,
# - decide which changes of an image keep its label,
# - measure the baselines that a trained model has to beat, your own eyes among them.
#
# **Before you start**: some Python. No knowledge of deep learning is needed.
#
# **Time**: read about 35 minutes; the full run takes <!-- result:chapters.01.full_seconds|minutes -->1 minute<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.01.fast_seconds|seconds -->12 s<!-- /result -->.
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
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA

from helpers.data import augment, load, resize
from helpers.exercises import grade
from helpers.notebook import budget, confirm, explore, record
from helpers.plots import COLOURS, MARKERS, draw_image, show_images, use_style
from helpers.training import best_device

use_style()
device = best_device()

# %% [markdown]
# ## Two data sets
#
# A **data set** is a collection of examples: here images, each with its **[label](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#label)**, the name of what it shows. The possible labels are the **[classes](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#class)**.
#
# **[MNIST](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#mnist)**: handwritten digits, grey, 28 × 28 [pixels](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#pixel). **[CIFAR-10](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cifar-10)**: small photographs of ten kinds of things, in colour, 32 × 32 pixels. We load both. `source` says where the pixels came from. That belongs beside every number that we compute.

# %% tags=["nbval-ignore-output"]
mnist, cifar10 = load("mnist"), load("cifar10")
for data in (mnist, cifar10):
    print(f"{data.title}: {data.source}")

# %% [markdown]
# ## An image is a grid of numbers
#
# A computer sees no 5 and no frog. It sees numbers. Here is one digit, and the numbers in a part of it. 0 is black, 255 is white.

# %% mystnb={"image": {"alt": "On the left a digit with a square marked; on the right the pixels of that square enlarged, each with its number from 0 to 255."}}
digit = mnist.train.images[0, 0]
rows, columns = slice(10, 18), slice(10, 18)
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.3))
left.imshow(digit, vmin=0, vmax=255)
square = plt.Rectangle((9.5, 9.5), 8, 8, fill=False, edgecolor=COLOURS[1], linewidth=2)
left.add_patch(square)
left.set(xlabel="column (pixels)", ylabel="row (pixels)")
right.imshow(digit[rows, columns], vmin=0, vmax=255)
for (i, j), value in np.ndenumerate(digit[rows, columns].numpy()):
    colour = "black" if value > 128 else "white"
    right.text(j, i, str(value), ha="center", va="center", fontsize=9, color=colour)
right.axis("off")
plt.show()

# %% [markdown]
# A colour image is three such grids, one for each **[channel](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#channel)**: red, green and blue. In each grid a high number means much light of that colour.

# %% mystnb={"image": {"alt": "A colour image, and beside it its red, green and blue channel, each drawn as a grey picture."}}
photo = cifar10.train.images[5:6]
panels = [photo, *(photo[:, c : c + 1].expand(1, 3, -1, -1) for c in range(3))]
names = ("in colour", "red", "green", "blue")
show_images(torch.cat(panels), range(4), names, columns=4)
plt.show()

# %% [markdown]
# ## A tensor of images
#
# A **[tensor](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#tensor)** is a block of numbers with any number of axes. Many images make one with four: **N** images, **C** channels (1 for grey, 3 for colour), **H** rows and **W** columns. We write it $x_{n,c,h,w}$: the number in image $n$, channel $c$, row $h$, column $w$.

# %%
for data in (mnist, cifar10):
    images = data.train.images
    print("C × H × W:", data.image_shape, " type:", images.dtype)
    print("smallest and largest value:", int(images.min()), int(images.max()))
    confirm(images.ndim == 4, "four axes: N × C × H × W")
    confirm(images.dtype == torch.uint8, "whole numbers from 0 to 255")

# %% [markdown]
# The type `uint8` holds whole numbers from 0 to 255 and needs one byte for each. The type `float32` holds decimal numbers and needs four. PyTorch calls the type of a tensor's numbers its **[dtype](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#dtype)**.
#
# **Think first**: how many megabytes do all [training images](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#training-split) need, and how many as `float32`?

# %%
for data in (mnist, cifar10):
    count = data.train.images.numel()
    print(f"{count / 1e6:.1f} MB as uint8, {4 * count / 1e6:.1f} MB as float32")

# %% [markdown]
# ## Look at them
#
# Before any statistics: look at the images with their labels. Are they upright? Do the labels fit?

# %% mystnb={"image": {"alt": "Sixteen handwritten digits, each under its label."}}
images, labels = mnist.train.images[:16], mnist.train.labels[:16]
show_images(images, labels, mnist.classes, title=mnist.title)
plt.show()

# %% mystnb={"image": {"alt": "Sixteen small colour images, each under its class name, such as frog, truck or deer."}}
images, labels = cifar10.train.images[:16], cifar10.train.labels[:16]
show_images(images, labels, cifar10.classes, title=cifar10.title)
plt.show()

# %% [markdown]
# ## The human baseline: guess ten yourself
#
# A **[baseline](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#baseline)** is a simple method whose score a better one has to beat. The first baseline is you. Here are ten images without their labels. The classes are *airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck*.
#
# **Think first**: name all ten before you read on. How many will you get right?

# %% mystnb={"image": {"alt": "Ten small colour images, numbered from 1 to 10, without their labels."}}
quiz = cifar10.val[:10]
numbers = [f"number {n}" for n in range(1, 11)]
show_images(quiz.images, range(10), numbers, columns=5, title=cifar10.title)
plt.show()

# %% [markdown]
# Write your ten guesses into the next cell, between the quotation marks, and run it. *car* and *plane* count too.

# %%
my_guesses = ""  # ten words, such as "ship cat …", in the order of the numbers


def score(guesses, labels, classes):
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


print(score(my_guesses, quiz.labels, cifar10.classes))
truth = " ".join(cifar10.classes[label] for label in quiz.labels)
record("guesses.cifar10", answers=truth)
best = score(truth, quiz.labels, cifar10.classes)
confirm(best.startswith("✅ 10 of 10"), "ten right answers count as ten")

# %% [markdown]
# <details><summary>The answers, for the ten images that are stored in the book</summary>
#
# 1 cat, 2 truck, 3 frog, 4 dog, 5 bird, 6 automobile, 7 automobile, 8 truck, 9 horse, 10 horse. The first is hard: a cat in the dark, cut off by the edge.
#
# If you run the notebook on the drawn stand-in, you see other images. Then only the cell above knows.
#
# </details>
#
# Ten images are few: one more or less moves the score by ten points. In [a study with sixty people](https://arxiv.org/abs/1811.07270) each named a thousand of the [test images](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#test-split). They were right for about 94 of 100. So some of these tiny images cannot be named with certainty by anybody, and 100 % is no sensible goal.
#
# ## How many pixels do you need?
#
# **Think first**: we shrink four images from 32 × 32 pixels to 16 × 16, 8 × 8 and 4 × 4. At which size can you no longer name them? In JupyterLab or Colab you get a slider, in the book four sizes beside each other.

# %% mystnb={"image": {"alt": "The same four small images at 32, 16, 8 and 4 pixels a side: at 16 most can still be named, at 4 only patches of colour are left."}}
def draw_small(axis, side):
    four = resize(cifar10.train.images[1:5], side)
    pairs = torch.cat([four[:2], four[2:]], dim=2)  # the third below the first
    draw_image(axis, torch.cat(list(pairs), dim=2))
    axis.axis("off")


explore(draw_small, (32, 24, 16, 12, 8, 6, 4), "pixels a side:", shown=(32, 16, 8, 4))

# %% [markdown]
# You recognise shapes that you know from elsewhere. A computer that starts from nothing has only the numbers, and no idea which of them matter. But remember the thumbnails of 8 × 8 pixels. They come back as a tool.
#
# ## Classes and balance
#
# A data set is **[balanced](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#balanced)** if every class has about the same number of images. If one class made up nine tenths, a [model](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#model) that always names it would be right nine times out of ten, and useless.

# %% mystnb={"image": {"alt": "Bar charts of the share of each class in both training splits; all bars are near ten per cent."}}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3), sharey=True)
for data, axis, colour in zip((mnist, cifar10), axes, COLOURS):
    share = 100 * data.train.labels.bincount() / len(data.train)
    axis.bar(data.classes, share, color=colour)
    axis.set(title=data.title, xlabel="class")
    axis.tick_params(axis="x", rotation=0 if data is mnist else 90)
axes[0].set_ylabel("share of training images (%)")
plt.show()

# %%
for data in (mnist, cifar10):
    counts = data.train.labels.bincount()
    enough = counts.min() > 0.85 * counts.float().mean()
    confirm(len(counts) == 10 and enough, "ten classes, none much below its share")

# %% [markdown]
# ## The mean image of each class
#
# Average all images of a class. If the result still looks like the class, then its images lie neatly on top of each other.

# %% mystnb={"image": {"alt": "The mean image of each digit, blurred but readable."}}
def mean_images(split):
    means = [split.images[split.labels == c].float().mean(dim=0) for c in range(10)]
    return torch.stack(means) / 255


means = mean_images(mnist.train)
show_images(means, range(10), mnist.classes, columns=5, title=mnist.title)
plt.show()

# %% mystnb={"image": {"alt": "The mean image of each class of the colour images: soft blobs of colour, hardly to be recognised."}}
means = mean_images(cifar10.train)
show_images(means, range(10), cifar10.classes, columns=5, title=cifar10.title)
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

# %% mystnb={"image": {"alt": "Histogram of the scores of a thousand random guessers around ten per cent; the best lies far to the right, but on fresh images the same guesser falls back among the others."}}
generator = torch.Generator().manual_seed(1)
truth = mnist.val.labels[:400]
dice = torch.randint(0, 10, (1000, 400), generator=generator)
right = (dice == truth).double()
on_hundred, on_fresh = right[:, :100].mean(dim=1), right[:, 100:].mean(dim=1)
best = on_hundred.argmax()

figure, axis = plt.subplots(figsize=(6.4, 2.8))
axis.hist(100 * on_hundred.numpy(), bins=np.arange(0.5, 25), color=COLOURS[5])
axis.axvline(100 * on_hundred[best], color=COLOURS[3], label="the best of them")
same = {"color": "k", "linestyle": "--", "label": "the same, fresh images"}
axis.axvline(100 * on_fresh[best], **same)
axis.set(xlabel="right on a hundred images (%)", ylabel="number of guessers")
axis.legend()
plt.show()
print(f"best of 1,000: {100 * on_hundred[best]:.1f} %")
print(f"the same on fresh images: {100 * on_fresh[best]:.1f} %")
confirm(on_hundred[best] > 0.16, "the best of a thousand seems far better than chance")
confirm(on_fresh[best] < 0.14, "but on fresh images it is as good as dice are")

# %% [markdown]
# You will compare fewer models than a thousand, but the effect is the same. So we choose on validation, and the test images wait. The [validation split](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#validation-split) here is a tenth of the original training images. It has the same share of every class (it is **[stratified](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#stratified)**), and it is always the same.

# %%
for data in (mnist, cifar10):
    share = len(data.val) / (len(data.val) + len(data.train))
    print(f"validation is {100 * share:.1f} % of the original training images")
    in_val = data.val.labels.bincount() / len(data.val)
    gap = (in_val - data.train.labels.bincount() / len(data.train)).abs().max()
    confirm(gap < 0.001, "every class has the same share in training and validation")

# %% [markdown]
# ## Pixel statistics and normalisation
#
# How are the numbers distributed?

# %% mystnb={"image": {"alt": "Histograms of pixel values: most pixels of the digits are exactly black, the colour images use the whole range."}}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.9), sharey=True)
green, blue = ("green", COLOURS[2], "--"), ("blue", COLOURS[0], ":")
channels = {1: [("grey", "k", "-")], 3: [("red", COLOURS[3], "-"), green, blue]}
for data, axis in zip((mnist, cifar10), axes):
    styles = channels[data.image_shape[0]]
    for channel, (name, colour, line) in enumerate(styles):
        pixels = data.train.images[:, channel].flatten()
        share = 100 * torch.bincount(pixels, minlength=256).double() / len(pixels)
        axis.semilogy(share.clamp(min=1e-4), line, color=colour, label=name, lw=1.4)
    axis.set(xlabel="pixel value (0 to 255)", title=data.title, ylim=(1e-2, 100))
    axis.legend(fontsize=9)
axes[0].set_ylabel("share of pixels (%)")
plt.show()

# %% [markdown]
# Training goes better when the inputs lie around 0 and spread by about 1. So we measure two numbers for each channel. The **mean** says where the values lie. The **[standard deviation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#standard-deviation)** says how far they typically are from the mean. Then we **[normalise](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#normalisation)**:
#
# $$x' = \frac{x/255 - \text{mean}}{\text{std}}$$
#
# The constants that float around the internet for MNIST and CIFAR-10 are just these numbers. We compute them ourselves, **on the training images only**. What we know about other images must not [leak](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#leakage) into the model.

# %%
for data in (mnist, cifar10):
    for channel, images in enumerate(data.train.images.unbind(dim=1)):  # one by one
        pixels = images.double() / 255
        mean, std = pixels.mean().item(), pixels.std(correction=0).item()
        print(f"mean {mean:.4f}  std {std:.4f}")
        same = np.allclose((mean, std), (data.mean[channel], data.std[channel]))
        confirm(same, "these are the constants that the course uses")

# %%
normalised = cifar10.normalise(cifar10.train.images)
means, spreads = normalised.mean(dim=(0, 2, 3)), normalised.std(dim=(0, 2, 3))
confirm(means.abs().max() < 1e-3, "after normalisation each channel has mean 0")
confirm((spreads - 1).abs().max() < 1e-2, "and standard deviation 1")
del normalised, pixels  # four and eight bytes a number: too many to keep

# %% [markdown]
# ## How far apart are two images?
#
# Lay two images on top of each other and subtract them, pixel by pixel. If little is left, they are close.

# %% mystnb={"image": {"alt": "Two pairs of digits, each with its difference: two images of the same digit leave less light in the picture of the difference than two different digits."}}
def squared_difference(a, b):
    return (a.float() - b.float()) ** 2 / 255**2


ones, zeros = (mnist.train.images[mnist.train.labels == n] for n in (1, 0))
figure, axes = plt.subplots(1, 6, figsize=(6.4, 1.5))
for block, b in ((axes[:3], ones[1]), (axes[3:], zeros[0])):
    a = ones[0]
    pictures = {"a": a, "b": b, "(a − b)²": squared_difference(a, b)}
    for axis, (name, picture) in zip(block, pictures.items()):
        draw_image(axis, picture)
        axis.set_title(name, fontsize=9)
        axis.axis("off")
plt.show()
same = squared_difference(ones[0], ones[1]).sum()
other = squared_difference(ones[0], zeros[0]).sum()
confirm(same < other, "two ones differ less than a one and a nought")

# %% [markdown]
# To make one number of it, square the differences, add them up and take the root:
#
# $$d(a, b) = \sqrt{\textstyle\sum_i (a_i - b_i)^2}$$
#
# With this **distance** we can ask for an image's **[nearest neighbours](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#k-nearest-neighbours)**, the training images with the smallest distance to it. The code below does it for many images at once. It uses $(a-b)^2 = a^2 - 2ab + b^2$, because products of whole tensors are what computers do fastest.

# %%
def flat(images):
    """Each image as one row of numbers from 0 to 1."""
    return images.to(device).flatten(1).float() / 255


def nearest(known, asked, k):
    """Distance and position of the k rows of `known` nearest to each row of `asked`."""
    squares, found = known.norm(dim=1) ** 2, []
    for part in asked.split(500):
        squared = part.norm(dim=1, keepdim=True) ** 2 - 2 * part @ known.T + squares
        found.append(squared.topk(k, largest=False))
    distances = torch.cat([values for values, _ in found]).clamp(min=0).sqrt()
    return distances.cpu(), torch.cat([index for _, index in found]).cpu()


a, b = flat(mnist.train.images[:3]), flat(mnist.train.images[3:5])
distances, index = nearest(a, b, 3)
by_hand = ((b[0] - a[index[0, 0]]) ** 2).sum().sqrt().cpu()
confirm(abs(distances[0, 0] - by_hand) < 1e-3, "the formula and the fast way agree")

# %% [markdown]
# **Think first**: will the neighbours of a digit have its label? And those of a photograph?

# %% mystnb={"image": {"alt": "Two digits and two colour images in the first column, each with its five nearest training images to the right, under distance and class. The digits' neighbours show the same digit; those of the colour images have similar colours but often other classes."}}
figure, axes = plt.subplots(4, 6, figsize=(6.4, 6.2))
same_class = {}
for data, block in ((mnist, axes[:2]), (cifar10, axes[2:])):
    distances, index = nearest(flat(data.train.images), flat(data.val.images[:400]), 5)
    neighbours = data.train.labels[index]
    labels = data.val.labels[:400]
    same_class[data.image_shape[0]] = (neighbours == labels[:, None]).double().mean()
    for line, c in zip(block, (4, 8)):
        row = (labels == c).nonzero()[0, 0]  # the first image of that class
        draw_image(line[0], data.val.images[row])
        line[0].axis("off")
        line[0].set_title(f"asked\n{data.classes[c]}", fontsize=9)
        for column, axis in enumerate(line[1:]):
            draw_image(axis, data.train.images[index[row, column]])
            name = data.classes[neighbours[row, column]]
            axis.set_title(f"{distances[row, column]:.1f}\n{name}", fontsize=9)
            axis.axis("off")
plt.show()
print(f"same label: {100 * same_class[1]:.1f} % of the neighbours of digits,", end=" ")
print(f"{100 * same_class[3]:.1f} % of those of colour images")
confirm(same_class[1] > 0.85, "a digit's neighbours nearly always show the same digit")
confirm(same_class[3] < 0.5, "most neighbours of a colour image show something else")

# %% [markdown]
# For digits, *similar pixels* nearly means *same class*. For photographs it does not. A white cat on a dark sofa and a dark cat on a white sofa share almost no pixel. Neighbours of a photograph share its background.
#
# We can draw this. An image with 784 pixels is a point in a space with 784 axes. **[PCA](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#pca)** (principal component analysis) finds the directions in which the points spread most. We look along the first two. The digits form clouds that overlap a little. The classes of colour images lie on top of each other.

# %% mystnb={"image": {"alt": "Two scatter plots of images projected to two dimensions, coloured by class: the digits form clouds that overlap a little, the classes of colour images lie on top of each other."}}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 4))
for data, axis in zip((mnist, cifar10), axes):
    rows, labels = flat(data.train.images[:2000]).cpu(), data.train.labels[:2000]
    points = PCA(2, random_state=0).fit_transform(rows.numpy())
    for c in range(0, 10, 2):  # five classes: more would only hide each other
        x, y = points[(labels == c).numpy()].T
        style = {"color": COLOURS[c // 2], "marker": MARKERS[c // 2]}
        axis.scatter(x, y, s=8, alpha=0.6, label=data.classes[c], **style)
    axis.set(title=data.title, xlabel="first direction (distance)")
    axis.legend(fontsize=9, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
axes[0].set_ylabel("second direction (distance)")
plt.show()

# %% [markdown]
# ## Is an image in two splits?
#
# An image that stands both in training and in validation asks for nothing but memory. Such a **leak** makes a score too good. First we look for exact copies: the same bytes.

# %%
for data in (mnist, cifar10):
    seen = {image.numpy().tobytes() for image in data.train.images}
    for split in (data.val, data.test):
        copies = sum(image.numpy().tobytes() in seen for image in split.images)
        print(f"{100 * copies / len(split):.3f} % are exact copies of a training image")
        confirm(copies <= 0.001 * len(split), "at most one image in a thousand")

# %% [markdown]
# We used the test images just now. Is that allowed? Yes: we asked whether the test is *fair*, and choose nothing by what we find. To pick a model by its test score would not be allowed.
#
# Nearly the same image leaks too: cut a little differently, or made brighter. To find those, we take thumbnails of 8 × 8 pixels and make them equally bright and rich in contrast. Then we look for neighbours. A distance of 0 means: the same picture up to brightness and contrast.
#
# **Think first**: will the closest pairs be real twins, or only similar?

# %% mystnb={"image": {"alt": "Pairs of a test image above and its closest training image below, six of the digits and six of the colour images; each under its class name."}}
def thumbnails(images):
    """Rows of 8 × 8 pixels a channel, with mean 0 and length 1."""
    rows = resize(images, 8).to(device).flatten(1).float()
    rows = rows - rows.mean(dim=1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1)


figure, axes = plt.subplots(4, 6, figsize=(6.4, 6.2))
near = {}
for data, block in ((mnist, axes[:2]), (cifar10, axes[2:])):
    known = thumbnails(data.train.images)
    distances, index = nearest(known, thumbnails(data.test.images), 1)
    closest = distances[:, 0].argsort()[:6]
    pairs = torch.stack([closest, index[closest, 0]])
    for line, split, which in zip(block, (data.test, data.train), pairs):
        for axis, position in zip(line, which):
            draw_image(axis, split.images[position])
            name = "test" if split is data.test else "training"
            label = data.classes[split.labels[position]]
            axis.set_title(f"{name}\n{label}", fontsize=9)
            axis.axis("off")
    near[data.image_shape[0]] = (distances < 0.1).double().mean()
plt.show()
print(f"closer than 0.1: {100 * near[1]:.2f} % of the digits,", end=" ")
print(f"{100 * near[3]:.2f} % of the colour images for testing")
confirm(near[1] > near[3], "it is the digits that come closest to each other")

# %% [markdown]
# Among the digits the closest pairs are plain strokes: two people drew the same 1. A small distance alone is no proof. Among the photographs of CIFAR-10 the closest pairs are real twins. (In the drawn stand-in they are drawings with similar colours.) Always look at the pairs before you believe a number.
#
# Our search finds only the clearest cases. A thorough study found that [3.3 % of the test images of CIFAR-10](https://arxiv.org/abs/1902.00423) have a [near-duplicate](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#duplicate) among the training images. We leave the splits as they are, so that scores can be compared with those of others. But keep in mind: published scores on CIFAR-10 may be a little too good.
#
# ## Are the labels right?
#
# People gave the labels, and people make mistakes. Sixty thousand labels cannot be read again. But we can ask for those that are worth a second look. An image is **suspicious** if its nearest neighbours agree with each other, and not with its label.

# %% mystnb={"image": {"alt": "Twelve suspicious digits, each under its label and the label that most of its ten neighbours have: some are badly written, some might be labelled wrongly."}}
def second_look(split, k=10):
    """How many of k neighbours share the label, how many agree on which other."""
    rows = flat(split.images)
    _, index = nearest(rows, rows, k + 1)  # the nearest of all is the image itself
    votes = torch.nn.functional.one_hot(split.labels[index[:, 1:]], 10).sum(dim=1)
    own = votes.gather(1, split.labels[:, None])[:, 0]
    agree, other = votes.scatter(1, split.labels[:, None], 0).max(dim=1)
    return own, agree, other


part = mnist.train[: budget(full=20_000, fast=3_600)]
own, agree, other = second_look(part)
worst = agree.argsort(descending=True, stable=True)[:12]
figure, axes = plt.subplots(2, 6, figsize=(6.4, 3.3))
for axis, position in zip(axes.flat, worst):
    draw_image(axis, part.images[position])
    says, neighbours = part.labels[position], other[position]
    axis.set_title(f"label {says}\nothers {neighbours}", fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# **Suspicious is not wrong.** Most of these digits are written in a rare way: a narrow 8, a 2 without a loop, a 6 like a stroke. Of a few you may doubt the label. In the book's picture one 8 looks much like a 6, and one 3 like a 7. So the list is a reason to look, and never a reason to change or delete an image unseen. Rare but right examples are those from which a model learns most.
#
# **Think first**: will the same search work for the photographs?

# %%
lonely = {}
for data in (mnist, cifar10):
    own, _, _ = second_look(data.train[: budget(full=10_000, fast=3_600)])
    lonely[data.image_shape[0]] = (own == 0).double().mean()
print(f"no neighbour has the label: {100 * lonely[1]:.1f} % of the digits,", end=" ")
print(f"{100 * lonely[3]:.1f} % of the colour images")
confirm(lonely[1] < 0.02, "fewer than two digits in a hundred: a list that can be read")
confirm(lonely[3] > 0.08,
        "more than eight colour images in a hundred: too many to read")

# %% [markdown]
# Of the digits, the list is short enough to read. Of the colour images it would be endless, and most of those labels are right: the distance fails, not the people. A search for wrong labels is only as good as the eyes that search. A trained network has better eyes. Chapter 3 looks at the images for which it is certain of another class.
#
# ## Augmentation: which changes keep the label?
#
# A digit moved by a pixel is the same digit. A mirrored ship is a ship. **[Augmentation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#augmentation)** makes such changes to the training images, newly drawn at every pass, and the labels stay. So the model learns that they do not matter.

# %% mystnb={"image": {"alt": "One colour image eight times, each shifted by up to two pixels and some mirrored."}}
generator = torch.Generator().manual_seed(0)
copies = photo.repeat(8, 1, 1, 1)
changed = augment(copies, cifar10.augmentation, generator)
show_images(changed, title="one image, augmented eight times")
plt.show()

# %% [markdown]
# **Think first**: go through five changes for a 2, a 6 and a photograph: shift, mirror, half a turn, darker, shuffled pixels. Which keep the label?

# %% mystnb={"image": {"alt": "A table of pictures. Rows: a 2, a 6, a photograph. Columns: as it is, shifted, mirrored, turned by half a turn, darker, with shuffled pixels. Above each picture stands whether the label stays: a mirrored 2 is no digit, a 6 turned by half a turn is a 9, a mirrored photograph keeps its label, shuffled pixels keep no label."}}
two, six = (mnist.train.images[mnist.train.labels == n][:1] for n in (2, 6))
order = {1: torch.randperm(28 * 28, generator=generator)}
order[3] = torch.randperm(32 * 32, generator=generator)
changes = {
    "as it is": lambda x: x,
    "shift": lambda x: x.roll(3, dims=3),
    "mirror": lambda x: x.flip(3),
    "half turn": lambda x: x.flip(2, 3),
    "darker": lambda x: x // 2,
    "shuffled": lambda x: x.flatten(2)[:, :, order[x.shape[1]]].reshape(x.shape),
}
verdicts = [
    ["a 2", "yes", "no digit", "hardly", "yes", "no"],
    ["a 6", "yes", "no digit", "no: a 9", "yes", "no"],
    [cifar10.classes[cifar10.train.labels[5]], "yes", "yes", "hardly", "yes", "no"],
]
figure, axes = plt.subplots(3, 6, figsize=(6.4, 4.6))
for line, image, said in zip(axes, (two, six, photo), verdicts):
    for axis, (name, change), verdict in zip(line, changes.items(), said):
        draw_image(axis, change(image)[0])
        axis.set_title(f"{name}\n{verdict}", fontsize=9)
        axis.axis("off")
plt.show()

# %% [markdown]
# The rule: a change is allowed if *you* would still give the image the same label, and if such images can really come. "Hardly" means that the label may stay, but nobody writes or photographs like that. Then the model spends effort on images it will never meet. So this course shifts digits but never mirrors them.

# %%
digits = mnist.augmentation
confirm(digits.shift and not digits.flip, "digits are shifted only")
confirm(cifar10.augmentation.flip, "photographs are shifted and mirrored")

# %% [markdown]
# ## What went wrong, and why
#
# ### Arithmetic on `uint8`
#
# Make an image brighter by adding 100 to every pixel:

# %%
pixel = torch.tensor([200], dtype=torch.uint8)
print("200 + 100 =", (pixel + 100).item())
confirm((pixel + 100).item() == 44, "after 255 comes 0 again: bright becomes dark")

# %% mystnb={"image": {"alt": "A digit, the digit with 100 added to its uint8 pixels so that its bright stroke has turned dark, and the digit brightened correctly."}}
wrong = digit + 100
right_way = (digit.float() + 100).clamp(0, 255).to(torch.uint8)
three = torch.stack([digit, wrong, right_way])[:, None]
names = ("original", "uint8 + 100", "float + 100, clamped")
show_images(three, range(3), names, columns=3)
plt.show()

# %% [markdown]
# No error, no warning, only wrong images. How to see it: look at the images again *after* every step of preparation. The cure: convert to float first.
#
# ### Leakage
#
# Suppose that photographs were taken in series, and somebody split them at random. Then some validation images have a twin in training, taken a moment later. We imitate it: a part of the validation images, each moved by one pixel, is put among the training images. Then every validation image gets the label of its nearest training image.
#
# **Think first**: half of the validation images have a twin. How much does the validation score rise? How much better has the method become?

# %% mystnb={"image": {"alt": "Accuracy against the share of validation images with a twin in training: the score of all validation images climbs steeply, the score of those without a twin hardly changes."}}
train, val = cifar10.train[: budget(full=10_000, fast=3_000)], cifar10.val[:400]
shares = (0.0, 0.1, 0.25, 0.5)
scores = {"all validation images": [], "those without a twin": []}
for share in shares:
    leaked = int(share * len(val))
    twins = val.images[:leaked].roll(1, dims=3)
    known = flat(torch.cat([train.images, twins]))
    known_labels = torch.cat([train.labels, val.labels[:leaked]])
    right = known_labels[nearest(known, flat(val.images), 1)[1][:, 0]] == val.labels
    scores["all validation images"].append(100 * right.double().mean().item())
    scores["those without a twin"].append(100 * right[leaked:].double().mean().item())

figure, axis = plt.subplots(figsize=(6.4, 3))
for (name, line), marker, style in zip(scores.items(), MARKERS, ("-", "--")):
    axis.plot([100 * share for share in shares], line, style, marker=marker, label=name)
axis.set(xlabel="validation images with a twin (%)", ylabel="accuracy (%)")
axis.set(ylim=(0, 100))
axis.legend()
plt.show()
seeming, honest = scores.values()
print(f"from {seeming[0]:.1f} % to {seeming[-1]:.1f} % by leakage alone")
confirm(seeming[-1] > seeming[0] + 20, "the score rises by more than 20 points")
confirm(abs(honest[-1] - honest[0]) < 8,
        "on images without a twin nothing has improved")

# %% [markdown]
# The method learned nothing new, it only met its acquaintances. How to see it: look for twins as above, and distrust a score that is too good. The cure: split by *series*, person or day, not by single image.
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
# - **nearest thumbnail**: the same, comparing the thumbnails from above.
#
# **Think first**: write down your guess for the eight scores, then run.

# %%
def most_frequent(train, images):
    return train.labels.bincount().argmax().repeat(len(images)), 1


def nearest_mean(train, images):
    means = mean_images(train).to(device).flatten(1)
    return nearest(means, flat(images), 1)[1][:, 0], means.numel()


def nearest_image(train, images, rows=flat):
    known = rows(train.images)
    _, index = nearest(known, rows(images), 1)
    return train.labels[index[:, 0]], known.numel()


def nearest_thumbnail(train, images):
    return nearest_image(train, images, thumbnails)


methods = {"most frequent class": most_frequent, "nearest mean": nearest_mean}
methods |= {"nearest image": nearest_image, "nearest thumbnail": nearest_thumbnail}
table, score_of = [], {}
for kind, data in (("digits", mnist), ("colour", cifar10)):
    for name, method in methods.items():
        start = time.perf_counter()
        found, kept = method(data.train, data.val.images)
        seconds = time.perf_counter() - start
        accuracy = (found == data.val.labels).double().mean().item()
        score_of[kind, name] = accuracy
        record(f"baselines.{kind}.{name.replace(' ', '_')}", val_accuracy=accuracy)
        measured = [f"{kept / 1e6:.3f}", f"{seconds:.2f}", f"{100 * accuracy:.1f}"]
        table.append([name, kind, *measured, "not used yet"])
titles = ["method", "images", "kept (millions)", "time (s)", "val. (%)", "test (%)"]
print(pd.DataFrame(table, columns=titles).to_string(index=False))

# %%
for kind in ("digits", "colour"):
    frequent, mean, image, thumb = (score_of[kind, name] for name in methods)
    confirm(frequent < mean < image, f"{kind}: every step of looking closer pays")
strong = score_of["digits", "nearest image"] > 0.9
confirm(strong, "digits: the nearest image is a strong rival")
confirm(thumb > image + 0.03, "colour: the thumbnails with fewer numbers know more")
confirm(thumb < 0.5, "colour: yet all are wrong more often than right")

# %% [markdown]
# *kept* is how many numbers a method has to keep to answer: one class, ten mean images, or all training images.
#
# **Which baseline is to beat?** For the digits the nearest image. For the colour images the nearest thumbnail. It keeps far fewer numbers and is right more often. Small pixels blur away where exactly things stand, and equal contrast takes out the light. So what we leave out can matter as much as what we put in. A model near the score of the most frequent class has learned nothing: look for a mistake in the code.
#
# **Which data set first?** MNIST. Everything runs in seconds and nearly everything works, so mistakes in the code show at once. But because nearly everything works, it hardly tells a good idea from a better one. For that go on to CIFAR-10, where the baselines are low and your own eyes are far above them.
#
# Nearest neighbours need no training, but they keep every image and search all of them for each answer. The models of the next chapters are the other way round: they take long to train, and then answer from few numbers.
#
# Why does the table say "not used yet" for the test split? We are going to compare many models with these baselines. Each look at the test score would be a chance to choose by it, and the test can be opened only once. Validation is enough to know what to beat.
#
# ## Exercises
#
# Replace the dots and run the cell. ⬜ means not tried yet, ❌ comes with a hint, ✅ is right. The solutions are folded below.
#
# ### Exercise 1.1: how big is it? (easy)
#
# Write a function that says how many megabytes a tensor takes, whatever its type. A megabyte is 1,000,000 bytes here.

# %%
def megabytes(images):
    ...


grade("1.1", megabytes)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def megabytes(images):
#     return images.numel() * images.element_size() / 1e6
# ```
#
# `numel()` counts the numbers, `element_size()` says how many bytes each takes: 1 for `uint8`, 4 for `float32`.
#
# </details>
#
# ### Exercise 1.2: brighter and darker (easy)
#
# Write a function that adds `amount`, which may be negative, to every pixel of `uint8` images. It gives back `uint8`. What is too bright becomes 255, what is too dark 0.

# %%
def brighten(images, amount):
    ...


grade("1.2", brighten)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def brighten(images, amount):
#     return (images.float() + amount).clamp(0, 255).to(torch.uint8)
# ```
#
# Float has room below 0 and above 255. Only after `clamp` is it safe to go back to `uint8`.
#
# </details>
#
# ### Exercise 1.3: the laziest model (easy)
#
# A model always names the class that is most frequent in training. Return its accuracy on validation, between 0 and 1.

# %%
def majority_accuracy(train_labels, val_labels):
    ...


grade("1.3", majority_accuracy)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def majority_accuracy(train_labels, val_labels):
#     favourite = train_labels.bincount().argmax()
#     return (val_labels == favourite).float().mean()
# ```
#
# The choice is made on training, the score on validation. Whoever chooses on validation has looked at the answers.
#
# </details>
#
# ### Exercise 1.4: the constants of normalisation (middle)
#
# Return the mean and the standard deviation of each channel of `uint8` images, in units of 0 to 1: two tensors with one number for each channel.

# %%
def channel_stats(images):
    ...


grade("1.4", channel_stats)

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
# ### Exercise 1.5: find the leak (middle)
#
# Return how many of the validation images are, pixel for pixel, also among the training images.

# %%
def count_leaks(train_images, val_images):
    ...


grade("1.5", count_leaks)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def count_leaks(train_images, val_images):
#     seen = {image.numpy().tobytes() for image in train_images}
#     return sum(image.numpy().tobytes() in seen for image in val_images)
# ```
#
# A set answers at once whether it holds something, so every image is looked at only once.
#
# </details>
#
# ### Exercise 1.6: the nearest mean image (harder)
#
# Write the second baseline yourself. For each of `images`, return the class whose mean training image is nearest. The images are `uint8`, the labels are 0, 1, 2 and so on.

# %%
def nearest_mean_label(train_images, train_labels, images):
    ...


grade("1.6", nearest_mean_label)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def nearest_mean_label(train_images, train_labels, images):
#     rows = train_images.flatten(1).float()
#     classes = range(int(train_labels.max()) + 1)
#     means = torch.stack([rows[train_labels == c].mean(dim=0) for c in classes])
#     return torch.cdist(images.flatten(1).float(), means).argmin(dim=1)
# ```
#
# `torch.cdist` returns the distance of each row of the one to each row of the other. Without `float()` the differences of `uint8` images would start again at 255.
#
# </details>
#
# ### Exercise 1.7: beat the neighbours, without training (open)
#
# Name the digits of the small MNIST sample that comes with the course. Your function gets training images, their labels, and validation images, and returns one label for each. It has to be right more often than nearest neighbours in plain pixels, with one, three or five of them. Use what you know about changes that keep a label. Keep it under a few seconds.

# %%
def my_classifier(train_images, train_labels, images):
    ...


grade("1.7", my_classifier)

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
# **1. A tensor has the shape 64 × 3 × 32 × 32. What does it hold?**
#
# <details name="quiz-1-1"><summary>A. Three images with 64 channels each</summary>
#
# ❌ The number of images comes first, then the channels: N × C × H × W.
#
# </details>
# <details name="quiz-1-1"><summary>B. One image of 64 pixels in three colours</summary>
#
# ❌ Rows and columns are the last two axes: each image has 32 × 32 pixels.
#
# </details>
# <details name="quiz-1-1"><summary>C. 64 colour images of 32 × 32 pixels</summary>
#
# ✅ Yes: 64 images, three channels, 32 rows, 32 columns.
#
# </details>
#
# **2. The training pixels have mean 0.47. Which mean do you use to normalise the test images?**
#
# <details name="quiz-1-2"><summary>A. Also 0.47, the one of training</summary>
#
# ✅ Yes: the model learned from images prepared with 0.47, so every later image must be prepared the same way.
#
# </details>
# <details name="quiz-1-2"><summary>B. The mean of the test images, so that they too have mean 0</summary>
#
# ❌ Then a darker test set would look the same as a bright one, and knowledge of the test images leaks in.
#
# </details>
# <details name="quiz-1-2"><summary>C. The mean of all images together, because more images are more exact</summary>
#
# ❌ More exact, but it uses the test images before the test: that is leakage.
#
# </details>
#
# **3. A model is right on 95 % of the images. Is it good?**
#
# <details name="quiz-1-3"><summary>A. Yes, 95 % is close to 100 %</summary>
#
# ❌ If 95 % of the images belong to one class, a model that always names it gets this score too.
#
# </details>
# <details name="quiz-1-3"><summary>B. Only a comparison with baselines on the same images can tell</summary>
#
# ✅ Yes: against the most frequent class, nearest neighbours and people, 95 % may be much or little.
#
# </details>
# <details name="quiz-1-3"><summary>C. No, a computer should never make mistakes, so anything below 100 % is bad</summary>
#
# ❌ Some images cannot be named by anybody, and some labels are wrong.
#
# </details>
#
# **4. Nearest neighbours of photographs often show other things. Why?**
#
# <details name="quiz-1-4"><summary>A. Their labels are mostly wrong, because people made mistakes</summary>
#
# ❌ A few labels may be wrong, but most neighbours differ: the distance is to blame.
#
# </details>
# <details name="quiz-1-4"><summary>B. There are too few photographs in the training split</summary>
#
# ❌ More images help a little. But pixel distance would still compare backgrounds first.
#
# </details>
# <details name="quiz-1-4"><summary>C. Colour images have no distance; it exists for grey ones only</summary>
#
# ❌ The formula takes any numbers, also those of three channels.
#
# </details>
# <details name="quiz-1-4"><summary>D. Pixel distance compares colours at places, not things</summary>
#
# ✅ Yes: background, light and position make up most of the distance, whatever the image shows.
#
# </details>
#
# **5. All ten neighbours of an image have another label. What do you do?**
#
# <details name="quiz-1-5"><summary>A. Look at the image</summary>
#
# ✅ Yes: it may be labelled wrongly, or be a rare but right example; only looking can tell.
#
# </details>
# <details name="quiz-1-5"><summary>B. Give it the label of its neighbours</summary>
#
# ❌ Then unusual but right examples get wrong labels, and the model never learns them.
#
# </details>
# <details name="quiz-1-5"><summary>C. Delete it: one image fewer does no harm</summary>
#
# ❌ It may be the hard example from which a model learns most; deleting those makes the data look easier.
#
# </details>
#
# **6. You augment first and split into training and validation afterwards. What happens?**
#
# <details name="quiz-1-6"><summary>A. The model trains more slowly, and nothing else changes</summary>
#
# ❌ The speed is not the problem: look for twins between the splits.
#
# </details>
# <details name="quiz-1-6"><summary>B. Nothing bad: the augmented images are all different from each other</summary>
#
# ❌ Different bytes, but nearly the same image: in this chapter a shift by one pixel was enough.
#
# </details>
# <details name="quiz-1-6"><summary>C. Validation gets too good a score</summary>
#
# ✅ Yes: copies of one image land on both sides, and to recognise them takes memory only.
#
# </details>
#
# **7. Which change may be used to augment handwritten digits?**
#
# <details name="quiz-1-7"><summary>A. A turn by half a circle</summary>
#
# ❌ It makes a 9 out of a 6, and the label would say 6 all the same.
#
# </details>
# <details name="quiz-1-7"><summary>B. A shift by two pixels</summary>
#
# ✅ Yes: everybody still reads the same digit, and people do write a little to the side.
#
# </details>
# <details name="quiz-1-7"><summary>C. A mirror image, because it works well for photographs of ships and cats</summary>
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
