"""Signals at moments when an exception would be swallowed, printed or turned into another error.

Python's import system runs callbacks of weak references, whose exceptions are only printed. Libraries catch errors
while they are imported, and raise their own. SQLAlchemy prints the traceback of any exception that is raised while a
connection goes back to its pool. A handler that raises therefore waits until such a moment has passed. This file is
imported before all others, and needs the standard library only.
"""

import signal
import time
from types import FrameType

LONGEST_DELAY_S = 5.0  # a handler waits no longer

_IMPORT = "<frozen importlib._bootstrap>"
_POOL = "sqlalchemy.pool.base"
_RETURNS_CONNECTION = ("_finalize_fairy", "_close_connection")  # functions of the pool; its connects may take long
_AGAIN_S = 0.05

_first_s: float | None = None  # time of a signal that waits for a better moment


def is_import(frame: FrameType) -> bool:
    """Return True if the frame is part of the import system."""
    return frame.f_code.co_filename == _IMPORT


def _returns_connection(frame: FrameType) -> bool:
    """Return True if the frame gives a database's connection back to its pool, or closes it."""
    return frame.f_code.co_name in _RETURNS_CONNECTION and frame.f_globals.get("__name__") == _POOL


def postponed(number: int, frame: FrameType | None) -> bool:
    """Return True if an exception would get lost now; the same signal comes again in a moment.

    Args:
        number: Number of the signal.
        frame: The frame that it has interrupted.
    """
    global _first_s
    while frame is not None and not (is_import(frame) or _returns_connection(frame)):
        frame = frame.f_back
    now_s = time.monotonic()
    _first_s = now_s if _first_s is None else _first_s
    if frame is None or now_s - _first_s > LONGEST_DELAY_S:
        _first_s = None
        return False
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    return True
