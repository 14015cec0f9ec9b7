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
# - explain what autograd computes and check it on a tiny example,
# - write a training loop and say what each line is for,
# - read loss curves, weight templates and a confusion matrix,
# - say how far a linear model goes on digits and on photographs, and why not further.
#
# **Before you start**: chapter 1. You should know what a tensor of images is.
#
# **Time**: read about 30 minutes; the full run takes <!-- result:chapters.02.full_seconds|minutes -->1 minute<!-- /result --> on two CPU cores.
#
# **The question**: how far does one weighted sum of pixels per class go, and how are its weights found?

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
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch.nn import functional as F

from helpers.checks import check
from helpers.data import load
from helpers.models import build_model, count_parameters
from helpers.plots import COLOURS, plot_confusion, plot_histories, use_style
from helpers.profiles import budget
from helpers.results import record
from helpers.training import (
    TrainingConfig,
    best_device,
    evaluate,
    fit,
    predict_logits,
    recipe,
)

use_style()
device = best_device()

# %%
mnist, cifar10 = load("mnist"), load("cifar10")
print("one image:", mnist.image_shape, "and", cifar10.image_shape)

# %% [markdown]
# ## Flattening
#
# A linear model does not know rows and columns. It wants a list. So we cut the image into its rows and put them one behind the other: 28 rows of 28 pixels become one row of 784 numbers.

# %% mystnb={"image": {"alt": "A digit on the left; on the right its 784 pixels as one long strip, in which the rows of the digit repeat as a pattern."}}
digit = mnist.train.images[1, 0]
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6), width_ratios=[1, 3])
left.imshow(digit)
left.set(title="28 × 28", xlabel="column", ylabel="row")
right.imshow(digit.flatten()[None].repeat(60, 1))
right.set(title="the same 784 numbers in one row", xlabel="position in the row", yticks=[])
plt.show()

# %%
flat = mnist.train.images[:5].flatten(start_dim=1)
print("before:", tuple(mnist.train.images[:5].shape), " after:", tuple(flat.shape))
check(flat[1, 28 * 14 + 3] == digit[14, 3], "row 14, column 3 is now at position 14 · 28 + 3")

# %% [markdown]
# What is lost? Not the numbers, but the knowledge which pixels were neighbours. To the model, position 28 is no closer to position 0, the pixel just above it, than to position 700. Chapter 3 comes back to this.
#
# ## Ten weighted sums
#
# For every class the model has one weight per pixel and one number more, the **bias**. It multiplies, adds up, and gets ten scores, called **logits**:
#
# $$z_c = \sum_{i} w_{c,i}\, x_i + b_c$$

# %%
softmax_regression = build_model("softmax", mnist.image_shape, mnist.num_classes)
images = mnist.normalise(mnist.train.images[:5])
labels = mnist.train.labels[:5]
logits = softmax_regression(images)
weights, bias = softmax_regression.layers[1].weight, softmax_regression.layers[1].bias
print("weights:", tuple(weights.shape), " bias:", tuple(bias.shape), " logits:", tuple(logits.shape))
by_hand = images.flatten(1) @ weights.T + bias
check(torch.allclose(logits, by_hand, atol=1e-5), "the model is one matrix product and a bias")

# %% [markdown]
# ## Softmax: from scores to probabilities
#
# Logits can be any numbers. Probabilities are positive and add up to 1. **Softmax** makes the first into the second: raise $e$ to each score, divide by the sum.
#
# $$p_c = \frac{e^{z_c}}{\sum_k e^{z_k}}$$

# %%
def softmax(logits):
    # Subtracting the largest score changes nothing in the result, but e^1000 would overflow.
    powers = (logits - logits.max(dim=1, keepdim=True).values).exp()
    return powers / powers.sum(dim=1, keepdim=True)


probabilities = softmax(logits)
check(torch.allclose(probabilities, logits.softmax(dim=1)), "our softmax equals PyTorch's")
check(torch.allclose(probabilities.sum(dim=1), torch.ones(5)), "the ten probabilities of each image add up to 1")

# %% [markdown]
# ## Cross-entropy: one number for how wrong we are
#
# We look at the probability that the model gave to the *true* class and take $-\log$ of it. Was it 1? Then the loss is 0. Was it small? Then the loss is large. The mean over the images is the **cross-entropy loss**.
#
# **Think first**: an untrained model gives every class about 1/10. What loss do you expect?

# %%
def cross_entropy(logits, labels):
    true_class = softmax(logits)[torch.arange(len(labels)), labels]
    return -true_class.log().mean()


loss = cross_entropy(logits, labels)
check(torch.allclose(loss, F.cross_entropy(logits, labels)), "our cross-entropy equals PyTorch's")
print(f"an undecided model would have -log(1/10) = {-math.log(0.1):.3f}; ours has {loss.item():.3f}")

# %% mystnb={"image": {"alt": "The loss falls steeply from above 4 at a probability near 0 to 0 at probability 1."}}
figure, axis = plt.subplots(figsize=(5, 3))
p = torch.linspace(0.01, 1, 200)
axis.plot(p, -p.log())
axis.plot(0.1, -math.log(0.1), "o", color=COLOURS[3])
axis.annotate("undecided", (0.1, -math.log(0.1)), xytext=(0.2, 2.8))
axis.set(xlabel="probability given to the true class", ylabel="loss (nats)")
plt.show()

# %% [markdown]
# Note that `F.cross_entropy` wants **logits**. It does the softmax itself. Giving it probabilities is a common mistake that raises no error.
#
# ## Autograd: which way is down?
#
# To make the loss smaller we need to know, for every weight, whether it should go up or down. That is the gradient. For cross-entropy it can be written down: probability minus 1 for the true class, probability for the others, times the pixel. PyTorch finds it for any model with `backward()`.

# %%
softmax_regression.zero_grad()
F.cross_entropy(logits, labels).backward()
error = (probabilities - F.one_hot(labels, 10)) / len(labels)
gradient_by_hand = error.T @ images.flatten(1)
check(torch.allclose(weights.grad, gradient_by_hand, atol=1e-5), "autograd finds the gradient that we calculated")

# %% [markdown]
# ## The training loop, line by line
#
# This is the heart of the course. Everything later, Lightning too, is this loop in other clothes.

# %%
config = TrainingConfig(epochs=3, batch_size=128, optimizer="sgd", lr=0.02, momentum=0.0)
digits = mnist.subset(budget(full=20_000, fast=3_600)).to(device)
model = build_model("softmax", mnist.image_shape, mnist.num_classes, seed=config.seed).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=config.lr)
batches = digits.batches("train", config.batch_size, shuffle=True, seed=config.seed)

open_loop = []
for epoch in range(config.epochs):
    model.train()                                # training mode: matters from chapter 3 on
    batches.set_epoch(epoch)                     # another order in every epoch
    loss_sum = 0.0
    for images, labels in batches:               # a few images at a time
        logits = model(images)                   # forward: pixels to scores
        loss = F.cross_entropy(logits, labels)   # how wrong are they?
        optimizer.zero_grad()                    # forget the gradients of the last step
        loss.backward()                          # backward: a gradient for every weight
        optimizer.step()                         # a small step down the slope
        loss_sum += loss.detach() * len(labels)  # the number alone, without its gradients

    model.eval()                                 # evaluation mode
    val_loss_sum, correct = 0.0, 0
    with torch.no_grad():                        # no gradients needed: faster, less memory
        for images, labels in digits.batches("val", 500):
            logits = model(images)
            val_loss_sum += F.cross_entropy(logits, labels) * len(labels)
            correct += (logits.argmax(dim=1) == labels).sum()

    train_loss, val_loss = loss_sum / len(digits.train), val_loss_sum / len(digits.val)
    val_accuracy = correct / len(digits.val)
    open_loop.append((train_loss.item(), val_loss.item(), val_accuracy.item()))
    print(f"epoch {epoch + 1}: training loss {train_loss:.4f}, validation loss {val_loss:.4f}, validation accuracy {val_accuracy:.4f}")

# %% [markdown]
# From here on we import this loop as `fit`. It adds a progress bar, a choice of optimizers, a history of every epoch and the best weights. It is the same loop, and we can prove it: on a CPU every number and every weight is equal to the last bit. (A GPU may add up in another order, so there we allow for rounding.)

# %%
same_model = build_model("softmax", mnist.image_shape, mnist.num_classes, seed=config.seed)
history = fit(same_model, digits, config, device=device)
by_fit = list(zip(history["train_loss"], history["val_loss"], history["val_accuracy"]))
tolerance = 0.0 if device.type == "cpu" else 1e-4
furthest = torch.tensor(open_loop).sub(torch.tensor(by_fit)).abs().max().item()
check(furthest <= tolerance, "the open loop and `fit` have the same losses and accuracies")
check(torch.allclose(model.layers[1].weight, same_model.layers[1].weight, rtol=0, atol=tolerance), "and the same weights")

# %% [markdown]
# ## What the weights look like
#
# Every class has one weight per pixel, so its weights can be drawn as an image. We first train softmax regression properly, with the settings in `recipe`.

# %%
def trained(name, data, **changes):
    """Train a model by its recipe; return it with its best weights, and the history."""
    config = recipe(name, "mnist" if data is mnist else "cifar10")
    config = replace(config, epochs=budget(full=config.epochs, fast=8), **changes)
    model = build_model(name, data.image_shape, data.num_classes)
    history = fit(model, data, config, device=device)
    history.load_best(model)
    return model, history


softmax_model, softmax_history = trained("softmax", mnist)
check(softmax_history.best_val_accuracy > budget(full=0.91, fast=0.8), "one weighted sum per class goes surprisingly far")

# %% mystnb={"image": {"alt": "Ten weight images, one a class: purple where ink speaks for the digit, orange where it speaks against it; a ring for 0, a stroke for 1."}}
templates = softmax_model.layers[1].weight.detach().cpu().reshape(10, 28, 28)
limit = templates.abs().quantile(0.995).item()
figure, axes = plt.subplots(2, 5, figsize=(7.5, 3.3))
for name, template, axis in zip(mnist.classes, templates, axes.flat):
    axis.imshow(template, cmap="PuOr", vmin=-limit, vmax=limit)
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %% [markdown]
# Purple: ink here speaks *for* the class. Orange: ink here speaks *against* it. The class 0 dislikes ink in the middle. A template is all that a linear model has, one for each class: a 7 with a bar and a 7 without have to share it.
#
# ## A network with hidden layers
#
# Put layers in between, and a **ReLU** after each: $\max(0, z)$. Without it, several linear layers would collapse into one. Ours has the widths 120 and 84, as the last layers of LeNet-5 had.

# %%
network = build_model("linear", mnist.image_shape, mnist.num_classes)
print(network.layers)
for name, data in (("MNIST", mnist), ("CIFAR-10", cifar10)):
    parameters = count_parameters(build_model("linear", data.image_shape, data.num_classes))
    print(f"{name} shapes: {parameters:,} parameters")

# %% mystnb={"image": {"alt": "The network drawn as columns of dots: 784 inputs, 120 and 84 hidden values, ten logits; every dot is joined to all dots of the next column."}}
figure, axis = plt.subplots(figsize=(7, 3))
widths = (784, 120, 84, 10)
shown = (12, 9, 7, 5)
for layer, (width, count) in enumerate(zip(widths, shown)):
    heights = torch.linspace(-1, 1, count)
    if layer:
        for a in torch.linspace(-1, 1, shown[layer - 1]):
            axis.plot([[layer - 1] * count, [layer] * count], [[a] * count, heights.tolist()], color="0.8", linewidth=0.5, zorder=1)
    axis.scatter([layer] * count, heights, s=60, color=COLOURS[0 if layer in (0, 3) else 1], zorder=2)
    axis.text(layer, -1.35, f"{width}", ha="center")
for layer, text in enumerate(("pixels", "hidden + ReLU", "hidden + ReLU", "logits")):
    axis.text(layer, 1.2, text, ha="center")
axis.set_ylim(-1.5, 1.45)
axis.axis("off")
plt.show()

# %%
models, histories = {}, {}
for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    models[name], histories[name] = trained("linear", data)
    print(f"{data.classes[0]} … {data.classes[-1]}: best validation accuracy {100 * histories[name].best_val_accuracy:.2f} %")

# %% mystnb={"image": {"alt": "Loss and validation accuracy by epoch: on the digits accuracy is soon near its top, on the colour images it stays much lower."}}
plot_histories({mnist.title: histories["mnist"], cifar10.title: histories["cifar10"]}, title="linear network 120-84-10")
plt.show()

# %% [markdown]
# Dashed lines are the training loss, with augmentation: shifted (and, for photographs, mirrored) images are harder than plain ones. That is why the training loss can lie *above* the validation loss.
#
# Choices are made; now the test split, once:

# %%
closing = []
for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    test = evaluate(models[name], data.batches("test", 500))
    run, parameters = histories[name], count_parameters(models[name])
    record(f"linear.{name}", test_accuracy=test.accuracy, seconds=run.seconds, parameters=parameters, val_accuracy=run.best_val_accuracy)
    closing.append({"data": name, "model": "120-84-10", "parameters": parameters, "seconds": run.seconds,
                    "val_accuracy": 100 * run.best_val_accuracy, "test_accuracy": 100 * test.accuracy})
print(pd.DataFrame(closing).to_string(index=False, float_format="%.2f"))
check(closing[0]["test_accuracy"] >= budget(full=97.5, fast=80), "the digits: the goal is reached")
check(closing[1]["test_accuracy"] >= budget(full=52, fast=25), "the photographs: the goal is reached")

# %% mystnb={"image": {"alt": "Confusion matrix of the linear network on the colour images: a weak diagonal, and many mistakes among the animals and among the vehicles."}}
logits, labels = predict_logits(models["cifar10"], cifar10.batches("test", 500))
plot_confusion(labels, logits.argmax(dim=1), cifar10.classes, title=f"linear network, {cifar10.title}")
plt.show()

# %%
logits, labels = predict_logits(models["mnist"], mnist.batches("test", 500))
sums = logits.softmax(dim=1).sum(dim=1)
check(torch.allclose(sums, torch.ones(len(sums)), atol=1e-5), "softmax outputs add up to 1 for every test image")

# %% [markdown]
# ## What went wrong, and why
#
# **ReLU on the logits.** It looks harmless: "there is a ReLU after every layer". But the loss wants to push wrong classes *below* zero, and ReLU does not let it. Worse, a class whose logit is negative gets gradient zero. It can never recover. **Forgotten `zero_grad`**: gradients of all earlier steps add up, so the steps point into the past. Let us do both on purpose.

# %%
def train_with_mistake(mistake, epochs=4):
    model = build_model("linear", mnist.image_shape, mnist.num_classes, seed=3).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    batches = digits.batches("train", 64, shuffle=True)
    losses = []
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        for images, labels in batches:
            logits = model(images)
            if mistake == "ReLU on logits":
                logits = logits.relu()
            loss = F.cross_entropy(logits, labels)
            if mistake != "no zero_grad":
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return torch.tensor(losses)


mistakes = {name: train_with_mistake(name) for name in ("none", "ReLU on logits", "no zero_grad")}
ends = {name: losses[-20:].nan_to_num(100.0).mean().item() for name, losses in mistakes.items()}
check(ends["ReLU on logits"] > ends["none"], "ReLU on the logits makes the loss worse")
check(ends["no zero_grad"] > ends["none"], "so does a forgotten zero_grad")

# %% mystnb={"image": {"alt": "Training loss by step of a correct loop and two wrong ones: the correct one falls lowest, ReLU on logits stays above it, without zero_grad the loss jumps wildly."}}
figure, axis = plt.subplots(figsize=(7, 3))
for (name, losses), style in zip(mistakes.items(), ("-", "--", ":")):
    window = 15
    smooth = losses.nan_to_num(10.0).clamp(max=10).unfold(0, window, 1).mean(dim=1)
    axis.plot(smooth, style, label="correct" if name == "none" else name)
axis.set(xlabel="step", ylabel="training loss (nats)", ylim=(0, 5))
axis.legend()
plt.show()

# %% [markdown]
# How to see it: a loss that stops at a value with a meaning (2.3 is "undecided") or a loss that jumps is a mistake in the loop until proven otherwise.
#
# ### Try it yourself
#
# 1. Change one pixel of a digit and find out how much each logit changes. Which weight tells you?
# 2. Train softmax regression on CIFAR-10 and draw its templates. What does the template of the ship show?
# 3. Remove the ReLUs from the network. Does it beat softmax regression now?
#
# ## Takeaways
#
# - Softmax turns logits into probabilities; cross-entropy turns these into one number to make small.
# - The loop: forward, loss, `zero_grad`, `backward`, `step`; then validation without gradients.
# - A linear model has one template per class. For centred digits that is nearly enough, for photographs it is not.
# - The test split is used once, after all choices.
#
# ## Next
#
# In chapter 3 the model learns that pixels have neighbours.
