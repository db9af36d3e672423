"""Predicted clips as CSV: one row per clip, for spreadsheets and statistics."""

import csv
from pathlib import Path

from merflow.contracts.clip_results import ClipResult, ClipResults
from merflow.serving.exports.answer_cells import AnswerColumns, columns_of
from merflow.storage.local import output_errors, replacing

_NOTES = ("modalities", "warnings", "duration_s", "text", "refusal", "model", "version")


def write_clips(path: Path, results: ClipResults) -> None:
    """Write one row per clip, in UTF-8.

    Columns: the clip; the answer, which may be ``not sure``; the most likely emotion and its probability, the possible
    emotions, and ``p_EMOTION`` for every emotion, or else the score, the ends of its interval, and ``abstained``;
    modalities, warnings, duration and words; the reason if the clip was refused; the model and its version. Several
    values in a cell are separated by ``; ``.

    Raises:
        OutputError: The file cannot be written.
    """
    columns = columns_of(results.model)
    with replacing(path) as part, output_errors(path), part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", *columns.of_clip, *_NOTES])
        model = [results.model.name, results.model.version]
        writer.writerows([*_row(clip, columns), *model] for clip in results.clips)


def _row(clip: ClipResult, columns: AnswerColumns) -> list[str]:
    heard = clip.heard
    if heard is None:
        return [clip.clip, *[""] * (len(columns.of_clip) + 4), clip.refusal or ""]
    return [
        clip.clip,
        *columns.cells(heard),
        "; ".join(heard.modalities),
        "; ".join(heard.warnings),
        "" if clip.duration_s is None else f"{clip.duration_s:.3f}",
        clip.text or "",
        "",
    ]
