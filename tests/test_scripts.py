"""Both command lines, run as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import commands.run
from commands.flags import make_parser, read_flags, training_config
from commands.run_folder import load_checkpoint, save_checkpoint
from helpers.models import build_model
from helpers.recipes import TrainingConfig, recipe
from helpers.support.errors import RunError, UserError
from helpers.support.files import write_atomically
from helpers.training import COLUMNS
from tests.forked import forked

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("train.py", "lightning_train.py")


def run(script, *flags, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, flags)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd or ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
        timeout=240,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One run of each script with the same flags."""
    root = tmp_path_factory.mktemp("runs")
    flags = "--sample --model cnn --size small --epochs 2 --batch-size 256 --device cpu".split()
    for script in SCRIPTS:
        done = run(script, *flags, "--out", root / script, cwd=root)
        assert done.returncode == 0, done.stderr
        assert {path.name for path in root.iterdir()} <= set(SCRIPTS), "nothing beside --out"
        assert "test accuracy" in done.stdout and "sample" in done.stdout
        assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    return root


@pytest.mark.parametrize("script", SCRIPTS)
def test_run_folder_holds_what_the_text_promises(folders, script):
    folder = folders / script
    names = {path.name for path in folder.iterdir() if path.name != ".lock"}
    assert names == {
        *("config.json", "data.json", "metrics.csv", "result.json", "last.pt", "best.pt")
    }
    lines = (folder / "metrics.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS) and len(lines) == 3
    result = json.loads((folder / "result.json").read_text())
    assert set(result) == set(
        "test_accuracy test_loss best_val_accuracy epochs seconds images_per_second parameters "
        "data_source device precision seed versions".split()
    )
    rates = [float(line.split(",")[COLUMNS.index("images_per_second")]) for line in lines[1:]]
    assert result["images_per_second"] == pytest.approx(2 / sum(1 / r for r in rates), abs=0.06)
    assert result["epochs"] == 2 and result["versions"]["torch"] == torch.__version__.split("+")[0]
    assert "sample" in result["data_source"]
    config = json.loads((folder / "config.json").read_text())
    assert config["batch_size"] == 256 and config["size"] == "small" and config["nesterov"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_checkpoints_are_plain_and_give_the_model_back(folders, script):
    for name in ("last.pt", "best.pt"):
        checkpoint = torch.load(folders / script / name, weights_only=True)
        model = build_model("cnn", tuple(checkpoint["image_shape"]), 10, checkpoint["size"])
        model.load_state_dict(checkpoint["model"])
        assert checkpoint["classes"] == list("0123456789") and len(checkpoint["mean"]) == 1


def test_both_scripts_give_equal_numbers_and_weights(folders):
    plain, lightning = (folders / script for script in SCRIPTS)
    for one, two in zip(
        (plain / "metrics.csv").read_text().splitlines(),
        (lightning / "metrics.csv").read_text().splitlines(),
        strict=True,
    ):
        assert one.split(",")[:5] == two.split(",")[:5]
    first, second = (torch.load(f / "last.pt", weights_only=True) for f in (plain, lightning))
    assert all(torch.equal(first["model"][k], second["model"][k]) for k in first["model"])
    results = [json.loads((f / "result.json").read_text()) for f in (plain, lightning)]
    assert results[0]["test_accuracy"] == results[1]["test_accuracy"]


BAD = {
    "model": (["--model", "mlp"], "unknown model 'mlp'"),
    "size": (["--size", "huge"], "unknown size 'huge'"),
    "dataset": (["--dataset", "imagenet"], "unknown data set 'imagenet'"),
    "optimizer": (["--optimizer", "lion"], "unknown optimizer 'lion'"),
    "learning rate": (["--lr", "-0.1"], "learning rate -0.1"),
    "not a number": (["--lr", "fast"], "invalid float value: 'fast'"),
    "epochs": (["--epochs", "0"], "epochs 0"),
    "device": (["--device", "abacus"], "device 'abacus'"),
    "flag": (["--learning", "1"], "unrecognized arguments"),
    "both sources": (["--sample", "--require-full"], "not allowed with"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_line_and_status_2(case, tmp_path, capsys):
    flags, message = BAD[case]
    out = tmp_path / "out"
    sample = [] if "--sample" in flags else ["--sample"]
    assert status([*sample, *flags, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert not out.exists()


def status(argv):
    """The exit status of train.py with these arguments, without training."""
    return commands.run.main("train.py", "", lambda run: pytest.fail("must not train"), argv)


@pytest.mark.parametrize("script", SCRIPTS)
def test_mistakes_in_the_scripts_themselves(script, tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"")
    flags = ["--data-dir", tmp_path, "--dataset", "mnist", "--out", tmp_path / "out"]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")  # no download
    status, _, errors = forked(script, *flags, COURSE_DATA="full", **nowhere).finish()
    assert status == 2 and errors.count("\n") == 1
    assert "damaged data file" in errors and not (tmp_path / "out").exists()


def test_an_image_folder_without_classes_is_refused(tmp_path, capsys):
    assert status(["--dataset", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "class folders: none" in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert status(["--sample", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot write the output folder" in capsys.readouterr().err


def test_a_run_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "last.pt").write_bytes(b"precious")
    assert status(["--sample", "--out", str(tmp_path)]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (tmp_path / "last.pt").read_bytes() == b"precious"


def test_divergence_stops_with_advice(tmp_path):
    flags = "--sample --model linear --optimizer sgd --lr 1e20 --epochs 9".split()
    status, _, errors = forked("train.py", *flags, "--out", tmp_path / "out", "--quiet").finish()
    assert status == 1 and "learning rate 1e+20" in errors
    assert "--lr 1e+19" in errors and "Traceback" not in errors
    assert not (tmp_path / "out" / "result.json").exists()


def test_an_own_image_folder_trains(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for value, name in ((40, "dark"), (200, "light")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(20):
            noise = rng.integers(0, 40, (24, 36, 3)) + value
            Image.fromarray(noise.astype(np.uint8)).save(
                tmp_path / "images" / name / f"{number}.png"
            )
    flags = ["--dataset", tmp_path / "images", "--model", "linear", "--epochs", "8"]
    flags += ["--out", tmp_path / "out", "--quiet", "--no-augment"]
    status, _, errors = forked("train.py", *flags).finish()
    assert status == 0, errors
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["test_accuracy"] == 1.0 and str(tmp_path / "images") in result["data_source"]


def parse(*argv):
    return training_config(read_flags(make_parser("train.py", ""), argv))


def test_flags_that_are_not_given_take_the_recipe():
    assert parse("--model", "cnn", "--size", "large") == recipe("cnn", "mnist")
    assert parse("--model", "linear", "--dataset", "cifar10") == recipe("linear", "cifar10")
    assert parse("--epoch", "3").epochs == 3
    assert parse("--no-augment").augment is False


def test_another_optimizer_gets_a_learning_rate_of_its_own():
    assert parse("--optimizer", "adam").lr == 1e-3
    assert parse("--optimizer", "adam", "--lr", "0.5").lr == 0.5
    assert not parse("--optimizer", "adam").nesterov and not parse("--momentum", "0").nesterov


numbers = st.floats(-1, 2, allow_nan=False) | st.just(float("nan"))


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "--model": st.sampled_from(["softmax", "linear", "cnn", "fastcnn", "mlp"]),
            "--optimizer": st.sampled_from(["sgd", "adam", "adamw", "rmsprop", "lion"]),
            "--scheduler": st.sampled_from(["none", "step", "cosine", "onecycle", "x"]),
            "--epochs": st.integers(-1, 3),
            "--batch-size": st.integers(-1, 300),
            "--lr": numbers,
            "--momentum": numbers,
            "--weight-decay": numbers,
            "--label-smoothing": numbers,
            "--warmup-epochs": numbers,
        },
    )
)
def test_any_flags_make_a_configuration_or_one_clear_line(flags):
    argv = [part for flag, value in flags.items() for part in (flag, str(value))]
    try:
        assert isinstance(
            parse(*(f"{a}={b}" for a, b in zip(argv[::2], argv[1::2], strict=True))), TrainingConfig
        )
    except UserError as error:
        assert "\n" not in str(error)
    except ValueError as error:
        assert "\n" not in str(error) and ":" in str(error)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def half(file):
        file.write(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(path, half)
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", "missing", "foreign", "list"])
def test_a_bad_checkpoint_is_one_clear_line(tmp_path, content):
    path = tmp_path / "best.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "foreign":
        save_checkpoint(path, {"weights": torch.zeros(2)})
    elif content == "list":
        torch.save([1, 2], path)
    with pytest.raises(RunError, match=r"best\.pt"):
        load_checkpoint(path)


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path):
    torch.save({"model": Path("x"), "classes": []}, tmp_path / "best.pt")
    with pytest.raises(RunError, match="damaged or foreign"):
        load_checkpoint(tmp_path / "best.pt")


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_names_every_flag(script):
    _, text, _ = forked(script, "--help").finish()
    for flag in (
        "--model --size --dataset --optimizer --lr --epochs --epoch --batch-size --augment "
        "--seed --device --data-dir --sample --require-full --out"
    ).split():
        assert flag in text


def test_the_minimal_example_trains_logs_and_resumes(tmp_path):
    """`examples/lightning_minimal.py` on the sample, and once more: there is nothing left to do."""
    script = "examples/lightning_minimal.py"
    done = run(script, cwd=tmp_path, COURSE_DATA="sample")
    said = [(done.returncode, done.stdout, done.stderr)]
    said.append(forked(script, cwd=tmp_path, COURSE_DATA="sample").finish())
    for status, output, errors in said:
        assert status == 0, errors
        assert "test_accuracy" in output and "the first answers: [" in output
        last = torch.load(tmp_path / "runs" / "minimal" / "last.ckpt", weights_only=True)
        assert last["epoch"] == 2
    assert {"best.ckpt", "last.ckpt", "log"} <= {
        p.name for p in (tmp_path / "runs/minimal").iterdir()
    }
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
