"""Upload of files to S3 while a job writes them, so that a killed pod's work is not lost."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from merflow.contracts.progress import say
from merflow.errors import StorageError
from merflow.runs.remote.workspace import RemoteWorkspace

EVERY_S = 5.0

# Identity, size and time of a file.
_State = tuple[int, int, int]


class Watch:
    """A context manager that uploads new and replaced files every few seconds, and the remaining ones at the end.

    An error from S3 during the job is printed and retried. One at the end is raised, unless the job itself failed.

    Args:
        remote: The workspace.
        find: Returns the files that exist now; each appears in its folder as a whole.
        immutable: True if the files never change.
        every_s: Seconds between two checks; None for :data:`EVERY_S`.
    """

    def __init__(
        self,
        remote: RemoteWorkspace,
        find: Callable[[], Iterable[Path]],
        *,
        immutable: bool,
        every_s: float | None = None,
    ) -> None:
        self._remote = remote
        self._find = find
        self._immutable = immutable
        self._every_s = EVERY_S if every_s is None else every_s
        self._uploaded: dict[Path, _State] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="workspace", daemon=True)

    def __enter__(self) -> "Watch":
        self._uploaded = dict(self._states())  # fetched just now, or uploaded by an earlier step
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None:
            self._upload()
        else:
            with suppress(StorageError):
                self._upload()

    def _watch(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                self._upload()
            except StorageError as error:
                say(f"workspace: {error}; trying again in {self._every_s:g} s")

    def _upload(self) -> None:
        new = {path: state for path, state in self._states() if self._uploaded.get(path) != state}
        if new:
            self._remote.upload(list(new), immutable=self._immutable)
            self._uploaded |= new

    def _states(self) -> Iterable[tuple[Path, _State]]:
        for path in self._find():
            with suppress(FileNotFoundError):
                facts = path.stat()
                yield path, (facts.st_ino, facts.st_size, facts.st_mtime_ns)
