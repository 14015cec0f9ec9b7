"""Train the small backbone that comes with the course: python -m tools.stored.make_backbone

It is the middle CNN of chapter 3, trained on eight classes of CIFAR-10. It never sees the other
two, which the page on your own images uses as a reader's pictures. Needs the full data set and
takes about twelve minutes on one core of a busy machine; writes `helpers/backbone/weights.pt`, and
the numbers of the README.md beside it.
"""

import json
import re
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from commands.run_folder import description, save_checkpoint
from helpers.data import ImageData, Split, load
from helpers.data.load import channel_statistics
from helpers.models import build_model, count_parameters
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.training import evaluate, fit
from tools.course import ROOT, run_tool, write_if_changed

HELD_OUT = ("dog", "horse")
FOLDER = ROOT / "helpers" / "backbone"
PAGE = FOLDER / "README.md"
MODEL, SIZE, EPOCHS = "cnn", "middle", 10


def without(data: ImageData, held_out: tuple[str, ...]) -> ImageData:
    """`data` without some of its classes; the labels of the others count from 0 again."""
    kept = [name for name in data.classes if name not in held_out]
    new_label = torch.tensor([kept.index(n) if n in kept else -1 for n in data.classes])

    def choose(split: Split) -> Split:
        labels = new_label[split.labels]
        return Split(split.images, labels)[labels >= 0]

    train = choose(data.train)
    mean, std = channel_statistics(train.images)
    splits: dict[str, Any] = {"train": train, "val": choose(data.val), "test": choose(data.test)}
    return replace(data, classes=tuple(kept), mean=mean, std=std, **splits)


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
    val, test = (100 * evaluate(model, data.batches(s, 500)).accuracy for s in ("val", "test"))
    images = f"{len(data.train):,} for training, {len(data.val):,} for validation"
    threads, version = torch.get_num_threads(), torch.__version__.partition("+")[0]
    rows = {
        "Classes": ", ".join(data.classes),
        "Data": data.source,
        "Images": f"{images}, {len(data.test):,} for test",
        "Accuracy": f"validation {val:.1f} %, test {test:.1f} % (measured once)",
        "Parameters": f"{count_parameters(model):,}, stored as 16-bit floats",
        "Training": f"{seconds:.0f} seconds on {threads} CPU thread(s), torch {version}",
        "Settings": f"`{json.dumps(asdict(config))}`",
    }
    text = re.sub(r"[\d.]+ % of the cases", f"{test:.1f} % of the cases", PAGE.read_text("utf-8"))
    for name, said in rows.items():
        text = re.sub(rf"^\| {name} \|.*$", f"| {name} | {said} |", text, flags=re.MULTILINE)
    about = description(MODEL, SIZE, data, asdict(config))
    save_checkpoint(folder / "weights.pt", about | {"model": weights})
    write_if_changed(folder / PAGE.name, text)


def main() -> None:
    data = without(load("cifar10", mode="full"), HELD_OUT)
    make(data, with_epochs(recipe(MODEL, data.name), EPOCHS), FOLDER)


if __name__ == "__main__":
    run_tool(main)
