"""The course's models and data in PyTorch Lightning: the same numbers as `helpers.training.fit`.

With the same model, data, configuration and seed the losses, accuracies and weights are equal bit
for bit on the CPU in float32; a test proves it.
"""

import logging
import time
import warnings
from collections.abc import Callable
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from helpers.data.batches import Batches, ImageData
from helpers.recipes import TrainingConfig
from helpers.speed import keep_freed_memory
from helpers.support.processes import is_main
from helpers.support.progress import Progress
from helpers.training import (
    History,
    evaluation_batches,
    make_optimizer,
    make_scheduler,
    restore,
    start_epoch,
    training_batches,
    training_state,
)


def quiet_lightning() -> None:
    """Silence Lightning's start-up lines and its advice on workers, which we do not need.

    The batches are tensors in memory already, so there is nothing for workers to do.
    """
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*number of training batches.*logging interval.*")
    # Without TensorBoard Lightning logs to a CSV file, which is what we want.
    warnings.filterwarnings("ignore", message=".*tensorboardX.*")
    # Training on a few images to find mistakes needs no validation.
    warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
    # Lightning 2.6 on PyTorch 2.14 uses a name that PyTorch has since deprecated.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists and is not empty.*")


class ImageDataModule(pl.LightningDataModule):
    """Batches of `data` as `config` wants them; each process gets its share."""

    def __init__(self, data: ImageData, config: TrainingConfig) -> None:
        super().__init__()
        self.data, self.config = data, config

    def train_dataloader(self) -> Batches:
        return training_batches(self.data, self.config)

    def val_dataloader(self) -> Batches:
        return evaluation_batches(self.data, "val")

    def test_dataloader(self) -> Batches:
        return evaluation_batches(self.data, "test")


class LitClassifier(pl.LightningModule):
    """A classifier with its loss, metrics, optimizer and schedule.

    Logs train_loss, val_loss, val_accuracy, and test_loss, test_accuracy under `Trainer.test`.
    `first_epoch` is above 0 where a run of our own run folder goes on.
    """

    def __init__(
        self, model: nn.Module, config: TrainingConfig, num_classes: int = 10, first_epoch: int = 0
    ) -> None:
        super().__init__()
        self.model, self.config, self.first_epoch = model, config, first_epoch
        self.val_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.test_accuracy = MulticlassAccuracy(num_classes, average="micro")

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)

    def on_fit_start(self) -> None:
        keep_freed_memory()

    def on_train_epoch_start(self) -> None:
        # A DataLoader shuffles by itself; our batches want to be told the epoch.
        batches = self.trainer.train_dataloader
        if isinstance(batches, Batches):
            start_epoch(batches, self.first_epoch + self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(
            self(images).float(), labels, label_smoothing=self.config.label_smoothing
        )
        count = len(labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=count, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._log_metrics("val", self.val_accuracy, batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._log_metrics("test", self.test_accuracy, batch)

    def _log_metrics(
        self, split: str, accuracy: MulticlassAccuracy, batch: tuple[Tensor, Tensor]
    ) -> None:
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits.float(), labels)
        self.log(f"{split}_loss", loss, on_epoch=True, batch_size=len(labels), sync_dist=True)
        # The metric counts right answers over batches and processes, and divides once.
        accuracy.update(logits, labels)
        self.log(f"{split}_accuracy", accuracy, on_epoch=True)

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.model, self.config)
        steps = int(self.trainer.estimated_stepping_batches)
        steps_per_epoch = max(1, steps // max(1, self.trainer.max_epochs or 1))
        scheduler = make_scheduler(optimizer, self.config, steps_per_epoch)
        if scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


class HistoryCallback(pl.Callback):
    """Keeps a `helpers.training.History` of a Lightning run.

    Lightning's ModelCheckpoint and `ckpt_path` are not used: a run folder is to be read, and gone
    on with, by `train.py` too. Nor is its progress bar: both scripts show the same lines.

    Args:
        config: the run's configuration.
        precision: fp32 or bf16, to be noted.
        state: what an earlier run gave to `after_epoch`; training goes on after that epoch.
        progress: show each finished epoch on standard error, as `helpers.training.fit` does.
        after_epoch: called with the state after every epoch, as in `helpers.training.fit`.
    """

    def __init__(
        self,
        config: TrainingConfig,
        precision: str = "fp32",
        *,
        state: dict[str, Any] | None = None,
        progress: bool = False,
        after_epoch: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.state, self.after_epoch = state, after_epoch
        self.history = History(precision=precision)
        if state is not None:
            self.history.restore(state)
        self.epochs_left = 0 if self.history.is_over(config) else config.epochs - len(self.history)
        self.shown = Progress(config.epochs, enabled=progress and is_main())

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self.state is not None:
            restore(self.state, pl_module.model, trainer.optimizers[0], _scheduler(trainer))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = time.perf_counter()
        self.shown.begin(len(self.history), int(trainer.num_training_batches))

    def on_train_batch_end(self, *_: Any) -> None:
        self.shown.bar.update()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        metrics, batches = trainer.callback_metrics, cast(Batches, trainer.train_dataloader)
        row = {
            "epoch": len(self.history) + 1,
            "train_loss": metrics["train_loss"].item(),
            "val_loss": metrics["val_loss"].item(),
            "val_accuracy": metrics["val_accuracy"].item(),
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.perf_counter() - self.started,
            "images_per_second": batches.num_images / (self.trained - self.started),
        }
        self.history.add(row, pl_module.model)
        self.shown.show(row)
        # EarlyStopping waits for a number that gets worse; a loss can explode at once.
        trainer.should_stop = trainer.should_stop or self.history.diverged
        if self.after_epoch is not None:
            model, optimizer = pl_module.model, trainer.optimizers[0]
            self.after_epoch(training_state(model, optimizer, _scheduler(trainer), self.history))


class PatientWhileGrowing(EarlyStopping):
    """Lightning's own callback, which does not count the first `growing_epochs`."""

    growing_epochs = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin such an epoch one below 0, so that it ends with 0 epochs waited at most."""
        if trainer.current_epoch < self.growing_epochs:
            self.wait_count = -1


def early_stopping(config: TrainingConfig, history: History) -> list[EarlyStopping]:
    """The callback, if `config` wants it, as far as `history` has come."""
    if not config.early_stopping:
        return []
    callback = PatientWhileGrowing("val_accuracy", mode="max", patience=config.early_stopping)
    callback.growing_epochs = config.growing_epochs - len(history)  # the Trainer counts from 0
    if len(history):
        best = torch.tensor(history.best_val_accuracy)
        waited = max(0, len(history) - max(history.best_epoch, config.growing_epochs))
        state = {"wait_count": waited, "best_score": best, "stopped_epoch": 0}
        callback.load_state_dict(state | {"patience": config.early_stopping})
    return [callback]


def _scheduler(trainer: pl.Trainer) -> Any:
    configs = trainer.lr_scheduler_configs
    return configs[0].scheduler if configs else None
