"""The benchmarks measure what they say; no test looks at a clock."""

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import usual
from benchmarks.cli import README, RESULTS, main
from benchmarks.growth import GrowthError, in_fresh_process, make_points
from benchmarks.limit import SHARES, Parts, flops_per_image, timed_epoch
from benchmarks.measure import cores, interleave, ratios, summary
from benchmarks.models import MODELS, build, usual_layout
from benchmarks.profiles import CONTESTANTS, FULL, PARTS, QUICK, Profile
from benchmarks.report import filled, tables
from benchmarks.task import Task
from helpers.data import load
from helpers.training import TrainingConfig, fit

CPU = torch.device("cpu")
TINY = Profile(
    "tiny",
    repetitions=1,
    images={"linear": 48, "CNN small": 32},
    datasets=("mnist",),
    matrix_sizes=(16, 32),
    growth_images=16,
    growth_sizes=("small",),
    growth_batch_sizes=(8,),
)


@pytest.fixture(scope="module")
def data():
    return {name: load(name, mode="sample") for name in ("mnist", "cifar10")}


def make_task(model, images, count=256, batch_size=64):
    config = TrainingConfig(epochs=2, batch_size=batch_size)
    return Task(model, replace(images.subset(count), val=images.val[:20]), config, CPU)


def test_contestants_take_turns_and_the_warm_up_is_dropped():
    calls = []

    def turn(name):
        calls.append(name)
        return len(calls)

    results = interleave({name: lambda n=name: turn(n) for name in "abc"}, repetitions=2)
    assert calls == list("abcabcabc")
    assert results == {"a": [4, 7], "b": [5, 8], "c": [6, 9]}


def test_statistics_of_known_numbers():
    assert summary([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}
    assert summary([12345.6, 12345.6])["median"] == 12350
    assert ratios([2.0, 9.0, 8.0], [1.0, 3.0, 2.0]) == [2.0, 3.0, 4.0]
    # Each repetition has its own ratio: a slow round of both changes nothing.
    assert summary(ratios([2.0, 20.0], [1.0, 10.0])) == {"median": 2.0, "min": 2.0, "max": 2.0}


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_usual_data_set_gives_the_pixels_of_the_course(name, data):
    task = make_task("linear", data[name], count=10)
    loader = usual.make_loader(task, num_workers=0)
    images, labels = (torch.stack([torch.as_tensor(i) for i in c]) for c in zip(*loader.dataset))  # noqa: B905
    expected, targets = next(iter(task.data.batches("train", 10)))
    torch.testing.assert_close(images, expected)
    assert torch.equal(labels, targets)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
@pytest.mark.parametrize("model", MODELS)
def test_both_layouts_are_the_same_model(model, name, data):
    images, labels = next(iter(data[name].batches("train", 8)))
    losses = []
    for usually in (True, False):
        net = build(model, data[name].image_shape, 10)
        net = usual_layout(net) if usually else net
        losses.append(F.cross_entropy(net(images), labels))
        kernels = [p for p in net.parameters() if p.ndim == 4 and p.shape[1] > 1]
        assert all(kernel.is_contiguous() is usually for kernel in kernels)
    torch.testing.assert_close(*losses)


def test_origin_model_has_the_architecture_that_it_had():
    shapes = [tuple(p.shape) for p in build("origin large", (3, 32, 32), 10).parameters()]
    assert [s[0] for s in shapes if len(s) == 4] == [32, 64, 128, 128, 256, 256]
    assert [s for s in shapes if len(s) == 2] == [(1024, 4096), (512, 1024), (10, 512)]


@pytest.mark.parametrize("model", ["linear", "CNN small"])
def test_usual_loop_and_fit_train_the_same_model(model, data):
    task = make_task(model, data["mnist"], count=512)
    torch.manual_seed(0)
    net = usual_layout(task.build())
    optimizer = torch.optim.Adam(net.parameters(), lr=task.config.lr)
    loader = usual.make_loader(task, num_workers=0)
    by_usual = [
        usual.train_epoch(loader, net, nn.CrossEntropyLoss(), optimizer, CPU) for _ in range(2)
    ]
    history = fit(task.build(), task.data, task.config, device=CPU, progress=False)
    by_fit = history["train_loss"]
    assert by_usual[1] < 0.8 * by_usual[0] and by_fit[1] < 0.8 * by_fit[0]
    # Only the order of the images differs.
    assert by_usual == pytest.approx(by_fit, rel=0.15)


def test_flops_of_a_linear_layer_are_counted():
    layer = nn.Linear(20, 10)
    # Forward, and the gradient of the weights: 2 x 20 x 10 each. The images need no gradient.
    assert flops_per_image(layer, torch.rand(7, 20)) == 2 * (2 * 20 * 10)


def test_parts_of_an_epoch_cover_it(data):
    task = make_task("CNN small", data["mnist"])
    parts = timed_epoch(task)()
    assert tuple(parts) == SHARES and all(value > 0 for value in parts.values())


def test_a_mark_gives_the_time_since_the_mark_before(monkeypatch):
    now = iter([10.0, 11.0, 13.0, 16.0])
    monkeypatch.setattr("benchmarks.limit.time", SimpleNamespace(perf_counter=lambda: next(now)))
    parts = Parts(CPU)
    for name in ("data", "forward", "data"):
        parts.mark(name)
    assert (parts.seconds["data"], parts.seconds["forward"]) == (4.0, 2.0)


def test_growth_changes_one_thing_at_a_time():
    points = make_points(FULL, available=45_000, threads=1)
    base, others = points[0], points[1:]
    assert len(set(points)) == len(points) == 7 + (cores() > 1)
    for point in others:
        assert sum(a != b for a, b in zip(vars(base).values(), vars(point).values())) == 1  # noqa: B905
    assert {p.images for p in points} == {base.images * factor for factor in (1, 2, 4)}
    # A small data set is enough.
    assert max(p.images for p in make_points(FULL, available=3600, threads=1)) <= 3600


def test_a_lost_process_is_noticed():
    with pytest.raises(GrowthError, match="status 3"):
        in_fresh_process(os._exit, 3)


# From Python 3.12 on, starting DataLoader's workers beside PyTorch's threads gives a warning.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_run_writes_what_it_promises(tmp_path, capsys):
    out = tmp_path / "new" / "results.json"
    assert main(["--out", str(out)], profile=TINY) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    assert tuple(results) == PARTS
    check_setting(results)
    check_numbers(results)
    shown = capsys.readouterr()
    assert "Distance to the limit" in shown.out and "throughput: linear" in shown.err
    # One part measured again: the others stay.
    before = out.read_text(encoding="utf-8")
    arguments = ["--out", str(out), "--only", "limit", "--repetitions", "2"]
    assert main(arguments, profile=TINY) == 0
    again = json.loads(out.read_text(encoding="utf-8"))
    assert again["limit"]["setting"]["repetitions"] == 2
    assert {k: again[k] for k in ("throughput", "growth")} == {
        k: json.loads(before)[k] for k in ("throughput", "growth")
    }
    assert filled("a <!-- benchmarks -->old<!-- /benchmarks --> z", results).count("###") == 5


def check_setting(results):
    for part in PARTS:
        setting = results[part]["setting"]
        assert setting["profile"] == "tiny" and setting["repetitions"] == 1
        assert setting["threads"] >= 1 and setting["cpu"] and setting["device"]
        assert {"python", "torch", "pytorch-lightning"} <= set(setting["versions"])


def check_numbers(results):
    spread = {"median", "min", "max"}
    for each in results["throughput"]["comparisons"]:
        assert each["precision"] in ("fp32", "bf16") and each["source"]
        for numbers in (each["images_per_second"], each["ratio"]):
            assert set(numbers) == set(CONTESTANTS)
            assert all(set(s) == spread and s["min"] > 0 for s in numbers.values())
        assert each["ratio"]["usual"] == {"median": 1, "min": 1, "max": 1}
    assert {each["images"] for each in results["throughput"]["comparisons"]} == {48, 32}
    assert set(results["limit"]["peak"]) == {"fp32", "bf16"}
    for each in results["limit"]["models"]:
        assert each["flops_per_image"] > 0 and each["part_of_peak"]["median"] > 0
        total = sum(share["median"] for share in each["share"].values())
        assert total == pytest.approx(1, abs=0.01)
    points = results["growth"]["points"]
    assert points[0]["ratio"]["median"] == 1 and [p["images"] for p in points[:3]] == [16, 32, 64]
    assert all(point["memory_peak"]["median"] > 1e7 for point in points)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--only speed", "invalid choice"),
        ("--threads 0", "--threads 0"),
        ("--threads 100000", "--threads 100000"),
        ("--threads two", "invalid int"),
        ("--repetitions 0", "--repetitions 0"),
        ("--out .", "is a folder"),
        ("--out pyproject.toml/results.json", "cannot be written"),
        ("--only limit --out pyproject.toml", "holds no results"),
        ("--readme --out missing.json", "no results"),
        ("--quik", "unrecognized"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, complaint, capsys, monkeypatch):
    monkeypatch.chdir(README.parent.parent)
    assert main(arguments.split(), profile=TINY) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and complaint in shown.err
    assert len(shown.err.splitlines()) == 1


def test_full_profile_covers_all_models():
    assert set(FULL.images) == set(MODELS) > set(QUICK.images)


def test_readme_shows_the_results():
    results = json.loads(Path(RESULTS).read_text(encoding="utf-8"))
    text = README.read_text(encoding="utf-8")
    assert filled(text, results) == text, "run python -m benchmarks --readme"
    assert [table.title for table in tables(results)] == [
        line[4:] for line in text.splitlines() if line.startswith("### ")
    ]
