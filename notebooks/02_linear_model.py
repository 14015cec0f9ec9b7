# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. The linear model
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/02_linear_model.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/02_linear_model.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/02_linear_model.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this chapter you can
#
# - write a model as an `nn.Module`, and turn its ten scores into probabilities and one loss,
# - say what a gradient is, find one by the chain rule, and take a step downhill by hand,
# - write a training loop with a `Dataset`, a `DataLoader` and an optimizer, and say what each line is for,
# - save a model, load it, and ask it about one picture,
# - recognise a wrong learning rate and four common mistakes by their loss curves,
# - compare models fairly, tell over-fitting from learning, and say how far a linear model goes.
#
# **Before you start**: chapter 1, and the page on tensors before it. You should know what a tensor of images is, and why there are three splits.
#
# **Time**: read about 45 minutes, exercises and quiz about an hour more. The full run takes <!-- result:chapters.02.full_seconds|minutes -->2 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.02.fast_seconds|seconds -->22 s<!-- /result -->.
#
# **The question**: how far does one weighted sum of pixels per class go, and how are its [weights](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#weight) found?

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
import copy
import math
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from helpers.data import load
from helpers.exercises import grade
from helpers.models import (
    LinearClassifier,
    build_model,
    count_parameters,
    output_shapes,
)
from helpers.notebook import budget, confirm, explore, record
from helpers.plots import (
    COLOURS,
    plot_architecture,
    plot_confusion,
    plot_histories,
    use_style,
)
from helpers.recipes import TrainingConfig, recipe
from helpers.training import best_device, evaluate, fit, predict_logits

use_style()
device = best_device()

# %%
mnist, cifar10 = load("mnist"), load("cifar10")
print("one image:", mnist.image_shape, "and", cifar10.image_shape)

# %% tags=["hide-input"]
# How much is trained: what the text describes, and a short profile in which tests run.
NUM_DIGITS = budget(full=20_000, fast=3_600)  # of the open loop
NUM_FEW = budget(full=8_000, fast=1_500)  # where capacities are compared
NUM_SECOND_OPINION = budget(full=5_000, fast=3_000)
EPOCHS_FEW = budget(full=15, fast=6)
EPOCHS_MISTAKES = budget(full=6, fast=12)


def epochs_of(config):
    return budget(full=config.epochs, fast=8)


# %% [markdown]
# ## Flattening
#
# A [linear model](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#linear-model) does not know rows and columns. It wants a list. So we cut the image into its rows and put them one behind the other: 28 rows of 28 pixels become one row of 784 numbers.

# %% tags=["hide-input"] mystnb={"image": {"alt": "A digit on the left; on the right its 784 pixels as one long strip, in which the rows of the digit repeat as a pattern."}}
digit = mnist.train.images[1, 0]
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.4), width_ratios=[1, 3])
left.imshow(digit)
left.set(title="28 × 28", xlabel="column", ylabel="row")
right.imshow(digit.flatten()[None].repeat(60, 1), aspect="auto")
right.set(title="the same 784 numbers", xlabel="position in the list", yticks=[])
plt.show()

# %%
few = mnist.train.images[:5]
flat = few.flatten(start_dim=1)
print("before:", tuple(few.shape), " after:", tuple(flat.shape))
print("row 14, column 3 is at 14 · 28 + 3:", digit[14, 3] == flat[1, 14 * 28 + 3])

# %% [markdown]
# What is lost? Not the numbers, but the knowledge which pixels were neighbours. To the model, position 28 is no closer to position 0, the pixel just above it, than to position 700. Chapter 3 comes back to this.
#
# ## Ten weighted sums
#
# Give every pixel a **weight**: a positive one where ink speaks for a class, a negative one where ink speaks against it. Multiply each pixel by its weight and add everything up. The sum is a score for the class, called a **[logit](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#logits)**.
#
# Here are two sets of weights, made by hand: the mean image of the class minus the mean of all images. We try both on the same 0.

# %%
pixels = mnist.train.images[:2000, 0] / 255
labels = mnist.train.labels[:2000]
zero = pixels[labels == 0][0]
by_hand = [pixels[labels == c].mean(dim=0) - pixels.mean(dim=0) for c in (0, 1)]
for c in (0, 1):
    print(f"score for class {c}: {(zero * by_hand[c]).sum():.1f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two rows, for the classes 0 and 1: the same handwritten 0, the weights of the class, and their product; the sum of the product is larger for class 0."}}
figure, axes = plt.subplots(2, 3, figsize=(6, 4.2))
for c, row in enumerate(axes):
    row[0].imshow(zero)
    for axis, picture in ((row[1], by_hand[c]), (row[2], zero * by_hand[c])):
        axis.imshow(picture, cmap="PuOr", vmin=-0.6, vmax=0.6)
    product = f"product, sum {(zero * by_hand[c]).sum():.1f}"
    for axis, title in zip(row, ("pixels", f"weights of {c}", product)):
        axis.set_title(title, fontsize=10)
        axis.axis("off")
plt.show()

# %% [markdown]
# Purple speaks for, orange against. A linear model does this for all ten classes. It has one weight $w_{c,i}$ for every class $c$ and pixel $x_i$, and one number more per class, the **[bias](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#bias)** $b_c$, which is added whatever the pixels are:
#
# $$z_c = \sum_{i} w_{c,i}\, x_i + b_c$$
#
# ## The model, as PyTorch writes it
#
# In PyTorch a model is a class that inherits from `nn.Module`. (`self` is the object itself; `super().__init__()` lets `nn.Module` set itself up first.) Its parts are made in `__init__`. `forward` says what happens to a batch of images. `nn.Linear` is the formula above: it holds the weights and the biases, and fills them with small random numbers. They will be *found*, not made by hand.

# %%
class SoftmaxRegression(nn.Module):
    def __init__(self, num_pixels=784, num_classes=10):
        super().__init__()
        self.linear = nn.Linear(num_pixels, num_classes)

    def forward(self, images):
        return self.linear(images.flatten(start_dim=1))


# %%
torch.manual_seed(0)
model = SoftmaxRegression()
images = mnist.normalise(mnist.train.images[:50])
labels = mnist.train.labels[:50]
logits = model(images)  # calls forward
for name, parameter in model.named_parameters():
    print(name, tuple(parameter.shape))
print("logits", tuple(logits.shape))

# %% [markdown]
# `mnist.normalise` brings the pixels to mean 0 and standard deviation 1, as in chapter 1. Is the module really nothing but the formula? `@` is the matrix product, and `.T` turns the matrix round, so that pixels meet their weights:

# %%
by_formula = images.flatten(1) @ model.linear.weight.T + model.linear.bias
print("equal:", torch.allclose(logits, by_formula, atol=1e-5))

# %% [markdown]
# ## Softmax: from scores to probabilities
#
# Logits can be any numbers. Probabilities are positive and add up to 1. **[Softmax](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#softmax)** makes the first into the second in two moves. It raises $e$ to each score, so that everything is positive. Then it divides by the sum.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three bar charts for classes a to d: scores 2, 1, 0 and -1; their exponentials; and the probabilities, 64, 24, 9 and 3 per cent."}}
example = torch.tensor([2.0, 1.0, 0.0, -1.0])
steps = {
    "scores z": example,
    "e to the z": example.exp(),
    "divided by the sum": example.softmax(dim=0),
}
figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.3))
for axis, (title, heights), colour in zip(axes, steps.items(), COLOURS):
    axis.bar(list("abcd"), heights, color=colour)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("class")
plt.show()

# %% [markdown]
# $$p_c = \frac{e^{z_c}}{\sum_k e^{z_k}}$$

# %%
def softmax(logits):
    # Subtracting the largest changes nothing: top and bottom are divided by the same
    # number. Without it, e^1000 would overflow.
    powers = (logits - logits.max(dim=1, keepdim=True).values).exp()
    return powers / powers.sum(dim=1, keepdim=True)


probabilities = softmax(logits)
print("equal to PyTorch's:", torch.allclose(probabilities, logits.softmax(dim=1)))
print("each image's ten add up to", probabilities[0].sum().round(decimals=4).item())

# %% [markdown]
# Weighted sums followed by softmax are called **[softmax regression](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#softmax-regression)**.
#
# **Think first**: the weights of our model are still random. What will the ten probabilities of a digit look like?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Softmax regression drawn from left to right: a digit, a column of 784 numbers, a column of 10 logits, and ten bars of which none is near 1."}}
def draw_way(model, data):
    """Draw an image's way through `model`, with its real shapes and probabilities."""
    label = 5
    image = data.val.images[data.val.labels == label][0]
    with torch.no_grad():
        inputs = data.normalise(image[None]).to(next(model.parameters()).device)
        found = model(inputs)[0].softmax(dim=0).cpu()
    shapes = output_shapes(model, data.image_shape)
    figure = plot_architecture(shapes, image, found, data.classes)
    figure.axes[0].set_title(f"true class: {data.classes[label]}", fontsize=10)


draw_way(nn.Sequential(nn.Flatten(), model.linear), mnist)
plt.show()

# %% [markdown]
# No class stands out by much: the model is undecided, and what it prefers is chance.
#
# ## Cross-entropy: one number for how wrong we are
#
# We need one number that says how bad the model is, a **[loss](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#loss)**: the smaller, the better. Which one?
#
# Ask the model how probable it finds the *true* labels. The first digit's true class has the probability $p_1$, the second's $p_2$, and so on. All labels together have the product of these. It is called the **[likelihood](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#likelihood)**. A good model makes what really happened likely, so we want it large.
#
# The product of many numbers below 1 is tiny. Its logarithm is a sum, which is easier to handle. For 50 images and a model that knows nothing:

# %%
print("likelihood:", 0.1**50, " its logarithm:", round(50 * math.log(0.1), 1))

# %% [markdown]
# With a minus sign, large becomes small. Divided by the number of images, it no longer depends on how many there are. That is the **[cross-entropy loss](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cross-entropy)**, the mean of $-\log$ of the probability that the model gave to the true class:
#
# $$L = -\frac{1}{N} \sum_n \log p_{n,\,y_n}$$
#
# Was that probability 1? Then the image adds nothing. Was it small? Then it adds much. The unit of a natural logarithm is the *[nat](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#nats)*.
#
# **Think first**: a model that gives every class 1/10 knows nothing. What is its loss?

# %% tags=["hide-input"] mystnb={"image": {"alt": "The loss falls steeply from above 4 at a probability near 0 to 0 at probability 1; a dot marks the undecided model at probability 0.1 and loss 2.3."}}
figure, axis = plt.subplots(figsize=(5, 2.8))
p = torch.linspace(0.01, 1, 200)
axis.plot(p, -p.log())
axis.plot(0.1, -math.log(0.1), "o", color=COLOURS[3])
axis.annotate("undecided", (0.1, -math.log(0.1)), xytext=(0.14, 2.4))
axis.set(xlabel="probability given to the true class", ylabel="loss (nats)")
plt.show()

# %%
def cross_entropy(logits, labels):
    true_class = softmax(logits)[torch.arange(len(labels)), labels]
    return -true_class.log().mean()


loss = cross_entropy(logits, labels)
print("equal to PyTorch's:", torch.allclose(loss, F.cross_entropy(logits, labels)))
print(f"undecided: {-math.log(0.1):.3f} nats; our untrained model: {loss.item():.3f}")

# %% [markdown]
# Note that `F.cross_entropy` wants **logits**. It does the softmax itself.
#
# (Our untrained model lies above the undecided one: random weights are a little sure of random answers.)
#
# **Why not take the accuracy?** It is what we care about in the end. But move one single weight a little and look at both numbers. (`@torch.no_grad()` above a function says: do not keep track for gradients, which come next.)

# %%
@torch.no_grad()
def move_weight(by):
    model.linear.weight[3, 14 * 28 + 14] += by


for by in (-0.05, 0.05, 0.05):  # a little down, back again, a little up
    move_weight(by)
    logits = model(images)
    right = (logits.argmax(dim=1) == labels).float().mean()
    print(f"accuracy {right:.2f}, loss {F.cross_entropy(logits, labels):.4f}")
move_weight(-0.05)

# %% [markdown]
# The accuracy does not move at all: no image changed its answer. It cannot say which way is better. The loss can. It changes with every small move, and that is what we need next.
#
# ## The gradient: which way is down?
#
# Turn one weight a little up and keep all others. How much the loss changes, for each unit that the weight changes, is the **[slope](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#slope)** in that direction. The list of the slopes of all weights is the **[gradient](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#gradient)**. A positive slope says: lower this weight, and the loss falls.
#
# ### Two steps, by hand
#
# Take the smallest model there is: one weight $w$, one input $x = 2$. Its output should be $t = 5$, and the loss is the squared error. It is computed in two steps:
#
# $$u = w\,x - t, \qquad L = u^2$$
#
# Backwards, each step has a slope of its own. $L$ changes $2u$ times as fast as $u$. And $u$ changes $x$ times as fast as $w$. So $L$ changes $2u \cdot x$ times as fast as $w$. To multiply the slopes along the way is the **[chain rule](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#chain-rule)**.
#
# With $w = 3$: $u = 1$, so the slope is $2 \cdot 1 \cdot 2 = 4$. PyTorch remembers the steps of a computation, and `backward()` goes through them from the end, by the same rule. This part of it is called **[autograd](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#autograd)**, and the way back the **[backward pass](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#backward-pass)**.

# %%
w = torch.tensor(3.0, requires_grad=True)  # keep track of what is computed from it
u = w * 2 - 5
loss = u**2
loss.backward()
print("slope:", w.grad.item())

# %% [markdown]
# ### The same for 7,850 numbers
#
# Our loss goes through one matrix product, ten powers of $e$, a division and a logarithm for each image. The rule is the same. The picture shows the loss of 50 digits against one single weight. The dashed line has the slope that `backward()` found.

# %%
@torch.no_grad()
def loss_with(value):
    """The loss of the 50 digits if this one weight were `value`; it is put back."""
    before = double.linear.weight[place].item()
    double.linear.weight[place] = value
    loss = F.cross_entropy(double(images.double()), labels).item()
    double.linear.weight[place] = before
    return loss


double = copy.deepcopy(model).double()  # float64: numbers with 16 digits
F.cross_entropy(double(images.double()), labels).backward()
place = (3, 14 * 28 + 14)  # class 3, the pixel in row 14 and column 14
now, slope = double.linear.weight[place].item(), double.linear.weight.grad[place].item()

# %% tags=["hide-input"] mystnb={"image": {"alt": "The loss against one weight: a smooth curve, a dot at the present weight, and the dashed tangent that touches the curve there."}}
moves = torch.linspace(-1.5, 1.5, 61)
figure, axis = plt.subplots(figsize=(5, 2.9))
axis.plot(now + moves, [loss_with(now + move.item()) for move in moves])
tangent = loss_with(now) + slope * moves
axis.plot(now + moves, tangent, "--", label=f"tangent, slope {slope:.3f}")
axis.plot(now, loss_with(now), "o", color=COLOURS[3])
axis.set(xlabel="the weight", ylabel="loss (nats)")
axis.legend()
plt.show()

# %% [markdown]
# Can we trust it? We measure the slope ourselves. Go a small way $h$ to the right and to the left, and divide the difference of the losses by the distance. This **central difference** is the usual kind of [finite differences](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#finite-differences):
#
# $$\frac{\partial L}{\partial w} \approx \frac{L(w + h) - L(w - h)}{2h}$$

# %%
h = 1e-5
measured = (loss_with(now + h) - loss_with(now - h)) / (2 * h)
print(f"measured {measured:.6f}, by autograd {slope:.6f}")
print("equal:", math.isclose(measured, slope, rel_tol=1e-4))

# %% [markdown]
# Then why not always measure? It takes two evaluations of the loss for every single weight. `backward()` gives all 7,850 slopes together, for about the price of two or three evaluations.
#
# For softmax regression the chain rule gives a short formula. With $y_c = 1$ for the true class and 0 for the others, one image adds
#
# $$\frac{\partial L}{\partial w_{c,i}} = (p_c - y_c)\, x_i$$
#
# In words: error times pixel. The larger the error, the larger the blame. The loss of a batch is a mean, so all is divided by the number of images. `F.one_hot` writes the $y_c$: ten numbers for each label, with a 1 at its place. And a pixel whose *normalised* value is 0 had no part in the score, so its weight gets no blame. (That is a dark grey. Black is −0.42 after normalisation, so black pixels do take part.)
#
# <details><summary>Where the formula comes from</summary>
#
# The loss of one image is $-\log p_y = -z_y + \log \sum_k e^{z_k}$. By the chain rule the second part has the slope $e^{z_c} / \sum_k e^{z_k} = p_c$ for the logit $z_c$. The first has $-1$ for the true class and 0 for the others. Together: $p_c - y_c$. And $z_c$ changes $x_i$ times as fast as $w_{c,i}$.
#
# </details>

# %%
model.zero_grad()
F.cross_entropy(model(images), labels).backward()
error = (model(images).softmax(dim=1) - F.one_hot(labels, 10)) / len(labels)
by_formula = error.T @ images.flatten(1)
print("equal:", torch.allclose(model.linear.weight.grad, by_formula, atol=1e-5))

# %% [markdown]
# ## A step downhill, by hand
#
# To find the weights, we walk downhill. Every step moves each weight against its slope, by the slope times a small number $\eta$, the **[learning rate](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#learning-rate)**:
#
# $$w \leftarrow w - \eta\, \frac{\partial L}{\partial w}$$
#
# This is all of **[gradient descent](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#gradient-descent)**. Here it is on our 50 digits, without any optimizer:

# %%
for step in range(6):
    logits = model(images)
    loss = F.cross_entropy(logits, labels)
    right = 100 * (logits.argmax(dim=1) == labels).float().mean()
    print(f"step {step}: loss {loss.item():.3f}, {right:.1f} % right")
    model.zero_grad()  # backward() adds to the slopes that are there
    loss.backward()
    with torch.no_grad():  # a step is not part of the computation
        for parameter in model.parameters():
            parameter -= 0.02 * parameter.grad

# %% [markdown]
# Five small steps, and the model that knew nothing names most of the 50 digits. Nobody told it what a 3 looks like.
#
# ## A Dataset and a DataLoader
#
# Now all digits. A step on all of them at once would be slow, and needless: a few images show well enough which way is down. So a step takes a **[batch](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#batch)**, drawn at random. One pass over all images, batch by batch, is an **[epoch](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#epoch)**. The method is called **[stochastic gradient descent](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#sgd)**, SGD, for the random draw.
#
# In PyTorch two classes hand out the batches. A `Dataset` knows how many examples there are, and hands out example number `index`. A `DataLoader` shuffles the numbers and stacks the examples of each batch into one tensor.

# %%
class Digits(Dataset):
    def __init__(self, split, mean=mnist.mean[0], std=mnist.std[0]):
        self.images, self.labels = split.images, split.labels
        self.mean, self.std = mean, std

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = self.images[index] / 255
        return (image - self.mean) / self.std, self.labels[index]


# %%
digits = mnist.subset(NUM_DIGITS)
torch.manual_seed(0)
train_loader = DataLoader(Digits(digits.train), batch_size=128, shuffle=True)
val_loader = DataLoader(Digits(digits.val), batch_size=500)
images, labels = next(iter(train_loader))
print("one batch:", tuple(images.shape), tuple(labels.shape))

# %% [markdown]
# (In other people's code you will meet `torchvision.datasets.MNIST(…)`. It is a `Dataset` like ours, which downloads its images and takes a `transform` to normalise them.)
#
# ## The training loop, line by line
#
# This loop is the heart of the course. Everything later, [Lightning](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#lightning) too, is this loop in other clothes. An **[optimizer](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#optimizer)** now takes the step for us: `torch.optim.SGD` does what our two last lines did.

# %%
def train_one_epoch(model, loader, optimizer):
    model.train()                                # training mode: matters in chapter 3
    loss_sum, count = 0.0, 0
    for images, labels in loader:                # a few images at a time
        images, labels = images.to(device), labels.to(device)
        logits = model(images)                   # forward: pixels to scores
        loss = F.cross_entropy(logits, labels)   # how wrong are they?
        optimizer.zero_grad()                    # forget the last step's gradients
        loss.backward()                          # backward: a slope for every weight
        optimizer.step()                         # a small step down the slope
        loss_sum += loss.detach() * len(labels)  # a mean times its number is a sum
        count += len(labels)
    return loss_sum / count

# %% [markdown]
# How good is the model on images that it does not learn from? That is what the validation split is for. No gradients are needed there:

# %%
@torch.no_grad()
def measure(model, loader):
    model.eval()                                 # evaluation mode
    loss_sum, correct, count = 0.0, 0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        logits = model(images)
        loss_sum += F.cross_entropy(logits, labels) * len(labels)
        correct += (logits.argmax(dim=1) == labels).sum()
        count += len(labels)
    return loss_sum / count, correct / count

# %%
torch.manual_seed(0)
model = SoftmaxRegression().to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
for epoch in range(3):
    train_loss = train_one_epoch(model, train_loader, optimizer)
    val_loss, accuracy = measure(model, val_loader)
    print(f"epoch {epoch + 1}: training loss {train_loss:.4f}", end=", ")
    print(f"validation loss {val_loss:.4f}, accuracy {accuracy:.4f}")

# %% [markdown]
# Why is the training loss *larger* than the validation loss, at first by far? It is the mean over the whole epoch, while the weights were still getting better. The validation loss is measured afterwards, with the weights at the end. Nothing is wrong.
#
# ## Save it, load it, ask it
#
# What was learned is a handful of tensors. `state_dict()` names them, `torch.save` writes them to a file. To use the model elsewhere, make it anew and fill in its weights. `weights_only=True` reads tensors and nothing that could run.

# %%
path = Path(tempfile.mkdtemp()) / "softmax.pt"  # any name will do
torch.save(model.state_dict(), path)

again = SoftmaxRegression()
again.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
again.eval()
print(list(again.state_dict()))

# %% [markdown]
# And now a single picture, a 5 that it has not learned from. The model wants a batch, so `[None]` makes a batch of one:

# %%
image = mnist.val.images[mnist.val.labels == 5][0]
with torch.no_grad():
    logits = again(mnist.normalise(image[None]))
probabilities = logits.softmax(dim=1)[0]
print(f"a 5 with probability {probabilities[5]:.3f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "A handwritten 5, its 784 numbers, its 10 logits, and ten bars of probabilities."}}
draw_way(nn.Sequential(nn.Flatten(), again.linear), mnist)
plt.show()

# %% [markdown]
# ## The same, faster
#
# You have now written everything that training needs. From here on the course's helpers do it: `fit` is your loop with a progress bar, a choice of optimizers, a history of every epoch and the best weights. Its batches come from tensors that are in memory already. Chapter 7 shows why that is faster. The numbers are the same: with the same batches, your loop and `fit` agree to the last bit on a [CPU](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cpu).

# %%
config = TrainingConfig(
    epochs=2, batch_size=128, optimizer="sgd", lr=0.02, momentum=0.0
)
ours, theirs = (build_model("softmax", mnist.image_shape, 10) for _ in range(2))
optimizer = torch.optim.SGD(ours.to(device).parameters(), lr=0.02)
batches = digits.batches("train", batch_size=128, shuffle=True)
losses = []
for epoch in range(2):
    batches.set_epoch(epoch)  # another order in every epoch
    losses.append(train_one_epoch(ours, batches, optimizer).item())
history = fit(theirs, digits, config, device=device)
confirm(
    losses == history["train_loss"] or device.type != "cpu",
    "your loop and `fit` have the same losses, to the last bit",
)

# %% [markdown]
# ## The learning rate
#
# **Think first**: what will the [loss curve](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#loss-curve) look like if the learning rate is a hundred times too small? And if it is a hundred times too large?
#
# In a running notebook, move the slider. Each position trains softmax regression anew, for 100 steps.

# %%
def losses_at(lr, steps=100):
    torch.manual_seed(0)
    model = SoftmaxRegression().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _, (images, labels) in zip(range(steps), digits.batches("train", 32)):
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mystnb={"image": {"alt": "Four loss curves over 100 steps: at learning rate 0.0001 almost flat, at 0.001 falling slowly, at 0.02 falling fast and staying low, at 2 jumping far up and down."}}
def draw_learning_rate(axis, lr):
    axis.plot(losses_at(lr), linewidth=1.3)
    axis.axhline(math.log(10), color=COLOURS[3], linestyle=":", linewidth=1.3)
    axis.set(xlabel="step", ylabel="loss (nats)", ylim=(0, 6))


rates = (1e-4, 1e-3, 5e-3, 0.02, 0.1, 0.5, 2.0)
explore(draw_learning_rate, rates, "learning rate", shown=(1e-4, 1e-3, 0.02, 2.0))

# %% [markdown]
# The dotted line is the loss of the undecided model. Too small: it hardly falls. (All curves wobble, because every batch is another.) Too large: [every step](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#step) jumps over the valley to the other side, and the loss leaps. Chapter 4 looks at better ways to step.
#
# ## What the weights look like
#
# Every class has one weight per pixel, so its weights can be drawn as an image, a **[template](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#template)**. We first train softmax regression on all training images, with the settings in `recipe`. Their optimizer, [AdamW](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#adamw), is a refined SGD, which chapter 4 explains. `load_best` takes the weights of the epoch that was best on the *validation* split.

# %%
def trained(hidden, data):
    """Train by the course's recipe; return the model at its best, and its history."""
    config = recipe("linear" if hidden else "softmax", data.name)
    config = replace(config, epochs=epochs_of(config))
    torch.manual_seed(0)
    model = LinearClassifier(data.image_shape, data.num_classes, hidden)
    history = fit(model, data, config, device=device)
    history.load_best(model)
    return model, history


softmax_model, softmax_history = trained((), mnist)
print(f"best validation accuracy: {100 * softmax_history.best_val_accuracy:.2f} %")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Ten weight images, one a class, with purple and orange patches in the middle and a tinted frame; that of 0 is orange in its centre."}}
templates = softmax_model.layers[1].weight.detach().cpu().reshape(10, 28, 28)
limit = templates.abs().quantile(0.995).item()
figure, axes = plt.subplots(2, 5, figsize=(6.4, 3))
for name, template, axis in zip(mnist.classes, templates, axes.flat):
    axis.imshow(template, cmap="PuOr", vmin=-limit, vmax=limit)
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %% [markdown]
# Purple: ink here speaks *for* the class. Orange: ink here speaks *against* it. The class 0 dislikes ink in the middle. A template is all that a linear model has, one for each class: a 7 with a bar and a 7 without have to share it.
#
# Two things may surprise you. The templates look less like digits than the weights that we made by hand. Those described each class on its own. These were found together, and only have to tell the classes apart. And the frame is tinted, though no digit ever has ink there. Black is not 0 after normalisation, and it is the same in every image. So the weights of the frame all act together, like a second bias.
#
# ## A second opinion: scikit-learn
#
# Softmax regression is older than deep learning. Statisticians call it *logistic regression*, and scikit-learn has it. A baseline from another library is a good test of our own work: same images, same formula, so we should get the same answers.

# %%
part, C = mnist.subset(NUM_SECOND_OPINION), 0.01
table = mnist.normalise(part.train.images).flatten(1).numpy()
val_table = mnist.normalise(mnist.val.images).flatten(1).numpy()
scikit = LogisticRegression(C=C, max_iter=500).fit(table, part.train.labels.numpy())
scikit_says = torch.tensor(scikit.predict(val_table))

# %% [markdown]
# Both get a small penalty for large weights, called **[weight decay](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#weight-decay)**. scikit-learn writes it as a number $C$ and adds up losses. We take their mean. Over $N$ images its $C$ corresponds to a weight decay of $1/(C\,N)$. Our learning rate falls to 0 by the end (`scheduler="cosine"`), so that the walk comes to rest. It also gets some [momentum](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#momentum), which chapter 4 explains.

# %%
same_penalty = TrainingConfig(
    epochs=15,
    optimizer="sgd",
    lr=0.01,
    momentum=0.9,
    weight_decay=1 / (C * NUM_SECOND_OPINION),
    scheduler="cosine",
)
regression = build_model("softmax", mnist.image_shape, 10)
fit(regression, part, same_penalty, device=device)
logits, val_labels = predict_logits(regression, mnist.batches("val", 500))
we_say = logits.argmax(dim=1)

# %%
for name, answers in (("scikit-learn", scikit_says), ("our loop", we_say)):
    accuracy = (answers == val_labels).float().mean()
    print(f"{name}: validation accuracy {100 * accuracy:.2f} %")
agreement = (scikit_says == we_say).float().mean()
print(f"they say the same for {100 * agreement:.2f} % of the validation images")
confirm(agreement > 0.95, "both find nearly the same model")

# %% [markdown]
# The two walk differently: scikit-learn looks at all images for every step, we look at 128. For this model that hardly matters, because the loss of softmax regression has only one valley.
#
# ## A network with hidden layers
#
# One template per class is not enough? Then let the model first compute other numbers from the pixels, and the scores from those. The numbers in between are a **[hidden layer](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#hidden-layer)**: nobody tells the model what they should mean.
#
# Two weighted sums in a row are only one weighted sum again. So something has to bend in between. The **[ReLU](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#relu)** does: it replaces every negative number by 0, $\max(0, z)$. A function that is put between two [layers](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#layer) to bend the numbers is called an **[activation function](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#activation-function)**.
#
# What does that bring? Look at a problem with only two inputs, which can be drawn: two moons, which no straight line separates. `nn.Sequential` calls its parts one after the other.

# %%
points, moons = make_moons(400, noise=0.12, random_state=0)
points, moons = torch.tensor(points, dtype=torch.float32), torch.tensor(moons)


def train_on_moons(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9)
    for step in range(1000):
        optimizer.zero_grad()
        F.cross_entropy(network(points), moons).backward()
        optimizer.step()
    return network


torch.manual_seed(0)
straight = train_on_moons(nn.Linear(2, 2))
bent = train_on_moons(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two half-moons of points. Left: a straight boundary cuts through both. Right: with eight hidden numbers the boundary winds between them; thin dashed lines show where each hidden number begins."}}
x, y = np.meshgrid(np.linspace(-1.6, 2.6, 211), np.linspace(-1.2, 1.7, 146))
places = torch.tensor(np.stack([x, y], axis=-1), dtype=torch.float32)
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.7), sharey=True)
titles = ("weighted sums only", "8 hidden numbers")
for axis, network, title in zip(axes, (straight, bent), titles):
    with torch.no_grad():
        answers = network(places).argmax(dim=-1).numpy()
        right = (network(points).argmax(dim=1) == moons).float().mean()
    colours = [COLOURS[5], COLOURS[1]]
    axis.contourf(x, y, answers, [-1, 0.5, 2], colors=colours, alpha=0.3)
    for c, marker, colour in ((0, "o", COLOURS[0]), (1, "s", COLOURS[3])):
        axis.plot(*points[moons == c].T, marker, color=colour, markersize=3)
    axis.set_title(f"{title}: {100 * right:.1f} % right", fontsize=10)
for (a, b), bias in zip(bent[0].weight.tolist(), bent[0].bias.tolist()):
    scale = -bias / (a * a + b * b)
    near = (scale * a, scale * b)  # the point of the line that is nearest to 0
    along = (near[0] - b, near[1] + a)
    axes[1].axline(near, along, color="0.4", linestyle="--", linewidth=0.8)
axes[0].set(xlim=(-1.6, 2.6), ylim=(-1.2, 1.7))
axes[1].set_xlim(-1.6, 2.6)
plt.show()

# %% [markdown]
# Each hidden number is one weighted sum. After ReLU it is 0 on one side of its dashed line, and grows on the other side. The last layer adds eight of these bent sheets up, so the boundary can turn wherever a dashed line crosses it. With more hidden numbers it can turn more often.
#
# Our [network](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#neural-network) for images has hidden layers of 120 and 84 numbers, as the last layers of LeNet-5 had. The class `LinearClassifier` of the helpers builds it for any widths:

# %%
network = LinearClassifier(mnist.image_shape, num_classes=10, hidden=(120, 84))
print(network.layers)

# %% [markdown]
# And without the ReLU? Two linear layers are one, with the product of both matrices:

# %%
first, second = nn.Linear(784, 120), nn.Linear(120, 10)
flat = mnist.normalise(mnist.train.images[:50]).flatten(1)
one = flat @ (second.weight @ first.weight).T + second(first.bias)
print("equal:", torch.allclose(second(first(flat)), one, atol=1e-4))

# %% [markdown]
# **Think first**: how many [parameters](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#parameter), that is weights and biases, does the network have for digits of 784 pixels? For colour images of 3 · 32 · 32? In which layer do most of them stand?

# %%
SIZES = {
    "softmax regression": (),
    "one hidden layer: 120": (120,),
    "two hidden: 120-84": (120, 84),
}
SETS = {"digits": mnist, "photographs": cifar10}
rows = []
for name, hidden in SIZES.items():
    models = [LinearClassifier(data.image_shape, 10, hidden) for data in SETS.values()]
    rows.append({"model": name} | dict(zip(SETS, map(count_parameters, models))))
print(pd.DataFrame(rows).to_string(index=False))

# %% [markdown]
# Nearly all of them stand in the first matrix: 784 · 120 for the digits, 3072 · 120 for the photographs.
#
# ## Capacity: what do more layers bring?
#
# **[Capacity](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#capacity)** is how many different things a model can represent. Softmax regression has little, the network with two hidden layers has more. More capacity is no gain in itself. A model can use it to learn what digits look like, or to learn its training images by heart. The second is called **[over-fitting](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#over-fitting)**. It shows as a gap: high [accuracy](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#accuracy) on training images, lower accuracy on validation images.
#
# To compare fairly, all three get the same budget: the same few training images, the same number of epochs, the same optimizer and learning rate, no augmentation. Each is trained three times from different random weights (three **[seeds](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#seed)**). Fewer images than we have make over-fitting easier to see.
#
# **Think first**: on which data set will the gap between training and validation be larger?

# %%
def train_on_few(hidden, data, seed):
    """The history, and the last accuracies on training and validation images, in %."""
    config = TrainingConfig(
        epochs=EPOCHS_FEW, optimizer="adam", lr=1e-3, scheduler="cosine", seed=seed
    )
    torch.manual_seed(seed)
    model = LinearClassifier(data.image_shape, 10, hidden)
    history = fit(model, data, config, device=device)
    seen = evaluate(model, data.batches("train", 500)).accuracy
    return history, [100 * seen, 100 * history["val_accuracy"][-1]]


# %%
rows, curves = [], {}
for data_name, data in SETS.items():
    few = data.subset(NUM_FEW)
    for model_name, hidden in SIZES.items():
        runs = [train_on_few(hidden, few, seed) for seed in range(3)]
        curves[data_name, model_name] = runs[0][0]
        ends = torch.tensor([end for _, end in runs])
        train, val = ends.mean(dim=0).tolist()
        std = ends[:, 1].std().item()
        rows.append((data_name, model_name, train, val, std, train - val))
columns = ["data", "model", "train_%", "val_%", "val_std", "gap"]
capacity = pd.DataFrame(rows, columns=columns)
print(capacity.to_string(index=False, float_format="%.2f"))

# %% mystnb={"image": {"alt": "Colour images, two hidden layers against softmax regression: the network's training loss falls far below its validation loss, which turns upwards; its accuracy is higher."}}
plain, one_hidden, two_hidden = SIZES
shown = {name: curves["photographs", name] for name in (plain, two_hidden)}
plot_histories(shown, title=f"{cifar10.title}: few images, no augmentation")
plt.show()

# %%
gap = capacity.set_index(["data", "model"])["gap"]
confirm(
    all(gap["photographs", size] > gap["digits", size] for size in SIZES),
    "photographs are over-fitted more than digits, by all three",
)

# %% [markdown]
# Read it like this. If both training and validation accuracy are low, the model **[under-fits](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#under-fitting)**: it has too little capacity, or it was not trained well or long enough. If training accuracy is high and validation accuracy is much lower, it over-fits. Here the training loss falls away from the validation loss. The validation loss may even rise while the accuracy rises, too: the network gets more certain, also where it is wrong. That costs loss, and changes no answer. More data helps then, and so does augmentation: shifted and mirrored copies, which cannot all be learned by heart.
#
# The first hidden layer helps on both. The second changes little. A fair budget has its limit, though: one learning rate for all may suit one of them better than the others. Chapter 4 shows how to do without this doubt.
#
# ## With all images
#
# Now all three models on all training images, with the settings of `recipe`. Those with hidden layers get augmentation. Softmax regression has so little capacity that its recipe does without.

# %%
runs = {}
for data_name, data in SETS.items():
    for model_name, hidden in SIZES.items():
        known = data is mnist and not hidden
        pair = (softmax_model, softmax_history) if known else trained(hidden, data)
        runs[data_name, model_name] = pair
        best = 100 * pair[1].best_val_accuracy
        print(f"{data_name}, {model_name}: best validation accuracy {best:.2f} %")

# %% mystnb={"image": {"alt": "Loss and validation accuracy of the network by epoch: on the digits accuracy is soon near its top, on the colour images it stays much lower."}}
best_size = {SETS[name].title: runs[name, two_hidden][1] for name in SETS}
figure = plot_histories(best_size, title="120-84-10")
figure.axes[1].legend(loc="center right", fontsize=9)
plt.show()

# %% [markdown]
# The training loss can again lie *above* the validation loss. You know one reason. Here is a second: it is measured on shifted and mirrored images, which are harder than plain ones.

# %% tags=["hide-input"] mystnb={"image": {"alt": "The network 120-84-10 drawn from left to right: a small photograph of a dog, columns of 3072, 120, 84 and 10 numbers, and ten probability bars with class names."}}
draw_way(runs["photographs", two_hidden][0], cifar10)
plt.show()

# %% [markdown]
# ## What went wrong, and why
#
# We now make four common mistakes on purpose, in a loop that is right otherwise:
#
# - **raw input**: pixels from 0 to 255, not normalised,
# - **ReLU on logits**: "there is a ReLU after every layer",
# - **no `zero_grad`**: `backward()` adds to the gradients that are there, so without clearing them all earlier steps count again and again,
# - **softmax before the loss**: `F.cross_entropy` gets probabilities and takes them for logits.
#
# **Think first**: which of them will raise an error?

# %%
def train_with(mistake, lr=0.05):
    torch.manual_seed(3)
    model = LinearClassifier(mnist.image_shape, 10).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for epoch in range(EPOCHS_MISTAKES):
        for images, labels in raw_loader if mistake == "raw input" else train_loader:
            logits = model(images.to(device))
            if mistake == "ReLU on logits":
                logits = logits.relu()
            if mistake == "softmax before the loss":
                logits = logits.softmax(dim=1)
            loss = F.cross_entropy(logits, labels.to(device))
            if mistake != "no zero_grad":
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return model, torch.tensor(losses)


# %%
# To divide by 1/255 undoes the division by 255: pixels from 0 to 255, as in the file.
raw_loader = DataLoader(Digits(digits.train, 0, 1 / 255), batch_size=128, shuffle=True)
raw_val_loader = DataLoader(Digits(digits.val, 0, 1 / 255), batch_size=500)
MISTAKES = (
    "none", "raw input", "ReLU on logits", "no zero_grad", "softmax before the loss"
)
mistakes, rows = {}, []
for name in MISTAKES:
    model, mistakes[name] = train_with(name)
    _, accuracy = measure(model, raw_val_loader if name == "raw input" else val_loader)
    end = mistakes[name][-20:].mean().item()
    rows.append({"mistake": name, "last_loss": end, "val_%": 100 * accuracy.item()})
print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f"))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Training loss by step of a right loop and four wrong ones: the right one falls lowest; ReLU on logits falls more slowly; raw input and missing zero_grad end near 2.3; softmax before the loss stays above 1.46."}}
figure, axis = plt.subplots(figsize=(6.4, 3.4))
styles = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))
for (name, losses), style, colour in zip(mistakes.items(), styles, COLOURS):
    smooth = losses.nan_to_num(9.0).clamp(max=9).unfold(0, 15, 1).mean(dim=1)
    label = "no mistake" if name == "none" else name
    axis.plot(smooth, linestyle=style, color=colour, linewidth=1.6, label=label)
axis.axhline(math.log(10), color="0.6", linewidth=0.8)
axis.set(xlabel="step", ylabel="training loss (nats)", ylim=(0, 5))
axis.set_title("mean over 15 steps", fontsize=10)
axis.legend(fontsize=9)
plt.show()

# %%
lowest = mistakes["softmax before the loss"].min().item()
floor = -math.log(math.e / (math.e + 9))
print(f"lowest loss with a softmax before it: {lowest:.3f}")
print(f"loss of a perfect answer, 1 against nine zeros: {floor:.3f}")

# %% [markdown]
# None of the four raises an error. You have to see them:
#
# | Mistake | What you see | Why |
# |---|---|---|
# | raw input | a huge first loss, then a standstill near 2.3 or `nan` | inputs a hundred times larger give gradients a hundred times larger: the first steps throw the weights away |
# | ReLU on logits | the loss falls more slowly at first; here it catches up | wrong classes cannot be pushed below 0; where a class's logit is negative, its gradient is 0, even if it is the true class |
# | no `zero_grad` | the loss falls at first, then climbs and leaps | the step points into the past and grows |
# | softmax before the loss | a smooth, slow curve that never falls below 1.46 | probabilities lie between 0 and 1, so even a perfect answer, 1 against nine zeros, looks unsure |
#
# If an accuracy comes to rest at the share of the most frequent class, look again at chapter 1: the model gives the same answer to every image. Often the first steps were so large that all its hidden numbers became negative, and ReLU gives 0 for every image. There its slope is 0 too, so such *dead* ReLUs do not come back.
#
# ReLU on the logits is luck: if a class's logit is negative for all its images, nothing pulls it up again. Softmax before the loss is the most treacherous, because many answers are right all the same. Know two numbers by heart: 2.30, the loss of ten equal probabilities, and 1.46, this floor. A loss that stops at a value with a meaning, or that leaps, is a mistake in the loop until proven otherwise.
#
# ## Which one should I choose?
#
# The validation split decides. On both data sets the network with two hidden layers and the one with a single hidden layer are close, and both are ahead of softmax regression. The two are too close to call. We take 120-84-10, the larger one; the smaller would do as well. All choices are made, so now, for the first time and only for this model, the test split:

# %%
rows, answers = [], {}
for (data_name, model_name), (model, history) in runs.items():
    row = {"data": data_name, "model": model_name, "seconds": history.seconds}
    row |= {"val_%": 100 * history.best_val_accuracy, "test_%": "not used"}
    if model_name == two_hidden:
        logits, labels = predict_logits(model, SETS[data_name].batches("test", 500))
        answers[data_name] = labels, logits.argmax(dim=1)
        row["test_%"] = f"{100 * (labels == answers[data_name][1]).float().mean():.2f}"
    rows.append(row)
closing = pd.DataFrame(rows)
print(closing.to_string(index=False, float_format="%.2f"))

# %% tags=["hide-input"]
KEYS = dict(zip(SIZES, ("softmax", "one_hidden", "linear")))
for (data_name, model_name), (model, history) in runs.items():
    numbers = {
        "seconds": history.seconds,
        "parameters": count_parameters(model),
        "val_accuracy": history.best_val_accuracy,
    }
    if model_name == two_hidden:
        labels, predictions = answers[data_name]
        numbers["test_accuracy"] = (labels == predictions).float().mean().item()
    record(f"{KEYS[model_name]}.{SETS[data_name].name}", **numbers)

# %%
best = closing.set_index(["data", "model"])["val_%"]
confirm(
    all(best[name, two_hidden] > best[name, plain] for name in SETS),
    "on validation, hidden layers are ahead of softmax regression",
)
confirm(90 < best["digits", plain] < 95, "softmax regression names nine of ten digits")
confirm(best["photographs", plain] < 50, "and fewer than half of the photographs")

# %% [markdown]
# On the photographs the test accuracy is a little lower than the validation accuracy. One would expect that: we kept the epoch that was best on validation, so its score is a little lucky. Remember the dice of chapter 1. But a test split has luck of its own. With 10,000 photographs it moves the result by about half a point, so this gap proves nothing. On the digits it goes the other way: their test split seems a little easier.
#
# Where do the wrong answers go? A **[confusion matrix](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#confusion-matrix)** tells. Each row is one true class, each column one answer of the model, and each number says which share of the row went there.

# %% mystnb={"image": {"alt": "Confusion matrix of the network on the colour images: a weak diagonal, and many mistakes among the animals and among the vehicles."}}
labels, predictions = answers["photographs"]
plot_confusion(labels, predictions, cifar10.classes, title=cifar10.title)
plt.show()

# %% [markdown]
# Most mistakes stay among the animals, or among the vehicles. Back to the choice:
#
# - **Softmax regression** first, always. It trains in seconds, you can look at its weights, and it says what the others have to beat.
# - **One hidden layer** as the next step. With equal budgets, the second layer brought next to nothing here.
# - **120-84-10** if validation says that the second layer pays. Compare the difference with the spread over seeds before you believe it.
# - For photographs: none of them. Chapter 3 has what is missing.
#
# **The question, answered.** One weighted sum of pixels per class recognises about nine of ten digits, since centred digits lie on top of each other and share a template. On photographs it is right in fewer than half of the cases: cats have no common template. Hidden layers help on both, and are not enough for photographs. The weights are found by walking downhill: the gradient says for every weight which way the loss falls, and each step goes a little that way.
#
# ## Exercises
#
# Replace the dots, run the cell, read the hint. The solution is folded below each.
#
# ### Exercise 2.1: softmax with a temperature (easy)
#
# Divide the logits by a **[temperature](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#temperature)** $T$ before softmax. A small $T$ makes the probabilities decided, a large one makes them even. Write it without `torch.softmax`. Logits have the shape `N × classes`; the largest may be 1000.

# %%
def softmax_with_temperature(logits, temperature):
    ...


grade("2.1", softmax_with_temperature)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def softmax_with_temperature(logits, temperature):
#     scaled = logits / temperature
#     powers = (scaled - scaled.max(dim=1, keepdim=True).values).exp()
#     return powers / powers.sum(dim=1, keepdim=True)
# ```
#
# The sum runs over the classes of one image, which is axis 1. To subtract the largest score keeps $e^z$ finite.
#
# </details>
#
# ### Exercise 2.2: count the parameters (easy)
#
# `widths` lists how many numbers each layer has, from the pixels to the logits, such as `(784, 120, 84, 10)`. Return how many weights and biases the network has.

# %%
def number_of_parameters(widths):
    ...


grade("2.2", number_of_parameters)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def number_of_parameters(widths):
#     total = 0
#     for num_inputs, num_outputs in zip(widths[:-1], widths[1:]):
#         total += num_inputs * num_outputs + num_outputs
#     return total
# ```
#
# Every output has one weight for each input, and one bias. ReLU and softmax have none.
#
# </details>
#
# ### Exercise 2.3: the gradient of one weight (medium)
#
# One image went through softmax regression. You get its ten `logits`, its `label`, and its flattened `pixels`. Return the slope of the cross-entropy loss for the weight of class `c` and pixel `i`, without autograd.

# %%
def slope_of_weight(logits, label, pixels, c, i):
    ...


grade("2.3", slope_of_weight)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def slope_of_weight(logits, label, pixels, c, i):
#     probability = logits.softmax(dim=0)[c]
#     wanted = 1.0 if c == label else 0.0
#     return (probability - wanted) * pixels[i]
# ```
#
# Error times pixel. For the true class the error is negative, so the step raises the weight.
#
# </details>
#
# ### Exercise 2.4: a Dataset of your own (medium)
#
# You want to tell only some classes apart, say 4 and 9. Write a `Dataset` that holds only the images whose label is in the tuple `classes`, in the order in which they come. A label becomes its place in `classes`: with `classes=(4, 9)` a 4 gets 0, and a 9 gets 1.

# %%
class OnlySome(Dataset):
    def __init__(self, images, labels, classes):
        ...

    def __len__(self):
        ...

    def __getitem__(self, index):
        ...


grade("2.4", OnlySome)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class OnlySome(Dataset):
#     def __init__(self, images, labels, classes):
#         wanted = torch.tensor([label in classes for label in labels.tolist()])
#         self.images = images[wanted]
#         self.labels = [classes.index(label) for label in labels[wanted].tolist()]
#
#     def __len__(self):
#         return len(self.labels)
#
#     def __getitem__(self, index):
#         return self.images[index], self.labels[index]
# ```
#
# The mask is made once, in `__init__`: `__getitem__` is called for every image of every epoch. Labels have to start at 0, because the model gives one logit for each of them.
#
# </details>
#
# ### Exercise 2.5: measure the accuracy (medium)
#
# Return the share of right answers, from 0 to 1, over all batches. `batches` gives pairs of images and labels. The last batch may be smaller than the others. The model may behave otherwise in training than in evaluation.

# %%
def accuracy_of(model, batches):
    ...


grade("2.5", accuracy_of)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def accuracy_of(model, batches):
#     model.eval()
#     correct, count = 0, 0
#     with torch.no_grad():
#         for images, labels in batches:
#             correct += (model(images).argmax(dim=1) == labels).sum().item()
#             count += len(labels)
#     return correct / count
# ```
#
# Count right answers and images, and divide once. The mean of the batches' accuracies would give the images of a small batch too much weight.
#
# </details>
#
# ### Exercise 2.6: find the bugs (medium)
#
# Somebody wrote this loop. It runs, and it learns badly. `train_loader` and `test_loader` are DataLoaders, the first made with `shuffle=True`. Three lines are wrong. Give their numbers as a list.
#
# ```python
# 1   optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
# 2   optimizer.zero_grad()
# 3   for epoch in range(5):
# 4       model.train()
# 5       for images, labels in train_loader:
# 6           logits = model(images).relu()
# 7           loss = F.cross_entropy(logits, labels)
# 8           loss.backward()
# 9           optimizer.step()
# 10      model.eval()
# 11      with torch.no_grad():
# 12          print("validation:", measure(model, test_loader))
# ```

# %%
wrong_lines = ...


grade("2.6", wrong_lines)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# wrong_lines = [2, 6, 12]
# ```
#
# Line 2 has to stand inside the inner loop: gradients must be cleared for every batch. Line 6 puts ReLU on the logits. Line 12 measures on the test split and calls it validation.
#
# </details>
#
# ### Exercise 2.7: read the curves (medium)
#
# Four trainings of the network 120-84-10 on digits. One is fine. In the others the rate is a hundred times too small, `zero_grad` is missing, or a softmax stands before the loss. Which is which?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four loss curves without names. A falls at first, then leaps and ends near or above 2.3. B falls quickly towards 0. C falls slowly and levels off near 1.5. D sinks in an almost straight line from 2.3 and stays above 2."}}
unnamed = {
    "A": mistakes["no zero_grad"],
    "B": mistakes["none"],
    "C": mistakes["softmax before the loss"],
    "D": train_with("none", lr=0.0005)[1],
}
figure, axes = plt.subplots(2, 2, figsize=(6.4, 4), sharex=True, sharey=True)
for (letter, losses), axis in zip(unnamed.items(), axes.flat):
    axis.plot(losses.nan_to_num(9.0), linewidth=1)
    axis.set(title=letter, ylim=(0, 4), yticks=(0, 1, 2, 3, 4))
    axis.grid(axis="y", linewidth=0.5)
figure.supxlabel("step")
figure.supylabel("loss (nats)")
plt.show()

# %%
# Write for each letter one of: "fine", "rate", "zero_grad", "softmax".
causes = {"A": ..., "B": ..., "C": ..., "D": ...}


grade("2.7", causes)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# causes = {"A": "zero_grad", "B": "fine", "C": "softmax", "D": "rate"}
# ```
#
# A starts well and then leaps: old gradients add up. C levels off near 1.46, the floor of a softmax before the loss. D is as smooth as C, but it has hardly left 2.30: it learns, and would need a hundred times as many steps.
#
# </details>
#
# ### Exercise 2.8: beat softmax regression (open)
#
# Design a model and its training that beat softmax regression on the validation split of the colour images, within the same budget: the same images, four epochs. You choose layers, optimizer, learning rate, batch size, augmentation. The check trains both on the bundled sample of drawn images, which takes a few seconds. Return the untrained model and its `TrainingConfig`.
#
# A `TrainingConfig` takes these by name. What you leave out keeps its default, which `print(TrainingConfig())` shows:
#
# - `epochs` and `batch_size`
# - `optimizer`: `"sgd"`, `"adam"`, `"adamw"` or `"rmsprop"`
# - `lr`, the learning rate; with a schedule, its highest
# - `momentum` of sgd and rmsprop, from 0 to below 1
# - `weight_decay`, 0 or more
# - `scheduler`: `"none"`, `"step"`, `"linear"`, `"cosine"` or `"onecycle"`; `warmup_epochs` (not with onecycle)
# - `label_smoothing`, from 0 to below 1
# - `augment=True` to shift and flip training images

# %%
def challenger(image_shape, num_classes):
    ...


grade("2.8", challenger)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def challenger(image_shape, num_classes):
#     model = LinearClassifier(image_shape, num_classes, hidden=(256,))
#     config = TrainingConfig(
#         epochs=4, batch_size=32, optimizer="adamw", lr=1e-3, scheduler="cosine"
#     )
#     return model, config
# ```
#
# One of many. A smaller batch means more steps in the same epochs. One run of each proves little: repeat with other seeds before you trust a small lead.
#
# </details>
#
# ## Quiz
#
# **1. You add 5 to all ten logits of an image. What happens to its probabilities?**
#
# <details name="quiz-2-1"><summary>A. All of them grow, because every score grew</summary>
#
# ❌ Not so: they have to add up to 1, so they cannot all grow.
#
# </details>
# <details name="quiz-2-1"><summary>B. The largest grows, and the others shrink to make room</summary>
#
# ❌ Not so: that is what *multiplying* the logits by a number above 1 does.
#
# </details>
# <details name="quiz-2-1"><summary>C. They stay as they are</summary>
#
# ✅ Yes: every power is multiplied by the same $e^5$, and the division takes it out again.
#
# </details>
#
# **2. Before any training, a model with ten classes has a loss of about 2.3. What does that say?**
#
# <details name="quiz-2-2"><summary>A. It is right for about 2.3 images of ten</summary>
#
# ❌ Not so: the loss is no count. It is the mean of $-\log$ of the true class's probability.
#
# </details>
# <details name="quiz-2-2"><summary>B. It gives each class about 1/10</summary>
#
# ✅ Yes: $-\log(1/10)$ is 2.30. A fresh model should start near this value.
#
# </details>
# <details name="quiz-2-2"><summary>C. The data are mislabelled, or the loop has a mistake in it</summary>
#
# ❌ Not so: before training it is what you expect. *After* training it would be a warning.
#
# </details>
#
# **3. The slope of the loss for one weight is +0.4. What does a step of gradient descent do to it?**
#
# <details name="quiz-2-3"><summary>A. It lowers the weight a little</summary>
#
# ✅ Yes: with a positive slope the loss grows with the weight, so the way down is to lower it.
#
# </details>
# <details name="quiz-2-3"><summary>B. It raises the weight, because the slope is positive</summary>
#
# ❌ Not so: that would walk uphill. The rule has a minus sign in front of the slope.
#
# </details>
# <details name="quiz-2-3"><summary>C. It sets the weight to the place where the slope is zero</summary>
#
# ❌ Not so: the slope is known only here. A step is small, and the slope is then computed anew.
#
# </details>
#
# **4. A network's training loss falls smoothly but never below 1.46. What do you look for first?**
#
# <details name="quiz-2-4"><summary>A. A learning rate that is much too large for this network</summary>
#
# ❌ Not so: then the loss would leap and not fall smoothly.
#
# </details>
# <details name="quiz-2-4"><summary>B. Too few hidden layers, since capacity limits the loss</summary>
#
# ❌ Not so: that is possible in general, but exactly 1.46 for ten classes has another meaning.
#
# </details>
# <details name="quiz-2-4"><summary>C. A forgotten call of zero_grad before the backward pass</summary>
#
# ❌ Not so: then the steps grow and the loss leaps after a while.
#
# </details>
# <details name="quiz-2-4"><summary>D. A softmax in front of the cross-entropy loss</summary>
#
# ✅ Yes: the loss takes probabilities for logits, and 1 against nine zeros gives 1.46.
#
# </details>
#
# **5. You stack three linear layers without ReLU. Compared with one linear layer, what can the stack represent?**
#
# <details name="quiz-2-5"><summary>A. More, because it has more parameters that can be trained</summary>
#
# ❌ Not so: the product of three matrices is one matrix. The added parameters say nothing new.
#
# </details>
# <details name="quiz-2-5"><summary>B. The same functions at most</summary>
#
# ✅ Yes: without something that bends in between, the layers collapse into one.
#
# </details>
# <details name="quiz-2-5"><summary>C. Nothing, since such a stack cannot be trained at all</summary>
#
# ❌ Not so: it trains and works. It is just a linear model, written in a long way.
#
# </details>
#
# **6. Training accuracy 95 %, validation accuracy 45 %. What helps most likely?**
#
# <details name="quiz-2-6"><summary>A. More training images, or augmentation</summary>
#
# ✅ Yes: the gap says over-fitting. What varies more cannot be learned by heart so easily.
#
# </details>
# <details name="quiz-2-6"><summary>B. More hidden layers, to give the model more capacity</summary>
#
# ❌ Not so: it fits its training images already. More capacity would fit them even better.
#
# </details>
# <details name="quiz-2-6"><summary>C. Choosing the epoch that is best on the test split</summary>
#
# ❌ Not so: that makes the test split a second validation split, and its number worthless.
#
# </details>
#
# ## Takeaways
#
# - A model is an `nn.Module`: its parts in `__init__`, what happens to a batch in `forward`.
# - Softmax turns logits into probabilities. Cross-entropy is $-\log$ of the true class's probability: it makes what happened likely.
# - A gradient is a slope for each weight, found backwards by the chain rule. Two evaluations of the loss check it.
# - The loop: forward, loss, `zero_grad`, `backward`, `step`; then validation without gradients.
# - A linear model has one template per class. A hidden layer lets the boundary bend.
# - More capacity can be used to learn or to memorise. The gap between training and validation tells which.
# - Common mistakes raise no error. Know the values 2.30 and 1.46, and look at the curve.
#
# ## Read on
#
# - [LeCun et al., 1998, "Gradient-based learning applied to document recognition"](https://doi.org/10.1109/5.726791): MNIST, LeNet-5, and linear classifiers as the baseline.
# - [Rumelhart, Hinton and Williams, 1986, "Learning representations by back-propagating errors"](https://doi.org/10.1038/323533a0): hidden layers, and how their gradients are found.
# - [Guo et al., 2017, "On Calibration of Modern Neural Networks"](https://arxiv.org/abs/1706.04599): what the temperature of exercise 2.1 is used for.
# - [PyTorch: Datasets and DataLoaders](https://pytorch.org/tutorials/beginner/basics/data_tutorial.html): the two classes of this chapter, with images from files.
# - [PyTorch: `CrossEntropyLoss`](https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html): what the loss expects, with formulas.
# - [PyTorch: autograd mechanics](https://pytorch.org/docs/stable/notes/autograd.html): how gradients are recorded, and what `no_grad` turns off.
#
# ## Next
#
# In chapter 3 the model learns that pixels have neighbours.
