"""The figures of a fold's epochs, and the file that keeps them next to its record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from merflow.errors import FormatError
from merflow.storage.local import write_json

HISTORY = "history.json"


@dataclass(frozen=True)
class EpochFigures:
    """Figures of one epoch, counted from 1 across all stages.

    Attributes:
        stage: Counted from 1.
        train_loss: Mean over training utterances during the epoch, while the weights changed.
        dev_loss: Mean over development utterances after the epoch; NaN without any, as is all of ``development``.
        lr: Learning rate of the first parameter group.
        seconds: Wall time; the only figure that differs between equal runs.
        development: Figures of the development utterances by name, those of the task: ``dev_ua`` (mean recall) and
            ``dev_wa`` (accuracy) of classes, 0 to 1; ``dev_mae``, ``dev_ccc`` and ``dev_pearson`` of scores.
    """

    epoch: int
    stage: int
    train_loss: float
    dev_loss: float
    lr: float
    seconds: float
    development: Mapping[str, float]

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "EpochFigures":
        """Return the figures of a row of :attr:`row`.

        Raises:
            KeyError: The row lacks one of the attributes.
        """
        own = [field.name for field in fields(cls) if field.name != "development"]
        return cls(
            **{name: row[name] for name in own},
            development={name: value for name, value in row.items() if name not in own},
        )

    @property
    def has_development(self) -> bool:
        """True if there were development utterances to compute figures on."""
        return not math.isnan(self.dev_loss)

    @property
    def dev_ua(self) -> float:
        """Mean recall of the development utterances, 0 to 1; NaN without any, and for scores."""
        return self.development.get("dev_ua", math.nan)

    def monitored(self, monitor: str) -> float:
        """Return the figure of a recipe's ``monitor``."""
        return self.dev_loss if monitor == "dev_loss" else self.development[monitor]

    @property
    def figures(self) -> dict[str, float]:
        """All but the epoch's number."""
        return {name: value for name, value in self.row.items() if name != "epoch"}

    @property
    def row(self) -> dict[str, Any]:
        """All figures by name, those of development data in the middle."""
        return {
            "epoch": self.epoch,
            "stage": self.stage,
            "train_loss": self.train_loss,
            "dev_loss": self.dev_loss,
            **self.development,
            "lr": self.lr,
            "seconds": self.seconds,
        }


_ROWS = TypeAdapter(tuple[dict[str, int | float], ...])


def write_history(folder: Path, epochs: Sequence[EpochFigures]) -> None:
    """Write the figures into a fold's folder, first epoch first."""
    write_json(folder / HISTORY, [epoch.row for epoch in epochs])


def read_history(folder: Path) -> tuple[EpochFigures, ...]:
    """Read the figures of a fold's epochs, first epoch first.

    Raises:
        FormatError: The file is missing, or does not hold such figures.
    """
    path = folder / HISTORY
    try:
        return tuple(EpochFigures.of_row(row) for row in _ROWS.validate_json(path.read_bytes()))
    except (OSError, ValidationError, KeyError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise FormatError(
            f"cannot read {path} ({problem}); train the fold again with the command that trained it"
        ) from error
