"""One training loop for every model and data set of the course.

Chapter 2 writes this loop out in the open; here it gains what a real run needs: a choice of
optimizer and learning-rate schedule, a history, the best weights, and a way to continue.
"""

import math
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from helpers.data import Batches, ImageData
from helpers.distributed import (
    is_main,
    rank,
    share_buffers,
    sum_over_processes,
    world_size,
    wrap,
)
from helpers.memory import keep_freed_memory
from helpers.precision import PRECISIONS, autocast, settle_precision
from helpers.progress import Progress

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULERS = ("none", "step", "linear", "cosine", "onecycle")
EVALUATION_BATCH_SIZE = 500
# Mean training loss (nats) of an epoch above which training has exploded: a classifier that
# guesses among 10 classes has 2.3, and this gives the right class a probability of e^-100.
EXPLODED_LOSS = 100.0
COLUMNS = (
    "epoch",
    "train_loss",
    "val_loss",
    "val_accuracy",
    "lr",
    "seconds",
    "images_per_second",
)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides how a model is trained.

    `momentum` counts for sgd and rmsprop. `lr` is the highest learning rate that the schedule
    reaches. `warmup_epochs` raises the rate linearly from almost 0 (not with onecycle, which has
    its own warm-up). `image_sizes` are heights and widths (pixels) that training images are
    resized to, each for an equal share of the epochs, in this order; () leaves them alone.
    `early_stopping` is the number of epochs without a better validation accuracy after which
    training stops; 0 turns it off.

    Raises:
        ValueError: a value is out of its range; the message is one line.
    """

    epochs: int = 10
    batch_size: int = 128
    optimizer: str = "adam"
    lr: float = 1e-3
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    scheduler: str = "none"
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    augment: bool = False
    image_sizes: tuple[int, ...] = ()
    early_stopping: int = 0
    precision: str = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        _require_choice("optimizer", self.optimizer, OPTIMIZERS)
        _require_choice("scheduler", self.scheduler, SCHEDULERS)
        _require_choice("precision", self.precision, PRECISIONS)
        _require(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        _require(self.batch_size >= 1, "batch size", self.batch_size, "at least 1")
        _require(0 < self.lr < math.inf, "learning rate", self.lr, "a number above 0")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "from 0 to below 1")
        _require(0 <= self.weight_decay < math.inf, "weight decay", self.weight_decay, "0 or more")
        _require(0 <= self.label_smoothing < 1, "label smoothing", self.label_smoothing, "0 to <1")
        _require(
            0 <= self.warmup_epochs < self.epochs,
            "warm-up epochs",
            self.warmup_epochs,
            f"from 0 to below the number of epochs, {self.epochs}",
        )
        _require(
            all(size >= 1 for size in self.image_sizes),
            "image sizes",
            ",".join(map(str, self.image_sizes)),
            "1 pixel or more",
        )
        _require(self.early_stopping >= 0, "early stopping", self.early_stopping, "0 or more")
        _require(0 <= self.seed < 2**31, "seed", self.seed, "from 0 to 2147483647")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ValueError("nesterov: needs the optimizer sgd with a momentum above 0")
        if self.warmup_epochs and self.scheduler == "onecycle":
            raise ValueError("warm-up epochs: onecycle has its own; choose another schedule")

    @property
    def size_of_epoch(self) -> tuple[int, ...]:
        """The image size of every epoch (pixels); empty where images keep their size."""
        sizes, epochs = self.image_sizes, self.epochs
        return tuple(sizes[e * len(sizes) // epochs] for e in range(epochs)) if sizes else ()


def _require(condition: bool, what: str, value: object, need: str) -> None:
    if not condition:
        raise ValueError(f"{what} {value}: must be {need}")


def _require_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"unknown {what} {value!r}: choose from {', '.join(choices)}")


def recipe(model_name: str, dataset_name: str, size: str = "large") -> TrainingConfig:
    """The settings this course found good, on the validation split, for a model and data set.

    Data sets other than MNIST (an own folder, the drawn stand-in) take those of CIFAR-10.
    """
    grey = dataset_name == "mnist"
    if model_name == "fastcnn" and grey:
        return TrainingConfig(
            epochs=5,
            batch_size=64,
            optimizer="sgd",
            lr=0.1,
            nesterov=True,
            weight_decay=5e-4,
            scheduler="linear",
            warmup_epochs=1,
            label_smoothing=0.1,
            augment=True,
            precision="auto",
        )
    if model_name == "fastcnn":
        return TrainingConfig(
            epochs=14,
            batch_size=128,
            optimizer="sgd",
            lr=0.18,
            momentum=0.85,
            nesterov=True,
            weight_decay=1.3e-3,
            scheduler="linear",
            warmup_epochs=3,
            label_smoothing=0.2,
            augment=True,
            # Most of what a network learns first is coarse, and small images cost less.
            image_sizes=(16, 20, 24, 32),
            precision="auto",
        )
    if model_name == "cnn":
        return TrainingConfig(
            epochs=4 if grey else 12,
            batch_size=128 if grey else 256,
            optimizer="sgd",
            lr=0.1 if grey else 0.2,
            nesterov=True,
            weight_decay=5e-4,
            scheduler="onecycle",
            label_smoothing=0.1,
            augment=True,
        )
    return TrainingConfig(
        epochs=15 if grey else 25,
        batch_size=128,
        optimizer="adamw",
        lr=2e-3 if grey else 1e-3,
        weight_decay=0.01,
        scheduler="cosine",
        augment=model_name != "softmax",
    )


class Metrics(NamedTuple):
    """Mean cross-entropy loss (nats) and accuracy (0 to 1) over a split."""

    loss: float
    accuracy: float


@dataclass
class History:
    """What happened in each epoch, and the weights of the best one.

    `rows` holds one dict an epoch with the keys of `COLUMNS`: epoch counted from 1, losses in
    nats, accuracy from 0 to 1, the learning rate after the epoch's last step, seconds for
    training and validation, training images per second of training alone.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict, repr=False)
    precision: str = "fp32"

    def __getitem__(self, column: str) -> list[float]:
        return [row[column] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def best_val_accuracy(self) -> float:
        return max(self["val_accuracy"], default=0.0)

    @property
    def seconds(self) -> float:
        return sum(self["seconds"])

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(COLUMNS))

    def load_best(self, model: nn.Module) -> None:
        """Give `model` the weights of the epoch with the best validation accuracy."""
        if self.best_state:
            model.load_state_dict(self.best_state)

    def add(self, row: dict[str, float], model: nn.Module) -> None:
        """Append a row; keep a copy of the weights if its validation accuracy is the best yet."""
        better = not self.rows or row["val_accuracy"] > self.best_val_accuracy
        self.rows.append(row)
        if better:
            self.best_epoch = int(row["epoch"])
            self.best_state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's training loss is not finite or has exploded."""
        return bool(self.rows) and not self.rows[-1]["train_loss"] < EXPLODED_LOSS

    def is_over(self, config: TrainingConfig) -> bool:
        """Whether the run has all its epochs, diverged, or lost its patience."""
        patience = config.early_stopping
        waited = patience > 0 and len(self.rows) - self.best_epoch >= patience
        return len(self.rows) >= config.epochs or self.diverged or waited

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `training_state` kept."""
        self.rows = [dict(row) for row in state["rows"]]
        self.best_epoch, self.precision = state["best_epoch"], state["precision"]
        self.best_state = dict(state["best_model"])


def best_device() -> torch.device:
    """The accelerator that PyTorch finds, else the CPU."""
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None and accelerator.is_available():
        return accelerator.current_accelerator()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def make_optimizer(model: nn.Module, config: TrainingConfig) -> Optimizer:
    """The optimizer that `config` names, over all parameters of `model`.

    `fused=True` updates all weights in one kernel; the result is that of the plain loop up to
    rounding (PyTorch documentation, `torch.optim`).
    """
    parameters, lr, decay = list(model.parameters()), config.lr, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=decay,
            fused=True,
        )
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=decay, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=decay, fused=True)
    return torch.optim.RMSprop(parameters, lr=lr, momentum=config.momentum, weight_decay=decay)


def make_scheduler(
    optimizer: Optimizer, config: TrainingConfig, steps_per_epoch: int
) -> LRScheduler | None:
    """The learning-rate schedule, to be stepped after every batch; None if there is none.

    step: a tenth after each third of the run. linear: a straight line down to 0. cosine: half a
    cosine down to 0 (Loshchilov and Hutter, 2017, "SGDR"). onecycle: up for 30 % of the run, then
    down to almost 0 (Smith and Topin, 2018, "Super-convergence").
    """
    total = config.epochs * steps_per_epoch
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if config.scheduler == "onecycle":
        return OneCycleLR(optimizer, max_lr=config.lr, total_steps=total, cycle_momentum=False)
    if config.scheduler == "none" and not warmup:
        return None

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / max(1, total - warmup)
        if config.scheduler == "linear":
            return 1 - min(done, 1.0)
        if config.scheduler == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return 0.1 ** min(int(3 * done), 2) if config.scheduler == "step" else 1.0

    return LambdaLR(optimizer, factor)


@torch.no_grad()
def predict_logits(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], precision: str = "fp32"
) -> tuple[Tensor, Tensor]:
    """Logits (float32, `N x num_classes`) and labels (int64, `N`) of all batches, on the CPU."""
    model.eval()
    device = next(model.parameters()).device
    logits, labels = [], []
    for images, targets in batches:
        with autocast(device, precision):
            logits.append(model(images.to(device)).float().cpu())
        labels.append(targets.cpu())
    return torch.cat(logits), torch.cat(labels)


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], precision: str = "fp32"
) -> Metrics:
    """Mean cross-entropy and accuracy of `model`, in evaluation mode, over all batches.

    Where several processes train together, each measures its share and all must call this.
    """
    model.eval()
    device = next(model.parameters()).device
    loss_sum = torch.zeros((), device=device)
    correct = torch.zeros((), dtype=torch.int64, device=device)
    count = torch.zeros((), dtype=torch.int64, device=device)
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        with autocast(device, precision):
            logits = model(images)
        loss_sum += F.cross_entropy(logits.float(), labels) * len(labels)
        correct += (logits.argmax(dim=1) == labels).sum()
        count += len(labels)
    loss_sum, correct, count = sum_over_processes(loss_sum, correct, count)
    return Metrics((loss_sum / count).item(), (correct.float() / count).item())


def train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: Optimizer,
    scheduler: LRScheduler | None = None,
    label_smoothing: float = 0.0,
    precision: str = "fp32",
) -> float:
    """One pass over `batches`; returns the mean training loss (nats), of all processes.

    The loss stays on the device until the end: asking for its value at every step would make a
    GPU wait.
    """
    model.train()
    device = next(model.parameters()).device
    loss_sum = torch.zeros((), device=device)
    count = torch.zeros((), dtype=torch.int64, device=device)
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        with autocast(device, precision):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        loss_sum += loss.detach() * len(labels)
        count += len(labels)
    loss_sum, count = sum_over_processes(loss_sum, count)
    return (loss_sum / count).item()


def fit(
    model: nn.Module,
    data: ImageData,
    config: TrainingConfig,
    *,
    device: torch.device | str | None = None,
    progress: bool = True,
    state: dict[str, Any] | None = None,
    after_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> History:
    """Train `model` on `data.train`, validate on `data.val` after every epoch.

    The test split is never touched. On return `model` has the last epoch's weights;
    `history.load_best(model)` gives it the best ones. A loss that explodes, or is no longer
    finite, ends the run with `history.diverged`.

    Where several processes train together, all must call this; the batch size is that of all.

    Args:
        device: where to train; without it, the accelerator if there is one.
        progress: show on standard error how far it is.
        state: what an earlier call gave to `after_epoch`; training goes on after that epoch.
        after_epoch: called with the state after every epoch: see `training_state`.
    """
    device = torch.device(device) if device is not None else best_device()
    keep_freed_memory()
    model.to(device)
    data = data.to(device)
    share = {"rank": rank(), "world_size": world_size()}
    batches = training_batches(data, config)
    val_batches = data.batches("val", EVALUATION_BATCH_SIZE, **share)
    optimizer = make_optimizer(model, config)
    scheduler = make_scheduler(optimizer, config, len(batches))
    history = History()
    if state is None:
        history.precision = settle_precision(config.precision, model, batches, announce=progress)
    else:
        history.restore(state)
        restore(state, model, optimizer, scheduler)
    trained_model = wrap(model)

    shown = Progress(config.epochs, enabled=progress and is_main())
    while not history.is_over(config):
        epoch = len(history)
        started = time.perf_counter()
        start_epoch(batches, epoch)
        train_loss = train_epoch(
            trained_model,
            shown.over(batches, epoch),
            optimizer,
            scheduler,
            config.label_smoothing,
            history.precision,
        )
        trained = time.perf_counter()
        share_buffers(model)
        val = evaluate(model, val_batches, history.precision)
        row = {
            "epoch": epoch + 1,
            "train_loss": train_loss,
            "val_loss": val.loss,
            "val_accuracy": val.accuracy,
            "lr": float(optimizer.param_groups[0]["lr"]),
            "seconds": time.perf_counter() - started,
            "images_per_second": len(data.train) / (trained - started),
        }
        history.add(row, model)
        shown.show(row)
        if after_epoch is not None:
            after_epoch(training_state(model, optimizer, scheduler, history))
    return history


def training_batches(data: ImageData, config: TrainingConfig) -> Batches:
    """The training split's batches as `config` wants them; each process gets its share."""
    return data.batches(
        "train",
        config.batch_size,
        shuffle=True,
        augment=config.augment,
        seed=config.seed,
        image_sizes=config.size_of_epoch,
        rank=rank(),
        world_size=world_size(),
    )


@torch.no_grad()
def check_image_sizes(model: nn.Module, data: ImageData, config: TrainingConfig) -> None:
    """Find out before training whether the images can have the sizes that `config` names.

    Raises:
        ValueError: a size is larger than the images are, or the model cannot take it.
    """
    channels, height, width = data.image_shape
    wanted = ",".join(map(str, config.image_sizes))
    if any(size > min(height, width) for size in config.image_sizes):
        raise ValueError(f"image sizes {wanted}: the images have {height} x {width} pixels only")
    device, training = next(model.parameters()).device, model.training
    model.eval()
    for size in set(config.image_sizes):
        try:
            model(torch.zeros(1, channels, size, size, device=device))
        except RuntimeError as error:
            raise ValueError(
                f"image sizes {wanted}: the model cannot take {size} x {size} pixels"
            ) from error
    model.train(training)


def start_epoch(batches: Batches, epoch: int) -> None:
    """Make everything random in an epoch (from 0) depend on seed and epoch alone.

    That is the order and augmentation of `batches`, and what layers such as dropout draw.
    """
    batches.set_epoch(epoch)
    torch.manual_seed(batches.seed * 1_000_003 + epoch)


def training_state(
    model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler | None, history: History
) -> dict[str, Any]:
    """Everything that training needs to go on after an epoch: tensors and plain values only.

    The keys: model and optimizer (state dicts), scheduler, rows, best_epoch, best_model (a state
    dict), precision, world_size.
    """
    schedule = {} if scheduler is None else scheduler.state_dict()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        # A schedule's functions are made anew from the configuration; only numbers are kept.
        "scheduler": {k: v for k, v in schedule.items() if isinstance(v, int | float | list)},
        "rows": history.rows,
        "best_epoch": history.best_epoch,
        "best_model": history.best_state,
        "precision": history.precision,
        "world_size": world_size(),
    }


def restore(
    state: dict[str, Any],
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
) -> None:
    """Put model, optimizer and schedule where `training_state` found them."""
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if scheduler is not None:
        scheduler.load_state_dict(state["scheduler"])


def config_dict(config: TrainingConfig) -> dict[str, Any]:
    """The configuration as plain values, for a JSON file or a checkpoint."""
    return asdict(config)


def with_epochs(config: TrainingConfig, epochs: int) -> TrainingConfig:
    """`config` with another length, in which the warm-up keeps its share."""
    return replace(
        config, epochs=epochs, warmup_epochs=config.warmup_epochs * epochs / config.epochs
    )


def with_changes(config: TrainingConfig, changes: dict[str, Any]) -> TrainingConfig:
    """`config` with the changes whose value is not None; names it does not have are ignored."""
    names = {f.name for f in fields(TrainingConfig)}
    given = {k: v for k, v in changes.items() if k in names and v is not None}
    return replace(config, **given)
