"""The figures of a fold's epochs, and the file that keeps them beside its record."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from merflow.errors import FormatError
from merflow.storage.local import write_json

HISTORY = "history.json"


@dataclass(frozen=True)
class EpochFigures:
    """Figures of one epoch, counted from 1 through all stages.

    Attributes:
        stage: Counted from 1.
        train_loss: Mean over training utterances, as seen while the weights moved.
        dev_loss: Mean over development utterances after the epoch; NaN without any, as are the next two.
        dev_ua: Mean recall, 0 to 1.
        dev_wa: Accuracy, 0 to 1.
        lr: Learning rate of the first parameter group.
        seconds: Wall time; the one figure that differs between equal runs.
    """

    epoch: int
    stage: int
    train_loss: float
    dev_loss: float
    dev_ua: float
    dev_wa: float
    lr: float
    seconds: float

    @property
    def has_development(self) -> bool:
        """True if there were development utterances to compute figures on."""
        return not math.isnan(self.dev_ua)

    @property
    def figures(self) -> dict[str, float]:
        """All but the epoch's number."""
        return {name: value for name, value in self.row.items() if name != "epoch"}

    @property
    def row(self) -> dict[str, Any]:
        """All figures by name."""
        return asdict(self)


_HISTORY = TypeAdapter(tuple[EpochFigures, ...])


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
        return _HISTORY.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise FormatError(
            f"cannot read {path} ({problem}); train the fold again with the command that trained it"
        ) from error
