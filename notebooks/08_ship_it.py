# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8. Ship it
#
# <!-- badges -->
# [Open in Colab](https://colab.research.google.com/github/claudiamohh/pytorch-image-classifier/blob/main/notebooks/08_ship_it.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/claudiamohh/pytorch-image-classifier/main?urlpath=lab/tree/notebooks/08_ship_it.ipynb) · [Download](https://github.com/claudiamohh/pytorch-image-classifier/raw/main/notebooks/08_ship_it.ipynb)
# <!-- /badges -->
#
# ## What you will learn
#
# After this chapter you can
#
# - say what has to be handed over besides the weights,
# - export a model to an ONNX file, look into it, and prove that it answers as PyTorch does,
# - ask it in a program of a dozen lines that needs no PyTorch,
# - store it in 8-bit numbers, and find out what that costs and what it gains,
# - tell latency from throughput, and measure both,
# - write a model card, with what the model cannot do,
# - recognise the usual mistakes in shipping, most of which raise no error.
#
# **Before you start**: chapters 3 and 6. You should know the CNN, normalisation, evaluation mode and what an accuracy is worth.
#
# **Time**: about 35 minutes to read, and 40 to 60 more for exercises and quiz. The full run takes <!-- result:chapters.08.full_seconds|minutes -->2 minutes<!-- /result --> on two CPU cores, the fast profile <!-- result:chapters.08.fast_seconds|seconds -->17 s<!-- /result -->.
#
# **The question**: *how do I give my classifier to somebody who has no PyTorch?*

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
import importlib.util

missing = [name for name in ['onnx', 'onnxruntime', 'onnxscript'] if importlib.util.find_spec(name) is None]
if missing:
    said = subprocess.getoutput(f'"{sys.executable}" -m pip install -q {" ".join(missing)}')
    importlib.invalidate_caches()
    if not all(map(importlib.util.find_spec, missing)):
        raise Stop(f"Could not install {', '.join(missing)}: {' '.join(said.split())}")
    print("Installed, as missing here:", ", ".join(missing))
if "google.colab" in sys.modules:
    import torch

    on = torch.cuda.is_available()
    print("A GPU is on." if on else "No GPU is on: all works, only more slowly. To have one: "
          "Runtime → Change runtime type → T4 GPU → Save, then Runtime → Run all.")
    print("Your answers stay only in a copy of your own: File → Save a copy in Drive.")

# %% tags=["hide-input"]
# @title Imports, and how much this run trains
import copy
import json
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import onnxscript  # the exporter of PyTorch needs it
import pandas as pd
import torch
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from scipy.stats import binomtest
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from helpers.data import load
from helpers.exercises import grade
from helpers.export import export
from helpers.models import build_model, count_parameters
from helpers.notebook import budget, confirm, record
from helpers.plots import COLOURS, MARKERS, use_style
from helpers.recipes import recipe, with_epochs
from helpers.training import best_device, fit, predict_logits

use_style()
warnings.filterwarnings("ignore", category=FutureWarning)  # the exporter's own affairs
device = best_device()

# How much this run trains: a full run, or a fast one with COURSE_FAST=1
DIGITS, DIGIT_EPOCHS = budget(full=(54_000, 2), fast=(1_000, 2))
PHOTOS, PHOTO_EPOCHS = budget(full=(45_000, 6), fast=(400, 1))
PRECISION = budget(full="auto", fast="fp32")
CALIBRATION = budget(full=500, fast=50)  # images that show how large the values get
BATCHES = budget(full=(1, 4, 16, 64, 256), fast=(1, 16))
SECONDS = budget(full=0.5, fast=0.02)  # for each speed that is measured
STARTS = budget(full=3, fast=1)
FOLDER = budget(full="runs/shipped", fast="runs/shipped-fast")

# %%
mnist, cifar10 = load("mnist"), load("cifar10")

# %% [markdown]
# ## Two models to give away
#
# We train two small models: the CNN of chapter 3 for the digits, and the fast CNN of chapter 7 for the photographs. Each gets a shorter run of the course's own recipe. You can take your own instead: anything that `fit` has trained will do.


# %%
def trained(kind, size, data, images, epochs):
    """A trained model in evaluation mode, back on the CPU."""
    model = build_model(kind, data.image_shape, data.num_classes, size)
    config = with_epochs(recipe(kind, data.name), epochs)
    config = replace(config, precision=PRECISION)
    fit(model, data.subset(images), config, device=device, progress=False)
    return model.cpu().eval()


digit_model = trained("cnn", "small", mnist, DIGITS, DIGIT_EPOCHS)
photo_model = trained("fastcnn", "middle", cifar10, PHOTOS, PHOTO_EPOCHS)

# %%
for name, model, data in (
    ("digits", digit_model, mnist), ("photographs", photo_model, cifar10)
):
    found = predict_logits(model, data.batches("val", 500))[0].argmax(dim=1)
    share = (found == data.val.labels.to(found.device)).float().mean()
    size = 4 * count_parameters(model) / 1000
    print(f"{name:11} {100 * share:.1f} % of validation right, weights {size:.1f} kB")

# %% [markdown]
# Your friend has no PyTorch. The model may have to run on a telephone, in a web page, in a program in C++ or on a small computer in a greenhouse. What do you send?
#
# ## What belongs to a model
#
# Weights alone are useless: nobody knows what to multiply them with. The code of the network has to come along. But even weights and code are not enough. Our models were trained on **normalised** pixels. Whoever feeds them plain pixels gets answers too. They are only wrong, and nothing says so.
#
# So the mean and the standard deviation of the training images belong to the model, as its weights do. The safest place for them is *inside*. A module around the model takes the pixels as everybody has them, from 0 to 1, and normalises them itself:


# %%
class Shipped(nn.Module):
    """A model that takes plain pixels: its normalisation is inside."""

    def __init__(self, model, data):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(data.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(data.std).view(-1, 1, 1))

    def forward(self, images):
        return self.model((images - self.mean) / self.std)


digits = Shipped(digit_model, mnist).eval()
photos = Shipped(photo_model, cifar10).eval()

# %% [markdown]
# `register_buffer` makes a tensor a part of the model's state: it is stored and moved with the weights, but no optimizer changes it.
#
# The order of the classes belongs to the model as well. Logit 3 is "cat" because of a list, and without the list it is only the number 3. We put the names into the file, too.
#
# ## Export
#
# **[ONNX](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#onnx)** is a file format for trained networks. The file holds a list of operations, such as *convolution* or *maximum*, and the weights. It holds no Python. Programs that run such files exist for nearly every machine and language.
#
# An exporter knows a limited list of words. One layer of our CNNs, `AdaptiveMaxPool2d`, is missing from the list of some versions of PyTorch. That happens, and the way out is nearly always the same: say it in simpler words. Global pooling is the maximum over height and width, no more.


# %%
class GlobalMax(nn.Module):
    def forward(self, maps):
        return maps.amax(dim=(2, 3), keepdim=True)


# %%
images = cifar10.normalise(cifar10.val.images[:100])
with torch.inference_mode():
    before = photo_model(images)
    for model in (digit_model, photo_model):
        model.head[0] = GlobalMax()
    print("the same logits:", torch.equal(photo_model(images), before))

# %% [markdown]
# PyTorch writes the file itself. It follows an example through the model and notes every operation. The example's values play no part, only its shape. The first number of the shape, the size of the batch, must stay open, so we name it `N`.

# %%
folder = root / FOLDER
folder.mkdir(parents=True, exist_ok=True)


def write(model, path, images, **options):
    """Export in the open: pixels in, logits out."""
    options = {"dynamic_shapes": {"images": {0: torch.export.Dim("N")}}} | options
    torch.onnx.export(
        model, (images,), path,
        input_names=["images"], output_names=["logits"],
        dynamo=True, optimize=True, external_data=False, verbose=False, **options,
    )


write(digits, folder / "digits.onnx", torch.rand(2, *mnist.image_shape))

# %% [markdown]
# `dynamo=True` names PyTorch's newer exporter, which needs the package *onnxscript*. From PyTorch 2.9 it is the default. The older one is on its way out: it really runs the model, once, and notes what happened. `optimize=True` merges what can be merged. `external_data=False` keeps the weights in the same file; networks above 2 GB cannot do that.
#
# ## Look into the file
#
# **Think first**: the model has two blocks of convolution, batch normalisation, ReLU and max-pool, then global pooling and a linear layer. What will stand in the file? One kind of layer will be missing.

# %% tags=["nbval-ignore-output"]
graph = onnx.load(folder / "digits.onnx").graph
print(" → ".join(node.op_type for node in graph.node))
for weights in graph.initializer:
    values = onnx.numpy_helper.to_array(weights)
    print(f"{weights.name:28} {str(values.shape):16} {values.nbytes / 1000:.2f} kB")

# %% [markdown]
# `Sub` and `Div` are our normalisation, `Reshape` flattens, and `Gemm` is a linear layer. (The entries called `val_…` are no weights: they hold axes and shapes.) **Batch normalisation is gone.** In evaluation mode it only multiplies by a number and adds another one. A convolution multiplies and adds anyway, so the exporter works both numbers into its weights. Only evaluation mode allows that: its mean is a fixed number, and not that of the batch.
#
# How large is the file? It needs little besides the weights.

# %%
stored = (folder / "digits.onnx").stat().st_size / 1000
weights = 4 * count_parameters(digits) / 1000
print(f"file {stored:.1f} kB, weights {weights:.1f} kB")
confirm(stored < 1.5 * weights + 20, "little besides the weights")

# %% [markdown]
# What else is in there? The exporter leaves notes behind each operation, among them the names of your folders. Before you publish a file, take them out. The course's helper does that:
#
# `export(model, data, path, title=…)` from `helpers/export.py` does what this section did. It also puts the title and the names of the classes into the file, removes those notes, says global pooling in simpler words, and compares the file with the model before it writes. We use it from here on. It returns the largest difference that it found. With `features=True` the file also hands out what the first two layers see; the last section needs that.

# %%
difference = export(
    digit_model, mnist, folder / "digits.onnx", title="My digits", features=True
)
print(f"digits: up to {difference:.1e} from the model")
difference = export(photo_model, cifar10, folder / "photos.onnx", title="Photographs")
print(f"photographs: up to {difference:.1e} from the model")

# %% [markdown]
# If you train from the command line, the same is one line: `python export.py --checkpoint runs/mine`.
#
# ## The same answers?
#
# **[onnxruntime](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#onnxruntime)** runs the file. We open a *session*, and ask it with NumPy arrays.


# %%
def open_session(path):
    """A session on the CPU, with as many threads as PyTorch has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )


def pixels(images):
    """uint8 images as the file wants them: float32 from 0 to 1."""
    return images.numpy().astype(np.float32) / 255


def ask(session, inputs):
    """The logits for float32 inputs, 500 at a time."""
    parts = [inputs[start : start + 500] for start in range(0, len(inputs), 500)]
    return np.concatenate([session.run(["logits"], {"images": x})[0] for x in parts])


# %%
names = ("digits", "photos")
sessions = {name: open_session(folder / f"{name}.onnx") for name in names}
meta = sessions["photos"].get_modelmeta().custom_metadata_map
print(meta["title"], json.loads(meta["classes"]))

# %% [markdown]
# **Think first**: two programs do the same calculation with the same weights. Will all logits be equal, bit for bit?

# %%
for name, model, data in (("digits", digits, mnist), ("photos", photos, cifar10)):
    inputs = pixels(data.test.images)
    with torch.inference_mode():
        parts = torch.from_numpy(inputs).split(500)
        wanted = torch.cat([model(part) for part in parts]).numpy()
    found = ask(sessions[name], inputs)
    same = 100 * (found.argmax(axis=1) == wanted.argmax(axis=1)).mean()
    difference = abs(found - wanted).max() / abs(wanted).max()
    print(f"{name:6} differ by {difference:.1e} of the largest logit", end=", ")
    print(f"same answer for {same:.2f} %; below 0.001: {difference < 0.001}")

# %% [markdown]
# Not bit for bit. A sum of many numbers depends a little on the order in which they are added, and each program chooses its own order. So we state a **tolerance**: here a thousandth of the largest logit, over the whole test split. The best two logits of an image are mostly much further apart than that, so it changes nothing, except for an image that lies on the border of two classes.
#
# No label was used: we compared two programs. So the test split is as good as new.
#
# ## Ask it without PyTorch
#
# This is all that the receiver needs: the file, and a dozen lines. They could be JavaScript or C++ just as well.

# %%
ASK = '''\
"""Ask the model: python ask.py digit.png  (28 x 28, light on dark, as in MNIST)"""
import json, sys
import numpy as np, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("digits.onnx")
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
picture = Image.open(sys.argv[1]).convert("L").resize((28, 28))
pixels = np.asarray(picture, np.float32)[None, None] / 255  # 1 x 1 x 28 x 28
logits = session.run(["logits"], {"images": pixels})[0][0]
shares = np.exp(logits - logits.max())
for name, share in zip(classes, shares / shares.sum()):
    print(f"{name}: {100 * share:.2f} %")
'''
(folder / "ask.py").write_text(ASK, encoding="utf-8")
three = mnist.val.images[mnist.val.labels == 3][0, 0]
Image.fromarray(three.numpy()).save(folder / "digit.png")

# %% [markdown]
# We try it on a three, in a new process in which `torch` cannot be imported.

# %%
WITHOUT = "import sys, runpy; sys.modules['torch'] = None; runpy.run_path('ask.py')"
command = [sys.executable, "-c", WITHOUT, "digit.png"]
done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
print(done.stdout or done.stderr[-300:])

# %% [markdown]
# ## Smaller: 8-bit numbers
#
# Each weight takes 32 bits. Does it need them? **[Quantisation](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#quantisation)** rounds numbers to a ladder of 256 equally spaced steps, so that 8 bits are enough: a quarter of the space, and whole numbers are quicker to multiply on many processors. With $x$ a weight and $s$ the height of a step, the **scale**, the stored whole number is
#
# $$q = \operatorname{round}(x / s), \qquad x \approx s \, q .$$
#
# **Think first**: a layer has weights between −0.5 and 0.5. How large can the error of one weight be?

# %%
weight = photo_model.features[0].weight.detach()
scale = weight.abs().max() / 127  # one for the whole tensor
q = (weight / scale).round().to(torch.int8)
error = (scale * q - weight).abs().max()
print(f"scale {scale:.5f}, largest error {error:.5f}, half a step {scale / 2:.5f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Sorted weights of the first convolution as a smooth line, and the same weights rounded to 15 steps and to 255 steps: the first is a coarse staircase, the second hardly differs from the line."}}
# @title Drawing: weights on a ladder with few and with many steps
line = weight.flatten().sort().values
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3), sharey=True)
for axis, most in zip(axes, (7, 127)):
    step = line.abs().max() / most
    axis.plot(line, color="0.6", lw=3)
    axis.plot((line / step).round() * step, color=COLOURS[1], lw=1.2)
    axis.set(title=f"{2 * most + 1} steps", xlabel="weight, sorted")
axes[0].set_ylabel("value")
plt.show()

# %% [markdown]
# The error is at most half a step. For weights up to 0.5 that is 0.5 / 127 / 2, about 0.002. (From −127 to 127 there are 255 steps: the 256th, −128, is left out, so that the ladder is the same on both sides.) *One scale for each channel* is better still, because channels differ in size.
#
# To gain speed, the values *between* the layers have to be 8-bit numbers too. Their range is not known beforehand. So some images are sent through, and the largest and smallest values are noted: **[calibration images](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#calibration-images)**. They come from the training split, as everything that a model is made from. That is called *static* quantisation, and onnxruntime brings it along.


# %%
class Calibration(CalibrationDataReader):
    """Hands out images, fifty at a time, until none are left."""

    def __init__(self, images):
        self.parts = iter(images.split(50))

    def get_next(self):
        part = next(self.parts, None)
        return None if part is None else {"images": pixels(part)}


# %%
def quantise(name, data):
    """Write NAME_int8.onnx and open it."""
    source, target = folder / f"{name}.onnx", folder / f"{name}_int8.onnx"
    prepared = folder / "prepared.onnx"
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    images = Calibration(data.train.images[:CALIBRATION])
    quantize_static(
        prepared,
        target,
        images,
        per_channel=True,
        op_types_to_quantize=["Conv", "Gemm"],
    )
    prepared.unlink()
    return open_session(target)


# %%
sessions["digits_int8"] = quantise("digits", mnist)
sessions["photos_int8"] = quantise("photos", cifar10)

# %% [markdown]
# What did it cost, and what did it gain? We measure accuracy on **validation**, since we are about to choose, and the speed with 64 images at once. Each speed is measured after a warm-up, again and again for a while, and the median counts.

# %%
def seconds_for(call):
    """The median time of a call, after a warm-up (chapter 7)."""
    call()
    times, until = [], time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return np.median(times)


# %%
rows, hits = {}, {}
for name, session in sessions.items():
    data = mnist if name.startswith("digits") else cifar10
    found = ask(session, pixels(data.val.images)).argmax(axis=1)
    inputs = pixels(data.val.images[:64])
    rows[name] = (
        (folder / f"{name}.onnx").stat().st_size / 1000,
        100 * (found == data.val.labels.numpy()).mean(),
        64 / seconds_for(lambda: ask(session, inputs)) / 1000,
    )
    hits[name] = found == data.val.labels.numpy()

# %%
table = pd.DataFrame(rows, index=["kB", "accuracy (%)", "1000 images/s"]).T
print(table.to_string(float_format="%.1f"))
smaller = table["kB"]["photos"] / table["kB"]["photos_int8"]
confirm(smaller > 2.5, "the int8 file of the photographs is less than half as large")
for name in names:  # McNemar's test: where exactly one of the two is right
    a, b = hits[name], hits[f"{name}_int8"]
    alone = [int((a & ~b).sum()), int((b & ~a).sum())]
    p = binomtest(alone[0], max(1, sum(alone))).pvalue
    print(f"{name}: float32 and int8 differ in accuracy with p = {p:.3f}")

# %% [markdown]
# Three columns, three questions.
#
# - **Size**: nearly a quarter for a large model. Names, scales and notes do not shrink, so a small file gains less.
# - **Accuracy**: the p-values are those of McNemar's test, chapter 6, on the same images. Only a small one speaks of a loss that is more than chance.
# - **Speed**: look before you believe. Many processors have instructions for 8-bit products, which save time. The rounding between the layers costs time, most of all in a small network. So int8 may speed up one model and slow down another, and your table holds for your machine only.
#
# Int8 was made for large models on small machines. Our files are small already. So our rule, made before looking, is: *ship int8 only if its size or its speed is needed.* Nothing here needs it. We ship float32.
#
# ## Fast in which sense?
#
# There are two questions about speed, and they have different answers. **[Latency](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#latency)** is how long one answer takes: the person who draws a digit waits for it. **[Throughput](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#throughput)** is how many answers come in a second: whoever sorts a million photographs cares for it. A larger batch raises the latency, and up to a point the throughput, too. Only the second is welcome.
#
# **Think first**: for which batch size will PyTorch and onnxruntime differ most?

# %%
speeds = {}
for batch in BATCHES:
    inputs = pixels(cifar10.val.images[:batch])
    tensor = torch.from_numpy(inputs)
    with torch.inference_mode():
        speeds["PyTorch", batch] = seconds_for(lambda: photos(tensor))
    for label, name in (("onnxruntime", "photos"), ("onnxruntime int8", "photos_int8")):
        speeds[label, batch] = seconds_for(lambda: ask(sessions[name], inputs))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels against the batch size for PyTorch, onnxruntime and its int8 model: latency in milliseconds rises with the batch for all three; images per second rise with it for PyTorch, and are higher from the start, but uneven, for onnxruntime."}}
# @title Drawing: latency and throughput
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.3))
for number, label in enumerate(("PyTorch", "onnxruntime", "onnxruntime int8")):
    times = np.array([speeds[label, batch] for batch in BATCHES])
    style = {"marker": MARKERS[number], "color": COLOURS[number], "label": label}
    axes[0].plot(BATCHES, 1000 * times, **style)
    axes[1].plot(BATCHES, np.array(BATCHES) / times, **style)
axes[0].set_yscale("log")
for axis, name in zip(axes, ("latency (ms for a batch)", "throughput (images/s)")):
    axis.set(xscale="log", xlabel="images in a batch", ylabel=name)
    axis.set_xticks(BATCHES, [str(batch) for batch in BATCHES])
    axis.minorticks_off()
axes[0].yaxis.set_major_formatter("{x:g}")
axes[1].set_ylim(bottom=0)
axes[0].legend()
plt.show()
one = speeds["PyTorch", 1] / speeds["onnxruntime", 1]
confirm(one > 1, "for one image onnxruntime is faster than PyTorch")

# %% [markdown]
# For one image, much of PyTorch's time is not arithmetic. Each layer is a call from Python, and each call has its price, whatever the size of the batch. onnxruntime has seen the whole network beforehand: it has merged operations and set its memory aside. With large batches the arithmetic dominates, and then both do the same work.
#
# There is a third time, which a short script feels most: the **start**. In new processes, we let PyTorch do no more than be imported. onnxruntime has to be imported, load the file and answer. And for the receiver's disk: how large is each package?

# %% tags=["hide-input"]
# @title Measuring: the start, and the size of each package
FIRST_ANSWER = """
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("photos.onnx")
session.run(None, {"images": np.zeros((1, 3, 32, 32), np.float32)})
"""
starts = {}
for name, package, code in (
    ("PyTorch", torch, "import torch"), ("onnxruntime", onnxruntime, FIRST_ANSWER)
):
    times = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
        times.append(time.perf_counter() - started)
    files = Path(package.__file__).parent.rglob("*")
    size = sum(path.stat().st_size for path in files if path.is_file())
    starts[name] = np.median(times), size / 1e6
    print(f"{name:11} {starts[name][0]:.2f} s to start, {starts[name][1]:.1f} MB")
confirm(
    starts["onnxruntime"][0] < starts["PyTorch"][0],
    "onnxruntime has answered before PyTorch is imported",
)

# %% [markdown]
# ## The final measurement
#
# All is decided: which models, and that they are float32. Only now do we open the labels of the test split, once, and ask **the files**, because they are what is shipped. SciPy has the Wilson interval of chapter 6.

# %%
final = {}
for name, data in (("digits", mnist), ("photos", cifar10)):
    found = ask(sessions[name], pixels(data.test.images)).argmax(axis=1)
    right = found == data.test.labels.numpy()
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    low, high = 100 * interval.low, 100 * interval.high
    recalls = [100 * right[data.test.labels.numpy() == k].mean() for k in range(10)]
    final[name] = {"accuracy": 100 * right.mean(), "low": low, "high": high}
    print(f"{name:6} {100 * right.mean():.1f} % right ({low:.1f} to {high:.1f})")
    worst = int(np.argmin(recalls))
    final[name] |= {"worst": data.classes[worst], "recall": recalls[worst]}

# %% tags=["hide-input"]
# @title Record the numbers
for name, data in (("digits", mnist), ("photos", cifar10)):
    record(
        f"ship.{name}",
        test_accuracy=final[name]["accuracy"] / 100, low=final[name]["low"] / 100,
        high=final[name]["high"] / 100, kilobytes=rows[name][0],
        kilobytes_int8=rows[f"{name}_int8"][0], val_accuracy=rows[name][1] / 100,
        val_accuracy_int8=rows[f"{name}_int8"][1] / 100, data_source=data.source,
    )
record(
    "ship.speed",
    milliseconds=1000 * speeds["onnxruntime", 1],
    milliseconds_pytorch=1000 * speeds["PyTorch", 1],
    start_seconds=starts["onnxruntime"][0], start_seconds_pytorch=starts["PyTorch"][0],
    megabytes=starts["onnxruntime"][1], megabytes_pytorch=starts["PyTorch"][1],
)

# %% [markdown]
# ## A model card
#
# A file called `digits.onnx` arrives without you. A **[model card](https://github.com/claudiamohh/pytorch-image-classifier/blob/main/book/glossary.md#model-card)** is the page that goes with it. It says what the model is for, what it learned from, how good it is and how sure we are of that. Above all it says **what the model cannot do**. Chapter 6 found such things, and we measure two of them on the file itself: inverted digits, and the digits of other people.

# %%
inverted = 1 - pixels(mnist.val.images)
found = ask(sessions["digits"], inverted).argmax(axis=1)
upside = 100 * (found == mnist.val.labels.numpy()).mean()

others = load_digits()  # 8 x 8 pixels with values up to 16
small = torch.tensor(others.images, dtype=torch.float32)[:, None] / 16
large = F.pad(F.interpolate(small, size=20, mode="bilinear"), (4, 4, 4, 4))
found = ask(sessions["digits"], large.numpy()).argmax(axis=1)
elsewhere = 100 * (found == others.target).mean()
print(f"inverted {upside:.1f} % right, other people's {elsewhere:.1f} % right")

# %% tags=["hide-input"]
# @title The text of the card: every number comes from a variable above
result = final["digits"]
answer_time = seconds_for(lambda: ask(sessions["digits"], inverted[:1]))
CARD = f"""\
# Digits

Names the digit 0 to 9 in a picture of 28 x 28 pixels. Made in a course, for learning.
Not for cheques, exams, or anything in which a wrong digit does harm.

- File: digits.onnx, {rows["digits"][0]:.1f} kB, ONNX, float32
- Input: images, N x 1 x 28 x 28, float32 from 0 (ground) to 1 (ink), one centred digit
- Output: logits, N x 10; softmax makes probabilities of them
  (and features_1, features_2: what the first two layers see)
- Learned from: {mnist.title}, training split ({mnist.source})
- Accuracy: {result["accuracy"]:.1f} % of the test split, 95 % interval
  {result["low"]:.1f} to {result["high"]:.1f} %, measured on this file
- Weakest digit: {result["worst"]}, of which {result["recall"]:.1f} % are found
- Seconds: {1000 * answer_time:.2f} ms for one picture, where this card was written

What it cannot do

- It always names a digit, also for a letter, a face or nothing at all.
- Dark ink on light ground: {upside:.1f} % right. Invert such pictures first.
- Other people's digits (scikit-learn, enlarged): {elsewhere:.1f} % right.
- Its probabilities were not calibrated.

How to ask it: python ask.py digit.png
"""
_ = (folder / "digits.md").write_text(CARD, encoding="utf-8")

# %% tags=["nbval-ignore-output"]
print(CARD)

# %% [markdown]
# Nobody should type the numbers of a card from memory. It is a text with gaps, and the measurements fill them. So it can say nothing but what was measured. Where you know more, such as who wrote the digits, or who was left out, write it down.
#
# ## Into the browser
#
# The book's **live page** runs such files in your browser, with onnxruntime compiled for the web. Nothing is sent anywhere. It knows nothing of this chapter's models, and needs only what the file says about itself: an input `images`, an output `logits`, and the names of the classes. If the file also hands out the values behind the first two ReLUs, the page draws them while you draw.

# %%
for output in sessions["digits"].get_outputs():
    print(output.name, output.shape)

# %% [markdown]
# Open the folder `runs/shipped` of the course, or on Colab the file browser at the left, and drop `digits.onnx` on the live page. Then draw. That is your network, trained by you, on a machine that never heard of PyTorch. Draw badly, and see chapter 6 come true.
#
# ## What went wrong, and why
#
# Most mistakes in shipping raise no error: the file is fine, and is asked the wrong way. We make the usual ones on purpose.
#
# **Pixels from 0 to 255**, because the picture came so. **Normalised twice**: the sender put the normalisation into the file, and the receiver knows the paper and does it again. **Forgotten**: the file expects normalised numbers and gets plain pixels. **BGR**: OpenCV reads the colours in the order blue, green, red.
#
# **Think first**: which of the four will hurt least? And which of them does nothing to digits?

# %%
val = pixels(cifar10.val.images)
mean, std = (np.float32(v).reshape(3, 1, 1) for v in (cifar10.mean, cifar10.std))
photo_session = sessions["photos"]
with torch.inference_mode():
    bare = torch.cat([photo_model(part) for part in torch.from_numpy(val).split(500)])
ways = {
    "as it should be": ask(photo_session, val),
    "0 to 255": ask(photo_session, 255 * val),
    "normalised twice": ask(photo_session, (val - mean) / std),
    "forgotten": bare.numpy(),
    "BGR": ask(photo_session, np.ascontiguousarray(val[:, ::-1])),
}

# %%
traps = {}
for name, logits in ways.items():
    probabilities = torch.tensor(logits).softmax(dim=1)
    certainty, found = probabilities.max(dim=1)
    right = (found == cifar10.val.labels).float()
    traps[name] = 100 * right.mean().item(), 100 * certainty.mean().item()

# %%
table = pd.DataFrame(traps, index=["right (%)", "certainty (%)"]).T
print(table.to_string(float_format="%.1f"))
lowest = table["right (%)"].drop("as it should be").max()
confirm(lowest < table["right (%)"].iloc[0], "each of the four costs accuracy")

# %% [markdown]
# All of them give an answer for every picture. BGR hurts least here, and digits have only one channel, so it does nothing to them. With pixels up to 255 the network is nearly always wrong, and surer than ever. (As it should be used, it is less sure than it is right: its recipe smooths the labels. Chapter 6 would take a temperature below 1.) Nobody sees from the outside that something is wrong. The cure is a **test picture with its logits**: send one along, and let the receiver compare before the first real use.
#
# **Training mode.** Batch normalisation then takes the mean of *the images that happen to be in the batch*. The same image gets another answer in other company. We export such a model, too.

# %%
careless = copy.deepcopy(digits).train()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch does warn; people overlook it
    write(careless, folder / "careless.onnx", torch.rand(2, *mnist.image_shape))
val = pixels(mnist.val.images[:100])
session = open_session(folder / "careless.onnx")
askers = {
    "PyTorch": lambda x: careless(torch.from_numpy(x)).detach().numpy(),
    "its file": lambda x: ask(session, x),
    "the right file": lambda x: ask(sessions["digits"], x),
}
for name, answer in askers.items():
    apart = abs(answer(val[:1]) - answer(val)[:1]).max()
    print(f"{name:14} alone and among 100: {apart:.4f} apart")

# %% [markdown]
# The first line is the mistake. A service that forgot `.eval()` answers like that, and a comparison with the file fails although the file is right. The second line tells whether this exporter protects you: the newer one writes evaluation mode, whatever the model's mode is, and warns. Others take the mode as they find it. So call `.eval()` yourself, always.
#
# **A fixed batch.** Without `dynamic_shapes` the example's batch size is cut in stone. This mistake at least raises an error, but only when the receiver asks the file.

# %%
small = Shipped(build_model("softmax", mnist.image_shape, 10), mnist).eval()
fixed = folder / "fixed.onnx"
write(small, fixed, torch.rand(2, *mnist.image_shape), dynamic_shapes=None)
try:
    ask(open_session(fixed), val[:1])
except Exception as error:
    print(type(error).__name__, *str(error).splitlines()[1:2])

# %% [markdown]
# ## Which one should I choose?
#
# | You want | Take | Beware |
# |---|---|---|
# | to go on training later | the run folder: `last.pt` has the optimizer's state, too | `best.pt` has weights only |
# | to run it without PyTorch | ONNX and onnxruntime | put the normalisation inside |
# | to run it in a browser | the same file, onnxruntime for the web | the runtime is larger than a small model |
# | the smallest file | int8, calibrated on training images | measure accuracy on validation |
# | the fastest answer to one person | batch 1, a session that stays open | the first answer pays for the start |
# | the most answers a second | large batches | each of them waits for the whole batch |
# | people to use it rightly | a model card, and a test picture with its logits | fill the numbers by code |
#
# ## Exercises
#
# Replace the dots `...` and run the cell: it says ✅, or ❌ with a hint. The solution is folded below each.
#
# ### Exercise 8.1: what the file wants (easy)
#
# A program reads a picture as an array of uint8, height × width × 3, in the order red, green, blue. Turn it into what `photos.onnx` wants: float32 from 0 to 1, one image of 3 channels, `1 x 3 x height x width`.


# %%
def for_the_file(picture): ...


grade("8.1", for_the_file)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def for_the_file(picture):
#     return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255
# ```
#
# Channels first, a batch of one, and 32-bit floats: onnxruntime refuses float64. No mean and no standard deviation: they are inside.
#
# </details>
#
# ### Exercise 8.2: five letters from users (easy)
#
# Name the cause of each complaint: `"0 to 255"`, `"fixed batch"`, `"training mode"`, `"BGR"` or `"normalised twice"`. Each belongs to one of them.
#
# - A: "Grey pictures are right as ever. Red cars are called ships, and blue ships are called cars."
# - B: "The same picture gets another answer when I send it together with others."
# - C: "One picture at a time works. With two I get an error."
# - D: "Our team normalises all inputs by the book. With your file the results are poor, with our own models they are good."
# - E: "It is 100 % sure about every single picture. The raw numbers that come out are in the hundreds."

# %%
causes = ...  # a list of five words, for A to E

grade("8.2", causes)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# causes = ["BGR", "training mode", "fixed batch", "normalised twice", "0 to 255"]
# ```
#
# Swapped channels change nothing where all three are equal. Inputs that are 255 times too large give logits that are far too large, and softmax makes certainties of them.
#
# </details>
#
# ### Exercise 8.3: as many as possible, in time (medium)
#
# Somebody measured `milliseconds[batch]`, the time for a whole batch, as a dictionary. A picture must be answered within `deadline` milliseconds. Return the batch size with the highest throughput that keeps the deadline, or `None` if none does. Predict it first for `{1: 2, 8: 4, 64: 20, 256: 120}` and 50 ms.


# %%
def best_batch(milliseconds, deadline): ...


grade("8.3", best_batch)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def best_batch(milliseconds, deadline):
#     allowed = [batch for batch, time in milliseconds.items() if time <= deadline]
#     return max(allowed, key=lambda batch: batch / milliseconds[batch], default=None)
# ```
#
# Among those that keep the deadline, the most pictures a millisecond count. The largest batch is not always the best: 256 in 120 ms is slower than 64 in 20 ms.
#
# </details>
#
# ### Exercise 8.4: a ladder with a zero (medium)
#
# Behind a ReLU no value is negative, and a ladder from −127 to 127 wastes half of its steps. So quantise with a **zero point**: from the smallest value `low` ≤ 0 and the largest `high` > 0 take the scale $s = (\text{high} - \text{low}) / 255$ and the zero point $z = \operatorname{round}(-\text{low} / s)$. Return $q = \operatorname{round}(x / s) + z$, no less than 0 and no more than 255, as uint8, together with `s` and `z`.


# %%
def with_zero_point(x, low, high): ...  # q, scale, zero_point


grade("8.4", with_zero_point)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def with_zero_point(x, low, high):
#     scale = (high - low) / 255
#     zero_point = round(-low / scale)
#     q = ((x / scale).round() + zero_point).clamp(0, 255).to(torch.uint8)
#     return q, scale, zero_point
# ```
#
# Clamp *before* the change to uint8, or 256 becomes 0. The number 0 lies exactly on a step, so padding with zeros stays exact.
#
# </details>
#
# ### Exercise 8.5: probabilities in the file (medium)
#
# The receiver shall get probabilities, softened by the temperature of chapter 6. Write a module around a model that takes pixels from 0 to 1, normalises them, divides the logits by `temperature` and returns probabilities. `mean` and `std` are one number a channel. All three belong to the state of the module, but are not trained.


# %%
class Honest(nn.Module):
    def __init__(self, model, mean, std, temperature):
        super().__init__()
        ...

    def forward(self, images): ...


grade("8.5", Honest)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class Honest(nn.Module):
#     def __init__(self, model, mean, std, temperature):
#         super().__init__()
#         self.model = model
#         self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
#         self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))
#         self.register_buffer("temperature", torch.tensor(float(temperature)))
#
#     def forward(self, images):
#         logits = self.model((images - self.mean) / self.std)
#         return (logits / self.temperature).softmax(dim=1)
# ```
#
# Softmax goes over the classes of each image, `dim=1`. Over `dim=0` the images of a batch would share one probability.
#
# </details>
#
# ### Exercise 8.6: four bits (open-ended)
#
# Store the matrix `w` (float32, outputs × inputs) in **4 bits** a weight, and return what comes back, in the same shape. The rule: each row has at most 16 different values. The rows differ in size. The check divides the mean squared error of each row by the row's own mean square, and takes the mean of that over all rows. It wants no more than 1.05 times what one symmetric ladder of 15 steps *for each row* gives. Can you get below it?


# %%
def four_bits(w): ...


grade("8.6", four_bits)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def four_bits(w):
#     scale = w.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 7
#     return (w / scale).round() * scale
# ```
#
# Each row gets its own scale. With one scale for all of them, the smallest rows would be rounded to nothing. A few extreme weights make a ladder coarse, so a slightly *smaller* scale, with `clamp(-7, 7)`, often has a lower error: try some factors below 1 for each row.
#
# </details>
#
# ## Quiz
#
# **1. Why is the normalisation inside the file?**
#
# <details name="quiz-8-1"><summary>A. Because ONNX cannot read plain pixels otherwise</summary>
#
# ❌ Not so: ONNX takes any numbers that the model takes. It neither knows nor checks what they mean.
#
# </details>
# <details name="quiz-8-1"><summary>B. So that nobody can forget it, do it twice, or use other numbers</summary>
#
# ✅ Yes: it belongs to the model as its weights do, and inside it can be neither lost nor repeated.
#
# </details>
# <details name="quiz-8-1"><summary>C. It is faster in the file, because onnxruntime is written in C++ and not in Python</summary>
#
# ❌ Not so: one subtraction and one division for each pixel hardly take time anywhere. The reason is safety.
#
# </details>
#
# **2. Two programs run the same file. Their logits differ by 0.00001. What do you do?**
#
# <details name="quiz-8-2"><summary>A. Nothing more than to state the tolerance</summary>
#
# ✅ Yes: sums in another order differ in their last digits. A tolerance says how much you accept.
#
# </details>
# <details name="quiz-8-2"><summary>B. Look for the bug, because the same weights must give equal numbers, bit for bit</summary>
#
# ❌ Not so: floating-point sums depend on the order of their terms, and every program has its own order.
#
# </details>
# <details name="quiz-8-2"><summary>C. Round all logits to whole numbers</summary>
#
# ❌ Not so: rounding loses information, and at a border between two whole numbers it makes the difference larger.
#
# </details>
#
# **3. Your service answers one person at a time, and is too slow. What helps?**
#
# <details name="quiz-8-3"><summary>A. Collect requests until there are 256, because large batches have the highest throughput</summary>
#
# ❌ Not so: everybody would wait for the other 255. Throughput rises, and so does the latency of each.
#
# </details>
# <details name="quiz-8-3"><summary>B. Load the model anew for each request</summary>
#
# ❌ Not so: then every answer pays for the start. A session is opened once and stays open.
#
# </details>
# <details name="quiz-8-3"><summary>C. Lower the latency for a batch of one</summary>
#
# ✅ Yes: a lighter runtime, fewer calls or a smaller model make the single answer faster.
#
# </details>
#
# **4. Which images calibrate the int8 model?**
#
# <details name="quiz-8-4"><summary>A. Images of the training split</summary>
#
# ✅ Yes: they make a part of the model, its ranges, so they come from where all of the model comes from.
#
# </details>
# <details name="quiz-8-4"><summary>B. Images of the test split, since the ranges must fit them</summary>
#
# ❌ Not so: the test split would help to make what it is meant to judge.
#
# </details>
# <details name="quiz-8-4"><summary>C. None: the ranges follow from the weights</summary>
#
# ❌ Not so: the range between two layers depends on what goes in. Weights alone do not tell it.
#
# </details>
#
# **5. The int8 file is no faster on your machine. What follows?**
#
# <details name="quiz-8-5"><summary>A. Int8 is never faster than float32, whatever people say about it</summary>
#
# ❌ Not so: one machine says nothing about others, and some have special instructions for 8-bit products.
#
# </details>
# <details name="quiz-8-5"><summary>B. The file must be damaged, since fewer bits are less work</summary>
#
# ❌ Not so: rounding between the layers is work too, and without special instructions it may cost more than it saves.
#
# </details>
# <details name="quiz-8-5"><summary>C. It is still smaller; measure where it shall run</summary>
#
# ✅ Yes: size and speed are two questions, and the second is answered on the machine that is meant.
#
# </details>
#
# **6. What belongs into a model card that a table of accuracies does not say?**
#
# <details name="quiz-8-6"><summary>A. The names of all layers, with the shapes of their weights</summary>
#
# ❌ Not so: those stand in the file. A card is for people who decide whether to use it.
#
# </details>
# <details name="quiz-8-6"><summary>B. What it is for, what it learned from, and where it fails</summary>
#
# ✅ Yes: the receiver has other pictures than you. Only the card tells which of them are in reach.
#
# </details>
# <details name="quiz-8-6"><summary>C. Nothing: a good accuracy speaks for itself</summary>
#
# ❌ Not so: an accuracy is a promise about pictures like those of the test split, and about no others.
#
# </details>
#
# ## Takeaways
#
# - Ship the model *with* its normalisation and the names of its classes, in one file.
# - Export in evaluation mode, with an open batch size, and compare with PyTorch within a tolerance that you state.
# - The receiver needs the file, a runtime and a dozen lines. No PyTorch.
# - Int8 makes a file smaller. Whether it makes it faster, only the machine in question can say.
# - Latency is for people who wait, throughput for work that is done in bulk.
# - Wrong inputs raise no error. Send a test picture and its logits along.
# - A model card says what the model cannot do, and code fills in its numbers.
#
# ## Read on
#
# - [The ONNX format](https://onnx.ai/onnx/intro/), and [PyTorch's exporter](https://docs.pytorch.org/docs/stable/onnx.html).
# - [onnxruntime](https://onnxruntime.ai/docs/): languages, machines, quantisation.
# - [Jacob and others, 2017](https://arxiv.org/abs/1712.05877): networks that calculate with whole numbers only.
# - [Mitchell and others, 2018](https://arxiv.org/abs/1810.03993): model cards.
#
# ## Next
#
# [Your own images](own_images.ipynb) leaves the two data sets for pictures of yours. What you train there is exported by the same line.
