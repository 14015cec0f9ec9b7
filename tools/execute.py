"""Run a notebook top to bottom in a new kernel of this very Python, or of another."""

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from helpers.support.errors import UserError
from tools.course import Chapter, read_notebook


def run(
    chapter: Chapter,
    environment: dict[str, str],
    python: str = sys.executable,
    folder: Path | None = None,
) -> tuple[NotebookNode, float]:
    """Execute a chapter and return it with its outputs, and the seconds, rounded to a tenth.

    The kernel is one of `python`, whatever kernels are installed, and works in the notebook's
    folder, or in `folder`. `environment` adds to the process's own; COURSE_FAST and COURSE_RENDER
    come from it alone. A cell that fails is a UserError.
    """

    class Kernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), **options)

        def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
            return [python, *super().format_kernel_cmd(extra_arguments)[1:]]

    notebook = read_notebook(chapter.notebook)
    inherited = {k: v for k, v in os.environ.items() if k not in ("COURSE_FAST", "COURSE_RENDER")}
    # A progress bar is for those who wait; stored, it would be a hundred lines.
    environment = inherited | {"TQDM_DISABLE": "1"} | environment
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        kernel_manager_class=Kernel,
        extra_arguments=["--log-level=ERROR"],  # the kernel's own remarks, not the notebook's
        timeout=None,
        record_timing=False,
        resources={"metadata": {"path": str(folder or chapter.notebook.parent)}},
    )
    print(f"{chapter.entry} … ", end="", flush=True)
    start = time.perf_counter()
    try:
        client.execute(env=environment)
    except (CellExecutionError, DeadKernelError) as error:
        raise UserError(str(error)) from error
    seconds = round(time.perf_counter() - start, 1)
    print(f"{seconds} s", flush=True)
    for text in complaints(notebook):
        print(f"{chapter.entry} wrote to stderr:\n{text}")
    return notebook, seconds


def rendered(
    chapter: Chapter, environment: dict[str, str]
) -> tuple[NotebookNode, float, dict[str, dict[str, Any]]]:
    """As `run`, but as a render, whose claims must hold; and the numbers that it recorded."""
    with TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        variables = {"COURSE_RENDER": "1", "COURSE_RESULTS": str(results)}
        notebook, seconds = run(chapter, environment | variables)
        text = results.read_text(encoding="utf-8") if results.exists() else "{}"
    return notebook, seconds, json.loads(text)


def complaints(notebook: NotebookNode) -> list[str]:
    """What stands on stderr: warnings that a reader should not have to see."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return [output.text.strip() for output in outputs if output.get("name") == "stderr"]
