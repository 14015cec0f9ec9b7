"""Several processes that train one model together, on one machine or on many.

Nothing of this is needed by a single process: then every function here does nothing. The
processes are started by `torchrun` (PyTorch documentation, "torchrun (Elastic Launch)") or by
Lightning; the averaging of gradients is that of `torch.nn.parallel.DistributedDataParallel`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel


def rank() -> int:
    """This process's number; 0 where there is only one."""
    return dist.get_rank() if _joined() else 0


def world_size() -> int:
    """The number of processes that train together."""
    return dist.get_world_size() if _joined() else 1


def is_main() -> bool:
    """Whether this is the one process that talks to the user and writes files.

    What the environment says of ranks does not count by itself: a sweep under SLURM, say, sets
    such variables in programs that have nothing to do with each other.
    """
    return number() == 0


def number() -> int:
    """This process's number, known as soon as it is clear that it is one of several."""
    return rank() if _joined() else _Expected.rank


class _Expected:
    """The number that a process will have in a group that Lightning has still to form."""

    rank = 0


def expect(rank: int) -> None:
    """Note the number that this process will have in the group that it is about to join."""
    _Expected.rank = rank


def environment(name: str) -> int | None:
    """A whole number in the environment, if there is one that makes sense."""
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else None


def launched() -> int:
    """How many processes a launcher such as `torchrun` has started to train together; else 1."""
    size, rank = environment("WORLD_SIZE"), environment("RANK")
    if size is None or rank is None or rank >= size or "MASTER_ADDR" not in os.environ:
        return 1
    return size


def local_rank() -> int:
    """This process's number on its own machine, if it is one of several."""
    if world_size() == 1 and _Expected.rank == 0 and launched() == 1:
        return 0
    found = environment("LOCAL_RANK")
    return found if found is not None else environment("SLURM_LOCALID") or 0


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes where a launcher started several, and leave them at the end.

    On the CPU they speak through gloo, GPUs through NCCL: `torch.distributed` sees to it.
    """
    if _joined() or launched() == 1:
        yield
        return
    dist.init_process_group()
    try:
        yield
    finally:
        dist.destroy_process_group()


def gathered(value: Any) -> list[Any]:
    """The value of every process, in the order of their numbers; all must call this."""
    if world_size() == 1:
        return [value]
    found: list[Any] = [None] * world_size()
    dist.all_gather_object(found, value)
    return found


def wrap(model: nn.Module) -> nn.Module:
    """`model`, such that its gradients become the mean over all processes."""
    return DistributedDataParallel(model) if world_size() > 1 else model


def sum_over_processes(*numbers: Tensor) -> tuple[Tensor, ...]:
    """Each scalar tensor, summed over all processes."""
    if world_size() > 1:
        for number in numbers:
            dist.all_reduce(number)
    return numbers


def share_buffers(model: nn.Module) -> None:
    """Give all processes the main one's buffers, such as batch normalisation's running means.

    Each process has met other images, so these differ; all must measure the same model. (Lightning
    validates through DistributedDataParallel, which does the same.)
    """
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def from_main(text: str) -> str:
    """The main process's text, on all processes."""
    return gathered(text)[0]


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()
