"""A clock for trainings in Lightning."""

import time
from typing import Any

import pytorch_lightning as pl
import torch

from benchmarks.measure import synchronise


class Clock(pl.Callback):
    """Times the training part of an epoch in Lightning: without start-up, without validation."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.started = self.ended = 0.0

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    def on_train_epoch_start(self, *_: Any) -> None:
        self.started = time.perf_counter()

    def on_validation_start(self, *_: Any) -> None:
        self._stop()

    def on_train_epoch_end(self, *_: Any) -> None:
        if self.ended < self.started:  # there was no validation
            self._stop()

    def _stop(self) -> None:
        synchronise(self.device)
        self.ended = time.perf_counter()
