"""Journal of recognized texts: one line per recording, safe if the process is killed at any point.

The key of a line is the digest of the recording and the identity of the model, so that any number of manifests and
models can share a journal, and a changed recording or setting is transcribed again. A batch is written in one piece. A
killed process may leave a torn line at the end; the next writer ends that line, and readers skip it.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from merflow.errors import CorpusError
from merflow.storage.local import output_errors


class Journal:
    """An open journal.

    Attributes:
        texts: Digest of a recording -> its text by the model of this journal.
    """

    def __init__(self, file: BinaryIO, *, path: Path, model: str) -> None:
        file.seek(0)
        content = file.read()
        self._file = file
        self._path = path
        self._model = model
        self._torn = bool(content) and not content.endswith(b"\n")
        self.texts: dict[str, str] = dict(_entries(content, model=model))

    def add(self, texts: Mapping[str, str]) -> None:
        """Write the texts of a batch, by digest; they are on the disk when this returns.

        Raises:
            OutputError: The disk is full.
        """
        lines = [
            json.dumps({"audio": audio, "model": self._model, "text": text}, ensure_ascii=False)
            for audio, text in texts.items()
        ]
        block = ("\n" if self._torn else "") + "".join(f"{line}\n" for line in lines)
        with output_errors(self._path):
            self._file.write(block.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        self._torn = False
        self.texts.update(texts)


@contextmanager
def open_journal(path: Path, *, model: str) -> Iterator[Journal]:
    """Open the journal at ``path`` for one model, and make the file if it is missing; one process at a time may do so.

    Raises:
        CorpusError: Another process has the journal open.
        OutputError: The journal cannot be written.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CorpusError(
                f"{path} is in use by another transcription; wait for it, or choose another --journal"
            ) from error
        yield Journal(file, path=path, model=model)


def _entries(content: bytes, *, model: str) -> Iterator[tuple[str, str]]:
    for line in content.split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:  # empty, or torn by a killed process
            continue
        match entry:
            case {"model": known, "audio": str(audio), "text": str(text)} if known == model:
                yield audio, text
