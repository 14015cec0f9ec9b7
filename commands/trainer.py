"""What `lightning_train.py` needs beside `helpers.lightning`: Trainer, loggers, precision."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from commands.prepare import Run, require_same_data
from helpers.data import ImageData
from helpers.lightning import ImageDataModule, quiet_lightning
from helpers.precision import settle_precision
from helpers.support.errors import UserError
from helpers.support.processes import gathered, is_main, launched, number

PRECISION = "COURSE_PRECISION"  # in the environment: what the first process has settled


def make_trainer(
    device: torch.device,
    *,
    devices: int = 1,
    num_nodes: int = 1,
    strategy: str = "auto",
    precision: str = "fp32",
    loggers: list[Logger] | bool = False,
    **options: Any,
) -> pl.Trainer:
    """The Trainer of `lightning_train.py`: checkpoints and progress are the history's."""
    quiet_lightning()
    if devices * num_nodes == 1:  # alone, whatever SLURM's or another launcher's variables say
        options["plugins"] = [LightningEnvironment()]
        rank_zero_only.rank = 0  # type: ignore[attr-defined]
    wanted = [device.index] if device.index is not None and devices == 1 else devices
    try:
        return pl.Trainer(
            accelerator=device.type,
            devices=wanted if device.type != "cpu" else devices,
            num_nodes=num_nodes,
            strategy=strategy,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            logger=loggers,
            enable_checkpointing=False,  # the history keeps and writes the checkpoints
            enable_progress_bar=False,  # and shows the progress
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **options,
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        line = str(error).strip().splitlines()[0]
        raise UserError(f"Lightning cannot start with these settings: {line}") from error


def settle_for_all(run: Run, batches: ImageDataModule) -> str:
    """fp32 or bf16, the same in all processes: those that Lightning starts take the first one's."""
    wanted = run.config.precision
    if wanted != "auto":
        return wanted
    if number() > 0 and PRECISION in os.environ:
        return os.environ[PRECISION]
    if number() > 0 and launched() == 1:  # they cannot agree before Lightning has them joined
        raise UserError("--precision auto cannot be agreed on here: choose fp32 or bf16")
    settled = settle_precision(wanted, run.model, batches.train_dataloader(), run.progress)
    os.environ[PRECISION] = settled
    return settled


class SameData(pl.Callback):
    """Ends the run before its first step if the processes have different data."""

    def __init__(self, data: ImageData) -> None:
        self.identity = data.identity()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        require_same_data(gathered(self.identity))


class OwnSignals(pl.Callback):
    """Leaves Ctrl-C and SIGTERM to the program that calls `Trainer.fit`.

    Lightning's own handler of SIGTERM talks to the other processes from within, which can hang
    when they are in the middle of averaging gradients.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for which, handler in self.handlers.items():
            signal.signal(which, handler)


def make_loggers(names: list[str], folder: Path) -> list[Logger] | bool:
    """Lightning's own loggers by name, csv or tensorboard, writing below `folder`."""
    loggers: list[Logger] = []
    if "csv" in names:
        loggers.append(_csv_logger(folder))
    if "tensorboard" in names:
        try:
            loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
        except ModuleNotFoundError as error:
            raise UserError(
                "--logger tensorboard: TensorBoard is not installed; pip install tensorboard"
            ) from error
    return loggers or False


def _csv_logger(folder: Path) -> CSVLogger:
    """Lightning's logger deletes the file of a run that goes on: here it is written further."""
    logger = CSVLogger(folder, name="lightning_csv", version="")
    file, kept = Path(logger.log_dir) / "metrics.csv", Path(logger.log_dir) / "metrics.csv.before"
    if is_main() and (file.exists() or kept.exists()):
        if file.exists():
            file.replace(kept)
        writer = logger.experiment
        with open(kept, encoding="utf-8", newline="") as opened:
            writer.metrics_keys = next(csv.reader(opened), [])
        kept.replace(file)
    return logger
