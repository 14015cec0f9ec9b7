"""Whether the state that a run folder holds is one that its run can have had."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from helpers.recipes import TrainingConfig
from helpers.training import COLUMNS, History, make_optimizer, make_scheduler, restore


def fits(
    state: dict[str, Any], model: nn.Module, config: TrainingConfig, steps_per_epoch: int
) -> bool:
    """Whether `state` fits this model and configuration, tried on copies.

    A damaged state would train on without a word, with another rate or other weights. So whatever
    follows from the configuration is compared with what it would be, and the rest by its form.
    """
    model = copy.deepcopy(model)
    try:
        optimizer = make_optimizer(model, config)
        scheduler = make_scheduler(optimizer, config, steps_per_epoch)
        restore(state, model, optimizer, scheduler)
        history = History()
        history.restore(state)
        like, schedule = _after_a_step(model, config, steps_per_epoch)
        steps = len(history) * steps_per_epoch
        return (
            _are_rows(state["rows"], state["best_epoch"])
            and state["precision"] in ("fp32", "bf16")
            and all(_alike(state[name], model.state_dict()) for name in ("model", "best_model"))
            and _numbers(state["optimizer"]) == _numbers(like.state_dict())
            and _same_settings(optimizer, like, scheduler is None)
            and _alike(optimizer.state_dict()["state"], like.state_dict()["state"])
            and all(int(s["step"]) == steps for s in optimizer.state.values() if "step" in s)
            and (
                scheduler is None
                or scheduler.last_epoch == steps
                and scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
                and scheduler.base_lrs == schedule.base_lrs
            )
        )
    except Exception:  # keys, shapes and types that differ
        return False


def _after_a_step(
    model: nn.Module, config: TrainingConfig, steps_per_epoch: int
) -> tuple[Optimizer, LRScheduler | None]:
    """A fresh optimizer that has taken one step, so that it has a state, and its schedule."""
    fresh = copy.deepcopy(model)
    optimizer = make_optimizer(fresh, config)
    scheduler = make_scheduler(optimizer, config, steps_per_epoch)
    for parameter in fresh.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return optimizer, scheduler


def _numbers(optimizer_state: dict[str, Any]) -> list[list[int]]:
    """The numbers under which an optimizer stores its parameters, group by group."""
    return [group["params"] for group in optimizer_state["param_groups"]]


def _same_settings(optimizer: Optimizer, like: Optimizer, with_rate: bool) -> bool:
    """Whether the groups have the same settings; the rate, too, where no schedule moves it."""
    leave_out = {"params"} if with_rate else {"params", "lr"}
    return all(
        group.get(key) == value
        for group, wanted in zip(optimizer.param_groups, like.param_groups, strict=True)
        for key, value in wanted.items()
        if key not in leave_out
    )


def _alike(stored: Any, wanted: Any) -> bool:
    """Whether two trees have the same keys, shapes and types, and only finite numbers."""
    if isinstance(wanted, Tensor):
        same = isinstance(stored, Tensor) and stored.shape == wanted.shape
        return same and stored.dtype == wanted.dtype and bool(stored.isfinite().all())
    if isinstance(wanted, dict):
        same = isinstance(stored, dict) and stored.keys() == wanted.keys()
        return same and all(_alike(stored[key], value) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        same = isinstance(stored, Sequence) and len(stored) == len(wanted)
        return same and all(map(_alike, stored, wanted))
    return _is_number(stored) if _is_number(wanted) else bool(stored == wanted)


def _are_rows(rows: Any, best_epoch: Any) -> bool:
    """Whether `rows` are those of a history whose best epoch is `best_epoch`."""
    if not isinstance(rows, list) or not rows:
        return False
    whole = all(
        isinstance(row, dict) and set(row) == set(COLUMNS) and all(map(_is_number, row.values()))
        for row in rows
    )
    if not whole or [row["epoch"] for row in rows] != list(range(1, len(rows) + 1)):
        return False
    accuracies = [row["val_accuracy"] for row in rows]
    best = type(best_epoch) is int and best_epoch == 1 + accuracies.index(max(accuracies))
    return best and all(0 <= accuracy <= 1 for accuracy in accuracies)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
