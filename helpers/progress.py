"""Show how far a training is."""

import sys
from collections.abc import Iterator

from torch import Tensor
from tqdm import tqdm

from helpers.data import Batches


def in_notebook() -> bool:
    """Whether this runs inside a Jupyter kernel or IPython."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


class Progress:
    """How far training is, on standard error.

    On a terminal and in a notebook each epoch has a bar; in a log it has one plain line.
    """

    def __init__(self, epochs: int, enabled: bool) -> None:
        drawn = sys.stderr.isatty() or in_notebook()
        self.epochs, self.bars, self.lines = epochs, enabled and drawn, enabled and not drawn

    def over(self, batches: Batches, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch (from 0), counted by the bar."""
        self.begin(epoch, len(batches))
        for batch in batches:
            yield batch
            self.bar.update()

    def begin(self, epoch: int, steps: int) -> None:
        """Draw the bar of an epoch (from 0)."""
        self.bar = tqdm(
            total=steps,
            desc=f"epoch {epoch + 1}/{self.epochs}",
            disable=not self.bars,
            unit="batch",
            mininterval=0.5,
            dynamic_ncols=True,
        )

    def show(self, row: dict[str, float]) -> None:
        """Complete the epoch's bar, or print its line."""
        numbers = ("train_loss", "val_loss", "val_accuracy")
        text = ", ".join(f"{name} {row[name]:.4g}" for name in numbers)
        if self.bars:
            self.bar.set_postfix_str(text)
            self.bar.close()
        elif self.lines:
            seconds = f"{row['seconds']:.1f} s"
            print(f"epoch {row['epoch']}/{self.epochs}: {text}, {seconds}", file=sys.stderr)
