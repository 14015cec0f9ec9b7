"""Scripts that start at once: forks of a process that has loaded the libraries already.

Python's own fork server (`multiprocessing`, start method "forkserver") loads PyTorch and Lightning
once; every script that a test starts saves those seconds. Unix only. Some tests start their
scripts from nothing all the same, so that the start itself is tried.
"""

import contextlib
import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

ROOT = Path(__file__).resolve().parent.parent


class Forked:
    """A running script; like `subprocess.Popen`, as far as the tests need it."""

    def __init__(
        self,
        script: str,
        words: list[str],
        environment: dict[str, str],
        cwd: Path,
        first: Callable[[], object] | None,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["lightning_train", "predict", "train"])
        self._said = [Path(mkdtemp()) / name for name in ("stdout", "stderr")]
        arguments = (script, words, environment, cwd, self._said, first)
        self._process = context.Process(target=_run, args=arguments)
        with contextlib.chdir(ROOT):  # where the server finds the modules to load
            self._process.start()
        self.pid = self._process.pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def finish(self, timeout: float = 100) -> tuple[int, str, str]:
        """Wait for its end: exit status, standard output, standard error."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            self._process.kill()
            raise TimeoutError(f"{self._said} hold what it said")
        output, errors = (path.read_text(encoding="utf-8") for path in self._said)
        return status, output, errors


def forked(
    script: str,
    *words: object,
    cwd: Path = ROOT,
    first: Callable[[], object] | None = None,
    **environment: str,
) -> Forked:
    """Start a script with these words; `first` is called in its process before it."""
    return Forked(script, list(map(str, words)), os.environ | environment, cwd, first)


def _run(
    script: str,
    words: list[str],
    environment: dict[str, str],
    cwd: Path,
    said: list[Path],
    first: Callable[[], object] | None,
) -> None:
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = [script, *words]
    if first is not None:
        first()
    runpy.run_path(str(ROOT / script), run_name="__main__")
