"""This course's training, with and without Lightning.

The seconds are those of its own clocks, which stop before the validation.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl

from benchmarks.tasks import Task
from helpers.lit import HistoryCallback, ImageDataModule, LitClassifier, quiet_lightning
from helpers.training import fit


def loop(task: Task) -> Callable[[], float]:
    """`fit`; each call goes on for one more epoch and returns its seconds."""
    model, data = task.build(), task.data.to(task.device)
    options: dict[str, Any] = {"device": task.device, "progress": False, "state": None}

    def epoch() -> float:
        done = 0 if options["state"] is None else len(options["state"]["rows"])
        config = replace(task.config, epochs=done + 1)
        history = fit(model, data, config, after_epoch=lambda s: options.update(state=s), **options)
        return len(data.train) / history["images_per_second"][-1]

    return epoch


def lightning(task: Task) -> Callable[[], float]:
    """The Lightning module, trained as by `lightning_train.py`; each call trains one epoch."""
    quiet_lightning()
    data, config = task.data.to(task.device), task.config
    module = LitClassifier(task.build(), config)

    def epoch() -> float:
        callback = HistoryCallback(config, config.precision)
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator=task.device.type,
            devices=1,
            precision="bf16-mixed" if config.precision == "bf16" else "32-true",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[callback],
        )
        trainer.fit(module, datamodule=ImageDataModule(data, config))
        return len(data.train) / callback.history["images_per_second"][-1]

    return epoch
