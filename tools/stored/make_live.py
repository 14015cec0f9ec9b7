"""Make the two networks of the live page: python -m tools.stored.make_live

Both are small networks of chapter 7, written to `book/_static/live/` as ONNX files. The one for
photographs is trained by `train.py` with the flags below. The one for digits learns from MNIST,
from MNIST drawn again with other pens, and from drawings that are no digit, as an eleventh class.
What is measured is the file that is shipped; it goes into `book/results.json`. Needs the full data
and takes about half an hour on one core.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from scipy.special import softmax
from sklearn.datasets import load_digits

import train
from commands import run
from commands.predictor import load_predictor
from commands.run_folder import BEST
from helpers.data import ImageData, Split, load
from helpers.data.digits import read_digit
from helpers.export import export
from helpers.models import build_model, count_parameters
from helpers.notebook import add_numbers
from helpers.recipes import TrainingConfig, recipe, with_epochs
from helpers.support.errors import UserError
from helpers.support.files import write_atomically
from helpers.training import fit
from tools.book.pages import NO_DIGIT
from tools.course import ROOT, Course, run_tool
from tools.stored.drawings import LEARNT, UNSEEN, others, redraw

FOLDER = ROOT / "book" / "_static" / "live"
BICUBIC = Image.Resampling.BICUBIC
MODEL, SEED = "fastcnn", 17
DIGITS_SIZE, PICTURES_SIZE = "small", "middle"
REDRAWN, OTHERS = 1, 24_000  # how often each digit is drawn again; drawings that are no digit
EPOCHS = 6
RUN = ROOT / "runs" / "live_pictures"
FLAGS = f"--dataset cifar10 --model {MODEL} --size {PICTURES_SIZE} --epochs 32 --require-full"


def digits_data() -> ImageData:
    """MNIST with digits that were drawn again, and an eleventh class.

    The digits that the tests of the page draw come from the bundled sample, so none of these is
    among those that are learnt from.
    """
    mnist, generator = load("mnist", mode="full"), np.random.default_rng(SEED)
    kept = {image.tobytes() for image in load("mnist", mode="sample").test.images.numpy()}
    is_new = torch.tensor([image.tobytes() not in kept for image in mnist.train.images.numpy()])
    classes = (*mnist.classes, NO_DIGIT)

    def split(digits: Split, times: int, count: int) -> Split:
        images, nothing = digits.images[:, 0].numpy(), len(classes) - 1
        drawn = [redraw(images, generator) for _ in range(times)]
        no_digits, _ = others(LEARNT, count, generator, images)
        pixels = torch.from_numpy(np.concatenate([images, *drawn, no_digits]))
        labels = [*[digits.labels] * (1 + times), torch.full((count,), nothing)]
        return Split(pixels[:, None], torch.cat(labels))

    return replace(
        mnist,
        classes=classes,
        train=split(mnist.train[is_new], REDRAWN, OTHERS),
        val=split(mnist.val, 1, OTHERS // 10),
    )


def without_others(data: ImageData) -> ImageData:
    """The digits alone, in ten classes."""

    def digits(split: Split) -> Split:
        return split[split.labels < 10]

    return replace(data, classes=data.classes[:10], train=digits(data.train), val=digits(data.val))


def trained(data: ImageData, config: TrainingConfig) -> torch.nn.Module:
    model = build_model(MODEL, data.image_shape, data.num_classes, DIGITS_SIZE)
    fit(model, data, config, device="cpu")
    return model.eval()


def halve(path: Path) -> None:
    """Store the large weights of an ONNX file as 16-bit floats; they are float32 when it runs."""
    made = onnx.load(path)
    for weight in list(made.graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 100:
            continue
        small = onnx.numpy_helper.from_array(values.astype(np.float16), f"{weight.name}_16")
        cast = onnx.helper.make_node("Cast", [small.name], [weight.name], to=onnx.TensorProto.FLOAT)
        made.graph.initializer.remove(weight)
        made.graph.initializer.append(small)
        made.graph.node.insert(0, cast)
    onnx.checker.check_model(made)
    write_atomically(path, lambda file: file.write(made.SerializeToString()))


def probabilities(path: Path, images: np.ndarray) -> np.ndarray:
    """What the file says of uint8 images `N x C x H x W`: float32 `N x K`."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits = [
        session.run(["logits"], {"images": part.astype(np.float32) / 255})[0]
        for part in np.array_split(images, max(1, len(images) // 500))
    ]
    return softmax(np.concatenate(logits), axis=1)


def enlarged() -> tuple[np.ndarray, np.ndarray]:
    """The digits of scikit-learn, written by other people: read as `predict.py` reads them."""
    bunch = load_digits()
    pictures = [
        Image.fromarray((values * 255 / 16).astype(np.uint8)).resize((160, 160), BICUBIC)
        for values in bunch.images
    ]
    read = [read_digit(picture).pixels for picture in pictures]
    return np.stack([pixels for pixels in read if pixels is not None]), bunch.target


def make_digits() -> None:
    data = digits_data()
    config = with_epochs(recipe(MODEL, "mnist"), EPOCHS)
    config = replace(config, batch_size=128, precision="fp32")
    model, plain = trained(data, config), trained(without_others(data), config)
    path = FOLDER / "digits.onnx"
    export(model, data, path, title="Digits, and what is none", features=True)
    halve(path)
    alone, both = FOLDER / "ten.onnx", data.val[data.val.labels < 10].images.numpy()
    export(plain, without_others(data), alone)
    # The level below which ten classes refuse as many validation digits as the eleventh takes.
    refused = np.mean(probabilities(path, both).argmax(axis=1) == 10)
    level = float(np.quantile(probabilities(alone, both).max(axis=1), refused))

    generator = np.random.default_rng(SEED + 1)
    test, labels = data.test.images.numpy(), data.test.labels.numpy()
    unseen, kinds = others(UNSEEN, 4000, generator, test[:, 0])
    learnt, _ = others(LEARNT, 4000, generator, test[:, 0])
    written, meant = enlarged()
    numbers: dict[str, float | int] = {
        "bytes": path.stat().st_size,
        "parameters": count_parameters(model),
        "level": level,
    }
    for name, pixels, truth in (
        ("test", test[:, 0], labels),
        ("redrawn", redraw(test[:, 0], generator), labels),
        ("written", written, meant),
    ):
        found = probabilities(path, pixels[:, None])
        numbers[f"{name}_accuracy"] = float(np.mean(found.argmax(axis=1) == truth))
        numbers[f"{name}_refused"] = float(np.mean(found.argmax(axis=1) == 10))
        ten = probabilities(alone, pixels[:, None])
        numbers[f"{name}_refused_by_level"] = float(np.mean(ten.max(axis=1) < level))
        numbers[f"{name}_accuracy_ten"] = float(np.mean(ten.argmax(axis=1) == truth))
    for name, pixels in (("unseen", unseen), ("learnt", learnt)):
        is_refused = probabilities(path, pixels[:, None]).argmax(axis=1) == 10
        numbers[f"{name}_others_refused"] = float(is_refused.mean())
        by_level = probabilities(alone, pixels[:, None]).max(axis=1) < level
        numbers[f"{name}_others_refused_by_level"] = float(by_level.mean())
        if name == "unseen":
            for kind in sorted(set(kinds), key=lambda kind: is_refused[kinds == kind].mean()):
                print(f"{kind:8} refused: {100 * is_refused[kinds == kind].mean():.0f} %")
    alone.unlink()
    print(json.dumps(numbers, indent=1))
    add_numbers(Course().results, "live.digits", **numbers)


def make_pictures() -> None:
    begun = (RUN / "config.json").exists()
    flags = ["--resume", str(RUN)] if begun else [*FLAGS.split(), "--out", str(RUN)]
    if run.main("train.py", "", train.train, flags):
        raise UserError("the training ended too early: see above")
    predictor = load_predictor(RUN / BEST, "cpu")
    path = FOLDER / "pictures.onnx"
    export(predictor.model, predictor, path, title="Ten kinds of photographs", features=True)
    halve(path)
    data = load("cifar10", mode="full")
    found = probabilities(path, data.test.images.numpy()).argmax(axis=1)
    add_numbers(
        Course().results,
        "live.pictures",
        bytes=path.stat().st_size,
        parameters=count_parameters(predictor.model),
        test_accuracy=float(np.mean(found == data.test.labels.numpy())),
    )


def main() -> None:
    makers = {"digits": make_digits, "pictures": make_pictures}
    parser = argparse.ArgumentParser(description="the networks of the live page")
    parser.add_argument("--only", choices=makers, help="one of the two")
    only = parser.parse_args().only
    for name, make in makers.items():
        if only in (None, name):
            make()


if __name__ == "__main__":
    run_tool(main)
