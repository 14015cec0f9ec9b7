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
# - lay out a folder of pictures so that the course can train on it,
# - train from the command line and read the run folder,
# - ask the trained model about new pictures with `predict.py`,
# - photograph or draw a digit and have an MNIST model read it,
# - tell from one line what is wrong with a picture or a folder.
#
# **Before you start**: chapter 3. You need no pictures: this page draws some.
#
# **Time**: read about 10 minutes; the full run takes <!-- result:chapters.own_images.full_seconds|minutes -->1 minute<!-- /result --> on two CPU cores.
#
# **The question**: MNIST and CIFAR-10 arrive clean and all of one size. Your pictures do not. What has to be done to them?

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
import json
import math
import os
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw, ImageOps

from helpers.data import DataError, load
from helpers.data.digits import read_digit
from helpers.data.pictures import find_images, read_image
from helpers.notebook import budget, confirm
from helpers.plots import COLOURS, show_images, use_style

use_style()
scratch = tempfile.TemporaryDirectory()  # pictures and runs; gone at the page's end
folder = Path(scratch.name)

# %% [markdown]
# ## A folder of pictures
#
# Put the pictures of each class into a folder of their own. The folder's name is the name of the class. Pictures for training go below `train/`, pictures for the test below `test/`:
#
# ```
# shapes/train/circle/…   shapes/train/square/…   shapes/train/triangle/…
# shapes/test/circle/…    shapes/test/square/…    shapes/test/triangle/…
# ```
#
# If you have not divided them, leave `train/` and `test/` out. Then a fifth of each class is set aside as the test split, always the same pictures. Pictures for validation may go below `val/`. Without it, the validation split is cut from the training pictures.
#
# We have no photographs to give away. So the pictures here are *drawn*, by the next cell: three shapes in many sizes, turned, in several colours, on canvases that are not all square. That is easier than any photograph. It shows how things work, not how well.

# %%
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
        place = folder / "shapes" / part / name
        place.mkdir(parents=True)
        for number in range(count):
            suffix = ("png", "jpg", "gif")[number % 3]  # most formats can be mixed
            draw(corners, rng).save(place / f"{number:03}.{suffix}")
        print(f"shapes/{part}/{name}: {len(find_images(place))} pictures")

# %% mystnb={"image": {"alt": "Drawn circles, squares and triangles in several colours, on canvases of different widths and heights."}}
figure, axes = plt.subplots(3, 7, figsize=(6.4, 3.4))
for row, name in zip(axes, CORNERS):
    for axis, path in zip(row, find_images(folder / "shapes" / "train" / name)):
        picture = read_image(path)
        axis.imshow(picture)
        axis.set_title(f"{picture.width} × {picture.height}", fontsize=9)
        axis.axis("off")
plt.show()

# %% [markdown]
# A real folder also holds things that nobody put there on purpose. Let us add two: the hidden file that a Mac leaves behind, and a picture whose copying was interrupted.

# %%
(folder / "shapes" / "train" / ".DS_Store").write_bytes(b"where the icons stand")
whole = find_images(folder / "shapes" / "train" / "circle")[0].read_bytes()
(folder / "shapes" / "train" / "circle" / "torn.png").write_bytes(
    whole[: len(whole) // 2]
)
print("written: .DS_Store and torn.png")

# %% [markdown]
# ## Training
#
# In a terminal you would type the line behind the dollar sign. Here a function does it for us and shows what comes back.


# %%
def start(script, *arguments):
    """Run a script of the course in our folder, as a terminal would."""
    plain = {"PYTHONUTF8": "1", "FORCE_COLOR": ""}  # a page cannot show bold type
    command = [sys.executable, str(root / script), *arguments]
    options = {"cwd": folder, "capture_output": True, "encoding": "utf-8"}
    return subprocess.run(command, env=os.environ | plain, **options)


def run(script, *arguments):
    """The same, and print what it prints; return its exit status."""
    print(f"$ python {script} {' '.join(arguments)}")
    done = start(script, *arguments)
    print(done.stdout + done.stderr, end="")
    return done.returncode


def best_guesses(checkpoint, *pictures):
    """What `predict.py --json` answers, as Python lists and dicts."""
    return json.loads(
        start("predict.py", "--checkpoint", checkpoint, "--json", *pictures).stdout
    )


status = run(
    "train.py",
    *"--dataset shapes --epochs 15 --batch-size 16 --lr 0.05".split(),
    *"--out runs/shapes --quiet".split(),
)
confirm(status == 0, "the training went through")

# %% [markdown]
# The broken picture is named and left out; the hidden file is passed over without a word. Without `--quiet` there would be a progress bar and a table too. The batches are smaller than the recipe's, because the folder is small: with 256 pictures a batch there would be one step an epoch.
#
# The **[run folder](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#run-folder)** keeps everything about this training:

# %%
for path in sorted((folder / "runs" / "shapes").glob("[!.]*")):
    print(path.name)

# %%
result = json.loads((folder / "runs" / "shapes" / "result.json").read_text())
for name in "test_accuracy best_val_accuracy epochs parameters".split():
    print(f"{name:18}{result[name]}")
confirm(result["test_accuracy"] > 0.8, "the small CNN tells the three shapes apart")

# %% [markdown]
# ## What the model sees
#
# All pictures of a batch need the same size. So each one is resized to 32 × 32 pixels, whatever its shape was. A wide picture is squeezed, and a circle on it becomes an ellipse. Cropping would keep circles round, but it would cut off what lies at the edges. We keep the whole picture. This is a choice, and what counts most is that **training and prediction make the same one**: `predict.py` calls the very function that the training called.

# %% mystnb={"image": {"alt": "The same drawn shapes as 32 by 32 pixel pictures; some circles have become ellipses."}}
with chdir(folder):
    shapes = load("shapes/test")  # one folder of classes is a data set too
first = [
    int(n)
    for label in range(3)
    for n in (shapes.train.labels == label).nonzero()[:8, 0]
]
show_images(shapes.train.images[first], shapes.train.labels[first], shapes.classes)
plt.show()

# %% [markdown]
# ## Asking about new pictures
#
# Three new drawings, and two files that only look like pictures by their names:

# %%
new = folder / "new pictures"
new.mkdir()
rng = np.random.default_rng(1)
for name, corners in CORNERS.items():
    draw(corners, rng).save(new / f"a {name}.png")
(new / "letter.png").write_text("Dear model, this is no picture.")
(new / "torn.jpg").write_bytes(b"")
for path in sorted(new.iterdir()):
    print(path.name)

# %% tags=["nbval-ignore-output"]
status = run("predict.py", "--checkpoint", "runs/shapes/best.pt", "new pictures")

# %% [markdown]
# The probabilities of all three classes add up to 1. Each file that could not be read has one line, and the others were predicted all the same. The **[exit status](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#exit-status)** tells another program how it went: 0, every picture was predicted; 1, some could not be read; 2, there was nothing to do, for instance because the checkpoint is missing.

# %%
confirm(status == 1, "two pictures could not be read, so the exit status is 1")

# %% [markdown]
# For another program, `--json` writes a list instead of a table. Nothing else goes to standard output.

# %%
answers = best_guesses("runs/shapes/best.pt", "new pictures")
for answer in answers:
    best = answer["predictions"][0]
    print(f"{Path(answer['path']).name:16}{best['class']:10}{best['probability']:.2f}")
right = sum(answer["predictions"][0]["class"] in answer["path"] for answer in answers)
confirm(
    len(answers) == 3 and right >= 2,
    "at least two of the three new pictures are recognised",
)

# %% [markdown]
# ## A digit on paper
#
# MNIST is pickier than our folder. Its digits are *white on black*, 20 pixels tall or wide, and centred in 28 × 28. You bring the opposite: a large photo or scan, dark ink on white paper, the digit somewhere on the sheet. Resizing that to 28 × 28 would give the model something that it has never seen.
#
# So for models with one channel `predict.py` prepares a picture as the makers of MNIST did:
#
# 1. Is the border of the picture light? Then it is dark ink on light paper, and is inverted.
# 2. Cut out the digit and fit it into 20 × 20 pixels, with its proportions kept.
# 3. Put its centre of mass into the middle of 28 × 28 pixels.
#
# A picture that has MNIST's form already is not touched. Let us draw a 7 as a person would, and its negative:

# %% mystnb={"image": {"alt": "Left, a black 7 at the edge of a white sheet and its negative. Right, what the model sees of both: the same white 7 in the middle of a black square."}}
sheet = Image.new("L", (420, 300), "white")
ImageDraw.Draw(sheet).line(
    [(250, 60), (360, 55), (290, 250)], fill="black", width=24, joint="curve"
)
sheet.save(folder / "seven.png")
ImageOps.invert(sheet).save(folder / "seven-on-black.png")

figure, axes = plt.subplots(1, 4, figsize=(6.4, 2))
for axis, name in zip(axes[::2], ("seven.png", "seven-on-black.png")):
    axis.imshow(read_image(folder / name), cmap="gray", vmin=0, vmax=255)
    axis.set_title(name, fontsize=9)
for axis, name in zip(axes[1::2], ("seven.png", "seven-on-black.png")):
    axis.imshow(
        read_digit(read_image(folder / name)).pixels, cmap="gray", vmin=0, vmax=255
    )
    axis.set_title("what the model sees", fontsize=9)
for axis in axes:
    axis.set(xticks=[], yticks=[])
plt.show()

# %%
epochs = budget(full="2", fast="20")  # the bundled sample is a fifteenth of MNIST
start(
    "train.py",
    *f"--model linear --dataset mnist --epochs {epochs}".split(),
    *"--out runs/mnist --quiet".split(),
)
answers = best_guesses("runs/mnist/best.pt", "seven.png", "seven-on-black.png")
for answer in answers:
    best = answer["predictions"][0]
    print(f"{answer['path']:20}{best['class']:3}{best['probability']:.2f}")
confirm(
    answers[0]["predictions"] == answers[1]["predictions"],
    "black on white and white on black give the same answer",
)

# %% [markdown]
# For a photo of your own handwriting: a thick pen, one digit, even light, and nothing in the picture but paper. A dark table at the border would be taken for the ground.
#
# ## What went wrong, and why
#
# **Loud: the folder is not what it seems.** Here are the usual cases and what the course says. Each message names the place.


# %%
def small_set(name, *places):
    """A data set of three pictures in each place; of none where it ends with 0."""
    for place in places:
        target = folder / name / place.removesuffix("0")
        target.mkdir(parents=True)
        for number in range(0 if place.endswith("0") else 3):
            draw(4, rng).save(target / f"{number}.png")


small_set("one-class", "cats")
small_set("no-train", "cats", "dogs", "test0")
small_set("empty-class", "cats", "dogs", "fish0")
small_set("typing-error", "train/cats", "train/dogs", "test/cats", "test/dog")
with chdir(folder):
    for name in ("one-class", "no-train", "empty-class", "typing-error"):
        try:
            load(name)
        except DataError as error:
            print(error, end="\n\n")

# %% [markdown]
# **Loud: the question is not complete.** One line again, and exit status 2.

# %%
statuses = [
    run("predict.py", "--checkpoint", "runs/shapes/worst.pt", "seven.png"),
    run("predict.py", "--checkpoint", "runs/shapes/best.pt"),
    run("predict.py", "--checkpoint", "runs/shapes/best.pt", "eight.png"),
]
confirm(statuses == [2, 2, 2], "nothing could be done, so the exit status is 2")

# %% [markdown]
# **Silent: a picture of something else.** The model knows three classes and must share out a probability of 1 among them. It cannot say "none of these". Here it is shown the 7 on its white sheet:

# %%
guesses = best_guesses("runs/shapes/best.pt", "seven.png")[0]["predictions"]
for guess in guesses:
    print(f"{guess['probability']:.3f}")
confirm(
    guesses[0]["probability"] > 1 / 3,
    "the model prefers one of its classes, although none is right",
)

# %% [markdown]
# No message can warn you of this. A high probability means "rather this than the other classes", not "certainly this". If other things can turn up, give them a class of their own.

# %%
scratch.cleanup()  # pictures and runs of this page

# %% [markdown]
# ### Try it yourself
#
# 1. Take twenty photos each of two things on your table, and train on them. Then move to another table. What happens to the accuracy, and what did the model learn?
# 2. Draw all circles on a blue ground and train again. Ask about a blue square. Why is the answer wrong?
# 3. Write a digit on paper, photograph it, and ask the MNIST model. Then photograph it upside down.
#
# ## Takeaways
#
# - One folder for each class is a data set; its name is the label.
# - New pictures have to be prepared exactly as the training pictures were.
# - Unreadable pictures are named and left out; a message says what, where and why.
# - A [classifier](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#classifier) always answers with one of its classes, also when none is right.
#
# ## Next
#
# You have gone from pixels to Lightning, and to your own pictures. `python train.py --help` lists what else you can change.
