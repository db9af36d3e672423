"""The interface between training and tracking; :class:`NullTracker` stands in where nothing is tracked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Tracker(Protocol):
    """Receives one fold's training as it happens; an implementation never lets its own failure stop training."""

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Log the figures of one finished epoch, counted from 1."""

    def log_folder(self, folder: Path) -> None:
        """Log the files of the finished fold: predictions, model folder, history."""


class NullTracker:
    """Tracks nothing."""

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Do nothing."""

    def log_folder(self, folder: Path) -> None:
        """Do nothing."""
