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
# - turn ten scores into ten probabilities and into one loss, by hand and with PyTorch,
# - say what a gradient is, and check autograd's gradient with two evaluations of the loss,
# - write a training loop and say what each line is for,
# - recognise a wrong learning rate and four common mistakes by their loss curves,
# - compare models of different capacity fairly, and tell over-fitting from learning,
# - say how far a linear model goes on digits and on photographs, and why not further.
#
# **Before you start**: chapter 1. You should know what a tensor of images is, and why there are three splits.
#
# **Time**: read about 45 minutes; the full run takes <!-- result:chapters.02.full_seconds|minutes -->2 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.02.fast_seconds|seconds -->19 s<!-- /result -->.
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
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

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

# %% [markdown]
# ## Flattening
#
# A [linear model](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#linear-model) does not know rows and columns. It wants a list. So we cut the image into its rows and put them one behind the other: 28 rows of 28 pixels become one row of 784 numbers.

# %% mystnb={"image": {"alt": "A digit on the left; on the right its 784 pixels as one long strip, in which the rows of the digit repeat as a pattern."}}
digit = mnist.train.images[1, 0]
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.4), width_ratios=[1, 3])
left.imshow(digit)
left.set(title="28 × 28", xlabel="column", ylabel="row")
right.imshow(digit.flatten()[None].repeat(60, 1), aspect="auto")
right.set(title="the same 784 numbers", xlabel="position in the list", yticks=[])
plt.show()

# %%
flat = mnist.train.images[:5].flatten(start_dim=1)
print("before:", tuple(mnist.train.images[:5].shape), " after:", tuple(flat.shape))
same = flat[1, 28 * 14 + 3] == digit[14, 3]
confirm(same, "row 14, column 3 is now at position 14 · 28 + 3")

# %% [markdown]
# What is lost? Not the numbers, but the knowledge which pixels were neighbours. To the model, position 28 is no closer to position 0, the pixel just above it, than to position 700. Chapter 3 comes back to this.
#
# ## Ten weighted sums
#
# Give every pixel a **weight**: a positive one where ink speaks for a class, a negative one where ink speaks against it. Multiply each pixel by its weight and add everything up. The sum is a score for the class, called a **[logit](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#logits)**.
#
# Here are two sets of weights, made by hand: the mean image of the class minus the mean of all images. We try both on the same 0.

# %% mystnb={"image": {"alt": "Two rows, for the classes 0 and 1: the same handwritten 0, the weights of the class, and their product; the sum of the product is larger for class 0."}}
pixels = mnist.train.images[:2000, 0] / 255
targets = mnist.train.labels[:2000]
zero = pixels[targets == 0][0]
figure, axes = plt.subplots(2, 3, figsize=(6, 4.2))
scores = []
for number, row in enumerate(axes):
    by_hand = pixels[targets == number].mean(dim=0) - pixels.mean(dim=0)
    scores.append((zero * by_hand).sum().item())
    row[0].imshow(zero)
    for axis, picture in ((row[1], by_hand), (row[2], zero * by_hand)):
        axis.imshow(picture, cmap="PuOr", vmin=-0.6, vmax=0.6)
    titles = ("pixels", f"weights of {number}", f"product, sum {scores[-1]:.1f}")
    for axis, title in zip(row, titles):
        axis.set_title(title, fontsize=10)
        axis.axis("off")
plt.show()
confirm(scores[0] > scores[1],
        "the weights of 0 give the 0 a larger sum than those of 1")

# %% [markdown]
# Purple speaks for, orange against. A linear model does this for all ten classes. It has one weight $w_{c,i}$ for every class $c$ and pixel $x_i$, and one number more per class, the **[bias](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#bias)** $b_c$, which is added whatever the pixels are:
#
# $$z_c = \sum_{i} w_{c,i}\, x_i + b_c$$
#
# At first its weights are random. They will be *found*, not made by hand.

# %%
untrained = build_model("softmax", mnist.image_shape, mnist.num_classes)
images = mnist.normalise(mnist.train.images[:5])
labels = mnist.train.labels[:5]
logits = untrained(images)
weights, bias = untrained.layers[1].weight, untrained.layers[1].bias
print("weights:", tuple(weights.shape), " bias:", tuple(bias.shape))
print("logits: ", tuple(logits.shape))
by_hand = images.flatten(1) @ weights.T + bias
same = torch.allclose(logits, by_hand, atol=1e-5)
confirm(same, "the model is one matrix product and a bias")

# %% [markdown]
# ## Softmax: from scores to probabilities
#
# Logits can be any numbers. Probabilities are positive and add up to 1. **[Softmax](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#softmax)** makes the first into the second in two moves. It raises $e$ to each score, so that everything is positive. Then it divides by the sum.

# %% mystnb={"image": {"alt": "Three bar charts for classes a to d: scores 2, 1, 0 and -1; their exponentials; and the probabilities, 64, 24, 9 and 3 per cent."}}
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
    # To subtract the largest score changes no result, but e^1000 would overflow.
    powers = (logits - logits.max(dim=1, keepdim=True).values).exp()
    return powers / powers.sum(dim=1, keepdim=True)


probabilities = softmax(logits)
same = torch.allclose(probabilities, logits.softmax(dim=1))
confirm(same, "our softmax equals PyTorch's")
ones = torch.ones(5)
confirm(torch.allclose(probabilities.sum(dim=1), ones), "each image's ten add up to 1")

# %% [markdown]
# Weighted sums followed by softmax are called **[softmax regression](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#softmax-regression)**. (Regression is an old word for fitting numbers to data.)
#
# **Think first**: the weights of our model are still random. What will the ten probabilities of a digit look like?

# %% mystnb={"image": {"alt": "Softmax regression drawn from left to right: a digit, a column of 784 numbers, a column of 10 logits, and ten bars of which none is near 1."}}
def draw_way(model, data):
    """Draw an image's way through `model`, with its real shapes and probabilities."""
    image, label = data.val.images[0], data.val.labels[0]
    with torch.no_grad():
        found = model(data.normalise(image[None]).to(device))[0].softmax(dim=0).cpu()
    shapes = output_shapes(model, data.image_shape)
    figure = plot_architecture(shapes, image, found, data.classes)
    figure.axes[0].set_title(f"true class: {data.classes[label]}", fontsize=10)


draw_way(untrained.to(device), mnist)
plt.show()
untrained = untrained.to("cpu")

# %% [markdown]
# No class stands out by much: the model is undecided, and what it prefers is chance.
#
# ## Cross-entropy: one number for how wrong we are
#
# We look at the probability that the model gave to the *true* class and take $-\log$ of it. Was it 1? Then the [loss](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#loss) is 0. Was it small? Then the loss is large. So a **loss** is a number that is smaller for a better model.
#
# **Think first**: a model that gives every class 1/10 knows nothing. What is its loss?

# %% mystnb={"image": {"alt": "The loss falls steeply from above 4 at a probability near 0 to 0 at probability 1; a dot marks the undecided model at probability 0.1 and loss 2.3."}}
figure, axis = plt.subplots(figsize=(5, 2.8))
p = torch.linspace(0.01, 1, 200)
axis.plot(p, -p.log())
axis.plot(0.1, -math.log(0.1), "o", color=COLOURS[3])
axis.annotate("undecided", (0.1, -math.log(0.1)), xytext=(0.14, 2.4))
axis.set(xlabel="probability given to the true class", ylabel="loss (nats)")
plt.show()

# %% [markdown]
# The unit of a natural logarithm is the *[nat](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#nats)*. The mean over $N$ images with true classes $y_n$ is the **[cross-entropy loss](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cross-entropy)**:
#
# $$L = -\frac{1}{N} \sum_n \log p_{n,\,y_n}$$

# %%
def cross_entropy(logits, labels):
    true_class = softmax(logits)[torch.arange(len(labels)), labels]
    return -true_class.log().mean()


loss = cross_entropy(logits, labels)
same = torch.allclose(loss, F.cross_entropy(logits, labels))
confirm(same, "our cross-entropy equals PyTorch's")
print(f"undecided: {-math.log(0.1):.3f} nats; our untrained model: {loss.item():.3f}")

# %% [markdown]
# Note that `F.cross_entropy` wants **logits**. It does the softmax itself.
#
# ## The gradient: which way is down?
#
# Turn one weight a little up and keep all others. The loss changes a little. How much it changes, for each unit that the weight changes, is the **slope** in that direction. The list of the slopes of all weights is the **[gradient](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#gradient)**. A positive slope says: lower this weight, and the loss falls.
#
# The picture shows the loss of 50 digits against one single weight. The straight line is the tangent: it has the slope that the curve has at the dot.

# %% mystnb={"image": {"alt": "The loss against one weight: a smooth curve, a dot at the present weight, and the dashed tangent that touches the curve there."}}
some_images = mnist.normalise(mnist.train.images[:50]).double()
some_labels = mnist.train.labels[:50]
double = build_model("softmax", mnist.image_shape, mnist.num_classes).double()
double_weights = double.layers[1].weight
F.cross_entropy(double(some_images), some_labels).backward()
slopes = double_weights.grad  # found by PyTorch: one slope a weight


@torch.no_grad()
def loss_at(place, value):
    """The loss if the weight at `place` were `value`; the weight is put back."""
    before = double_weights[place].item()
    double_weights[place] = value
    loss = F.cross_entropy(double(some_images), some_labels).item()
    double_weights[place] = before
    return loss


place = (3, 14 * 28 + 14)  # class 3, the pixel in row 14 and column 14
now, slope = double_weights[place].item(), slopes[place].item()
moves = torch.linspace(-1.5, 1.5, 61)
figure, axis = plt.subplots(figsize=(5, 2.9))
axis.plot(now + moves, [loss_at(place, now + move.item()) for move in moves])
tangent = loss_at(place, now) + slope * moves
axis.plot(now + moves, tangent, "--", label=f"tangent, slope {slope:.3f}")
axis.plot(now, loss_at(place, now), "o", color=COLOURS[3])
axis.set(xlabel="the weight", ylabel="loss (nats)")
axis.legend()
plt.show()

# %% [markdown]
# PyTorch found that slope with `backward()`. This part of PyTorch is called **[autograd](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#autograd)**: it remembers how the loss was computed and applies the rules of derivatives [backwards](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#backward-pass). Can we trust it? We measure the slope ourselves. Go a small way $h$ to the right and to the left, and divide the difference of the losses by the way between them. To find slopes in this way is called the method of **[finite differences](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#finite-differences)**. Ours is the **central difference**:
#
# $$\frac{\partial L}{\partial w} \approx \frac{L(w + h) - L(w - h)}{2h}$$
#
# We calculate in `float64`, numbers with 16 digits. With 7 digits, those of `float32`, the two losses would hardly differ.

# %%
def central_difference(place, h=1e-5):
    now = double_weights[place].item()
    return (loss_at(place, now + h) - loss_at(place, now - h)) / (2 * h)


generator = torch.Generator().manual_seed(0)
places = [
    (torch.randint(10, (), generator=generator).item(), 28 * row + column)
    for row in range(8, 20, 3)
    for column in range(8, 20, 3)
]
measured = [central_difference(place) for place in places]
measured = torch.tensor(measured, dtype=torch.float64)
by_autograd = torch.stack([slopes[place] for place in places])
print(f"furthest apart: {(measured - by_autograd).abs().max().item():.1e}")
same = torch.allclose(measured, by_autograd, rtol=1e-4, atol=1e-7)
confirm(by_autograd.abs().min() > 0, "none of the 16 slopes is zero")
confirm(same, "for 16 weights, autograd's slopes are those that we measured")

# %% [markdown]
# Then why not always measure? It takes two evaluations of the loss for every single weight. `backward()` gives all slopes together, for about the price of two or three evaluations.
#
# For softmax regression the gradient can also be written down. With $y_c = 1$ for the true class and 0 for the others, one image gives
#
# $$\frac{\partial L}{\partial w_{c,i}} = (p_c - y_c)\, x_i$$
#
# In words: error times pixel. A pixel of value 0 had no part in the score, so its weight gets no blame.

# %%
untrained.zero_grad()
F.cross_entropy(untrained(images), labels).backward()
error = (probabilities - F.one_hot(labels, 10)) / len(labels)
gradient_by_hand = error.T @ images.flatten(1)
same = torch.allclose(weights.grad, gradient_by_hand, atol=1e-5)
confirm(same, "autograd finds the gradient that we wrote down")

# %% [markdown]
# ## The training loop, line by line
#
# To find the weights, we walk downhill. Every step moves each weight against its slope, by the slope times a small number $\eta$, the **[learning rate](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#learning-rate)**:
#
# $$w \leftarrow w - \eta\, \frac{\partial L}{\partial w}$$
#
# The slope is computed on a few images at a time, a **[batch](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#batch)**, so that many steps fit into one pass over the data. Such a pass is an **[epoch](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#epoch)**. The whole method is called **[stochastic gradient descent](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#sgd)**, SGD: stochastic because batches are drawn at random.
#
# This loop is the heart of the course. Everything later, [Lightning](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#lightning) too, is this loop in other clothes. (`momentum`, which is switched off here, comes in chapter 4.)

# %%
config = TrainingConfig(
    epochs=3, batch_size=128, optimizer="sgd", lr=0.02, momentum=0.0
)
digits = mnist.subset(budget(full=20_000, fast=3_600)).to(device)
model = build_model("softmax", mnist.image_shape, mnist.num_classes, seed=config.seed)
model = model.to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=config.lr)
batches = digits.batches("train", config.batch_size, shuffle=True, seed=config.seed)

open_loop = []
for epoch in range(config.epochs):
    model.train()                                # training mode: matters in chapter 3
    batches.set_epoch(epoch)                     # another order in every epoch
    loss_sum = 0.0
    for images, labels in batches:               # a few images at a time
        logits = model(images)                   # forward: pixels to scores
        loss = F.cross_entropy(logits, labels)   # how wrong are they?
        optimizer.zero_grad()                    # forget the last step's gradients
        loss.backward()                          # backward: a slope for every weight
        optimizer.step()                         # a small step down the slope
        loss_sum += loss.detach() * len(labels)  # the number, without its gradients

    model.eval()                                 # evaluation mode
    val_loss_sum, correct = 0.0, 0
    with torch.no_grad():                        # no gradients: faster, less memory
        for images, labels in digits.batches("val", 500):
            logits = model(images)
            val_loss_sum += F.cross_entropy(logits, labels) * len(labels)
            correct += (logits.argmax(dim=1) == labels).sum()

    train_loss, val_loss = loss_sum / len(digits.train), val_loss_sum / len(digits.val)
    accuracy = correct / len(digits.val)
    open_loop.append((train_loss.item(), val_loss.item(), accuracy.item()))
    print(f"epoch {epoch + 1}: training loss {train_loss:.4f}", end=", ")
    print(f"validation loss {val_loss:.4f}, accuracy {accuracy:.4f}")

# %% [markdown]
# From here on we import this loop as `fit`. It adds a progress bar, a choice of [optimizers](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#optimizer), a history of every epoch and the best weights. It is the same loop, and we can prove it: on a [CPU](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cpu) every number and every weight is equal to the last bit. (A [GPU](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#gpu) may add up in another order, so there we allow for rounding.)

# %%
fitted = build_model("softmax", mnist.image_shape, mnist.num_classes, seed=config.seed)
history = fit(fitted, digits, config, device=device)
by_fit = list(zip(history["train_loss"], history["val_loss"], history["val_accuracy"]))
tolerance = 0.0 if device.type == "cpu" else 1e-4
furthest = torch.tensor(open_loop).sub(torch.tensor(by_fit)).abs().max().item()
confirm(furthest <= tolerance,
        "the open loop and `fit` have the same losses, accuracies")
ours, theirs = model.layers[1].weight, fitted.layers[1].weight
confirm(torch.allclose(ours, theirs, rtol=0, atol=tolerance), "and the same weights")

# %% [markdown]
# ## The learning rate
#
# **Think first**: what will the [loss curve](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#loss-curve) look like if the learning rate is a hundred times too small? And if it is a hundred times too large?
#
# In a running notebook, move the slider. Each position trains softmax regression anew, for 100 steps.

# %% mystnb={"image": {"alt": "Four loss curves over 100 steps: at learning rate 0.0001 almost flat, at 0.001 falling slowly, at 0.02 falling fast and staying low, at 2 jumping far up and down."}}
def losses_at(lr, steps=100):
    torch.manual_seed(0)
    model = LinearClassifier(mnist.image_shape, 10, hidden=()).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    batches = digits.batches("train", 128, shuffle=True)
    losses = []
    while len(losses) < steps:
        batches.set_epoch(len(losses))
        for images, labels in batches:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses[:steps]


def draw_learning_rate(axis, lr):
    axis.plot(losses_at(lr), linewidth=1.3)
    axis.axhline(math.log(10), color=COLOURS[3], linestyle=":", linewidth=1.3)
    axis.set(xlabel="step", ylabel="loss (nats)", ylim=(0, 6))


rates = (1e-4, 1e-3, 5e-3, 0.02, 0.1, 0.5, 2.0)
explore(draw_learning_rate, rates, "learning rate", shown=(1e-4, 1e-3, 0.02, 2.0))

# %%
ends = {lr: sum(losses_at(lr)[-20:]) / 20 for lr in (1e-4, 0.02, 2.0)}
confirm(ends[0.02] < ends[1e-4], "far too small a rate learns slowly")
confirm(ends[0.02] < ends[2.0], "far too large a rate steps over the valley")

# %% [markdown]
# The dotted line is the loss of the undecided model. Too small: the curve is smooth but hardly falls. Too large: [every step](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#step) jumps over the valley to the other side, and the loss leaps. Chapter 4 looks at better ways to step.
#
# ## A second opinion: scikit-learn
#
# Softmax regression is older than deep learning. Statisticians call it *logistic regression*, and scikit-learn has it. A baseline from another library is a good test of our own work: same images, same formula, so we should get the same answers.
#
# Our loop also lowers its learning rate to 0 by the end of the run (`scheduler="cosine"`), so that it comes to rest in the valley. Both get a small penalty for large weights, called **[weight decay](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#weight-decay)**. scikit-learn writes it as a number $C$ and adds up losses, we take their mean. Over $N$ images its $C$ corresponds to our weight decay $1/(C\,N)$.

# %%
count, C = budget(full=5_000, fast=3_000), 0.01
part = mnist.subset(count)
table = mnist.normalise(part.train.images).flatten(1).numpy()
val_table = mnist.normalise(mnist.val.images).flatten(1).numpy()
scikit = LogisticRegression(C=C, max_iter=500).fit(table, part.train.labels.numpy())
scikit_says = torch.tensor(scikit.predict(val_table))

same_penalty = TrainingConfig(
    epochs=15,
    optimizer="sgd",
    lr=0.01,
    weight_decay=1 / (C * count),
    scheduler="cosine",
)
torch.manual_seed(0)
regression = LinearClassifier(mnist.image_shape, 10, hidden=())
fit(regression, part, same_penalty, device=device)
logits, val_labels = predict_logits(regression, mnist.batches("val", 500))
we_say = logits.argmax(dim=1)

for name, answers in (("scikit-learn", scikit_says), ("our loop", we_say)):
    accuracy = (answers == val_labels).float().mean()
    print(f"{name}: validation accuracy {100 * accuracy:.2f} %")
agreement = (scikit_says == we_say).float().mean()
print(f"they say the same for {100 * agreement:.2f} % of the validation images")
confirm(agreement > 0.95, "both find nearly the same model")

# %% [markdown]
# The two use different ways down: scikit-learn looks at all images for every step, we look at 128. For this model that hardly matters, because the loss of softmax regression has only one valley.
#
# ## What the weights look like
#
# Every class has one weight per pixel, so its weights can be drawn as an image, a **template**. We first train softmax regression on all training images, with the settings in `recipe`. Their optimizer, [AdamW](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#adamw), is a refined SGD, which chapter 4 explains. `load_best` takes the weights of the epoch that was best on the *validation* split.

# %%
def trained(hidden, data):
    """Train a model by its recipe; return it with its best weights, and the history."""
    config = recipe("linear" if hidden else "softmax", data.name)
    config = replace(config, epochs=budget(full=config.epochs, fast=8))
    torch.manual_seed(0)
    model = LinearClassifier(data.image_shape, data.num_classes, hidden)
    history = fit(model, data, config, device=device)
    history.load_best(model)
    return model, history


softmax_model, softmax_history = trained((), mnist)
print(f"best validation accuracy: {100 * softmax_history.best_val_accuracy:.2f} %")
bound = budget(full=0.91, fast=0.8)
reached = softmax_history.best_val_accuracy > bound
confirm(reached, "one weighted sum per class goes surprisingly far")

# %% mystnb={"image": {"alt": "Ten weight images, one a class: purple where ink speaks for the digit, orange where it speaks against it; a ring for 0, a stroke for 1."}}
templates = softmax_model.layers[1].weight.detach().cpu().reshape(10, 28, 28)
limit = templates.abs().quantile(0.995).item()
figure, axes = plt.subplots(2, 5, figsize=(6.4, 3))
for name, template, axis in zip(mnist.classes, templates, axes.flat):
    axis.imshow(template, cmap="PuOr", vmin=-limit, vmax=limit)
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %% [markdown]
# Purple: ink here speaks *for* the class. Orange: ink here speaks *against* it. Compare with the weights that we made by hand. The class 0 dislikes ink in the middle. A template is all that a linear model has, one for each class: a 7 with a bar and a 7 without have to share it.

# %% mystnb={"image": {"alt": "Trained softmax regression drawn from left to right: a digit, 784 numbers, 10 logits, and ten bars of which one is much longer than the others."}}
draw_way(softmax_model, mnist)
plt.show()

# %% [markdown]
# ## A network with hidden layers
#
# One template per class is not enough? Then let the model first compute other numbers from the pixels, and the scores from those. The numbers in between are a **[hidden layer](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#hidden-layer)**: nobody tells the model what they should mean.
#
# Two weighted sums in a row are only one weighted sum again. So something has to bend in between. The **[ReLU](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#relu)** does: it replaces every negative number by 0, $\max(0, z)$. A function that is put between two [layers](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#layer) to bend the numbers is called an **[activation function](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#activation-function)**. Our [network](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#neural-network) has hidden layers of 120 and 84 numbers, as the last layers of LeNet-5 had.

# %% mystnb={"image": {"alt": "The graph of ReLU: flat at zero for negative inputs, then a straight line upwards with slope 1."}}
figure, axis = plt.subplots(figsize=(3.6, 2.4))
z = torch.linspace(-3, 3, 61)
axis.plot(z, z.relu())
axis.set(xlabel="z", ylabel="max(0, z)")
plt.show()

# %%
network = build_model("linear", mnist.image_shape, mnist.num_classes)
print(network.layers)
first, second = nn.Linear(784, 120), nn.Linear(120, 10)
together = second.weight @ first.weight
flat = images.cpu().flatten(1)
two = second(first(flat))
one = flat @ together.T + second(first.bias)
same = torch.allclose(two, one, atol=1e-4)
confirm(same, "two linear layers without a ReLU are one linear layer")

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
share = 784 * 120 / count_parameters(network)
confirm(share > 0.85, "on digits, the first weight matrix holds most parameters")

# %% [markdown]
# ## Capacity: what do more layers bring?
#
# **[Capacity](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#capacity)** is how many different things a model can represent. Softmax regression has little, the network with two hidden layers has more. More capacity is no gain in itself. A model can use it to learn what digits look like, or to learn its training images by heart. The second is called **[over-fitting](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#over-fitting)**. It shows as a gap: high [accuracy](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#accuracy) on training images, lower accuracy on validation images.
#
# To compare fairly, all three get the same budget: the same 8,000 training images, the same number of epochs, the same optimizer and learning rate, no augmentation. Each is trained three times from different random weights (three **[seeds](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#seed)**). We give the mean and the sample standard deviation (std), after the last epoch. Fewer images than we have make over-fitting easier to see.
#
# **Think first**: on which data set will the gap between training and validation be larger?

# %%
capacity, curves = [], {}
for data_name, data in SETS.items():
    few = data.subset(budget(full=8_000, fast=1_500))
    for model_name, hidden in SIZES.items():
        ends = []
        for seed in range(3):
            equal = TrainingConfig(
                epochs=budget(full=15, fast=6), lr=1e-3, scheduler="cosine", seed=seed
            )
            torch.manual_seed(seed)
            model = LinearClassifier(data.image_shape, 10, hidden)
            history = fit(model, few, equal, device=device)
            seen = evaluate(model, few.batches("train", 500)).accuracy
            ends.append([100 * seen, 100 * history["val_accuracy"][-1]])
        mean, std = torch.tensor(ends).mean(dim=0), torch.tensor(ends).std(dim=0)
        curves[data_name, model_name] = history
        capacity.append(
            {
                "data": data_name,
                "model": model_name,
                "train_%": mean[0].item(),
                "val_%": mean[1].item(),
                "val_std": std[1].item(),
                "gap": (mean[0] - mean[1]).item(),
            }
        )
capacity = pd.DataFrame(capacity)
print(capacity.to_string(index=False, float_format="%.2f"))

# %%
table = capacity.set_index(["data", "model"])
plain, one_hidden, two_hidden = SIZES
for name in SETS:
    val = table.loc[name, "val_%"]
    gained = val[one_hidden] - val[plain]
    margin = budget(full=1, fast=-2)
    confirm(gained > margin, f"{name}: the first hidden layer helps")
    added = abs(val[two_hidden] - val[one_hidden])
    confirm(added < budget(full=1.5, fast=6), f"{name}: the second changes little")
gaps = table["gap"]
larger = all(gaps["photographs", size] > gaps["digits", size] for size in SIZES)
confirm(larger or budget(full=False, fast=True), "photographs are over-fitted more")

# %% mystnb={"image": {"alt": "Colour images, two hidden layers against softmax regression: the network's dashed training loss falls far below its validation loss, which turns upwards; the accuracy rises higher."}}
shown = {name: curves["photographs", name] for name in (plain, two_hidden)}
plot_histories(shown, title=f"{cifar10.title}: few images, no augmentation")
plt.show()

# %% [markdown]
# Read it like this. If both training and validation accuracy are low, the model has too little capacity: it **under-fits**. If training accuracy is high and validation accuracy is much lower, it over-fits. Here the dashed training loss falls away from the solid validation loss. More data helps then, and so does augmentation: shifted and mirrored copies, which cannot all be learned by heart.
#
# ## With all images
#
# Now all three models on all training images, with the settings of `recipe`. Those with hidden layers get augmentation.

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
# Dashed lines are the training loss, with augmentation: changed images are harder than plain ones. That is why the training loss can lie *above* the validation loss.

# %% mystnb={"image": {"alt": "The network 120-84-10 drawn from left to right: a small colour image, columns of 3072, 120, 84 and 10 numbers, and ten probability bars with class names."}}
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
def train_with_mistake(mistake):
    def model_input(images):
        return 255 * mnist.denormalise(images) if mistake == "raw input" else images

    torch.manual_seed(3)
    model = LinearClassifier(mnist.image_shape, 10).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    batches = digits.batches("train", 64, shuffle=True)
    losses, correct = [], 0
    for epoch in range(budget(full=2, fast=5)):
        batches.set_epoch(epoch)
        for images, labels in batches:
            logits = model(model_input(images))
            if mistake == "ReLU on logits":
                logits = logits.relu()
            if mistake == "softmax before the loss":
                logits = logits.softmax(dim=1)
            loss = F.cross_entropy(logits, labels)
            if mistake != "no zero_grad":
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    with torch.no_grad():
        for images, labels in digits.batches("val", 500):
            correct += (model(model_input(images)).argmax(dim=1) == labels).sum().item()
    return torch.tensor(losses), 100 * correct / len(digits.val)


MISTAKES = (
    "none", "raw input", "ReLU on logits", "no zero_grad", "softmax before the loss"
)
mistakes = {name: train_with_mistake(name) for name in MISTAKES}
rows = []
for name, (losses, accuracy) in mistakes.items():
    end = losses[-20:].mean().item()
    rows.append({"mistake": name, "last_loss": end, "val_%": accuracy})
print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f"))

# %% mystnb={"image": {"alt": "Training loss by step of a right loop and four wrong ones: the right one falls lowest; ReLU on logits falls more slowly; raw input and missing zero_grad end near 2.3; softmax before the loss stays above 1.46."}}
figure, axis = plt.subplots(figsize=(6.4, 3.4))
styles = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))
for (name, (losses, _)), style, colour in zip(mistakes.items(), styles, COLOURS):
    smooth = losses.nan_to_num(9.0).clamp(max=9).unfold(0, 15, 1).mean(dim=1)
    label = "no mistake" if name == "none" else name
    axis.plot(smooth, linestyle=style, color=colour, linewidth=1.6, label=label)
axis.axhline(math.log(10), color="0.6", linewidth=0.8)
axis.set(xlabel="step", ylabel="training loss (nats)", ylim=(0, 5))
axis.legend(fontsize=9)
plt.show()

# %%
end = {row["mistake"]: row["last_loss"] for row in rows}
found = {row["mistake"]: row["val_%"] for row in rows}
for name in ("raw input", "no zero_grad"):
    worse = not end[name] <= end["none"] + 0.5
    confirm(worse, f"{name}: the loss ends far higher, or is no number")
early = {name: losses[:150].mean() for name, (losses, _) in mistakes.items()}
confirm(early["ReLU on logits"] > early["none"], "ReLU on logits: a slower start")
negative = torch.tensor([[-1.0, 2.0, 0.5]], requires_grad=True)
F.cross_entropy(negative.relu(), torch.tensor([0])).backward()
confirm(negative.grad[0, 0] == 0, "the true class has logit -1, and slope 0: no help")
floor = -math.log(math.e / (math.e + 9))
print(f"the best that probabilities as logits can reach: {floor:.3f} nats")
lowest = mistakes["softmax before the loss"][0].min().item()
confirm(lowest > floor - 1e-4,
        "softmax before the loss: it never falls below that floor")
most = found["softmax before the loss"] > budget(full=60, fast=30)
confirm(most, "and yet its answers are not bad")
lower = [found["none"] - found[name] for name in ("raw input", "no zero_grad")]
confirm(min(lower) > 5, "raw input, no zero_grad: the accuracy is far lower")

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
# ReLU on the logits is luck: if a class's logit is negative for all its images, nothing pulls it up again. Softmax before the loss is the most treacherous, because many answers are right all the same. Know two numbers by heart: 2.30, the loss of ten equal probabilities, and 1.46, this floor. A loss that stops at a value with a meaning, or that leaps, is a mistake in the loop until proven otherwise.
#
# ## Which one should I choose?
#
# All choices are made. So now, for the first time, the test split, with the weights that were best on validation:

# %%
closing, test_answers = [], {}
KEYS = dict(zip(SIZES, ("softmax", "one_hidden", "linear")))
for (data_name, model_name), (model, run) in runs.items():
    data = SETS[data_name]
    logits, labels = predict_logits(model, data.batches("test", 500))
    test_answers[data_name, model_name] = logits, labels
    test = (logits.argmax(dim=1) == labels).float().mean().item()
    parameters = count_parameters(model)
    record(
        f"{KEYS[model_name]}.{data.name}",
        test_accuracy=test,
        seconds=run.seconds,
        parameters=parameters,
        val_accuracy=run.best_val_accuracy,
    )
    closing.append(
        {
            "data": data_name,
            "model": model_name,
            "parameters": parameters,
            "seconds": run.seconds,
            "val_%": 100 * run.best_val_accuracy,
            "test_%": 100 * test,
        }
    )
closing = pd.DataFrame(closing)
print(closing.to_string(index=False, float_format="%.2f"))
tested = closing.set_index(["data", "model"])["test_%"]
reached = tested["digits", two_hidden] >= budget(full=97.5, fast=80)
confirm(reached, "the digits: the goal is reached")
reached = tested["photographs", two_hidden] >= budget(full=52, fast=25)
confirm(reached, "the photographs: the goal is reached")
for name in SETS:
    ahead = tested[name, two_hidden] > tested[name, plain] - budget(full=0, fast=5)
    confirm(ahead, f"{name}: hidden layers beat softmax regression")

# %% [markdown]
# Where do the wrong answers go? A **[confusion matrix](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#confusion-matrix)** tells. Each row is one true class, each column one answer of the model, and each number says which share of the row went there.

# %% mystnb={"image": {"alt": "Confusion matrix of the network on the colour images: a weak diagonal, and many mistakes among the animals and among the vehicles."}}
logits, labels = test_answers["photographs", two_hidden]
plot_confusion(labels, logits.argmax(dim=1), cifar10.classes, title=cifar10.title)
plt.show()

# %%
logits, labels = test_answers["digits", two_hidden]
sums = logits.softmax(dim=1).sum(dim=1)
same = torch.allclose(sums, torch.ones(len(sums)), atol=1e-5)
confirm(same, "probabilities add up to 1 for every test image")

# %% [markdown]
# - **Softmax regression** first, always. It trains in seconds, you can look at its weights, and it says what the others have to beat.
# - **One hidden layer** if a table of numbers, or images that are centred like digits, are all you have.
# - **120-84-10** if validation says that the second layer pays. Compare the difference with the spread over seeds before you believe it: with equal budgets it brought next to nothing here.
# - For photographs: none of them. Chapter 3 has what is missing.
#
# **The question, answered.** One weighted sum of pixels per class recognises about nine of ten digits, since centred digits lie on top of each other and share a template. On photographs it is right in fewer than half of the cases: cats have no common template. Hidden layers help on both, and are not enough for photographs. The weights are found by walking downhill: the gradient says for every weight which way the loss falls, and each step goes a little that way.

# %%
digit_share, photo_share = tested["digits", plain], tested["photographs", plain]
about_nine = budget(full=90, fast=75) < digit_share < budget(full=95, fast=99)
confirm(about_nine, "softmax regression: about nine of ten digits")
confirm(photo_share < budget(full=50, fast=90),
        "and fewer than half of the photographs")

# %% [markdown]
# ## Exercises
#
# Replace the dots, run the cell, read the hint. The solution is folded below each.
#
# ### Exercise 2.1: softmax with a temperature (easy)
#
# Divide the logits by a **temperature** $T$ before softmax. A small $T$ makes the probabilities decided, a large one makes them even. Write it without `torch.softmax`. Logits have the shape `N × classes`; the largest may be 1000.

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
# ### Exercise 2.4: one training step (medium)
#
# Do one step of training on one batch. Return the loss that the model had *before* the step, as a number. The gradients may hold something from an earlier step.

# %%
def training_step(model, optimizer, images, labels):
    ...


grade("2.4", training_step)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def training_step(model, optimizer, images, labels):
#     loss = F.cross_entropy(model(images), labels)
#     optimizer.zero_grad()
#     loss.backward()
#     optimizer.step()
#     return loss.item()
# ```
#
# `zero_grad` may also stand first. What counts is that it comes before `backward`.
#
# </details>
#
# ### Exercise 2.5: measure the accuracy (medium)
#
# Return the share of right answers, from 0 to 1, over all batches. The last batch may be smaller than the others. The model may behave otherwise in training than in evaluation.

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
# Somebody wrote this loop. It runs, and it learns badly. Which lines are wrong? Three of them are. Give their numbers as a list.
#
# ```python
# 1   optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
# 2   optimizer.zero_grad()
# 3   for epoch in range(5):
# 4       model.train()
# 5       for images, labels in data.batches("train", 128, shuffle=True):
# 6           logits = model(images).relu()
# 7           loss = F.cross_entropy(logits, labels)
# 8           loss.backward()
# 9           optimizer.step()
# 10      model.eval()
# 11      with torch.no_grad():
# 12          print("validation:", evaluate(model, data.batches("test", 500)))
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
# ### Exercise 2.7: beat softmax regression (open)
#
# Design a model and its training that beat softmax regression on the validation split of the colour images, within the same budget: the same images, four epochs. You choose layers, optimizer, learning rate, batch size, augmentation. The check trains both on the bundled sample of drawn images, which takes a few seconds. Return the untrained model and its `TrainingConfig`.

# %%
def challenger(image_shape, num_classes):
    ...


grade("2.7", challenger)

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
# - Softmax turns logits into probabilities; cross-entropy turns these into one number to make small.
# - A gradient is a slope for each weight. Two evaluations of the loss check it.
# - The loop: forward, loss, `zero_grad`, `backward`, `step`; then validation without gradients.
# - A linear model has one template per class. For centred digits that is nearly enough, for photographs it is not.
# - More capacity can be used to learn or to memorise. The gap between training and validation tells which.
# - Common mistakes raise no error. Know the values 2.30 and 1.46, and look at the curve.
# - The test split is used once, after all choices.
#
# ## Read on
#
# - [LeCun et al., 1998, "Gradient-based learning applied to document recognition"](https://doi.org/10.1109/5.726791): MNIST, LeNet-5, and linear classifiers as the baseline.
# - [Rumelhart, Hinton and Williams, 1986, "Learning representations by back-propagating errors"](https://doi.org/10.1038/323533a0): hidden layers, and how their gradients are found.
# - [Guo et al., 2017, "On Calibration of Modern Neural Networks"](https://arxiv.org/abs/1706.04599): what the temperature of exercise 2.1 is used for.
# - [PyTorch: `CrossEntropyLoss`](https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html): what the loss expects, with formulas.
# - [PyTorch: autograd mechanics](https://pytorch.org/docs/stable/notes/autograd.html): how gradients are recorded, and what `no_grad` turns off.
# - [scikit-learn: logistic regression](https://scikit-learn.org/stable/modules/linear_model.html#logistic-regression): the baseline's formula and its ways down.
#
# ## Next
#
# In chapter 3 the model learns that pixels have neighbours.
