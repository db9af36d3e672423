"""Output for people: bars on a terminal and plain lines elsewhere, tables, errors and exit codes."""

import errno
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from merflow.cli.interrupts import INTERRUPTED_CODE
from merflow.contracts.progress import Progress as Tell
from merflow.errors import MerflowError

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)
INTERRUPTED = "interrupted; finished work is kept, and the same command continues from there"
_said_when_interrupted = [INTERRUPTED]

_UNBOUNDED = 10_000  # columns
_DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print the value on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(table: Table) -> None:
    """Print the table on standard output without truncating any cell; its caption is wrapped."""
    natural = Measurement.get(OUT, OUT.options.update(max_width=_UNBOUNDED), table).maximum
    Console(highlight=False, width=max(natural, OUT.width)).print(table)


def print_tree(tree: Tree) -> None:
    """Print the tree on standard output; long lines are wrapped only on a terminal."""
    natural = Measurement.get(OUT, OUT.options.update(max_width=_UNBOUNDED), tree).maximum
    Console(highlight=False, width=OUT.width if OUT.is_terminal else natural).print(tree)


@contextmanager
def progress_bars() -> Iterator[Tell | None]:
    """Yield a progress callback that draws one bar per stage on a terminal; elsewhere None: jobs print plain lines."""
    if not ERR.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=ERR) as progress:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done, total=total)

        yield tell


def say_when_interrupted(message: str) -> None:
    """Print this sentence instead of :data:`INTERRUPTED` if the running command is interrupted."""
    _said_when_interrupted[:] = [message]


def run(program: Callable[[], None]) -> None:
    """Run a command, and turn errors into a message and an exit code.

    0 is success, 2 a problem with the user's input or disk, 130 an interrupt. Anything else is a bug in merflow: a
    traceback and 1.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    say_when_interrupted(INTERRUPTED)
    try:
        program()
    except MerflowError as error:
        _print_error(str(error))
        sys.exit(2)
    except OSError as error:
        if error.errno not in _DISK_ERRNOS:
            raise
        _print_error(f"{error}; free some space, or choose a folder that you may read and write")
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as ending:  # Typer turns the first into the second
        if isinstance(ending, SystemExit) and ending.code != INTERRUPTED_CODE:
            raise
        ERR.print(*_said_when_interrupted)
        sys.exit(INTERRUPTED_CODE)


def _print_error(message: str) -> None:
    ERR.print(Text.assemble(("error:", "bold red"), f" {message}"))
