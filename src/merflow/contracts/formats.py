"""Typed JSON files that record their format and the version of merflow that wrote them.

A file of another format is refused with one sentence: who wrote it, and what to do.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from merflow.contracts.strict import Strict
from merflow.errors import FormatError
from merflow.storage.local import write_json

_FORMAT, _WRITTEN_BY = "format", "written_by"

Content = TypeVar("Content", bound=Strict)


def write_typed(path: Path, content: Strict, *, number: int) -> None:
    """Write the content as JSON with its format number, completely or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    head = {_FORMAT: number, _WRITTEN_BY: version("merflow")}
    write_json(path, {**head, **content.model_dump(mode="json")})


def read_typed(kind: type[Content], path: Path, *, number: int, remedy: str) -> Content:
    """Read a file that :func:`write_typed` wrote.

    Args:
        kind: The type of its content.
        path: The file.
        number: The format that this version of merflow reads.
        remedy: One thing to do about a file of another format.

    Raises:
        FormatError: The file is missing or damaged, or has another format.
    """
    values = read_content(path, remedy=remedy)
    if values.pop(_FORMAT, None) != number:
        raise refused(path, number=number, remedy=remedy)
    values.pop(_WRITTEN_BY, None)
    try:
        return kind.model_validate_json(json.dumps(values))  # JSON's lists are tuples, its keys roles
    except ValidationError as error:
        problems = [f"  {'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()]
        raise FormatError("\n".join([f"{path} is damaged; {remedy}", *problems])) from error


def refused(path: Path, *, number: int, remedy: str) -> FormatError:
    """Return the error about a file of another format; it names the version that wrote the file if the file does."""
    content = read_content(path, remedy=remedy)
    written = f"{path} was written by {_writer(content)} (format {content.get(_FORMAT, 1)})"
    return FormatError(f"{written}; this version reads format {number}; {remedy}")


def read_content(path: Path, *, remedy: str) -> dict[str, Any]:
    """Return the values of such a file, of whatever type and format.

    Raises:
        FormatError: The file is missing or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"cannot read {path} ({error}); {remedy}") from error
    except ValueError as error:
        raise FormatError(f"{path} is not JSON ({error}); {remedy}") from error
    if not isinstance(values, dict):
        raise FormatError(f"{path} is damaged: expected a JSON object, found {type(values).__name__}; {remedy}")
    return values


def _writer(content: dict[str, Any]) -> str:
    environment = content.get("environment")
    earlier = environment.get("merflow") if isinstance(environment, dict) else None  # where the first format stored it
    written_by = content.get(_WRITTEN_BY) or content.get("merflow_version") or earlier
    return f"merflow {written_by}" if written_by else "an earlier merflow"
