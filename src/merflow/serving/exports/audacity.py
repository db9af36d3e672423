"""Segments as an Audacity label track (File, Import, Labels)."""

from pathlib import Path

from merflow.contracts.heard import HeardScore
from merflow.contracts.listening_results import HeardSegment, ListeningResults
from merflow.storage.local import replacing

REFUSED = "no prediction"


def write_labels(path: Path, results: ListeningResults) -> None:
    """Write one line per segment: start, end and label, separated by tabs; times are in seconds.

    Raises:
        OutputError: The file cannot be written.
    """
    lines = [f"{each.start_s:.6f}\t{each.end_s:.6f}\t{_label(each)}\n" for each in results.segments]
    with replacing(path) as part:
        part.write_text("".join(lines), encoding="utf-8")


def _label(segment: HeardSegment) -> str:
    """Return the answer, with the possible emotions if the model is not sure."""
    heard = segment.heard
    if heard is None:
        return REFUSED
    if isinstance(heard, HeardScore) or heard.sure or not heard.possible:
        return heard.answer
    return f"{heard.answer} ({' or '.join(heard.possible)})"
