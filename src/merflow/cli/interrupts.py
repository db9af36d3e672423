"""Ctrl-C in the middle of an import, where an exception prints a traceback, becomes another error, or is swallowed.

While a command only imports its code, Ctrl-C ends the process at once. While a job is at work, an import is finished
first. This file is imported before all others, and needs the standard library only.
"""

import os
import signal
import sys
import threading
import time
from types import FrameType

INTERRUPTED_CODE = 130

_IMPORT = "<frozen importlib._bootstrap>"
_AGAIN_S = 0.05
_LONGEST_IMPORT_S = 5.0
_SHOW_CURSOR = "\x1b[?25h"

_postponed_s: float | None = None  # time of a Ctrl-C that waits for the end of an import


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handle Ctrl-C.

    Raises:
        KeyboardInterrupt: No import is running, or it takes too long.
    """
    global _postponed_s
    importing, working = _activity(frame)
    if importing and not working:
        leave(number, frame)
    now_s = time.monotonic()
    _postponed_s = now_s if _postponed_s is None else _postponed_s
    if importing and now_s - _postponed_s < _LONGEST_IMPORT_S:
        again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
        return
    _postponed_s = None
    raise KeyboardInterrupt


def leave(_number: int, _frame: FrameType | None) -> None:
    """End the process by Ctrl-C where nothing is at work: before the command, or after it."""
    try:
        sys.stdout.flush()
    finally:
        cursor = _SHOW_CURSOR if os.isatty(2) else ""
        os.write(2, f"{cursor}interrupted\n".encode())
        os._exit(INTERRUPTED_CODE)


def _activity(frame: FrameType | None) -> tuple[bool, bool]:
    """Return True if an import is running, and True if a job is at work outside of it."""
    importing = working = False
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if frame.f_code.co_filename == _IMPORT:
            importing, working = True, False
        elif module.startswith("merflow.") and not module.startswith(("merflow.__main__", "merflow.cli.")):
            working = True
        frame = frame.f_back
    return importing, working
