"""Run a notebook from top to bottom in a fresh kernel."""

import hashlib
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tools.course import NOTEBOOKS

KEPT_METADATA = ("kernelspec", "course")


def code_digest(notebook: nbformat.NotebookNode) -> str:
    """SHA-256 over the sources of all code cells: outputs belong to exactly this code."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def run(path: Path, variables: dict[str, str]) -> tuple[nbformat.NotebookNode, float]:
    """Run `path` with these environment variables; return it with its outputs, and the seconds.

    A cell that fails ends the program with the cell's error.
    """
    notebook = nbformat.read(path, as_version=4)
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    started = time.perf_counter()
    try:
        client = NotebookClient(
            notebook,
            timeout=3600,
            kernel_name="python3",
            resources={"metadata": {"path": str(NOTEBOOKS)}},
            record_timing=False,
        )
        client.execute()
    except CellExecutionError as error:
        sys.exit(f"error: {path.name} does not run\n{error}")
    finally:
        os.environ.clear()
        os.environ.update(before)
    seconds = time.perf_counter() - started
    _strip(notebook)
    notebook.metadata["course"] = {"code_digest": code_digest(notebook)}
    return notebook, seconds


def _strip(notebook: nbformat.NotebookNode) -> None:
    """Remove progress bars and what changes from run to run without meaning."""
    for key in [key for key in notebook.metadata if key not in KEPT_METADATA]:
        del notebook.metadata[key]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
