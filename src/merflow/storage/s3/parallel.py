"""Work on many files in threads, with progress in bytes."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

from merflow.storage.s3.retries import StoppedError

# merflow.contracts.progress.Progress, which stands above storage: stage, done, total.
Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")

_MIB = 1 << 20


class Tally:
    """The bytes that are done, reported in MiB; threads may share it.

    Args:
        stage: The action, for example ``fetch``.
        total: Bytes of all files.
        progress: Called with the stage, the MiB done and the MiB of all files.
    """

    def __init__(self, stage: str, *, total: int, progress: Progress | None) -> None:
        self._stage = f"{stage}, MiB"
        self._total_mib = max(1, -(-total // _MIB))
        self._done = 0
        self._told = -1
        self._progress = progress
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Count bytes as done, or a negative number as undone."""
        with self._lock:
            self._done += count
            # The last step is reported by `finish`, once everything has also been checked.
            done = min(max(self._done, 0) // _MIB, self._total_mib - 1)
            if self._progress is not None and done != self._told:
                self._told = done
                self._progress(self._stage, done, self._total_mib)

    def finish(self) -> None:
        """Report the end."""
        if self._progress is not None:
            self._progress(self._stage, self._total_mib, self._total_mib)


def each_of(
    items: Sequence[Item], work: Callable[[Item], Result], *, threads: int, stop: Callable[[], None]
) -> list[Result]:
    """Return the result of ``work`` on every item, in order. The first error stops all work and is raised.

    Args:
        items: The items to work on.
        work: Called in several threads.
        threads: Their number.
        stop: Called after an error or Ctrl-C; it ends running calls.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="s3") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            while wait(futures, timeout=1.0, return_when=FIRST_EXCEPTION).not_done:
                _raise_first(futures)
            _raise_first(futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
    return [future.result() for future in futures]


def parts_of(parts: Iterable[Item], work: Callable[[Item], Result], *, pool: Executor) -> list[Result]:
    """Return the result of ``work`` on every part of one file, in threads that other files share.

    The first error is raised once the started parts are done, so that none is still running afterwards.
    """
    futures = [pool.submit(work, part) for part in parts]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        _raise_first(futures)
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


def _raise_first(futures: "Sequence[Future[Result]]") -> None:
    """Raise the first error of the finished work, ignoring errors of work that was stopped because of it."""
    for future in futures:
        if future.done() and not future.cancelled():
            with suppress(StoppedError):
                future.result()
