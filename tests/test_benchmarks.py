"""The benchmarks measure what they say; no test looks at a clock."""

import csv
import json
import os
import re
import shutil
import signal
import statistics
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook

from benchmarks import accuracy, measure, minutes, muon, steps, throughput, usual
from benchmarks.__main__ import PARTS, README, RESULTS, main, published
from benchmarks.measure import ProcessError, in_fresh_process, interleave, summary
from benchmarks.report import filled, markdown, tables
from benchmarks.tasks import FULL, Goal, Profile, Task
from benchmarks.throughput import WAYS, flops_per_image
from commands.signals import Stopped
from helpers.data.augmentation import Augmentation
from helpers.data.load import load
from helpers.recipes import TrainingConfig, recipe
from helpers.training import evaluate, fit
from tools.book.gallery import entries
from tools.course import Course

CPU = torch.device("cpu")
EASY = Goal("mnist", 0.0, epochs=2, size="small", usual_epochs=2)
IMPOSSIBLE = Goal("mnist", 1.0, epochs=1, size="small")
IMAGES = {"linear": 48, "CNN small": 32}
LENGTHS = (("usual", 2), ("fit", 5), ("fit", 1), ("cnn_growing", 1), ("muon", 1))
TINY = Profile(
    "tiny", 1, IMAGES, (EASY, IMPOSSIBLE), 2, ("mnist",), (16, 32), 64, LENGTHS, {"linear": 2}
)


@pytest.fixture(scope="module")
def data():
    return {name: load(name, mode="sample") for name in ("mnist", "cifar10")}


def make_task(model, images, count=256, batch_size=64):
    config = TrainingConfig(epochs=2, batch_size=batch_size)
    return Task(model, replace(images.subset(count), val=images.val[:20]), config, CPU)


def test_contestants_take_turns_and_the_warm_up_is_dropped():
    calls = []
    turns = {name: lambda n=name: calls.append(n) or len(calls) for name in "abc"}
    assert interleave(turns, repetitions=2) == {"a": [4, 7], "b": [5, 8], "c": [6, 9]}
    assert calls == list("abcabcabc")
    assert summary([3.0, 12345.6, 1.0]) == {"median": 3.0, "min": 1.0, "max": 12350}


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_usual_data_set_gives_the_pixels_of_the_course(name, data):
    task = make_task("linear", data[name], count=10)
    items = list(usual.make_loader(task).dataset)
    images, targets = next(iter(task.data.batches("train", 10)))
    torch.testing.assert_close(torch.stack([image for image, _ in items]), images)
    assert [label for _, label in items] == targets.tolist()


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
@pytest.mark.parametrize("model", FULL.images)
def test_both_orders_are_the_same_model(model, name, data):
    task, losses = make_task(model, data[name]), []
    images, labels = next(iter(data[name].batches("train", 8)))
    for net, usually in ((usual.make_model(task), True), (task.build(), False)):
        losses.append(F.cross_entropy(net(images), labels))
        kernels = [p for p in net.parameters() if p.ndim == 4 and p.shape[1] > 1]
        assert all(kernel.is_contiguous() is usually for kernel in kernels)
    torch.testing.assert_close(*losses)


def test_the_origin_model_has_the_architecture_that_it_had(data):
    parameters = make_task("origin large", data["cifar10"]).build().parameters()
    shapes = [tuple(p.shape) for p in parameters]
    assert [s[0] for s in shapes if len(s) == 4] == [32, 64, 128, 128, 256, 256]
    assert [s for s in shapes if len(s) == 2] == [(1024, 4096), (512, 1024), (10, 512)]


@pytest.mark.parametrize("model", ["linear", "CNN small"])
def test_the_usual_loop_and_fit_train_the_same_model(model, data):
    """A batch of all images: whatever the order, the loss is the same."""
    task = make_task(model, data["cifar10"], count=128, batch_size=128)
    torch.manual_seed(0)
    net, loader = usual.make_model(task), usual.make_loader(task)
    optimizer = torch.optim.Adam(net.parameters(), lr=task.config.lr)
    by_usual = [usual.train_epoch(loader, net, optimizer, CPU) for _ in range(2)]
    history = fit(task.build(), task.data, task.config, device=CPU, progress=False)
    assert by_usual == pytest.approx(history["train_loss"], rel=1e-3)
    loader = usual.make_loader(task, split="val")
    expected = evaluate(net, task.data.batches("val", 7)).accuracy
    assert usual.measure_accuracy(loader, net, CPU) == pytest.approx(expected)


def test_flops_and_their_rate(monkeypatch):
    layer = nn.Linear(20, 10)
    # Forward, and the gradient of the weights: 2 x 20 x 10 each. The images need no gradient.
    assert flops_per_image(layer, torch.rand(7, 20)) == 2 * (2 * 20 * 10)
    now = iter([10.0, 12.0])
    monkeypatch.setattr(throughput, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    assert throughput.rate(nn.Identity(), torch.zeros(1), flops=100)() == 3 * 100 / 2


def test_gradients_by_hand_are_those_of_autograd(data):
    model = make_task("linear", data["mnist"]).build()
    pixels, labels = next(iter(data["mnist"].batches("train", 20)))
    F.cross_entropy(model(pixels), labels).backward()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        found = steps.gradients_by_hand(layers, pixels, labels)
    for parameter, gradient in zip(model.parameters(), found, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-6) and gradient.any()


def test_a_lost_process_is_noticed():
    assert in_fresh_process(divmod, 17, 5) == (3, 2)
    with pytest.raises(ProcessError, match="status -9"):
        in_fresh_process(signal.raise_signal, signal.SIGKILL)


def test_the_seed_and_the_goal_decide_the_training(monkeypatch):
    seen = []

    def look(model, images, config, **options):
        seen.append(next(model.parameters()))
        assert (config.epochs, config.precision, config.seed) == (7, "auto", len(seen))
        assert config.image_sizes == recipe("fastcnn", "cifar10").image_sizes
        assert [len(s) for s in (images.train, images.val, images.test)] == [30, 30, 30]
        raise StopIteration

    monkeypatch.setattr(accuracy, "fit", look)
    for seed in (1, 2):
        with pytest.raises(StopIteration):
            accuracy.train("fit", Goal("cifar10", 0.9, 7, "small"), seed, 30, "sample", "cpu")
    assert not torch.equal(*seen)


def finished(contestant, to_goal, test=None, seed=0):
    """What a training says."""
    run = {"contestant": contestant, "seed": seed, "seconds": [1.0, 500.0]}
    return run | {"seconds_to_goal": to_goal, "test_accuracy": test}


def test_statistics_of_trainings_are_right():
    runs = [finished("fit", 30.0, 0.90), finished("fit", 45.0, 0.91), finished("fit", None, 0.95)]
    found = accuracy.together(runs)
    assert (found["runs"], found["reached"], found["epochs"]) == (3, 2, 2)
    assert found["seconds_to_goal"] == {"median": 37.5, "min": 30, "max": 45}
    assert found["total_seconds"]["median"] == 500
    # The variance is (0.02² + 0.01² + 0.03²) / (3 - 1).
    assert found["test_accuracy"] == {"mean": 0.92, "std": pytest.approx(0.0007**0.5, abs=1e-5)}
    assert accuracy.together(runs[:1])["test_accuracy"] == {"mean": 0.9, "std": None}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The results of a whole run."""
    out = tmp_path_factory.mktemp("whole") / "new" / "results.json"
    with pytest.MonkeyPatch.context() as patch:
        # Processes take seconds to start: here they are this one, and the programs do not run.
        patch.setattr(measure, "in_fresh_process", lambda function, *a: function(*a))
        patch.setattr(steps, "COMPILER", "eager")  # PyTorch's own compiler takes half a minute
        patch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "0")  # and is put back at the end
        patch.setattr(throughput, "seconds", lambda *arguments: float(len(arguments)))
        patch.setattr(throughput, "CONVOLUTIONS", ((2, 3, 4, 4), (4, 3, 4, 4)))
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork.*")  # Python 3.12, workers
            assert main(["--out", str(out)], profile=TINY) == 0
    return out


def test_a_run_writes_what_it_promises(whole):
    results = read(whole)
    assert tuple(results) == PARTS and len(tables(results)) == 6
    for each in results["throughput"]["comparisons"]:
        assert each["images"] == IMAGES[each["model"]]
        for numbers in (each["images_per_second"], each["ratio"]):
            assert set(numbers) == set(WAYS) and all(s["min"] > 0 for s in numbers.values())
        assert each["ratio"]["usual"] == {"median": 1, "min": 1, "max": 1}
    (step,) = results["steps"]["comparisons"]
    assert set(step["milliseconds"]) == {"fit", "compiled", "hand", "products"}
    assert all(each["min"] > 0 for each in step["milliseconds"].values())
    assert step["ratio"]["fit"] == {"median": 1, "min": 1, "max": 1}
    assert step["start_up_seconds"] > 0
    easy, impossible = results["accuracy"]["goals"].values()
    # The usual loop, once, stops at the goal; the recipe runs to its end.
    order = [(run["contestant"], run["seed"], len(run["seconds"])) for run in easy["runs"]]
    assert order == [("usual", 0, 1), ("fit", 0, 2), ("fit", 1, 2)]
    assert [run["test_accuracy"] is None for run in easy["runs"]] == [True, False, False]
    assert impossible["contestants"]["fit"]["reached"] == 0 and len(impossible["runs"]) == 2
    lengths = [(run["contestant"], run["epochs"]) for run in results["minutes"]["runs"]]
    assert lengths == TINY.seeds * [*LENGTHS]
    # Of the usual loop, which comes first, a line for each epoch.
    first, second, *whole = tables(results)[PARTS.index("minutes")][-1]
    assert [row[2] for row in (first, second, *whole)] == ["1", "2", "1", "5", "1", "1"]
    assert all(row[-1].endswith(" %") for row in whole) and first[-1] == second[-1] == "–"
    for part in (easy, *(results[name] for name in PARTS if name != "accuracy")):
        assert part["setting"]["profile"] == "tiny" and part["setting"]["cpu"]


def test_tables_of_several_processors_stand_below_each_other(whole):
    results = read(whole)
    other = {part: results[part] for part in ("throughput", "peak")}
    one, both = (
        re.findall(r"^### (.+)$", markdown(*r), re.M) for r in ([results], [results, other])
    )
    assert both == [title for n, title in enumerate(one) for _ in range(1 + (n < 2))]


def instead_of_training(_, contestant, goal, seed, *arguments):
    return finished(contestant, 11.0, 0.5, seed)


def test_what_is_measured_again_leaves_the_rest(whole, tmp_path, monkeypatch, capsys):
    out = shutil.copy(whole, tmp_path / "results.json")
    monkeypatch.setattr(measure, "in_fresh_process", instead_of_training)
    assert main(["--goal", "1", "--out", str(out), "--repetitions", "3"], profile=TINY) == 0
    before, after = read(whole), read(out)
    _, again = (each["accuracy"]["goals"].pop("mnist 1") for each in (before, after))
    assert again["setting"]["repetitions"] == 3 and after == before


@pytest.mark.parametrize("trouble", [Stopped(signal.SIGTERM), ProcessError("status -9")])
def test_an_interruption_keeps_finished_trainings(trouble, tmp_path, monkeypatch, capsys):
    def one_then_trouble(_, contestant, *arguments):
        if contestant != "usual":
            raise trouble
        return instead_of_training(_, contestant, *arguments)

    monkeypatch.setattr(measure, "in_fresh_process", one_then_trouble)
    out, status = tmp_path / "results.json", getattr(trouble, "status", 1)
    assert main(["--out", str(out), "--only", "accuracy"], profile=TINY) == status
    assert str(trouble) in capsys.readouterr().err.splitlines()[-1]
    (run,) = read(out)["accuracy"]["goals"]["mnist 0"]["runs"]
    assert run["contestant"] == "usual" and tables(read(out))


def test_a_quick_run_leaves_the_published_results(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.__main__.QUICK_RESULTS", tmp_path / "quick.json")
    monkeypatch.setattr(measure, "in_fresh_process", instead_of_training)
    before = RESULTS.read_bytes(), README.read_bytes()
    assert main(["--quick", "--only", "accuracy"], profile=TINY) == 0
    assert (RESULTS.read_bytes(), README.read_bytes()) == before and os.listdir(tmp_path)


def test_tables_show_the_numbers(whole):
    results = read(whole)
    trained = accuracy.together([finished("fit", s, 0.9) for s in (30.0, 45.0)])
    results["accuracy"]["goals"]["mnist 0"]["contestants"]["fit"] = trained
    comparison = results["throughput"]["comparisons"][0]
    comparison["flops_per_image"], comparison["images_per_second"]["fit"] = 2e6, summary([1000.0])
    for kind, flops in (("product", 5e9), ("convolution", 8e9)):
        for kinds in results["peak"]["rates"].values():
            kinds[kind]["flops_per_second"] = summary([flops])
    text = filled("a <!-- benchmarks -->old<!-- /benchmarks --> z", results)
    assert "2 of 2 | 37.5 (30.0 – 45.0) | 500.0 (500.0 – 500.0) | 90.00 ± 0.00 % |" in text
    assert "25.0 % |" in text and "old" not in text  # of the larger of the two peaks


def minutes_run(contestant, epochs, seed, *accuracies, test=None):
    """A training of the minutes part; its epochs end after 10, 20, … seconds, and `seed` more."""
    seconds = [10.0 * epoch + seed for epoch in range(1, len(accuracies) + 1)]
    run = {"contestant": contestant, "epochs": epochs, "seed": seed, "precision": "fp32"}
    return run | {"seconds": seconds, "val_accuracy": [*accuracies], "test_accuracy": test}


def test_trainings_of_one_length_are_summed_up_over_the_seeds():
    runs = [minutes_run("fit", 2, seed, 0.1, 0.6 + 0.1 * seed, test=0.5) for seed in (0, 2)]
    runs += [minutes_run("fit", 1, 0, 0.4, test=0.3), minutes_run("usual", 2, 0, 0.2, 0.3)]
    first, second, one, two = minutes.ends(runs)
    assert (two["epochs"], two["runs"], two["seconds"]) == (2, 2, summary([20.0, 22.0]))
    assert two["val_accuracy"] == {"mean": 0.7, "std": pytest.approx(0.2 / 2**0.5, abs=1e-5)}
    assert one["test_accuracy"] == {"mean": 0.3, "std": None} and one["runs"] == 1
    # The usual loop has no schedule: each of its epochs could be the last one.
    assert [(end["epochs"], end["seconds"]["median"]) for end in (first, second)] == [
        (1, 10),
        (2, 20),
    ]
    assert second["val_accuracy"]["mean"] == 0.3 and second["test_accuracy"] is None


def test_a_seed_that_comes_later_keeps_the_others(whole, tmp_path, monkeypatch, capsys):
    out = shutil.copy(whole, tmp_path / "results.json")
    monkeypatch.setattr(
        measure, "in_fresh_process", lambda _, *a: minutes_run(*a[:3], *a[1] * [0.5], test=0.4)
    )
    before, count = read(whole)["minutes"], len(LENGTHS)
    assert main(["--seed", "1", "--out", str(out)], profile=TINY) == 0
    assert read(out)["minutes"] == before  # nothing is missing
    results = read(out)
    del results["minutes"]["runs"][count + 1]
    out.write_text(json.dumps(results))
    for seed in ("1", "3"):
        assert main(["--seed", seed, "--out", str(out)], profile=TINY) == 0
    after = read(out)["minutes"]
    made = [(run["seed"], run["contestant"], run["epochs"]) for run in after["runs"][-1 - count :]]
    assert made == [(1, *LENGTHS[1]), *((3, *length) for length in LENGTHS)]
    assert after["setting"] == before["setting"] | {"repetitions": 3}
    assert [end["runs"] for end in after["ends"]] == (count + 1) * [3]
    results = read(out)
    results["minutes"]["setting"]["cpu"] = "another"
    out.write_text(json.dumps(results))
    assert main(["--seed", "3", "--out", str(out)], profile=TINY) == 2
    assert "--seed 3: the other trainings have cpu another" in capsys.readouterr().err
    assert read(out) == results


MISTAKES = {
    "--repetitions 0": "--repetitions 0",
    "--goal 0.5": "--goal 0.5: choose from 0, 1",
    "--seed 1 --only peak": "--seed: it is of the minutes part",
    "--seed 1 --repetitions 2": "--seed: it is of the minutes part",
    "--out=": "empty",
    "--out pyproject.toml": "holds no results",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_told_in_one_line(arguments, capsys, monkeypatch):
    monkeypatch.chdir(README.parent.parent)
    assert main(arguments.split(), profile=TINY) == 2
    assert re.fullmatch(f".*{MISTAKES[arguments]}.*\n", capsys.readouterr().err)


def test_the_readme_shows_the_results():
    text = README.read_text(encoding="utf-8")
    assert filled(text, *map(read, published())) == text, "run python -m benchmarks --readme"


def test_an_orthogonal_step_moves_every_direction_alike():
    torch.manual_seed(0)
    matrix = torch.randn(16, 144) * torch.logspace(0, -1, 16)[:, None]
    step = muon.orthogonal(matrix, rounds=5)
    assert torch.linalg.svdvals(matrix).max() > 10 * torch.linalg.svdvals(matrix).min()
    assert torch.linalg.svdvals(step).max() < 1.5 * 1.2
    assert torch.linalg.svdvals(step).min() > 0.5
    # The directions stay: left and right singular vectors belong together as before.
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    diagonal = left.T @ step @ right.T
    assert (diagonal - diagonal.diag().diag()).abs().max() < 1e-4


def test_whitened_patches_are_uncorrelated(data):
    images = data["cifar10"].normalise(data["cifar10"].train.images[:500])
    maps = muon.whitening_layer(images)(images)
    first, mirrored = maps.permute(1, 0, 2, 3).flatten(1).double().chunk(2)
    torch.testing.assert_close(mirrored, -first)
    products = first @ first.T / first.shape[1]
    spread = products.diag().sqrt()
    assert (products - products.diag().diag()).abs().max() < 0.02 * spread.max() ** 2
    assert spread.max() < 1.01  # weak directions are held back, or noise would count as much


def test_a_short_training_with_muon_learns_and_leaves_the_test_split(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(muon, "RESULTS", tmp_path / "muon.json")
    shorter = "epochs=2 batch_size=100 widths=8,16,32 image_sizes=32 precision=fp32 cutout=4"
    assert muon.main(["--trial", "--set", *shorter.split()]) == 0
    said = capsys.readouterr().err
    assert float(re.search(r"epoch 2: ([\d.]+) %", said)[1]) > 50
    assert "test" not in said and not list(tmp_path.iterdir())
    assert muon.main(["--set", *shorter.split()]) == 2
    assert "needs the full CIFAR-10" in capsys.readouterr().err and not list(tmp_path.iterdir())
    monkeypatch.setattr(muon, "load", lambda name: replace(load(name), is_sample=False))
    assert muon.main(["--set", *shorter.split()]) == 0
    assert re.search(r"epoch 2: after \d+ s\n", capsys.readouterr().err)  # nothing left to validate
    (run,) = json.loads((tmp_path / "muon.json").read_text())
    assert run["test_accuracy"] > 0.5 and run["settings"]["widths"] == [8, 16, 32]
    filters = 9 * (24 * 8 + 2 * 8 * 8 + 8 * 16 + 2 * 16 * 16 + 16 * 32 + 2 * 32 * 32)
    assert run["parameters"] == 24 + filters + 3 * (8 + 16 + 32) + 10 * 32
    capsys.readouterr()
    for wrong in ("lr=1", "epochs=many", "image_sizes=16,x"):
        assert muon.main(["--set", wrong]) == 2
        assert capsys.readouterr().err.startswith(f"python -m benchmarks.muon: --set {wrong}: ")
    for wrong in ("epochs=0", "batch_size=-1"):
        assert muon.main(["--set", wrong]) == 2
        assert re.fullmatch(
            r"python -m benchmarks.muon: --set.* must be .*\n", capsys.readouterr().err
        )


@pytest.mark.parametrize(("side", "wide"), [(4, 5), (7, 7), (8, 9)])
def test_the_square_that_is_cut_out_is_as_wide_as_it_is_said(side, wide):
    images = torch.ones(200, 3, 32, 32)
    found = muon.cut_out(images, side, torch.Generator().manual_seed(0))
    assert torch.equal(found[:, 0], found[:, 2]) and set(found.unique().tolist()) == {0, 1}
    missing = (found[:, 0] == 0).sum(dim=(1, 2))
    assert missing.max() == wide**2 and missing.min() < wide**2  # some stand at the edge


def test_a_run_of_muon_that_counts_learns_from_the_validation_images_too(data):
    before = data["cifar10"]
    after = muon.with_all_images(before)
    assert len(after.train) == len(before.train) + len(before.val) and len(after.val) == 0
    assert torch.equal(after.train.images[: len(before.train)], before.train.images)
    assert torch.equal(after.train.labels[len(before.train) :], before.val.labels)
    assert torch.equal(after.test.images, before.test.images) and after.mean == before.mean


def test_a_block_loses_no_row_of_an_odd_map():
    maps = torch.zeros(1, 3, 31, 31)
    two, one = (muon.Settings(depth=depth) for depth in (2, 1))
    for block, edge in zip((muon.Block(3, 4, two), muon.Block(4, 4, one)), (16, 8), strict=True):
        maps = block(maps)
        assert maps.shape == (1, 4, edge, edge)


def test_half_of_the_training_images_are_mirrored_once_and_for_all(data):
    before = data["cifar10"]
    after, other = muon.half_mirrored(before, seed=1), muon.half_mirrored(before, seed=2)
    mirrored = (after.train.images == before.train.images.flip(3)).all(dim=3).all(2).all(1)
    assert torch.equal(after.train.images[~mirrored], before.train.images[~mirrored])
    assert 0.45 < mirrored.double().mean() < 0.55
    assert not torch.equal(after.train.images, other.train.images)
    assert torch.equal(after.train.labels, before.train.labels)
    assert torch.equal(after.val.images, before.val.images)
    assert not after.augmentation.flip and after.augmentation.shift == before.augmentation.shift


def test_every_second_epoch_shows_all_images_mirrored(data):
    short = {"batch_size": 100, "widths": (8, 16, 32), "image_sizes": (32,), "precision": "fp32"}
    still = replace(data["cifar10"].subset(200), augmentation=Augmentation(flip=True))
    seen = []

    def note(module, inputs):
        if isinstance(module, muon.Network) and module.training:
            seen.append(inputs[0])

    with register_module_forward_pre_hook(note):
        muon.train(still, muon.Settings(epochs=3, cutout=0, **short), CPU)
    first, second, third = (epoch.double().mean(0) for epoch in torch.cat(seen).chunk(3))
    torch.testing.assert_close(second, first.flip(2))
    torch.testing.assert_close(third, first)
    assert (second - first).abs().max() > 0.1


def test_a_batch_goes_through_the_network_in_parts_whose_gradients_add_up(data, monkeypatch):
    short = {"batch_size": 100, "widths": (8, 16, 32), "image_sizes": (32,), "precision": "fp32"}
    few, counts, gradients = data["cifar10"].subset(100), [], []

    def note(module, inputs):
        if isinstance(module, muon.Network) and module.training:
            counts.append(len(inputs[0]))

    def keep(optimizer, *_):
        if isinstance(optimizer, muon.Muon):
            gradients.append(
                [filters.grad.clone() for filters in optimizer.param_groups[0]["params"]]
            )

    # Batch norm that takes no means of the batch: then parts must not matter at all.
    monkeypatch.setattr(
        nn.BatchNorm2d, "forward", lambda self, maps: maps + self.bias[:, None, None]
    )
    with register_module_forward_pre_hook(note), register_optimizer_step_pre_hook(keep):
        for parts in (1, 4):
            found = muon.train(few, muon.Settings(epochs=1, parts=parts, **short), CPU)
    assert counts == [100, 25, 25, 25, 25]
    assert found["network"].blocks[0].norms[0].momentum == pytest.approx(1 - 0.6**0.25)
    for whole, in_parts in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, in_parts, rtol=1e-3, atol=1e-3)


def test_the_whitening_layer_learns_in_the_first_epochs_alone(data):
    short = {"batch_size": 100, "widths": (8, 16, 32), "image_sizes": (32,), "precision": "fp32"}
    for epochs in (2, 3):
        settings = muon.Settings(epochs=epochs, whiten_epochs=2, **short)
        found = muon.train(data["cifar10"], settings, CPU)
        bias = found["network"].whitening.bias
        assert bias.requires_grad == (epochs == 2) and bias.abs().min() > 0
        assert found["val_accuracy"][-1] > 0.5


def test_the_search_log_is_summed_up_as_it_is():
    folder = RESULTS.parent
    with open(folder / "search.csv", encoding="utf-8", newline="") as file:
        runs = list(csv.DictReader(file))

    def mean(start, change):
        chosen = [r for r in runs if (r["base"], r["change"]) == (start, change)]
        return len(chosen), 100 * statistics.mean(float(r["val_accuracy"]) for r in chosen)

    rows = re.findall(
        r"^\| ([A-Z]) \| (.+) \| (\d) \| ([+-][\d.]+) \|$",
        (folder / "search.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(rows) == len({(r["base"], r["change"]) for r in runs if r["change"]})
    for start, change, count, difference in rows:
        number, accuracy = mean(start, change)
        found = accuracy - mean(start, "")[1]
        assert int(count) == number and abs(float(difference) - found) < 0.0051


def test_what_is_said_of_the_recipe_with_muon_is_what_its_runs_gave():
    for run in json.loads((RESULTS.parent / "muon.json").read_text(encoding="utf-8")):
        minutes = run["seconds"][-1] / 60
        said = f"{100 * run['test_accuracy']:.1f} %", f"{minutes:.0f} minutes"
        for text in (muon.__doc__, README.read_text(encoding="utf-8")):
            assert all(each in text for each in said), run["setting"]["cpu"]


def test_the_gallery_has_the_runs_with_muon_by_precision_and_length():
    runs = json.loads((RESULTS.parent / "muon.json").read_text(encoding="utf-8"))
    rows = [row for row in entries(Course()) if "all images" in row.name]
    assert sum(row.runs for row in rows) == len(runs) > 0
    for row in rows:
        wanted = re.search(r"epochs=(\d+) parts=(\d+) precision=(\w+)$", row.command).groups()
        alike = [
            run
            for run in runs
            if (*(str(run["settings"][k]) for k in ("epochs", "parts")), run["precision"]) == wanted
        ]
        assert row.test == pytest.approx(statistics.mean(r["test_accuracy"] for r in alike))
        assert row.runs == len(alike) and wanted[0] in row.name and wanted[2] in row.name
