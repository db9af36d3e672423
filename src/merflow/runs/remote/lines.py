"""An append-only file of lines, such as the transcripts' journal: each process adds its own segments.

    <address>/<path>/<time>-<random>.jsonl    the lines that one process has added at once

Segments never change, so any number of machines may add to one file. On this machine it is a plain file.
"""

import secrets
import time
from pathlib import Path

from merflow.runs.remote.workspace import RemoteWorkspace
from merflow.storage.local import replacing

_SEGMENTS = ".segments"


class GrowingFile:
    """One such file.

    Args:
        path: The file in the scratch folder.
        remote: The workspace.
    """

    def __init__(self, path: Path, remote: RemoteWorkspace) -> None:
        self._path = path
        self._remote = remote
        self._folder = path.with_name(f"{path.name}{_SEGMENTS}")
        self._uploaded = 0

    def fetch(self) -> None:
        """Write all lines that the workspace has to the file.

        Raises:
            StorageError: S3 cannot be reached or refuses.
        """
        if self._remote.fetch_below(self._folder):
            segments = sorted(self._folder.glob("*.jsonl"))
            with replacing(self._path) as part, part.open("wb") as file:
                for segment in segments:
                    file.write(segment.read_bytes())
        self._uploaded = self._path.stat().st_size if self._path.is_file() else 0

    def segments(self) -> list[Path]:
        """Cut the complete lines that the file has gained into a segment, and return the paths of all segments."""
        if self._path.is_file():
            with self._path.open("rb") as file:
                file.seek(self._uploaded)
                new = file.read()
            complete = new[: new.rfind(b"\n") + 1]
            if complete:
                with replacing(self._folder / f"{time.time_ns()}-{secrets.token_hex(4)}.jsonl") as part:
                    part.write_bytes(complete)
                self._uploaded += len(complete)
        return sorted(self._folder.glob("*.jsonl"))
