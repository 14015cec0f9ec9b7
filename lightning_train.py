"""The same training with PyTorch Lightning: python lightning_train.py --model cnn"""

import sys
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from commands.run import Run, main
from helpers.errors import UserError
from helpers.lit import (
    HistoryCallback,
    ImageDataModule,
    LitClassifier,
    OwnSignals,
    make_loggers,
    quiet_lightning,
)
from helpers.speed import settle_precision
from helpers.training import History, Metrics


def make_trainer(run: Run, **options: Any) -> pl.Trainer:
    quiet_lightning()
    flags = run.flags
    try:
        return pl.Trainer(
            max_epochs=run.config.epochs,
            accelerator=run.device.type,
            devices=flags.devices,
            num_nodes=flags.num_nodes,
            strategy=flags.strategy,
            logger=make_loggers(flags.logger, run.folder.path),
            enable_checkpointing=False,  # the history keeps and writes the checkpoints
            enable_progress_bar=False,  # and shows the progress
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **options,
        )
    except (ValueError, MisconfigurationException) as error:
        line = str(error).strip().splitlines()[0]
        raise UserError(f"Lightning cannot use these --devices or --strategy: {line}") from error


def train(run: Run) -> tuple[History, Callable[[], Metrics]]:
    data, config = run.data.to(run.device), run.config
    module, batches = LitClassifier(run.model, config), ImageDataModule(data, config)
    if run.state is None:
        precision = settle_precision(
            config.precision, run.model, batches.train_dataloader(), run.progress
        )
    else:
        precision = run.state["precision"]
    history = HistoryCallback(
        config, precision, state=run.state, progress=run.progress, after_epoch=run.save_epoch
    )
    trainer = make_trainer(
        run,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        callbacks=[history, OwnSignals()],
    )
    trainer.fit(module, datamodule=batches)

    def measure() -> Metrics:
        test = trainer.test(module, datamodule=batches, verbose=False)[0]
        return Metrics(test["test_loss"], test["test_accuracy"])

    return history.history, measure


if __name__ == "__main__":
    text = "Train an image classifier in PyTorch Lightning."
    sys.exit(main("lightning_train.py", text, train, lightning=True, check=make_trainer))
