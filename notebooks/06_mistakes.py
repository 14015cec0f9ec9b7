# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6. Mistakes
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/06_mistakes.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/06_mistakes.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/06_mistakes.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this chapter you can
#
# - read a confusion matrix, and find the labels that deserve a second look,
# - say how sure you may be of an accuracy, and whether two models really differ,
# - check whether "90 % sure" means that 90 % are right, and repair it with one number,
# - let a model keep silent when it is unsure, and say what that costs,
# - draw what an answer depends on, and test whether the drawing can be believed,
# - measure what a model makes of images from another world,
# - show how a test score flatters when it is used to choose.
#
# **Before you start**: chapters 2 and 3. You should know softmax, cross-entropy, the confusion matrix and the CNN.
#
# **Time**: about 45 minutes to read, and 45 to 60 more for exercises and quiz. The full run takes <!-- result:chapters.06.full_seconds|minutes -->7 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.06.fast_seconds|seconds -->19 s<!-- /result -->.
#
# **The question**: a network always answers, whatever you show it. *When may I trust this answer?*

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
# @title Imports, and how much this run trains
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.datasets import load_digits
from torch.nn import functional as F
from torchvision.transforms import v2

from helpers.data import load
from helpers.exercises import grade
from helpers.models import build_model
from helpers.notebook import budget, confirm, record
from helpers.plots import COLOURS, MARKERS, draw_image, plot_mistakes, use_style
from helpers.recipes import TrainingConfig
from helpers.training import best_device, fit

use_style()
device = best_device()

# How much this run trains: a full run, or a fast one with COURSE_FAST=1
DIGITS = budget(full=12_000, fast=800)  # training images of the digit models
PHOTOS = budget(full=10_000, fast=600)  # of the photograph models
PHOTO_EPOCHS = budget(full=16, fast=2)
PRECISION = budget(full="auto", fast="fp32")  # a trial decides; it takes seconds, too
FEW_DIGITS = budget(full=3_000, fast=200)  # for the experiment with altered digits
SEEDS = budget(full=(0, 1, 2), fast=(0,))
LOOKED_AT = budget(full=200, fast=5)  # photographs for the heat maps' check
ATTACKED = budget(full=1_000, fast=30)
CANDIDATES = budget(full=40, fast=5)  # models to choose from by test score
DRAWS = budget(full=400, fast=20)  # test splits to choose by
OTHERS = budget(full=1_797, fast=300)  # digits of other people

# %%
mnist, cifar10 = load("mnist"), load("cifar10")

# %% [markdown]
# ## Four models to question
#
# We take two models for each data set: the fully connected network of chapter 2, and the middle CNN of chapter 3. `fit` trains them with one short recipe, without label smoothing or augmentation. Each sees only a part of the training images, as somebody with fewer pictures would. We keep the weights of the last epoch. So nothing is chosen on the validation split, and we may study it here as often as we like. The test split stays closed until a question asks for a final number.


# %%
def train(kind, data, seed=0, epochs=3, **changes):
    """A trained model in evaluation mode, back on the CPU."""
    model = build_model(kind, data.image_shape, data.num_classes, "middle", seed)
    config = TrainingConfig(
        optimizer="adam", epochs=epochs, batch_size=64, lr=3e-3, scheduler="onecycle",
        precision=PRECISION, seed=seed,
    )
    fit(model, data, replace(config, **changes), device=device, progress=False)
    return model.cpu().eval()


@torch.no_grad()
def logits_of(model, data, images):
    """The logits for uint8 images, 500 at a time."""
    return torch.cat([model(data.normalise(part)) for part in images.split(500)])


# %%
digits, photos = mnist.subset(DIGITS), cifar10.subset(PHOTOS)
models = {
    ("mnist", "linear"): train("linear", digits),
    ("mnist", "cnn"): train("cnn", digits),
    ("cifar10", "linear"): train("linear", photos, epochs=PHOTO_EPOCHS),
    ("cifar10", "cnn"): train("cnn", photos, epochs=PHOTO_EPOCHS, batch_size=128),
}
val_logits = {}
for (name, kind), model in models.items():
    data = {"mnist": mnist, "cifar10": cifar10}[name]
    val_logits[name, kind] = logits_of(model, data, data.val.images)
    right = val_logits[name, kind].argmax(dim=1) == data.val.labels
    print(f"{name:8} {kind:7} {100 * right.float().mean():.1f} % of validation right")

# %% [markdown]
# One number for each model. It hides which images are wrong, how wrong they are, and whether the model knew. The rest of the chapter takes it apart.
#
# ## Where do the mistakes go?
#
# Chapter 2 introduced the [confusion matrix](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#confusion-matrix). Two changes make it readable. First, **divide each row by its sum**: the row then says where the images of one class went, and rows of rare and common classes can be compared. Second, **put classes that are confused next to each other**. A clustering from SciPy finds such an order; it sees the numbers alone, not the names.

# %%
labels, logits = cifar10.val.labels, val_logits["cifar10", "cnn"]
answers = logits.argmax(dim=1)
counts = torch.zeros(10, 10)
for truth, answer in zip(labels, answers):
    counts[truth, answer] += 1
shares = counts / counts.sum(dim=1, keepdim=True)  # each row adds up to 1

distance = (1 - (shares + shares.T)).fill_diagonal_(0)  # confused means near
tree = linkage(squareform(distance), "average", optimal_ordering=True)
order = leaves_list(tree)

# %% [markdown]
# **Think first**: the diagonal holds the right answers. Which two fields beside it will be largest? Which classes will end up far apart?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two confusion matrices of ten classes of photographs with the per cent of each row. Above in the usual order, below sorted so that vehicles and animals stand together; the largest mistakes lie near the diagonal, most of all between cat and dog."}}
# @title Drawing: the confusion matrix, before and after sorting
figure, axes = plt.subplots(2, 1, figsize=(6.2, 9.6))
for axis, places in zip(axes, (np.arange(10), order)):
    table = 100 * shares[places][:, places]
    mistakes = table.clone().fill_diagonal_(0)
    axis.imshow(mistakes, cmap="Blues", vmin=0, vmax=20)
    for row, column in np.ndindex(10, 10):
        value = table[row, column].item()
        if value >= 1:
            colour = "white" if mistakes[row, column] > 11 else "black"
            bold = "bold" if row == column else "normal"
            axis.text(
                column, row, f"{value:.0f}", ha="center", va="center",
                fontsize=9, color=colour, weight=bold,
            )
    names = [cifar10.classes[place] for place in places]
    axis.set_xticks(range(10), names, rotation=45, ha="right")
    axis.set_yticks(range(10), names)
    axis.set(xlabel="answer", ylabel="true class")
axes[0].set_title("in the data set's order (per cent of each row)")
axes[1].set_title("confused classes side by side")
plt.show()

# %% [markdown]
# The colour shows mistakes only, so that the diagonal does not outshine them. In the sorted matrix they gather in blocks near the diagonal. Nobody told the network that there are animals and vehicles, but its mistakes know: the animals stand in one block, the vehicles in another. Between the blocks, birds and planes are confused most. Cats and dogs are taken for each other most of all.
#
# Read a row to learn *what happens to cats*. To learn *what an answer "cat" is worth*, read the column, divided by its own sum. These are two questions, and each has a name: **[recall](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#recall)** is the share of a class that is found, **[precision](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#precision)** the share of an answer that is right.

# %%
recall = counts.diag() / counts.sum(dim=1)
precision = counts.diag() / counts.sum(dim=0).clamp(min=1)
table = pd.DataFrame({"recall": recall, "precision": precision}, cifar10.classes)
print((100 * table).to_string(float_format="%.1f"))

# %% [markdown]
# A model that says "cat" too often has a high recall for cats, and a low precision.
#
# ## Sure, and wrong
#
# Chapter 3 showed the surest mistakes on photographs. Here they are for the digits.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Eight validation digits that the CNN answered wrongly and with high certainty, each with the answer, its certainty and the label; several are hard to read for people too."}}
# @title Drawing: the surest mistakes on digits
plot_mistakes(
    mnist.val.images, mnist.val.labels, val_logits["mnist", "cnn"].softmax(dim=1),
    mnist.classes, count=8, columns=4,
)
plt.show()

# %% [markdown]
# Look at each of them: is the model wrong, or the label? Some digits could be either. So the same list serves a second purpose: it **finds suspicious labels**. Sort images by the probability that the model gives to the label as written, and look at the lowest.
#
# Does that work? We can test it, because we can plant the errors ourselves. We pick about two in a hundred validation images at random and change their labels. Then we sort, and look at as many images as we spoiled.

# %%
generator = torch.Generator().manual_seed(0)
spoiled = torch.rand(len(mnist.val), generator=generator) < 0.02
given = torch.where(spoiled, (mnist.val.labels + 3) % 10, mnist.val.labels)

probabilities = val_logits["mnist", "cnn"].softmax(dim=1)
belief = probabilities[torch.arange(len(given)), given]  # in the label as given
looked_at = belief.argsort()[: spoiled.sum()]
print(f"{100 * spoiled[looked_at].float().mean():.1f} % of these are spoiled labels")
print(f"{100 * spoiled.float().mean():.1f} % would be, if we looked at random")

# %% [markdown]
# The model finds most of them. The rest of the list is honest labels of strange digits. That is why chapter 1's rule stays: *suspicious is not wrong*. A person looks and decides. Ours was an easy test: we added 3 to the label. People mix up digits that look alike, and such errors are harder to find. And a warning: ask a model about images that it was **not** trained on. It may have learned the wrong labels of its training images too, and then finds them quite likely.
#
# ## How sure is an accuracy?
#
# Each class has only a tenth of the images, so its accuracy is known less well. Here is the **Wilson interval**, which you may have met in *Your own images*: for a `share` of right answers among so many pictures, it gives the true accuracies that fit. It is a [confidence interval](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#confidence-interval): 95 % of such intervals contain the true value.


# %%
def wilson(share, pictures, z=1.96):
    """The true accuracies that fit a `share` of right answers (95 % confidence)."""
    spread = z**2 / pictures
    middle = (share + spread / 2) / (1 + spread)
    reach = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return middle - reach, middle + reach


# %% tags=["hide-input"] mystnb={"image": {"alt": "Accuracy of each class of photographs with Wilson intervals, sorted: for the CNN a few points wide; many neighbouring intervals overlap, cat is lowest. The fully connected network lies far below in every class."}}
# @title Drawing: accuracy of each class, with Wilson intervals
figure, axis = plt.subplots(figsize=(6.2, 4.2))
ranking = recall.argsort()
for number, kind in enumerate(("cnn", "linear")):
    correct = (val_logits["cifar10", kind].argmax(dim=1) == labels).float()
    for place, k in enumerate(ranking):
        share, pictures = correct[labels == k].mean().item(), (labels == k).sum().item()
        low, high = wilson(share, pictures)
        height, colour = place + 0.15 * (1 - 2 * number), COLOURS[number]
        axis.plot([100 * low, 100 * high], [height, height], color=colour)
        axis.plot(100 * share, height, MARKERS[number], color=colour, ms=5)
    axis.plot([], [], MARKERS[number], color=COLOURS[number], label=kind)
axis.set_yticks(range(10), [cifar10.classes[k] for k in ranking])
axis.set(xlabel="accuracy on validation (%), with 95 % interval", xlim=(0, 100))
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
# Classes at the two ends surely differ. Of neighbours in the list we mostly cannot say: with other images their order could be another. Keep in mind that these are twenty intervals. At 95 %, about one of them misses its true value.
#
# ## Do two models really differ?
#
# Two models answer *the same* images. To compare two intervals throws that away: most images are right, or wrong, for both, and tell us nothing about the difference. What counts are the images on which **exactly one** of the two is right. If the models were equally good, each such image would be a coin toss. So count how often A alone is right, how often B alone, and ask: how often would a fair coin be at least so one-sided? That probability is the **[p-value](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#p-value)**, and this is **McNemar's test**.


# %%
def mcnemar(a_right, b_right):
    """How often chance alone gives so uneven a result (exact, two-sided)."""
    a_alone = (a_right & ~b_right).sum().item()
    b_alone = (~a_right & b_right).sum().item()
    tosses, fewer = a_alone + b_alone, min(a_alone, b_alone)
    tail = sum(math.comb(tosses, k) for k in range(fewer + 1)) / 2**tosses
    return min(1.0, 2 * tail)


# %%
a_right = torch.tensor([True] * 95 + [False] * 5)  # 95 of 100
b_right = torch.tensor([True] * 87 + [False] * 13)  # 87 of 100, and none that A misses
for share in (0.95, 0.87):
    low, high = wilson(share, 100)
    print(f"{share:.2f}: true accuracy {low:.3f} to {high:.3f}")
print(f"McNemar: p = {mcnemar(a_right, b_right):.4f}")

# %% [markdown]
# The two intervals overlap, and yet chance hardly explains the difference. A alone is right eight times and B alone never: a coin rarely does that. Pairs see what intervals cannot.
#
# Now three real comparisons on the same validation digits. The third is between two CNNs that differ in nothing but their seed.
#
# **Think first**: which of the three p-values will be small?

# %%
other_seed = train("cnn", digits, seed=1)
cnn_right, linear_right, other_right = (
    output.argmax(dim=1) == mnist.val.labels
    for output in (
        val_logits["mnist", "cnn"],
        val_logits["mnist", "linear"],
        logits_of(other_seed, mnist, mnist.val.images),
    )
)
pairs = {
    "CNN, linear (100 images)": (cnn_right[:100], linear_right[:100]),
    "CNN, linear (all)": (cnn_right, linear_right),
    "CNN, CNN of another seed": (cnn_right, other_right),
}
for name, (a, b) in pairs.items():
    gap = 100 * (a.float().mean() - b.float().mean())
    print(f"{name:25} {gap:5.1f} points apart, p = {mcnemar(a, b):.4f}")

# %% [markdown]
# A hundred images cannot show what thousands can. (A p-value is never 0: 0.0000 means that it is below 0.00005.) A large p-value does not say "equal". It says: *not enough images to tell*. A small one says that these two **trained models** differ. Whether the two **recipes** differ is another question: for that, train with several seeds, as chapters 3 and 4 do.
#
# ## When it says 90 %
#
# Softmax gives probabilities. Do they keep their word? Take all answers of which the model was about 90 % sure. If about 90 % of them are right, it is **[calibrated](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#calibration)**. The **reliability diagram** draws that for ten ranges of certainty. The **expected calibration error** is the mean distance between certainty and accuracy, each range weighed by its number of answers.


# %%
def reliability(logits, labels, bins=10):
    """For each range of certainty: mean certainty, accuracy, share of the answers."""
    certainty, answers = logits.softmax(dim=1).max(dim=1)
    right = (answers == labels).float()
    rows = []
    for k in range(bins):
        inside = (certainty > k / bins) & (certainty <= (k + 1) / bins)
        if inside.any():
            means = certainty[inside].mean(), right[inside].mean()
            rows.append((*means, inside.float().mean()))
    return torch.tensor(rows).T


def calibration_error(logits, labels):
    certainty, accuracy, weight = reliability(logits, labels)
    return (weight * (certainty - accuracy).abs()).sum().item()


# %% [markdown]
# The CNN for the photographs is too sure, as networks often are when they go on learning after the training images are nearly all right. Cross-entropy still rewards larger logits there.
#
# The repair is almost free. Divide all logits by one number, the [temperature](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#temperature) $T$. The largest logit stays the largest, so no answer changes, only the certainty. We take the $T$ with the lowest cross-entropy on **validation**, and report on the **test** split, which played no part in it.

# %%
temperatures = torch.linspace(0.25, 5, 191)
losses = [F.cross_entropy(logits / T, labels).item() for T in temperatures]
T = temperatures[np.argmin(losses)].item()
print(f"temperature {T:.2f}")

# %%
test_labels = cifar10.test.labels
before = logits_of(models["cifar10", "cnn"], cifar10, cifar10.test.images)
after = before / T
for name, output in (("before", before), ("after", after)):
    error = 100 * calibration_error(output, test_labels)
    loss = F.cross_entropy(output, test_labels).item()
    print(f"{name:6}: calibration error {error:.1f} points, cross-entropy {loss:.3f}")
print("same answers:", torch.equal(before.argmax(dim=1), after.argmax(dim=1)))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Reliability diagrams on the test photographs. Before, the points lie below the diagonal: the network is surer than it is right. After dividing by the temperature they lie close to the diagonal."}}
# @title Drawing: reliability before and after
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), sharey=True)
for axis, name, output in zip(axes, ("before", "after"), (before, after)):
    certainty, accuracy, weight = (100 * reliability(output, test_labels)).numpy()
    axis.plot([0, 100], [0, 100], color="0.5", lw=1, ls="--")
    axis.plot(certainty, accuracy, color=COLOURS[0], lw=1)
    axis.scatter(certainty, accuracy, s=10 + 8 * weight, color=COLOURS[0])
    axis.set(title=name, xlabel="certainty (%)", xlim=(0, 102), ylim=(0, 102))
axes[0].set_ylabel("of these are right (%)")
plt.show()
errors = [100 * calibration_error(output, test_labels) for output in (before, after)]
confirm(T > 1, "the network was too sure")
confirm(errors[1] < errors[0], "the temperature lowers the calibration error on test")
record("mistakes.calibration", temperature=T, before=errors[0], after=errors[1])

# %% [markdown]
# Larger dots stand for more answers. Below the dashed line the network is surer than it is right. Calibration is a promise about *many* answers, from the same world as the validation split. It says nothing about one single image, and nothing about other worlds.
#
# ## Better no answer than a wrong one
#
# Now certainty can be put to use: answer only when it is high enough, and pass the rest to a person. The share that is answered is the **[coverage](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#coverage)**. We ask for 95 % right answers, find the lowest threshold on validation that gives it, and see on the test split whether it holds.


# %%
def selective(logits, labels):
    """Accuracy and certainty when only the surest 1, 2, 3, … answers are given."""
    certainty, answers = logits.softmax(dim=1).max(dim=1)
    certainty, order = certainty.sort(descending=True)
    right = (answers == labels)[order].float()
    return right.cumsum(0) / torch.arange(1, len(right) + 1), certainty


# %%
accuracy, certainty = selective(logits / T, labels)
enough = (accuracy >= 0.95).nonzero()  # the longest list that is good enough
threshold = certainty[enough[-1, 0]].item() if len(enough) else 1.0
print(f"threshold {100 * threshold:.1f} %")

# %%
answered = after.softmax(dim=1).amax(dim=1) >= threshold
right = after.argmax(dim=1) == test_labels
print(f"test: {100 * answered.float().mean():.1f} % answered")
print(f"test: {100 * right[answered].float().mean():.1f} % of these right")
print(f"test: {100 * right.float().mean():.1f} % right, if all had to be answered")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Accuracy against coverage on the test photographs: both curves fall as more is answered; the CNN lies far above the fully connected network."}}
# @title Drawing: accuracy against coverage
figure, axis = plt.subplots(figsize=(5.8, 3.4))
flat = logits_of(models["cifar10", "linear"], cifar10, cifar10.test.images)
for number, (name, output) in enumerate({"CNN": after, "linear": flat}.items()):
    accuracy, _ = selective(output, test_labels)
    coverage = 100 * np.arange(1, len(accuracy) + 1) / len(accuracy)
    start = len(accuracy) // 50  # the first few jump
    style = {"color": COLOURS[number], "label": name, "ls": ("-", "--")[number]}
    axis.plot(coverage[start:], 100 * accuracy[start:], **style)
axis.axhline(95, color="0.5", lw=1, ls=":")
axis.set(xlabel="coverage: answered (%)", ylabel="of these right (%)", ylim=(30, 101))
axis.legend()
plt.show()
confirm(right[answered].float().mean() > right.float().mean(), "silence helps")

# %% [markdown]
# The right end of each curve is the plain accuracy. Further to the left, the model keeps silent more often, and is right more often. That the curve falls at all means that the model knows something about its own mistakes. The threshold was chosen on validation, so the test accuracy may lie a little above or below 95 %.

# %% [markdown]
# ## What does the answer depend on?
#
# Three maps that try to say which pixels an answer rests on, each in a few lines.
#
# - **[Occlusion](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#occlusion)**: cover a square with grey and see how far the logit falls. Slow, but it means what it says.
# - **[Saliency](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#saliency)**: the slope of the logit at every pixel. It is one backward pass, and says what a *tiny* change would do.
# - **[Grad-CAM](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#grad-cam)**: weight the last feature maps by the mean slope of the logit, and add them up. Coarse, but it shows *where* the class was seen.


# %%
@torch.no_grad()
def occlusion(model, x, k, size=8, stride=4):
    """How far logit `k` falls when a square of `x` (1 x C x H x W) is grey."""
    covered = []
    steps = range(0, x.shape[-1] - size + 1, stride)
    for top in steps:
        for left in steps:
            copy = x.clone()
            copy[:, :, top : top + size, left : left + size] = 0  # the mean colour
            covered.append(copy)
    falls = model(x)[0, k] - model(torch.cat(covered))[:, k]
    return falls.view(len(steps), len(steps))


def saliency(model, x, k):
    x = x.clone().requires_grad_()
    model(x)[0, k].backward()
    return x.grad[0].abs().amax(dim=0)  # the strongest channel


# %%
def grad_cam(model, x, k):
    maps = model.features(x).detach().requires_grad_()
    model.head(maps)[0, k].backward()
    weights = maps.grad.mean(dim=(2, 3), keepdim=True)  # one for each map
    return (weights * maps.detach()).sum(dim=1)[0].relu()


network = models["cifar10", "cnn"]
x = cifar10.normalise(cifar10.val.images[:1])
maps = network.features(x).detach().requires_grad_()
network.head(maps)[0, 3].backward()
slopes, row = maps.grad.sum(dim=(0, 2, 3)), network.head[2].weight[3]
print("the slopes are the last layer's weights:", torch.allclose(slopes, row))

# %% [markdown]
# The last line is a bonus. In our CNN only global pooling and one linear layer follow the maps. So the weights of Grad-CAM are simply the class's row of that layer, up to a factor.
#
# A map can look convincing and mean nothing. So there is a test: draw the same maps for a network with **random weights**. It knows nothing. If its maps look the same, they show the image or the shape of the network, and not what was learned.
#
# **Think first**: which of the three will change least?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four photographs; below each its occlusion, saliency and Grad-CAM map for the trained network and, beneath those, for one with random weights. The maps of the random network light up elsewhere."}}
# @title Drawing: three maps, a trained network and a random one
random_network = build_model("cnn", cifar10.image_shape, 10, "middle", seed=9).eval()
methods = {"occlusion": occlusion, "saliency": saliency, "Grad-CAM": grad_cam}
sure = val_logits["cifar10", "cnn"].softmax(dim=1).amax(dim=1)
well = (answers == labels) & (sure > 0.8)
picked = [(well & (labels == k)).nonzero().flatten()[:1] for k in (0, 7, 5, 9)]
picked = [int(index) for index in picked if len(index)] or [0]
figure, axes = plt.subplots(7, len(picked), figsize=(6, 9.6), squeeze=False)
for column, index in zip(axes.T, picked):
    image, k = cifar10.val.images[index], int(answers[index])
    draw_image(column[0], image)
    column[0].set_title(cifar10.classes[k], fontsize=10)
    rows = iter(column[1:])
    for name, method in methods.items():
        for which in (network, random_network):
            axis = next(rows)
            heat = method(which, cifar10.normalise(image[None]), k)
            axis.imshow(heat, cmap="cividis", vmin=0)
            axis.set(xticks=[], yticks=[])
sides = [f"{name}\n{which}" for name in methods for which in ("trained", "random")]
for axis, name in zip(axes[1:, 0], sides):
    axis.set_ylabel(name, fontsize=9)
plt.show()

# %% [markdown]
# Four pictures prove nothing, so we count: over many photographs, how well does the trained network's map agree with the random one's? The **correlation** tells: 1 means bright in the same places, 0 means nothing in common.

# %% tags=["hide-input"]
# @title How well the maps of both networks agree
def agreement(a, b):
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()


for name, method in methods.items():
    agreements = []
    for index in range(LOOKED_AT):
        x = cifar10.normalise(cifar10.val.images[index : index + 1])
        k = int(answers[index])
        pair = [method(which, x, k) for which in (network, random_network)]
        agreements.append(agreement(*pair))
    print(f"{name:9} {np.nanmean(agreements):5.2f}")

# %% [markdown]
# None of the three is a copy of the random one's map, so all of them show something that was learned. But saliency keeps part of its map even when the network knows nothing. Each filter meets a pixel in the middle at more of its positions than one at the border. So pixels in the middle have larger slopes in almost any network, whatever the photograph. Take such a map as a hint, and then test the hint. Cover what it marks, and see whether the answer changes. That is what occlusion does.
#
# ## Other worlds
#
# All numbers so far are promises for images **like those of the validation split**. Let us leave that world. Shifted, turned, noisy, blurred and inverted digits are one step away. A larger one are other people's digits. scikit-learn has some, from a collection of its own, at 8 × 8 pixels. We enlarge them to 20 × 20 and put them into a frame of four pixels, as MNIST's digits are.

# %%
worlds = {
    "as they are": lambda images: images,
    "shifted by 4": lambda images: images.roll((4, 4), dims=(2, 3)),
    "turned by 30°": lambda images: v2.functional.rotate(images, 30),
    "noisy": lambda images: (images + 80 * torch.randn(images.shape)).clamp(0, 255),
    "blurred": lambda images: v2.functional.gaussian_blur(images, [9, 9], [2.0, 2.0]),
    "inverted": lambda images: 255 - images,
}
torch.manual_seed(0)
seen = mnist.val.images[:2000]
shown = {name: change(seen).byte() for name, change in worlds.items()}

# %%
others = load_digits()
small = torch.tensor(others.images[:OTHERS], dtype=torch.float32)[:, None] * 255 / 16
large = F.interpolate(small, size=20, mode="bilinear").round().byte()
shown["other people's"] = F.pad(large, (4, 4, 4, 4))
truths = {name: mnist.val.labels[:2000] for name in worlds}
truths["other people's"] = torch.tensor(others.target[:OTHERS])

# %% tags=["hide-input"] mystnb={"image": {"alt": "Seven rows of six digits: as they are, shifted, turned, noisy, blurred, inverted, and other people's digits, which are blurred and thicker."}}
# @title Drawing: seven worlds
figure, axes = plt.subplots(7, 7, figsize=(5.6, 5.8), width_ratios=[1.6] + 6 * [1])
for row, (name, images) in zip(axes, shown.items()):
    row[0].text(1, 0.5, name, ha="right", va="center", fontsize=10)
    row[0].axis("off")
    for axis, image in zip(row[1:], images[10:]):
        draw_image(axis, image)
plt.show()

# %% [markdown]
# **Think first**: you can read all of them. In which worlds will the CNN fail? And will it notice?

# %%
rows = []
for name, images in shown.items():
    output = logits_of(models["mnist", "cnn"], mnist, images)
    certainty, found = output.softmax(dim=1).max(dim=1)
    accuracy = (found == truths[name]).float().mean()
    rows.append((name, 100 * accuracy.item(), 100 * certainty.mean().item()))
table = pd.DataFrame(rows, columns=["world", "accuracy", "certainty"])
print(table.to_string(index=False, float_format="%.1f"))
gap = (table["certainty"] - table["accuracy"])[5]
confirm(gap > 20, "for inverted digits the certainty is far above the accuracy")

# %% [markdown]
# Compare the two columns. In its own world they agree. Elsewhere they may still be close, or be worlds apart, and nothing in the answer tells you which: **the model does not know that it has left home**. Noisy and inverted digits are nearly always misread, with a high certainty. A temperature that was fitted at home would not help.
#
# What does? The training images can contain more than MNIST does. We turn, shift and resize half of them at random, train with the same number of images and steps, and repeat it with several seeds. The settings of the change were written down once and not tuned.

# %%
moved = v2.RandomAffine(degrees=25, translate=(0.1, 0.1), scale=(0.7, 1.2), shear=10)
few = mnist.subset(FEW_DIGITS)
rows = []
for seed in SEEDS:
    torch.manual_seed(seed)
    altered = few.train.images.clone()
    altered[::2] = torch.stack([moved(image) for image in altered[::2]])
    wider = replace(few, train=replace(few.train, images=altered))
    for recipe_name, data in (("plain", few), ("half altered", wider)):
        model = train("cnn", data, seed, epochs=6)
        for name, images in shown.items():
            found = logits_of(model, mnist, images).argmax(dim=1)
            right = (found == truths[name]).float().mean().item()
            rows.append((name, recipe_name, 100 * right))

# %%
table = pd.DataFrame(rows, columns=["world", "training", "accuracy"])
table = table.groupby(["world", "training"], sort=False)["accuracy"]
table = table.agg(["mean", "std"]).unstack()
print(table.to_string(float_format="%.1f", na_rep="nan"))
gain = table["mean", "half altered"] - table["mean", "plain"]
confirm(gain["turned by 30°"] > 0, "turned digits in training help with turned digits")

# %% [markdown]
# Read the table by kind. *Turned* digits were nearly rehearsed: training turned them by up to 25°. So they are hardly another world any more, and there the gain is large. *Noisy*, *blurred* and *inverted* digits have little to do with turning. Nothing is promised there: a world that was not rehearsed may gain or lose. And for *other people's* digits, compare the difference of the means with the standard deviations. Three seeds cannot tell whether it helped. These digits differ in thickness and sharpness more than in angle, and nobody rehearsed that. Augmentation makes the home world larger. It does not remove the border.
#
# ## An attack in five lines (optional)
#
# The worlds above were blind accidents. Now somebody wants the mistake. The gradient says for every *pixel* in which direction the loss rises. One small step of each pixel in that direction is the **fast gradient sign method**, and its result an **[adversarial example](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#adversarial-example)**:


# %%
def attack(model, data, images, labels, epsilon):
    """Change each pixel by at most `epsilon` (of 1) so that the loss rises."""
    pixels = (images.float() / 255).requires_grad_()
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (data.mean, data.std))
    F.cross_entropy(model((pixels - mean) / std), labels).backward()
    changed = (pixels + epsilon * pixels.grad.sign()).detach().clamp(0, 1)
    return (255 * changed).round().byte()


# %%
victims = cifar10.val[:ATTACKED]
torch.manual_seed(0)
signs = 2 * torch.randint(0, 2, victims.images.shape) - 1
for steps in (0, 1, 2, 4, 8):
    attacked = attack(network, cifar10, victims.images, victims.labels, steps / 255)
    noisy = (victims.images + steps * signs).clamp(0, 255).byte()
    print(f"changed by at most {steps} of 255:", end="")
    for name, images in (("attacked", attacked), ("random signs", noisy)):
        found = logits_of(network, cifar10, images).argmax(dim=1)
        right = 100 * (found == victims.labels).float().mean()
        print(f"  {name} {right:.1f} % right", end="")
    print()

# %% tags=["hide-input"] mystnb={"image": {"alt": "A photograph, the change magnified, and the changed photograph, which looks the same; above both the network's answer, which has become wrong."}}
# @title Drawing: one photograph, attacked
images = attack(network, cifar10, victims.images, victims.labels, 4 / 255)
first = logits_of(network, cifar10, victims.images).softmax(dim=1)
then = logits_of(network, cifar10, images).softmax(dim=1)
fooled = first.argmax(dim=1) == victims.labels
fooled &= then.argmax(dim=1) != victims.labels
one = int((fooled * first.amax(dim=1)).argmax())
change = (images[one].float() - victims.images[one].float()) / 8 + 0.5
figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.6))
for axis, image in zip(axes, (victims.images[one], change, images[one])):
    draw_image(axis, image)
for axis, output in zip(axes[::2], (first[one], then[one])):
    k = int(output.argmax())
    axis.set_title(f"{cifar10.classes[k]} ({100 * output[k]:.0f} %)", fontsize=10)
axes[1].set_title("the change, magnified", fontsize=10)
plt.show()

# %% [markdown]
# You see hardly any difference, and the network sees another class. It works because thousands of pixels push in the same direction at once. Noise of the same size, with random signs, does far less: its pushes cancel. In this picture the certainty has fallen, too. That is no protection: whoever repeats small steps can make the network surer of the wrong class than it was of the right one.
#
# ## What went wrong, and why
#
# **The best score on the test split.** Somebody trains many networks, measures all of them on the test split, and reports the best. Nobody trained on the test images, so what is wrong? We do it on purpose. The candidates are equal but for their seed. We draw 200 validation images to play the test split, choose the best candidate there, and ask the remaining images how good it really is. All of it many times.

# %%
rights = []
for seed in range(CANDIDATES):
    model = train("linear", mnist.subset(1_000), seed, epochs=2, precision="fp32")
    found = logits_of(model, mnist, mnist.val.images).argmax(dim=1)
    rights.append(found == mnist.val.labels)
rights = torch.stack(rights).float()  # candidates x images

# %%
rng = np.random.default_rng(0)
flattery = np.zeros((DRAWS, CANDIDATES))
for draw in range(DRAWS):
    images = torch.tensor(rng.permutation(rights.shape[1]))
    test_score = rights[:, images[:200]].mean(dim=1).numpy()
    truth = rights[:, images[200:]].mean(dim=1).numpy()
    models_in_turn = rng.permutation(CANDIDATES)
    for count in range(1, CANDIDATES + 1):
        tried = models_in_turn[:count]
        best = tried[test_score[tried].argmax()]
        flattery[draw, count - 1] = 100 * (test_score[best] - truth[best])

# %% tags=["hide-input"] mystnb={"image": {"alt": "How many points the chosen model's test score lies above the truth, against the number of candidates: near zero for one candidate, then rising steeply and ever more slowly."}}
# @title Drawing: what choosing by the test split adds to the score
tried = np.arange(1, CANDIDATES + 1)
mean, error = flattery.mean(axis=0), flattery.std(axis=0) / math.sqrt(DRAWS)
figure, axis = plt.subplots(figsize=(5.8, 3.2))
axis.fill_between(tried, mean - 2 * error, mean + 2 * error, alpha=0.3)
axis.plot(tried, mean)
axis.axhline(0, color="0.5", lw=1, ls="--")
axis.set(xlabel="candidates to choose from", ylabel="test score − truth (points)")
plt.show()
confirm(mean[-1] > mean[0] + 0.5, "the best test score of many flatters")
record("mistakes.peeked", candidates=CANDIDATES, points=mean[-1])

# %% [markdown]
# One candidate, measured once: the mean error is about zero. Choose among many, and the winner is partly the luckiest. Its luck is in the score, and stays behind when new images come. The same happens with a validation split, which is why the score that *chose* is never the score that you *report*.
#
# **A temperature fitted on training images.** The model has seen them, so its answers there are better than they will ever be again. The fit then asks for *more* certainty, and may end at 0.25, the lowest temperature that we try.

# %%
known = cifar10.train[:5000]
train_logits = logits_of(network, cifar10, known.images)
losses = [F.cross_entropy(train_logits / t, known.labels).item() for t in temperatures]
T_train = temperatures[np.argmin(losses)].item()
for name, t in (("validation", T), ("training", T_train)):
    error = 100 * calibration_error(before / t, test_labels)
    print(f"fitted on {name:10}: temperature {t:.2f}, error on test {error:.1f} points")

# %% [markdown]
# **An average that hides a class.** A data set with 95 healthy pictures and 5 ill ones: the model that always says "healthy" is right for 95 %. The row of the confusion matrix shows at once that it finds none of the ill.
#
# ## Which one should I choose?
#
# | You want to know | Take | Beware |
# |---|---|---|
# | what is confused with what | confusion matrix, rows divided by their sums | read columns for what an answer is worth |
# | whether labels are wrong | images whose label the model finds unlikely | not on images that it was trained on |
# | how sure an accuracy is | Wilson interval | many intervals: some miss |
# | whether two trained models differ | McNemar, on the same images | two recipes need several seeds |
# | whether "90 %" means 90 % | reliability diagram, then a temperature | fit it on validation |
# | which answers to give | threshold chosen on validation | holds in the same world only |
# | what an answer rests on | occlusion; Grad-CAM as a hint | compare with a random network |
# | whether it works elsewhere | images from elsewhere, with labels | certainty need not tell |
#
# And the question of the chapter? You may trust an answer if images *like this one* were measured, if the certainty was checked on such images, and if nobody chose the model by the number that you are shown. The network alone cannot tell you any of the three.
#
# ## Exercises
#
# Replace the dots `...` and run the cell: it says ✅, or ❌ with a hint. The solution is folded below each.
#
# ### Exercise 6.1: rows and columns (easy)
#
# From `labels` and `answers` (int64, `N` each) compute for each class the share of its *answers* that are right, the precision, as a tensor of `num_classes` numbers. A class that is never answered gets 0.


# %%
def precision_of(labels, answers, num_classes): ...


grade("6.1", precision_of)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def precision_of(labels, answers, num_classes):
#     given = torch.bincount(answers, minlength=num_classes)
#     right = torch.bincount(answers[answers == labels], minlength=num_classes)
#     return right / given.clamp(min=1)
# ```
#
# Divide by how often the class was *answered*, a column's sum. `clamp` keeps 0 / 0 away, which would be nan.
#
# </details>
#
# ### Exercise 6.2: twenty tests (easy)
#
# You compare `tests` pairs of models that in truth are equally good, all independent, and call a difference real when p < `level`. How likely is at least one false alarm? Predict the number for 20 tests at 0.05 first.


# %%
def false_alarm(tests, level): ...


grade("6.2", false_alarm)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def false_alarm(tests, level):
#     return 1 - (1 - level) ** tests
# ```
#
# None of them raises an alarm with probability $(1 - 0.05)^{20}$, about 36 %. So at least one does in 64 % of all cases.
#
# </details>
#
# ### Exercise 6.3: read a reliability diagram (easy)
#
# Four models, each with three ranges of certainty as pairs (mean certainty, accuracy):
#
# - A: (0.55, 0.40), (0.75, 0.58), (0.95, 0.80)
# - B: (0.55, 0.56), (0.75, 0.74), (0.95, 0.95)
# - C: (0.55, 0.70), (0.75, 0.88), (0.95, 0.99)
# - D: (0.55, 0.45), (0.75, 0.75), (0.95, 0.99)
#
# Which temperature would you expect to help each of them: `"above 1"`, `"below 1"`, `"1"` (leave it), or `"none"` (no temperature mends it, because it is too sure at one end and not sure enough at the other)?

# %%
wanted_temperature = ...  # a list of four words, for A, B, C and D

grade("6.3", wanted_temperature)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# wanted_temperature = ["above 1", "1", "below 1", "none"]
# ```
#
# A lies below the diagonal, so it is too sure: divide by more than 1. C lies above. D lies below at one end and above at the other, and one number moves all certainties the same way.
#
# </details>
#
# ### Exercise 6.4: accuracy at a coverage (medium)
#
# Answer only the surest `coverage` of all images, such as 0.8, and return the accuracy on these. Round the number of images to the nearest whole one. The logits are `N` × classes.


# %%
def accuracy_at(logits, labels, coverage): ...


grade("6.4", accuracy_at)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def accuracy_at(logits, labels, coverage):
#     certainty, answers = logits.softmax(dim=1).max(dim=1)
#     kept = certainty.argsort(descending=True)[: round(coverage * len(labels))]
#     return (answers == labels)[kept].float().mean().item()
# ```
#
# Sort by the *probability*. The largest logit alone is no certainty: it says nothing without the others.
#
# </details>
#
# ### Exercise 6.5: an attack with a goal (medium)
#
# Change `pixels` (`N x C x H x W`, from 0 to 1) by one step of the fast gradient sign method, each by at most `epsilon`, so that the model answers `target` (a class for each image) more often. The result must again lie between 0 and 1. `model` takes such pixels and returns logits.


# %%
def targeted(model, pixels, target, epsilon): ...


grade("6.5", targeted)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def targeted(model, pixels, target, epsilon):
#     pixels = pixels.clone().requires_grad_()
#     F.cross_entropy(model(pixels), target).backward()
#     return (pixels - epsilon * pixels.grad.sign()).detach().clamp(0, 1)
# ```
#
# The loss of the class that we *want* must fall, so the step goes down: a minus where the chapter has a plus.
#
# </details>
#
# ### Exercise 6.6: what does a wrong answer cost? (open-ended)
#
# A wrong answer costs `wrong`, and to ask a person costs `ask`. From validation logits and labels choose the threshold on certainty (the largest probability): answers at or above it are given, the others are asked. The check then uses your threshold on images that your function never saw, and compares the cost for each image with the best threshold there.


# %%
def cheapest_threshold(logits, labels, wrong, ask): ...


grade("6.6", cheapest_threshold)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def cheapest_threshold(logits, labels, wrong, ask):
#     certainty, answers = logits.softmax(dim=1).max(dim=1)
#     mistaken = (answers != labels).float()
#     thresholds = torch.linspace(0, 1.01, 203)
#     costs = []
#     for threshold in thresholds:
#         given = (certainty >= threshold).float()
#         costs.append((wrong * mistaken * given + ask * (1 - given)).mean().item())
#     return thresholds[costs.index(min(costs))].item()
# ```
#
# A calibrated model needs no search: an answer with certainty $p$ costs $(1 - p)$ times `wrong` on average, so ask when that is more than `ask`. The threshold is 1 − `ask` / `wrong`. The check's model is too sure, so this formula alone fails. Fit a temperature first, and it works, too. See which share of the answers it keeps, and take the threshold on the old certainties that keeps as many.
#
# </details>
#
# ## Quiz
#
# **1. Two models get 95 and 93 of the same 100 images right, and their Wilson intervals overlap. What follows?**
#
# <details name="quiz-6-1"><summary>A. Nothing yet: count on which images only one is right</summary>
#
# ✅ Yes: the images on which both agree say nothing. McNemar's test looks at the others.
#
# </details>
# <details name="quiz-6-1"><summary>B. The models are equally good, because the intervals overlap</summary>
#
# ❌ Not so: overlapping intervals do not show equality, and they ignore that the images are the same.
#
# </details>
# <details name="quiz-6-1"><summary>C. The first is better, since 95 is more than 93</summary>
#
# ❌ Not so: two images of a hundred can be chance. That is the question to answer.
#
# </details>
#
# **2. You divide all logits by 2. What changes?**
#
# <details name="quiz-6-2"><summary>A. The accuracy</summary>
#
# ❌ Not so: the largest logit stays the largest, so every answer stays as it was.
#
# </details>
# <details name="quiz-6-2"><summary>B. Nothing, as softmax divides by the sum anyway</summary>
#
# ❌ Not so: softmax forgets what is *added* to all logits. A factor does change it.
#
# </details>
# <details name="quiz-6-2"><summary>C. The certainties come closer to each other</summary>
#
# ✅ Yes: a temperature above 1 makes the probabilities more even, without changing an answer.
#
# </details>
#
# **3. A saliency map of a network with random weights looks like that of the trained one. What do you conclude?**
#
# <details name="quiz-6-3"><summary>A. The random network has already learned something</summary>
#
# ❌ Not so: its weights come from a random number generator. There is nothing in it to learn from.
#
# </details>
# <details name="quiz-6-3"><summary>B. The map mostly shows the image, or the shape of the network</summary>
#
# ✅ Yes: what does not depend on training cannot tell what training has found.
#
# </details>
# <details name="quiz-6-3"><summary>C. The map is right, because two networks agree on it</summary>
#
# ❌ Not so: one of the two knows nothing. Its agreement is a warning, and no support.
#
# </details>
#
# **4. A digit model is calibrated on MNIST's validation split. Somebody shows it a letter, and it says "8, 97 %". May you trust the 97?**
#
# <details name="quiz-6-4"><summary>A. Yes: it was calibrated</summary>
#
# ❌ Not so: calibration is a promise about images like those it was measured on. There were no letters.
#
# </details>
# <details name="quiz-6-4"><summary>B. No, but 97 would be fine after dividing by a larger temperature</summary>
#
# ❌ Not so: no temperature makes an 8 out of a letter. None of the ten answers is right.
#
# </details>
# <details name="quiz-6-4"><summary>C. No: it is another world</summary>
#
# ✅ Yes: away from home the accuracy falls, and the certainty need not follow.
#
# </details>
#
# **5. You try fifty recipes and report the highest test accuracy among them. What is wrong?**
#
# <details name="quiz-6-5"><summary>A. Nothing, as long as no recipe was trained on test images</summary>
#
# ❌ Not so: choosing by a score is a way of learning from it. The winner is partly lucky.
#
# </details>
# <details name="quiz-6-5"><summary>B. It is too high on average</summary>
#
# ✅ Yes: the best of many scores contains the best luck, and luck does not come back with new images.
#
# </details>
# <details name="quiz-6-5"><summary>C. It is too low on average, since fifty recipes share one test split</summary>
#
# ❌ Not so: sharing the split lowers no score. The highest of fifty errs upwards.
#
# </details>
#
# ## Takeaways
#
# - An accuracy is one number of many. Rows of the confusion matrix, intervals and pairs of models say what it hides.
# - Labels that a model finds unlikely deserve a second look, by a person.
# - Certainty must be measured before it is believed. One temperature, fitted on validation, often mends it.
# - A model that may keep silent is right more often. Choose the threshold on validation.
# - A heat map is a hint. Compare it with a random network's, and cover what it marks.
# - All promises end where the images come from another world, and the model may not notice.
# - The score that chose a model is never the score to report.
#
# ## Read on
#
# - [Guo and others, 2017](https://arxiv.org/abs/1706.04599): why modern networks are too sure, and the temperature.
# - [McNemar, 1947](https://doi.org/10.1007/BF02295996) and [Dietterich, 1998](https://doi.org/10.1162/089976698300017197): the test, and which tests suit learning algorithms.
# - [Selvaraju and others, 2016](https://arxiv.org/abs/1610.02391): Grad-CAM. [Adebayo and others, 2018](https://arxiv.org/abs/1810.03292): the sanity check with random weights.
# - [Northcutt and others, 2021](https://arxiv.org/abs/2103.14749): wrong labels in the test splits of well-known data sets.
# - [Hendrycks and Dietterich, 2019](https://arxiv.org/abs/1903.12261): measuring networks in noise, blur and bad weather.
# - [Goodfellow and others, 2014](https://arxiv.org/abs/1412.6572): the fast gradient sign method.
# - [Geifman and El-Yaniv, 2017](https://arxiv.org/abs/1705.08500): networks that may refuse to answer.
#
# ## Next
#
# [Speed and scale](07_speed_and_scale.ipynb) asks where the seconds go, and how many of them can be saved. [Your own images](own_images.ipynb) leaves the two data sets for pictures of yours.
