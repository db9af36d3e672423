"""The ``merflow`` command as you run it: arguments in, exit code and both streams out."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest.mock import patch

from merflow.cli.app import main


class Said(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


def merflow(*arguments: object, columns: int = 200) -> Said:
    """Run the command in this process, where libraries are loaded once; a traceback fails the test."""
    out, err = io.StringIO(), io.StringIO()
    words = ["merflow", *map(str, arguments)]
    with (
        patch.object(sys, "argv", words),
        patch.dict("os.environ", {"COLUMNS": str(columns), "TERMINAL_WIDTH": str(columns)}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return Said(code, out.getvalue(), err.getvalue())


def refused(*arguments: object) -> str:
    """Return the error of a command that refuses its input: exit code 2, nothing on standard output, no traceback."""
    said = merflow(*arguments)
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err
