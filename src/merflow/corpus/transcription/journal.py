"""Journal of recognized texts: one line per recording, safe if the process is killed at any point.

The key of a line is the digest of the recording and the identity of the model, so that any number of manifests and
models can share a journal, and a changed recording or setting is transcribed again. A batch is written in one piece.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from merflow.errors import CorpusError
from merflow.storage.line_journal import LineJournal, open_line_journal


class Journal:
    """An open journal.

    Attributes:
        texts: Digest of a recording -> its text by the model of this journal.
    """

    def __init__(self, lines: LineJournal, *, model: str) -> None:
        self._lines = lines
        self._model = model
        self.texts: dict[str, str] = dict(_texts(lines.entries, model=model))

    def add(self, texts: Mapping[str, str]) -> None:
        """Write the texts of a batch, by digest; they are on the disk when this returns.

        Raises:
            OutputError: The disk is full.
        """
        self._lines.add([{"audio": audio, "model": self._model, "text": text} for audio, text in texts.items()])
        self.texts.update(texts)


@contextmanager
def open_journal(path: Path, *, model: str) -> Iterator[Journal]:
    """Open the journal at ``path`` for one model, and make the file if it is missing; one process at a time may do so.

    Raises:
        CorpusError: Another process has the journal open.
        OutputError: The journal cannot be written.
    """
    busy = CorpusError(f"{path} is in use by another transcription; wait for it, or choose another --journal")
    with open_line_journal(path, busy=busy) as lines:
        yield Journal(lines, model=model)


def _texts(entries: Iterable[Any], *, model: str) -> Iterator[tuple[str, str]]:
    for entry in entries:
        match entry:
            case {"model": known, "audio": str(audio), "text": str(text)} if known == model:
                yield audio, text
