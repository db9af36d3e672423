"""The registered version of a fetched package, in a file next to the package's folder."""

from pathlib import Path

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.strict import Strict

FORMAT = 1
_ENDING = ".version.json"


class FetchedVersion(Strict):
    """A version of a registered model.

    Attributes:
        name: The registered model.
        version: Its number.
        digest: SHA-256 of its ``package.json``, as ``sha256:`` and 64 hexadecimal digits.
    """

    name: str
    version: int
    digest: str


def write_fetched(package: Path, fetched: FetchedVersion) -> None:
    """Write the version next to the package's folder.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(_path(package), fetched, number=FORMAT)


def read_fetched(package: Path) -> FetchedVersion | None:
    """Read the version; None if the package was not fetched from a registry.

    Raises:
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    path = _path(package)
    if not path.is_file():
        return None
    return read_typed(FetchedVersion, path, number=FORMAT, remedy="fetch the package again")


def _path(package: Path) -> Path:
    return package.with_name(package.name + _ENDING)
