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
# - compute a convolution by hand, with stride and padding, and check it against PyTorch,
# - count the parameters of a CNN and say why they are so few,
# - show that a shifted image gives a shifted feature map, and what pooling makes of that,
# - compute a receptive field and verify it with gradients,
# - run an ablation with equal budgets and several seeds, and read its error bars,
# - find out which part of an image a trained network looks at,
# - recognise three failures: the wrong mode, the wrong number of inputs, a test split peeked at.
#
# **Before you start**: chapter 2, above all its training loop. Here we import that loop as `fit`. You should know what logits, softmax and cross-entropy are.
#
# **Time**: read about 60 minutes; the full run takes <!-- result:chapters.03.full_seconds|minutes -->17 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.03.fast_seconds|seconds -->50 s<!-- /result -->.
#
# **The question**: the linear model treats an image as a list of numbers and forgets which pixels are neighbours. What do we gain if we do not forget?

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
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.patches import Rectangle
from torch import nn
from torch.nn import functional as F

from helpers.data import augment, load
from helpers.exercises import grade
from helpers.models import CNN_BLOCKS, build_model, count_parameters, output_shapes
from helpers.notebook import budget, confirm, explore, record
from helpers.plots import (
    COLOURS,
    MARKERS,
    draw_image,
    plot_architecture,
    plot_confusion,
    plot_histories,
    plot_mistakes,
    show_images,
    use_style,
)
from helpers.recipes import TrainingConfig, recipe
from helpers.training import best_device, evaluate, fit, predict_logits

use_style()
device = best_device()

# %%
mnist, cifar10 = load("mnist"), load("cifar10")
print("image shapes:", mnist.image_shape, cifar10.image_shape)

# %% [markdown]
# ## A convolution by hand
#
# A **[kernel](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#kernel)** is a small grid of numbers, here 3 × 3. Lay it on the top left corner of the image. Multiply each kernel number by the pixel under it and add up the nine products: that sum is one pixel of the output. Move the kernel one pixel to the right and do it again, until the whole image is covered. This is a **[convolution](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#convolution)**, and its output is called a **[feature map](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#feature-map)**.

# %% mystnb={"image": {"alt": "Three grids of numbers: an image of 5 by 5 pixels with its top left 3 by 3 corner framed, a kernel, and an output of 3 by 3 in which only the first number, 4, is filled in."}}
tiny = torch.tensor(
    [
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
    ]
).float()
vertical_edges = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
first = (vertical_edges * tiny[:3, :3]).sum()
output = torch.full((3, 3), torch.nan)
output[0, 0] = first

figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.5), width_ratios=[5, 3, 3])
panels = {"image": (tiny, 3), "kernel": (vertical_edges, 3), "output": (output, 1)}
for axis, (name, (numbers, framed)) in zip(axes, panels.items()):
    axis.imshow(numbers.nan_to_num(0), cmap="PuOr", vmin=-8, vmax=8)
    for row in range(len(numbers)):
        for column in range(len(numbers)):
            value = numbers[row, column]
            text = "?" if value.isnan() else f"{value:.0f}"
            axis.text(column, row, text, ha="center", va="center")
    frame = Rectangle((-0.5, -0.5), framed, framed, fill=False, linewidth=3)
    axis.add_patch(frame)
    axis.set_title(name)
    axis.set_axis_off()
plt.show()

# %% [markdown]
# Only the 1s in the right column of the frame count: $1·1 + 1·2 + 1·1 = 4$.
#
# **Think first**: which number belongs to the right of the 4? And where in the output do you expect a negative number?
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


print(convolve(tiny, vertical_edges).int().tolist())

# %%
digit = mnist.train.images[0, 0].float() / 255
by_hand = convolve(digit, vertical_edges)
print("image", tuple(digit.shape), "-> output", tuple(by_hand.shape))

# %% [markdown]
# The output is two pixels smaller each way, because the kernel has to stay inside the image. PyTorch's `conv2d` does the same for many images, many input channels and many kernels at once, so it wants two more dimensions.

# %%
by_pytorch = F.conv2d(digit[None, None], vertical_edges[None, None])[0, 0]
confirm(torch.allclose(by_hand, by_pytorch, atol=1e-5), "our loops and F.conv2d agree")

# %% [markdown]
# (In mathematics the kernel of a convolution is turned upside down first. Networks learn their kernels, so nobody bothers.)
#
# **Think first**: the kernel has negative numbers on the left and positive ones on the right. Where will the output be large, where negative, where zero?

# %% mystnb={"image": {"alt": "A digit and three filtered copies: one shows its vertical edges, one its horizontal edges, one is blurred."}}
kernels = {
    "vertical edges": vertical_edges,
    "horizontal edges": vertical_edges.T,
    "blur": torch.full((3, 3), 1 / 9),
}
figure, axes = plt.subplots(1, 4, figsize=(6.4, 2))
axes[0].imshow(digit)
axes[0].set_title("the image", fontsize=9)
for axis, (name, kernel) in zip(axes[1:], kernels.items()):
    axis.imshow(convolve(digit, kernel), cmap="gray" if name == "blur" else "PuOr")
    axis.set_title(name, fontsize=9)
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# The first kernel answers "is it darker on the left than on the right?" at every place. Purple means yes, orange means the opposite, white means no difference. That is the central idea: **a kernel is a question, asked everywhere in the image.** In a [CNN](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cnn) nobody writes the kernels. They are weights, and training finds them.
#
# Mix the two edge kernels, and the question turns. If you run this notebook, choose the angle yourself. On a page without a running program you see four of them.


# %% mystnb={"image": {"alt": "The digit filtered by an edge kernel that is turned by 0, 45, 90 and 135 degrees: at each angle other parts of its outline light up."}}
def draw_edges(axis, angle):
    turn = torch.deg2rad(torch.tensor(float(angle)))
    kernel = turn.cos() * vertical_edges + turn.sin() * vertical_edges.T
    axis.imshow(convolve(digit, kernel), cmap="PuOr", vmin=-4, vmax=4)
    axis.axis("off")


picture = explore(draw_edges, range(0, 181, 15), "angle (°)", shown=(0, 45, 90, 135))
plt.close("all")  # the last line shows it, once is enough
picture

# %% [markdown]
# ## Colours, and many kernels
#
# A colour image has three channels. A kernel then has three slices, one for each channel. Each slice is slid over its own channel, and the three results are added up, with a bias. One kernel gives one feature map, however many channels go in. A layer with 64 kernels gives 64 maps, and these are the channels of the next layer:
#
# $$y_{o,i,j} = b_o + \sum_{c}\sum_{a,b} k_{o,c,a,b}\; x_{c,\,i+a,\,j+b}$$

# %%
colour = cifar10.train.images[0].float() / 255
kernel = torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(0))
slices = [convolve(channel, part) for channel, part in zip(colour, kernel)]
together = F.conv2d(colour[None], kernel[None])[0, 0]
confirm(torch.allclose(sum(slices), together, atol=1e-4), "a kernel adds up its slices")

# %% [markdown]
# ## Padding, stride and pooling
#
# Three settings decide how large the output is. **[Padding](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#padding)** $p$ puts a frame of zeros around the image. **[Stride](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#stride)** $s$ is the number of pixels that the kernel moves each time. With an image of $n$ pixels a side and a kernel of $k$, the output has a side of
#
# $$\left\lfloor\frac{n + 2p - k}{s}\right\rfloor + 1$$
#
# pixels. The half brackets mean "round down": a kernel that would stick out is left away.

# %%
rows = []
for k, stride, padding in ((3, 1, 0), (3, 1, 1), (3, 2, 1), (5, 1, 2), (5, 3, 0)):
    maps = F.conv2d(
        digit[None, None], torch.ones(1, 1, k, k), stride=stride, padding=padding
    )
    rows.append(
        {
            "kernel": k,
            "stride": stride,
            "padding": padding,
            "by formula": (28 + 2 * padding - k) // stride + 1,
            "by PyTorch": maps.shape[-1],
        }
    )
sizes = pd.DataFrame(rows)
print(sizes.to_string(index=False))
confirm((sizes["by formula"] == sizes["by PyTorch"]).all(), "the formula is PyTorch's")

# %% [markdown]
# A 3 × 3 kernel with `padding=1` keeps the size. All our networks use it.
#
# **[Max-pooling](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#pooling)** shrinks the maps on purpose: of every 2 × 2 square it keeps the largest number. "Is there an edge here?" becomes "is there an edge somewhere around here?". A quarter of the numbers is left, and a shift by one pixel changes little.

# %%
small = torch.tensor(
    [
        [1.0, 3.0, 0.0, 2.0],
        [4.0, 2.0, 1.0, 1.0],
        [0.0, 0.0, 5.0, 6.0],
        [1.0, 2.0, 7.0, 8.0],
    ]
)
pooled = F.max_pool2d(small[None, None], 2)[0, 0]
print(small)
print(pooled)
confirm(
    torch.equal(pooled, torch.tensor([[4.0, 2.0], [2.0, 8.0]])),
    "the largest of each square",
)

# %% [markdown]
# ## One kernel for all places
#
# A convolution uses the same few numbers everywhere. This is **[parameter sharing](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#parameter-sharing)**. Count what it saves: a layer with 64 kernels over 32 channels of 16 × 16 pixels, against a linear layer between the same numbers of values.
#
# **Think first**: guess how many times as many weights the linear layer has. Ten? A thousand?

# %%
convolution = 64 * 32 * 3 * 3
linear = (64 * 16 * 16) * (32 * 16 * 16)
print(f"convolution: {convolution:,} weights")
print(f"linear layer: {linear:,} weights")
layer = nn.Conv2d(32, 64, kernel_size=3, padding=1, bias=False)
confirm(count_parameters(layer) == convolution, "PyTorch counts as we do")
confirm(
    linear > 7000 * convolution,
    "the linear layer has over seven thousand times as many",
)

# %% [markdown]
# Sharing has a second consequence. The same question is asked everywhere, so a stroke that moves gives the same answer at its new place. **Shift the image, and the map shifts with it.** The word for that is *[equivariance](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#equivariance)*.

# %% mystnb={"image": {"alt": "A digit and its map of vertical edges; below, the digit moved down and to the right, and the same map moved by as much."}}
down, right = 2, 3
moved = torch.roll(digit, (down, right), dims=(0, 1))
maps = convolve(digit, vertical_edges), convolve(moved, vertical_edges)
figure, axes = plt.subplots(2, 2, figsize=(4.4, 4.4))
for row, (image, edges) in enumerate(zip((digit, moved), maps)):
    axes[row, 0].imshow(image)
    axes[row, 1].imshow(edges, cmap="PuOr", vmin=-4, vmax=4)
    axes[row, 0].set_ylabel("moved" if row else "as it was")
    for axis in axes[row]:
        axis.set(xticks=[], yticks=[])
axes[0, 0].set_title("image")
axes[0, 1].set_title("feature map")
plt.show()
same = torch.allclose(maps[1][down:, right:], maps[0][:-down, :-right], atol=1e-6)
confirm(same, "the map of the moved image is the moved map")

# %% [markdown]
# Now take the largest value of the whole map, wherever it stands. That number does not change at all when the image moves. The word for *that* is invariance. A CNN is built like this: equivariant layers first, one invariant step at the end.

# %%
confirm(torch.isclose(maps[0].max(), maps[1].max()),
        "the largest value of the map stays")

# %% [markdown]
# ## A first network
#
# Our small CNN has two rounds of *convolution, [batch normalisation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#batch-normalisation), ReLU, max-pooling*. **Batch normalisation** brings every channel to a mean of 0 and a standard deviation of 1 within the batch; more on it below. At the end the largest value of each feature map is kept. These 64 numbers are **[flattened](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#flattening)** into one list, and one linear layer turns them into ten logits.

# %%
small_cnn = build_model("cnn", mnist.image_shape, mnist.num_classes, "small")
for kind, shape in output_shapes(small_cnn, mnist.image_shape):
    print(f"{kind:18s} {shape}")

# %% [markdown]
# Let us count its parameters by hand: every kernel has 3 · 3 numbers for each channel that goes in. Batch normalisation learns two numbers a channel. Our convolutions have no bias, because batch normalisation would subtract it again.

# %%
by_hand = {
    "convolution 1 to 32": 32 * 1 * 3 * 3,
    "batch normalisation": 2 * 32,
    "convolution 32 to 64": 64 * 32 * 3 * 3,
    "batch normalisation, second": 2 * 64,
    "linear 64 to 10, with bias": 64 * 10 + 10,
}
for name, count in by_hand.items():
    print(f"{name:28s} {count:7,}")
total = sum(by_hand.values())
print(f"{'together':28s} {total:7,}")
confirm(total == count_parameters(small_cnn), "PyTorch finds the same number")

# %% [markdown]
# Now train it for a few epochs on a part of the digits.

# %%
digits = mnist.subset(budget(full=10_000, fast=2_000))
digits = replace(digits, val=mnist.val[:2000])
first_look = TrainingConfig(epochs=3, batch_size=64, lr=2e-3, precision="auto")
history = fit(small_cnn, digits, first_look, device=device)
columns = ["train_loss", "val_loss", "val_accuracy"]
print(history.to_frame()[columns].round(4).to_string(index=False))

# %% mystnb={"image": {"alt": "The way of one digit through the small CNN: the image, 32 maps of 28 by 28, pooled to 14 by 14, 64 maps, pooled to 7 by 7, a column of 64 numbers, and bars of ten probabilities."}}
names = {"ReLU": "maps", "MaxPool2d": "pooled", "Flatten": "flat"}
stages = [
    (names[kind], shape)
    for kind, shape in output_shapes(small_cnn, mnist.image_shape)
    if kind in names
]
image = mnist.val.images[:1]
with torch.no_grad():
    logits = small_cnn.eval()(mnist.normalise(image).to(device))
plot_architecture(stages, image[0], logits.softmax(dim=1)[0].cpu(), mnist.classes)
plt.show()

# %% [markdown]
# From left to right the maps get smaller and more numerous. Early layers know *where*, late layers know *what*. Here is what the first layer makes of that image:

# %% mystnb={"image": {"alt": "Sixteen feature maps of one digit; some light up along its left edges, some along its lower edges, some inside the stroke."}}
with torch.no_grad():
    maps = small_cnn.features[:3](mnist.normalise(image).to(device))[0, :16].cpu()
brightest = maps.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6)
show_images((maps / brightest)[:, None], title="after the first convolution and ReLU")
plt.show()

# %% [markdown]
# Each map is one learned question. Some have become edge finders, much like the kernels we wrote by hand. No one told them to.
#
# ## What do neighbours bring?
#
# Time to put the chapter's question to the test. We shuffle the pixels: one fixed random order, the same for all images. Nothing is lost, every number is still there. Only the neighbours are gone.


# %% mystnb={"image": {"alt": "Eight digits, and below them the same digits with shuffled pixels: grains of white without any shape."}}
def shuffled(data, order):
    """The same data with all pixels moved to other places, in every image alike."""

    def move(split):
        images = split.images.flatten(2)[:, :, order].view_as(split.images)
        return replace(split, images=images)

    return replace(data, train=move(data.train), val=move(data.val))


few = digits.subset(budget(full=5_000, fast=1_500))
order = torch.randperm(28 * 28, generator=torch.Generator().manual_seed(0))
worlds = {"in order": few, "shuffled": shuffled(few, order)}
show_images(torch.cat([data.train.images[:8] for data in worlds.values()]))
plt.show()

# %% [markdown]
# **Think first**: two networks learn from both versions, with equal budgets. One is the fully connected network of chapter 2, the other our small CNN. Which of the four accuracies will be lowest? Which two will be equal?

# %%
lesson = TrainingConfig(epochs=4, batch_size=64, lr=1e-2, scheduler="onecycle")
lesson = replace(lesson, precision=history.precision)
seeds = budget(full=(0, 1, 2), fast=(0,))
rows, in_order = [], {}
for name, label in (("linear", "fully connected"), ("cnn", "small CNN")):
    for world, data in worlds.items():
        for seed in seeds:
            model = build_model(name, data.image_shape, data.num_classes, "small", seed)
            run = fit(
                model, data, replace(lesson, seed=seed), device=device, progress=False
            )
            rows.append(
                {
                    "network": label,
                    "pixels": world,
                    "val_accuracy": 100 * run["val_accuracy"][-1],
                }
            )
            if world == "in order":
                in_order[label] = model
neighbours = pd.DataFrame(rows).groupby(["network", "pixels"], sort=False)[
    "val_accuracy"
]
neighbours = neighbours.agg(["mean", "std"])
print(neighbours.to_string(float_format="%.2f", na_rep="nan"))

# %%
mean = neighbours["mean"].unstack("pixels").loc[["fully connected", "small CNN"]]
by_shuffling = mean["in order"] - mean["shuffled"]
lead = mean.loc["small CNN"] - mean.loc["fully connected"]
confirm(
    abs(by_shuffling["fully connected"]) < budget(full=2, fast=10),
    "shuffling does not matter to the fully connected network",
)
confirm(by_shuffling["small CNN"] > budget(full=3, fast=0), "it costs the CNN accuracy")
confirm(lead["in order"] > budget(full=0.5, fast=-10), "in order the CNN leads")
confirm(lead["shuffled"] < budget(full=-1, fast=0), "shuffled, it is behind")

# %% [markdown]
# The fully connected network has never known neighbours, so it misses nothing. The CNN's advantage rests on the assumption that near pixels belong together. Where that is false, it is the worse model. (`std` is the sample standard deviation over the seeds.)
#
# A second test: networks that have only seen centred digits get digits that are moved to the side.

# %% mystnb={"image": {"alt": "Validation accuracy against the shift of the digits in pixels: the line of the fully connected network falls steeply, that of the small CNN stays nearly level."}}
shifts = range(5)
accuracy = {label: [] for label in in_order}
for label, model in in_order.items():
    for shift in shifts:
        images = torch.roll(few.val.images, shift, dims=3)
        moved = replace(few, val=replace(few.val, images=images))
        accuracy[label].append(
            100 * evaluate(model, moved.batches("val", 500)).accuracy
        )
figure, axis = plt.subplots(figsize=(5.4, 3.2))
for (label, values), colour, marker in zip(accuracy.items(), COLOURS, MARKERS):
    axis.plot(shifts, values, color=colour, marker=marker, label=label)
axis.set(
    xlabel="shift to the right (pixels)",
    ylabel="validation accuracy (%)",
    xticks=shifts,
    ylim=(0, 102),
)
axis.legend()
plt.show()
lost = {label: values[0] - values[-1] for label, values in accuracy.items()}
confirm(lost["small CNN"] < budget(full=6, fast=25), "a shift costs the CNN little")
confirm(lost["small CNN"] < lost["fully connected"], "and less than the other")

# %% [markdown]
# The fully connected network would have to learn every digit again at every place. The CNN learns it once. Its robustness is not perfect: pooling moves in steps of two pixels, and the border has zeros.
#
# ## The receptive field
#
# One value of the first map sees 3 × 3 pixels. One value of the second layer sees 3 × 3 values of the first, which together see 5 × 5 pixels. The pixels that can influence a value are its **[receptive field](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#receptive-field)**. Strides and pooling make it grow faster, because behind them neighbours are further apart. With kernel sizes $k_l$ and strides $s_l$:
#
# $$r_0 = 1, \qquad r_l = r_{l-1} + (k_l - 1)\prod_{m<l} s_m$$


# %%
def receptive_field(layers):
    """Pixels a side that one output value sees; `layers` are pairs (kernel, stride)."""
    size, step = 1, 1
    for kernel, stride in layers:
        size += (kernel - 1) * step  # neighbours are `step` pixels apart
        step *= stride  # behind this layer they are further apart
    return size


print("two 3 × 3 convolutions see", receptive_field([(3, 1), (3, 1)]), "pixels a side")

# %% [markdown]
# Is that true? Gradients can tell. We feed noise into the large CNN and ask for one value in the middle of a map: which pixels have a gradient that is not zero? These are the pixels that can influence it. We add up several noise images and all channels, because max-pooling hides most paths in any single one.


# %%
def influence(layers, side=64):
    """How strongly each pixel moves the middle of the last maps: a tensor H x W."""
    noise = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, side, side, generator=noise, dtype=torch.float64)
    images.requires_grad_()
    maps = layers(images)
    middle = maps.shape[-1] // 2
    maps[:, :, middle, middle].sum().backward()
    return images.grad.abs().sum(dim=(0, 1))


features = build_model("cnn", cifar10.image_shape, 10, "large").double().eval().features
rows, influences, layers = [], [], []
for position, module in enumerate(features):
    if isinstance(module, nn.Conv2d):
        layers.append((module.kernel_size[0], module.stride[0]))
        influences.append(influence(features[: position + 1]))
        touched = (influences[-1] > 0).any(dim=0).nonzero()
        rows.append(
            {
                "convolution": len(rows) + 1,
                "computed": receptive_field(layers),
                "by gradients": (touched.max() - touched.min() + 1).item(),
            }
        )
    elif isinstance(module, nn.MaxPool2d):
        layers.append((module.kernel_size, module.stride))
fields = pd.DataFrame(rows)
print(fields.to_string(index=False))
confirm(
    (fields["computed"] == fields["by gradients"]).all(),
    "both ways give the same sizes",
)

# %% mystnb={"image": {"alt": "Left, a colour image with five nested squares, the receptive fields of five convolutions, the last almost as large as the image. Right, gradients of one value of the fourth convolution: bright in the middle, fading towards the framed edge of the computed field."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.3))
draw_image(left, cifar10.train.images[7])
for number, side in enumerate(fields["computed"][:5]):
    corner = (15.5 - side / 2, 15.5 - side / 2)
    colour = COLOURS[number]
    left.add_patch(
        Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=2.5)
    )
    left.text(
        15.5,
        corner[1] + 0.3,
        side,
        ha="center",
        va="bottom",
        fontsize=9,
        color="white",
        bbox={"facecolor": "black", "pad": 1, "edgecolor": "none"},
    )
left.axis("off")
left.set_title("fields of convolutions 1 to 5")
field = influences[3]
rows, columns = (field > 0).any(dim=1).nonzero(), (field > 0).any(dim=0).nonzero()
right.imshow(field / field.max(), cmap="cividis")
corner = (columns.min() - 0.5, rows.min() - 0.5)
side = receptive_field(layers[:6])
right.add_patch(
    Rectangle(corner, side, side, fill=False, edgecolor="white", linewidth=2)
)
right.set(
    title="gradients, convolution 4",
    xlabel="column",
    ylabel="row",
    xlim=(10, 54),
    ylim=(54, 10),
)
plt.show()

# %% [markdown]
# Frame and gradients fit. But the pixels in the middle count far more than those at the edge, because more paths lead from them. The last convolution of the large CNN could see 50 pixels a side, more than the image has.
#
# ## Three networks
#
# Our three CNNs differ in the number of convolutions: 2, 4 and 6. A max-pool ends each block.

# %%
for size, blocks in CNN_BLOCKS.items():
    model = build_model("cnn", cifar10.image_shape, cifar10.num_classes, size)
    print(f"{size:7s} {count_parameters(model):8,} parameters, blocks {blocks}")

# %% [markdown]
# Here is the way of one colour image through the large network:

# %%
large = build_model("cnn", cifar10.image_shape, cifar10.num_classes, "large")
shown = ("Conv2d", "MaxPool2d", "AdaptiveMaxPool2d", "Linear")
for kind, shape in output_shapes(large, cifar10.image_shape):
    if kind in shown:
        print(f"{kind:18s} {shape}")

# %% [markdown]
# And batch normalisation? For every channel it takes the mean $\mu$ and the variance $\sigma^2$ over all images and places of the batch, and computes
#
# $$\hat{x} = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$$
#
# $\gamma$ and $\beta$ are learned, so the network can undo it where that helps. They start at 1 and 0, and $\varepsilon$ only keeps us from dividing by zero. The idea: no layer should have to cope with inputs that grow or shrink while the layers below it learn.

# %%
values = 5 * torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 2
mu, variance = values.mean(dim=(0, 2, 3)), values.var(dim=(0, 2, 3), correction=0)
by_hand = (values - mu[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
layer = nn.BatchNorm2d(3)
confirm(torch.allclose(layer(values), by_hand, atol=1e-5),
        "batch normalisation by hand")
confirm(
    torch.allclose(layer.running_mean, 0.1 * mu),
    "it has kept a tenth of the batch's mean",
)

# %% [markdown]
# That last line will matter. In [training mode](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#training-and-evaluation-mode) the layer also keeps *running means*, to have something to subtract when later only one image comes. Remember it until *What went wrong*.
#
# ## An ablation: which part does what?
#
# In an **[ablation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#ablation)** one changes one part at a time and keeps the rest. Here is a builder with one argument for each part:


# %%
def small_network(widths=(16, 32, 64), per_block=1, batch_norm=True, seed=0):
    """Blocks of 3 x 3 convolutions, each closed by a max-pool; then ten logits."""
    torch.manual_seed(seed)
    layers, channels = [], 3
    for width in widths:
        for _ in range(per_block):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


variants = {
    "base": {},
    "no batch norm": {"batch_norm": False},
    "augmentation": {},  # the base network, other images: see below
    "half the width": {"widths": (8, 16, 32)},
    "twice the width": {"widths": (32, 64, 128)},
    "two layers a block": {"per_block": 2},
    "one block less": {"widths": (16, 32)},
}

# %% [markdown]
# The rules of a fair comparison:
#
# - **Equal budgets**: the same images, the same number of epochs, the same optimizer.
# - **An equal search**: a learning rate that suits one variant may harm another. Each variant tries the same two, with seed 0, and keeps the better.
# - **Several seeds**: each variant runs with three seeds. We report mean and sample standard deviation. (Seed 0 counts again, which flatters all variants a little. A purist would take fresh seeds.)
# - **Validation only**: the test split stays closed.
#
# **Think first**: put the seven variants in order, best first. Which two are you least sure of?

# %%
part = cifar10.subset(budget(full=4_000, fast=500))
part = replace(part, val=cifar10.val[:2000])
short = TrainingConfig(
    epochs=budget(full=5, fast=2), batch_size=64, scheduler="onecycle", precision="auto"
)


def trial(name, lr, seed):
    """Train one variant; return the number of its parameters and its history."""
    model = small_network(**variants[name], seed=seed)
    config = replace(short, lr=lr, seed=seed, augment=name == "augmentation")
    run = fit(model, part, config, device=device, progress=False)
    return count_parameters(model), run


rows, curves = [], {}
for name in variants:
    by_rate = {lr: trial(name, lr, seed=0) for lr in (3e-3, 1e-2)}
    lr = max(by_rate, key=lambda lr: by_rate[lr][1]["val_accuracy"][-1])
    runs = [
        by_rate[lr],
        *(trial(name, lr, seed) for seed in budget(full=(1, 2), fast=())),
    ]
    curves[name] = runs[0][1]
    last = pd.Series([100 * run["val_accuracy"][-1] for _, run in runs])
    rows.append(
        {
            "variant": name,
            "parameters": runs[0][0],
            "lr": lr,
            "seconds": sum(run.seconds for _, run in runs) / len(runs),
            "val_accuracy": last.mean(),
            "std": last.std(),
        }
    )
ablation = pd.DataFrame(rows).set_index("variant")
print(ablation.to_string(float_format="%.3f", na_rep="nan"))

# %% mystnb={"image": {"alt": "Validation accuracy of the seven variants with error bars, one row each: two layers a block and twice the width stand furthest right, one block less furthest left, a dashed line marks the base."}}
figure, axis = plt.subplots(figsize=(6, 3.4))
for row, (name, numbers) in enumerate(ablation.iterrows()):
    axis.errorbar(
        numbers["val_accuracy"],
        row,
        xerr=numbers["std"],
        capsize=4,
        markersize=7,
        fmt=MARKERS[row],
        color=COLOURS[0 if name == "base" else 1],
    )
axis.axvline(
    ablation.loc["base", "val_accuracy"], color="0.5", linestyle="--", linewidth=1
)
axis.set_yticks(range(len(ablation)), ablation.index)
axis.invert_yaxis()
axis.set(xlabel="validation accuracy (%), mean ± sample std", title=part.title)
plt.show()

# %%
reached = ablation["val_accuracy"]
slack = budget(full=0, fast=25)
gains = reached["base"] - reached
confirm(gains["no batch norm"] > -slack, "batch normalisation helps")
confirm(gains["half the width"] > -slack, "half the width costs accuracy")
confirm(gains["one block less"] > -slack, "and so does a missing block")
confirm(gains["two layers a block"] < slack, "a second layer in each block helps")
ratio = ablation["parameters"] / ablation.loc["base", "parameters"]
confirm(3.5 < ratio["twice the width"] < 4,
        "twice the width: nearly four times as many")

# %% [markdown]
# Read it with care. The bars are the spread over three seeds: two variants whose bars overlap have not been told apart. Does that of *twice the width* reach down to the base? The budget is short, and with a longer one the order may change. And an equal number of epochs is not an equal effort: twice the width means nearly four times the parameters, and more work for every image.
#
# ## Augmentation
#
# **Augmentation** changes the training images a little at random: a shift by up to two pixels and, for photographs, a mirror image. The network never sees exactly the same image twice.

# %% mystnb={"image": {"alt": "One colour image and seven variants of it: shifted by a pixel or two, and some of them mirrored."}}
photo = cifar10.train.images[7]
generator = torch.Generator().manual_seed(0)
copies = augment(photo.expand(7, -1, -1, -1), cifar10.augmentation, generator)
title = "one image, and seven augmented copies"
show_images(torch.cat([photo[None], copies]), columns=4, title=title)
plt.show()

# %% [markdown]
# **Think first**: what will augmentation do to the training loss? And to the distance between training and validation loss?

# %% mystnb={"image": {"alt": "Loss and validation accuracy per epoch with and without augmentation; without it the training loss falls further below the validation loss."}}
plain_and_augmented = {"plain": curves["base"], "augmented": curves["augmentation"]}
plot_histories(plain_and_augmented, title=f"base network, part of {cifar10.title}")
plt.show()
gaps = {
    name: run["val_loss"][-1] - run["train_loss"][-1]
    for name, run in plain_and_augmented.items()
}
for name, gap in gaps.items():
    print(f"{name:10s} validation loss minus training loss: {gap:.3f}")
less = gaps["plain"] - gaps["augmented"]
confirm(less > -budget(full=0, fast=0.3), "augmentation narrows the gap")

# %% [markdown]
# With augmentation the network learns the training images less well. That is worth it when training is long enough to learn images by heart. Look back at the ablation: did it help there? In the long training below it is switched on.
#
# ## The large CNN on both data sets
#
# Now the real training. The settings come from `recipe`, and they were chosen on the validation split:
#
# - SGD with [Nesterov momentum](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#nesterov-momentum) and weight decay, and a learning rate that rises and falls once (*[one cycle](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#one-cycle)*). Chapter 4 explains them.
# - **[Label smoothing](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#label-smoothing)**: the target is not 100 % for the true class but a little less, with the rest spread over the others. That keeps the network from being too sure.
# - Augmentation, and `precision="auto"`: it measures whether this machine multiplies faster in [bfloat16](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#bfloat16), a shorter number format, and uses it only then.


# %%
def final_recipe(name):
    config = replace(recipe("cnn", name), precision="auto")
    epochs = {"mnist": 2, "cifar10": 3}[name]
    return budget(
        full=config, fast=replace(config, epochs=epochs, batch_size=64, lr=0.05)
    )


final_models, final_histories = {}, {}
for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    model = build_model("cnn", data.image_shape, data.num_classes, "large")
    run = fit(model, data, final_recipe(name), device=device)
    run.load_best(model)
    final_models[name], final_histories[name] = model, run
    print(f"{name}: best validation accuracy {100 * run.best_val_accuracy:.2f} %")

# %% mystnb={"image": {"alt": "Loss and validation accuracy of the large CNN per epoch on both data sets; MNIST is near the top from the start, CIFAR-10 climbs slowly."}}
both = {"MNIST": final_histories["mnist"], cifar10.title: final_histories["cifar10"]}
plot_histories(both, title="large CNN")
plt.show()

# %% [markdown]
# The training loss (dashed) stays high for two reasons: label smoothing, and images that are harder because they are augmented.
#
# ## What has it learned?
#
# First the kernels of the first layer. Each has 3 × 3 pixels and three channels, so it can be drawn as a tiny colour image.

# %% mystnb={"image": {"alt": "Thirty-two kernels of 3 by 3 pixels in colour: some are light on one side and dark on the other, some go from one colour to another, some have a light or dark middle."}}
network, run = final_models["cifar10"], final_histories["cifar10"]
filters = network.features[0].weight.detach().cpu()
low, high = (
    filters.amin(dim=(1, 2, 3), keepdim=True),
    filters.amax(dim=(1, 2, 3), keepdim=True),
)
show_images((filters - low) / (high - low), title="kernels of the first convolution")
plt.show()

# %% [markdown]
# Light beside dark is an edge, one colour beside another a colour edge. Nothing here knows what a ship is. That comes from combining, layer by layer.
#
# Next: where does the network look? We cover a part of the image with a grey square, slide the square over the image, and watch the probability of the true class. This is called **occlusion**. Where the probability falls, the network had used what is now hidden.
#
# **Think first**: for a car, which part would you cover to fool *yourself*?


# %%
def occlusion(image, label, square=8, step=2):
    """The probability of `label` with a grey square at each place: a small map."""
    side = image.shape[1]
    places = range(0, side - square + 1, step)
    covered = []
    for top in places:
        for left in places:
            copy = image.clone()
            copy[:, top : top + square, left : left + square] = 128
            covered.append(copy)
    with torch.no_grad():
        logits = network.eval()(cifar10.normalise(torch.stack(covered)).to(device))
    return logits.softmax(dim=1)[:, label].cpu().view(len(places), len(places))


logits, labels = predict_logits(network, cifar10.batches("val", 500), run.precision)
probabilities = logits.softmax(dim=1)
of_truth = probabilities[torch.arange(len(labels)), labels]
right = logits.argmax(dim=1) == labels
chosen = []  # per class the image that was right with a probability nearest to 0.8
for label in range(cifar10.num_classes):
    distance = (of_truth - 0.8).abs().where(right & (labels == label), torch.inf)
    if distance.min() < torch.inf:
        chosen.append(distance.argmin().item())
chosen = chosen[1:5]

# %% mystnb={"image": {"alt": "Four validation images and below each a heat map of the true class's probability: dark where covering the object takes the probability away, light where only background was covered."}}
figure, axes = plt.subplots(2, 4, figsize=(6.4, 3.4))
falls = []
for (above, below), index in zip(axes.T, chosen):
    image, label = cifar10.val.images[index], labels[index].item()
    heat = occlusion(image, label)
    falls.append((of_truth[index] - heat.min()).item())
    draw_image(above, image)
    above.set_title(cifar10.classes[label], fontsize=10)
    picture = below.imshow(heat, cmap="cividis", vmin=0, vmax=1, extent=(3, 29, 29, 3))
    below.set(xlim=(0, 32), ylim=(32, 0))
    above.axis("off")
    below.axis("off")
figure.colorbar(picture, ax=axes, shrink=0.6, label="probability")
plt.show()
confirm(min(falls) > 0, "for each image there is a place that costs probability")

# %% [markdown]
# The maps are places of the square's middle. Often the dark spot lies on the object, and often on one part of it. Sometimes it lies beside it: then the network has learned something about the background. Occlusion shows that too.
#
# ## What it still gets wrong
#
# Mistakes are studied on the validation split. Otherwise the next change of the network would be a change made for the test images. Here are the wrong answers of which it was most certain, and where each class goes:

# %% mystnb={"image": {"alt": "Twelve validation images with the wrong class that the network chose, its certainty, and the true class."}}
plot_mistakes(cifar10.val.images, labels, probabilities, cifar10.classes)
plt.show()

# %% mystnb={"image": {"alt": "Confusion matrix of the large CNN on the colour images; most of each row lies on the diagonal, the largest mistakes are between similar animals."}}
plot_confusion(labels, logits.argmax(dim=1), cifar10.classes, title=cifar10.title)
plt.show()

# %% [markdown]
# Read a row: all images of one true class. On the photographs, cats and dogs change places more than any other pair, as they would for you at 32 × 32 pixels.

# %%
counts = torch.bincount(labels * 10 + logits.argmax(dim=1), minlength=100).view(10, 10)
swapped = (counts + counts.T).triu(diagonal=1)
cats_and_dogs = swapped[3, 5]
confirm(
    cats_and_dogs >= budget(full=swapped.max(), fast=0),
    "cats and dogs lead the mistakes",
)

# %% [markdown]
# ## What went wrong, and why
#
# **Forgetting `model.eval()`.** Batch normalisation uses the mean of the *batch* in training mode and its running means in evaluation mode. Leave training mode on, and what the network says about one image depends on which other images are in the batch. Let us do it on purpose, with a batch of one class only.
#
# **Think first**: `torch.no_grad()` is there. Is that not enough?

# %%
one_class = cifar10.val[cifar10.val.labels == 3]
images = cifar10.normalise(one_class.images[:100]).to(device)
targets = one_class.labels[:100].to(device)
stored = {key: value.clone() for key, value in network.state_dict().items()}
answers = {}
with torch.no_grad():
    for mode in (True, False):
        network.train(mode)
        answers[mode] = network(images).argmax(dim=1)
for mode, name in ((True, "training"), (False, "evaluation")):
    accuracy = (answers[mode] == targets).float().mean().item()
    print(f"in {name} mode {accuracy:.3f} are right")
confirm((answers[True] != answers[False]).any(), "the mode changes answers")

# %% [markdown]
# `no_grad` only saves the gradients' memory and time. It is `eval()` that changes what layers do. And it is worse than a wrong number: the pass in training mode also moved the running means. How to see it: evaluate twice with two [batch sizes](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#batch-size). The numbers must not differ by more than rounding.

# %%
running_mean = "features.1.running_mean"
changed = not torch.equal(stored[running_mean], network.state_dict()[running_mean])
network.load_state_dict(stored)
confirm(changed, "a pass in training mode had moved the running means")
by_small, by_large = (
    evaluate(network, cifar10.batches("val", size)).accuracy for size in (50, 400)
)
confirm(
    abs(by_small - by_large) < 2e-3, "in evaluation mode the batch size does not matter"
)

# %% [markdown]
# **The wrong number of inputs.** A linear layer must be told how many numbers come in. Two ways to get that wrong, and the messages they give:

# %%
photos = torch.randn(64, 1, 28, 28)
start = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)]
attempts = {
    "flatten forgotten": [*start, nn.Linear(8 * 13 * 13, 10)],
    "wrong number of inputs": [*start, nn.Flatten(), nn.Linear(8 * 14 * 14, 10)],
}
for name, layers in attempts.items():
    try:
        nn.Sequential(*layers)(photos)
    except RuntimeError as error:
        print(f"{name}: {error}")

# %% [markdown]
# Read the message as "(what comes × what it is) and (what the layer expects × what it makes)". In the second line, 64 images come with 1352 numbers each, and the layer expects 1568. So 1352 = 8 · 13 · 13 is right: without padding, 28 pixels become 26, and pooling makes 13. In the first line, what comes has 13 numbers a row. That is the width of a map, so the maps were never flattened. When in doubt, print the shapes:

# %%
for kind, shape in output_shapes(nn.Sequential(*start, nn.Flatten()), (1, 28, 28)):
    print(f"{kind:10s} {shape}")

# %% [markdown]
# **A test split peeked at.** Suppose somebody trains one network with many seeds, measures all of them on a few test images, and reports the best one. We do that with twenty seeds of the fully connected network, which trains in a blink. Part of the validation images plays the test split, so that the real one stays closed. The other validation images tell how good the chosen network really is.
#
# **Think first**: all networks differ in nothing but the seed. How much better can the best one be on fresh images?

# %%
few = replace(mnist.subset(budget(full=2_000, fast=800)), val=mnist.val[:2000])
quick = TrainingConfig(epochs=3, batch_size=50, lr=3e-3)
correct = []
for seed in range(20):
    model = build_model("linear", few.image_shape, few.num_classes, seed=seed)
    fit(model, few, replace(quick, seed=seed), device=device, progress=False)
    logits, labels = predict_logits(model, few.batches("val", 500))
    correct.append(logits.argmax(dim=1) == labels)
correct = 100 * torch.stack(correct).float()  # networks x images

generator = torch.Generator().manual_seed(0)
peeked_sizes, rows = (25, 50, 100, 200), []
for size in peeked_sizes:
    for _ in range(300):  # many draws of the part that is peeked at, for a steady mean
        order = torch.randperm(correct.shape[1], generator=generator)
        on_part = correct[:, order[:size]].mean(dim=1)
        best = on_part.argmax()
        fresh = correct[best, order[size:]].mean()
        rows.append(
            {
                "images": size,
                "on the peeked part": on_part[best].item(),
                "on fresh images": fresh.item(),
            }
        )
peeking = pd.DataFrame(rows).groupby("images").mean()
print(peeking.to_string(float_format="%.2f"))
average = correct.mean().item()
print(f"mean of all networks on all images: {average:.2f}")

# %% mystnb={"image": {"alt": "Accuracy against the number of peeked images: the accuracy on the peeked part starts high and falls, that on fresh images stays low; they come nearer as the part grows."}}
figure, axis = plt.subplots(figsize=(5.6, 3.2))
for number, column in enumerate(peeking):
    axis.plot(
        peeking.index,
        peeking[column],
        marker=MARKERS[number],
        linestyle=("-", "--")[number],
        label=column,
    )
axis.axhline(average, color="0.5", linestyle=":", label="mean of all networks")
axis.set(xscale="log", xlabel="images peeked at", ylabel="accuracy of the chosen (%)")
axis.set_xticks(peeked_sizes, peeked_sizes)
axis.minorticks_off()
axis.legend(fontsize=9)
plt.show()
excess = peeking["on the peeked part"] - peeking["on fresh images"]
confirm(excess.min() > 0, "the chosen network looks better than it is")
confirm(excess.iloc[0] > excess.iloc[-1], "with more images it looks less too good")

# %% [markdown]
# Nobody lied, and yet the number is too high. The maximum of many noisy numbers is mostly a lucky one. How to see it: measure the chosen model once more, on images that played no part in the choice. How to avoid it: choose on validation, open the test split once.
#
# ## Which one should I choose?
#
# Two groups of rows. First five models with *equal budgets*: the same part of the images, the same three epochs, the same learning rate, one seed. Then the large CNN trained by its [recipe](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#recipe) on everything. All choices are made, so now, once, the test split:

# %%
same = TrainingConfig(
    epochs=3,
    batch_size=64,
    lr=3e-3,
    scheduler="onecycle",
    precision="auto",
)
five = {
    "softmax": ("softmax", ""),
    "fully connected": ("linear", ""),
    "CNN, small": ("cnn", "small"),
    "CNN, middle": ("cnn", "middle"),
    "CNN, large": ("cnn", "large"),
}
closing = []


def add_row(name, training, data, model, run):
    test = evaluate(model, data.batches("test", 500), run.precision)
    closing.append(
        {
            "data": name,
            "training": training[0],
            "model": training[1],
            "parameters": count_parameters(model),
            "seconds": run.seconds,
            "val": 100 * run.best_val_accuracy,
            "test": 100 * test.accuracy,
        }
    )
    return test


for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    part = replace(data.subset(budget(full=4_000, fast=500)), val=data.val[:2000])
    for label, (kind, size) in five.items():
        model = build_model(kind, data.image_shape, data.num_classes, size or "large")
        run = fit(model, part, same, device=device, progress=False)
        run.load_best(model)
        add_row(name, ("equal", label), data, model, run)
for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    model, run = final_models[name], final_histories[name]
    test = add_row(name, ("recipe", "CNN, large"), data, model, run)
    record(
        f"cnn_large.{name}",
        test_accuracy=test.accuracy,
        seconds=run.seconds,
        parameters=count_parameters(model),
        val_accuracy=run.best_val_accuracy,
    )
table = pd.DataFrame(closing)
print(table.to_string(index=False, float_format="%.1f"))

# %%
by_recipe = table[table["training"] == "recipe"].set_index("data")["test"]
goals = {"mnist": budget(full=99.3, fast=85), "cifar10": budget(full=85, fast=30)}
confirm(
    by_recipe["mnist"] >= goals["mnist"],
    "the digits: the goal of this chapter is reached",
)
confirm(by_recipe["cifar10"] >= goals["cifar10"],
        "the photographs: the goal is reached")
equal = table[table["training"] == "equal"]
photographs = equal[equal["data"] == "cifar10"].set_index("model")["test"]
slack = budget(full=0, fast=40)
best_cnn = photographs[["CNN, small", "CNN, middle", "CNN, large"]].max()
lead = best_cnn - photographs["fully connected"]
confirm(lead > -slack, "equal budgets: on the photographs the best CNN leads")
sizes = equal.pivot(index="model", columns="data", values="parameters")
fewer = 5 * sizes.loc["CNN, small"] < sizes.loc["fully connected"]
confirm(fewer.all(), "the small CNN has less than a fifth of the parameters")
on_digits = equal[equal["data"] == "mnist"].set_index("model")["test"]
behind = on_digits["CNN, large"] - on_digits["CNN, middle"]
confirm(behind < budget(full=3, fast=40), "on digits the middle CNN comes close")

# %% [markdown]
# The models with equal budgets had little training. Their order is what counts, and single runs that lie close together have no order. The seconds are what this machine needed. They depend on how well each shape of layer suits the processor, so they need not follow the number of layers.
#
# - **Digits**: the middle CNN. In the same few epochs it comes close to the large one, with less than a quarter of the parameters.
# - **A [device](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#device) with little memory**: the small CNN. It needs more epochs, but it has the fewest parameters of all but softmax regression.
# - **Photographs, a few minutes of time**: the middle one first, to see that everything works. Then the large one.
# - **More accuracy**: more epochs before more layers. Look at the gap between training and validation loss. While there is none, the network is not yet using what it has.
# - **Data without neighbours**, such as a table of unrelated measurements: no CNN at all.
#
# **The answer to our question.** What do we gain if we do not forget which pixels are neighbours? Three things:
#
# 1. Far fewer weights, because one question serves all places.
# 2. What is learned at one place holds at every other.
# 3. Accuracy: on the photographs, the fully connected network of chapter 2 reached <!-- result:linear.cifar10.test_accuracy|percent -->56.66 %<!-- /result --> on the test split. The large CNN reaches <!-- result:cnn_large.cifar10.test_accuracy|percent -->85.65 %<!-- /result -->.
#
# And the shuffled digits show the price. The gain comes from an assumption, and where the assumption is false, it turns into a loss.
#
# ## Exercises
#
# Each exercise has a cell to fill in. Replace the dots, run the cell, and read what the check says.
#
# ### Exercise 3.1: how large is the output? (easy)
#
# Write a function for the side of the output of a convolution, in pixels.


# %%
def output_size(size, kernel, stride=1, padding=0): ...


grade("3.1", output_size)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def output_size(size, kernel, stride=1, padding=0):
#     return (size + 2 * padding - kernel) // stride + 1
# ```
#
# The frame of zeros has two sides, so the padding counts twice. `//` rounds down. The 1 is the first place of the kernel, before it has moved at all.
#
# </details>
#
# ### Exercise 3.2: stride and padding (medium)
#
# Extend our `convolve`: first put a frame of `padding` zeros around the grey image (H × W), then move the kernel by `stride` pixels. `F.pad(image, (left, right, top, bottom))` makes a frame. Return a tensor.


# %%
def convolve_further(image, kernel, stride=1, padding=0): ...


grade("3.2", convolve_further)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def convolve_further(image, kernel, stride=1, padding=0):
#     image = F.pad(image, (padding, padding, padding, padding))
#     size = kernel.shape[0]
#     rows = range(0, image.shape[0] - size + 1, stride)
#     columns = range(0, image.shape[1] - size + 1, stride)
#     output = torch.zeros(len(rows), len(columns))
#     for i, top in enumerate(rows):
#         for j, left in enumerate(columns):
#             output[i, j] = (kernel * image[top : top + size, left : left + size]).sum()
#     return output
# ```
#
# `range` with a step lists the places where the kernel is laid down. The output's own position (i, j) and the place in the image are two different things.
#
# </details>
#
# ### Exercise 3.3: max-pooling (medium)
#
# Write max-pooling over squares of 2 × 2, without PyTorch's own. The maps are a tensor C × H × W with even H and W.


# %%
def max_pool(maps): ...


grade("3.3", max_pool)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def max_pool(maps):
#     channels, height, width = maps.shape
#     squares = maps.reshape(channels, height // 2, 2, width // 2, 2)
#     return squares.amax(dim=(2, 4))
# ```
#
# The reshape gives every square two axes of its own, of length 2. The maximum is taken over these two. `maps[:, ::2, ::2]` and its three neighbours, compared with `torch.maximum`, work as well.
#
# </details>
#
# ### Exercise 3.4: count the parameters (medium)
#
# A CNN has convolutions of 3 × 3 without bias, each followed by batch normalisation. `widths` are the channels that they give, one after another, and `channels` those of the image. Then each map is reduced to its largest value, and one linear layer with bias gives `classes` logits. How many parameters has it?


# %%
def number_of_parameters(channels, widths, classes): ...


grade("3.4", number_of_parameters)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def number_of_parameters(channels, widths, classes):
#     count = 0
#     for width in widths:
#         count += channels * width * 3 * 3  # kernels
#         count += 2 * width                 # batch normalisation: gamma and beta
#         channels = width                   # what the next layer gets
#     return count + channels * classes + classes
# ```
#
# The size of the image does not appear anywhere: that is parameter sharing.
#
# </details>
#
# ### Exercise 3.5: a receptive field to order (medium)
#
# Choose the strides of five convolutions of 3 × 3, each stride 1 or 2, so that one value behind the fifth sees exactly 23 × 23 pixels. Give a list of five numbers.

# %%
strides = ...

grade("3.5", strides)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# strides = [2, 1, 1, 2, 1]
# ```
#
# The field is 1 + 2 · (sum of the steps between neighbours). For 23 the five steps must add up to 11, such as 1 + 2 + 2 + 2 + 4. A step of 2 needs a stride of 2 *before* that layer. So the first stride is 2, the fourth too, and the fifth does not matter.
#
# </details>
#
# ### Exercise 3.6: find the bugs (medium)
#
# This function should give the share of images that the model gets right. It gives another number for every batch size. There are two bugs. Write it anew, without them.
#
# ```python
# def accuracy(model, images, labels, batch_size):
#     shares = []
#     with torch.no_grad():
#         for start in range(0, len(images), batch_size):
#             logits = model(images[start : start + batch_size])
#             right = logits.argmax(dim=1) == labels[start : start + batch_size]
#             shares.append(right.float().mean())
#     return sum(shares) / len(shares)
# ```


# %%
def mended_accuracy(model, images, labels, batch_size): ...


grade("3.6", mended_accuracy)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def mended_accuracy(model, images, labels, batch_size):
#     model.eval()
#     right = 0
#     with torch.no_grad():
#         for start in range(0, len(images), batch_size):
#             logits = model(images[start : start + batch_size])
#             right += (logits.argmax(dim=1) == labels[start : start + batch_size]).sum()
#     return right / len(images)
# ```
#
# Without `eval()`, batch normalisation looks at the batch. And the last batch may be smaller. A mean of means gives its images more weight than the others have.
#
# </details>
#
# ### Exercise 3.7: small and good (open-ended)
#
# Design and train a CNN with fewer than 10,000 parameters that gets at least 93 % of *fresh* digits right. The check calls your function with the bundled sample of MNIST (3,600 training images, 400 for validation) and then shows the network digits that your function never saw. Keep it to about ten seconds: this is about the design.


# %%
def trained_network(data): ...


grade("3.7", trained_network)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def trained_network(data):
#     torch.manual_seed(0)
#     model = nn.Sequential(
#         nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
#         nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
#         nn.Flatten(), nn.Linear(16 * 7 * 7, 10),
#     )
#     config = TrainingConfig(epochs=3, batch_size=64, lr=1e-2, scheduler="onecycle")
#     fit(model, data, config, device=device, progress=False)
#     return model
# ```
#
# Few channels are enough for digits. Here the flattened maps go into the linear layer without global pooling. That costs parameters, but few epochs suffice, because *where* a stroke stands helps with centred digits. Try 5,000 parameters next.
#
# </details>
#
# ## Quiz
#
# **1. A layer of 3 × 3 kernels takes 32 channels and gives 64. How many numbers has one of its kernels (without bias)?**
#
# <details name="quiz-3-1"><summary>A. 9, because the kernel is 3 × 3</summary>
#
# ❌ Not so: 9 is one slice. The kernel has a slice for every channel that comes in.
#
# </details>
# <details name="quiz-3-1"><summary>B. 288</summary>
#
# ✅ Yes: 3 · 3 for each of the 32 channels that come in. There are 64 such kernels.
#
# </details>
# <details name="quiz-3-1"><summary>C. 576</summary>
#
# ❌ Not so: that is 9 · 64. The 64 output channels are 64 kernels, not slices of one.
#
# </details>
#
# **2. All images get their pixels shuffled in the same way, for training and validation. What happens?**
#
# <details name="quiz-3-2"><summary>A. Both networks fail, since nobody can see a digit any more</summary>
#
# ❌ Not so: what people see does not matter to a linear layer. It treats every order of pixels alike.
#
# </details>
# <details name="quiz-3-2"><summary>B. Nothing, since training finds the right order</summary>
#
# ❌ Not so: a convolution has no way to put pixels back in order. It only looks at what is near.
#
# </details>
# <details name="quiz-3-2"><summary>C. Only the CNN gets worse</summary>
#
# ✅ Yes: the fully connected network never used neighbours. The CNN relies on them.
#
# </details>
#
# **3. The digit moves two pixels to the right. What does the first feature map do?**
#
# <details name="quiz-3-3"><summary>A. It moves two pixels to the right</summary>
#
# ✅ Yes: the same question is asked everywhere, so the same answer comes two pixels further on.
#
# </details>
# <details name="quiz-3-3"><summary>B. It stays as it was, since convolutions are invariant</summary>
#
# ❌ Not so: convolutions are equivariant, so the map moves along. Invariance comes at the end, from global pooling.
#
# </details>
# <details name="quiz-3-3"><summary>C. It changes completely, since other weights are used at other places</summary>
#
# ❌ Not so: that describes a fully connected layer. A convolution uses the same weights at all places.
#
# </details>
#
# **4. Three 3 × 3 convolutions with stride 1 stand on each other. How many pixels a side does one value see?**
#
# <details name="quiz-3-4"><summary>A. 3, as each of the three layers has kernels of 3 × 3</summary>
#
# ❌ Not so: the second layer sees 3 values a side, and each of these has seen 3 pixels.
#
# </details>
# <details name="quiz-3-4"><summary>B. 7</summary>
#
# ✅ Yes: 1 + 2 + 2 + 2. With stride 1 every 3 × 3 layer adds two pixels.
#
# </details>
# <details name="quiz-3-4"><summary>C. 9</summary>
#
# ❌ Not so: the fields overlap, so they do not add up to 3 + 3 + 3.
#
# </details>
# <details name="quiz-3-4"><summary>D. 27</summary>
#
# ❌ Not so: 3 · 3 · 3 would need fields that stand side by side, as with stride 3.
#
# </details>
#
# **5. You evaluate inside `torch.no_grad()` but forgot `model.eval()`. What happens?**
#
# <details name="quiz-3-5"><summary>A. Nothing, since no_grad switches training mode off</summary>
#
# ❌ Not so: `no_grad` concerns gradients alone. The mode of the layers stays what it was.
#
# </details>
# <details name="quiz-3-5"><summary>B. The weights are trained a little further on the validation images</summary>
#
# ❌ Not so: weights change in `optimizer.step()` only. But the running means do move.
#
# </details>
# <details name="quiz-3-5"><summary>C. Answers depend on the batch</summary>
#
# ✅ Yes: batch normalisation uses the batch's own mean, and its running means move as well.
#
# </details>
#
# **6. PyTorch says `mat1 and mat2 shapes cannot be multiplied (32x400 and 256x10)`. What is the usual cure?**
#
# <details name="quiz-3-6"><summary>A. Change the batch size from 32 to 256</summary>
#
# ❌ Not so: 32 is the batch size, and it does not have to match anything.
#
# </details>
# <details name="quiz-3-6"><summary>B. Resize the images until the message goes away</summary>
#
# ❌ Not so: that can work by luck, but the images are not at fault. The layer was told a wrong number.
#
# </details>
# <details name="quiz-3-6"><summary>C. Declare the layer with 400 inputs</summary>
#
# ✅ Yes: 400 numbers an image arrive, and the layer was declared with 256.
#
# </details>
# <details name="quiz-3-6"><summary>D. Declare the layer with 10 inputs</summary>
#
# ❌ Not so: 10 is the number of outputs. What must match are the inner two numbers.
#
# </details>
#
# **7. In an ablation, A has 61 ± 2 % and B has 62 ± 2 % over three seeds. What can you say?**
#
# <details name="quiz-3-7"><summary>A. They have not been told apart</summary>
#
# ✅ Yes: the difference is smaller than the spread. More seeds, or a larger difference, could tell.
#
# </details>
# <details name="quiz-3-7"><summary>B. B is better, since its mean is higher</summary>
#
# ❌ Not so: with this spread, three other seeds may well turn the order round.
#
# </details>
# <details name="quiz-3-7"><summary>C. A and B are equally good, since the error bars overlap</summary>
#
# ❌ Not so: "no difference found" is not "no difference". Three seeds cannot show that they are equal.
#
# </details>
#
# **8. You train 20 seeds, and report the one that is best on the test split. What is wrong?**
#
# <details name="quiz-3-8"><summary>A. Nothing: the test split was not used for training</summary>
#
# ❌ Not so: choosing is learning too. The choice has used the test images.
#
# </details>
# <details name="quiz-3-8"><summary>B. The number is too high</summary>
#
# ✅ Yes: part of what made it the best was luck with these images. Fresh images bring no such luck.
#
# </details>
# <details name="quiz-3-8"><summary>C. Only that it takes twenty times as long as one training</summary>
#
# ❌ Not so: time is one thing, but the reported accuracy is also higher than fresh images would give.
#
# </details>
#
# ## Takeaways
#
# - A convolution asks one question everywhere, with the same few weights. Shift the image, and the map shifts.
# - Output sizes, parameters and receptive fields can be computed before anything is trained.
# - Pooling gives up position for robustness and speed.
# - The advantage of a CNN is an assumption: near pixels belong together.
# - Batch normalisation has two modes; evaluation needs `model.eval()`.
# - Compare with equal budgets, an equal search and several seeds, on the validation split. Whoever chooses on the test split reports luck.
#
# ## Read on
#
# - [LeCun, Bottou, Bengio and Haffner, 1998](https://doi.org/10.1109/5.726791): the first CNNs for digits, and the data set MNIST.
# - [Dumoulin and Visin, 2016](https://arxiv.org/abs/1603.07285): a guide to the arithmetic of convolutions, with pictures of every padding and stride.
# - [Simonyan and Zisserman, 2014](https://arxiv.org/abs/1409.1556): why blocks of 3 × 3 kernels.
# - [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167): batch normalisation, and why it needs two modes.
# - [Luo and others, 2017](https://arxiv.org/abs/1701.04128): why the middle of a receptive field counts most.
# - [Zeiler and Fergus, 2013](https://arxiv.org/abs/1311.2901): occlusion, and pictures of what deeper layers look for.
# - [Recht and others, 2018](https://arxiv.org/abs/1806.00451): a fresh test split for CIFAR-10, and how well the old results hold there.
# - [Conv2d in PyTorch](https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html): all its arguments, and the formula for the output's size.
#
# ## Next
#
# We took the optimizer and its learning rate on trust. Chapter 4 compares optimizers, fairly.
