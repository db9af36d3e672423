"""Signals during an import, where an exception is turned into another error or swallowed.

Python's import system runs callbacks of weak references, whose exceptions are only printed. Libraries catch errors
while they are imported, and raise their own. A handler that raises therefore waits until the import ends. This file is
imported before all others, and needs the standard library only.
"""

import signal
import time
from types import FrameType

LONGEST_IMPORT_S = 5.0  # a handler waits no longer

_IMPORT = "<frozen importlib._bootstrap>"
_AGAIN_S = 0.05

_first_s: float | None = None  # time of a signal that waits for the end of an import


def is_import(frame: FrameType) -> bool:
    """Return True if the frame is part of the import system."""
    return frame.f_code.co_filename == _IMPORT


def postponed(number: int, frame: FrameType | None) -> bool:
    """Return True if an import is running; the same signal comes again in a moment.

    Args:
        number: Number of the signal.
        frame: The frame that it has interrupted.
    """
    global _first_s
    while frame is not None and not is_import(frame):
        frame = frame.f_back
    now_s = time.monotonic()
    _first_s = now_s if _first_s is None else _first_s
    if frame is None or now_s - _first_s > LONGEST_IMPORT_S:
        _first_s = None
        return False
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    return True
