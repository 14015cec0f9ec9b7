"""This course's training, called as its scripts call it."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.clock import Clock
from benchmarks.task import Task
from commands.flags import LIGHTNING_DEFAULTS
from commands.folder import RunFolder
from commands.run import Run
from helpers.lit import HistoryCallback, ImageDataModule, LitClassifier, OwnSignals
from helpers.training import fit
from lightning_train import make_trainer


def loop(task: Task) -> Callable[[], float]:
    """`fit`; each call goes on for one more epoch and returns the seconds of its training part.

    The seconds are those of `fit`'s own clock, which stops before the validation.
    """
    model, data = task.build(), task.data.to(task.device)
    state: dict[str, Any] | None = None

    def keep(reached: dict[str, Any]) -> None:
        nonlocal state
        state = reached

    def epoch() -> float:
        done = 0 if state is None else len(state["rows"])
        config = replace(task.config, epochs=done + 1)
        history = fit(
            model,
            data,
            config,
            device=task.device,
            progress=False,
            state=state,
            after_epoch=keep,
        )
        return task.num_images / history["images_per_second"][-1]

    return epoch


def lightning(task: Task) -> Callable[[], float]:
    """The Lightning module with the Trainer of `lightning_train.py`; each call trains one epoch."""
    data = task.data.to(task.device)
    module = LitClassifier(task.build(), task.config)
    # The folder is only named: neither loggers nor checkpoints are wanted.
    folder = RunFolder(Path("runs"))
    flags = Namespace(**LIGHTNING_DEFAULTS)
    run = Run(flags, task.config, data, module.model, task.device, folder)
    precision = task.config.precision

    def epoch() -> float:
        clock = Clock(task.device)
        history = HistoryCallback(task.config, precision)
        trainer = make_trainer(
            run,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            callbacks=[clock, history, OwnSignals()],
        )
        trainer.fit(module, datamodule=ImageDataModule(data, task.config))
        return clock.seconds

    return epoch
