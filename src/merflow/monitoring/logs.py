"""Traffic from files: server logs, and the output of ``merflow predict`` and ``merflow listen``."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from merflow.contracts.heard import HeardEmotion, HeardScore
from merflow.contracts.listening_results import LISTENING, ListeningResults, read_listening
from merflow.contracts.traffic_log import TrafficRecord, read_traffic
from merflow.errors import MonitoringError

_PROBABILITY = "p_"
_NEEDED = ("clip", "refusal", "modalities", "duration_s", "text", "model", "version")
_EXPECTED = "name a log of merflow serve, a folder of such logs (*.jsonl), a CSV of merflow predict, or listening.json"


def read_records(path: Path) -> list[TrafficRecord]:
    """Read the clips in a file or in a folder.

    A folder contains logs, ``*.jsonl``, or is an output folder of ``merflow listen``, whose segments count as clips.

    Raises:
        MonitoringError: There is no such file, or it is none of these.
        FormatError: A file is damaged; the message names the line.
    """
    if path.is_dir():
        if (path / LISTENING).is_file():
            return list(_segments(read_listening(path)))
        logs = sorted(path.glob("*.jsonl"))
        if not logs:
            raise MonitoringError(f"{path} contains no log; {_EXPECTED}")
        return [record for log in logs for record in read_traffic(log)]
    if not path.is_file():
        raise MonitoringError(f"no such file: {path}; {_EXPECTED}")
    if path.name == LISTENING:
        return list(_segments(read_listening(path.parent)))
    if path.suffix == ".csv":
        return list(_predicted(path))
    return list(read_traffic(path))


def _segments(results: ListeningResults) -> Iterator[TrafficRecord]:
    for number, segment in enumerate(results.segments, start=1):
        heard = segment.heard
        yield TrafficRecord(
            time="",
            model=results.model.name,
            version=results.model.version,
            clip_id=f"{results.recording}#{number}",
            duration_s=segment.duration_s,
            words=None if segment.text is None else len(segment.text.split()),
            modalities=heard.modalities if heard else (),
            abstains=results.model.abstains,
            refused=None if heard else segment.refusal or "refused",
            **_answer(heard),
        )


def _answer(heard: HeardEmotion | HeardScore | None) -> dict[str, Any]:
    """Return the fields of a record that depend on the task."""
    if heard is None:
        return {"sure": False}
    if isinstance(heard, HeardEmotion):
        return {"probabilities": heard.probabilities, "possible": heard.possible, "sure": heard.sure}
    return _score(heard.score, heard.low, heard.high, abstained=heard.low is None or not heard.sure)


def _score(score: float, low: float | None, high: float | None, *, abstained: bool) -> dict[str, Any]:
    return {"score": score, "low": low, "high": high, "abstained": abstained, "sure": not abstained, "format": 2}


def _predicted(path: Path) -> Iterator[TrafficRecord]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            names = table.fieldnames or ()
            answer = "score" if "score" in names else "possible"
            missing = [name for name in (*_NEEDED, answer) if name not in names]
            if missing:
                raise MonitoringError(
                    f"{path} has no column {missing[0]}, so it is not a CSV of merflow predict; {_EXPECTED}"
                )
            rows = list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MonitoringError(f"cannot read {path} ({error}); {_EXPECTED}") from error
    abstains = any(row["low" if answer == "score" else "possible"] for row in rows)
    for number, row in enumerate(rows, start=2):
        try:
            yield _of_row(row, abstains=abstains)
        except (ValueError, ValidationError) as error:
            raise MonitoringError(f"{path} line {number} is damaged; predict these clips again") from error


def _of_row(row: dict[str, str], *, abstains: bool) -> TrafficRecord:
    refused = row["refusal"] or None
    return TrafficRecord.model_validate(
        {
            "time": "",
            "model": row["model"],
            "version": row["version"],
            "clip_id": row["clip"],
            "duration_s": float(row["duration_s"]) if row["duration_s"] else None,
            "words": len(row["text"].split()) if row["text"] else None,
            "modalities": tuple(row["modalities"].split("; ")) if row["modalities"] else (),
            "abstains": abstains,
            "refused": refused,
            **({} if refused else _answer_of_row(row)),
        }
    )


def _answer_of_row(row: dict[str, str]) -> dict[str, Any]:
    if "score" in row:
        low, high = (float(row[end]) if row[end] else None for end in ("low", "high"))
        return _score(float(row["score"]), low, high, abstained=row["abstained"] != "false")
    possible = tuple(row["possible"].split("; ")) if row["possible"] else ()
    probabilities = {
        name.removeprefix(_PROBABILITY): float(value) for name, value in row.items() if name.startswith(_PROBABILITY)
    }
    return {"probabilities": probabilities, "possible": possible, "sure": len(possible) == 1}
