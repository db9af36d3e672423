"""How a job tells people how far it is: one plain line now and then, wherever nobody draws a bar.

Lines go to standard error, begin with ``merflow |`` (errors with ``merflow !``) and are whole sentences of one stage,
so that logs of parallel steps stay readable and a runner can pick them out of other output.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from merflow.errors import MerflowError

PREFIX = "merflow | "
ERROR_PREFIX = "merflow ! "

# Called by a job with the stage it is in, steps done and steps in all; done == total ends the stage.
Progress = Callable[[str, int, int], None]


def plain_lines(*, every_s: float = 10.0) -> Progress:
    """A line when a stage ends, and every ``every_s`` seconds while it runs."""
    current = ""
    started = last = time.monotonic()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal current, started, last
        now = time.monotonic()
        if stage != current:
            current, started, last = stage, now, now
        if done >= total or now - last >= every_s:
            last = now
            say(f"{stage}: {_unit(stage)}{done}/{total} ({now - started:.0f} s)")

    return tell


def _unit(stage: str) -> str:
    """What is counted, where the stage's name does not say: ``train model:preset:fold`` counts epochs."""
    return "epoch " if stage.startswith("train ") and ":" in stage else ""


def say(line: str) -> None:
    """One line for people."""
    sys.stderr.write(f"{PREFIX}{line}\n")
    sys.stderr.flush()


@contextmanager
def saying_errors() -> Iterator[None]:
    """Says a :class:`MerflowError` line by line, marked as an error, and lets it go on."""
    try:
        yield
    except MerflowError as error:
        sys.stderr.writelines(f"{ERROR_PREFIX}{line}\n" for line in str(error).splitlines())
        raise
