"""The course's models and data in PyTorch Lightning: the same numbers as `helpers.training.fit`.

With the same model, data, configuration and seed the losses, accuracies and weights are equal bit
for bit on the CPU in float32; a test proves it.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data import Batches, ImageData
from helpers.training import (
    EVALUATION_BATCH_SIZE,
    History,
    TrainingConfig,
    make_optimizer,
    make_scheduler,
    training_state,
)


def quiet_lightning() -> None:
    """Silence Lightning's start-up lines and its advice on workers, which we do not need.

    The batches are tensors in memory already, so there is nothing for workers to do.
    """
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
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
    """Batches of `data` as `config` wants them."""

    def __init__(self, data: ImageData, config: TrainingConfig) -> None:
        super().__init__()
        self.data, self.config = data, config

    def train_dataloader(self) -> Batches:
        return self.data.batches(
            "train",
            self.config.batch_size,
            shuffle=True,
            augment=self.config.augment,
            seed=self.config.seed,
        )

    def val_dataloader(self) -> Batches:
        return self.data.batches("val", EVALUATION_BATCH_SIZE)

    def test_dataloader(self) -> Batches:
        return self.data.batches("test", EVALUATION_BATCH_SIZE)


class LitClassifier(pl.LightningModule):
    """A classifier with its loss, metrics, optimizer and schedule.

    Logs train_loss, val_loss, val_accuracy, and test_loss, test_accuracy under `Trainer.test`.
    """

    def __init__(self, model: nn.Module, config: TrainingConfig) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)

    def on_train_epoch_start(self) -> None:
        batches = self.trainer.train_dataloader
        if isinstance(batches, Batches):
            batches.set_epoch(self.current_epoch)
        torch.manual_seed(self.config.seed * 1_000_003 + self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(
            self(images).float(), labels, label_smoothing=self.config.label_smoothing
        )
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._log_metrics("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._log_metrics("test", batch)

    def _log_metrics(self, split: str, batch: tuple[Tensor, Tensor]) -> None:
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits.float(), labels)
        # The number of hits is a whole number, so the mean over batches is exact.
        hits = (logits.argmax(dim=1) == labels).sum().float()
        self.log(f"{split}_loss", loss, on_epoch=True, batch_size=len(labels))
        self.log(f"{split}_hits", hits, on_epoch=True, reduce_fx="sum")

    def on_validation_epoch_end(self) -> None:
        self._log_accuracy("val", self.trainer.val_dataloaders)

    def on_test_epoch_end(self) -> None:
        self._log_accuracy("test", self.trainer.test_dataloaders)

    def _log_accuracy(self, split: str, batches: Batches) -> None:
        hits = self.trainer.callback_metrics[f"{split}_hits"]
        self.log(f"{split}_accuracy", hits / batches.num_images)

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.model, self.config)
        steps_per_epoch = int(self.trainer.estimated_stepping_batches) // self.config.epochs
        scheduler = make_scheduler(optimizer, self.config, max(1, steps_per_epoch))
        if scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


class HistoryCallback(pl.Callback):
    """Keeps a `helpers.training.History` of a Lightning run.

    `after_epoch` is called with the state after every epoch, as in `helpers.training.fit`.
    """

    def __init__(
        self,
        precision: str = "fp32",
        after_epoch: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.history, self.after_epoch = History(precision=precision), after_epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = time.perf_counter()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = trainer.callback_metrics
        train_loss = metrics["train_loss"].item()
        batches = trainer.train_dataloader
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": train_loss,
            "val_loss": metrics["val_loss"].item(),
            "val_accuracy": metrics["val_accuracy"].item(),
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.perf_counter() - self.started,
            "images_per_second": batches.num_images / (self.trained - self.started),
        }
        self.history.add(row, pl_module.model)
        if not math.isfinite(train_loss):
            self.history.diverged = True
            trainer.should_stop = True
        if self.after_epoch is not None:
            schedules = trainer.lr_scheduler_configs
            scheduler = schedules[0].scheduler if schedules else None
            optimizer = trainer.optimizers[0]
            self.after_epoch(training_state(pl_module.model, optimizer, scheduler, self.history))
