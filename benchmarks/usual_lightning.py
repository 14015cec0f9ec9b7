"""The usual training in Lightning, as its first pages show it.

Progress bar, logger and checkpoints are turned off, which makes it faster than it is by default.
"""

from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from benchmarks.clock import Clock
from benchmarks.models import usual_layout
from benchmarks.task import Task
from benchmarks.usual import make_loader
from helpers.lit import quiet_lightning


class UsualModule(pl.LightningModule):
    """A model in Lightning as its first pages show it."""

    def __init__(self, model: nn.Module, lr: float) -> None:
        super().__init__()
        self.model, self.lr = model, lr

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs, labels = batch
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def loop(task: Task) -> Callable[[], float]:
    """Lightning with the tutorials' loader; each call trains one epoch and returns its seconds."""
    quiet_lightning()
    loader = make_loader(task, num_workers=0)
    module = UsualModule(usual_layout(task.build()), task.config.lr)

    def epoch() -> float:
        clock = Clock(task.device)
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator=task.device.type,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock],
        )
        trainer.fit(module, loader)
        return clock.seconds

    return epoch
