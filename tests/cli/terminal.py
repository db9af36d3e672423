"""A terminal with eighty columns: starts a command, types, and returns the screen at the end."""

import os
import pty
import re
import select
import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple

COLUMNS = 80

_ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Shown(NamedTuple):
    """The exit code, the process' session, and all lines on the screen at the end."""

    code: int
    session: int
    lines: list[str]


def show(arguments: Sequence[str], *, interrupt: Callable[[int], bool] = lambda _: False) -> Shown:
    """Run the command, and type Ctrl-C when ``interrupt(session)`` is true; it is called a hundred times per second."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(COLUMNS)},
    )
    os.close(child)
    seen, typed = b"", False
    while True:
        if select.select([parent], [], [], 0.01)[0]:
            try:
                seen += os.read(parent, 1 << 16)
            except OSError:  # the last process that held the terminal is gone
                break
        if not typed and interrupt(process.pid):
            typed = True
            os.write(parent, b"\x03")
    os.close(parent)
    return Shown(process.wait(), process.pid, screen(seen.decode(errors="replace")))


def screen(text: str) -> list[str]:
    """Return the lines after all cursor movements; only the movements that bars use are supported."""
    lines: list[list[str]] = [[]]
    row = column = place = 0
    while place < len(text):
        escape = _ESCAPE.match(text, place)
        if escape:
            place = escape.end()
            if escape[2] == "A":
                row -= int(escape[1] or 1)
            elif escape[2] == "K":
                lines[row] = [] if escape[1] == "2" else lines[row][:column]
            continue
        letter, place = text[place], place + 1
        if letter == "\r":
            column = 0
            continue
        if letter == "\n" or column == COLUMNS:
            row, column = row + 1, 0
        lines += [[] for _ in range(row + 1 - len(lines))]
        if letter != "\n":
            lines[row] += [" "] * (column - len(lines[row]))
            lines[row][column : column + 1] = letter
            column += 1
    return ["".join(line).rstrip() for line in lines]
