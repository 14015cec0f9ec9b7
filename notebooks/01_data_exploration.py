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
# - say what every axis of a tensor of images means,
# - check classes and balance of a data set before you train on it,
# - compute the constants that normalise images, and say on which images,
# - explain why there are three splits,
# - predict from a look at the data which of two data sets will be harder.
#
# **Before you start**: some Python. No knowledge of deep learning is needed.
#
# **Time**: read about 20 minutes; the full run takes <!-- result:chapters.01.full_seconds|minutes -->1 minute<!-- /result --> on two CPU cores.
#
# **The question**: what does a computer see when it looks at an image?

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
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from helpers.checks import check
from helpers.data import augment, load
from helpers.plots import COLOURS, MARKERS, show_images, use_style
from helpers.profiles import budget
from helpers.results import record

use_style()

# %% [markdown]
# ## Two data sets
#
# **MNIST**: handwritten digits, grey, 28 × 28 pixels. **CIFAR-10**: small photographs of ten kinds of things, in colour, 32 × 32 pixels. We load both. `source` says where the pixels came from; that belongs beside every number we will compute.

# %% tags=["nbval-ignore-output"]
mnist, cifar10 = load("mnist"), load("cifar10")
for data in (mnist, cifar10):
    print(f"{data.title}: {data.source}")

# %% [markdown]
# ## An image is a grid of numbers
#
# Here is one digit, and the numbers in a part of it. 0 is black, 255 is white.

# %% mystnb={"image": {"alt": "On the left a digit with a square marked; on the right the pixels of that square enlarged, each with its number from 0 to 255."}}
digit = mnist.train.images[0, 0]
rows, columns = slice(10, 18), slice(10, 18)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.8))
left.imshow(digit, vmin=0, vmax=255)
left.add_patch(plt.Rectangle((9.5, 9.5), 8, 8, fill=False, edgecolor=COLOURS[1], linewidth=2))
left.set(xlabel="column", ylabel="row")
right.imshow(digit[rows, columns], vmin=0, vmax=255)
for (i, j), value in np.ndenumerate(digit[rows, columns].numpy()):
    right.text(j, i, str(value), ha="center", va="center", fontsize=8, color="black" if value > 128 else "white")
right.axis("off")
plt.show()

# %% [markdown]
# ## A tensor of images
#
# Many images make a **tensor** with four axes: **N** images, **C** channels (1 for grey, 3 for red, green and blue), **H** rows, **W** columns.

# %%
for data in (mnist, cifar10):
    images = data.train.images
    print("C × H × W:", data.image_shape, " type:", images.dtype, " smallest and largest value:", int(images.min()), int(images.max()))
    check(images.ndim == 4 and images.dtype == torch.uint8, "four axes, whole numbers from 0 to 255")

# %% [markdown]
# The type `uint8` needs one byte a pixel. **Think first**: how many megabytes do all training images need, and how many as 32-bit floating point numbers?

# %% tags=["nbval-ignore-output"]
for data in (mnist, cifar10):
    count = data.train.images.numel()
    print(f"{data.title}: {count / 1e6:.1f} MB as uint8, {4 * count / 1e6:.1f} MB as float32")

# %% [markdown]
# ## Look at them
#
# Before any statistics: look at the images with their labels. Are they upright? Do the labels fit?

# %% mystnb={"image": {"alt": "Sixteen handwritten digits, each under its label."}}
show_images(mnist.train.images[:16], mnist.train.labels[:16], mnist.classes, title=mnist.title)
plt.show()

# %% mystnb={"image": {"alt": "Sixteen small colour images, each under its class name, such as frog, truck or deer."}}
show_images(cifar10.train.images[:16], cifar10.train.labels[:16], cifar10.classes, title=cifar10.title)
plt.show()

# %% [markdown]
# ## Classes and balance
#
# A data set is **balanced** if every class has about the same number of images. If one class made up nine tenths, a model that always names it would be right nine times out of ten, and useless.

# %% mystnb={"image": {"alt": "Bar charts of the share of each class in both training splits; all bars are near ten per cent."}}
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for data, axis, colour in zip((mnist, cifar10), axes, COLOURS):
    share = 100 * data.train.labels.bincount() / len(data.train)
    axis.bar(data.classes, share, color=colour)
    axis.set_title(data.title)
    axis.tick_params(axis="x", rotation=0 if data is mnist else 60)
axes[0].set_ylabel("share of training images (%)")
plt.show()

# %%
for data in (mnist, cifar10):
    counts = data.train.labels.bincount()
    check(len(counts) == 10 and counts.min() > 0.85 * counts.float().mean(), "ten classes, none with much less than its share")

# %% [markdown]
# ## The mean image of each class
#
# Average all images of a class. If the result still looks like the class, then its images lie neatly on top of each other.

# %% mystnb={"image": {"alt": "The mean image of each digit, blurred but readable."}}
def mean_images(split):
    return torch.stack([split.images[split.labels == c].float().mean(dim=0) for c in range(10)]) / 255


show_images(mean_images(mnist.train), range(10), mnist.classes, columns=10, title=mnist.title)
plt.show()

# %% mystnb={"image": {"alt": "The mean image of each class of the colour images: soft blobs of colour, hardly to be recognised."}}
show_images(mean_images(cifar10.train), range(10), cifar10.classes, columns=10, title=cifar10.title)
plt.show()

# %% [markdown]
# The mean digits can be read. The mean photographs are blobs: a little blue where there was sky, a little brown where there were animals. Things in photographs stand anywhere, at any size. Remember this picture in chapter 2, whose model has to get along with one template per class.
#
# ## Pixel statistics and normalisation
#
# Training goes better when the inputs have mean 0 and standard deviation 1. So we measure both, for each channel, and apply
#
# $$x' = \frac{x/255 - \text{mean}}{\text{std}}$$
#
# The constants that float around the internet for MNIST and CIFAR-10 are just these numbers. We compute them ourselves, **on the training images only**: what we know about the test images must not leak into the model.

# %%
for data in (mnist, cifar10):
    pixels = data.train.images.double() / 255
    mean, std = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3), correction=0)
    print("mean", " ".join(f"{m:.4f}" for m in mean), " std", " ".join(f"{s:.4f}" for s in std))
    check(np.allclose(mean, data.mean) and np.allclose(std, data.std), "these are the constants that the course uses")

# %%
normalised = cifar10.normalise(cifar10.train.images)
check(normalised.mean(dim=(0, 2, 3)).abs().max() < 1e-3, "after normalisation each channel has mean 0")
check((normalised.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-2, "and standard deviation 1")

# %% mystnb={"image": {"alt": "Histograms of pixel values: most pixels of the digits are exactly black, the colour images use the whole range."}}
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8))
for data, axis in zip((mnist, cifar10), axes):
    names = ("grey",) if data.image_shape[0] == 1 else ("red", "green", "blue")
    for channel, (name, colour) in enumerate(zip(names, ("#000000",) if len(names) == 1 else (COLOURS[3], COLOURS[2], COLOURS[0]))):
        share = torch.bincount(data.train.images[:, channel].flatten(), minlength=256).double()
        axis.semilogy(100 * share / share.sum() + 1e-6, color=colour, label=name, linewidth=1.2)
    axis.set(xlabel="pixel value", title=data.title, ylim=(1e-2, 100))
    axis.legend()
axes[0].set_ylabel("share of pixels (%)")
plt.show()

# %% [markdown]
# ## Three splits
#
# - **Training** images: the model learns from them.
# - **Validation** images: *we* learn from them. Which model? Which learning rate? When to stop?
# - **Test** images: used once, at the very end, to say how good the result is.
#
# Why not choose on the test images? Because the best of many tries is partly luck, and luck does not repeat. The validation split here is a tenth of the training images, the same share of every class (**stratified**), and always the same images.

# %%
for data in (mnist, cifar10):
    share = len(data.val) / (len(data.val) + len(data.train))
    print(f"validation is {100 * share:.1f} % of the training images")
    gap = (data.val.labels.bincount() / len(data.val) - data.train.labels.bincount() / len(data.train)).abs().max()
    check(gap < 0.001, "every class has the same share in training and validation")

# %%
seen = {image.numpy().tobytes() for image in cifar10.train.images}
shared = sum(image.numpy().tobytes() in seen for image in cifar10.val.images)
check(shared <= 3, "training and validation share hardly an image: almost nothing leaks")

# %% [markdown]
# ## Why MNIST is easy and CIFAR-10 is not
#
# An image with 784 pixels is a point in a space with 784 axes. **PCA** finds the two directions in which the points spread most. Seen from there, do classes lie apart?

# %% mystnb={"image": {"alt": "Two scatter plots of images projected to two dimensions, coloured by class: the digits form separate clouds, the classes of colour images lie on top of each other."}}
figure, axes = plt.subplots(1, 2, figsize=(8, 3.8))
for data, axis in zip((mnist, cifar10), axes):
    flat = data.train.images[:2000].flatten(1).numpy() / 255
    labels = data.train.labels[:2000]
    points = PCA(2, random_state=0).fit_transform(flat)
    for c in range(0, 10, 2):  # five classes: more colours would only hide each other
        chosen = labels == c
        axis.scatter(*points[chosen.numpy()].T, s=10, alpha=0.6, color=COLOURS[c // 2], marker=MARKERS[c // 2], label=data.classes[c])
    axis.set(title=data.title, xlabel="first direction", ylabel="second direction")
    axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# Let us put a number on it, without any training: name each validation image after its nearest training images (**k nearest neighbours**).

# %%
baseline = {}
for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    count = budget(full=10_000, fast=3_000)
    neighbours = KNeighborsClassifier(n_neighbors=5)
    neighbours.fit(data.train.images[:count].flatten(1).numpy() / 255, data.train.labels[:count].numpy())
    chosen = slice(0, budget(full=2_000, fast=400))
    found = neighbours.predict(data.val.images[chosen].flatten(1).numpy() / 255)
    baseline[name] = (found == data.val.labels[chosen].numpy()).mean()
    record(f"neighbours.{name}", val_accuracy=float(baseline[name]))
    print(f"{data.classes[0]} … {data.classes[-1]}: {100 * baseline[name]:.1f} % right")
check(baseline["mnist"] > baseline["cifar10"] + 0.2, "neighbours in pixel space tell digits apart, but not photographs")

# %% [markdown]
# That is the difference in one line. For digits, *similar pixels* nearly means *same class*. For photographs it does not: a white cat on a dark sofa and a dark cat on a white sofa share almost no pixel.
#
# ## Augmentation
#
# A digit moved by a pixel is the same digit. A mirrored ship is a ship. **Augmentation** makes such changes to the training images, newly drawn in every epoch, and the labels stay.

# %% mystnb={"image": {"alt": "One colour image eight times, each shifted by up to two pixels and some mirrored."}}
generator = torch.Generator().manual_seed(0)
copies = cifar10.train.images[:1].repeat(8, 1, 1, 1)
show_images(augment(copies, cifar10.augmentation, generator), title="one image, augmented eight times")
plt.show()

# %% mystnb={"image": {"alt": "A handwritten 2 beside its mirror image, which is no digit."}}
two = mnist.train.images[mnist.train.labels == 2][:1]
show_images(torch.cat([two, two.flip(3)]), columns=2, title="a 2, and what?")
plt.show()

# %% [markdown]
# The rule: a change is allowed if *you* would still give the image the same label. So this course never mirrors digits.

# %%
check(not mnist.augmentation.flip and cifar10.augmentation.flip, "digits are shifted only, photographs are also mirrored")

# %% [markdown]
# ## What went wrong, and why
#
# **Arithmetic on `uint8`.** Make an image brighter by adding 100 to every pixel:

# %%
pixel = torch.tensor([200], dtype=torch.uint8)
print("200 + 100 =", (pixel + 100).item())
check((pixel + 100).item() == 44, "256 is 0 again: bright becomes dark")

# %% mystnb={"image": {"alt": "A digit, the digit with 100 added to its uint8 pixels so that its bright stroke has turned dark, and the digit brightened correctly."}}
wrong = digit + 100
right_way = (digit.float() + 100).clamp(0, 255).to(torch.uint8)
show_images(torch.stack([digit, wrong, right_way])[:, None], columns=3, title="original, uint8 + 100, float + 100")
plt.show()

# %% [markdown]
# No error, no warning, only wrong images. How to see it: look at the images again *after* every step of preparation. The cure: convert to float first.
#
# ### Try it yourself
#
# 1. Which two digits have the most similar mean images? Measure it.
# 2. Compute mean and standard deviation on the test images. How far are they from the training images'?
# 3. Ask someone to name twenty of the colour images at this size. How many are right?
#
# ## Takeaways
#
# - Images are tensors: N × C × H × W, `uint8` from 0 to 255.
# - Look first: at images, labels, balance, mean images, splits.
# - Normalisation constants come from the training images, and from nowhere else.
# - In pixel space digits of one class are neighbours; photographs of one class are not.
#
# ## Next
#
# Chapter 2 trains a first model, and writes the training loop line by line.
