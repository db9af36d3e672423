"""Segments as CSV: one row per segment, for spreadsheets and statistics."""

import csv
from pathlib import Path

from merflow.contracts.listening_results import HeardSegment, ListeningResults
from merflow.serving.exports.answer_cells import AnswerColumns, columns_of
from merflow.storage.local import output_errors, replacing

_NOTES = ("text", "modalities", "warnings", "refusal")


def write_csv(path: Path, results: ListeningResults) -> None:
    """Write one row per segment, in UTF-8.

    Columns: times; the answer, which may be ``not sure``; the most likely emotion, its probability and the possible
    emotions, or else the score, the ends of its interval, and ``abstained``; the smoothed answer; ``p_EMOTION`` and
    ``smoothed_EMOTION`` for every emotion, or else ``smoothed_score``; words, modalities, warnings, and the reason if
    the segment was refused. Several values in a cell are separated by ``; ``.

    Raises:
        OutputError: The file cannot be written.
    """
    columns = columns_of(results.model)
    facts = len(columns.facts)
    own = [*columns.of_clip[:facts], "smoothed_answer", *columns.of_clip[facts:]]
    head = ["start_s", "end_s", *own, *columns.smoothed, *_NOTES]
    with replacing(path) as part, output_errors(path), part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(_row(segment, columns) for segment in results.segments)


def _row(segment: HeardSegment, columns: AnswerColumns) -> list[str]:
    heard, smoothed = segment.heard, segment.smoothed
    facts = len(columns.facts)
    own = [""] * len(columns.of_clip) if heard is None else columns.cells(heard)
    return [
        f"{segment.start_s:.3f}",
        f"{segment.end_s:.3f}",
        *own[:facts],
        segment.smoothed_answer,
        *own[facts:],
        *("" if smoothed is None else f"{smoothed[name]:.6f}" for name in columns.numbers),
        segment.text or "",
        "; ".join(heard.modalities if heard else ()),
        "; ".join(heard.warnings if heard else ()),
        segment.refusal or "",
    ]
