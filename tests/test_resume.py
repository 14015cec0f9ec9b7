"""Runs that are killed, stopped, or have no room left, and go on as if nothing had happened."""

import csv
import importlib.util
import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock

import commands.prepare
import commands.run
from commands.run_folder import LOCK, RunFolder, load_checkpoint, save_checkpoint
from helpers.support.errors import RunError
from helpers.support.files import write_atomically
from tests.forked import forked

resource = pytest.importorskip("resource", reason="runs are killed as Unix kills them")

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("train.py", "lightning_train.py")
TINY = "--require-full --model linear --epochs 3 --batch-size 16 --device cpu --quiet".split()


@pytest.fixture(scope="module")
def tiny(tiny_folder):
    """The flags of a run of three short epochs on 80 images."""
    return [*TINY, "--data-dir", str(tiny_folder)]


def script_train(script):
    spec = importlib.util.spec_from_file_location("script", ROOT / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.train


def run(argv, script="train.py"):
    lightning = script.startswith("lightning")
    arguments = [str(word) for word in argv]
    return commands.run.main(script, "", script_train(script), arguments, lightning=lightning)


def exact(folder):
    """What must be equal after a resume: weights, metrics without times, test result."""
    with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
        rows = [(r["train_loss"], r["val_loss"], r["val_accuracy"]) for r in csv.DictReader(file)]
    state = load_checkpoint(folder / "last.pt")
    best = load_checkpoint(folder / "best.pt")["model"]
    weights = [t.tolist() for s in (state["model"], best) for t in s.values()]
    return rows, weights, json.loads((folder / "result.json").read_text())["test_loss"]


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run([*tiny, "--out", folder]) == 0
    return folder


@pytest.fixture
def half(tiny, tmp_path, monkeypatch):
    """A run that was stopped after its first epoch."""
    folder = tmp_path / "half"
    stop_after(monkeypatch, epochs=1)
    assert run([*tiny, "--out", folder]) == 143
    monkeypatch.undo()
    return folder


def stop_after(monkeypatch, epochs):
    """Let this process get a SIGTERM when that many epochs are saved."""
    save = commands.prepare.Run.save_epoch

    def save_and_stop(self, state):
        save(self, state)
        if len(state["rows"]) == epochs:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(commands.prepare.Run, "save_epoch", save_and_stop)


@pytest.mark.parametrize("script", SCRIPTS)
def test_killed_at_any_moment_it_ends_with_the_same_weights(script, tmp_path):
    status, output, errors = forked("tests/kill_many_times.py", script, tmp_path).finish(500)
    assert status == 0, errors + (tmp_path / "log.txt").read_text()[-2000:]
    report = json.loads(output.splitlines()[-1])
    assert report["wrong"] == []
    assert sum(report["kills"].values()) == 8 + report["renames"] and report["renames"] > 8
    assert report["kills"]["while a file was written"] >= report["renames"]
    assert len(report["kills"]) >= 3, "kills between different epochs"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_signal_leaves_a_run_that_goes_on(script, number, status, tmp_path):
    out = tmp_path / "a run"
    flags = "--sample --model linear --epochs 400 --batch-size 32 --device cpu".split()
    process = forked(script, *flags, "--out", out)
    deadline = time.monotonic() + 100
    while not (out / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    ended, output, errors = process.finish()
    assert ended == status, errors
    assert "Traceback" not in errors and output == ""
    assert f"python {script} --resume '{out}'" in errors.splitlines()[-1]
    assert not list(out.glob(".*.part")) and not (out / "result.json").exists()
    saved = len(load_checkpoint(out / "last.pt")["rows"])
    assert len((out / "metrics.csv").read_text().splitlines()) - 1 in (saved, saved - 1)


@pytest.mark.parametrize("script", SCRIPTS)
def test_either_script_finishes_a_run_exactly(script, half, whole):
    assert not (half / "result.json").exists()
    assert run(["--resume", half, "--quiet"], script) == 0
    assert exact(half) == exact(whole)


def test_a_stopped_run_can_be_stopped_again(half, whole, monkeypatch):
    stop_after(monkeypatch, epochs=2)
    assert run(["--resume", half]) == 143
    monkeypatch.undo()
    assert run(["--resume", half, "--quiet"]) == 0
    assert exact(half) == exact(whole)


def test_early_stopping_remembers_how_long_it_has_waited(tiny, tmp_path, monkeypatch):
    flags = [*tiny, "--epochs", "9", "--lr", "1e-12", "--early-stopping", "2"]
    assert run([*flags, "--out", tmp_path / "whole"]) == 0
    for script in SCRIPTS:
        folder = tmp_path / script
        stop_after(monkeypatch, epochs=2)
        assert run([*flags, "--out", folder], script) == 143
        monkeypatch.undo()
        assert run(["--resume", folder, "--quiet"], script) == 0
        assert exact(folder) == exact(tmp_path / "whole")
        assert len(exact(folder)[0]) == 3


def test_a_finished_run_says_its_result_again(whole, capsys):
    before = (whole / "result.json").read_bytes()
    assert run(["--resume", whole, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["epochs"] == 3 and (whole / "result.json").read_bytes() == before


def test_missing_best_and_metrics_come_back(half, whole):
    (half / "best.pt").unlink()
    (half / "metrics.csv").write_text("epoch\n")
    (half / ".last.pt.abc.part").write_bytes(b"half a checkpoint")
    assert run(["--resume", half, "--quiet"]) == 0
    assert exact(half) == exact(whole) and not list(half.glob(".*.part"))


def test_a_dry_run_of_a_resume_writes_nothing(half, capsys):
    (half / "best.pt").unlink()
    before = {path: path.read_bytes() for path in half.iterdir()}
    assert run(["--resume", half, "--dry-run"]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in half.iterdir()} == before


def test_a_run_killed_before_its_first_epoch_starts_anew(tiny, whole, tmp_path, monkeypatch):
    def stop(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(commands.run, "train_and_measure", stop)
    assert run([*tiny, "--out", tmp_path / "run"]) == 143
    monkeypatch.undo()
    assert run(["--resume", tmp_path / "run", "--quiet"]) == 0
    assert exact(tmp_path / "run") == exact(whole)


CHANGES = {
    "--lr": "0.5",
    "--epochs": "4",
    "--batch-size": "8",
    "--optimizer": "sgd",
    "--scheduler": "step",
    "--seed": "1",
    "--model": "softmax",
    "--dataset": "cifar10",
    "--val-fraction": "0.2",
    "--precision": "bf16",
    "--device": "meta",
    "--weight-decay": "0.3",
    "--compile": None,
    "--no-augment": None,
    "--sample": None,
}


@pytest.mark.parametrize("flag", CHANGES)
def test_a_flag_that_would_change_the_run_is_refused_by_name(flag, half, capsys):
    before = {path: path.read_bytes() for path in half.iterdir()}
    value = [] if CHANGES[flag] is None else [CHANGES[flag]]
    capsys.readouterr()
    assert run(["--resume", half, flag, *value]) == 2
    message = capsys.readouterr().err
    assert flag.replace("--no-", "--") in message and message.count("\n") == 1
    assert "would change the run" in message
    assert {path: path.read_bytes() for path in half.iterdir()} == before


def test_the_same_flags_again_are_welcome(half, tiny, whole):
    assert run([*tiny, "--resume", half]) == 0
    assert exact(half) == exact(whole)


def break_checkpoint(half):
    (half / "last.pt").write_bytes((half / "last.pt").read_bytes()[:5000])


def foreign_checkpoint(half):
    save_checkpoint(half / "last.pt", {"state_dict": {}})


def weights_only_checkpoint(half):
    (half / "last.pt").write_bytes((half / "best.pt").read_bytes())


def break_config(half):
    (half / "config.json").write_text('{"lr": ')


def strange_config(half):
    change_config(half, lr="fast")


def unknown_setting(half):
    change_config(half, learning_rate=0.1)


def nested_setting(half):
    change_config(half, lr={"start": 0.1})


def impossible_setting(half):
    change_config(half, epochs=0)


def other_data(half):
    change_checkpoint(half, data_source="photographs")


def other_processes(half):
    change_checkpoint(half, world_size=2)


def change_config(half, **changes):
    config = json.loads((half / "config.json").read_text()) | changes
    (half / "config.json").write_text(json.dumps(config))


def change_checkpoint(half, **changes):
    save_checkpoint(half / "last.pt", load_checkpoint(half / "last.pt") | changes)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_checkpoint, "damaged or foreign checkpoint"),
        (foreign_checkpoint, "is not a checkpoint of this course"),
        (weights_only_checkpoint, "holds no training state"),
        (break_config, "is not valid JSON"),
        (strange_config, "invalid float value: 'fast'"),
        (unknown_setting, "'learning_rate' is no setting of a run"),
        (nested_setting, "'lr' must be one value"),
        (impossible_setting, "epochs 0"),
        (other_data, "photographs"),
        (other_processes, "had 2 processes"),
    ],
)
def test_a_damaged_run_folder_is_one_clear_line(damage, message, half, capsys):
    damage(half)
    kept = (half / "last.pt").read_bytes()
    capsys.readouterr()
    assert run(["--resume", half]) == 2
    text = capsys.readouterr().err
    assert message in text and text.count("\n") == 1
    assert (half / "last.pt").read_bytes() == kept


def test_no_run_to_resume_is_one_clear_line(tmp_path, capsys):
    assert run(["--resume", tmp_path / "nowhere"]) == 2
    assert "no configuration" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_in_use_is_refused(half, tiny, capsys):
    capsys.readouterr()
    with FileLock(half / LOCK):
        assert run(["--resume", half]) == 2
        assert "in use by another process" in capsys.readouterr().err
        assert run([*tiny, "--out", half]) == 2
        assert "in use by another process" in capsys.readouterr().err
    assert run(["--resume", half, "--quiet"]) == 0


def test_a_running_process_holds_its_folder(tiny, tmp_path, monkeypatch, capsys):
    save = commands.prepare.Run.save_epoch
    seen = []

    def save_and_look(self, state):
        save(self, state)
        seen.append(forked("train.py", "--resume", self.folder.path).finish())
        monkeypatch.undo()

    monkeypatch.setattr(commands.prepare.Run, "save_epoch", save_and_look)
    assert run([*tiny, "--out", tmp_path / "run"]) == 0
    assert seen[0][0] == 2 and "in use by another process" in seen[0][2]


def small_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_full_disk_loses_nothing_that_was_saved(script, half, whole):
    before = {path.name: path.read_bytes() for path in half.iterdir()}

    resume = forked(script, "--resume", half, "--quiet", first=small_disk)
    status, _, errors = resume.finish()
    assert status == 2 and "Traceback" not in errors, errors
    assert "File too large" in errors and errors.count("\n") == 1
    assert {path.name: path.read_bytes() for path in half.iterdir()} == before
    assert run(["--resume", half, "--quiet"]) == 0
    assert exact(half) == exact(whole)


def test_config_of_a_run_repeats_it(whole, tmp_path):
    config = whole / "config.json"
    assert run(["--config", config, "--out", tmp_path / "again", "--quiet"]) == 0
    assert exact(tmp_path / "again") == exact(whole)
    assert run(["--config", config, "--seed", "5", "--out", tmp_path / "other", "--quiet"]) == 0
    assert exact(tmp_path / "other") != exact(whole)
    again, first = (
        json.loads((f / "config.json").read_text()) for f in (tmp_path / "again", whole)
    )
    assert again == first


def test_a_diverged_epoch_replaces_no_checkpoint(tiny, tmp_path, capsys):
    flags = [*tiny, "--optimizer", "sgd", "--lr", "1e12", "--scheduler", "none", "--epochs", "5"]
    flags += ["--warmup-epochs", "4"]
    assert run([*flags, "--out", tmp_path / "run"]) == 1
    message = capsys.readouterr().err
    assert "diverged" in message and "--lr 1e+11" in message
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    last = tmp_path / "run" / "last.pt"
    assert not last.exists() or len(load_checkpoint(last)["rows"]) == len(rows) - 2
    assert run(["--resume", tmp_path / "run"]) == 1, "it diverges again"


def test_interrupted_write_leaves_no_rest(tmp_path):
    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_resuming_restores_optimizer_and_schedule(half):
    state = torch.load(half / "last.pt", weights_only=True)
    assert state["optimizer"]["state"][0]["step"] > 0 and state["scheduler"]["last_epoch"] > 0


def test_a_folder_run_from_before_data_json_is_compared_by_the_name_of_its_folder(tmp_path):
    folder = RunFolder(tmp_path)
    now = {
        "classes": ["cats", "dogs"],
        "images": [8, 2, 2],
        "digest": "0",
        "data_source": "the image folder /elsewhere/pets",
    }
    folder.check_data(now, {"data_source": "the image folder pets", "classes": ["cats", "dogs"]})
    for other in ({"data_source": "the image folder cars"}, {"classes": ["cats", "zebras"]}):
        with pytest.raises(RunError, match="not the data"):
            folder.check_data(now, other)


def test_a_checkpoint_of_another_model_is_not_resumed(half, capsys):
    state = load_checkpoint(half / "last.pt")
    name = next(iter(state["model"]))
    state["model"][name] = state["model"][name][:1]
    save_checkpoint(half / "last.pt", state)
    before = (half / "last.pt").read_bytes(), (half / "metrics.csv").read_bytes()
    assert run(["--resume", half]) == 2
    assert "is damaged, or of another model" in capsys.readouterr().err
    assert ((half / "last.pt").read_bytes(), (half / "metrics.csv").read_bytes()) == before
