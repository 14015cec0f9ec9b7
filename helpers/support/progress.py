"""Show how far a training or a download is, on standard error.

On a terminal and in a notebook bars are drawn; a log gets plain lines.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm


def shell() -> Any:
    """The IPython, or Jupyter kernel, that this runs in; None elsewhere."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def in_notebook() -> bool:
    """Whether this runs inside a Jupyter kernel or IPython."""
    return shell() is not None


def bars_are_drawn() -> bool:
    """Whether a line that is drawn again and again makes sense where it goes."""
    return sys.stderr.isatty() or in_notebook()


def download_bar(name: str, length: int | None) -> tqdm:
    """A bar that counts the bytes of a download: `length` in all, if that is known."""
    drawn = bars_are_drawn()
    if not drawn:
        size = "" if length is None else f" ({length / 1e6:.1f} MB)"
        print(f"downloading {name}{size}", file=sys.stderr)
    return tqdm(
        desc=f"downloading {name}",
        total=length,
        disable=not drawn,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
        leave=False,
    )


class Progress:
    """One bar, or one plain line, for each epoch of a training."""

    def __init__(self, epochs: int, enabled: bool) -> None:
        drawn = bars_are_drawn()
        self.epochs, self.lines = epochs, enabled and not drawn
        # tqdm's own variable: a page that is rendered has no use for bars.
        self.bars = enabled and drawn and not os.environ.get("TQDM_DISABLE")

    def over(self, batches: Any, epoch: int) -> Iterator[Any]:
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
