"""The device that a command runs on."""

import torch

from helpers.support import processes
from helpers.support.errors import UserError
from helpers.training import best_device


def choose_device(name: str) -> torch.device:
    """The device called `name`; auto takes the accelerator if there is one.

    Of several processes on a machine, each takes the accelerator with its local number.
    """
    device = best_device() if name == "auto" else _device(name)
    if device.type != "cpu" and device.index is None and processes.local_rank() > 0:
        name = f"{device.type}:{processes.local_rank()}"
        try:
            return _device(name)
        except UserError as error:
            raise UserError(
                f"there is no {name} for this process: start no more processes than there are "
                "accelerators, or add --device cpu"
            ) from error
    return device


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device).add(1).item()  # the device "meta" has no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {name!r} cannot be used here: choose auto or cpu") from error
    return device
