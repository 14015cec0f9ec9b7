"""The benchmarks measure what they say; no test looks at a clock."""

import io
import json
import os
import pickle
import shutil
import signal
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import accuracy, growth, usual
from benchmarks.cli import QUICK_RESULTS, README, RESULTS, main
from benchmarks.limit import SHARES, Parts, flops_per_image, timed_epoch
from benchmarks.measure import cores, interleave, ratios, summary
from benchmarks.models import MODELS, build, usual_layout
from benchmarks.processes import ProcessError, in_fresh_processes
from benchmarks.profiles import CONTESTANTS, FULL, PARTS, QUICK, Goal, Profile
from benchmarks.report import filled, growth_row, tables
from benchmarks.targets import target_rows
from benchmarks.task import Task
from commands.signals import Stopped
from helpers.data.batches import Split
from helpers.data.load import load
from helpers.recipes import TrainingConfig, recipe
from helpers.training import History, evaluate, fit

CPU = torch.device("cpu")
TINY = Profile(
    "tiny",
    repetitions=1,
    images={"linear": 48, "CNN small": 32},
    datasets=("mnist",),
    matrix_sizes=(16, 32),
    growth_images=16,
    growth_factors=(1, 2),
    growth_sizes=("small",),
    growth_batch_sizes=(8,),
    goals=(
        Goal("mnist", 0.0, epochs=2, size="small", usual_epochs=2),
        Goal("mnist", 1.0, epochs=1, size="small"),
    ),
    seeds=2,
    usual_model="CNN small",
    accuracy_images=64,
)
EASY, IMPOSSIBLE = TINY.goals


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
    base = growth.make_base(FULL, available=45_000, threads=3)
    axes = growth.make_axes(FULL, base, CPU)
    assert set(axes) == set(vars(base))
    for axis, points in axes.items():
        compared = growth.compared_with(points, base)
        assert compared in points and len(set(points)) == len(points)
        for point in points:
            changed = {name for name in vars(base) if vars(point)[name] != vars(compared)[name]}
            assert changed == (set() if point == compared else {axis})
    assert [p.images for p in axes["images"]] == [base.images * factor for factor in (1, 2, 4)]
    # Two processes against one, each with one thread.
    number = min(2, cores())
    assert [(p.processes, p.threads) for p in axes["processes"]] == [(1, 1), (2, 1)][:number]
    # A small data set is enough; elsewhere than on the CPU, processes would share a device.
    assert growth.make_base(FULL, available=3600, threads=1).images == 900
    assert "processes" not in growth.make_axes(FULL, base, torch.device("cuda"))


def test_processes_that_train_together_are_counted_together():
    one = {"seconds": 2.0, "memory_before": 5, "memory_peak": 30}
    other = {"seconds": 3.0, "memory_before": 7, "memory_peak": 20}
    assert growth.together([one, other]) == {
        "seconds": 3.0,
        "memory_before": 7,
        "memory_peak": 30,
        "memory_total": 50,
    }
    unknown = growth.together([one | {"memory_peak": None}, other])
    assert unknown["memory_peak"] is None and unknown["memory_total"] is None


def test_processes_know_their_numbers():
    assert in_fresh_processes(1, os.getenv, "RANK") == [os.getenv("RANK")]
    assert in_fresh_processes(2, os.getenv, "RANK") == ["0", "1"]


LOST = "import os, time\nif os.environ.get('RANK') != '0': os._exit(3)\ntime.sleep(1000)"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("count", [1, 2])
def test_a_lost_process_is_noticed(count):
    """Also while another one waits."""
    with pytest.raises(ProcessError, match="status 3"):
        in_fresh_processes(count, exec, LOST)


def test_goals_of_all_profiles_can_be_told_apart():
    for profile in (FULL, QUICK):
        assert {goal.dataset for goal in profile.goals} <= set(profile.datasets)
        # --goal chooses by the accuracy alone.
        assert len({goal.accuracy for goal in profile.goals}) == len(profile.goals) > 0
    assert [goal.accuracy for goal in FULL.goals if goal.usual_epochs] == [0.79]


def test_trainings_of_all_goals_take_turns(data):
    order = accuracy.attempts(TINY, TINY.goals, data, CPU, seeds=2)
    assert [(a.contestant, a.goal, a.seed) for a in order] == [
        ("usual", EASY, 0),
        ("fit", EASY, 0),
        ("fit", IMPOSSIBLE, 0),
        ("fit", EASY, 1),
        ("fit", IMPOSSIBLE, 1),
    ]


def test_the_goal_decides_the_length_of_the_recipe(data):
    goal = Goal("cifar10", 0.9, epochs=7, size="small")
    config = accuracy.goal_config(goal, data["cifar10"], seed=5)
    assert (config.epochs, config.precision, config.seed) == (7, "auto", 5)
    assert config.augment and config.image_sizes == recipe("fastcnn", "cifar10").image_sizes


def test_the_seed_decides_first_weights_and_order(data, monkeypatch):
    seen = []

    def look(model, images, config, **_):
        seen.append((config.seed, next(model.parameters()).detach().clone()))
        return History()

    monkeypatch.setattr(accuracy, "fit", look)
    for attempt in accuracy.attempts(TINY, [IMPOSSIBLE], data, CPU, seeds=2):
        accuracy.train_fit(attempt, accuracy.shortened(data["mnist"], 8))
    (first, weights), (second, others) = seen
    assert (first, second) == (0, 1) and not torch.equal(weights, others)


def test_seconds_to_the_goal_are_those_of_the_first_epoch_there(monkeypatch):
    now = iter([100.0, 103.0, 105.0, 109.0])
    monkeypatch.setattr("benchmarks.accuracy.time", SimpleNamespace(perf_counter=lambda: next(now)))
    curve = accuracy.Curve()
    for value in (0.5, 0.8, 0.7):
        curve.add(value)
    assert curve.seconds == [3.0, 5.0, 9.0]
    assert [curve.seconds_to(a) for a in (0.4, 0.6, 0.8, 0.81)] == [3.0, 5.0, 5.0, None]


def finished(contestant, to_goal, test=None, flips=None, **others):
    """What a training says."""
    run = {"contestant": contestant, "seed": 0, "seconds": [1.0, 2.0], "val_accuracy": [0.1, 0.2]}
    run |= {"seconds_to_goal": to_goal, "total_seconds": 500.0, "load_seconds": 0.5}
    run |= {"test_accuracy": test, "test_accuracy_flips": flips, "memory_peak": 10**9}
    return run | others


def test_statistics_of_trainings_are_right(data):
    runs = [
        finished("usual", 900.0, memory_peak=None),
        finished("fit", 30.0, 0.90, 0.91),
        finished("fit", 45.0, 0.91, 0.93),
        finished("fit", 36.0, 0.95, 0.95),
    ]
    found = accuracy.describe(Goal("cifar10", 0.79, 3), data["cifar10"], runs)
    fitted = found["contestants"]["fit"]
    assert fitted["seconds_to_goal"] == {"median": 36, "min": 30, "max": 45}
    assert (fitted["runs"], fitted["reached"], fitted["epochs"]) == (3, 3, 2)
    assert found["ratio"] == {"median": 25, "min": 20, "max": 30}
    # The variance is (0.02² + 0.01² + 0.03²) / (3 - 1).
    assert fitted["test_accuracy"] == {"mean": 0.92, "std": pytest.approx(0.0007**0.5, abs=1e-5)}
    assert fitted["test_accuracy_flips"] == {"mean": 0.93, "std": 0.02}
    assert accuracy.mean_and_std([0.5]) == {"mean": 0.5, "std": None}
    usually = found["contestants"]["usual"]
    assert usually["test_accuracy"] is None and usually["memory_peak"] is None


def test_who_misses_the_goal_has_no_ratio(data):
    missed = [finished("usual", 900.0), finished("fit", 30.0), finished("fit", None)]
    found = accuracy.describe(EASY, data["mnist"], missed)
    assert found["ratio"] is None
    fitted = found["contestants"]["fit"]
    assert (fitted["runs"], fitted["reached"], fitted["seconds_to_goal"]["max"]) == (2, 1, 30)
    alone = accuracy.describe(EASY, data["mnist"], [finished("fit", None)])
    assert alone["ratio"] is None and alone["contestants"]["fit"]["seconds_to_goal"] is None


def test_the_usual_loop_begins_with_the_same_model_and_loss(data):
    shortened = accuracy.shortened(data["cifar10"], 64)
    task = Task("CNN small", shortened, accuracy.usual_config(seed=3), CPU)
    net, optimizer = usual.make_model(task)
    ours = build("CNN small", (3, 32, 32), 10, seed=3)
    for its, mine in zip(net.parameters(), ours.parameters(), strict=True):
        assert torch.equal(its, mine)
    assert (type(optimizer), optimizer.param_groups[0]["lr"]) == (torch.optim.Adam, 1e-3)
    # A batch of all images: whatever the order, the loss is the same.
    loader = usual.make_loader(task, num_workers=0)
    loss = usual.train_epoch(loader, net, nn.CrossEntropyLoss(), optimizer, CPU)
    config = replace(task.config, epochs=1)
    history = fit(ours, shortened, config, device=CPU, progress=False)
    assert loss == pytest.approx(history["train_loss"][0], rel=1e-4)


def test_the_usual_validation_counts_as_evaluate_does(data):
    task = make_task("CNN small", data["mnist"], count=64)
    net = usual_layout(task.build())
    loader = usual.make_loader(task, 0, "val")
    measured = usual.measure_accuracy(loader, net, CPU)
    expected = evaluate(task.build(), task.data.batches("val", 7)).accuracy
    assert measured == pytest.approx(expected)
    assert 0 < measured < 1 and not net.training


class SeesLeft(nn.Module):
    """Says class 1, surely, where the left half is the brighter one; else class 0, just so."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images):
        left, right = images.mean(dim=(1, 2)).chunk(2, dim=1)
        sure = (left.mean(1) > right.mean(1)).float() * self.weight
        return torch.stack([1 - sure, 5 * sure], dim=1)


def test_flips_count_the_mirror_image_as_much(data):
    photographs, test = data["cifar10"], data["cifar10"].test[:2]
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    images[0, :, :, :16] = images[1, :, :, 16:] = 255
    both = Split(images, torch.ones_like(test.labels))
    found = accuracy.test_accuracies(SeesLeft(), replace(photographs, test=both), "fp32")
    assert found == {"test_accuracy": 0.5, "test_accuracy_flips": 1.0}
    digits = replace(data["mnist"], test=both)
    assert set(accuracy.test_accuracies(SeesLeft(), digits, "fp32")) == {"test_accuracy"}


def alone(function, *arguments):
    """In the place of `in_fresh_process`: what it calls, here; it can be sent to a process."""
    return pickle.loads(pickle.dumps(partial(function, *arguments)))()


def alone_or_together(count, function, *arguments):
    """In the place of `in_fresh_processes`: several processes are real ones."""
    if count > 1:
        return in_fresh_processes(count, function, *arguments)
    return [alone(function, *arguments)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole run: its results' file, and what it showed."""
    out = tmp_path_factory.mktemp("whole") / "new" / "results.json"
    threads, output, errors = torch.get_num_threads(), io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        # Processes take seconds to start: those that would be alone are this one.
        patch.setattr(accuracy, "in_fresh_process", alone)
        patch.setattr(growth, "in_fresh_processes", alone_or_together)
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        with redirect_stdout(output), redirect_stderr(errors), warnings.catch_warnings():
            # From Python 3.12 on, starting DataLoader's workers beside PyTorch's threads warns.
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork.*", DeprecationWarning)
            status = main(["--out", str(out)], profile=TINY)
    torch.set_num_threads(threads)
    assert status == 0, errors.getvalue()
    return SimpleNamespace(out=out, shown=output.getvalue(), told=errors.getvalue())


@pytest.fixture
def copied(whole, tmp_path):
    """The results of the whole run, to be changed."""
    return Path(shutil.copy(whole.out, tmp_path / "results.json"))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_run_writes_what_it_promises(whole):
    results = read(whole.out)
    assert tuple(results) == PARTS
    check_settings(results)
    check_numbers(results)
    check_accuracy(results["accuracy"]["goals"])
    titles = [table.title for table in tables(results)]
    assert len(set(titles)) == len(titles) == 9
    assert all(title in whole.shown for title in titles)
    assert "throughput: linear" in whole.told and "mnist 1: fit, seed 1" in whole.told
    assert str(whole.out) in whole.told
    readme = filled("a <!-- benchmarks -->old<!-- /benchmarks --> z", results)
    assert readme.count("###") == len(titles) and "old" not in readme


def test_one_part_measured_again_leaves_the_others(copied, capsys):
    before = read(copied)
    arguments = ["--out", str(copied), "--only", "limit", "--repetitions", "2"]
    assert main(arguments, profile=TINY) == 0
    after = read(copied)
    assert after.pop("limit")["setting"]["repetitions"] == 2
    del before["limit"]
    assert after == before


def instead_of_training(attempt):
    """A training of no time."""
    return finished(attempt.contestant, 11.0, 0.5, seed=attempt.seed)


def test_one_goal_measured_again_leaves_the_others(copied, monkeypatch, capsys):
    before = read(copied)
    monkeypatch.setattr(accuracy, "in_fresh_process", lambda _, a: instead_of_training(a))
    arguments = ["--out", str(copied), "--goal", "1", "--repetitions", "3"]
    assert main(arguments, profile=TINY) == 0
    after = read(copied)
    again = after["accuracy"]["goals"].pop("mnist 1")
    assert [run["seed"] for run in again["runs"]] == [0, 1, 2]
    assert again["setting"]["repetitions"] == 3
    del before["accuracy"]["goals"]["mnist 1"]
    assert after == before


@pytest.mark.parametrize(
    ("trouble", "status", "words"),
    [
        (Stopped(signal.SIGINT), 130, "what was measured is in"),
        (ProcessError("its process ended with status -9"), 1, "is there enough memory?"),
    ],
)
def test_an_interrupted_measurement_keeps_finished_trainings(
    trouble, status, words, tmp_path, monkeypatch, capsys
):
    out, attempts = tmp_path / "results.json", []

    def one_then_trouble(_, attempt):
        attempts.append(attempt)
        if len(attempts) > 1:
            raise trouble
        return instead_of_training(attempt)

    monkeypatch.setattr(accuracy, "in_fresh_process", one_then_trouble)
    assert main(["--out", str(out), "--only", "accuracy"], profile=TINY) == status
    shown = capsys.readouterr()
    assert words in shown.err and shown.out == ""
    (goal,) = read(out)["accuracy"]["goals"].values()
    assert [run["contestant"] for run in goal["runs"]] == ["usual"]
    # The tables can be made of what is there.
    assert [len(table.rows) for table in tables(read(out))] == [1, 1]
    assert os.listdir(tmp_path) == ["results.json"]


def test_ctrl_c_before_the_first_result_writes_nothing(tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(accuracy, "in_fresh_process", stop)
    arguments = ["--out", str(tmp_path / "results.json"), "--only", "accuracy"]
    assert main(arguments, profile=TINY) == 143
    assert "nothing was written" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_a_quick_run_leaves_the_published_results(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.cli.QUICK_RESULTS", tmp_path / "quick.json")
    monkeypatch.setattr(accuracy, "in_fresh_process", lambda _, a: instead_of_training(a))
    before = RESULTS.read_bytes(), README.read_bytes()
    assert main(["--quick", "--only", "accuracy"], profile=TINY) == 0
    assert (RESULTS.read_bytes(), README.read_bytes()) == before
    assert set(read(tmp_path / "quick.json")) == {"accuracy"}
    ignored = (README.parent.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert QUICK_RESULTS.relative_to(README.parent.parent).as_posix() in ignored


def test_tables_show_the_numbers(data):
    setting = {"device": "cpu", "cpu": "Abacus", "threads": 2, "cores": 2, "repetitions": 2}
    setting |= {"profile": "full", "versions": {"torch": "2.0"}}
    runs = [finished("usual", 900.0), finished("fit", 30.0, 0.9, 0.91)]
    runs.append(finished("fit", 45.0, 0.92, 0.93))
    reached = accuracy.describe(Goal("cifar10", 0.79, 3), data["cifar10"], runs)
    missed = accuracy.describe(Goal("mnist", 0.995, 3), data["mnist"], [finished("fit", None, 0.9)])
    goals = {"a": {"setting": setting} | reached, "b": {"setting": setting} | missed}
    to_goal, test = tables({"accuracy": {"goals": goals}})
    stand_in, digits = "drawn stand-in for CIFAR-10, 79 %", "MNIST (sample), 99.5 %"
    assert to_goal.note.count("Abacus") == 1
    assert to_goal.rows == [
        (stand_in, "usual loop", "2", "1 of 1", "900 (900 – 900)", "–"),
        (stand_in, "this course: fit", "2", "2 of 2", "37.5 (30 – 45)", "25.00× (20.00× – 30.00×)"),
        (digits, "this course: fit", "2", "0 of 1", "–", "–"),
    ]
    rest = ("500 (500 – 500)", "0.5 (0.5 – 0.5)", "1,000 (1,000 – 1,000)")
    assert test.rows == [
        (stand_in, "usual loop", "–", "–", *rest),
        (stand_in, "this course: fit", "91.00 ± 1.41 %", "92.00 ± 1.41 %", *rest),
        (digits, "this course: fit", "90.00 %", "–", *rest),
    ]


def test_table_of_growth_shows_the_memory_of_all_processes():
    point = {"axis": "processes", "processes": 2, "precision": "fp32"}
    for name, value in {"seconds": 3.0, "ratio": 0.6, "memory_peak": 4e8}.items():
        point[name] = summary([value])
    cells = growth_row(point | {"memory_total": summary([7e8])})
    assert cells == ("processes: 2", "3 (3 – 3)", "0.60×", "400 (400 – 400); all: 700", "fp32")
    alone = growth_row(point | {"axis": "images", "images": 2048, "processes": 1})
    assert (alone[0], alone[3]) == ("images: 2,048", "400 (400 – 400)")
    assert growth_row(point | {"memory_peak": None})[3] == "unknown"


def check_settings(results):
    goals = results["accuracy"]["goals"].values()
    assert [goal["setting"]["repetitions"] for goal in goals] == [2, 2]
    for part in [*goals, *(results[name] for name in PARTS if name != "accuracy")]:
        setting = part["setting"]
        assert setting["profile"] == "tiny"
        assert setting["threads"] >= 1 and setting["cpu"] and setting["device"]
        assert {"python", "torch", "pytorch-lightning"} <= set(setting["versions"])
    assert results["growth"]["setting"]["repetitions"] == 1


def check_accuracy(goals):
    assert list(goals) == [str(EASY), str(IMPOSSIBLE)]
    easy, impossible = goals.values()
    assert [len(goal["runs"]) for goal in goals.values()] == [3, 2]
    usually, fitted = easy["contestants"]["usual"], easy["contestants"]["fit"]
    # The usual loop stops at the goal, the recipe runs to its end.
    assert (usually["reached"], usually["epochs"]) == (1, 1)
    assert (fitted["reached"], fitted["epochs"], fitted["runs"]) == (2, 2, 2)
    assert easy["ratio"]["median"] > 0 and impossible["ratio"] is None
    assert impossible["contestants"]["fit"]["reached"] == 0
    assert list(impossible["contestants"]) == ["fit"]
    for goal in goals.values():
        for run in goal["runs"]:
            check_training(run)


def check_training(run):
    assert len(run["seconds"]) == len(run["val_accuracy"]) > 0
    assert 0 < run["seconds"][0] <= run["seconds"][-1] == run["total_seconds"]
    assert run["load_seconds"] > 0 and run["memory_peak"] > 1e7
    assert run["config"]["seed"] == run["seed"] and run["precision"] in ("fp32", "bf16")
    assert (run["test_accuracy"] is None) is (run["contestant"] == "usual")


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
    assert [p["images"] for p in points if p["axis"] == "images"] == [16, 32]
    assert points[0]["ratio"]["median"] == 1
    assert all(point["memory_peak"]["median"] > 1e7 for point in points)
    processes = [point for point in points if point["axis"] == "processes"]
    assert [point["processes"] for point in processes] == [1, 2][: min(2, cores())]
    assert processes[0]["ratio"]["median"] == 1 and processes[0]["threads"] == 1
    largest, total = (processes[-1][f"memory_{name}"]["median"] for name in ("peak", "total"))
    assert total > 1.5 * largest or cores() == 1
    imports, loads = results["start"]["imports"], results["start"]["loads"]
    # PyTorch is imported by the process itself, and takes longer than the course's few files.
    assert imports["torch"]["min"] > imports["train"]["min"] > 0
    assert [load["dataset"] for load in loads] == ["MNIST (sample)"] and loads[0]["seconds"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--only speed", "invalid choice"),
        ("--threads 0", "--threads 0"),
        ("--threads 100000", "--threads 100000"),
        ("--threads two", "invalid int"),
        ("--repetitions 0", "--repetitions 0"),
        ("--goal 0.5", "--goal 0.5: choose from 0, 1"),
        ("--goal high", "invalid float"),
        ("--only growth --goal 1", "belongs to --only accuracy"),
        ("--quick --readme", "leave out --quick"),
        ("--out .", "is a folder"),
        ("--out pyproject.toml/results.json", "cannot be written"),
        ("--out pyproject.toml", "holds no results"),
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


def spread_of(value):
    return {"median": value, "min": 0.9 * value, "max": 1.1 * value}


def test_a_target_is_judged_by_its_worst_case():
    def compared(model, data, fit, lightning):
        return {
            "model": model,
            "dataset": data,
            "ratio": {"fit": spread_of(fit)},
            "lightning_to_fit": {"lightning": spread_of(lightning)},
        }

    comparisons = [compared("linear", "A", 20, 1.0), compared("linear", "B", 14, 0.98)]
    rows = target_rows({"throughput": {"comparisons": comparisons}})
    assert [row[1:] for row in rows] == [
        ("linear, B", "≥ 15 ×", "14 (12.6 – 15.4)", "no"),
        ("linear, B", "≥ 0.97 ×", "0.98 (0.882 – 1.078)", "yes"),
    ]
    assert target_rows({}) == []


@pytest.mark.parametrize(("reached", "measured"), [(2, "100 (90 – 110)"), (1, "did not get there")])
def test_a_goal_that_one_training_missed_is_no_target_reached(reached, measured):
    fit_runs = {
        "runs": 2,
        "reached": reached,
        "seconds_to_goal": spread_of(100),
        "total_seconds": spread_of(100),
        "memory_peak": spread_of(2e9),
        "test_accuracy": {"mean": 0.995, "std": 0.001},
    }
    goals = {
        name: {"dataset": name, "contestants": {"fit": fit_runs}, "ratio": None}
        for name in ("mnist 0.995", "cifar10 0.9")
    }
    rows = {row[0]: row for row in target_rows({"accuracy": {"goals": goals}})}
    assert measured in rows["seconds to 99.5 %"][3]
    assert rows["seconds to 99.5 %"][4] == ("yes" if reached == 2 else "no")
    assert rows["memory of the fast recipe"][3] == "2000 (1800 – 2200)"
    assert rows["test accuracy of the fast recipe"][2:] == ("≥ 90 %", "99.5 (99.4 – 99.6)", "yes")
    assert not any("usual loop's" in title for title in rows), "it was not trained"


def test_full_profile_covers_all_models():
    assert set(FULL.images) == set(MODELS) > set(QUICK.images)


def test_readme_shows_the_results():
    results = json.loads(Path(RESULTS).read_text(encoding="utf-8"))
    text = README.read_text(encoding="utf-8")
    assert filled(text, results) == text, "run python -m benchmarks --readme"
    assert [table.title for table in tables(results)] == [
        line[4:] for line in text.splitlines() if line.startswith("### ")
    ]
