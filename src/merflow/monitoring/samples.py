"""Clips as arrays, for both the reference and the window of traffic.

Shapes: n clips, C classes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from merflow.contracts.numerals import listed
from merflow.contracts.streams import Modality
from merflow.contracts.traffic_log import TrafficRecord
from merflow.errors import MonitoringError


class Number(NamedTuple):
    """A number measured on clips.

    ``needs`` is the modality that the model must read for the number to matter; None for any.
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
    "score": Number("Score", "", None),
    "width": Number("Width of the interval", "", None),
}
# Numbers of an answer, for emotions and for scores.
_OF_EMOTION, _OF_SCORE = {"confidence"}, {"score", "width"}


@dataclass(frozen=True, eq=False)
class Sample:
    """Answered clips of one model.

    Attributes:
        clips: n.
        numbers: Known values of each number, ``(n,)`` or fewer.
        predicted: ``(C,)`` clips by predicted class; None for scores.
        abstained: Number of clips that the model was not sure about; None for a model without thresholds.
        right: Numbers of correctly predicted clips and of labelled clips; None without labels, and for scores.
        covered: Numbers of clips whose set or interval contains the label and of labelled clips; None without labels or
            thresholds.
        errors: ``(m,)`` absolute errors of the labelled clips; None without labels, and for emotions.
    """

    clips: int
    numbers: Mapping[str, np.ndarray]
    predicted: np.ndarray | None
    abstained: int | None
    right: tuple[int, int] | None = None
    covered: tuple[int, int] | None = None
    errors: np.ndarray | None = None


def sample_of(
    records: Sequence[TrafficRecord], *, classes: Sequence[str], labels: Mapping[str, str | float] | None = None
) -> Sample:
    """Return answered clips as arrays.

    Args:
        records: Predictions, all of one model.
        classes: Its classes; empty for a score model.
        labels: True class or score by clip_id, for some of the clips.

    Raises:
        MonitoringError: A prediction has other classes or another task; the message names its clip.
    """
    _check_classes(records, classes=classes)
    return _emotions(records, classes, labels or {}) if classes else _scores(records, labels or {})


def _emotions(records: Sequence[TrafficRecord], classes: Sequence[str], labels: Mapping[str, str | float]) -> Sample:
    predicted = np.array([classes.index(record.emotion) for record in records], dtype=np.int64)
    abstains = bool(records) and all(record.abstains for record in records)
    labelled = [(record, labels[record.clip_id]) for record in records if record.clip_id in labels]
    right = sum(record.emotion == label for record, label in labelled)
    covered = sum(label in record.possible for record, label in labelled)
    return Sample(
        clips=len(records),
        numbers=_numbers(records, without=_OF_SCORE),
        predicted=np.bincount(predicted, minlength=len(classes)),
        abstained=sum(not record.sure for record in records) if abstains else None,
        right=(right, len(labelled)) if labelled else None,
        covered=(covered, len(labelled)) if labelled and abstains else None,
    )


def _scores(records: Sequence[TrafficRecord], labels: Mapping[str, str | float]) -> Sample:
    abstains = bool(records) and all(record.abstains for record in records)
    labelled = [record for record in records if record.clip_id in labels]
    truth = np.array([labels[record.clip_id] for record in labelled], dtype=np.float64)
    scores = np.array([record.score for record in labelled], dtype=np.float64)
    low, high = (np.array([getattr(record, end) for record in labelled], dtype=np.float64) for end in ("low", "high"))
    covered = int(((low <= truth) & (truth <= high)).sum())
    return Sample(
        clips=len(records),
        numbers=_numbers(records, without=_OF_EMOTION),
        predicted=None,
        abstained=sum(bool(record.abstained) for record in records) if abstains else None,
        covered=(covered, len(labelled)) if labelled and abstains else None,
        errors=np.abs(scores - truth) if labelled else None,
    )


def _numbers(records: Sequence[TrafficRecord], *, without: Collection[str]) -> dict[str, np.ndarray]:
    """Return the known values of each number."""
    known = {name: [getattr(record, name) for record in records] for name in NUMBERS if name not in without}
    return {
        name: np.array([value for value in values if value is not None], dtype=np.float64)
        for name, values in known.items()
    }


def _check_classes(records: Sequence[TrafficRecord], *, classes: Sequence[str]) -> None:
    """Raise if a prediction has other classes or another task."""
    for record in records:
        if (record.score is None) != bool(classes):
            has, needs = ("a score", "emotions") if classes else ("no score", "scores")
            raise MonitoringError(
                f"clip {record.clip_id} has {has}, but the model predicts {needs}; give the logs of this model"
            )
        if set(record.probabilities) != set(classes):
            raise MonitoringError(
                f"clip {record.clip_id} has probabilities of {listed(sorted(record.probabilities))}, but the model's "
                f"classes are {listed(sorted(classes))}; give the logs of this model"
            )
