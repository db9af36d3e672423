"""Predicted clips as CSV: one row per clip, for spreadsheets and statistics."""

import csv
from pathlib import Path

from merflow.contracts.clip_results import ClipResult, ClipResults
from merflow.storage.local import output_errors, replacing

_FACTS = ("clip", "answer", "emotion", "probability", "possible")
_NOTES = ("modalities", "warnings", "duration_s", "text", "refusal", "model", "version")


def write_clips(path: Path, results: ClipResults) -> None:
    """Write one row per clip, in UTF-8.

    Columns: the clip; the answer, which may be ``not sure``; the most likely emotion and its probability; the possible
    emotions; ``p_EMOTION`` for every emotion; modalities, warnings, duration and words; the reason if the clip was
    refused; the model and its version. Several values in a cell are separated by ``; ``.

    Raises:
        OutputError: The file cannot be written.
    """
    classes = results.model.classes
    with replacing(path) as part, output_errors(path), part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*_FACTS, *(f"p_{name}" for name in classes), *_NOTES])
        model = [results.model.name, results.model.version]
        writer.writerows([*_row(clip, classes), *model] for clip in results.clips)


def _row(clip: ClipResult, classes: tuple[str, ...]) -> list[str]:
    heard = clip.heard
    if heard is None:
        return [clip.clip, *[""] * (len(_FACTS) - 1 + len(classes) + 2), "", "", clip.refusal or ""]
    return [
        clip.clip,
        heard.answer,
        heard.emotion,
        f"{heard.probabilities[heard.emotion]:.6f}",
        "; ".join(heard.possible),
        *(f"{heard.probabilities[name]:.6f}" for name in classes),
        "; ".join(heard.modalities),
        "; ".join(heard.warnings),
        "" if clip.duration_s is None else f"{clip.duration_s:.3f}",
        clip.text or "",
        "",
    ]
