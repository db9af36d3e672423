"""The name of a run and the command that made it, kept in its folder for a later report."""

from pathlib import Path

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.strict import Strict

_FILE = "invocation.json"
_FORMAT = 1


class Invocation(Strict):
    """A run's name and command."""

    name: str
    command: str


def write_invocation(folder: Path, invocation: Invocation) -> None:
    """Write it into the run's folder.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / _FILE, invocation, number=_FORMAT)


def read_invocation(folder: Path) -> Invocation | None:
    """Read it from a run's folder; None if the folder has none.

    Raises:
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    return read_typed(Invocation, path, number=_FORMAT, remedy="delete it; the report then shows the folder's name")
