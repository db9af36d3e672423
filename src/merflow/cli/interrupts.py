"""Handling of Ctrl-C before and after a command, and during an import."""

import atexit
import os
import sys
import threading
from types import FrameType

from merflow.contracts.signals import is_import, postponed

INTERRUPTED_CODE = 130

_SHOW_CURSOR = "\x1b[?25h"


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handle Ctrl-C: end the process at once if it only imports a command's code; finish an import of a job first.

    Raises:
        KeyboardInterrupt: No import is running.
    """
    if _is_preparing(frame):
        leave(number, frame)
    if not postponed(number, frame):
        raise KeyboardInterrupt


def leave(_number: int, _frame: FrameType | None) -> None:
    """End the process on Ctrl-C before or after the command, when no job is running."""
    try:
        sys.stdout.flush()
    finally:
        cursor = _SHOW_CURSOR if os.isatty(2) else ""
        os.write(2, f"{cursor}interrupted\n".encode())
        os._exit(INTERRUPTED_CODE)


def end(code: object) -> None:
    """End the process after its command without the interpreter's shutdown, which takes a second with torch loaded.

    Return if another thread is still running; the interpreter then exits normally and waits for it.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if not isinstance(code, int | None) or not all(thread.daemon for thread in others):
        return
    atexit._run_exitfuncs()
    number = code or 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the disk is full, or the pipe is closed
            number = number or 1
    os._exit(number)


def _is_preparing(frame: FrameType | None) -> bool:
    """Return True if an import is running outside of any job."""
    importing = working = False
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if is_import(frame):
            importing, working = True, False
        elif module.startswith("merflow.") and not module.startswith(("merflow.__main__", "merflow.cli.")):
            working = True
        frame = frame.f_back
    return importing and not working
