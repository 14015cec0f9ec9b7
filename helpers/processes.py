"""Several processes that train one model together, on one machine or on many.

Nothing of this is needed by a single process: then every function here does nothing. The
processes are started by `torchrun` (PyTorch documentation, "torchrun (Elastic Launch)") or by
Lightning; the averaging of gradients is that of `torch.nn.parallel.DistributedDataParallel`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
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

    Known before the processes have joined, too: from the environment that torchrun, Lightning
    and SLURM give to each of them.
    """
    if _joined():
        return dist.get_rank() == 0
    if "RANK" in os.environ:
        return os.environ["RANK"] == "0"
    return all(os.environ.get(n, "0") == "0" for n in ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


def local_rank() -> int:
    """This process's number on its own machine, as torchrun, Lightning or SLURM gave it."""
    return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the other processes where `torchrun` started several, and leave them at the end.

    On the CPU they speak through gloo; elsewhere `torch.distributed` chooses.
    """
    if _joined() or int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        yield
        return
    dist.init_process_group("gloo" if device.type == "cpu" else None)
    try:
        yield
    finally:
        dist.destroy_process_group()


def wrap(model: nn.Module) -> nn.Module:
    """`model`, such that its gradients become the mean over all processes."""
    return DistributedDataParallel(model) if world_size() > 1 else model


def sum_over_processes(*numbers: Tensor) -> tuple[Tensor, ...]:
    """Each scalar tensor, summed over all processes."""
    if world_size() == 1:
        return numbers
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
    if world_size() == 1:
        return text
    shared = [text]
    dist.broadcast_object_list(shared, src=0)
    return shared[0]


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()
