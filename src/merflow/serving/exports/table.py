"""Segments as CSV: one row per segment, for spreadsheets and statistics."""

import csv
from pathlib import Path

from merflow.contracts.listening_results import HeardSegment, ListeningResults
from merflow.storage.local import output_errors, replacing

_FACTS = ("start_s", "end_s", "answer", "emotion", "probability", "possible", "smoothed_answer")
_NOTES = ("text", "modalities", "warnings", "refusal")


def write_csv(path: Path, results: ListeningResults) -> None:
    """Write one row per segment, in UTF-8.

    Columns: times; the answer, which may be ``not sure``; the most likely emotion and its probability; the possible
    emotions; the smoothed answer; ``p_EMOTION`` and ``smoothed_EMOTION`` for every emotion; words, modalities,
    warnings, and the reason if the segment was refused. Several values in a cell are separated by ``; ``.

    Raises:
        OutputError: The file cannot be written.
    """
    classes = results.model.classes
    head = [*_FACTS, *(f"p_{name}" for name in classes), *(f"smoothed_{name}" for name in classes), *_NOTES]
    with replacing(path) as part, output_errors(path), part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(_row(segment, classes) for segment in results.segments)


def _row(segment: HeardSegment, classes: tuple[str, ...]) -> list[str]:
    heard, smoothed = segment.heard, segment.smoothed or {}
    facts = [f"{segment.start_s:.3f}", f"{segment.end_s:.3f}", segment.answer]
    if heard is None:
        facts += ["", "", "", ""]
    else:
        probability = heard.probabilities[heard.emotion]
        facts += [heard.emotion, f"{probability:.6f}", "; ".join(heard.possible), segment.smoothed_answer]
    probabilities = ["" if heard is None else f"{heard.probabilities[name]:.6f}" for name in classes]
    over_time = [f"{smoothed[name]:.6f}" if smoothed else "" for name in classes]
    notes = [
        segment.text or "",
        "; ".join(heard.modalities if heard else ()),
        "; ".join(heard.warnings if heard else ()),
        segment.refusal or "",
    ]
    return facts + probabilities + over_time + notes
