"""What the scripts' flags do, and that no combination of them ends in a traceback."""

import csv
import json
import re
import shutil
import time
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import commands.run
import lightning_train
import train
from commands import terminal
from commands.device import choose_device
from commands.flags import TRAINING, make_parser, read_flags
from commands.prepare import _new_name as new_name
from commands.report import draw_figures
from commands.run_folder import RunFolder, load_checkpoint
from helpers.data import load
from helpers.precision import PRECISIONS
from helpers.recipes import OPTIMIZERS, SCHEDULERS
from helpers.support.errors import UserError
from helpers.training import COLUMNS, History

SCRIPTS = {"train.py": train.train, "lightning_train.py": lightning_train.train}
TINY = "--require-full --model linear --epochs 2 --batch-size 16 --device cpu".split()


@pytest.fixture(scope="module")
def tiny(tiny_folder):
    """The flags of a run of two short epochs on 80 images."""
    return [*TINY, "--data-dir", str(tiny_folder)]


def run(argv, script="train.py"):
    words = [str(word) for word in argv]
    own = {}
    if script.startswith("lightning"):
        own = {"lightning": True, "check": lightning_train.check}
    with warnings.catch_warnings():
        return commands.run.main(script, "", SCRIPTS[script], words, **own)


def files(folder):
    return {path.name for path in folder.iterdir()} - {".lock"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_dry_run_writes_nothing_and_shows_the_settings(
    script, tiny, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run([*tiny, "--dry-run"], script) == 0
    shown = capsys.readouterr().out
    assert "dry run" in shown and "70 train, 10 val, 40 test" in shown
    assert re.search(r"batch size\s+│\s+16 ", shown) and re.search(r"steps\s+│\s+5 an epoch", shown)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_finds_mistakes(tiny, capsys):
    assert run([*tiny, "--dry-run", "--lr", "-1"]) == 2
    assert "learning rate -1" in capsys.readouterr().err


@pytest.mark.parametrize("script", SCRIPTS)
def test_json_is_all_that_is_printed(script, tiny, tmp_path, capsys):
    assert run([*tiny, "--json", "--out", tmp_path / "run"], script) == 0
    said = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert said == written | {"run_folder": str(tmp_path / "run")}


@pytest.mark.parametrize("script", SCRIPTS)
def test_quiet_says_nothing(script, tiny, tmp_path, capfd):
    assert run([*tiny, "--quiet", "--out", tmp_path / "run"], script) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_log_has_one_plain_line_an_epoch(script, tiny, tmp_path, capsys):
    assert run([*tiny, "--out", tmp_path / "run"], script) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("epoch 1/2: train_loss ")
    assert all(name in lines[1] for name in ("val_loss", "val_accuracy", " s"))


def test_a_terminal_has_one_bar_an_epoch(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    for name in ("COLUMNS", "LINES"):  # a bar is cut to the width of the terminal
        monkeypatch.setenv(name, "200")
    assert run([*tiny, "--out", tmp_path / "run"]) == 0
    shown = capsys.readouterr().err
    assert "epoch 1/2: 100%" in shown and "epoch 2/2: 100%" in shown and "val_accuracy" in shown


def test_names_with_dollars_are_drawn_as_they_are(tiny_folder, tmp_path):
    history = History()
    history.add(dict.fromkeys(COLUMNS, 0.5) | {"epoch": 1}, torch.nn.Linear(1, 1))
    images = load("mnist", tiny_folder, "full")
    images = replace(images, classes=("$\\frac$", "b$", *images.classes[2:]))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    said = SimpleNamespace(title="on $\\frac$", data=images, model=model, device="cpu")
    said.folder = RunFolder(tmp_path)
    draw_figures(said, history)
    assert files(tmp_path) == {"curves.png", "confusion.png"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_plot_draws_curves_and_confusion(script, tiny, tmp_path):
    assert run([*tiny, "--plot", "--quiet", "--out", tmp_path / "run"], script) == 0
    for name in ("curves.png", "confusion.png"):
        picture = (tmp_path / "run" / name).read_bytes()
        assert picture.startswith(b"\x89PNG") and len(picture) > 10_000
    assert not any("part" in name for name in files(tmp_path / "run"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_auto_precision_says_what_it_chose(script, tiny, tmp_path, capsys):
    assert run([*tiny, "--precision", "auto", "--out", tmp_path / "run"], script) == 0
    said = capsys.readouterr().err
    chosen = re.search(r"precision (fp32|bf16): a trial step took [\d.]+ ms in bf16", said)[1]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["precision"] == chosen
    assert json.loads((tmp_path / "run" / "config.json").read_text())["precision"] == "auto"


@pytest.mark.parametrize("script", SCRIPTS)
def test_bf16_is_what_it_says(script, tiny, tmp_path):
    results = []
    for precision in ("fp32", "bf16"):
        out = tmp_path / precision
        assert run([*tiny, "--precision", precision, "--quiet", "--out", out], script) == 0
        results.append(load_checkpoint(out / "last.pt"))
    weights = [r["model"]["layers.1.weight"] for r in results]
    assert not torch.equal(*weights) and torch.allclose(*weights, atol=0.02)
    assert results[1]["precision"] == "bf16" and weights[1].dtype == torch.float32


def test_compile_trains_to_the_same_up_to_rounding(tiny, tmp_path, monkeypatch):
    compiled, compile_model = [], torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self: compiled.append(self) or compile_model(self)
    )
    for name, flags in (("plain", []), ("compiled", ["--compile"])):
        flags += ["--model", "softmax", "--epochs", "1"]  # little to compile
        assert run([*tiny, *flags, "--quiet", "--out", tmp_path / name]) == 0
    first, second = (
        load_checkpoint(tmp_path / n / "last.pt")["model"] for n in ("plain", "compiled")
    )
    assert len(compiled) == 1
    assert first.keys() == second.keys(), "no trace of the compiler in a checkpoint"
    assert all(torch.allclose(first[k], second[k], atol=1e-4) for k in first)


def test_without_a_compiler_compile_is_one_clear_line(tiny, tmp_path, monkeypatch, capsys):
    def no_compiler(*_args, **_options):
        raise RuntimeError("No working C++ compiler found\nand more lines")

    monkeypatch.setattr(torch, "compile", no_compiler)
    assert run([*tiny, "--compile", "--out", tmp_path / "run"]) == 2
    message = capsys.readouterr().err
    assert "--compile cannot be used here (No working C++ compiler found)" in message
    assert message.count("\n") == 1 and not (tmp_path / "run").exists()


def test_lightning_logs_into_the_run_folder(tiny, tmp_path):
    assert (
        run([*tiny, "--logger", "csv", "--quiet", "--out", tmp_path / "run"], "lightning_train.py")
        == 0
    )
    logged_file = tmp_path / "run" / "lightning_csv" / "metrics.csv"
    with open(logged_file, encoding="utf-8", newline="") as file:
        logged = [float(r["val_loss"]) for r in csv.DictReader(file) if r.get("val_loss")]
    with open(tmp_path / "run" / "metrics.csv", encoding="utf-8", newline="") as file:
        assert logged == [float(row["val_loss"]) for row in csv.DictReader(file)]


def test_lightning_logs_to_tensorboard(tiny, tmp_path):
    pytest.importorskip("tensorboard")
    flags = [*tiny, "--logger", "tensorboard", "--quiet", "--out", tmp_path / "run"]
    assert run(flags, "lightning_train.py") == 0
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_without_tensorboard_it_is_tensorboard_that_is_missing(tiny, tmp_path, capsys, monkeypatch):
    where = "lightning_fabric.loggers.tensorboard._TENSORBOARD"
    for name in (f"{where}_AVAILABLE", f"{where}X_AVAILABLE"):
        monkeypatch.setattr(name, False)
    flags = [*tiny, "--logger", "tensorboard", "--quiet", "--out", tmp_path / "run"]
    assert run(flags, "lightning_train.py") == 2
    message = capsys.readouterr().err
    assert "pip install tensorboard" in message and "devices" not in message
    assert message.count("\n") == 1


def test_val_fraction_moves_images_from_training_to_validation(tiny, tmp_path, capsys):
    assert run([*tiny, "--val-fraction", "0.5", "--dry-run"]) == 0
    assert "40 train, 40 val, 40 test" in capsys.readouterr().out


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """In the current folder: pictures enough for two images in each split."""
    monkeypatch.chdir(tmp_path)
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(3):
            picture = Image.new("RGB", (8, 8), (50 * number, ord(name[0]), 0))
            picture.save(tmp_path / "pets" / name / f"{number}.png")


def test_more_processes_than_images_to_validate_are_refused(pets, capsys):
    flags = ["--dataset", "pets", "--devices", "4", "--batch-size", "4"]
    assert run(flags, "lightning_train.py") == 2
    err = capsys.readouterr().err
    assert "4 processes for 2 validation images" in err and err.count("\n") == 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_folder_has_no_sample(script, pets, capsys):
    assert run(["--dataset", "pets", "--sample"], script) == 2
    err = capsys.readouterr().err
    assert "--sample" in err and err.count("\n") == 1
    assert not list(Path("runs").iterdir())  # no empty folder is left of a run that never began
    assert run(["--dataset", "pets", "--dry-run"], script) == 0
    assert "2: cats, dogs" in capsys.readouterr().out


def test_the_result_names_the_classes(pets, capsys):
    flags = ["--dataset", "pets", "--model", "linear", "--epochs", "1", "--out", "run"]
    assert run(flags) == 0
    assert "2: cats, dogs" in capsys.readouterr().out


def test_a_process_without_an_accelerator_of_its_own_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr("commands.device.best_device", lambda: torch.device("cuda"))
    monkeypatch.setattr("commands.device.processes.local_rank", lambda: 77)
    with pytest.raises(UserError, match=r"no cuda:77 for this process: .*--device cpu"):
        choose_device("auto")


def test_too_little_memory_is_one_clear_line(tiny, tmp_path, capsys):
    def no_room(_run):
        raise torch.OutOfMemoryError("CUDA out of memory")

    flags = [*tiny, "--quiet", "--out", str(tmp_path / "run")]
    assert commands.run.main("train.py", "", no_room, flags) == 1
    assert "half the --batch-size" in capsys.readouterr().err


def test_an_error_of_the_program_is_not_hidden(tiny, tmp_path):
    def broken(_run):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        commands.run.main("train.py", "", broken, [*tiny, "--out", str(tmp_path / "run")])


def test_a_stored_setting_gives_way_to_a_typed_one(tiny, tmp_path):
    stored = tmp_path / "mine.json"
    stored.write_text(json.dumps({"model": "linear", "lr": 0.25, "augment": False, "sample": True}))
    for script in SCRIPTS:
        parser = make_parser(script, "", lightning=script.startswith("lightning"))
        flags = read_flags(parser, ["--config", str(stored), "--lr", "0.5", "--require-full"])
        assert flags.lr == 0.5 and flags.augment is False and flags.model == "linear"
        assert flags.require_full and not flags.sample and flags.size == "middle"


@pytest.mark.parametrize(
    ("was_sample", "typed", "kept"),
    [
        (False, [], True),
        (False, ["--sample"], False),
        (False, ["--require-full"], True),
        (True, [], True),
        (True, ["--sample"], True),
        (True, ["--require-full"], False),
    ],
)
def test_the_number_of_epochs_follows_from_the_data_unless_it_was_chosen(
    was_sample, typed, kept, tmp_path
):
    """The recipe has fewer epochs for the full data than for the sample."""
    content = {"model": "cnn", "epochs": 4, "lr": 0.25, "chosen": ["lr"]}
    (tmp_path / "config.json").write_text(json.dumps(content | {"sample": was_sample}))
    flags = read_flags(make_parser("t", ""), ["--config", str(tmp_path / "config.json"), *typed])
    assert flags.epochs == (4 if kept else None) and flags.lr == 0.25


def test_lightning_settings_do_not_disturb_the_other_script(tmp_path):
    stored = tmp_path / "config.json"
    stored.write_text(json.dumps({"devices": 2, "strategy": "ddp", "logger": ["csv"], "epochs": 3}))
    assert read_flags(make_parser("train.py", ""), ["--config", str(stored)]).epochs == 3
    flags = read_flags(make_parser("l", "", lightning=True), ["--config", str(stored)])
    assert (flags.devices, flags.strategy, flags.logger) == (2, "ddp", ["csv"])


@pytest.mark.parametrize(
    "content",
    [
        *("[1, 2]", "", '{"out": "x"}', '{"epochs": 2.5}', '{"sample": "x"}', '{"dataset": null}'),
        *('{"model": false}', '{"val_fraction": false}', '{"model": ["linear", "cnn"]}'),
    ],
)
def test_a_bad_configuration_file_is_one_clear_line(content, tmp_path, capsys):
    (tmp_path / "c.json").write_text(content)
    assert run(["--config", tmp_path / "c.json"]) == 2
    message = capsys.readouterr().err
    assert "c.json" in message and message.count("\n") == 1


def test_config_and_resume_do_not_go_together(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for flag in ("--config", "--out"):
        with pytest.raises(UserError, match="do not go together"):
            read_flags(make_parser("t", ""), ["--resume", str(tmp_path), flag, "x"])


def test_every_flag_has_a_help_text_and_a_group(capsys):
    parser = make_parser("train.py", "", lightning=True)
    known = {action.dest for action in parser._actions} - {"help"}
    assert set(TRAINING) <= known
    assert all(action.help for action in parser._actions)
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    for group in ("model and data", "training", "running", "Lightning's own"):
        assert f"\n{group}:" in text
    assert text.count("(default:") >= 10


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--strategy", "magic"], "Lightning cannot start"),
        (["--devices", "0"], "--devices and --num-nodes must be at least 1"),
        (["--num-nodes", "-1"], "--devices and --num-nodes must be at least 1"),
        (["--devices", "3"], "must be a multiple of the number of processes, 3"),
        (["--logger", "paper"], "invalid choice: 'paper'"),
    ],
)
def test_mistakes_in_lightnings_own_flags_are_one_line(flags, message, tiny, tmp_path, capsys):
    assert run([*tiny, *flags, "--out", tmp_path / "run"], "lightning_train.py") == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not (tmp_path / "run").exists()


def test_a_finished_run_can_be_drawn_later(tiny, tmp_path):
    folder = tmp_path / "run"
    assert run([*tiny, "--quiet", "--out", folder]) == 0
    assert not (folder / "curves.png").exists()
    assert run(["--resume", folder, "--plot", "--quiet"]) == 0
    assert (folder / "curves.png").exists() and (folder / "confusion.png").exists()


def test_image_sizes_are_typed_stored_and_taken_back(tiny, tmp_path):
    flags = [*tiny, "--model", "cnn", "--size", "small", "--quiet"]
    first = tmp_path / "first"
    assert run([*flags, "--image-sizes", "16,20", "--out", first]) == 0
    assert json.loads((first / "config.json").read_text())["image_sizes"] == [16, 20]
    again, full = tmp_path / "again", tmp_path / "full"
    assert run(["--config", first / "config.json", "--quiet", "--out", again]) == 0
    weights = [torch.load(f / "last.pt", weights_only=True)["model"] for f in (first, again)]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert run(["--config", first / "config.json", "--image-sizes", "full", "--out", full]) == 0
    assert json.loads((full / "config.json").read_text())["image_sizes"] == []
    assert run(["--config", full / "config.json", "--quiet", "--out", tmp_path / "f2"]) == 0


@pytest.mark.parametrize(
    "flags",
    [
        ["--epochs", "1"],
        ["--epochs", "1", "--scheduler", "onecycle"],
        ["--epochs", "1", "--optimizer", "adam"],
        ["--epochs", "1", "--dataset", "cifar10"],
    ],
)
def test_parts_of_a_recipe_give_way_to_what_is_typed(flags, tmp_path):
    out = tmp_path / "run"
    fixed = ["--sample", "--model", "fastcnn", "--device", "cpu", "--dry-run"]
    assert run([*fixed, *flags, "--out", out]) == 0


def test_a_mistake_of_the_program_is_no_mistake_of_the_user(tiny, tmp_path):
    def broken(_run):
        raise ValueError("too many values to unpack")

    with pytest.raises(ValueError, match="unpack"):
        commands.run.main("train.py", "", broken, [*tiny, "--out", str(tmp_path / "run")])


numbers = st.sampled_from(["0", "0.05", "0.9", "1", "-1", "nan", "inf", "1e30", "x"])
combinations = st.fixed_dictionaries(
    {},
    optional={
        "--model": st.sampled_from(["softmax", "linear", "cnn", "fastcnn", "mlp", ""]),
        "--size": st.sampled_from(["small", "huge"]),
        "--optimizer": st.sampled_from([*OPTIMIZERS, "lion"]),
        "--scheduler": st.sampled_from([*SCHEDULERS, "poly"]),
        "--precision": st.sampled_from([*PRECISIONS, "fp8"]),
        "--epochs": st.sampled_from(["1", "2", "0", "-3", "2.5"]),
        "--batch-size": st.sampled_from(["1", "7", "500", "0", "many"]),
        "--early-stopping": st.sampled_from(["0", "1", "-1"]),
        "--image-sizes": st.sampled_from(["16", "16,28", "full", "2,x", "0", "99", ""]),
        "--seed": st.sampled_from(["0", "12", "-1", "99999999999"]),
        "--device": st.sampled_from(["auto", "cpu", "cuda:77", "meta", "abacus"]),
        "--lr": numbers,
        "--momentum": numbers,
        "--weight-decay": numbers,
        "--label-smoothing": numbers,
        "--warmup-epochs": numbers,
        "--val-fraction": st.sampled_from(["0.1", "0.9", "0", "1", "nan"]),
        "--augment": st.none(),
        "--no-augment": st.none(),
        "--nesterov": st.none(),
        "--dry-run": st.none(),
        "--json": st.none(),
        "--what": st.none(),
    },
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(flags=combinations, script=st.sampled_from(sorted(SCRIPTS)))
def test_any_flags_train_or_give_one_clear_line(flags, script, tiny, tmp_path_factory, capfd):
    out = tmp_path_factory.mktemp("any") / "run"
    words = [f if v is None else f"{f}={v}" for f, v in flags.items()]
    capfd.readouterr()
    status = run([*tiny, "--quiet", *words, "--out", out], script)
    output, errors = capfd.readouterr()
    assert "Traceback" not in errors
    if status == 0 and "--dry-run" not in flags:
        result = json.loads((out / "result.json").read_text())
        assert 0 <= result["test_accuracy"] <= 1 and np.isfinite(result["test_loss"])
        assert len((out / "metrics.csv").read_text().splitlines()) == result["epochs"] + 1
    elif status == 1:
        assert (
            "diverged" in errors and errors.count("\n") == 1 and not (out / "result.json").exists()
        )
    elif status == 2:
        assert errors.count("\n") == 1 and errors.startswith(f"{script}: error: ")
        assert not out.exists()
    else:
        assert status == 0 and not out.exists()


def test_the_result_table_fits_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    name, path = "name_" * 8, "/folder" * 20
    terminal.print_rows("title", {"first": "value " * 30, name: path})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if "│" in line]
    read = ["".join(column) for column in zip(*cells, strict=True)]
    assert name in read[0] and path in read[1], "not a letter is cut off"


def test_the_notice_of_the_sample_keeps_its_lines(capsys):
    commands.run._plain_warning("\n!!!\nThe full data set is not here\n!!!")
    lines = capsys.readouterr().err.splitlines()
    assert "The full data set is not here" in lines and "\\n" not in "".join(lines)


def test_runs_of_the_same_second_get_names_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "now")
    flags = SimpleNamespace(model="linear", dataset="mnist", dry_run=False)
    with ExitStack() as cleanup:
        paths = [new_name(flags, 3, cleanup) for _ in range(3)]
        (paths[1] / "config.json").write_text("{}")
    assert [path.name for path in paths] == [f"linear-mnist-now-seed3{n}" for n in ("", "-2", "-3")]
    assert [path.exists() for path in paths] == [False, True, False]  # an empty one goes
    shutil.rmtree("runs")
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OSError):
        new_name(flags, 3, cleanup)
    assert (tmp_path / "runs").read_text() == "a file"


def test_ctrl_c_while_the_libraries_are_loaded_is_one_word(capsys):
    commands._one_line(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == "stopped\n"
    commands._one_line(ValueError, ValueError("a fault of ours"), None)
    assert "ValueError: a fault of ours" in capsys.readouterr().err
