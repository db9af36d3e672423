"""Segments that an earlier, interrupted run with the same recording, model and settings finished."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from merflow.contracts.listening_results import HeardSegment
from merflow.errors import ServingError
from merflow.serving.segments import SpeechSegment
from merflow.storage.line_journal import LineJournal, open_line_journal


class RememberedSegments:
    """The finished segments of one recording.

    Attributes:
        reused: Number of segments taken from an earlier run.
    """

    def __init__(self, journal: LineJournal | None, *, key: str) -> None:
        self._journal = journal
        self._key = key
        self._known: dict[tuple[int, int], HeardSegment] = {}
        self.reused = 0
        for entry in journal.entries if journal else ():
            match entry:
                case {"key": known, "first": int(first), "end": int(end), "segment": dict(segment)} if known == key:
                    try:
                        self._known[first, end] = HeardSegment.model_validate(segment, strict=False)
                    except ValidationError:  # written by another version of merflow
                        continue

    def find(self, segment: SpeechSegment) -> HeardSegment | None:
        """Return the finished segment; None if it is not known."""
        return self._known.get((segment.first, segment.end))

    def add(self, pairs: Sequence[tuple[SpeechSegment, HeardSegment]]) -> None:
        """Write finished segments in one piece.

        Raises:
            OutputError: The disk is full.
        """
        if self._journal is not None:
            self._journal.add(
                [
                    {"key": self._key, "first": of.first, "end": of.end, "segment": heard.model_dump(mode="json")}
                    for of, heard in pairs
                ]
            )


@contextmanager
def open_remembered(path: Path | None, *, key: str) -> Iterator[RememberedSegments]:
    """Open the journal of finished segments.

    Args:
        path: The journal; None to remember nothing.
        key: Key of recording, model and settings.

    Raises:
        ServingError: Another process is using the same journal.
        OutputError: The journal cannot be written.
    """
    if path is None:
        yield RememberedSegments(None, key=key)
        return
    busy = ServingError(f"{path} is in use by another merflow listen; wait for it, or choose another --out")
    with open_line_journal(path, busy=busy) as journal:
        yield RememberedSegments(journal, key=key)
