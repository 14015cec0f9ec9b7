"""This course's training, with and without Lightning.

The seconds are those of its own clocks, which stop before the validation.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.tasks import Task
from commands.lightning import make_trainer
from helpers.lit import HistoryCallback, ImageDataModule, LitClassifier
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
    """The Lightning module and `lightning_train.py`'s Trainer; each call trains one epoch."""
    data, config = task.data.to(task.device), task.config
    module = LitClassifier(task.build(), config)

    def epoch() -> float:
        callback = HistoryCallback(config, config.precision)
        options = {"precision": config.precision, "max_epochs": 1, "callbacks": [callback]}
        trainer = make_trainer(task.device, **options)
        trainer.fit(module, datamodule=ImageDataModule(data, config))
        return len(data.train) / callback.history["images_per_second"][-1]

    return epoch
