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
# - watch gradient descent find a kernel that you know,
# - write a CNN as an `nn.Module`, train it, and say what shape comes out of every layer,
# - count parameters and multiply-adds, and say why a smaller CNN can be the slower model,
# - show that a shifted image gives a shifted feature map, and what pooling makes of that,
# - compute a receptive field and verify it with gradients,
# - recognise three failures: a network that cannot even learn one batch, the wrong mode, the wrong number of inputs.
#
# **Before you start**: chapter 2. You should know what logits, softmax and cross-entropy are, and have written an `nn.Module` and a training loop.
#
# **Time**: about 60 minutes to read, and 60 to 90 more for exercises and quiz. The full run takes <!-- result:chapters.03.full_seconds|minutes -->7 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.03.fast_seconds|seconds -->31 s<!-- /result -->.
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
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.patches import Rectangle
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from helpers.data import augment, load
from helpers.exercises import grade
from helpers.models import build_model, count_parameters, output_shapes
from helpers.notebook import budget, confirm, explore, record
from helpers.plots import (
    COLOURS,
    MARKERS,
    draw_image,
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

# %% tags=["hide-input"]
# @title How much this run trains: a full run, or a fast one with COURSE_FAST=1
DIGITS = budget(full=6_000, fast=1_500)  # training images of the first networks
FEW_DIGITS = budget(full=3_000, fast=1_000)  # for the shuffled pixels
FEW_PHOTOS = budget(full=2_000, fast=400)  # for batch normalisation, and the last table
SEEDS = budget(full=(0, 1, 2), fast=(0,))
EPOCHS = budget(full={"mnist": 2, "cifar10": 12}, fast={"mnist": 1, "cifar10": 2})
FAST_CHANGES = budget(full={}, fast={"batch_size": 64, "lr": 0.05})

# %% [markdown]
# ## A convolution by hand
#
# A **[kernel](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#kernel)** is a small grid of numbers, here 3 × 3. Lay it on the top left corner of the image. Multiply each kernel number by the pixel under it and add up the nine products: that sum is one pixel of the output. Move the kernel one pixel to the right and do it again, until the whole image is covered. This is a **[convolution](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#convolution)**, and its output is called a **[feature map](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#feature-map)**.

# %%
rows = "00111", "00111", "01110", "01100", "11100"
tiny = torch.tensor([[float(number) for number in row] for row in rows])
sobel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
print((sobel * tiny[:3, :3]).sum())

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three grids of numbers: an image of 5 by 5 pixels with its top left 3 by 3 corner framed, a kernel, and an output of 3 by 3 in which only the first number, 4, is filled in."}}
# @title Drawing: the kernel at one place
def draw_grid(axis, numbers, left, top, scale=8):
    """Write a grid of numbers into an axis whose unit is one pixel."""
    rows, columns = numbers.shape
    axis.imshow(
        numbers.nan_to_num(0), cmap="PuOr", vmin=-scale, vmax=scale,
        extent=(left - 0.5, left + columns - 0.5, top + rows - 0.5, top - 0.5),
    )
    for row in range(rows):
        for column in range(columns):
            value = numbers[row, column]
            text = "?" if value.isnan() else f"{value:.0f}"
            place = left + column, top + row
            axis.text(*place, text, ha="center", va="center", fontsize=9)


def draw_step(axis, step):
    """Image, kernel and output after `step` of nine places."""
    row, column = divmod(int(step) - 1, 3)
    done = F.conv2d(tiny[None, None], sobel[None, None]).flatten()
    done[int(step) :] = torch.nan
    grids = (tiny, 0, 0, 3), (sobel, 6, 1), (done.view(3, 3), 10, 1)
    for grid, name in zip(grids, ("image", "kernel", "output")):
        draw_grid(axis, *grid)
        middle = grid[1] + grid[0].shape[1] / 2 - 0.5
        axis.text(middle, grid[2] - 0.9, name, ha="center", fontsize=9)
    frames = ((column - 0.5, row - 0.5), 3), ((5.5, 0.5), 3)
    for corner, side in (*frames, ((9.5 + column, 0.5 + row), 1)):
        axis.add_patch(Rectangle(corner, side, side, fill=False, linewidth=2.5))
    axis.set(xlim=(-0.7, 12.7), ylim=(4.7, -1.9), aspect="equal")
    axis.axis("off")


figure, axis = plt.subplots(figsize=(6.2, 3))
draw_step(axis, 1)
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


print(convolve(tiny, sobel).int())

# %% [markdown]
# Beside the 4 stands a 3. Negative numbers stand where it is lighter on the left than on the right. Watch the frame move. In a running notebook there is a slider; on a page you see four of the nine steps.

# %% tags=["hide-input"] mystnb={"image": {"alt": "The same three grids at four moments: the frame has moved over the image, and the output is filled in row by row; numbers below zero stand at the bottom right."}}
# @title Drawing: the kernel slides
picture = explore(draw_step, range(1, 10), "step", shown=(2, 4, 6, 9))
plt.close("all")  # the last line shows it, once is enough
picture

# %% [markdown]
# The output is two pixels smaller each way, because the kernel has to stay inside the image. PyTorch's `conv2d` does the same for many images, channels and kernels at once, so it wants two more dimensions.

# %%
digit = mnist.train.images[0, 0].float() / 255
by_hand = convolve(digit, sobel)
by_pytorch = F.conv2d(digit[None, None], sobel[None, None])[0, 0]
print("image", tuple(digit.shape), "-> output", tuple(by_hand.shape))
print("the same:", torch.allclose(by_hand, by_pytorch, atol=1e-5))

# %% [markdown]
# (In mathematics the kernel of a convolution is turned by half a turn first. Networks learn their kernels, so nobody bothers.)
#
# Our kernel has a name: the **Sobel kernel**, from 1968. It has negative numbers on the left and positive ones on the right.
#
# **Think first**: where in the digit will its output be large, where negative, where zero?

# %% tags=["hide-input"] mystnb={"image": {"alt": "A digit and three filtered copies: one shows its vertical edges, one its horizontal edges, one is blurred."}}
# @title Drawing: three kernels, asked everywhere
kernels = {
    "vertical edges": sobel,
    "horizontal edges": sobel.T,
    "blur": torch.full((3, 3), 1 / 9),
}
figure, axes = plt.subplots(1, 4, figsize=(6.4, 2))
axes[0].imshow(digit)
axes[0].set_title("the image", fontsize=9)
for axis, (name, kernel) in zip(axes[1:], kernels.items()):
    edges = name != "blur"
    options = {"cmap": "PuOr", "vmin": -4, "vmax": 4} if edges else {}
    axis.imshow(convolve(digit, kernel), **options)
    axis.set_title(name, fontsize=9)
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# The Sobel kernel asks at every place: "is it darker on the left than on the right?" Purple means yes, orange means the opposite, and white means no difference. Turned on its side, it asks the same of above and below. Nine equal numbers ask for nothing but the mean, and that blurs. This is the central idea: **a kernel is a question, asked everywhere in the image.**
#
# ## A kernel, learned
#
# In a [CNN](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cnn) nobody writes the kernels. They are weights, and training finds them. Watch that happen with one kernel. It begins with nine zeros, and gets a digit and the picture of its vertical edges. The loss is the **mean squared error**: the mean of the squared differences between its output and the picture that is wanted. The optimizer is Adam, a refined SGD that chapter 4 explains.

# %%
image = digit[None, None]
wanted = F.conv2d(image, sobel[None, None])  # the edge picture

learned = torch.zeros(1, 1, 3, 3, requires_grad=True)
optimizer = torch.optim.Adam([learned], lr=0.05)
stages = {}
for step in range(401):
    if step in (0, 20, 100, 400):
        stages[step] = learned.detach()[0, 0].clone()
    loss = F.mse_loss(F.conv2d(image, learned), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
for row in learned.detach()[0, 0]:
    print("  ".join(f"{round(number.item(), 2) + 0.0:5.2f}" for number in row))

# %% tags=["hide-input"] mystnb={"image": {"alt": "The learned kernel after 0, 20, 100 and 400 steps, and below each the picture it makes of the digit: from nine zeros and an empty picture to the Sobel kernel and its edges."}}
# @title Drawing: the kernel while it learns
figure, axes = plt.subplots(2, 4, figsize=(6.4, 3.4))
for (above, below), (step, kernel) in zip(axes.T, stages.items()):
    above.imshow(kernel, cmap="PuOr", vmin=-4, vmax=4)
    for row in range(3):
        for column in range(3):
            text = f"{round(kernel[row, column].item(), 1) + 0.0:.1f}"
            above.text(column, row, text, ha="center", va="center", fontsize=9)
    above.set_title(f"step {step}", fontsize=10)
    below.imshow(convolve(digit, kernel), cmap="PuOr", vmin=-4, vmax=4)
    above.axis("off")
    below.axis("off")
plt.show()

# %% [markdown]
# Gradient descent found Sobel's numbers from one picture of a digit. A CNN learns in the same way, only that nobody has edge pictures for it. All it gets is the class, and it must find out by itself which questions help.
#
# ## Colours, and many kernels
#
# A colour image has three channels. A kernel then has three slices, one for each channel. Each slice is slid over its own channel, and the three results are added up, together with a bias. So one kernel gives one feature map, however many channels go in.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three rows: the red, green and blue channel of a photograph, the slice of the kernel that belongs to it, and the map it gives. On the right the sum of the three maps: one feature map."}}
# @title Drawing: one kernel with three slices
slices = torch.stack([sobel, 0 * sobel, -sobel])
photos = cifar10.train.images[:200].float() / 255
answers = F.conv2d(photos, slices[None]).abs().mean(dim=(1, 2, 3))
photo = photos[answers.argmax()]  # the most colourful edges among 200 photographs
parts = [convolve(channel, part) for channel, part in zip(photo, slices)]
figure = plt.figure(figsize=(6.4, 4.6))
grid = figure.add_gridspec(3, 4, width_ratios=[1, 0.8, 1, 1.3])
for row, name in enumerate(("red", "green", "blue")):
    axes = [figure.add_subplot(grid[row, column]) for column in range(3)]
    axes[0].imshow(photo[row], vmin=0, vmax=1)
    draw_grid(axes[1], slices[row] + 0.0, 0, 0)
    axes[2].imshow(parts[row], cmap="PuOr", vmin=-2, vmax=2)
    axes[0].set_ylabel(name)
    for axis, title in zip(axes, ("channel", "slice", "its map")):
        axis.set(xticks=[], yticks=[])
        axis.set_title(title if row == 0 else "", fontsize=10)
axis = figure.add_subplot(grid[:, 3])
axis.imshow(sum(parts), cmap="PuOr", vmin=-2, vmax=2)
axis.set_title("sum: one feature map", fontsize=10)
axis.axis("off")
plt.show()

# %% [markdown]
# This kernel asks a question about colour: "does it get redder from left to right, and less blue?" Grey edges, where red and blue rise together, give zero.
#
# One question is not enough. A layer has many kernels, and each of them gives one map. The maps of one layer are the channels of the next:

# %% tags=["hide-input"] mystnb={"image": {"alt": "A drawing: an input of three channels on the left, four kernels of three slices each in four colours in the middle, and four feature maps in the same colours on the right."}}
# @title Drawing: a layer with four kernels
def draw_stack(axis, left, middle, side, count, colour, step=0.16):
    for sheet in range(count):
        corner = (left + step * sheet, middle - side / 2 - step * sheet + 0.16)
        options = {"facecolor": colour, "edgecolor": "black", "alpha": 0.9}
        axis.add_patch(Rectangle(corner, side, side, **options))


figure, axis = plt.subplots(figsize=(6.2, 3))
draw_stack(axis, 0.2, 0, 1.7, 3, "0.85")
for number, colour in enumerate(COLOURS[:4]):
    middle = 1.5 - number
    draw_stack(axis, 4, middle, 0.45, 3, colour, step=0.1)
    draw_stack(axis, 6.9, middle, 0.75, 1, colour)
    for start, end in (((2.4, 0.1 * middle), 3.9), ((4.8, middle), 6.8)):
        arrow = {"arrowstyle": "->", "color": "0.5"}
        axis.annotate("", xy=(end, middle), xytext=start, arrowprops=arrow)
for x, text in ((1.2, "3 channels in"), (4.3, "4 kernels, 3 slices each")):
    axis.text(x, 2.25, text, ha="center", fontsize=10)
axis.text(7.4, 2.25, "4 maps out", ha="center", fontsize=10)
axis.set(xlim=(0, 8.4), ylim=(-2.1, 2.6), aspect="equal")
axis.axis("off")
plt.show()

# %% [markdown]
# As a formula, with $o$ for the number of the kernel and $c$ for the channel that goes in:
#
# $$y_{o,i,j} = b_o + \sum_{c}\sum_{a,b} k_{o,c,a,b}\; x_{c,\,i+a,\,j+b}$$
#
# In PyTorch the layer is `nn.Conv2d`. It keeps all kernels in one tensor, and begins with random ones.

# %%
torch.manual_seed(0)
layer = nn.Conv2d(in_channels=3, out_channels=4, kernel_size=3)
maps = layer(photo[None])[0]
print("kernels", tuple(layer.weight.shape), "biases", tuple(layer.bias.shape))
print("maps", tuple(maps.shape))

first = [convolve(channel, part) for channel, part in zip(photo, layer.weight[0])]
print("the same:", torch.allclose(maps[0], sum(first) + layer.bias[0], atol=1e-5))

# %% [markdown]
# ## Padding, stride and pooling
#
# Three settings decide how large a map is.
#
# - **[Padding](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#padding)** puts a frame of zeros around the image. A 3 × 3 kernel with `padding=1` keeps the size.
# - **[Stride](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#stride)** is the number of pixels that the kernel moves each time. With `stride=2` it skips every other place.
# - **[Max-pooling](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#pooling)** keeps the largest number of every 2 × 2 square. "Is there an edge here?" becomes "is there an edge somewhere around here?".

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three drawings above, three maps below. Padding: a frame of zeros around 5 by 5 pixels; the map keeps 28 pixels a side. Stride 2: the kernel stands at four places; the map has 13 pixels. Max-pooling: four squares of four numbers, of which the largest are framed; the map has 14 pixels."}}
# @title Drawing: padding, stride and pooling
figure, axes = plt.subplots(2, 3, figsize=(6.4, 4.9))
draw_grid(axes[0, 0], F.pad(tiny, (1, 1, 1, 1)), -1, -1, scale=3)
axes[0, 0].add_patch(Rectangle((-0.5, -0.5), 5, 5, fill=False, linewidth=2.5))
axes[0, 0].set(xlim=(-1.6, 5.6), ylim=(5.6, -1.6))
draw_grid(axes[0, 1], tiny, 0, 0, scale=3)
for number, (x, y) in enumerate(((0, 0), (2, 0), (0, 2), (2, 2))):
    corner, side = (x - 0.4 + 0.07 * number, y - 0.4 + 0.07 * number), 2.7
    colour = COLOURS[number]
    frame = Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=2.5)
    axes[0, 1].add_patch(frame)
squares = torch.tensor([[1.0, 3, 0, 2], [4, 2, 1, 1], [0, 0, 5, 6], [1, 2, 7, 8]])
draw_grid(axes[0, 2], squares, 0, 0, scale=20)
for x, y in ((0, 1), (3, 0), (1, 3), (3, 3)):
    frame = Rectangle((x - 0.45, y - 0.45), 0.9, 0.9, fill=False, linewidth=2.5)
    axes[0, 2].add_patch(frame)
for line in axes[0, 2].axhline, axes[0, 2].axvline:
    line(1.5, color="black", linewidth=1)
kernel = sobel[None, None]
with_padding = F.conv2d(image, kernel, padding=1)
outputs = {
    "padding=1": with_padding,
    "stride=2": F.conv2d(image, kernel, stride=2),
    "max_pool2d(…, 2)": F.max_pool2d(with_padding, 2),
}
for (above, below), (name, output) in zip(axes.T, outputs.items()):
    above.set_title(name, fontsize=10)
    above.axis("off")
    below.imshow(output[0, 0], cmap="PuOr", vmin=-4, vmax=4)
    below.set(xticks=[], yticks=[])
    below.set_xlabel(f"28 → {output.shape[-1]} pixels")
plt.show()

# %% [markdown]
# Pooling leaves a quarter of the numbers, and a shift by one pixel changes little. Look at the orange edges, though: a large negative number is not large, and pooling drops it.
#
# With an image of $n$ pixels a side, a kernel of $k$, padding $p$ and stride $s$, the output has a side of
#
# $$\left\lfloor\frac{n + 2p - k}{s}\right\rfloor + 1$$
#
# pixels. The half brackets mean "round down": a kernel that would stick out is left away.

# %%
for k, s, p in ((3, 1, 0), (3, 1, 1), (3, 2, 0), (5, 1, 2), (5, 3, 0)):
    layer = nn.Conv2d(1, 1, kernel_size=k, stride=s, padding=p)
    formula, found = (28 + 2 * p - k) // s + 1, layer(image).shape[-1]
    print(f"kernel {k}, stride {s}, padding {p}: formula {formula}, PyTorch {found}")

# %% [markdown]
# ## One kernel for all places
#
# A convolution uses the same few numbers everywhere. This is **[parameter sharing](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#parameter-sharing)**. Count what it saves: a layer with 64 kernels over 32 channels of 16 × 16 pixels, against a linear layer from as many inputs to as many outputs.
#
# **Think first**: how many times as many weights has the linear layer? Ten? A thousand?

# %%
convolution = 64 * 32 * 3 * 3
linear = (64 * 16 * 16) * (32 * 16 * 16)
print(f"convolution:  {convolution:11,} weights")
print(f"linear layer: {linear:11,} weights, {linear / convolution:,.0f} times as many")
places = 16 * 16
print(f"convolution:  {convolution * places:11,} multiply-adds")
print(f"linear layer: {linear:11,} multiply-adds")

# %% [markdown]
# A **[multiply-add](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#multiply-add)**, one product added to a sum, is the unit of work of a network. A weight of a linear layer is used once for each image. A weight of a kernel is used once at *every place*. So a convolution has few weights with many uses: it saves far more memory than time. Keep that in mind for the table at the end.
#
# Sharing has a second consequence. A stroke that moves gives the same answer at its new place. **Shift the image, and the map shifts with it.** The word for that is *[equivariance](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#equivariance)*.

# %%
down, right = 2, 3
moved = torch.roll(digit, (down, right), dims=(0, 1))
map_before, map_after = convolve(digit, sobel), convolve(moved, sobel)
same = torch.allclose(map_after[down:, right:], map_before[:-down, :-right], atol=1e-6)
print("the map has moved by as much:", same)
print("largest values:", map_before.max(), map_after.max())

# %% tags=["hide-input"] mystnb={"image": {"alt": "A digit and its map of vertical edges; beside them the digit moved down and to the right, and the same map moved by as much."}}
# @title Drawing: the moved digit and its map
figure, axes = plt.subplots(1, 4, figsize=(6.4, 2))
for axis, image_shown in zip(axes[::2], (digit, moved)):
    axis.imshow(image_shown)
for axis, edges in zip(axes[1::2], (map_before, map_after)):
    axis.imshow(edges, cmap="PuOr", vmin=-4, vmax=4)
for axis, title in zip(axes, ("image", "its map", "moved image", "its map")):
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=10)
plt.show()

# %% [markdown]
# Now take the largest value of the whole map, wherever it stands. That number does not change at all when the image moves, as long as nothing leaves the image. The word for *that* is **[invariance](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#invariance)**. To keep one number a map is called **[global pooling](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#global-pooling)**. Ours keeps the largest; most newer networks keep the mean, with *global average pooling*. The first famous CNNs (LeNet, AlexNet, VGG) did neither. They [flattened](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#flattening) the last maps into one long list and put **fully connected** layers on top: linear layers, in which every input reaches every output, as in chapter 2.
#
# Pooling moves in steps of two pixels, so behind it these rules hold only roughly.
#
# ## A CNN of your own
#
# All parts are there. A CNN is an `nn.Module` like the one you wrote in chapter 2: the layers are made in `__init__`, and `forward` says how an image goes through them. Ours has two rounds of *convolution, ReLU, max-pooling*, then global pooling, and one linear layer that makes ten logits of 64 numbers.


# %%
class YourCNN(nn.Module):
    def __init__(self, channels, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.head = nn.Linear(64, num_classes)

    def forward(self, x):  # N × channels × H × W
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # N × 32 × H/2 × W/2
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # N × 64 × H/4 × W/4
        x = x.amax(dim=(2, 3))  # N × 64: global pooling
        return self.head(x)  # N × 10 logits


# %% [markdown]
# The loop is that of chapter 2, shortened to what counts. It never asks what kind of model it trains.


# %%
def train_one_epoch(model, loader, optimizer):
    model.train()
    for images, labels in loader:
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def measure(model, loader):
    model.eval()
    correct = 0
    for images, labels in loader:
        correct += (model(images.to(device)).argmax(dim=1).cpu() == labels).sum().item()
    return correct / len(loader.dataset)


# %% [markdown]
# Instead of writing a `Dataset` again we take `TensorDataset`, PyTorch's own for tensors in memory. The optimizer is Adam again.

# %%
part = mnist.subset(DIGITS)
train_set = TensorDataset(mnist.normalise(part.train.images), part.train.labels)
val_set = TensorDataset(mnist.normalise(mnist.val.images), mnist.val.labels)
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
val_loader = DataLoader(val_set, batch_size=500)

# %%
torch.manual_seed(0)
yours = YourCNN(channels=1, num_classes=10).to(device)
optimizer = torch.optim.Adam(yours.parameters(), lr=3e-3)
for epoch in range(3):
    train_one_epoch(yours, train_loader, optimizer)
    accuracy = 100 * measure(yours, val_loader)
    print(f"epoch {epoch + 1}: validation accuracy {accuracy:.2f} %")

# %% [markdown]
# That is a convolutional network, whole. From here on the helpers build and train: `build_model("cnn", …, "small")` gives the same two rounds with one more kind of layer, [batch normalisation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#batch-normalisation), behind each convolution, and `fit` is the loop above, faster. Its global pooling is a layer too: `nn.AdaptiveMaxPool2d(1)`.

# %%
small_cnn = build_model("cnn", mnist.image_shape, mnist.num_classes, "small")
first_look = TrainingConfig(optimizer="adam", epochs=3, batch_size=64, lr=3e-3)
history = fit(small_cnn, part, first_look, device=device, progress=False)
columns = ["train_loss", "val_loss", "val_accuracy"]
print(history.to_frame()[columns].to_string(index=False, float_format="%.4f"))

# %% [markdown]
# Here is one digit on its way through the trained network. Of each layer you see four maps.

# %% tags=["hide-input"] mystnb={"image": {"alt": "The way of a handwritten five through the small CNN: the image, four of 32 maps in which different edges light up, the same maps pooled to 14 by 14, four of 64 coarser maps, pooled to 7 by 7, a column of 64 numbers, and bars of ten probabilities of which the one for 5 is the longest."}}
# @title Drawing: one digit on its way through the network
five = mnist.val.images[mnist.val.labels == 5][:1]
x, stages = mnist.normalise(five).to(device), []
small_cnn.eval()
with torch.no_grad():
    for number, module in enumerate(small_cnn.features):
        x = module(x)
        if number in (2, 3, 6, 7):  # behind ReLU and max-pool of both rounds
            stages.append(x[0].cpu())
    numbers = x.amax(dim=(2, 3))[0].cpu()
    probabilities = small_cnn.head(x).softmax(dim=1)[0].cpu()
figure = plt.figure(figsize=(6.4, 4.2))
grid = figure.add_gridspec(4, 7, width_ratios=[1.2, 1, 1, 1, 1, 0.4, 1.4])
axis = figure.add_subplot(grid[1:3, 0])
draw_image(axis, five[0])
axis.set_title("image", fontsize=9)
names = "convolution", "pooled", "convolution", "pooled"
for column, (maps, name) in enumerate(zip(stages, names), start=1):
    strongest = maps.flatten(1).std(dim=1).argsort(descending=True)[::4][:4]
    for row, number in enumerate(strongest):
        axis = figure.add_subplot(grid[row, column])
        axis.imshow(maps[number])
        axis.axis("off")
        if row == 0:
            title = f"{name}\n{maps.shape[0]} of {maps.shape[1]}×{maps.shape[2]}"
            axis.set_title(title, fontsize=9)
axis = figure.add_subplot(grid[:, 5])
axis.imshow(numbers[:, None], aspect="auto")
axis.set(xticks=[], yticks=[])
axis.set_title("64", fontsize=9)
axis = figure.add_subplot(grid[:, 6])
axis.barh(range(10), probabilities, color=COLOURS[2])
axis.set(yticks=range(10), xlim=(0, 1), xticks=(0, 1))
axis.invert_yaxis()
axis.set_title("probabilities", fontsize=9)
plt.show()

# %% [markdown]
# From left to right the maps get smaller and more numerous. Early layers know *where*, late layers know *what*. Some of the first maps show edges, much like those of the kernels that we wrote by hand. No one told them to.
#
# ## Batch normalisation
#
# What does the new layer do? For every channel, **batch normalisation** takes the mean $\mu$ and the variance $\sigma^2$ over all images and places of the batch, and brings the channel to mean 0 and standard deviation 1. (The variance is the square of the standard deviation.)
#
# $$\hat{x} = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad y = \gamma\,\hat{x} + \beta$$
#
# $\gamma$ and $\beta$ are two learned numbers a channel, so the network can choose another mean and spread where that helps. They start at 1 and 0, and $\varepsilon$ only keeps us from dividing by zero.

# %%
torch.manual_seed(0)
values = 5 * torch.randn(64, 3, 8, 8) + 2
mu, variance = values.mean(dim=(0, 2, 3)), values.var(dim=(0, 2, 3), correction=0)
by_hand = (values - mu[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
layer = nn.BatchNorm2d(3)
print("by hand, by the layer:", torch.allclose(layer(values), by_hand, atol=1e-5))
print("mean of this batch:", mu)
print("running mean:      ", layer.running_mean)

# %% [markdown]
# Look at the last line. In [training mode](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#training-and-evaluation-mode) the layer also keeps *running means*, a tenth of each new batch mixed in, to have something to subtract when later only one image comes. (It keeps running variances in the same way.) Remember it until *What went wrong*.
#
# Does it help? We change this one part and keep the rest. That kind of experiment is called an **[ablation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#ablation)**. To be fair, both networks get the same images and the same number of epochs, both try the same three learning rates, and everything runs with three seeds. The rate follows one cycle: it rises to its highest value and falls again.


# %%
def blocks(batch_norm):
    """Three rounds of convolution, (batch normalisation,) ReLU and max-pooling."""
    layers, channels = [], 3
    for width in (16, 32, 64):
        layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    return nn.Sequential(*layers, *head)


# %% [markdown]
# (`nn.Sequential` runs its layers one after another, so it needs no `forward`. And before batch normalisation a bias would be in vain: the mean that is subtracted contains it.)
#
# **Think first**: which of the two will be better at its best rate? And which will suffer more at the largest one?

# %%
photographs = replace(cifar10.subset(FEW_PHOTOS), val=cifar10.val[:2000])
rows = []
for batch_norm in (True, False):
    for lr in (1e-3, 4e-3, 1.6e-2):
        config = TrainingConfig(
            optimizer="adam", epochs=3, batch_size=64, lr=lr, scheduler="onecycle"
        )
        for seed in SEEDS:
            torch.manual_seed(seed)
            model, config = blocks(batch_norm), replace(config, seed=seed)
            run = fit(model, photographs, config, device=device, progress=False)
            rows.append((batch_norm, lr, 100 * run["val_accuracy"][-1]))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Validation accuracy against the learning rate with error bars: the line with batch normalisation lies above the one without at all three rates."}}
# @title Drawing: with and without batch normalisation
columns = ["batch_norm", "lr", "val_accuracy"]
ablation = pd.DataFrame(rows, columns=columns).groupby(columns[:2])["val_accuracy"]
ablation = ablation.agg(["mean", "std"])
figure, axis = plt.subplots(figsize=(5.6, 3.2))
for number, (batch_norm, name) in enumerate(((True, "with"), (False, "without"))):
    line = ablation.loc[batch_norm]
    axis.errorbar(
        line.index, line["mean"], yerr=line["std"], capsize=4, label=name,
        marker=MARKERS[number], color=COLOURS[number],
    )
axis.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy (%)")
axis.set_xticks(line.index, [f"{lr:g}" for lr in line.index])
axis.minorticks_off()
axis.legend(title="batch normalisation")
plt.show()
best = ablation["mean"].groupby("batch_norm").max()
confirm(best[True] > best[False], "each at its best rate, batch normalisation helps")

# %% [markdown]
# The bars are the standard deviation over three seeds: a rough idea of the spread, no more. Chapter 4 does better. No rate of the lower line reaches the best of the upper one. At the largest rate the bars are too wide to say which of the two suffers more. Whether still larger rates would help, these three cannot tell.
#
# *That* it helps in such short trainings is plain. *Why* is debated. Its authors thought that a layer learns better when its inputs do not shift while the layers below it learn. Later experiments shifted them on purpose, and it still helped. A newer explanation is that the loss becomes smoother, so that larger steps are safe.
#
# **A surprise of fresh networks.** Chapter 2 said that a model which knows nothing should start near a loss of 2.30. Your CNN does. Look at the other one:

# %%
torch.manual_seed(0)
images, labels = next(iter(train_loader))
fresh = {
    "yours": YourCNN(1, 10),
    "with batch normalisation": build_model("cnn", mnist.image_shape, 10, "small"),
}
for name, model in fresh.items():
    print(f"{name}: first loss {F.cross_entropy(model(images), labels).item():.2f}")

# %% [markdown]
# The second is no bug. The rule of 2.30 holds for logits near 0. Batch normalisation gives every map a standard deviation of 1, and the largest of nearly two hundred such values is well above 0. So the last layer gets 64 large numbers, and its random weights turn them into large, wrong logits. The network unlearns that in the first few steps.
#
# **Why not forty layers?** One would think that more is better. But behind some twenty plain layers even the *training* loss gets worse again. The cure is called a **[residual connection](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#residual-connection)**: a block gives `x + block(x)` instead of `block(x)`. Such a block starts near "change nothing", and gradients have a short way back. Networks that are built like this, ResNets, reach hundreds of layers. Ours have six at most and do without.
#
# ## What do neighbours bring?
#
# Now the chapter's question. We shuffle the pixels: one fixed random order, the same for all images. Every number is still there. Only the neighbours are gone.


# %%
def shuffled(data, order):
    """The same data with all pixels moved to other places, in every image alike."""

    def move(split):
        images = split.images.flatten(2)[:, :, order].view_as(split.images)
        return replace(split, images=images)

    return replace(data, train=move(data.train), val=move(data.val))


few = replace(mnist.subset(FEW_DIGITS), val=mnist.val[:2000])
order = torch.randperm(28 * 28, generator=torch.Generator().manual_seed(0))
worlds = {"in order": few, "shuffled": shuffled(few, order)}

# %% tags=["hide-input"] mystnb={"image": {"alt": "Eight digits, and below them the same digits with shuffled pixels: grains of white without any shape."}}
# @title Drawing: digits in order and shuffled
show_images(torch.cat([data.train.images[:8] for data in worlds.values()]))
plt.show()

# %% [markdown]
# **Think first**: two networks learn from both versions. One is the fully connected network of chapter 2, the other the small CNN. Which of the four accuracies will be lowest? Which two will be equal?

# %%
lesson = TrainingConfig(
    optimizer="adam", epochs=4, batch_size=64, lr=1e-2, scheduler="onecycle"
)
kinds = {"fully connected": "linear", "small CNN": "cnn"}
rows = []
for label, kind in kinds.items():
    for world, data in worlds.items():
        for seed in SEEDS:
            model = build_model(kind, data.image_shape, 10, "small", seed)
            config = replace(lesson, seed=seed)
            run = fit(model, data, config, device=device, progress=False)
            rows.append((label, world, 100 * run["val_accuracy"][-1]))

# %%
neighbours = pd.DataFrame(rows, columns=["network", "pixels", "val_accuracy"])
neighbours = neighbours.groupby(["network", "pixels"])["val_accuracy"]
neighbours = neighbours.agg(["mean", "std"])
print(neighbours.to_string(float_format="%.2f", na_rep="nan"))
mean = neighbours["mean"].unstack("pixels")
lead = mean.loc["small CNN"] - mean.loc["fully connected"]
confirm(lead["in order"] > 0, "in order the CNN leads")
confirm(lead["shuffled"] < 0, "shuffled, it is behind")

# %% [markdown]
# (`std` is the standard deviation over the seeds.) The fully connected network has never known neighbours, so it misses nothing: its two numbers differ by no more than chance. The CNN loses clearly. Its advantage rests on the assumption that near pixels belong together. Where that is false, it is the worse model.
#
# ## The receptive field
#
# One value of the first map sees 3 × 3 pixels. One value of the second layer sees 3 × 3 values of the first, which together see 5 × 5 pixels. The pixels that can influence a value are its **[receptive field](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#receptive-field)**. Strides and pooling make it grow faster, because behind them neighbours are further apart. With kernel sizes $k_l$ and strides $s_l$:
#
# $$r_0 = 1, \qquad r_l = r_{l-1} + (k_l - 1)\prod_{m<l} s_m$$
#
# ($\prod$ is a product: here of all strides before layer $l$.)


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
# Is that true? Gradients can tell. We feed noise into a network and ask for one value in the middle of a map: which pixels have a gradient that is not zero? Those can influence it. (Several noise images and all channels are added up, because max-pooling hides most paths in a single one.)


# %%
def influence(layers, side=64):
    """How strongly each pixel moves the middle of the last maps: a tensor H x W."""
    torch.manual_seed(0)
    noise = torch.randn(4, 3, side, side, dtype=torch.float64, requires_grad=True)
    maps = layers(noise)
    middle = maps.shape[-1] // 2
    maps[:, :, middle, middle].sum().backward()
    return noise.grad.abs().sum(dim=(0, 1))


# %%
large = build_model("cnn", cifar10.image_shape, cifar10.num_classes, "large")
features = large.double().eval().features
layers, fields, influences = [], [], []
for position, module in enumerate(features, start=1):
    if isinstance(module, nn.Conv2d):
        layers.append((3, 1))
        fields.append(receptive_field(layers))
        influences.append(influence(features[:position]))
        columns = (influences[-1] > 0).any(dim=0).sum().item()
        print(f"convolution {len(fields)}: computed {fields[-1]}, measured {columns}")
    elif isinstance(module, nn.MaxPool2d):
        layers.append((2, 2))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left, a colour image with five nested squares, the receptive fields of five convolutions, the last almost as large as the image. Right, gradients of one value of the fourth convolution: bright in the middle, fading towards the framed edge of the computed field."}}
# @title Drawing: receptive fields
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.3))
draw_image(left, cifar10.train.images[7])
for number, side in enumerate(fields[:5]):
    corner, colour = (15.5 - side / 2, 15.5 - side / 2), COLOURS[number]
    options = {"edgecolor": colour, "linewidth": 2.5, "label": side}
    left.add_patch(Rectangle(corner, side, side, fill=False, **options))
left.legend(
    ncol=5, loc="upper center", bbox_to_anchor=(0.5, -0.01), fontsize=9,
    handlelength=0.8, handletextpad=0.4, columnspacing=0.8, frameon=False,
)
left.axis("off")
left.set_title("fields of convolutions 1 to 5")
field = influences[3]
right.imshow(field / field.max(), cmap="cividis")
touched = (field > 0).nonzero()
top, leftmost = touched.amin(dim=0).tolist()
corner, side = (leftmost - 0.5, top - 0.5), fields[3]
frame = Rectangle(corner, side, side, fill=False, edgecolor="white", linewidth=2)
right.add_patch(frame)
right.set(title="gradients, convolution 4", xlabel="column", ylabel="row")
right.set(xlim=(10, 54), ylim=(54, 10))
plt.show()

# %% [markdown]
# Frame and gradients fit. But the pixels in the middle count far more than those at the edge, because more paths lead from them. The last convolution of the large CNN could see 50 pixels a side, more than the image has.
#
# ## What does a network cost?
#
# Parameters cost memory, multiply-adds cost time. Both can be counted before anything is trained:


# %%
def costs(model, image_shape):
    """Output shape, parameters and multiply-adds of each layer that has weights."""
    rows = []
    layers = [layer for layer in model.modules() if not any(layer.children())]
    for layer, (name, shape) in zip(layers, output_shapes(model, image_shape)):
        used = 0
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            used = layer.weight.numel() * math.prod(shape[1:])  # once at every place
        rows.append((name, shape, count_parameters(layer), used))
    table = pd.DataFrame(rows, columns=["layer", "out", "parameters", "multiply_adds"])
    return table[table["parameters"] > 0]


# %%
print(costs(small_cnn, mnist.image_shape).to_string(index=False))

# %% [markdown]
# Count along: the first convolution has $32 · 1 · 3 · 3$ weights, and each is used at $28 · 28$ places. The second has $64 · 32 · 3 · 3$. Batch normalisation learns two numbers a channel; the few operations that it adds are left out. The linear layer has $64 · 10$ weights and ten biases.
#
# The course has three CNNs, small, middle and large, with 2, 4 and 6 convolutions. `output_shapes(model, image_shape)` lists the way of an image through any of them. What all three cost, beside the models of chapter 2, stands in the table at the end.
#
# ## Augmentation
#
# **Augmentation** changes the training images a little at random: a shift by up to two pixels each way and, for photographs, a mirror image. That makes 50 versions of a photograph, and in a short training most epochs show another one.

# %% tags=["hide-input"] mystnb={"image": {"alt": "One colour image and three variants of it behind the same white cross: the object lies a pixel or two further up, down, left or right, and in some it faces the other way."}}
# @title Drawing: one photograph and three augmented copies
photo = cifar10.train.images[7]
generator = torch.Generator().manual_seed(0)
copies = augment(photo.expand(3, -1, -1, -1), cifar10.augmentation, generator)
show_images(torch.cat([photo[None], copies]), columns=4)
for axis in plt.gcf().axes:  # a cross that stays, to see what moves
    axis.axhline(15.5, color="white", linewidth=1)
    axis.axvline(15.5, color="white", linewidth=1)
plt.show()

# %% [markdown]
# The training images become harder to learn by heart, so training loss and validation loss stay closer together. Another remedy against learning by heart that you will meet is **[dropout](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#dropout)**: in training, a random part of the values is set to 0, and every batch sees another, thinner network. It is common in front of large fully connected layers. Ours have none, so we do without.
#
# ## The large CNN on both data sets
#
# The settings come from `recipe`, and they were chosen on the validation split. To save time we change three things: `precision="auto"` for both, growing images for the photographs, and two epochs instead of four for the digits. The words, a line each:
#
# - **SGD with [Nesterov momentum](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#nesterov-momentum)**: each step also keeps part of the direction of the steps before (chapter 4).
# - **[Weight decay](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#weight-decay)**: every step also pulls the weights a little towards 0.
# - **[One cycle](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#one-cycle)**: the learning rate rises once to its largest value and falls again (chapter 4).
# - **[Label smoothing](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#label-smoothing)**: the target is not 100 % for the true class but 91 %, with the rest spread over the other nine. That keeps the network from being too sure.
# - **[bfloat16](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#bfloat16)**: a number format of half the length. `precision="auto"` measures whether this machine is faster with it, and uses it only then.
# - **Growing images**: the first epochs see small copies of the photographs (chapter 7). Global pooling makes that possible: the head gets one number a map, whatever the size of the map.

# %%
configs = {
    "mnist": replace(recipe("cnn", "mnist"), precision="auto"),
    "cifar10": replace(
        recipe("cnn", "cifar10"), precision="auto", image_sizes=(16, 24, 32)
    ),
}
final_models, final_histories = {}, {}
for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    model = build_model("cnn", data.image_shape, data.num_classes, "large")
    config = replace(configs[name], epochs=EPOCHS[name], **FAST_CHANGES)
    run = fit(model, data, config, device=device)
    run.load_best(model)  # the weights of the epoch that was best on validation
    final_models[name], final_histories[name] = model, run
    print(f"{name}: best validation accuracy {100 * run.best_val_accuracy:.2f} %")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Loss and validation accuracy of the large CNN per epoch on both data sets; MNIST is near the top from the start, CIFAR-10 climbs slowly and most steeply at the end."}}
# @title Drawing: the curves of both trainings
both = {"MNIST": final_histories["mnist"], cifar10.title: final_histories["cifar10"]}
plot_histories(both, title="large CNN")
plt.show()

# %% [markdown]
# **Think first**: on the digits nearly every answer is right. Why does the training loss (dashed) not go to 0?
#
# Because of label smoothing. Whoever answers exactly what the target says, 91 % and nine times 1 %, still has a loss:

# %%
target = torch.full((10,), 0.01)
target[0] = 0.91
floor = -(target * target.log()).sum().item()
print(f"the lowest loss with smoothing 0.1 and ten classes: {floor:.2f} nats")

# %% [markdown]
# So 0.50 is a third number to know by heart, beside 2.30 and 1.46. The digits end not far above this floor. It also explains why a network that was trained like this is rarely much more than 91 % sure. Validation is measured without smoothing, so it can lie below. Two more things push the training loss up: the images are augmented, and it is the mean over an epoch in which the weights were still worse.
#
# On the photographs the validation curve looks bad at first, and then leaps. While the training images are small, the network has never seen an image of full size, and validation shows it nothing else.
#
# ## What it still gets wrong
#
# Mistakes are studied on the validation split. Otherwise the next change of the network would be a change made for the test images. Here are the wrong answers of which it was most certain:

# %% tags=["hide-input"] mystnb={"image": {"alt": "Six validation images with the wrong class that the network chose, its certainty, and the true class."}}
# @title Drawing: the surest mistakes
network, run = final_models["cifar10"], final_histories["cifar10"]
logits, labels = predict_logits(network, cifar10.batches("val", 500), run.precision)
probabilities = logits.softmax(dim=1)
images, classes = cifar10.val.images, cifar10.classes
plot_mistakes(images, labels, probabilities, classes, count=6, columns=3)
plt.show()

# %% [markdown]
# Would you have known better? For each of them, ask whether the network is wrong or the label. Chapter 1's rule holds: suspicious is not wrong.
#
# ## What went wrong, and why
#
# **Nothing learns, and you do not know where to look.** Before any long training, train on a single small batch and nothing else. A healthy network learns twenty images by heart in seconds, and its loss goes to nearly 0. If it does not, the bug is in the model or the loop, and more data will not mend it. Here is a healthy network, and one with a softmax before the loss:


# %%
def overfit(model, images, labels, steps=200):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


twenty, labels_of_twenty = train_set[:20]
for name, bug in {"healthy": nn.Identity(), "with softmax": nn.Softmax(dim=1)}.items():
    torch.manual_seed(0)
    loss = overfit(nn.Sequential(YourCNN(1, 10), bug), twenty, labels_of_twenty)
    print(f"{name}: loss {loss:.3f} on the twenty images that it was trained on")

# %% [markdown]
# The second one cannot get below 1.46, the number that chapter 2 warned of. It does not even come down to it: behind the softmax the gradients are tiny.
#
# **Forgetting `model.eval()`.** Batch normalisation uses the mean of the *batch* in training mode and its running means in evaluation mode. Leave training mode on, and what the network says about one image depends on which other images are in the batch. Let us do it on purpose, with a batch of one class only.
#
# **Think first**: `torch.no_grad()` is there. Is that not enough?

# %%
cats = cifar10.val[cifar10.val.labels == 3]
images = cifar10.normalise(cats.images[:100]).to(device)
stored = {key: value.clone() for key, value in network.state_dict().items()}
with torch.no_grad():
    for mode, training in (("training", True), ("evaluation", False)):
        network.load_state_dict(stored)
        share = (network.train(training)(images).argmax(dim=1) == 3).float().mean()
        now = network.state_dict()["features.1.running_mean"]
        moved = not torch.equal(now, stored["features.1.running_mean"])
        print(f"{mode} mode: {share:.3f} are right, running means moved: {moved}")

# %% [markdown]
# `no_grad` only saves the gradients' memory and time. It is `eval()` that changes what layers do. And it is worse than a wrong number: the pass in training mode also moved the running means, and with them the model. How to see it: evaluate twice with two [batch sizes](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#batch-size). The numbers must not differ by more than rounding.

# %%
for size in (50, 400):
    accuracy = evaluate(network, cifar10.batches("val", size), run.precision).accuracy
    print(f"batches of {size} images: accuracy {accuracy:.4f}")

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
# Read the message as "(rows that come × numbers in each row) and (numbers the layer expects × numbers it makes)". In the second line, 64 images come with 1352 numbers each, and the layer expects 1568. So 1352 = 8 · 13 · 13 is right: without padding, 28 pixels become 26, and pooling makes 13. In the first line, what comes has 13 numbers a row. That is the width of a map, so the maps were never flattened. When in doubt, print the shapes with `output_shapes`.
#
# ## Which one should I choose?
#
# First, five models with the same budget: the same few images, the same three epochs of Adam with the same learning rate, one seed. All numbers are from the validation split.

# %%
models = {
    "softmax": ("softmax", ""),
    "fully connected": ("linear", ""),
    "CNN, small": ("cnn", "small"),
    "CNN, middle": ("cnn", "middle"),
    "CNN, large": ("cnn", "large"),
}
same = TrainingConfig(
    optimizer="adam", epochs=3, batch_size=64, lr=3e-3, scheduler="onecycle"
)

# %%
rows = []
for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    few = replace(data.subset(FEW_PHOTOS), val=data.val[:2000])
    for label, (kind, size) in models.items():
        model = build_model(kind, data.image_shape, data.num_classes, size or "large")
        table = costs(model, data.image_shape)[["parameters", "multiply_adds"]].sum()
        run = fit(model, few, same, device=device, progress=False)
        accuracy = 100 * run["val_accuracy"][-1]
        rows.append((name, label, *table, run.seconds, accuracy))

# %%
columns = ["data", "model", "parameters", "multiply_adds", "seconds", "val_accuracy"]
equal = pd.DataFrame(rows, columns=columns)
print(equal.to_string(index=False, float_format="%.1f"))

# %% tags=["hide-input"]
# @title Check
reached = equal.pivot(index="model", columns="data", values="val_accuracy")
ahead = reached.loc["CNN, large"] > reached.loc["fully connected"]
confirm(ahead.all(), "the large CNN leads the fully connected network on both")

# %% [markdown]
# Compare the columns. The small CNN has far fewer parameters than the fully connected network and many times its multiply-adds, and the seconds follow the multiply-adds. That is why **a smaller CNN can be the slower model**: each of its weights is used at every place. It also keeps larger outputs while it trains, one map for each kernel. Few parameters mean a small file, not a fast training.
#
# Read the accuracies with care. The training is very short, single runs that lie close together have no order, and one learning rate does not suit all models equally well. Look at the small CNN on the digits: after so few steps it is no match for the fully connected network. Its convolutions pay only when they have time to learn.
#
# - **Digits**: the middle CNN. In this short run it is level with the large one, with less than a quarter of the parameters.
# - **A small file**, for a phone or a small computer with little memory: the small CNN. It needs more epochs, and it is not the fastest to train.
# - **Photographs, a few minutes of time**: the middle one first, to see that everything works. Then the large one.
# - **More accuracy**: more epochs before more layers. Measure the accuracy on plain training images and on validation images, both with `evaluate`. While they hardly differ, the network is not yet using what it has.
# - **Few pictures of your own**: a network that somebody has trained on millions of other photographs, fitted to yours. That is called **[transfer learning](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#transfer-learning)**, and the page *Your own images* shows it.
# - **Data without neighbours**, such as a table of unrelated measurements: no CNN at all.
#
# All choices are made, and none of them on the test split. So now, once, the two large CNNs trained by the [recipes](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#recipe), changed as said above, meet it:

# %%
for name, data in (("mnist", mnist), ("cifar10", cifar10)):
    model, run = final_models[name], final_histories[name]
    test = evaluate(model, data.batches("test", 500), run.precision)
    error = (test.accuracy * (1 - test.accuracy) / len(data.test)) ** 0.5
    print(
        f"{name}: validation {100 * run.best_val_accuracy:.2f} %, "
        f"test {100 * test.accuracy:.2f} ± {100 * error:.2f} %"
    )
    record(
        f"cnn_large.{name}",
        test_accuracy=test.accuracy,
        seconds=run.seconds,
        parameters=count_parameters(model),
        val_accuracy=run.best_val_accuracy,
    )

# %% [markdown]
# The ± says how far such a number moves by chance when other test images are drawn (one standard error). On photographs the test accuracy tends to be a little below that of validation. The best epoch and the recipe were *chosen* on validation, and whatever is chosen there looks a little better there than it is.
#
# **The answer to our question.** What do we gain if we do not forget which pixels are neighbours? Three things:
#
# 1. Far fewer weights in each layer, because one question serves all places. So the same memory buys a deeper network.
# 2. What is learned at one place holds at every other.
# 3. Accuracy: on the photographs, the fully connected network of chapter 2 reached <!-- result:linear.cifar10.test_accuracy|percent -->57.11 %<!-- /result --> on the test split. The large CNN reaches <!-- result:cnn_large.cifar10.test_accuracy|percent -->84.90 %<!-- /result -->.
#
# The third is not due to neighbours alone. The large CNN is also deeper, has batch normalisation and a better recipe. It trained for fewer epochs, but for many times the seconds. What neighbours alone are worth was told by the shuffled digits: the same network, the same training, and a clear loss. They also show the price. The gain comes from an assumption, and where the assumption is false, it turns into a loss.
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
# ### Exercise 3.4: a receptive field to order (medium)
#
# Choose the strides of five convolutions of 3 × 3, each stride 1 or 2, so that one value behind the fifth sees exactly 23 × 23 pixels. Give a list of five numbers.

# %%
strides = ...

grade("3.4", strides)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# strides = [2, 1, 1, 2, 1]
# ```
#
# The field is 1 + 2 · (sum of the steps between neighbours). For 23 the five steps must add up to 11, and only 1 + 2 + 2 + 2 + 4 does. A step of 2 needs a stride of 2 *before* that layer. So the first stride is 2, the fourth too, and the fifth does not matter.
#
# </details>
#
# ### Exercise 3.5: overfit twenty images (medium)
#
# Write a function that gets twenty normalised digits (20 × 1 × 28 × 28) and their labels, and returns a CNN of your own that has learned them by heart. In evaluation mode all twenty must be right, with a mean cross-entropy below 0.05.


# %%
def learned_by_heart(images, labels): ...


grade("3.5", learned_by_heart)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def learned_by_heart(images, labels):
#     torch.manual_seed(0)
#     model = nn.Sequential(
#         nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
#         nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
#         nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
#     )
#     optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
#     for _ in range(100):
#         loss = F.cross_entropy(model(images), labels)
#         optimizer.zero_grad()
#         loss.backward()
#         optimizer.step()
#     return model.eval()
# ```
#
# With batch normalisation it works as well, but give it more steps: the running means lag behind, and evaluation mode uses them. Make this the first thing you do with every new network.
#
# </details>
#
# ### Exercise 3.6: predict, then change the architecture (medium)
#
# Take `YourCNN` and change three things: the kernels become 5 × 5 with the padding that keeps the size, the first convolution gives 16 maps, and the second gives 32. Before you write it, predict for a digit of 1 × 28 × 28: the shape of what goes into the global pooling, the number of parameters, and the multiply-adds of one image (biases, ReLU and pooling not counted). Then write the network as a function that builds it. The check trains it beside the original, on the same few digits. Will it be better or worse?

# %%
predicted = ...  # a list: [(channels, rows, columns), parameters, multiply-adds]


def changed_network(): ...


grade("3.6", predicted, changed_network)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# predicted = [
#     (32, 7, 7),
#     (16 * 1 * 25 + 16) + (32 * 16 * 25 + 32) + (32 * 10 + 10),
#     16 * 1 * 25 * 28 * 28 + 32 * 16 * 25 * 14 * 14 + 32 * 10,
# ]
#
#
# def changed_network():
#     return nn.Sequential(
#         nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
#         nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
#         nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10),
#     )
# ```
#
# The padding is 2, as $28 + 2 · 2 - 5 + 1 = 28$. The network has fewer parameters and fewer multiply-adds than the original (19,466 and about 3.8 million), but larger receptive fields. The check tells you what that brought in one short training. One run with one seed is a first look, not a proof.
#
# </details>
#
# ### Exercise 3.7: small and good (open-ended)
#
# Design, train and tune a CNN on a budget: fewer than 5,000 parameters, and at least 95 % of *fresh* digits right. The check calls your function with the bundled sample of MNIST (3,600 training images, 400 for validation) and then shows the network digits that your function never saw, normalised by `data.normalise`. Choose widths, epochs and learning rate with the 400 validation images.


# %%
def trained_network(data): ...


grade("3.7", trained_network)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def trained_network(data):
#     torch.manual_seed(0)
#     layers, channels = [], 1
#     for width in (8, 12, 16):
#         layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
#         layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
#         channels = width
#     model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 3 * 3, 10))
#     config = TrainingConfig(epochs=8, batch_size=64, lr=1e-2, scheduler="onecycle")
#     fit(model, data, config, device=device, progress=False)
#     return model
# ```
#
# Few channels are enough for digits. Here the last maps are flattened, without global pooling. That costs parameters, but few epochs suffice, because *where* a stroke stands helps with centred digits. Try 2,000 parameters next.
#
# </details>
#
# ## Quiz
#
# **1. A layer of 3 × 3 kernels takes 32 channels and gives 64. How many numbers does one of its kernels hold (without bias)?**
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
# **4. Three 3 × 3 convolutions with stride 1 follow one another. How many pixels a side does one value see?**
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
# **7. The small CNN has a twentieth of the parameters of a fully connected network, and trains more slowly. Why?**
#
# <details name="quiz-3-7"><summary>A. Each of its weights is used at every place</summary>
#
# ✅ Yes: multiply-adds take the time, and a kernel of nine weights makes nine of them at every pixel.
#
# </details>
# <details name="quiz-3-7"><summary>B. Convolutions need more epochs, and each of them counts</summary>
#
# ❌ Not so: it may need more epochs, too, but a single epoch already takes longer.
#
# </details>
# <details name="quiz-3-7"><summary>C. Shared weights have to be copied to every place before they can be used</summary>
#
# ❌ Not so: nothing is copied. There is one kernel, and every place reads the same one.
#
# </details>
#
# **8. Trained with label smoothing 0.1, a network gets 99.6 % of the digits right. Its training loss stays at 0.52. What do you do?**
#
# <details name="quiz-3-8"><summary>A. Train longer, since a loss should go to 0</summary>
#
# ❌ Not so: it cannot go to 0. With this smoothing and ten classes the best possible loss is 0.50.
#
# </details>
# <details name="quiz-3-8"><summary>B. Look for a second softmax</summary>
#
# ❌ Not so: a softmax too many leaves the loss above 1.46, and this one is far below.
#
# </details>
# <details name="quiz-3-8"><summary>C. Nothing: it is near its floor</summary>
#
# ✅ Yes: with smoothing even the perfect answer has a loss of 0.50, so 0.52 is close to the best.
#
# </details>
# <details name="quiz-3-8"><summary>D. Lower the learning rate, since the loss is stuck</summary>
#
# ❌ Not so: a loss can be stuck for two reasons. Here there is simply nothing left to gain.
#
# </details>
#
# ## Takeaways
#
# - A convolution asks one question everywhere, with the same few weights. Shift the image, and the map shifts.
# - Kernels are weights like any others: gradient descent finds them.
# - Output sizes, parameters, multiply-adds and receptive fields can be computed before anything is trained. Parameters cost memory, multiply-adds cost time.
# - Pooling gives up position for robustness and speed.
# - The advantage of a CNN is an assumption: near pixels belong together.
# - Batch normalisation has two modes; evaluation needs `model.eval()`.
# - Let a new network learn one batch by heart before you train it on all.
#
# ## Read on
#
# - [LeCun, Bottou, Bengio and Haffner, 1998](https://doi.org/10.1109/5.726791): the first CNNs for digits, and the data set MNIST.
# - [Dumoulin and Visin, 2016](https://arxiv.org/abs/1603.07285): a guide to the arithmetic of convolutions, with pictures of every padding and stride.
# - [Simonyan and Zisserman, 2014](https://arxiv.org/abs/1409.1556): why blocks of 3 × 3 kernels.
# - [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167): batch normalisation, and why it needs two modes. [Santurkar and others, 2018](https://arxiv.org/abs/1805.11604): why it may really help.
# - [He and others, 2015](https://arxiv.org/abs/1512.03385): residual connections. [Srivastava and others, 2014](https://jmlr.org/papers/v15/srivastava14a.html): dropout.
# - [Luo and others, 2017](https://arxiv.org/abs/1701.04128): why the middle of a receptive field counts most.
# - [Recht and others, 2018](https://arxiv.org/abs/1806.00451): a fresh test split for CIFAR-10, and how well the old results hold there.
# - [Conv2d in PyTorch](https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html): all its arguments, and the formula for the output's size.
#
# ## Next
#
# We took the optimizer and its learning rate on trust. Chapter 4 compares optimizers, fairly.
