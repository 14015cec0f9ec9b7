# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own images
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/own_images.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/own_images.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/own_images.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this page you can
#
# - lay out a folder of pictures so that PyTorch and this course can train on it,
# - save a model, load it again and ask it about a new picture, in ten lines of Python and by command,
# - take over a network that somebody else has trained, and teach it your classes with twenty pictures each,
# - say what a test of four pictures is worth,
# - have a model read a digit that you drew on paper.
#
# **Before you start**: chapters 2, 3 and 5. You need no pictures: this page brings its own.
#
# **Time**: read about 25 minutes, exercises and quiz about 30 more; the full run takes <!-- result:chapters.own_images.full_seconds|minutes -->1 minute<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.own_images.fast_seconds|seconds -->29 s<!-- /result -->.
#
# **The question**: MNIST and CIFAR-10 arrive clean, all of one size, and by the thousand. Your pictures do not. What do you have to do?

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
import atexit
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps
from torch import nn
from torch.nn import functional as F
from torchvision.datasets import ImageFolder

from helpers.data import DataError, load, normalise
from helpers.data.digits import read_digit
from helpers.data.pictures import read_image
from helpers.exercises import grade
from helpers.models import build_model
from helpers.notebook import budget, confirm
from helpers.plots import COLOURS, MARKERS, show_images, use_style
from helpers.recipes import recipe
from helpers.training import evaluate, fit

use_style()
scratch = tempfile.mkdtemp()  # for pictures and runs
atexit.register(shutil.rmtree, scratch, ignore_errors=True)
if place := os.environ.get("COURSE_DATA_DIR"):  # from here, before we go elsewhere
    os.environ["COURSE_DATA_DIR"] = str(Path(place).expanduser().resolve())
os.chdir(scratch)  # so that names are short
STEPS = budget(full=40, fast=10)  # of a training on a handful of pictures
DRAWS = budget(full=5, fast=2)  # other pictures, other first weights
HEADS = budget(full=80, fast=20)  # trained to see what four pictures are worth
MEASURED = budget(full=300, fast=60)  # pictures of each class to measure on
MNIST_EPOCHS = budget(full=2, fast=10)  # the bundled sample is a fifteenth of MNIST

# %% [markdown]
# ## A folder of pictures
#
# Put the pictures of each class into a folder of their own. The folder's name is the name of the class. Pictures for training go below `train/`, pictures for the test below `test/`. The files may be of different formats; here a third of them are GIF files.
#
# ```
# shapes/train/circle/…   shapes/train/square/…   shapes/train/triangle/…
# shapes/test/circle/…    shapes/test/square/…    shapes/test/triangle/…
# ```
#
# This course has no photographs to give away. So the first pictures here are *drawn*, by the folded cell below: three shapes in many sizes, turned, in several colours, on canvases that are not all square. That is easier than any photograph. It shows how things work, not how well. Photographs come further down.

# %% tags=["hide-input"]
CORNERS = {"circle": 60, "square": 4, "triangle": 3}  # 60 corners look round


def draw(corners, rng):
    """One filled shape with so many corners, somewhere on a light canvas."""
    width, height = (int(side) for side in rng.integers(60, 160, 2))
    picture = Image.new(
        "RGB", (width, height), tuple(int(c) for c in rng.integers(200, 256, 3))
    )
    radius = rng.uniform(0.3, 0.45) * min(width, height)
    x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
    turn = rng.uniform(0, 2 * math.pi)
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    points = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    ImageDraw.Draw(picture).polygon(points, fill=COLOURS[rng.integers(len(COLOURS))])
    return picture


rng = np.random.default_rng(0)
for part, count in (("train", 80), ("test", 20)):
    for name, corners in CORNERS.items():
        place = Path("shapes", part, name)
        place.mkdir(parents=True)
        for number in range(count):
            suffix = ("png", "jpg", "gif")[number % 3]  # most formats can be mixed
            draw(corners, rng).save(place / f"{number:03}.{suffix}")
        print(f"{place.as_posix()}: {count} pictures")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Drawn circles, squares and triangles in several colours, on canvases of different widths and heights."}}
figure, axes = plt.subplots(3, 7, figsize=(6.4, 3.4))
for row, name in zip(axes, CORNERS):
    for axis, path in zip(row, sorted(Path("shapes/train", name).iterdir())):
        picture = read_image(path)
        axis.imshow(picture)
        axis.set_title(f"{picture.width} × {picture.height}", fontsize=9)
        axis.axis("off")
plt.show()

# %% [markdown]
# torchvision reads this layout with [`ImageFolder`](https://pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html), a `Dataset` as in chapter 2. An item is a picture and the number of its class:

# %%
pictures = ImageFolder("shapes/train")
picture, label = pictures[0]
print(len(pictures), pictures.classes)
print(picture.size, label)

# %% [markdown]
# But there are 240! `ImageFolder` passes over GIF files, and does not say so: count what you load. Its pictures keep their sizes, and a batch needs equal ones. So you would give `ImageFolder` a `transform` that resizes them and turns them into tensors. The course's `load` does that for you. It also cuts off a validation split. And it names what it leaves out, such as a broken picture, at which `ImageFolder` would stop with an error.

# %%
shapes = load("shapes")
print(shapes.classes)
for name in ("train", "val", "test"):
    images = getattr(shapes, name).images
    print(name, tuple(images.shape), images.dtype)

# %% [markdown]
# If you have not divided your pictures, leave `train/` and `test/` out. Then `load` sets aside a fifth of each class as the test split, always the same pictures.
#
# **Think first**: a picture of 150 × 70 pixels becomes one of 32 × 32. What happens to a circle on it?

# %% mystnb={"image": {"alt": "The same drawn shapes as 32 by 32 pixel pictures; some circles have become ellipses."}}
first = torch.cat([(shapes.test.labels == k).nonzero()[:8, 0] for k in range(3)])
show_images(shapes.test.images[first], shapes.test.labels[first], shapes.classes)
plt.show()

# %% [markdown]
# A wide picture is squeezed, and a circle on it becomes an ellipse. Cropping would keep circles round, but it would cut off what lies at the edges. We keep the whole picture. This is a choice. What counts most is that **training and prediction make the same one**.
#
# ## Train and save
#
# Nothing new here: the small CNN of chapter 3 and the training loop that you know. The batches are smaller than the recipe's, because the folder is small. With 256 pictures a batch there would be a single step an epoch.

# %%
model = build_model("cnn", shapes.image_shape, shapes.num_classes, size="small")
config = replace(recipe("cnn", "shapes"), epochs=15, batch_size=16, lr=0.05)
history = fit(model, shapes, config, progress=False)
history.load_best(model)
test = evaluate(model, shapes.batches("test"))
print(f"validation {history.best_val_accuracy:.3f}   test {test.accuracy:.3f}")
confirm(test.accuracy > 0.8, "the small CNN tells the three shapes apart")

# %% [markdown]
# Which of the two numbers should you believe? Keep them in mind; [below](#what-is-a-test-of-four-pictures-worth) we shall see what they are worth.
#
# What has to be in a file so that somebody can use the model next month? The weights are not enough. They need the network that they belong to, the names of the classes in their order, and the mean and standard deviation that the pictures were normalised with.

# %%
torch.save(
    {
        "model": model.state_dict(),
        "model_name": "cnn",
        "size": "small",
        "image_shape": list(shapes.image_shape),
        "classes": list(shapes.classes),
        "mean": list(shapes.mean),
        "std": list(shapes.std),
    },
    "shapes.pt",
)

# %% [markdown]
# ## Load and ask
#
# A month later, in another program: the file is all that we have. `weights_only=True` reads tensors and plain values and refuses anything that would run as code. Use it for every file that you were sent.

# %%
saved = torch.load("shapes.pt", weights_only=True)
model = build_model(
    saved["model_name"], saved["image_shape"], len(saved["classes"]), saved["size"]
)
model.load_state_dict(saved["model"])
model.eval()  # batch normalisation uses what it learned, as chapter 3 showed
print(saved["classes"])

# %% [markdown]
# And here is a picture that the model has not seen: one more drawing.

# %% tags=["hide-input"] mystnb={"image": {"alt": "A new drawing of a triangle on a light canvas."}}
Path("new pictures").mkdir()
rng = np.random.default_rng(1)
for name, corners in CORNERS.items():
    draw(corners, rng).save(f"new pictures/a {name}.png")
figure, axis = plt.subplots(figsize=(2, 1.6))
axis.imshow(Image.open("new pictures/a triangle.png"))
axis.axis("off")
plt.show()

# %% [markdown]
# To ask about it takes four steps: open it, prepare it *as the training pictures were*, let the model answer, and turn the answer into probabilities. Every program that uses an image classifier has these lines somewhere inside.

# %%
def ask(picture):
    """The probability of each class for one picture."""
    picture = picture.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    pixels = torch.tensor(np.array(picture)).permute(2, 0, 1) / 255  # channels first
    mean, std = (torch.tensor(saved[key])[:, None, None] for key in ("mean", "std"))
    with torch.no_grad():
        logits = model(((pixels - mean) / std)[None])  # a batch of one
    return logits.softmax(dim=1)[0]


for name, p in zip(saved["classes"], ask(Image.open("new pictures/a triangle.png"))):
    print(f"{name:10}{p:.3f}")

# %% [markdown]
# ## The same by command
#
# For daily use you need not write any of this. In a terminal you would type the line behind the dollar sign; here a small function does it for us. To make it a little harder, we add two things that real folders hold: the hidden file that a Mac leaves behind, and a picture whose copying was interrupted.

# %% tags=["hide-input"]
Path("shapes/train/.DS_Store").write_bytes(b"where the icons stand")
whole = Path("shapes/train/circle/000.png").read_bytes()
Path("shapes/train/circle/torn.png").write_bytes(whole[: len(whole) // 2])
Path("new pictures/letter.png").write_text("Dear model, this is no picture.")


def start(command):
    """Run a script of the course, as a terminal would."""
    script, *arguments = shlex.split(command)
    plain = {"PYTHONUTF8": "1", "FORCE_COLOR": ""}  # a page cannot show bold type
    options = {"env": os.environ | plain, "capture_output": True, "encoding": "utf-8"}
    return subprocess.run([sys.executable, str(root / script), *arguments], **options)


def run(command):
    """The same, and print what it prints; return its exit status."""
    print(f"$ python {command}")
    done = start(command)
    print(done.stdout + done.stderr, end="")
    return done.returncode


# %%
run("train.py --dataset shapes --epochs 2 --batch-size 16 --out runs/a --quiet")
print(*sorted(path.name for path in Path("runs/a").glob("[!.]*")))

# %% [markdown]
# Two epochs show how it works. That is too short to learn much, and a hint may tell you so. Leave `--epochs` out for the course's recipe. It also trains on mirrored pictures; if left and right tell your classes apart, as with b and d, add `--no-augment`. The broken picture is named and left out; the hidden file is passed over without a word. The **[run folder](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#run-folder)** keeps everything about a training. `best.pt` in it is a file like the one that we saved by hand. So `predict.py` takes either:

# %% tags=["nbval-ignore-output"]
status = run('predict.py --checkpoint shapes.pt "new pictures"')

# %%
confirm(status == 1, "one picture could not be read, so the exit status is 1")

# %% [markdown]
# Compare the triangle with our own answer. The file that is no picture has one line, and the others were predicted all the same. The **[exit status](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#exit-status)** tells another program how it went: 0, every picture was predicted; 1, some could not be read; 2, there was nothing to do. With `--json` the answer is a list for other programs instead of a table.
#
# ## Twenty pictures are few
#
# The shapes were easy, and we had eighty of each. Now we play somebody who comes with twenty photographs of dogs and twenty of horses. We take them from CIFAR-10: small, but photographs. (Where the full data set is missing, its drawn stand-in takes the place. Everything runs, but the numbers then say little.)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two rows of small colour photographs: eight dogs above, eight horses below."}}
cifar10 = load("cifar10")
PAIR = ("dog", "horse")


def pair(split, begin, end):
    """Images and labels (0, 1) of the two classes, number `begin` to `end` of each."""
    numbers = [cifar10.classes.index(name) for name in PAIR]
    rows = [(split.labels == n).nonzero()[begin:end, 0] for n in numbers]
    labels = torch.tensor([0, 1]).repeat_interleave(len(rows[0]))
    return split.images[torch.cat(rows)], labels


images, labels = pair(cifar10.train, 0, 20)
for number, (image, label) in enumerate(zip(images, labels)):
    place = Path("pets", PAIR[label])
    place.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    picture.save(place / f"{number % 20:02}.png")
first = torch.cat([images[:8], images[20:28]])
show_images(first, [0] * 8 + [1] * 8, PAIR, title=cifar10.title)
plt.show()

# %%
pets = load("pets")
print("train", len(pets.train), " val", len(pets.val), " test", len(pets.test))

# %% [markdown]
# Of forty pictures, twenty-eight are left to learn from, and four to choose by. **Think first**: the middle CNN of chapter 3 has more than a hundred thousand weights. How far can it get with twenty pictures of each class, if guessing gets half of them right?
#
# ## The idea: somebody has learned to see already
#
# The first layers of a CNN learn to find edges and spots of colour. Later ones put these together into textures and parts. Little of that is special to cats or ships. So we can borrow it:
#
# - The **[backbone](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#backbone)** is a network that was trained on many other pictures, without its last layer. It turns a picture into a list of numbers, its **features**.
# - The **head** is a new last layer for *our* classes. It is small, so few pictures suffice to train it.
#
# The backbone is **frozen**: its weights stay as they are. This is **[transfer learning](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#transfer-learning)**. If the backbone's weights learn too, in small steps, it is called **[fine-tuning](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#fine-tuning)**.

# %% tags=["hide-input"] mystnb={"image": {"alt": "A diagram. A picture goes into the frozen backbone, which was trained on photographs of eight other classes. Out come 128 features. The new head, trained on forty pictures, makes two logits of them."}}
figure, axis = plt.subplots(figsize=(6.4, 1.9))
axis.imshow(images[0].permute(1, 2, 0), extent=(0, 1.3, 0.45, 1.75))
old = "backbone, frozen\n\nlearned from thousands\nof photographs\nof 8 other classes"
new = "head, new\n\nlearned from\n40 pictures"
boxes = [(1.9, 2.9, COLOURS[0], old), (6.7, 1.8, COLOURS[3], new)]
for left, width, colour, text in boxes:
    axis.add_patch(plt.Rectangle((left, 0.1), width, 2, color=colour, alpha=0.25))
    axis.text(left + width / 2, 1.1, text, ha="center", va="center", fontsize=9)
axis.text(5.75, 1.45, "128\nfeatures", ha="center", fontsize=9)
axis.text(9.4, 1.1, "dog?\nhorse?", ha="center", va="center", fontsize=9)
for begin, end in ((1.35, 1.85), (4.85, 6.65), (8.55, 9.0)):
    arrow = {"arrowstyle": "->", "lw": 1.5}
    axis.annotate("", (end, 1.1), (begin, 1.1), arrowprops=arrow)
axis.set(xlim=(0, 9.9), ylim=(0, 2.2), aspect="equal")
axis.axis("off")
plt.show()

# %% [markdown]
# ### With a network from the internet
#
# For your own photographs take a backbone that was trained on ImageNet, which has more than a million photographs of a thousand classes. torchvision downloads one, about 45 MB. This page has to run without a network, so it does not run these lines. They are yours to copy:
#
# ```python
# from torch.utils.data import DataLoader
# from torchvision.models import ResNet18_Weights, resnet18
#
# weights = ResNet18_Weights.DEFAULT
# model = resnet18(weights=weights)  # downloads them once
# model.requires_grad_(False)  # frozen
# model.fc = nn.Linear(model.fc.in_features, 2)  # the new head learns
# pictures = ImageFolder("pets", transform=weights.transforms())
# optimizer = torch.optim.AdamW(model.fc.parameters(), lr=1e-3)
# model.eval()  # its batch normalisation stays as it is, too
# for epoch in range(10):
#     for images, labels in DataLoader(pictures, batch_size=16, shuffle=True):
#         loss = F.cross_entropy(model(images), labels)
#         optimizer.zero_grad()
#         loss.backward()
#         optimizer.step()
# ```
#
# `weights.transforms()` prepares a picture as it was done when these weights were trained: another size, another mean, another standard deviation. Forget it, and nothing complains.
#
# ### With a network of this course
#
# What does run here is a small backbone of our own. It is the middle CNN of chapter 3, trained on the *other eight* classes of CIFAR-10. Dogs and horses were not among them. Its [page](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/helpers/backbone/README.md) says how it was made.

# %%
learned = torch.load(root / "helpers/backbone/weights.pt", weights_only=True)
backbone = build_model("cnn", (3, 32, 32), len(learned["classes"]), size="middle")
backbone.load_state_dict(learned["model"])
print(learned["classes"])

# %% [markdown]
# We replace its last layer by one that does nothing, and out come the features. A frozen backbone always gives the same features for the same picture. So it is enough to compute them once.

# %%
backbone.head[-1] = nn.Identity()  # instead of the layer for eight classes
backbone.eval()


def prepare(images):
    return normalise(images, learned["mean"], learned["std"])  # not our own


with torch.no_grad():
    features = backbone(prepare(images))
print(images.shape, "->", features.shape)

# %% [markdown]
# The head is an old friend: the softmax regression of chapter 2, on 128 features instead of thousands of pixels.

# %%
def train_head(features, labels, lr=0.003, seed=0):
    torch.manual_seed(seed)
    head = nn.Linear(features.shape[1], 2)
    optimizer = torch.optim.AdamW(head.parameters(), lr=lr)
    for _ in range(200):
        loss = F.cross_entropy(head(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head


head = train_head(features, labels)

# %% [markdown]
# Backbone and head together are a whole network. You can save it, load it and ask it as above.

# %%
backbone.head[-1] = head
with torch.no_grad():
    print(backbone(prepare(images[:1])).softmax(dim=1))
backbone.head[-1] = nn.Identity()  # for what follows, features again

# %% [markdown]
# ## Does it help?
#
# We let three ways compete, with 2, 5, 10 and 20 pictures of each class:
#
# - **frozen**: the backbone with a new head, as above;
# - **fine-tuned**: the same network, but all its weights learn;
# - **from scratch**: the same network from random weights.
#
# The last two need a real loop. They also get mirrored pictures, as in chapter 3; the frozen backbone does without.

# %%
def train_all(model, images, labels, lr, seed=0):
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=STEPS)
    model.train()
    for _ in range(STEPS):
        rows = torch.randint(len(images), (16,))
        batch = images[rows]
        batch = torch.where(torch.rand(16, 1, 1, 1) < 0.5, batch.flip(-1), batch)
        loss = F.cross_entropy(model(batch), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()

# %% [markdown]
# To be fair, each way gets three tries for its learning rate. They are made on pictures that take no part in the comparison. This is done in the folded cell, and so are the draws: each number of pictures is drawn several times, and every way gets the same ones. What counts is the accuracy on other pictures of dogs and horses. The test pictures stay where they are.

# %% tags=["hide-input"]
COUNTS = (2, 5, 10, 20)  # pictures of each class
RATES = {
    "frozen": (1e-3, 3e-3, 1e-2),
    "fine-tuned": (3e-4, 1e-3, 3e-3),
    "from scratch": (1e-3, 3e-3, 1e-2),
}
POOL = 100  # pictures of each class that the draws of one purpose come from
for_rates, to_choose = pair(cifar10.train, 0, POOL), pair(cifar10.train, 200, 260)
for_draws = pair(cifar10.train, POOL, 2 * POOL)
to_measure = pair(cifar10.train, 260, 260 + MEASURED)


def new_model(way, seed):
    """The whole network for two classes, before its training."""
    if way == "from scratch":
        return build_model("cnn", (3, 32, 32), 2, "middle", seed=seed)
    model = build_model("cnn", (3, 32, 32), 8, "middle")
    model.load_state_dict(learned["model"])
    torch.manual_seed(seed)
    model.head[-1] = nn.Linear(128, 2)
    return model


def accuracy(way, lr, count, seed, pool, judges):
    """Train on `count` pictures of each class out of `pool`, measure on `judges`."""
    rows = torch.randperm(POOL, generator=torch.Generator().manual_seed(seed))[:count]
    rows = torch.cat([rows, rows + POOL])
    given, theirs = prepare(pool[0][rows]), pool[1][rows]
    others, truth = prepare(judges[0]), judges[1]
    with torch.no_grad():
        if way == "frozen":
            given, others = backbone(given), backbone(others)
    if way == "frozen":
        model = train_head(given, theirs, lr, seed)
    else:
        model = train_all(new_model(way, seed), given, theirs, lr, seed)
    with torch.no_grad():
        return (model(others).argmax(dim=1) == truth).float().mean().item()


best_rate = {}
for way, rates in RATES.items():
    tries = [accuracy(way, lr, 10, 0, for_rates, to_choose) for lr in rates]
    best_rate[way] = rates[int(np.argmax(tries))]

# %%
scores = {
    way: [
        [accuracy(way, lr, count, seed, for_draws, to_measure) for seed in range(DRAWS)]
        for count in COUNTS
    ]
    for way, lr in best_rate.items()
}
for way, rows in scores.items():
    cells = [f"{np.mean(row):.3f} ± {np.std(row, ddof=1):.3f}" for row in rows]
    print(f"{way:14}", *cells, sep="  ")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Accuracy on other dogs and horses against the number of pictures of each class, two, five, ten and twenty, for the frozen backbone, fine-tuning and training from scratch, with bars of one standard deviation and a dotted line at one half."}}
figure, axis = plt.subplots(figsize=(6, 3.4))
for place, (way, rows) in enumerate(scores.items()):
    x = [count * (1 + 0.03 * (place - 1)) for count in COUNTS]  # beside each other
    axis.errorbar(
        x,
        100 * np.mean(rows, axis=1),
        100 * np.std(rows, axis=1, ddof=1),
        marker=MARKERS[place],
        capsize=3,
    )
    axis.text(22, 100 * np.mean(rows[-1]), way, va="center", color=COLOURS[place])
axis.axhline(50, color="grey", linestyle=":", linewidth=1.5)
axis.text(2, 50.5, "guessing", fontsize=9, color="grey")
axis.set_xscale("log")
axis.set_xlim(1.8, 34)
axis.set_xticks(COUNTS, COUNTS)
axis.minorticks_off()
axis.set(xlabel="pictures of each class", ylabel="accuracy (%)")
plt.show()

# %% [markdown]
# Three things to read off:
#
# - **Borrowed features are worth more than pictures.** Compare the first curve at five pictures with the last one at twenty.
# - **Letting everything learn does not pay yet.** Fine-tuning moves more than a hundred thousand weights by a few pictures. Expect it to catch up when there are hundreds.
# - **With two pictures, luck decides.** The bars show how much depends on *which* two you happen to take. Somebody who tries it once may find another order of the three.

# %%
frozen, scratch = np.array(scores["frozen"]), np.array(scores["from scratch"])
for count, ahead in zip(COUNTS, 100 * (frozen - scratch)):
    print(f"{count:2} pictures: {ahead.mean():+.1f} ± {ahead.std(ddof=1):.1f} points")
confirm(
    frozen[1].mean() > scratch[-1].mean(),
    "five pictures with the backbone do more than twenty without",
)

# %% [markdown]
# These lines give the lead of the frozen backbone over training from scratch on the *same* pictures: mean and standard deviation over the draws.
#
# What does the comparison not tell? It has one pair of classes, one short training for each way, and a rate that was chosen by one try each. And our backbone has an advantage that yours may lack: it learned from the same collection, with the same size of pictures and the same kind of scenes.
#
# Only now do we choose: the frozen backbone, with all forty pictures of our folder. The choice meets the test pictures once.

# %%
test_images, test_labels = pair(cifar10.test, 0, 1000)
head = train_head(features, labels, best_rate["frozen"])
with torch.no_grad():
    found = head(backbone(prepare(test_images))).argmax(dim=1)
print(f"test accuracy {100 * (found == test_labels).float().mean():.1f} %")

# %% [markdown]
# ## What is a test of four pictures worth?
#
# In our folder, `load` kept four pictures for validation. Say that a model has all four right: accuracy 100 %. How good is the model really? **Think first**: how often does somebody who only guesses between two classes get four out of four?
#
# It happens in one of sixteen tries. So four right answers hardly prove that the model is better than a coin. How far to trust an accuracy is what a **[confidence interval](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#confidence-interval)** says: the true accuracies that fit what was counted. This one is Wilson's. It misses the truth in about one of twenty cases.

# %%
def wilson(share, pictures, z=1.96):
    """The true accuracies that fit a `share` of right answers (95 % confidence)."""
    spread = z**2 / pictures
    middle = (share + spread / 2) / (1 + spread)
    reach = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return middle - reach, middle + reach


low, high = wilson(1.0, 4)
print(f"4 of 4 right: the true accuracy may be {low:.2f}, or {high:.2f}")

# %% [markdown]
# Now back to the shapes. Validation and test disagreed, and here is how much each of them knew:

# %%
low_val, high_val = wilson(history.best_val_accuracy, len(shapes.val))
low_test, high_test = wilson(test.accuracy, len(shapes.test))
print(f"validation {history.best_val_accuracy:.3f}: {low_val:.2f} to {high_val:.2f}")
print(f"test       {test.accuracy:.3f}: {low_test:.2f} to {high_test:.2f}")

# %% [markdown]
# The two intervals overlap: neither number contradicts the other, and neither should be given with three digits. There is one more reason to trust the validation less. It is the *best* of fifteen epochs, so it was chosen for being high.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left, Wilson intervals of an accuracy of 90 per cent for 10 to 10,000 pictures: each is about a third as wide as the one for a tenth of the pictures. Right, eighty heads trained on different pictures: their accuracy on four pictures, from none to all, against their accuracy on many pictures."}}
with torch.no_grad():
    drawn, judges = (backbone(prepare(part[0])) for part in (for_draws, to_measure))
verdicts, truths = [], []
for seed in range(HEADS):
    rows = torch.randperm(POOL, generator=torch.Generator().manual_seed(seed))[:16]
    train, four = (torch.cat([part, part + POOL]) for part in (rows[:14], rows[14:]))
    one = train_head(drawn[train], for_draws[1][train], best_rate["frozen"], seed)
    with torch.no_grad():
        hits = one(drawn[four]).argmax(dim=1) == for_draws[1][four]
        verdicts.append(int(hits.sum()))
        hits = one(judges).argmax(dim=1) == to_measure[1]
        truths.append(100 * hits.float().mean().item())

figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3))
sizes = (10, 40, 100, 1000, 10_000)
for place, size in enumerate(sizes):
    ends = [100 * end for end in wilson(0.9, size)]
    left.plot(ends, [place, place], lw=5, color=COLOURS[0])
left.axvline(90, color="black", lw=1)
left.set_yticks(range(5), [f"{size:,}" for size in sizes])
left.set(xlabel="true accuracy (%)", ylabel="pictures", title="90 % were right")
jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(verdicts))
right.plot(np.array(verdicts) + jitter, truths, "o", ms=4, alpha=0.5)
right.set(xlabel="right among its four pictures", ylabel="accuracy on many (%)")
right.set(xticks=range(5), title="one dot, one head")
plt.show()

# %% [markdown]
# On the left: with ten times as many pictures the interval is about a third as wide. On the right, each dot is a head that was trained on twenty-eight pictures of its own and judged by four. Heads with four out of four reach from among the best to rather poor ones, and a head with two out of four may be better than another one with four. To choose among heads by four pictures is close to drawing lots.
#
# What to do with few pictures, then?
#
# - Choose little by them. Take settings from elsewhere, as from this page, and train on all you have.
# - If you must choose, use **[cross-validation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#cross-validation)**: leave out a few pictures, train on the others, ask about those left out, and go round until each was asked about once. Then forty pictures judge instead of four.
# - Give the interval along with the accuracy.
#
# ## A digit on paper
#
# MNIST is pickier than our folders. Its digits are *white on black*, 20 pixels tall or wide, and centred in 28 × 28. You bring the opposite: a large photo or scan, dark ink on white paper, the digit somewhere on the sheet. Resizing that to 28 × 28 would give the model something that it has never seen.
#
# So for models with one channel `predict.py` prepares a picture as the makers of MNIST did:
#
# 1. Is the border of the picture light? Then it is dark ink on light paper, and is inverted.
# 2. Cut out the digit and fit it into 20 × 20 pixels, with its proportions kept.
# 3. Put its centre of mass into the middle of 28 × 28 pixels.
#
# A picture that has MNIST's form already is not touched. Let us draw a 7 as a person would, and its negative:

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left, a black 7 at the edge of a white sheet and its negative. Right, what the model sees of both: the same white 7 in the middle of a black square."}}
sheet = Image.new("L", (420, 300), "white")
stroke = [(250, 60), (360, 55), (290, 250)]
ImageDraw.Draw(sheet).line(stroke, fill="black", width=24, joint="curve")
sheet.save("seven.png")
ImageOps.invert(sheet).save("seven-on-black.png")

figure, axes = plt.subplots(1, 4, figsize=(6.4, 2))
for place, name in enumerate(("seven.png", "seven-on-black.png")):
    picture = read_image(Path(name))
    axes[2 * place].imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes[2 * place].set_title(name, fontsize=9)
    seen = read_digit(picture).pixels
    axes[2 * place + 1].imshow(seen, cmap="gray", vmin=0, vmax=255)
    axes[2 * place + 1].set_title("what the model sees", fontsize=9)
for axis in axes:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(True)  # white paper on a white page
plt.show()

# %% [markdown]
# Now we train the network of chapter 2 on MNIST, by command, and ask it about both sheets.

# %%
start(f"train.py --model linear --dataset mnist --epochs {MNIST_EPOCHS} --out digits")
done = start("predict.py --checkpoint digits --json seven.png seven-on-black.png")
answers = json.loads(done.stdout)
for answer in answers:
    best = answer["predictions"][0]
    print(f"{answer['path']:20}{best['class']:3}{best['probability']:.2f}")

# %% [markdown]
# Both sheets become the same pixels, so they get the same answer. For a photo of your own handwriting: a thick pen, one digit, even light, and nothing in the picture but paper. A dark table at the border would be taken for the ground.
#
# ## What went wrong, and why
#
# **Silent: a picture of something else.** Our model of shapes knows three classes and must share out a probability of 1 among them. It cannot say "none of these". Here it is shown the 7 on its white sheet:

# %%
for name, p in zip(saved["classes"], ask(Image.open("seven.png"))):
    print(f"{name:10}{p:.3f}")

# %% [markdown]
# No message warns you of this. A high probability means "rather this than the other classes", not "certainly this". If other things can turn up, give them a class of their own.
#
# **Silent: a picture prepared in another way.** The head learned from pictures that were normalised. Now we forget to do it:

# %%
others, truth = to_measure
for name, seen in (("as in training", prepare(others)), ("forgotten", others / 255)):
    with torch.no_grad():
        hits = head(backbone(seen)).argmax(dim=1) == truth
    print(f"{name:16}{100 * hits.float().mean():.1f} %")

# %% [markdown]
# **Silent: a frozen backbone that moves.** Its weights are frozen. But `train()` puts the batch normalisation into training mode, and then each batch changes the running means that it will use later:

# %%
with torch.no_grad():
    before = backbone(prepare(images))
    backbone.train()
    backbone(prepare(images))  # one batch, no optimizer, no gradient
    backbone.eval()
    after = backbone(prepare(images))
print(f"features changed by {(after - before).norm() / before.norm():.1%}")

# %% [markdown]
# So a frozen backbone stays in `eval()` while its head is trained. Exercise own.4 makes that safe.
#
# **Loud: the folder is not what it seems.** Here are the usual cases and what the course says. Each message names the place.

# %% tags=["hide-input"]
def small_set(name, *places):
    """A data set of three pictures in each place; of none where it ends with 0."""
    for place in places:
        target = Path(name, place.removesuffix("0"))
        target.mkdir(parents=True)
        for number in range(0 if place.endswith("0") else 3):
            draw(4, rng).save(target / f"{number}.png")


small_set("one-class", "cats")
small_set("no-train", "cats", "dogs", "test0")
small_set("empty-class", "cats", "dogs", "fish0")
small_set("typing-error", "train/cats", "train/dogs", "test/cats", "test/dog")

# %%
for name in ("one-class", "no-train", "empty-class", "typing-error"):
    try:
        load(name)
    except DataError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## Which one should I choose?
#
# | What you have | What to do |
# | --- | --- |
# | up to about a hundred pictures of each class | a frozen backbone with a new head |
# | hundreds to thousands of each class | the same to begin with; then fine-tune all of it with a rate that is ten times smaller, and keep what is better on validation |
# | very many, or pictures unlike any photograph | also try from scratch |
# | no network connection and no weights | a backbone from a data set that you do have, as here |
#
# The rows beyond our curve rest on the literature under *Read on*, not on this page. Which backbone? One whose pictures resemble yours. ImageNet's photographs are a good start for photographs, and a poor one for sheet music.
#
# ## Exercises
#
# Replace the dots, run the cell, read what the check says.
#
# ### Exercise own.1: prepare a picture (easy)
#
# Write the step that is most often wrong in a program that uses a model. `prepare` takes any picture of Pillow's, grey, in colour or transparent, and of any size. It returns a batch of one: a tensor of float32 with shape (1, 3, 32, 32), normalised. `mean` and `std` are three numbers each, in units of [0, 1].


# %%
def prepare_picture(picture, mean, std): ...


grade("own.1", prepare_picture)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def prepare_picture(picture, mean, std):
#     picture = picture.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
#     pixels = torch.tensor(np.array(picture)).permute(2, 0, 1) / 255
#     mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (mean, std))
#     return ((pixels - mean) / std)[None]
# ```
#
# Pillow gives height × width × channels, PyTorch wants the channels first. `convert` makes three channels of a grey picture, and drops the fourth, transparency, of some PNG files.
#
# </details>
#
# ### Exercise own.2: how many without a mistake? (easy)
#
# A model got all your new pictures right. You want to claim that it is better than 90 %. A model that is right in exactly 90 % of the cases could have been lucky. How many pictures must there be so that it has this luck in at most 5 of 100 tries?
#
# Predict a number first. Then write `needed` for any accuracy.


# %%
def needed(accuracy): ...


grade("own.2", needed)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def needed(accuracy):
#     pictures = 1
#     while accuracy**pictures > 0.05:
#         pictures += 1
#     return pictures
# ```
#
# The chance of $n$ right answers in a row is the accuracy to the power of $n$. In one line it is `math.ceil(math.log(0.05) / math.log(accuracy))`. For 90 % it takes 29 pictures, for 99 % it takes 299. The rule of thumb: three divided by the share of mistakes.
#
# </details>
#
# ### Exercise own.3: freeze all but the head (middle)
#
# `freeze` gets a CNN of this course, whose last layer is `model.head[-1]`. It returns the model with a new last layer for `num_classes` classes. Only this layer learns. It has to fit, whatever the size of the model.


# %%
def freeze(model, num_classes): ...


grade("own.3", freeze)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def freeze(model, num_classes):
#     model.requires_grad_(False)
#     model.head[-1] = nn.Linear(model.head[-1].in_features, num_classes)
#     return model
# ```
#
# The order matters: a new layer learns unless somebody freezes it. With torchvision's ResNet the last layer is `model.fc`, with others `model.classifier`; `print(model)` tells.
#
# </details>
#
# ### Exercise own.4: frozen in every mode (hard)
#
# Training loops call `model.train()`, Lightning's Trainer too, and then the batch normalisation of a frozen backbone moves. Write a module that does not let it. `backbone` makes `num_features` numbers of each image. Its weights do not learn, and it stays in evaluation mode whatever is called. The head, an `nn.Linear`, learns as usual.
#
# `model.eval()` calls `model.train(False)`. So there is one method to write anew.


# %%
class Frozen(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        ...

    def forward(self, images): ...

    def train(self, mode=True): ...


grade("own.4", Frozen)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class Frozen(nn.Module):
#     def __init__(self, backbone, num_features, num_classes):
#         super().__init__()
#         self.backbone = backbone.requires_grad_(False)
#         self.head = nn.Linear(num_features, num_classes)
#
#     def forward(self, images):
#         return self.head(self.backbone(images))
#
#     def train(self, mode=True):
#         super().train(mode)
#         self.backbone.eval()
#         return self
# ```
#
# `super().train(mode)` sets the mode of all parts, and then the backbone is put back. Without the `return self`, `model.train().to(device)` would stop with an error.
#
# </details>
#
# ### With your own camera
#
# 1. Take twenty photos each of two things on your table, and give the backbone a new head for them. Then move to another table and ask about new photos. What happens to the accuracy?
# 2. Draw all circles on a blue ground and train again. Then ask about a blue square.
# 3. Write a digit on paper, photograph it, and ask the MNIST model. Then photograph it upside down.
#
# <details><summary>What to expect</summary>
#
# 1. It falls, often far: the photos of one class also share a table, a light and a distance, and these are easier to learn than the thing. Take the photos in many places.
# 2. Chances are that it is called a circle. The ground told the classes apart, so nothing forced the model to look at the shape.
# 3. A 6 and a 9 change places. Others get an answer too, some with a high probability: no digit of MNIST stood on its head, and the model cannot say so.
#
# </details>
#
# ## Quiz
#
# **1. You have twenty pictures of each class. A CNN from scratch has all training pictures right and is poor on new ones. What do you try first?**
#
# <details name="quiz-own-1"><summary>A. Train it for more epochs with a smaller learning rate</summary>
#
# ❌ Not so: it knows the training pictures by heart already. More epochs have nothing left to teach.
#
# </details>
# <details name="quiz-own-1"><summary>B. A frozen backbone and a new head</summary>
#
# ✅ Yes: the features come from many other pictures, and the few of yours only have to train one small layer.
#
# </details>
# <details name="quiz-own-1"><summary>C. A larger CNN, whose features will be better</summary>
#
# ❌ Not so: a larger network has more weights to learn from the same forty pictures.
#
# </details>
#
# **2. Your model has four of four validation pictures right. What do you know?**
#
# <details name="quiz-own-2"><summary>A. That it is right in nearly all cases</summary>
#
# ❌ Not so: a model that is right in 60 % of the cases has four in a row in about one of eight tries.
#
# </details>
# <details name="quiz-own-2"><summary>B. Nothing, since such a small test cannot say anything at all</summary>
#
# ❌ Not so: it does say something. A model that is right in one of ten cases would hardly ever manage this.
#
# </details>
# <details name="quiz-own-2"><summary>C. That it is probably better than a coin, but hardly how much</summary>
#
# ✅ Yes: the interval reaches from just above one half to 1.
#
# </details>
#
# **3. All weights of a backbone have `requires_grad=False`. You call `model.train()` and train the head. What changes in the backbone?**
#
# <details name="quiz-own-3"><summary>A. The running means of its batch normalisation</summary>
#
# ✅ Yes: they are no weights and need no gradient. Each forward pass in training mode moves them.
#
# </details>
# <details name="quiz-own-3"><summary>B. Nothing, since the optimizer cannot reach any of its weights</summary>
#
# ❌ Not so: that is true of the weights, but the backbone also keeps numbers that are not weights.
#
# </details>
# <details name="quiz-own-3"><summary>C. Its last convolution, which stands next to the head</summary>
#
# ❌ Not so: without `requires_grad` there is no gradient for it, however near it stands.
#
# </details>
#
# **4. You use downloaded weights for photographs of your own. Which mean and standard deviation do you normalise with?**
#
# <details name="quiz-own-4"><summary>A. Those of my own photographs, computed from the training split</summary>
#
# ❌ Not so: that is right for a network that you train from scratch. This one expects what it was trained with.
#
# </details>
# <details name="quiz-own-4"><summary>B. Those that the weights were trained with</summary>
#
# ✅ Yes: the first layer's weights fit these numbers. They come with the weights, as `weights.transforms()`.
#
# </details>
# <details name="quiz-own-4"><summary>C. It does not matter, since batch normalisation corrects it</summary>
#
# ❌ Not so: in evaluation mode batch normalisation uses stored means, which belong to the old preparation.
#
# </details>
#
# **5. A classifier of three shapes is asked about a photograph of a cat and answers "square, 0.99". What does this mean?**
#
# <details name="quiz-own-5"><summary>A. The cat has corners that the network has found</summary>
#
# ❌ Not so: it may have nothing in common with a square. The answer only compares three classes.
#
# </details>
# <details name="quiz-own-5"><summary>B. The checkpoint is damaged, or the classes are in another order</summary>
#
# ❌ Not so: a sound model does this too, since its three probabilities have to add up to 1.
#
# </details>
# <details name="quiz-own-5"><summary>C. Of the three classes, square fits least badly</summary>
#
# ✅ Yes: the softmax shares out a probability of 1 among the classes it has, also when none is right.
#
# </details>
#
# ## Takeaways
#
# - One folder for each class is a data set; its name is the label.
# - A checkpoint holds weights, the network's description, class names, mean and standard deviation.
# - New pictures have to be prepared exactly as the training pictures were.
# - With few pictures, borrow a backbone, freeze it, and train a new head.
# - Four pictures can hardly judge a model. Give the interval along with an accuracy.
# - A [classifier](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#classifier) always answers with one of its classes, also when none is right.
#
# ## Read on
#
# - Yosinski and others, 2014, [How transferable are features in deep neural networks?](https://arxiv.org/abs/1411.1792): which layers can be borrowed, and for what.
# - Kornblith, Shlens and Le, 2018, [Do better ImageNet models transfer better?](https://arxiv.org/abs/1805.08974): frozen, fine-tuned and from scratch on twelve data sets.
# - Brown, Cai and DasGupta, 2001, [Interval estimation for a binomial proportion](https://doi.org/10.1214/ss/1009213286): why Wilson's interval.
# - [torchvision's models and weights](https://pytorch.org/vision/stable/models.html): what can be downloaded, and how each is prepared for.
#
# ## Next
#
# You have gone from pixels to Lightning, and to your own pictures. `python train.py --help` lists what else you can change.
