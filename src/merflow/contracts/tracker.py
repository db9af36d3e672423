"""Interface between training and a tracker; :class:`NullTracker` stands in if nothing is tracked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Tracker(Protocol):
    """Receiver of the figures and files of one fold; its own failures must never stop the training."""

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Log the figures of a finished epoch, counted from 1."""

    def log_folder(self, folder: Path) -> None:
        """Log the files of the finished fold: predictions, model folder, history."""


class NullTracker:
    """Tracker that ignores everything."""

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Do nothing."""

    def log_folder(self, folder: Path) -> None:
        """Do nothing."""
