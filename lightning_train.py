"""The same training with PyTorch Lightning: python lightning_train.py --model cnn"""

import sys

import pytorch_lightning as pl

from helpers.cli import Run, main
from helpers.lit import HistoryCallback, ImageDataModule, LitClassifier, quiet_lightning
from helpers.training import History, choose_precision


def train(run: Run) -> History:
    quiet_lightning()
    data, config = run.data.to(run.device), run.config
    module, batches = LitClassifier(run.model, config), ImageDataModule(data, config)
    precision = config.precision
    if precision == "auto":
        run.model.to(run.device)
        precision = choose_precision(run.model, next(iter(batches.train_dataloader())))
    history = HistoryCallback(precision, after_epoch=run.save_epoch)
    callbacks: list[pl.Callback] = [history]
    if config.early_stopping:
        callbacks.append(
            pl.callbacks.EarlyStopping(
                "val_accuracy", mode="max", patience=config.early_stopping, check_finite=False
            )
        )
    trainer = pl.Trainer(
        max_epochs=config.epochs,
        accelerator=run.device.type,
        devices=1,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,  # the history keeps and writes the checkpoints
        enable_progress_bar=not run.args.quiet,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, datamodule=batches)
    return history.history


if __name__ == "__main__":
    sys.exit(main("lightning_train.py", "Train an image classifier in Lightning.", train, None))
