"""The window of traffic: the clips in the logs that one version of a model answered in a span of time."""

import csv
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from merflow.contracts.heard import ScoreScale
from merflow.contracts.numerals import listed, plural
from merflow.contracts.traffic_log import TrafficRecord
from merflow.errors import MonitoringError, nearest

_Label = TypeVar("_Label", str, float)
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Window:
    """Clips of one version of a model.

    Attributes:
        answered: Clips with a prediction.
        refused: Number of refused clips.
        left_out: Clips of other versions.
        since: Time of the first clip; empty if unknown.
        until: Time of the last one; empty if unknown.
    """

    answered: tuple[TrafficRecord, ...]
    refused: int
    left_out: int
    since: str
    until: str


def window_of(
    records: Sequence[TrafficRecord], *, model: str, version: str, since: datetime | None, until: datetime | None
) -> Window:
    """Return the clips that a version answered from ``since`` until before ``until``.

    Raises:
        MonitoringError: There are none, they belong to another model, or a span is given and a clip has no time.
    """
    within = [record for record in records if _within(record, since, until)]
    names = sorted({record.model for record in within} - {model})
    if names:
        raise MonitoringError(
            f"the logs of {model} also have clips of {listed(names)}; give one model's logs, or name another --model"
        )
    own = [record for record in within if record.version == version]
    if within and not own:
        versions = sorted({record.version for record in within})
        raise MonitoringError(
            f"no clip was answered by version {version} of {model}; the logs have "
            f"{'versions' if len(versions) > 1 else 'version'} {listed(versions)}: name one with --model"
        )
    times = sorted(record.time for record in own if record.time)
    return Window(
        answered=tuple(record for record in own if record.refused is None),
        refused=sum(record.refused is not None for record in own),
        left_out=len(within) - len(own),
        since=times[0] if times else "",
        until=times[-1] if times else "",
    )


def only_version(records: Sequence[TrafficRecord]) -> tuple[str, str]:
    """Return name and version of the one model that answered all clips.

    Raises:
        MonitoringError: There are no clips, or several models answered them.
    """
    found = sorted({(record.model, record.version) for record in records})
    if not found:
        raise MonitoringError("the reference has no clip; name logs with traffic")
    if len(found) > 1:
        said = listed([f"{name} version {version}" for name, version in found])
        raise MonitoringError(f"the reference has clips of {said}; name one with --model")
    return found[0]


def moment(text: str, *, option: str, now: datetime | None = None) -> datetime | None:
    """Return the time given as a date, a time, or a span before now such as ``24h``, ``7d`` or ``2w``; None if empty.

    Raises:
        MonitoringError: The text is none of these.
    """
    if not text:
        return None
    unit = _UNITS.get(text[-1:])
    try:
        if unit is not None:
            return (now or datetime.now(UTC)) - timedelta(**{unit: float(text[:-1])})
        return _utc(text)
    except (ValueError, OverflowError) as error:
        raise MonitoringError(
            f"{option} {text} is not a time; write a date such as 2026-05-01, a time such as 2026-05-01T12:00, or a "
            "span before now such as 24h, 7d or 2w"
        ) from error


def _utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _within(record: TrafficRecord, since: datetime | None, until: datetime | None) -> bool:
    if since is None and until is None:
        return True
    try:
        time = _utc(record.time)
    except ValueError as error:
        raise MonitoringError(
            f"clip {record.clip_id} has no time, so no span can be chosen; leave --since and --until out"
        ) from error
    return (since is None or time >= since) and (until is None or time < until)


def read_labels(
    path: Path, *, classes: Sequence[str], scale: ScoreScale | None = None
) -> dict[str, str] | dict[str, float]:
    """Read a CSV file of labels with the columns ``clip_id`` and ``label``.

    Args:
        path: The file.
        classes: Classes of the model; empty for a score model, whose labels are numbers.
        scale: The scale of its scores; None if it is unknown.

    Raises:
        MonitoringError: The file cannot be read, lacks a column, names a clip twice, or has a label that is not a class
            or not on the scale.
    """
    if classes:
        return _labels(path, lambda label, where: _class_of(label, where, classes))
    return _labels(path, lambda label, where: _score_of(label, where, scale))


def _labels(path: Path, parsed: Callable[[str, str], _Label]) -> dict[str, _Label]:
    labels: dict[str, _Label] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = {"clip_id", "label"} - set(rows.fieldnames or ())
            if missing:
                raise MonitoringError(
                    f"{path} has no column {' and '.join(sorted(missing))}; its header must be clip_id,label"
                )
            for row in rows:
                where = f"{path} line {rows.line_num}"
                clip, label = row["clip_id"], parsed(row["label"] or "", where)
                if labels.setdefault(clip, label) != label:
                    raise MonitoringError(f"{where}: clip {clip} has two labels; keep one")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MonitoringError(f"cannot read {path} ({error}); give a CSV file with clip_id,label") from error
    return labels


def _class_of(label: str, where: str, classes: Sequence[str]) -> str:
    if label not in classes:
        raise MonitoringError(f"{where}: label {label!r} is not a class of the model; {nearest(label, classes)}")
    return label


def _score_of(label: str, where: str, scale: ScoreScale | None) -> float:
    try:
        score = float(label)
    except ValueError as error:
        raise MonitoringError(f"{where}: label {label!r} is not a number; the model predicts scores") from error
    low, high = (scale.low, scale.high) if scale else (-math.inf, math.inf)
    if not (math.isfinite(score) and low <= score <= high):
        raise MonitoringError(f"{where}: label {label} is not on the scale, {low:g} to {high:g}; correct it")
    return score


def check_labels(labels: Mapping[str, str | float], records: Sequence[TrafficRecord]) -> int:
    """Return the number of labels whose clip is not in the window.

    Raises:
        MonitoringError: No clip has a label, or a labelled clip occurs twice.
    """
    counts = Counter(record.clip_id for record in records)
    unknown = [clip for clip in labels if clip not in counts]
    if labels and len(unknown) == len(labels):
        raise MonitoringError(
            f"none of {plural(len(labels), 'label')}, such as that of {unknown[0]}, belongs to a clip in the window; "
            "use the clip ids of the log"
        )
    for clip in labels:
        if counts[clip] > 1:
            raise MonitoringError(
                f"clip {clip} has a label and occurs {counts[clip]} times in the window; send each clip "
                "under a different name"
            )
    return len(unknown)
