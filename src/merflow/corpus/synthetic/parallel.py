"""The parts of a release, written one by one or in several processes."""

from collections.abc import Callable, Sequence

from merflow.contracts.processes import in_processes
from merflow.contracts.progress import Progress


def run_all(calls: Sequence[Callable[[], None]], *, stage: str, workers: int, progress: Progress) -> None:
    """Run the calls.

    Args:
        calls: Calls that each write a part of a release; the longest come first.
        stage: Name of the stage for the progress.
        workers: Number of processes; 1 runs the calls here.
        progress: Receives the stage, the calls done and their number.
    """
    done = 0

    def finished(_: None) -> None:
        nonlocal done
        done += 1
        progress(stage, done, len(calls))

    if workers > 1:
        in_processes(calls, workers=workers, finished=finished)
        return
    for call in calls:
        call()
        finished(None)
