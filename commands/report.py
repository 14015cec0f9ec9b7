"""What a run says at its end: the result, as a file, a table, JSON and figures."""

from functools import partial
from statistics import harmonic_mean
from typing import Any

from commands.prepare import Run
from commands.run_folder import FIGURES, versions
from commands.terminal import print_rows
from helpers.models import count_parameters
from helpers.training import EVALUATION_BATCH_SIZE, History, Metrics, predict_logits


def make_result(run: Run, history: History, test: Metrics) -> dict[str, Any]:
    """What result.json says; seconds and images per second are those of the epochs."""
    return {
        # Accuracies are ratios in 32 bits: seven digits of them mean something.
        "test_accuracy": round(test.accuracy, 7),
        "test_loss": test.loss,
        "best_val_accuracy": round(history.best_val_accuracy, 7),
        "epochs": len(history),
        "seconds": round(history.seconds, 3),
        # Of all epochs together: where images grow, the last ones take longer.
        "images_per_second": round(harmonic_mean(history["images_per_second"]), 1),
        "parameters": count_parameters(run.model),
        "data_source": run.data.source,
        "device": str(run.device),
        "precision": history.precision,
        "seed": run.config.seed,
        "versions": versions(),
    }


def print_result(run: Run, result: dict[str, Any]) -> None:
    """The result as a table on standard output."""
    rows = {
        "test accuracy": f"{100 * result['test_accuracy']:.2f} %",
        "best validation accuracy": f"{100 * result['best_val_accuracy']:.2f} %",
        "parameters": f"{result['parameters']:,}",
        "epochs": str(result["epochs"]),
        "time": f"{result['seconds']:.1f} s",
        "device, precision": f"{result['device']}, {result['precision']}",
        "data": result["data_source"],
        "classes": run.classes,
        "run folder": str(run.folder.path),
    }
    print_rows(run.title, rows)


def chance_hint(run: Run, result: dict[str, Any]) -> str:
    """A line for a model that has learned nothing; empty for others."""
    largest = run.data.val.labels.bincount().max().item() / len(run.data.val)
    if result["best_val_accuracy"] > largest:
        return ""
    return (
        "hint: on the validation split this model is no better than to name one class always; try "
        "more --epochs, a smaller --batch-size (more steps) or another --model or --lr"
    )


def draw_figures(run: Run, history: History) -> None:
    """curves.png and confusion.png in the folder of a run whose model has its best weights."""
    import matplotlib

    matplotlib.use("Agg")  # files only: no window, and no screen needed
    import matplotlib.pyplot as plt

    from helpers.plots import plot_confusion, plot_histories, use_style
    from helpers.support.files import write_atomically

    use_style()
    batches = run.data.batches("test", EVALUATION_BATCH_SIZE)
    logits, labels = predict_logits(run.model.to(run.device), batches, history.precision)
    answers, title = logits.argmax(dim=1), run.title
    with plt.rc_context({"text.parse_math": False}):  # the name of a class may hold a $
        curves = plot_histories({"validation": history}, title)
        figures = curves, plot_confusion(labels, answers, run.data.classes, title)
    for name, figure in zip(FIGURES, figures, strict=True):
        save = partial(figure.savefig, format="png", dpi=120, bbox_inches="tight")
        write_atomically(run.folder.path / name, save)
        plt.close(figure)
