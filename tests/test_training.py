"""The training loop: it learns, it repeats, it goes on, and it measures what it says."""

import math
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.data.load import load
from helpers.models import build_model
from helpers.recipes import OPTIMIZERS, SCHEDULERS, TrainingConfig
from helpers.training import (
    COLUMNS,
    History,
    best_device,
    check_image_sizes,
    evaluate,
    fit,
    make_optimizer,
    make_scheduler,
    predict_logits,
    start_epoch,
    train_epoch,
    training_batches,
)

CPU = torch.device("cpu")
FAST_RUN = TrainingConfig(epochs=2, batch_size=64, lr=2e-3)


@pytest.fixture(scope="module")
def data():
    return load("mnist", mode="sample").subset(640)


def build(data, name="linear", seed=0):
    """`dropout`: the linear model with dropout behind it."""
    if name == "dropout":
        return nn.Sequential(build(data, seed=seed), nn.Dropout(0.5))
    return build_model(name, data.image_shape, data.num_classes, "small", seed)


def train(data, config, name="linear", model=None, **options):
    model = model or build(data, name, config.seed)
    return model, fit(model, data, config, device=CPU, progress=False, **options)


def same_weights(first, second):
    first, second = first.state_dict(), second.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_gets_its_settings_and_learns(data, optimizer):
    lr = 0.02 if optimizer == "sgd" else 5e-4
    config = replace(FAST_RUN, epochs=4, optimizer=optimizer, lr=lr)
    _, history = train(data, config)
    assert history["train_loss"][-1] < 0.7 * history["train_loss"][0]
    assert history["val_accuracy"][-1] > 0.6
    other = {"momentum": 0.7, "weight_decay": 0.2, "nesterov": optimizer == "sgd"}
    made = make_optimizer(nn.Linear(2, 2), replace(config, **other))
    group = made.param_groups[0]
    assert group.get("nesterov", False) == other["nesterov"]
    assert type(made).__name__.lower() == optimizer
    assert group["lr"] == lr and group["weight_decay"] == 0.2
    assert optimizer in ("adam", "adamw") or group["momentum"] == 0.7


def test_a_row_tells_what_its_epoch_was(data, monkeypatch):
    """Training takes 4 s here, validation 1 s."""
    clock, asked = [0.0], []

    def takes(seconds, function):
        def timed(*arguments):
            clock[0] += seconds
            return function(*arguments)

        return timed

    monkeypatch.setattr("helpers.training.keep_freed_memory", lambda: asked.append("kept memory"))
    monkeypatch.setattr("helpers.training.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr("helpers.training.train_epoch", takes(4.0, train_epoch))
    monkeypatch.setattr("helpers.training.evaluate", takes(1.0, evaluate))
    model, history = train(data, replace(FAST_RUN, scheduler="cosine"))
    assert [tuple(row) for row in history.rows] == [COLUMNS] * 2
    assert list(history.to_frame().columns) == list(COLUMNS) and len(history.to_frame()) == 2
    assert history["epoch"] == [1, 2]
    assert history["lr"] == pytest.approx([1e-3, 0.0])
    assert history["seconds"] == [5.0, 5.0] and history.seconds == 10.0
    assert history["images_per_second"] == [160.0, 160.0]
    measured = evaluate(model, data.batches("val", 500))
    assert (history["val_loss"][-1], history["val_accuracy"][-1]) == measured
    assert asked == ["kept memory"]


def test_the_configuration_decides_the_weights_and_nothing_else_does(data):
    config = replace(FAST_RUN, augment=True)
    first, _ = train(data, config)
    torch.rand(7)
    again, _ = train(replace(data, test=data.test[:3]), config)
    assert same_weights(first, again), "the test split is never touched"
    for change in ({"seed": 1}, {"augment": False}, {"label_smoothing": 0.5}):
        changed, _ = train(data, replace(config, **change), model=build(data))
        assert not same_weights(first, changed)


def test_training_images_are_shuffled_and_have_the_size_of_their_epoch(data):
    batches = training_batches(data, replace(FAST_RUN, image_sizes=(14, 28)))
    for epoch, size in enumerate((14, 28)):
        start_epoch(batches, epoch)
        images, labels = next(iter(batches))
        assert images.shape[-1] == size
        assert not torch.equal(labels, data.train.labels[:64]), "shuffled"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *(("linear", {"scheduler": scheduler}) for scheduler in SCHEDULERS),
        ("linear", {"optimizer": "sgd", "scheduler": "cosine"}),
        ("cnn", {"epochs": 3, "image_sizes": (16, 16, 20)}),
        ("dropout", {}),
    ],
)
def test_a_run_that_goes_on_equals_one_that_never_stopped(data, name, changes):
    config = replace(FAST_RUN, augment=True, **({"epochs": 3} | changes))
    states = []
    whole, history = train(data, config, name, after_epoch=states.append)
    for done in (1, 2):
        torch.rand(5)  # what ran before must not matter
        rest, known = train(data, config, model=build(data, name, 9), state=states[done - 1])
        assert same_weights(whole, rest)
        for column in ("epoch", "train_loss", "val_loss", "val_accuracy", "lr"):
            assert known[column] == history[column]
        assert known.best_epoch == history.best_epoch


def test_evaluate_agrees_with_a_calculation_by_hand(data):
    model = build(data, "cnn").train()
    metrics = evaluate(model, data.batches("val", 64))
    logits, labels = predict_logits(model.train(), data.batches("val", 37))
    assert not model.training
    assert logits.shape == (400, 10) and torch.equal(labels, data.val.labels)
    assert metrics.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert metrics.accuracy == pytest.approx((logits.argmax(1) == labels).double().mean().item())


def test_the_training_loss_is_the_mean_over_images(data):
    """The last batch has 40 images, the others 200; nothing is learnt from them."""
    model, config = build(data).train(), TrainingConfig(optimizer="sgd", lr=1e-30)
    logits, labels = predict_logits(model, data.batches("train"))
    for smoothing in (0.0, 0.5):
        options = {"label_smoothing": smoothing} if smoothing else {}
        optimizer = make_optimizer(model, config)
        loss = train_epoch(model, data.batches("train", 200), optimizer, **options)
        expected = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        assert loss == pytest.approx(expected.item(), rel=1e-5)


def test_training_uses_batch_statistics_and_evaluation_does_not(data):
    model = build(data, "cnn")
    running = model.features[1].running_mean.clone()
    evaluate(model, data.batches("val"))
    assert torch.equal(model.features[1].running_mean, running) and not model.training
    train_epoch(model, data.batches("train"), make_optimizer(model, FAST_RUN))
    assert not torch.equal(model.features[1].running_mean, running) and model.training


@pytest.mark.parametrize(
    ("loss", "diverged"),
    [(2.3, False), (99.9, False), (100.0, True), (math.inf, True), (math.nan, True)],
)
def test_an_exploded_loss_counts_as_diverged(loss, diverged):
    history = History(rows=[{"epoch": 1, "train_loss": loss, "val_accuracy": 0.5}])
    assert history.diverged is diverged
    assert history.is_over(TrainingConfig(epochs=9)) is diverged


def test_patience_counts_the_epochs_after_the_best():
    rows = [{"epoch": n + 1, "train_loss": 1.0, "val_accuracy": 0.5} for n in range(3)]
    for patience, over in ((1, True), (2, True), (3, False), (0, False)):
        config = TrainingConfig(epochs=9, early_stopping=patience)
        assert History(rows=rows, best_epoch=1).is_over(config) is over
    assert History(rows=rows, best_epoch=1).is_over(TrainingConfig(epochs=3))
    grown = TrainingConfig(epochs=9, early_stopping=1, image_sizes=(16, 28))
    assert grown.growing_epochs == 5 and TrainingConfig().growing_epochs == 0
    for done, over in ((4, False), (5, False), (6, True)):
        assert History(rows=rows[:1] * done, best_epoch=1).is_over(grown) is over
    empty = History()
    assert not empty.is_over(TrainingConfig(epochs=1)) and not empty.diverged
    assert (empty.best_val_accuracy, empty.seconds, empty.best_epoch) == (0, 0, 0)


def test_a_run_ends_when_it_diverges_or_loses_its_patience(data):
    _, history = train(data, TrainingConfig(epochs=5, optimizer="sgd", lr=1e20))
    assert history.diverged and len(history) < 5
    _, history = train(data, replace(FAST_RUN, epochs=9, lr=1e-12, early_stopping=2))
    assert len(history) == 3 and history.best_epoch == 1


def test_the_first_epoch_is_the_best_so_far_even_with_no_right_answer():
    model, history = nn.Linear(1, 1), History()
    history.load_best(model)  # nothing yet: no weights change
    history.add({"epoch": 1, "val_accuracy": 0.0}, model)
    assert history.best_epoch == 1 and history.best_state.keys() == model.state_dict().keys()


def test_best_weights_are_those_of_the_best_epoch():
    model = nn.Linear(1, 1)
    history = History()
    for epoch, accuracy in enumerate([0.5, 0.9, 0.9, 0.7, 0.8], start=1):
        nn.init.constant_(model.weight, epoch)
        history.add({"epoch": epoch, "val_accuracy": accuracy}, model)
    history.load_best(model)
    assert history.best_epoch == 2 and model.weight.item() == 2
    assert history.best_val_accuracy == 0.9


@pytest.mark.parametrize(
    ("scheduler", "shape"),
    [
        ("none", [1] * 6),
        ("step", [1, 1, 0.1, 0.1, 0.01, 0.01]),
        ("linear", [1 - step / 6 for step in range(6)]),
        ("cosine", [(1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]),
    ],
)
def test_schedules_follow_their_formula(scheduler, shape):
    config = TrainingConfig(epochs=2, lr=0.5, scheduler=scheduler)
    rates = learning_rates(config, 3)
    assert rates == pytest.approx([0.5 * factor for factor in shape])
    further = learning_rates(config, 3, further=3)
    last = {"none": 0.5, "step": 0.005, "linear": 0.0, "cosine": 0.0}[scheduler]
    assert further[6:] == pytest.approx([last] * 3), "behind its end a schedule rests"
    after_warmup = learning_rates(replace(config, epochs=3, warmup_epochs=1), 3)[3:]
    assert after_warmup == pytest.approx(rates), "the warm-up takes nothing of the way down"


def test_warmup_rises_linearly_and_onecycle_peaks_at_lr():
    config = TrainingConfig(epochs=4, lr=1.0, warmup_epochs=1)
    assert learning_rates(config, 4) == pytest.approx([0.25, 0.5, 0.75, 1.0] + [1.0] * 12)
    nothing_else = replace(config, epochs=1, warmup_epochs=0.9, scheduler="linear")
    assert learning_rates(nothing_else, 4, further=1) == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    rates = learning_rates(TrainingConfig(epochs=10, lr=1.0, scheduler="onecycle"), 10)
    assert max(rates) == pytest.approx(1.0, rel=1e-3) and rates[-1] < 1e-3
    assert 0.2 < rates.index(max(rates)) / len(rates) < 0.4


def test_the_history_of_one_cycle_ends_at_its_lowest_rate(data):
    _, history = train(data, replace(FAST_RUN, scheduler="onecycle"))
    assert history["lr"][-1] < 1e-4 * FAST_RUN.lr


def learning_rates(config, steps_per_epoch, further=0):
    """Of every step of a run, and of some behind its end."""
    optimizer = make_optimizer(nn.Linear(1, 1), replace(config, optimizer="sgd"))
    scheduler = make_scheduler(optimizer, config, steps_per_epoch)
    rates = []
    for _ in range(config.epochs * steps_per_epoch + further):
        rates.append(optimizer.param_groups[0]["lr"])
        assert optimizer.param_groups[0]["momentum"] == config.momentum
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return rates


def test_sizes_that_a_model_cannot_take_are_found_before_training(data):
    config = TrainingConfig(image_sizes=(16, 28))
    small, linear = build(data, "cnn").train(), build(data)
    before = {name: value.clone() for name, value in small.state_dict().items()}
    check_image_sizes(small, data, config)
    assert small.training and all(torch.equal(before[k], v) for k, v in small.state_dict().items())
    check_image_sizes(linear, data, replace(config, image_sizes=()))
    for model, sizes in ((linear, (16, 28)), (small, (16, 29)), (small, (2, 28))):
        with pytest.raises(ValueError, match=f"{sizes[0]},{sizes[1]}"):
            check_image_sizes(model, data, replace(config, image_sizes=sizes))


def test_a_last_batch_of_one_image_is_found_where_it_cannot_be_trained_on(data):
    """Batch normalisation takes a mean over the images of a batch, and one image has none."""
    layers = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(1), nn.Linear(1, 10))
    normalised, plain = nn.Sequential(*layers), nn.Sequential(*layers[:2], layers[3])
    before = {name: value.clone() for name, value in normalised.state_dict().items()}
    for count, batch_size, sizes, fails in (
        *((65, 64, (), True), (65, 64, (14, 28), True), (4, 1, (), True), (1, 64, (), True)),
        *((66, 64, (), False), (64, 64, (), False), (2, 64, (14,), False)),
    ):
        part, config = data.subset(count), TrainingConfig(batch_size=batch_size, image_sizes=sizes)
        check_image_sizes(plain, part, config)
        with pytest.raises(ValueError, match="one image") if fails else nullcontext():
            check_image_sizes(normalised.eval(), part, config)
        assert not normalised.training
    assert all(torch.equal(before[k], v) for k, v in normalised.state_dict().items())


def test_measuring_keeps_no_gradients(data):
    model, seen = build(data), []
    model.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    for measure in (evaluate, predict_logits):
        measure(model, data.batches("val", 400))
    check_image_sizes(model, data, TrainingConfig(image_sizes=(28,)))
    assert seen == [False] * 3


def test_published_numbers_rest_on_this_rule_of_seed_and_epoch(data):
    for seed, epoch in ((0, 1), (1, 0), (3, 2)):
        expected = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        batches = training_batches(data, replace(FAST_RUN, batch_size=640, seed=seed))
        start_epoch(batches, epoch)
        assert torch.rand(3).equal(torch.rand(3, generator=expected))
        assert batches.epoch == epoch and batches.seed == seed


@pytest.mark.parametrize(("is_there", "taken"), [(True, "mps"), (False, "cpu")])
def test_the_accelerator_that_pytorch_finds_is_taken(is_there, taken, monkeypatch):
    """PyTorch names one that it was built for, even if there is none in this machine."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: is_there)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))
    assert best_device().type == taken


def test_bf16_trains_and_is_measured_in_bf16(data):
    model, history = train(data, replace(FAST_RUN, precision="bf16"), "cnn")
    assert history["train_loss"][-1] < history["train_loss"][0] and history.precision == "bf16"
    losses = [evaluate(model, data.batches("val", 500), name).loss for name in ("bf16", "fp32")]
    assert history["val_loss"][-1] == losses[0] != losses[1]


def test_progress_goes_to_standard_error(data, capsys):
    fit(build(data), data, replace(FAST_RUN, epochs=1), device=CPU, progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and "val_accuracy" in captured.err
    fit(build(data), data, replace(FAST_RUN, epochs=1), device=CPU, progress=False)
    assert capsys.readouterr() == ("", "")
