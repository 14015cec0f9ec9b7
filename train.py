"""Train a model in plain PyTorch: python train.py --model cnn --dataset mnist"""

import sys

from helpers.cli import Run, main
from helpers.training import History, fit


def train(run: Run) -> History:
    return fit(
        run.model,
        run.data,
        run.config,
        device=run.device,
        progress=not run.args.quiet,
        after_epoch=run.save_epoch,
    )


if __name__ == "__main__":
    sys.exit(main("train.py", "Train an image classifier in plain PyTorch.", train, None))
