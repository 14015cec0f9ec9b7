"""Train a model in plain PyTorch: python train.py --model cnn --dataset mnist"""

import sys
from collections.abc import Callable

from commands.prepare import Run
from commands.run import main
from helpers.training import History, Metrics, evaluate, evaluation_batches, fit


def train(run: Run) -> tuple[History, Callable[[], Metrics]]:
    # What the flags asked for, made by commands/prepare.py: the images of chapter 1, from `load`; a
    # network of chapters 2 and 3, from `build_model`; and the settings, from `recipe`.
    data, model, config = run.data, run.model, run.config

    # The loop of chapter 2, with the optimizers and schedules of chapter 4: helpers/training.py.
    history = fit(
        model,
        data,
        config,
        device=run.device,
        progress=run.progress,
        state=run.state,
        after_epoch=run.save_epoch,
    )
    # The test split, once: this is called with the weights that were best on validation.
    return history, lambda: evaluate(model, evaluation_batches(data, "test"), history.precision)


if __name__ == "__main__":
    sys.exit(main("train.py", "Train an image classifier in plain PyTorch.", train))
