"""Run a notebook top to bottom in a new kernel of this very Python."""

import os
import re
import time
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from tools.course import CourseError

# A line that tqdm or Lightning redraws: "train:  40%|████      | 2/5 [00:01<00:02, 1.9it/s]".
PROGRESS = re.compile(r"\d+%\|.*\||\d+it \[|it/s\]|s/it\]")
PROFILES = ("COURSE_FAST", "COURSE_RENDER")


class ThisPython(AsyncKernelManager):
    """Starts "python3" kernels with this interpreter, whatever kernels are installed elsewhere."""

    def __init__(self, **options: Any) -> None:
        super().__init__(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), **options)


def run(notebook: NotebookNode, folder: Path, environment: dict[str, str]) -> float:
    """Execute the notebook in `folder` and store its outputs in it; return the seconds.

    `environment` adds to the process's own; COURSE_FAST and COURSE_RENDER come from it alone.

    Raises:
        CourseError: a cell failed, or the kernel died.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in PROFILES}
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        kernel_manager_class=ThisPython,
        extra_arguments=["--log-level=ERROR"],  # the kernel's own remarks, not the notebook's
        timeout=None,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    start = time.perf_counter()
    try:
        client.execute(env=inherited | environment)
    except (CellExecutionError, DeadKernelError) as error:
        raise CourseError(str(error)) from error
    seconds = time.perf_counter() - start
    tidy(notebook)
    return seconds


def tidy(notebook: NotebookNode) -> None:
    """Remove progress bars and what changes from run to run without meaning anything."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                output.text = without_progress(output.text)
                if not output.text.strip():
                    continue
            kept.append(output)
        cell.outputs = kept


def without_progress(text: str) -> str:
    """The text without the lines that a progress bar drew."""
    lines = re.split(r"(?<=\n)", text.replace("\r\n", "\n"))
    return "".join(
        line
        for line in lines
        if "\r" not in line and "\x1b[A" not in line and not PROGRESS.search(line)
    )


def complaints(notebook: NotebookNode) -> list[str]:
    """What is left on stderr: warnings that a reader should not have to see."""
    return [
        output.text.strip()
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
