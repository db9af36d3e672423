"""Progress of jobs as plain lines, for logs and wherever no progress bar is drawn.

Lines go to standard error and begin with ``merflow |``, errors with ``merflow !``. Each line is complete and belongs to
one stage, so that logs of parallel steps stay readable and a runner can pick the lines out of other output.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from merflow.errors import MerflowError

PREFIX = "merflow | "
ERROR_PREFIX = "merflow ! "
_EVERY_S = 10.0

# Called by a job with its stage, the steps done and the total number of steps; done == total ends the stage.
Progress = Callable[[str, int, int], None]


def plain_lines() -> Progress:
    """Return a progress that prints a line every ten seconds, and one at the end of a stage."""
    current = ""
    started = last = time.monotonic()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal current, started, last
        now = time.monotonic()
        if stage != current:
            current, started, last = stage, now, now
        if done >= total or now - last >= _EVERY_S:
            last = now
            say(f"{stage}: {_unit(stage)}{done}/{total} ({now - started:.0f} s)")

    return tell


def _unit(stage: str) -> str:
    """Return the unit that a stage counts if its name does not say so: ``train model:preset:fold`` counts epochs."""
    return "epoch " if stage.startswith("train ") and ":" in stage else ""


def say(line: str) -> None:
    """Print one line for people."""
    sys.stderr.write(f"{PREFIX}{line}\n")
    sys.stderr.flush()


@contextmanager
def saying_errors() -> Iterator[None]:
    """Print a :class:`MerflowError` line by line, marked as an error, and raise it again."""
    try:
        yield
    except MerflowError as error:
        sys.stderr.writelines(f"{ERROR_PREFIX}{line}\n" for line in str(error).splitlines())
        raise
