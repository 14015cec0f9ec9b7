"""Measurements in processes of their own.

A process never gives back the memory that it once had at its peak, and what it has imported or
prepared once is there for good. So whatever is asked about memory or start-up gets a fresh one.
"""

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

# One that has answered tidies up and ends by itself.
SECONDS_TO_END = 10


class ProcessError(RuntimeError):
    """A process that should have measured something has ended without an answer."""


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function`, run in a new process, returns.

    Raises:
        ProcessError: the process ended before it answered.
    """
    return in_fresh_processes(1, function, *arguments)[0]


def in_fresh_processes(count: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `function` returns in each of `count` new processes that run at the same time.

    Several processes find in their environment what `torchrun` would have put there, so that
    `helpers.processes.joined` joins them.

    Raises:
        ProcessError: one of them ended before it answered; the others are ended, too.
    """
    context = multiprocessing.get_context("spawn")
    processes, receivers = [], []
    try:
        for environment in environments(count):
            receiver, sender = context.Pipe(duplex=False)
            receivers.append(receiver)
            process = context.Process(
                target=_answer, args=(sender, environment, function, arguments), daemon=True
            )
            process.start()
            processes.append(process)
            sender.close()
        answers = _answers(processes, receivers)
        for process in processes:
            process.join(SECONDS_TO_END)
        return answers
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for receiver in receivers:
            receiver.close()


def environments(count: int) -> list[dict[str, str]]:
    """The variables by which `count` processes on this machine find each other, if several."""
    if count == 1:
        return [{}]
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def _answers(processes: list[Any], receivers: list[Connection]) -> list[Any]:
    # Whoever is first: if one is lost, the others may wait for it in vain.
    answers: dict[int, Any] = {}
    waiting = dict(enumerate(receivers))
    while waiting:
        ready = wait(list(waiting.values()))
        for number in [n for n, receiver in waiting.items() if receiver in ready]:
            try:
                answers[number] = waiting.pop(number).recv()
            except EOFError as error:
                processes[number].join()
                status = processes[number].exitcode
                raise ProcessError(f"its process ended with status {status}") from error
    return [answers[number] for number in range(len(receivers))]


def _answer(
    sender: Connection,
    environment: dict[str, str],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    # Ctrl-C is for the process that started this one; it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)
    sender.send(function(*arguments))


def peak_memory() -> int | None:
    """The largest amount of memory (bytes) that this process has had; None where it is unknown.

    On Linux the kernel's own count for this program is asked first: the one of `getrusage` also
    remembers the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
