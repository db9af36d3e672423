"""The recorded exception for a use in which the law prohibits the inference of emotions."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.strict import Strict, parse, read_yaml

EXCEPTION = "use_exception.json"
FORMAT = 1
_REMEDY = "record the exception again"


class UseException(Strict):
    """An exception that allows a prohibited use, as provided by Article 5(1)(f) of the EU AI Act.

    Attributes:
        use: The use, such as ``workplace``.
        ground: ``medical`` or ``safety``; the law allows no other.
        reason: The reason in words, which an auditor will read.
        by: The person who takes responsibility for it.
    """

    use: str = Field(min_length=1)
    ground: Literal["medical", "safety"]
    reason: str = Field(min_length=20)
    by: str = Field(min_length=1)


def parse_exception(path: Path) -> UseException:
    """Read an exception that a person has written, as YAML with the keys ``use``, ``ground``, ``reason`` and ``by``.

    Raises:
        ParamsError: The file is missing or not YAML, or with every problem of its values.
    """
    return parse(UseException, read_yaml(path, what="exception"), where=str(path))


def write_exception(folder: Path, exception: UseException) -> None:
    """Write ``use_exception.json`` into a package.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / EXCEPTION, exception, number=FORMAT)


def read_exception(folder: Path) -> UseException:
    """Read the exception of a package.

    Raises:
        FormatError: It is missing or damaged, or another version of merflow wrote it.
    """
    return read_typed(UseException, folder / EXCEPTION, number=FORMAT, remedy=_REMEDY)
