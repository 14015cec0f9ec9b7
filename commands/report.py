"""What a run says at its end: the result, as a file, a table, JSON and figures."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from commands.folder import RunFolder, versions
from commands.terminal import print_rows
from helpers.data.batches import ImageData
from helpers.models import count_parameters
from helpers.recipes import TrainingConfig
from helpers.training import History, Metrics


def make_result(
    history: History,
    test: Metrics,
    model: nn.Module,
    data: ImageData,
    config: TrainingConfig,
    device: torch.device,
) -> dict[str, Any]:
    """What result.json says; seconds and images per second are those of the epochs."""
    return {
        # Accuracies are ratios in 32 bits: seven digits of them mean something.
        "test_accuracy": round(test.accuracy, 7),
        "test_loss": test.loss,
        "best_val_accuracy": round(history.best_val_accuracy, 7),
        "epochs": len(history),
        "seconds": round(history.seconds, 3),
        "images_per_second": round(sum(history["images_per_second"]) / len(history), 1),
        "parameters": count_parameters(model),
        "data_source": data.source,
        "device": str(device),
        "precision": history.precision,
        "seed": config.seed,
        "versions": versions(),
    }


def print_result(title: str, result: dict[str, Any], folder: RunFolder) -> None:
    """The result as a table on standard output."""
    print_rows(
        title,
        {
            "test accuracy": f"{100 * result['test_accuracy']:.2f} %",
            "best validation accuracy": f"{100 * result['best_val_accuracy']:.2f} %",
            "parameters": f"{result['parameters']:,}",
            "epochs": str(result["epochs"]),
            "time": f"{result['seconds']:.1f} s",
            "device, precision": f"{result['device']}, {result['precision']}",
            "data": result["data_source"],
            "run folder": str(folder.path),
        },
    )


def chance_hint(result: dict[str, Any], data: ImageData) -> str:
    """A line for a model that has learned nothing; empty for others."""
    largest = data.val.labels.bincount().max().item() / len(data.val)
    if result["best_val_accuracy"] > largest:
        return ""
    return (
        "hint: on the validation split this model is no better than to name one class always; try "
        "more --epochs, a smaller --batch-size (more steps) or another --model or --lr"
    )


def draw_figures(
    folder: RunFolder,
    title: str,
    history: History,
    logits: Tensor,
    labels: Tensor,
    classes: Sequence[str],
) -> None:
    """curves.png and confusion.png in the run folder."""
    import matplotlib

    matplotlib.use("Agg")  # files only: no window, and no screen needed
    import matplotlib.pyplot as plt

    from helpers.files import write_atomically
    from helpers.plots import plot_confusion, plot_histories, use_style

    use_style()
    with plt.rc_context({"text.parse_math": False}):  # the name of a class may hold a $
        figures = {
            "curves.png": plot_histories({"validation": history}, title),
            "confusion.png": plot_confusion(labels, logits.argmax(dim=1), classes, title),
        }
    for name, figure in figures.items():
        save = partial(figure.savefig, format="png", dpi=120, bbox_inches="tight")
        write_atomically(folder.path / name, save)
        plt.close(figure)
