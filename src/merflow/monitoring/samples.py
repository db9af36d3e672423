"""Clips as arrays, in the reference and in the window of traffic alike.

Shapes: n clips, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from merflow.contracts.numerals import listed
from merflow.contracts.streams import Modality
from merflow.contracts.traffic_log import TrafficRecord
from merflow.errors import MonitoringError


class Number(NamedTuple):
    """A number that is measured of clips.

    ``needs`` is the modality that the model must read for it to matter; None for any.
    """

    title: str
    unit: str
    needs: Modality | None


NUMBERS: dict[str, Number] = {
    "duration_s": Number("Duration", "s", "audio"),
    "level_dbfs": Number("Level", "dBFS", "audio"),
    "speech_share": Number("Speech in the sound", "share", "audio"),
    "words": Number("Words", "", "text"),
    "confidence": Number("Confidence", "", None),
}


@dataclass(frozen=True, eq=False)
class Sample:
    """Answered clips of one model.

    Attributes:
        clips: n.
        numbers: Known values of each number, ``(n,)`` or fewer.
        predicted: ``(C,)`` clips by predicted class.
        abstained: Clips of which the model was not sure; None for a model without thresholds.
        right: Rightly predicted clips and labelled clips; None without labels.
        covered: Clips whose set holds the label and labelled clips; None without labels or thresholds.
    """

    clips: int
    numbers: Mapping[str, np.ndarray]
    predicted: np.ndarray
    abstained: int | None
    right: tuple[int, int] | None = None
    covered: tuple[int, int] | None = None


def sample_of(
    records: Sequence[TrafficRecord], *, classes: Sequence[str], labels: Mapping[str, str] | None = None
) -> Sample:
    """Return answered clips as arrays.

    Args:
        records: Predictions, all of one model.
        classes: Its classes.
        labels: True class by clip_id, for some of the clips.

    Raises:
        MonitoringError: A prediction is of other classes; the message names its clip.
    """
    _check_classes(records, classes=classes)
    known = {name: [getattr(record, name) for record in records] for name in NUMBERS}
    predicted = np.array([classes.index(record.emotion) for record in records], dtype=np.int64)
    abstains = bool(records) and all(record.abstains for record in records)
    labelled = [(record, labels[record.clip_id]) for record in records if labels and record.clip_id in labels]
    right = sum(record.emotion == label for record, label in labelled)
    covered = sum(label in record.possible for record, label in labelled)
    return Sample(
        clips=len(records),
        numbers={
            name: np.array([value for value in values if value is not None], dtype=np.float64)
            for name, values in known.items()
        },
        predicted=np.bincount(predicted, minlength=len(classes)),
        abstained=sum(not record.sure for record in records) if abstains else None,
        right=(right, len(labelled)) if labelled else None,
        covered=(covered, len(labelled)) if labelled and abstains else None,
    )


def _check_classes(records: Sequence[TrafficRecord], *, classes: Sequence[str]) -> None:
    """Raise if a prediction is of other classes."""
    for record in records:
        if set(record.probabilities) != set(classes):
            raise MonitoringError(
                f"clip {record.clip_id} has probabilities of {listed(sorted(record.probabilities))}, but the model's "
                f"classes are {listed(sorted(classes))}; give the logs of this model"
            )
