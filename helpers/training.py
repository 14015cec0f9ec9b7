"""One training loop for every model and data set of the course.

Chapter 2 writes it in the open. Here it gains what a real run needs: a choice of optimizer and
schedule, a history, the best weights, and a way to go on after a stop.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from helpers.data.batches import Batches, ImageData
from helpers.precision import autocast, settle_precision
from helpers.recipes import TrainingConfig
from helpers.speed import keep_freed_memory
from helpers.support.processes import (
    is_main,
    rank,
    share_buffers,
    sum_over_processes,
    world_size,
    wrap,
)
from helpers.support.progress import Progress

EVALUATION_BATCH_SIZE = 500
# Mean training loss (nats) of an epoch above which training has exploded: a classifier that
# guesses among 10 classes has 2.3, and this gives the right class a probability of e^-100.
EXPLODED_LOSS = 100.0
# What a run notes of every epoch: losses in nats, accuracy from 0 to 1, the learning rate after the
# last step, seconds for training and validation, images per second of training alone.
COLUMNS = (
    *("epoch", "train_loss", "val_loss", "val_accuracy"),
    *("lr", "seconds", "images_per_second"),
)


class Metrics(NamedTuple):
    """Mean cross-entropy loss (nats) and accuracy (0 to 1) over a split."""

    loss: float
    accuracy: float


@dataclass
class History:
    """What happened in each epoch (from 1), and the weights of the best one.

    `rows` has a dict an epoch, with the keys of `COLUMNS`.
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
            # A copy: the next step changes the weights where they lie.
            self.best_state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's training loss is not finite or has exploded."""
        # Not `>=`: every comparison with nan is false.
        return bool(self.rows) and not self.rows[-1]["train_loss"] < EXPLODED_LOSS

    def is_over(self, config: TrainingConfig) -> bool:
        """Whether the run has all its epochs, diverged, or lost its patience."""
        patience = config.early_stopping
        since = max(self.best_epoch, config.growing_epochs)
        waited = patience > 0 and len(self.rows) - since >= patience
        return len(self.rows) >= config.epochs or self.diverged or waited

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `training_state` kept."""
        self.rows = [dict(row) for row in state["rows"]]
        self.best_epoch, self.precision = state["best_epoch"], state["precision"]
        self.best_state = dict(state["best_model"])


def best_device() -> torch.device:
    """The accelerator that PyTorch finds, else the CPU."""
    found = torch.accelerator.is_available() and torch.accelerator.current_accelerator()
    return found or torch.device("cpu")


def make_optimizer(model: nn.Module, config: TrainingConfig) -> Optimizer:
    """The optimizer that `config` names; chapter 4 writes each of them by hand."""
    shared: dict[str, Any] = {"params": list(model.parameters()), "lr": config.lr}
    shared["weight_decay"], momentum = config.weight_decay, config.momentum
    # Fused: one call updates all weights. Without it there is one call for each small tensor.
    if config.optimizer == "sgd":
        return torch.optim.SGD(**shared, momentum=momentum, nesterov=config.nesterov, fused=True)
    if config.optimizer == "adam":
        return torch.optim.Adam(**shared, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(**shared, fused=True)
    return torch.optim.RMSprop(**shared, momentum=momentum)


def make_scheduler(
    optimizer: Optimizer, config: TrainingConfig, steps_per_epoch: int
) -> LRScheduler | None:
    """The learning-rate schedule, to be stepped after every batch; None: the rate stays.

    Chapter 4 compares them. cosine: Loshchilov and Hutter, 2017, "SGDR". onecycle: Smith and
    Topin, 2018, "Super-convergence".
    """
    total = config.epochs * steps_per_epoch  # batches, not epochs: the rate changes smoothly
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if config.scheduler == "onecycle":  # up for 30 % of the run, then down to almost 0
        return _OneCycle(optimizer, max_lr=config.lr, total_steps=total, cycle_momentum=False)
    if config.scheduler == "none" and not warmup:
        return None

    def factor(step: int) -> float:
        """What the learning rate is multiplied by for this step (from 0)."""
        if step < warmup:  # a straight line up to 1
            return (step + 1) / warmup
        done = (step - warmup) / max(1, total - warmup)  # 0 after the warm-up, 1 at the end
        if config.scheduler == "linear":
            return 1 - min(done, 1.0)
        if config.scheduler == "cosine":  # slow, fast, slow
            return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        # step: a tenth after each third of the run
        return 0.1 ** min(int(3 * done), 2) if config.scheduler == "step" else 1.0

    return LambdaLR(optimizer, factor)


class _OneCycle(OneCycleLR):
    """PyTorch's own, which rises again behind its last step, held at the end: `lr` in the history
    is the rate after an epoch."""

    def get_lr(self) -> list[float | Tensor]:
        if self.last_epoch >= self.total_steps:
            return [group["min_lr"] for group in self.optimizer.param_groups]
        return super().get_lr()


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
            # float32 again, and out of the device's memory before the next batch comes
            logits.append(model(images.to(device)).float().cpu())
        labels.append(targets.cpu())
    return torch.cat(logits), torch.cat(labels)


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], precision: str = "fp32"
) -> Metrics:
    """Mean cross-entropy and accuracy of `model` over all batches: chapter 2's second loop.

    Where several processes train together, each measures its share and all must call this.
    """
    model.eval()  # batch normalisation by its running means, dropout off
    device = next(model.parameters()).device
    # Sums, divided once at the end: the last batch is smaller, so a mean of means would be wrong.
    loss_sum = torch.zeros((), device=device)
    correct = torch.zeros((), dtype=torch.int64, device=device)
    count = torch.zeros((), dtype=torch.int64, device=device)
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        with autocast(device, precision):
            logits = model(images)
        # No label smoothing here: runs with and without it stay comparable.
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

    Chapter 2 writes this loop in the open. New are the schedule, label smoothing and precision.
    """
    model.train()  # batch normalisation by the batch's own means, dropout on
    device = next(model.parameters()).device
    # The sums stay on the device: asking for a value at every step would make a GPU wait.
    loss_sum = torch.zeros((), device=device)
    count = torch.zeros((), dtype=torch.int64, device=device)
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        with autocast(device, precision):
            logits = model(images)  # forward: pixels to scores
        # In float32 whatever the precision: bfloat16 has two to three decimal digits only.
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
        optimizer.zero_grad()  # forget the last step's gradients: backward() adds to them
        loss.backward()  # backward: a slope for every weight
        optimizer.step()  # a step down the slope
        if scheduler is not None:
            scheduler.step()  # after the optimizer's step, or the first rate would be skipped
        loss_sum += loss.detach() * len(labels)  # without its gradients, or all batches stay alive
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
    finite, ends the run with `history.diverged`. Where several processes train together, all must
    call this.

    Args:
        device: where to train; without it, the accelerator if there is one.
        progress: show on standard error how far it is.
        state: what an earlier call gave to `after_epoch`; training goes on after that epoch.
        after_epoch: called with the state after every epoch: see `training_state`.
    """
    device = torch.device(device) if device is not None else best_device()
    keep_freed_memory()
    # All images move at once, as bytes; a batch of them is made where the model is.
    model.to(device)
    data = data.to(device)
    batches = training_batches(data, config)
    val_batches = evaluation_batches(data, "val")
    optimizer = make_optimizer(model, config)
    scheduler = make_scheduler(optimizer, config, len(batches))
    history = History()
    if state is None:  # a fresh run: bf16 or fp32 is decided once, for all its epochs
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
        share_buffers(model)  # the running means, which each process has taken of its own images
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
        history.add(row, model)  # keeps the weights if they are the best yet
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


def evaluation_batches(data: ImageData, split: str) -> Batches:
    """All images of the split named val or test, in order; each process gets its share."""
    return data.batches(split, EVALUATION_BATCH_SIZE, rank=rank(), world_size=world_size())


@torch.no_grad()
def check_image_sizes(model: nn.Module, data: ImageData, config: TrainingConfig) -> None:
    """Find out before training whether the model can take the batches that `config` makes.

    Raises:
        ValueError: a size is larger than the images are, the model cannot take it, or the last
            batch of an epoch has one image only and the model needs more.
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
    last = len(data.train) % config.batch_size or config.batch_size
    if last // world_size() == 1:
        sides = [(size, size) for size in {*config.image_sizes}] or [(height, width)]
        trial = copy.deepcopy(model).train()
        try:
            for side in sides:
                trial(torch.zeros(1, channels, *side, device=device))
        except ValueError as error:  # batch normalisation takes no mean over a single number
            raise ValueError(
                f"batch size {config.batch_size}: the last batch of an epoch has one image, and "
                "batch normalisation needs two; choose another batch size"
            ) from error


def start_epoch(batches: Batches, epoch: int) -> None:
    """Make everything random in an epoch (from 0) depend on seed and epoch alone.

    So a run that goes on draws what it would have drawn without a stop.
    """
    batches.set_epoch(epoch)  # order and augmentation
    torch.manual_seed(batches.epoch_seed)  # what layers such as dropout draw


def training_state(
    model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler | None, history: History
) -> dict[str, Any]:
    """Everything that training needs to go on after an epoch: tensors and plain values only.

    It is a copy, which stays what it is while the training goes on. The keys: model and optimizer
    (state dicts), scheduler, rows, best_epoch, best_model (a state dict), precision, world_size.
    """
    schedule = {} if scheduler is None else scheduler.state_dict()
    state = {
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
    return copy.deepcopy(state)


def restore(
    state: dict[str, Any],
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
) -> None:
    """Put model, optimizer and schedule where `training_state` found them."""
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # it would train on in these
    if scheduler is not None:
        scheduler.load_state_dict(state["scheduler"])
