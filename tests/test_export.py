"""An exported file answers as the model does, is complete, and a mistake is one clear line."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import export as program
from commands.predictor import load_predictor
from commands.run_folder import description, save_checkpoint
from helpers.data import load
from helpers.export import Shipped, export
from helpers.models import build_model
from helpers.support.errors import UserError


def store(path: Path, kind: str, name: str) -> Path:
    """A checkpoint whose running means are those of real images, as if it had been trained."""
    data = load(name, mode="sample")
    model = build_model(kind, data.image_shape, data.num_classes, "small").train()
    with torch.no_grad():
        model(data.normalise(data.train.images[:64]))
    content = description(kind, "small", data, {}) | {"model": model.state_dict(), "epoch": 1}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, content)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder and, beside it, what export.py made of it."""
    folder = tmp_path_factory.mktemp("ship") / "my run"
    store(folder / "best.pt", "cnn", "cifar10")
    assert program.main(["--checkpoint", str(folder), "--features"]) == 0
    return folder


def test_the_file_answers_as_predict_does_for_any_number_of_images(run: Path) -> None:
    predictor = load_predictor(run, "cpu")
    images = load("cifar10", mode="sample").val.images[:50]
    session = onnxruntime.InferenceSession(run / "best.onnx", providers=["CPUExecutionProvider"])
    for number in (1, 50):
        pixels = images[:number].numpy().astype(np.float32) / 255
        logits, *maps = session.run(None, {"images": pixels})
        wanted = predictor.probabilities(images[:number])
        found = torch.from_numpy(logits).double().softmax(dim=1)
        assert torch.allclose(found, wanted, atol=1e-5)
        with torch.no_grad():
            shown = Shipped(predictor.model, predictor, features=True)(torch.from_numpy(pixels))
        assert [array.shape[1:] for array in maps] == [(32, 32, 32), (64, 16, 16)]
        for one, other in zip(maps, shown[1:], strict=True):
            assert np.allclose(one, other.numpy(), atol=1e-4) and one.min() == 0 < one.max()


def test_the_file_says_what_it_is_and_nothing_of_this_machine(run: Path) -> None:
    session = onnxruntime.InferenceSession(run / "best.onnx", providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    assert told["title"] == "my run"
    assert tuple(json.loads(told["classes"])) == load_predictor(run, "cpu").classes
    names = [value.name for value in (*session.get_inputs(), *session.get_outputs())]
    assert names == ["images", "logits", "features_1", "features_2"]
    content = (run / "best.onnx").read_bytes()
    root = Path(program.__file__).resolve().parent
    assert str(root).encode() not in content and b"ship.py" not in content


class Moody(nn.Module):
    """Answers otherwise each time."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :2] + torch.rand_like(images.flatten(1)[:, :2])


def test_what_does_not_answer_as_the_model_does_is_not_written(tmp_path: Path) -> None:
    data = SimpleNamespace(image_shape=(1, 4, 4), classes=("a", "b"), mean=(0.5,), std=(0.5,))
    with pytest.raises(UserError, match="does not answer"):
        export(Moody(), data, tmp_path / "moody.onnx")
    data.classes = ("a",)
    with pytest.raises(ValueError, match="1 class names for 2 logits"):
        export(Moody(), data, tmp_path / "moody.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "none.pt"], "none.pt"),
        (["--checkpoint", "linear.pt", "--features"], "no feature maps"),
        (["--checkpoint", "linear.pt", "--out", "mine.pt"], "must end with .onnx"),
        (["--checkpoint", "linear.pt"], "pip install onnx"),
        ([], "--checkpoint"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    store(Path("linear.pt"), "linear", "mnist")
    if "pip" in message:
        monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert program.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and message in err
    assert [path.name for path in tmp_path.iterdir()] == ["linear.pt"]
