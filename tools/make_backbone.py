"""Train the small backbone that comes with the course: python -m tools.make_backbone

It is the middle CNN of chapter 3, trained on eight classes of CIFAR-10. It never sees the other
two, which the page on your own images uses as a reader's pictures. Needs the full data set and
takes about twelve minutes on one core of a busy machine; writes `helpers/backbone/`.
"""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from commands.folder import description, save_checkpoint
from helpers.data import ImageData, Split, load
from helpers.data.load import channel_statistics
from helpers.files import write_atomically
from helpers.models import build_model, count_parameters
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.training import evaluate, fit
from tools.course import ROOT, run_tool

HELD_OUT = ("dog", "horse")
FOLDER = ROOT / "helpers" / "backbone"
MODEL, SIZE, EPOCHS = "cnn", "middle", 10
README = """\
# The backbone

`weights.pt` holds the middle CNN of chapter 3, trained by `python -m tools.make_backbone` on the
eight classes of CIFAR-10 that are not {held_out}. On test images of these eight classes it is
right in {accuracy:.1f} % of the cases. [Your own images](../../notebooks/own_images.ipynb) freezes
it and gives it a new head.

| | |
| --- | --- |
| Classes | {classes} |
| Data | {source} |
| Images | {images:,} for training, {val:,} for validation, {test:,} for test |
| Accuracy | validation {val_accuracy:.1f} %, test {accuracy:.1f} % (measured once) |
| Parameters | {parameters:,}, stored as 16-bit floats |
| Training | {seconds:.0f} seconds on {threads} CPU thread(s), torch {torch} |
| Settings | `{settings}` |

The weights are those after the last epoch; nothing was chosen on the test images. The file is a
checkpoint like those of `train.py`, so `predict.py` can use it too. It holds no image.

Licence: this project's own, as its code. The images that it was trained on are CIFAR-10's
(A. Krizhevsky, 2009, "Learning multiple layers of features from tiny images").
"""


def without(data: ImageData, held_out: tuple[str, ...]) -> ImageData:
    """`data` without some of its classes; the labels of the others count from 0 again."""
    kept = [name for name in data.classes if name not in held_out]
    new_label = torch.tensor([kept.index(n) if n in kept else -1 for n in data.classes])

    def choose(split: Split) -> Split:
        labels = new_label[split.labels]
        return Split(split.images, labels)[labels >= 0]

    train = choose(data.train)
    mean, std = channel_statistics(train.images)
    return replace(
        data,
        classes=tuple(kept),
        train=train,
        val=choose(data.val),
        test=choose(data.test),
        mean=mean,
        std=std,
    )


def make(data: ImageData, config: TrainingConfig, folder: Path) -> None:
    """Train on `data`, and write the weights and what there is to know about them."""
    model = build_model(MODEL, data.image_shape, data.num_classes, SIZE)
    started = time.perf_counter()
    fit(model, data, config, device="cpu")
    seconds = time.perf_counter() - started
    weights = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(weights)  # what is measured is what is stored
    text = README.format(
        held_out=" and ".join(HELD_OUT),
        classes=", ".join(data.classes),
        source=data.source,
        images=len(data.train),
        val=len(data.val),
        test=len(data.test),
        val_accuracy=100 * evaluate(model, data.batches("val", 500)).accuracy,
        accuracy=100 * evaluate(model, data.batches("test", 500)).accuracy,
        parameters=count_parameters(model),
        seconds=seconds,
        threads=torch.get_num_threads(),
        torch=torch.__version__.partition("+")[0],
        settings=json.dumps(asdict(config)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    said = description(MODEL, SIZE, data, asdict(config))
    save_checkpoint(folder / "weights.pt", said | {"model": weights})
    write_atomically(folder / "README.md", lambda file: file.write(text.encode()))


def main() -> int:
    data = without(load("cifar10", mode="full"), HELD_OUT)
    make(data, with_epochs(recipe(MODEL, data.name), EPOCHS), FOLDER)
    return 0


if __name__ == "__main__":
    run_tool(main)
