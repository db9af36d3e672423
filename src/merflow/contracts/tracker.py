"""What training tells a tracker. Training runs with :class:`NullTracker` where nothing is tracked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Tracker(Protocol):
    """Receives one fold's training as it happens; an implementation never lets its own failure stop training."""

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Figures of one finished epoch, counted from 1."""

    def log_folder(self, folder: Path) -> None:
        """Files of the finished fold: predictions, model folder, history."""


class NullTracker:
    """Tracks nothing."""

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Nothing."""

    def log_folder(self, folder: Path) -> None:
        """Nothing."""
