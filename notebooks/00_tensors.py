# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 0. Tensors in ten minutes
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/00_tensors.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/00_tensors.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/00_tensors.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this page you can
#
# - read the shape and the type of a tensor,
# - pick out numbers by position and by condition,
# - say along which axis a sum or a maximum runs,
# - predict which shapes fit together, and what comes out,
# - read an error about shapes, and spot the mistake that raises none.
#
# **Before you start**: some Python: lists, loops, functions, and for the later chapters what a class is. If you know NumPy, try the exercises first. If they are easy, go on to chapter 1.
#
# **Time**: read about ten minutes; exercises and quiz about thirty more. The full run takes <!-- result:chapters.00.full_seconds|seconds -->4 s<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.00.fast_seconds|seconds -->4 s<!-- /result -->.
#
# **The question**: how do you tell a computer to do the same thing to thousands of numbers at once, without a loop?

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
import torch

from helpers.data import load
from helpers.exercises import grade
from helpers.plots import COLOURS, draw_image, use_style

use_style()


def draw_table(axis, numbers, title, left=0.0, top=0.0, colour="white", pale=()):
    """Draw numbers as a table; `pale` holds the cells that are only repeated."""
    for (i, j), number in np.ndenumerate(np.asarray(numbers)):
        x, y, repeated = left + j, top - i, (i, j) in pale
        face, ink = ("white", "0.6") if repeated else (colour, "black")
        axis.add_patch(plt.Rectangle((x, y), 1, -1, facecolor=face, edgecolor="0.5"))
        axis.text(x + 0.5, y - 0.5, str(number), ha="center", va="center", color=ink)
    middle = left + np.asarray(numbers).shape[1] / 2
    axis.text(middle, top + 0.2, title, ha="center", va="bottom", fontsize=10)

# %% [markdown]
# ## A block of numbers
#
# Images, labels, weights: in this course everything is a **[tensor](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#tensor)**, a block of numbers of one type. Here is a small one.

# %%
t = torch.tensor([[1, 2, 3], [4, 5, 6]])
print(t)
print(t.shape)

# %% [markdown]
# Its **[shape](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#shape)** is 2 × 3: two rows and three columns. Each number in the shape belongs to one **[axis](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#axis)**. Axes are counted from 0, as positions are. Axis 0 runs down the rows, axis 1 runs along a row. PyTorch's word for an axis is `dim`.
#
# A tensor may have any number of axes. A single number has none, a list has one, a table has two. An image will have three, and many images four.
#
# ## The type of the numbers
#
# All numbers of a tensor have the same type, its **[dtype](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#dtype)**. You will meet four:
#
# | dtype | holds | bytes each | used for |
# |---|---|---|---|
# | `uint8` | whole numbers from 0 to 255 | 1 | pixels |
# | `int64` | whole numbers | 8 | labels, positions |
# | `float32` | decimal numbers | 4 | everything that is learned |
# | `bool` | `True` or `False` | 1 | answers to a question |

# %%
print(t.dtype)
print(t.float())  # the same numbers as float32; the dot shows it
print((t / 2).dtype, (t > 2).dtype)

# %% [markdown]
# ## Pick out by position
#
# Square brackets pick numbers out, one entry for each axis. A colon means *all of this axis*.

# %%
print(t[1, 2])  # row 1, column 2
print(t[0])  # row 0
print(t[:, 1])  # all rows, column 1
print(t[:, :2])  # all rows, the columns before column 2
print(t[[1, 0, 1]])  # rows 1, 0 and 1 again

# %% [markdown]
# A single position takes its axis away: `t[0]` has the shape 3. A slice keeps it: `t[0:1]` has the shape 1 × 3.
#
# ## Pick out by condition
#
# A comparison gives a tensor of `True` and `False`, a **[mask](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#mask)**. In square brackets it picks the places where it is `True`.

# %%
labels = torch.tensor([3, 8, 3, 1])
values = torch.tensor([10, 20, 30, 40])
mask = labels == 3
print(mask)
print(values[mask])  # the values whose label is 3
print(mask.sum())  # True counts as 1: how many are there?

# %% [markdown]
# **Think first**: a model says 3, 8, 5, 1. What will the next cell print?

# %%
predictions = torch.tensor([3, 8, 5, 1])
print((predictions == labels).float().mean())

# %% [markdown]
# Three of four are right, and the mean of three ones and a zero is 0.75. You have just computed an [accuracy](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#accuracy), in one line and without a loop.
#
# ## Along an axis
#
# Sums, means and maxima take a `dim`. The rule to remember: **the axis that you name disappears.** The lengths of the other axes stay.

# %%
print(t.sum(dim=0))  # the rows are added up: 2 × 3 becomes 3
print(t.sum(dim=1))  # the columns are added up: 2 × 3 becomes 2
print(t.sum())  # all axes disappear: one number
print(t.argmax(dim=1))  # the position of the largest number in each row

# %% tags=["hide-input"] mystnb={"image": {"alt": "The table 1 2 3, 4 5 6. Below it stand the sums of its columns, 5 7 9, named dim=0; to its right the sums of its rows, 6 and 15, named dim=1."}}
figure, axis = plt.subplots(figsize=(6.4, 2.6))
draw_table(axis, t, "t", colour=COLOURS[5])
draw_table(axis, t.sum(dim=0)[None], "", top=-3, colour=COLOURS[1])
draw_table(axis, t.sum(dim=1)[:, None], "", left=4.2, colour=COLOURS[2])
arrow = {"arrowstyle": "->", "lw": 1.5}
axis.annotate("", (1.5, -2.95), (1.5, -2.1), arrowprops=arrow)
axis.annotate("", (4.15, -1), (3.1, -1), arrowprops=arrow)
axis.text(-0.2, -3.5, "sum(dim=0)", ha="right", va="center")
axis.text(5.4, -1, "sum(dim=1)", ha="left", va="center")
axis.set(xlim=(-3.2, 8), ylim=(-4.1, 0.8), aspect="equal")
axis.axis("off")
plt.show()

# %% [markdown]
# `argmax` is how a classifier answers: one row of scores for each image, and the position of the highest score is the class.
#
# With `keepdim=True` the axis stays, with length 1. That is handy for what comes next.
#
# **Think first**: `x` holds 64 colour images and has the shape 64 × 3 × 32 × 32. Which shape has `x.mean(dim=(0, 2, 3))`?

# %%
x = torch.zeros(64, 3, 32, 32)
print(x.mean(dim=(0, 2, 3)).shape)
print(x.mean(dim=(0, 2, 3), keepdim=True).shape)

# %% [markdown]
# Axes 0, 2 and 3 disappear and axis 1 is left: one mean for each colour.
#
# ## Shapes that differ: broadcasting
#
# Two tensors of one shape are added number by number. If the shapes differ, PyTorch may repeat one of them, or both. This is **[broadcasting](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#broadcasting)**. The rule: write the shapes below each other, **aligned on the right**. In each place the two lengths must be equal, or one of them is 1 or missing. That one is repeated.
#
# | shapes | fits? | result |
# |---|---|---|
# | 2 × 3 and 3 | yes, the row is repeated | 2 × 3 |
# | 2 × 3 and 2 × 1 | yes, the column is repeated | 2 × 3 |
# | 4 × 1 and 3 | yes, both are repeated | 4 × 3 |
# | 2 × 3 and 2 | no: 3 meets 2 | error |
#
# `None` in an index adds an axis of length 1 at that place. So `[:, None]` turns a list into a column; of a table of shape N × D, `a[:, None]` makes N × 1 × D.

# %%
row, column = torch.tensor([10, 20, 30]), torch.tensor([100, 200])
print(t + row)
print(column[:, None].shape)
print(t + column[:, None])

# %% [markdown]
# A column and a row together give a table: everything on the left meets everything on the right. In the next chapter, this compares every image with every other.

# %%
a, b = torch.tensor([1, 2, 4]), torch.tensor([0, 10, 20, 30])
print(a[:, None] + b)

# %% tags=["hide-input"] mystnb={"image": {"alt": "A column 1, 2, 4, repeated four times in pale grey, plus a row 0, 10, 20, 30, repeated three times in pale grey, equals a table of three rows and four columns with all sums."}}
figure, axis = plt.subplots(figsize=(6.4, 2))
everywhere = {(i, j) for i in range(3) for j in range(4)}
both = a[:, None] + b
left, right = a[:, None].expand(3, 4), b.expand(3, 4)
column_only = everywhere - {(i, 0) for i in range(3)}
row_only = everywhere - {(0, j) for j in range(4)}
draw_table(axis, left, "3 × 1", colour=COLOURS[5], pale=column_only)
draw_table(axis, right, "4", left=5.2, colour=COLOURS[1], pale=row_only)
draw_table(axis, both, "3 × 4", left=10.4, colour=COLOURS[2])
axis.text(4.6, -1.5, "+", ha="center", va="center", fontsize=14)
axis.text(9.8, -1.5, "=", ha="center", va="center", fontsize=14)
axis.set(xlim=(-0.2, 14.6), ylim=(-3.2, 1), aspect="equal")
axis.axis("off")
plt.show()

# %% [markdown]
# ## Rows times columns: `@`
#
# The product `A @ B` takes each row of `A` and each column of `B`, multiplies them number by number, and adds up. Two baskets and the prices in two shops:

# %%
baskets = torch.tensor([[2.0, 1.0], [0.0, 3.0]])  # a row per basket: apples, loaves
prices = torch.tensor([[0.5, 0.6], [3.0, 2.0]])  # a row per thing, a column per shop
print(baskets @ prices)  # a row per basket, a column per shop

# %% [markdown]
# Two apples and one loaf in the first shop: 2 · 0.5 + 1 · 3 = 4. In shapes: $n \times k$ `@` $k \times m$ gives $n \times m$. The inner lengths must agree, and they disappear. If a tensor stands the wrong way round, `.T` swaps its rows and columns.
#
# Read "images" for baskets, "pixels" for things and "classes" for shops: then this is the model of chapter 2.
#
# ## One number from every row: `gather`
#
# A model gives each image a row of scores. We want, from every row, the score of its own label. The column differs from row to row, so neither a slice nor a mask will do. `gather` takes the columns as an index with as many axes as `scores`; that is why the list becomes a column, `labels[:, None]`.

# %%
scores = torch.tensor([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
labels = torch.tensor([1, 0, 0])
print(scores.gather(dim=1, index=labels[:, None]))  # walk along axis 1
print(scores[torch.arange(3), labels])  # the same as a list: pairs of row and column

# %% [markdown]
# ## Images are tensors
#
# Now the same tools on handwritten digits: MNIST, of which `train` is the part to learn from. Chapter 1 looks at it closely. The images have four axes: **N** images, **C** channels (one: they are grey), **H** rows and **W** columns.

# %%
digits = load("mnist").train
images, labels = digits.images, digits.labels
print(images[:64].shape, images.dtype)
print(images[:64].flatten(1).shape)  # from axis 1 on, all in one row: 28 · 28 = 784

# %% [markdown]
# Each picture below is one expression.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Six pictures of digits, each under the expression that made it: an image, its rows 8 to 19, every second row and column, the negative, a mask of the bright pixels, and the blurred mean of all threes."}}
pictures = {
    "images[0]": images[0],
    "images[0, :, 8:20]": images[0, :, 8:20],
    "images[0, :, ::2, ::2]": images[0, :, ::2, ::2],
    "255 - images[0]": 255 - images[0],
    "images[0] > 128": (images[0] > 128).float(),
}
name = "images[labels == 3]\n.float().mean(dim=0)"
pictures[name] = images[labels == 3].float().mean(dim=0) / 255
figure, axes = plt.subplots(2, 3, figsize=(6.4, 4.6))
for axis, (expression, picture) in zip(axes.flat, pictures.items()):
    draw_image(axis, picture)
    axis.set_title(expression, fontsize=9, family="monospace")
plt.show()

# %% [markdown]
# The last one reads: take the images whose label is 3, as decimal numbers, and average over axis 0, the images. A mask, a dtype and an axis, all in one line.
#
# ## What went wrong, and why
#
# ### The mistake that speaks
#
# Shapes that do not fit are the most common error in deep learning. Read the message aloud: it names the shapes.

# %%
weights = torch.zeros(784, 10)
try:
    print(images[:64].float() @ weights)
except RuntimeError as error:
    print(error)

# %% [markdown]
# *1792x28 and 784x10*: the right one is our weights. The left one ends in 28, a row of an image, where 784 is wanted. (1792 is 64 · 28: all rows of all images.) So the images were not made into rows of 784 pixels. The cure: `images[:64].flatten(1).float() @ weights`.

# %%
try:
    print(t + column)
except RuntimeError as error:
    print(error)

# %% [markdown]
# *The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 1*: `t` is 2 × 3, `column` is 2. Aligned on the right, 3 meets 2. ("Non-singleton" means that neither length is 1.) The cure: `column[:, None]`.
#
# ### The mistake that says nothing
#
# Here the model is right every time. The accuracy should be 1.

# %%
labels = torch.tensor([[3], [8], [5], [1]])  # a column: 4 × 1
predictions = torch.tensor([3, 8, 5, 1])  # a list: 4
print((predictions == labels).float().mean())
print((predictions == labels).shape)

# %% [markdown]
# No error: a column and a list broadcast to a table of 4 × 4, in which every prediction meets every label. How to see it: print the shape of the result. The cure: `labels[:, 0]`. When a number surprises you, look at the shapes before you look at the model.
#
# ## Which one should I choose?
#
# - **Known positions**: an index or a slice.
# - **A condition**: a mask.
# - **Another column in each row**: `gather`.
# - **Everything against everything**: `[:, None]` and broadcasting.
# - **Weighted sums**: `@`.
# - **A loop**: when each step needs the result of the step before, as in training.
#
# How much does it save to leave the loop out? Add up the squares of a million numbers, both ways.

# %%
numbers = torch.arange(1_000_000)

start = time.perf_counter()
total = 0
for number in numbers.tolist():
    total += number * number
by_loop = time.perf_counter() - start

start = time.perf_counter()
at_once = (numbers**2).sum()
without_loop = time.perf_counter() - start
print("the same result:", total == at_once.item())
print(f"{1000 * by_loop:.1f} ms with a loop, {1000 * without_loop:.1f} ms without")

# %% [markdown]
# One instruction for the whole tensor spares Python a million small steps. On a GPU the gap grows further.
#
# ## Exercises
#
# Replace the dots and run the cell. ⬜ means not tried yet, ❌ comes with a hint, ✅ is right. The solutions are folded below.
#
# ### Exercise 0.1: predict the shapes (easy)
#
# `x = torch.zeros(64, 3, 32, 32)`. Which shapes have these five? Write them down first, for example as `(64, 32)`. Print them only afterwards.
#
# `x[0]`, `x[:, 0]`, `x.flatten(1)`, `x.mean(dim=(1, 2, 3))`, `x[:5, :, ::2, ::2]`

# %%
my_shapes = ...  # a list of five tuples

grade("0.1", my_shapes)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_shapes = [(3, 32, 32), (64, 32, 32), (64, 3072), (64,), (5, 3, 16, 16)]
# ```
#
# One position takes its axis away, a slice keeps it, `flatten(1)` multiplies the lengths from axis 1 on, and the axes named by `dim` disappear.
#
# </details>
#
# ### Exercise 0.2: how much ink? (easy)
#
# For each of N × 1 × H × W images, count the pixels that are brighter than 128. Return N numbers.

# %%
def ink(images):
    ...


grade("0.2", ink)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def ink(images):
#     return (images > 128).sum(dim=(1, 2, 3))
# ```
#
# The mask has the shape of the images. `True` counts as 1, and axes 1, 2 and 3 disappear.
#
# </details>
#
# ### Exercise 0.3: shares of each row (easy)
#
# A table counts things, one row for each shop. Divide each row by its sum, so that every row adds up to 1.

# %%
def row_shares(table):
    ...


grade("0.3", row_shares)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def row_shares(table):
#     return table / table.sum(dim=1, keepdim=True)
# ```
#
# Without `keepdim` the sums are a list, and a list is laid along the *columns*. In a square table that gives no error, only wrong numbers.
#
# </details>
#
# ### Exercise 0.4: the score of the label (middle)
#
# `scores` has a row for each image and a column for each class, `labels` holds the class of each image. Return the score of each image's own class: N numbers.

# %%
def own_score(scores, labels):
    ...


grade("0.4", own_score)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def own_score(scores, labels):
#     return scores.gather(dim=1, index=labels[:, None])[:, 0]
# ```
#
# `scores[torch.arange(len(labels)), labels]` does the same. The loss of chapter 2 begins with this line.
#
# </details>
#
# ### Exercise 0.5: weighted sums (middle)
#
# `images` is N × 1 × H × W, in `uint8`. `weights` is K × HW: a row of weights for each of K classes. Return, for each image and each class, the sum of pixels times weights: N × K.

# %%
def weighted_sums(images, weights):
    ...


grade("0.5", weighted_sums)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def weighted_sums(images, weights):
#     return images.flatten(1).float() @ weights.T
# ```
#
# In shapes: N × HW `@` HW × K gives N × K.
#
# </details>
#
# ### Exercise 0.6: everybody's distance to everybody (harder)
#
# `a` holds N points, one in each row, and `b` holds M points. Return the N × M distances: the root of the summed squared differences. Use broadcasting, without a loop and without `torch.cdist`.

# %%
def distances(a, b):
    ...


grade("0.6", distances)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def distances(a, b):
#     differences = a[:, None] - b[None]  # N × 1 × D and 1 × M × D: N × M × D
#     return (differences**2).sum(dim=2).sqrt()
# ```
#
# `torch.cdist(a, b)` does the same. Chapter 1 finds an image's nearest neighbours with such a table.
#
# </details>
#
# ## Quiz
#
# Think of an answer first, then open the options.
#
# **1. `x` has the shape 64 × 10. Which shape has `x.max(dim=1).values`?**
#
# <details name="quiz-0-1"><summary>A. 10: one maximum for each column of the table</summary>
#
# ❌ That is `dim=0`: the axis that you name is the one that disappears.
#
# </details>
# <details name="quiz-0-1"><summary>B. 64: one maximum for each row</summary>
#
# ✅ Yes: axis 1, of length 10, disappears, and axis 0 stays.
#
# </details>
# <details name="quiz-0-1"><summary>C. 64 × 1: a column of maxima</summary>
#
# ❌ Only with `keepdim=True`; without it the axis is gone altogether.
#
# </details>
#
# **2. Which shape can be added to a tensor of shape 64 × 3 × 32 × 32?**
#
# <details name="quiz-0-2"><summary>A. 3 × 1 × 1</summary>
#
# ✅ Yes: aligned on the right, 3 meets 3 and each 1 is repeated.
#
# </details>
# <details name="quiz-0-2"><summary>B. 3</summary>
#
# ❌ Aligned on the right, 3 meets 32, the columns of the image, not the channels.
#
# </details>
# <details name="quiz-0-2"><summary>C. 64, because there are 64 images and each gets its own number</summary>
#
# ❌ Aligned on the right, 64 meets 32; 64 × 1 × 1 × 1 would do what you mean.
#
# </details>
#
# **3. `labels` is a list of N numbers. What is `(labels == 7).sum()`?**
#
# <details name="quiz-0-3"><summary>A. The sum of all labels that are 7, so a multiple of 7</summary>
#
# ❌ That would be `labels[labels == 7].sum()`: the mask itself holds only True and False.
#
# </details>
# <details name="quiz-0-3"><summary>B. The positions at which the label is 7</summary>
#
# ❌ Those come from `(labels == 7).nonzero()`; a sum is a single number.
#
# </details>
# <details name="quiz-0-3"><summary>C. How many labels are 7</summary>
#
# ✅ Yes: every True counts as 1 and every False as 0.
#
# </details>
#
# **4. *mat1 and mat2 shapes cannot be multiplied (64x3072 and 784x10)*. What is wrong?**
#
# <details name="quiz-0-4"><summary>A. There are too many images for these weights</summary>
#
# ❌ The number of rows, 64, may be anything; only the inner lengths have to agree.
#
# </details>
# <details name="quiz-0-4"><summary>B. Colour images meet weights made for grey digits</summary>
#
# ✅ Yes: 3072 is 3 · 32 · 32, and 784 is 28 · 28: the inner lengths differ.
#
# </details>
# <details name="quiz-0-4"><summary>C. The images were not flattened before they were multiplied</summary>
#
# ❌ They were: without `flatten(1)` the left shape would end in 32.
#
# </details>
#
# **5. `predictions` has the shape 100, `labels` has 100 × 1. What does `predictions == labels` give?**
#
# <details name="quiz-0-5"><summary>A. An error about shapes that do not match</summary>
#
# ❌ The shapes do fit: 100 meets 1, and a missing length meets 100.
#
# </details>
# <details name="quiz-0-5"><summary>B. 100 answers, because PyTorch sees that both hold one number an image</summary>
#
# ❌ PyTorch sees shapes only, and knows nothing about what they mean.
#
# </details>
# <details name="quiz-0-5"><summary>C. A table of 100 × 100 answers</summary>
#
# ✅ Yes: both are repeated, and its mean is no accuracy but looks like one.
#
# </details>
#
# ## Takeaways
#
# **The question, answered.** You write one expression for the whole block of numbers, and say by its shape what belongs to what.
#
# - *Shape and dtype* come first: print both whenever something surprises you.
# - *Index and slice* pick by position, a *mask* by condition, `gather` one number from every row.
# - *The axis that you name disappears.*
# - *Broadcasting* aligns shapes on the right and repeats what has length 1. It also hides mistakes.
# - `@` turns $n \times k$ and $k \times m$ into $n \times m$.
#
# ## Read on
#
# - PyTorch, [Tensors](https://docs.pytorch.org/tutorials/beginner/basics/tensorqs_tutorial.html): the official short tour, with GPUs and NumPy.
# - PyTorch, [Broadcasting semantics](https://docs.pytorch.org/docs/stable/notes/broadcasting.html): the rule in full.
# - NumPy, [the absolute basics for beginners](https://numpy.org/doc/stable/user/absolute_beginners.html): the same ideas, with drawings.
#
# ## Next
#
# Chapter 1 looks at two sets of images, as numbers and as pictures, and at what has to be checked before a model learns from them.
