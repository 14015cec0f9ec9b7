"""The training loop: it learns, it repeats, it continues, and it equals Lightning's."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

from helpers.data.load import load
from helpers.lit import ImageDataModule, LitClassifier, quiet_lightning
from helpers.models import MODEL_NAMES, build_model
from helpers.recipes import (
    OPTIMIZERS,
    SCHEDULERS,
    TrainingConfig,
    recipe,
    with_changes,
    with_epochs,
)
from helpers.speed import autocast, choose_precision
from helpers.training import (
    COLUMNS,
    History,
    check_image_sizes,
    evaluate,
    fit,
    make_optimizer,
    make_scheduler,
    predict_logits,
    train_epoch,
)

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
FAST_RUN = TrainingConfig(epochs=2, batch_size=64, lr=2e-3)
LIGHTNING = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}


@pytest.fixture(scope="module")
def data():
    return load("mnist", mode="sample").subset(640)


@pytest.fixture(scope="module")
def colour():
    return load("cifar10", mode="sample").subset(320)


def train(data, config, name="linear", size="small", **options):
    model = build_model(name, data.image_shape, data.num_classes, size, config.seed)
    return model, fit(model, data, config, device=CPU, progress=False, **options)


def same_weights(first, second):
    first, second = first.state_dict(), second.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns(data, optimizer):
    config = TrainingConfig(
        epochs=4, batch_size=64, optimizer=optimizer, lr=0.02 if optimizer == "sgd" else 5e-4
    )
    _, history = train(data, config)
    assert history["train_loss"][-1] < 0.7 * history["train_loss"][0]
    assert history["val_accuracy"][-1] > 0.6


def test_history_has_the_promised_columns(data):
    _, history = train(data, FAST_RUN)
    assert [tuple(row) for row in history.rows] == [COLUMNS] * 2
    assert history["epoch"] == [1, 2] and history.seconds > 0
    assert list(history.to_frame().columns) == list(COLUMNS)
    assert history.best_val_accuracy == max(history["val_accuracy"])


def test_the_same_seed_gives_the_same_weights_and_another_does_not(data):
    config = replace(FAST_RUN, augment=True)
    first, one = train(data, config)
    torch.rand(7)
    second, two = train(data, config)
    third, _ = train(data, replace(config, seed=1))
    assert same_weights(first, second) and one["train_loss"] == two["train_loss"]
    assert not same_weights(first, third)


def test_augmentation_reaches_the_training_images(data):
    plain, _ = train(data, FAST_RUN)
    augmented, _ = train(data, replace(FAST_RUN, augment=True))
    assert not same_weights(plain, augmented)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_continued_run_equals_one_that_never_stopped(data, optimizer, scheduler):
    config = TrainingConfig(
        epochs=4, batch_size=64, optimizer=optimizer, scheduler=scheduler, augment=True
    )
    states = []
    whole, history = train(data, config, after_epoch=lambda state: states.append(state))
    model = build_model("linear", data.image_shape, data.num_classes, seed=9)
    rest = fit(model, data, config, device=CPU, progress=False, state=states[1])
    assert same_weights(whole, model)
    for column in ("epoch", "train_loss", "val_loss", "val_accuracy", "lr"):
        assert rest[column] == history[column]
    assert rest.best_epoch == history.best_epoch


def test_a_continued_run_goes_on_with_images_of_its_epoch_s_size(data):
    config = TrainingConfig(epochs=4, batch_size=64, augment=True, image_sizes=(16, 20, 28))
    states = []
    whole, history = train(data, config, "cnn", after_epoch=lambda state: states.append(state))
    for done in (1, 3):  # in the middle of a size, and where the size changes
        model = build_model("cnn", data.image_shape, data.num_classes, "small", seed=9)
        rest = fit(model, data, config, device=CPU, progress=False, state=states[done - 1])
        assert same_weights(whole, model) and rest["train_loss"] == history["train_loss"]


def test_lightning_measures_the_test_split_as_evaluate_does(data):
    config = replace(FAST_RUN, epochs=1)
    model = build_model("linear", data.image_shape, data.num_classes)
    quiet_lightning()
    trainer = pl.Trainer(max_epochs=1, **LIGHTNING)
    module = LitClassifier(model, config)
    trainer.fit(module, datamodule=ImageDataModule(data, config))
    measured = trainer.test(module, datamodule=ImageDataModule(data, config), verbose=False)[0]
    expected = evaluate(model, data.batches("test", 500))
    assert measured["test_accuracy"] == expected.accuracy
    assert measured["test_loss"] == expected.loss


def test_the_test_split_is_never_touched_by_fit(data):
    other = replace(data, test=data.test[:3])
    first, history = train(data, FAST_RUN)
    second, same = train(other, FAST_RUN)
    assert same_weights(first, second) and history["val_loss"] == same["val_loss"]


def test_evaluate_agrees_with_a_calculation_by_hand(data):
    model = build_model("cnn", data.image_shape, data.num_classes, "small").train()
    metrics = evaluate(model, data.batches("val", 64))
    logits, labels = predict_logits(model, data.batches("val", 37))
    assert logits.shape == (400, 10) and torch.equal(labels, data.val.labels)
    assert metrics.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    expected = (logits.argmax(1) == labels).double().mean().item()
    assert metrics.accuracy == pytest.approx(expected)


def test_training_uses_batch_statistics_and_evaluation_does_not(data):
    model = build_model("cnn", data.image_shape, data.num_classes, "small")
    running = model.features[1].running_mean.clone()
    evaluate(model, data.batches("val"))
    assert torch.equal(model.features[1].running_mean, running) and not model.training
    train_epoch(model, data.batches("train"), make_optimizer(model, FAST_RUN))
    assert not torch.equal(model.features[1].running_mean, running) and model.training


def test_label_smoothing_changes_training_and_not_validation(data):
    config = replace(FAST_RUN, epochs=1, lr=1e-12)
    _, plain = train(data, config)
    _, smooth = train(data, replace(config, label_smoothing=0.5))
    assert plain["train_loss"] != smooth["train_loss"]
    assert plain["val_loss"] == pytest.approx(smooth["val_loss"], rel=1e-6)


def test_a_loss_that_is_not_finite_ends_the_run(data):
    config = TrainingConfig(epochs=5, optimizer="sgd", lr=1e20)
    _, history = train(data, config)
    assert history.diverged and len(history) < 5
    assert not math.isfinite(history["train_loss"][-1])


@pytest.mark.parametrize(
    ("loss", "diverged"),
    [(2.3, False), (99.0, False), (101.0, True), (1e30, True), (math.inf, True), (math.nan, True)],
)
def test_an_exploded_loss_counts_as_diverged(loss, diverged):
    history = History(rows=[{"epoch": 1, "train_loss": loss, "val_accuracy": 0.5}])
    assert history.diverged is diverged
    assert history.is_over(TrainingConfig(epochs=9)) is diverged


def test_layers_that_draw_random_numbers_draw_the_same_when_a_run_goes_on(data):
    def with_dropout(seed):
        model = build_model("linear", data.image_shape, data.num_classes, seed=seed)
        return torch.nn.Sequential(model, torch.nn.Dropout(0.5))

    config, states = replace(FAST_RUN, epochs=3), []
    whole, other = with_dropout(0), with_dropout(1)
    keep = {"after_epoch": lambda state: states.append(state)}
    fit(whole, data, config, device=CPU, progress=False, **keep)
    torch.rand(5)  # what ran before must not matter
    fit(other, data, config, device=CPU, progress=False, state=states[0])
    assert same_weights(whole, other)


def test_early_stopping_waits_for_its_patience(data):
    config = replace(FAST_RUN, epochs=9, lr=1e-12, early_stopping=2)
    _, history = train(data, config)
    assert len(history) == 3 and history.best_epoch == 1


def test_best_weights_are_those_of_the_best_epoch():
    model = torch.nn.Linear(1, 1)
    history = History()
    for epoch, accuracy in enumerate([0.5, 0.9, 0.9, 0.7], start=1):
        torch.nn.init.constant_(model.weight, epoch)
        history.add({"epoch": epoch, "val_accuracy": accuracy}, model)
    history.load_best(model)
    assert history.best_epoch == 2 and model.weight.item() == 2


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
    assert learning_rates(config, 3) == pytest.approx([0.5 * factor for factor in shape])


def test_warmup_rises_linearly_and_onecycle_peaks_at_lr():
    config = TrainingConfig(epochs=4, lr=1.0, warmup_epochs=1)
    assert learning_rates(config, 4) == pytest.approx([0.25, 0.5, 0.75, 1.0] + [1.0] * 12)
    rates = learning_rates(TrainingConfig(epochs=10, lr=1.0, scheduler="onecycle"), 10)
    assert max(rates) == pytest.approx(1.0, rel=1e-3) and rates[-1] < 1e-3
    assert 0.2 < rates.index(max(rates)) / len(rates) < 0.4


def learning_rates(config, steps_per_epoch):
    optimizer = make_optimizer(torch.nn.Linear(1, 1), replace(config, optimizer="sgd"))
    scheduler = make_scheduler(optimizer, config, steps_per_epoch)
    rates = []
    for _ in range(config.epochs * steps_per_epoch):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return rates


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_get_their_settings(optimizer):
    config = TrainingConfig(optimizer=optimizer, lr=0.3, momentum=0.7, weight_decay=0.2)
    made = make_optimizer(torch.nn.Linear(2, 2), config)
    group = made.param_groups[0]
    assert type(made).__name__.lower() == optimizer
    assert group["lr"] == 0.3 and group["weight_decay"] == 0.2
    assert optimizer in ("adam", "adamw") or group["momentum"] == 0.7


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"optimizer": "lion"},
        {"lr": 0.0},
        {"lr": -1.0},
        {"lr": math.inf},
        {"lr": math.nan},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"scheduler": "poly"},
        {"warmup_epochs": 10.0},
        {"warmup_epochs": 1.0, "scheduler": "onecycle"},
        {"label_smoothing": 1.0},
        {"early_stopping": -1},
        {"image_sizes": (16, 0)},
        {"precision": "fp8"},
        {"seed": -1},
        {"nesterov": True, "optimizer": "adam"},
        {"nesterov": True, "optimizer": "sgd", "momentum": 0.0},
    ],
)
def test_bad_settings_are_one_clear_line(changes):
    with pytest.raises(ValueError) as error:
        TrainingConfig(**changes)
    assert "\n" not in str(error.value) and len(str(error.value)) > 15


def test_image_sizes_share_the_epochs_in_their_order():
    sizes = TrainingConfig(epochs=7, image_sizes=(16, 20, 28)).size_of_epoch
    assert sizes == (16, 16, 16, 20, 20, 28, 28)
    assert TrainingConfig(epochs=2, image_sizes=(16, 20, 28)).size_of_epoch == (16, 20)
    assert TrainingConfig(epochs=2).size_of_epoch == ()


def test_sizes_that_a_model_cannot_take_are_found_before_training(data):
    config = TrainingConfig(image_sizes=(16, 28))
    small, linear = (
        build_model(name, data.image_shape, data.num_classes, "small") for name in ("cnn", "linear")
    )
    small.train()
    before = {name: value.clone() for name, value in small.state_dict().items()}
    check_image_sizes(small, data, config)
    assert small.training and all(torch.equal(before[k], v) for k, v in small.state_dict().items())
    check_image_sizes(linear, data, replace(config, image_sizes=()))
    for model, sizes in ((linear, (16, 28)), (small, (16, 29)), (small, (2, 28))):
        with pytest.raises(ValueError, match=f"image sizes {sizes[0]},{sizes[1]}: "):
            check_image_sizes(model, data, replace(config, image_sizes=sizes))


def test_a_shorter_run_keeps_its_share_of_warm_up():
    short = with_epochs(recipe("fastcnn", "cifar10"), 1)
    assert short.epochs == 1 and 0 < short.warmup_epochs < 1
    whole = recipe("fastcnn", "cifar10")
    assert with_epochs(short, whole.epochs) == whole


def test_with_changes_takes_what_is_given():
    config = with_changes(TrainingConfig(), {"lr": 0.5, "epochs": None, "out": "somewhere"})
    assert config == TrainingConfig(lr=0.5)


@pytest.mark.parametrize("model", MODEL_NAMES)
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_recipes_are_valid_and_augment_only_where_it_helps(model, name):
    assert recipe(model, name).augment == (model != "softmax")
    assert recipe(model, "own_folder") == recipe(model, "cifar10")


def test_bf16_trains_and_auto_chooses_one_of_the_two(data):
    _, history = train(data, replace(FAST_RUN, precision="bf16"), "cnn")
    assert history["train_loss"][-1] < history["train_loss"][0] and history.precision == "bf16"
    _, history = train(data, replace(FAST_RUN, epochs=1, precision="auto"))
    assert history.precision in ("fp32", "bf16")


def test_the_trial_leaves_the_model_as_it_was_and_believes_the_clock(data, monkeypatch):
    model = build_model("cnn", data.image_shape, 10, "small")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    batch = next(iter(data.batches("train", 32)))
    for slow in ("fp32", "bf16"):
        clock, current = [0.0], [""]

        def timed(device, precision, current=current):
            current[0] = precision
            return autocast(device, precision)

        def now(clock=clock, current=current, slow=slow):
            clock[0] += 1.0 if current[0] == slow else 0.1
            return clock[0]

        monkeypatch.setattr("helpers.speed.autocast", timed)
        monkeypatch.setattr("helpers.speed.time.perf_counter", now)
        trial = choose_precision(model, batch)
        assert trial.precision != slow and trial.precision in str(trial)
        assert (trial.bf16_seconds > trial.fp32_seconds) == (slow == "bf16")
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_without_bf16_units_the_trial_stays_with_float32():
    """oneDNN is forbidden all instructions after AVX2, so bfloat16 has no units to run on."""
    code = """
import torch
from helpers.models import build_model
from helpers.speed import choose_precision

batch = torch.randn(64, 3, 32, 32), torch.arange(64) % 10
for name in ("cnn", "fastcnn"):
    print(choose_precision(build_model(name, (3, 32, 32), 10, "middle"), batch).precision)
"""
    forbidden = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=forbidden, capture_output=True, text=True
    )
    assert done.stdout.split() == ["fp32"] * 2, done.stderr


def test_the_progress_bar_goes_to_standard_error(data, capsys):
    model = build_model("linear", data.image_shape, data.num_classes)
    fit(model, data, replace(FAST_RUN, epochs=1), device=CPU, progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and "val_accuracy" in captured.err
