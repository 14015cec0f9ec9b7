"""The same training with PyTorch Lightning: python lightning_train.py --model cnn

It writes the run folder of `train.py`, bit for bit, and either script can resume the other's run.
So its checkpoints, early stopping and progress are the course's own, not Lightning's callbacks.
For a project of your own, start from `examples/lightning_minimal.py`, which uses Lightning's.
"""

import sys
from collections.abc import Callable
from typing import Any

import commands  # noqa: F401  before Lightning: it makes Ctrl-C during the imports one line

# isort: split
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from commands.prepare import Run
from commands.run import main
from commands.trainer import OwnSignals, SameData, make_loggers, make_trainer, settle_for_all
from helpers.lightning import HistoryCallback, ImageDataModule, LitClassifier, early_stopping
from helpers.support.errors import UserError
from helpers.training import History, Metrics


def spread(run: Run) -> dict[str, Any]:
    """Over how many processes and machines the flags spread a run, and how."""
    return {name: getattr(run.flags, name) for name in ("devices", "num_nodes", "strategy")}


def check(run: Run) -> None:
    """Find out early whether Lightning takes these flags."""
    make_trainer(run.device, max_epochs=1, **spread(run))


def train(run: Run) -> tuple[History, Callable[[], Metrics]]:
    config, data = run.config, run.data.to(run.device)
    # The data, as chapter 5 hands them over.
    batches = ImageDataModule(data, config)
    precision = run.state["precision"] if run.state else settle_for_all(run, batches)
    kept = HistoryCallback(
        config, precision, state=run.state, progress=run.progress, after_epoch=run.save_epoch
    )
    # The network with its loss and its optimizer, and the Trainer that drives it.
    module = LitClassifier(run.model, config, data.num_classes, first_epoch=len(kept.history))
    trainer = make_trainer(
        run.device,
        precision=precision,
        max_epochs=kept.epochs_left,
        loggers=make_loggers(run.flags.logger, run.folder.path),
        callbacks=[SameData(run.data), kept, *early_stopping(config, kept.history), OwnSignals()],
        **spread(run),
    )
    try:
        trainer.fit(module, datamodule=batches)
    except MisconfigurationException as error:
        raise UserError(f"Lightning: {str(error).strip().splitlines()[0]}") from error

    def measure() -> Metrics:
        test = trainer.test(module, datamodule=batches, verbose=False)[0]
        return Metrics(test["test_loss"], test["test_accuracy"])

    return kept.history, measure


if __name__ == "__main__":
    text = "Train an image classifier in PyTorch Lightning."
    sys.exit(main("lightning_train.py", text, train, lightning=True, check=check))
