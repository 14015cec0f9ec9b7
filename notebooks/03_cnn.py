# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Convolutional networks
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/03_cnn.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/03_cnn.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/03_cnn.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this chapter you can
#
# - compute a convolution by hand and check it against PyTorch,
# - say what pooling keeps and what it throws away,
# - count the parameters of a convolution and of a linear layer and explain the difference,
# - train CNNs of three sizes and compare them fairly,
# - find out what a trained network still gets wrong.
#
# **Before you start**: chapter 2, above all its training loop. Here we import that loop as `fit`.
#
# **Time**: read about 30 minutes; the full run takes <!-- result:chapters.03.full_seconds|minutes -->20 minutes<!-- /result --> on two CPU cores.
#
# **The question**: the linear model treats an image as a list of numbers and forgets which pixels are neighbours. What do we gain if we do not forget?

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
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.patches import Rectangle
from torch.nn import functional as F

from helpers.checks import check
from helpers.data import load
from helpers.models import CNN_BLOCKS, build_model, count_parameters
from helpers.plots import (
    COLOURS,
    plot_confusion,
    plot_histories,
    plot_mistakes,
    show_images,
    use_style,
)
from helpers.profiles import budget
from helpers.results import record
from helpers.training import TrainingConfig, best_device, evaluate, fit, predict_logits, recipe

use_style()
device = best_device()

# %%
mnist, cifar10 = load("mnist"), load("cifar10")
print("image shapes:", mnist.image_shape, cifar10.image_shape)

# %% [markdown]
# ## A convolution by hand
#
# A **kernel** is a small grid of numbers, here 3 × 3. Lay it on the top left corner of the image. Multiply each kernel number by the pixel under it and add up the nine products: that sum is one pixel of the output. Move the kernel one pixel to the right and do it again, until the whole image is covered.
#
# As a formula, for an image $x$, a kernel $k$ and the output $y$:
#
# $$y_{i,j} = \sum_{a=0}^{2}\sum_{b=0}^{2} k_{a,b}\; x_{i+a,\,j+b}$$
#
# And as code, with nothing hidden:

# %%
def convolve(image, kernel):
    """Slide `kernel` over a grey image (H x W); both are float tensors."""
    size = kernel.shape[0]
    rows, columns = image.shape[0] - size + 1, image.shape[1] - size + 1
    output = torch.zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            output[i, j] = (kernel * image[i : i + size, j : j + size]).sum()
    return output


digit = mnist.train.images[0, 0].float() / 255
vertical_edges = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
by_hand = convolve(digit, vertical_edges)
print("image", tuple(digit.shape), "-> output", tuple(by_hand.shape))

# %% [markdown]
# The output is two pixels smaller each way, because the kernel has to stay inside the image. PyTorch's `conv2d` does the same for many images, many input channels and many kernels at once, so it wants two more dimensions.

# %%
by_pytorch = F.conv2d(digit[None, None], vertical_edges[None, None])[0, 0]
check(torch.allclose(by_hand, by_pytorch, atol=1e-5), "our loops and F.conv2d agree")

# %% [markdown]
# **Think first**: the kernel has negative numbers on the left and positive ones on the right. Where will the output be large, where negative, where zero?

# %% mystnb={"image": {"alt": "A digit and three filtered copies: one shows its vertical edges, one its horizontal edges, one is blurred."}}
kernels = {
    "vertical edges": vertical_edges,
    "horizontal edges": vertical_edges.T,
    "blur": torch.full((3, 3), 1 / 9),
}
figure, axes = plt.subplots(1, 4, figsize=(8, 2.4))
axes[0].imshow(digit)
axes[0].set_title("the image")
for axis, (name, kernel) in zip(axes[1:], kernels.items()):
    axis.imshow(convolve(digit, kernel), cmap="gray" if name == "blur" else "PuOr")
    axis.set_title(name)
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# The first kernel answers "is it darker on the left than on the right?" at every place. That is the central idea: **a kernel is a question, asked everywhere in the image.** In a CNN nobody writes the kernels. They are weights, and training finds them.
#
# ## Padding and pooling
#
# With `padding=1` the image gets a frame of zeros, and the output keeps its size. **Max-pooling** then shrinks it on purpose: of every 2 × 2 square it keeps the largest number. "Is there an edge here?" becomes "is there an edge somewhere around here?". A quarter of the numbers is left, and a shift by one pixel changes little.

# %%
small = torch.tensor([[1.0, 3.0, 0.0, 2.0], [4.0, 2.0, 1.0, 1.0], [0.0, 0.0, 5.0, 6.0], [1.0, 2.0, 7.0, 8.0]])
pooled = F.max_pool2d(small[None, None], 2)[0, 0]
print(pooled)
check(torch.equal(pooled, torch.tensor([[4.0, 2.0], [2.0, 8.0]])), "max-pooling keeps the largest of each square")

# %% [markdown]
# ## Why so few parameters
#
# A convolution uses the same nine numbers everywhere. Count it: a layer with 64 kernels over 32 channels of 16 × 16 pixels, against a linear layer between the same numbers of values.

# %%
convolution = 64 * 32 * 3 * 3
linear = (64 * 16 * 16) * (32 * 16 * 16)
print(f"convolution: {convolution:,} weights")
print(f"linear layer: {linear:,} weights")
layer = torch.nn.Conv2d(32, 64, kernel_size=3, padding=1, bias=False)
check(count_parameters(layer) == convolution, "PyTorch counts as we do")

# %% [markdown]
# ## The networks
#
# Our three CNNs differ in the number of convolutions: 2, 4 and 6. Each convolution is followed by **batch normalisation**, which brings every channel to mean 0 and standard deviation 1 within the batch, and by ReLU. A max-pool ends each block. At the end the largest value of each feature map is kept, and one linear layer turns these into ten logits.

# %%
for size, blocks in CNN_BLOCKS.items():
    print(f"{size:7s} channels of the convolutions, block by block: {blocks}")

# %% [markdown]
# Here is the way of one batch through the large network:

# %%
network = build_model("cnn", cifar10.image_shape, cifar10.num_classes, "large")
stages = [("input", cifar10.image_shape)]
values = torch.zeros(2, *cifar10.image_shape)
for module in [*network.features, *network.head]:
    values = module(values)
    kind = type(module).__name__
    if kind in ("Conv2d", "MaxPool2d", "AdaptiveMaxPool2d", "Linear"):
        stages.append((kind, tuple(values.shape[1:])))
for kind, shape in stages:
    print(f"{kind:18s} {shape}")

# %% mystnb={"image": {"alt": "The large CNN as a row of boxes: the image on the left, then feature maps that become smaller and more numerous, and ten logits on the right."}}
figure, axis = plt.subplots(figsize=(8, 3))
position = 0.0
for kind, shape in stages:
    channels, side = shape[0], shape[1] if len(shape) == 3 else 1
    width, height = 0.25 + channels / 170, 0.25 + side / 10
    colour = COLOURS[{"input": 5, "Conv2d": 0, "Linear": 2}.get(kind, 1)]
    axis.add_patch(Rectangle((position, -height / 2), width, height, color=colour, alpha=0.85))
    label = f"{channels}×{side}×{side}" if len(shape) == 3 else f"{channels}"
    axis.text(position + width / 2, -height / 2 - 0.15, label, ha="center", va="top", fontsize=8, rotation=60)
    position += width + 0.25
for number, (name, colour) in enumerate({"input": 5, "convolution": 0, "pooling": 1, "linear": 2}.items()):
    axis.text(number * 3.2 + 0.5, 2.1, name, color="white", backgroundcolor=COLOURS[colour], fontsize=9)
axis.set(xlim=(-0.2, position), ylim=(-3.2, 2.6))
axis.axis("off")
plt.show()

# %% [markdown]
# The maps get smaller (32 → 16 → 8 → 4 → 2 pixels a side) while their number grows. Early layers know *where*, late layers know *what*.
#
# ## Feature maps of a trained network
#
# We train the small CNN for a few epochs on a part of the digits and look at what its first layer makes of one image.

# %%
digits = mnist.subset(budget(full=10_000, fast=2_000))
first_look = TrainingConfig(epochs=3, batch_size=64, lr=2e-3)
small_cnn = build_model("cnn", mnist.image_shape, mnist.num_classes, "small")
history = fit(small_cnn, digits, first_look, device=device)
print(history.to_frame()[["train_loss", "val_loss", "val_accuracy"]].round(4).to_string(index=False))

# %% mystnb={"image": {"alt": "Sixteen feature maps of one digit; some light up along its left edges, some along its lower edges, some inside the stroke."}}
with torch.no_grad():
    image = mnist.normalise(mnist.val.images[:1]).to(device)
    maps = small_cnn.eval().features[:3](image)[0, :16].cpu()
show_images((maps / maps.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6))[:, None], columns=8, title="after the first convolution and ReLU")
plt.show()

# %% [markdown]
# Each map is one learned question. Some have become edge finders, much like the kernels we wrote by hand. No one told them to.
#
# ## Small, middle, large: a fair comparison
#
# Same images, same number of epochs, same optimizer, same learning rate; each size with several seeds. We choose by the **validation** split. These runs are short, so look at the order, not at the height.

# %%
part = cifar10.subset(budget(full=6_000, fast=1_500))
short = TrainingConfig(
    epochs=budget(full=4, fast=2), batch_size=64, lr=2e-3, scheduler="onecycle", augment=False
)
seeds = budget(full=(0, 1, 2), fast=(0,))
runs = []
for size in CNN_BLOCKS:
    for seed in seeds:
        model = build_model("cnn", part.image_shape, part.num_classes, size, seed)
        run = fit(model, part, replace(short, seed=seed), device=device, progress=False)
        runs.append({"size": size, "parameters": count_parameters(model), "seconds": run.seconds,
                     "accuracy": 100 * run.best_val_accuracy})
comparison = pd.DataFrame(runs).groupby("size", sort=False).agg(
    parameters=("parameters", "first"), seconds=("seconds", "mean"),
    val_accuracy=("accuracy", "mean"), std=("accuracy", lambda values: values.std(ddof=0)),
)
print(comparison.round(2).astype({"parameters": int}).to_string(float_format="%.2f"))

# %% mystnb={"image": {"alt": "Validation accuracy against seconds of training for the three sizes, with error bars; more convolutions reach more."}}
figure, axis = plt.subplots(figsize=(6, 3.4))
for (size, row), colour, marker in zip(comparison.iterrows(), COLOURS, "osD"):
    axis.errorbar(row["seconds"], row["val_accuracy"], row["std"], fmt=marker, color=colour, markersize=9, capsize=4, label=size)
axis.set(xlabel="seconds of training", ylabel="validation accuracy (%)", title=cifar10.title)
axis.legend()
plt.show()

# %%
check(
    comparison.loc["middle", "val_accuracy"] > comparison.loc["small", "val_accuracy"] - budget(full=0, fast=15),
    "four convolutions reach at least what two reach",
)

# %% [markdown]
# The seconds are what this machine needed. They depend on how well each shape of layer suits the processor, so they need not follow the number of layers.
#
# ## Augmentation
#
# Training images are shifted by a few pixels and, for photographs, mirrored at random. The network never sees exactly the same image twice. It learns the training images less well and new images better, but only if it trains long enough to need it.

# %%
longer = replace(short, epochs=budget(full=10, fast=2), precision="auto")
histories = {}
for name, augmented in (("without augmentation", False), ("with augmentation", True)):
    model = build_model("cnn", part.image_shape, part.num_classes, "middle")
    histories[name] = fit(model, part, replace(longer, augment=augmented), device=device, progress=False)
gaps = {name: run["val_loss"][-1] - run["train_loss"][-1] for name, run in histories.items()}
for name, gap in gaps.items():
    print(f"{name:22s} validation loss minus training loss: {gap:.3f}")
check(gaps["with augmentation"] < gaps["without augmentation"], "augmentation narrows the gap")

# %% mystnb={"image": {"alt": "Loss and validation accuracy per epoch with and without augmentation; without it the training loss falls further below the validation loss."}}
plot_histories(histories, title=f"middle CNN, part of {cifar10.title}")
plt.show()

# %% [markdown]
# ## The large CNN on both data sets
#
# Now the real training. The settings come from `recipe`: SGD with Nesterov momentum, a learning rate that rises and falls once (*one cycle*), weight decay, label smoothing, augmentation. They were chosen on the validation split. `precision="auto"` measures on the spot whether this machine multiplies faster in bfloat16, a shorter number format, and uses it only then.

# %%
def final_recipe(name):
    config = replace(recipe("cnn", name, "large"), precision="auto")
    return budget(full=config, fast=replace(config, epochs=3, batch_size=64, lr=0.05))


final_models, final_histories = {}, {}
for data in (mnist, cifar10):
    name = "mnist" if data is mnist else "cifar10"
    model = build_model("cnn", data.image_shape, data.num_classes, "large")
    final_histories[name] = fit(model, data, final_recipe(name), device=device)
    final_histories[name].load_best(model)
    final_models[name] = model
    print(f"{name}: best validation accuracy {100 * final_histories[name].best_val_accuracy:.2f} %")

# %% mystnb={"image": {"alt": "Loss and validation accuracy of the large CNN per epoch on both data sets; MNIST is near the top from the start, CIFAR-10 climbs slowly."}}
plot_histories({"MNIST": final_histories["mnist"], cifar10.title: final_histories["cifar10"]}, title="large CNN")
plt.show()

# %% [markdown]
# All choices are made. Now, once, the test split:

# %%
closing = []
for data, name in ((mnist, "mnist"), (cifar10, "cifar10")):
    run = final_histories[name]
    test = evaluate(final_models[name], data.batches("test", 500), run.precision)
    record(f"cnn_large.{name}", test_accuracy=test.accuracy, seconds=run.seconds,
           parameters=count_parameters(final_models[name]), val_accuracy=run.best_val_accuracy)
    closing.append({"data": name, "model": "CNN, large", "parameters": count_parameters(final_models[name]),
                    "seconds": run.seconds, "val_accuracy": 100 * run.best_val_accuracy, "test_accuracy": 100 * test.accuracy})
print(pd.DataFrame(closing).to_string(index=False, float_format="%.2f"))
check(closing[0]["test_accuracy"] >= budget(full=99.3, fast=85), "the digits: the goal of this chapter is reached")
check(closing[1]["test_accuracy"] >= budget(full=85, fast=30), "the photographs: the goal of this chapter is reached")

# %% [markdown]
# ## What it still gets wrong
#
# The wrong answers of which the network was most certain, and where each class goes:

# %% mystnb={"image": {"alt": "Twelve test images with the wrong class that the network chose, its certainty, and the true class."}}
logits, labels = predict_logits(final_models["cifar10"], cifar10.batches("test", 500))
plot_mistakes(cifar10.test.images, labels, logits.softmax(dim=1), cifar10.classes)
plt.show()

# %% mystnb={"image": {"alt": "Confusion matrix of the large CNN on the colour images; most of each row lies on the diagonal, the largest mistakes are between similar animals."}}
plot_confusion(labels, logits.argmax(dim=1), cifar10.classes, title=cifar10.title)
plt.show()

# %% [markdown]
# Read a row: all images of one true class. On the photographs, cats and dogs change places more than any other pair, as they would for you at 32 × 32 pixels.
#
# ## What went wrong, and why
#
# **Forgetting `model.eval()`.** Batch normalisation uses the mean of the *batch* in training mode and stored means in evaluation mode. Leave training mode on, and what the network says about one image depends on which other images are in the batch. Let us do it on purpose, with a batch of one class only:

# %%
network = final_models["cifar10"]
one_class = cifar10.val[cifar10.val.labels == 3]
images = cifar10.normalise(one_class.images[:100]).to(device)
targets = one_class.labels[:100].to(device)
stored = {key: value.clone() for key, value in network.state_dict().items()}
accuracy = {}
with torch.no_grad():
    for mode in (True, False):
        network.train(mode)
        accuracy[mode] = (network(images).argmax(dim=1) == targets).float().mean().item()
print(f"in training mode {accuracy[True]:.3f}, in evaluation mode {accuracy[False]:.3f}")
check(accuracy[True] != accuracy[False], "the mode changes the answer")

# %% [markdown]
# It is worse than a wrong number: the pass in training mode also changed the stored means. How to see it: evaluate twice with two batch sizes. The numbers must not differ.

# %%
changed = not torch.equal(stored["features.1.running_mean"], network.state_dict()["features.1.running_mean"])
network.load_state_dict(stored)
check(changed, "a pass in training mode had moved the stored means")
by_small, by_large = (evaluate(network, cifar10.batches("val", size)).accuracy for size in (50, 400))
check(abs(by_small - by_large) < 1e-6, "in evaluation mode the batch size does not matter")

# %% [markdown]
# ## Which one should I choose?
#
# - **Digits, or a device without much power**: the small CNN. It trains in seconds and beats the linear model.
# - **Photographs, a few minutes of time**: the middle one first, to see that everything works; then the large one.
# - **More accuracy**: more epochs before more layers. Look at the gap between training and validation loss: while there is none, the network is not yet using what it has.
#
# ### Try it yourself
#
# 1. Write a kernel that finds diagonal edges and show its output.
# 2. Set `padding=0` in a copy of the small CNN. Which shapes change?
# 3. Train the middle CNN without batch normalisation. What happens to the learning rate that works?
#
# ## Takeaways
#
# - A convolution asks one question everywhere, with the same few weights.
# - Pooling gives up position for robustness and speed.
# - Batch normalisation has two modes; evaluation needs `model.eval()`.
# - Sizes are compared with equal budgets and several seeds, on the validation split.
#
# ## Next
#
# We took the optimizer and its learning rate on trust. Chapter 4 compares optimizers, fairly.
