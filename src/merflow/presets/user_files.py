"""The user's YAML files: their presets, and encoder profiles."""

from pathlib import Path
from typing import Any

import yaml

from merflow.errors import PresetError


def file_text(path: Path, *, kind: str, option: str) -> str:
    """Return the text of a file.

    Args:
        path: The file.
        kind: The content of the file, for errors.
        option: The option that names the file, for errors.

    Raises:
        PresetError: The file is missing or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PresetError(f"no such file: {path}; pass a file of {kind} with {option}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"cannot read {path} ({error}); pass a file of {kind} with {option}") from error


def yaml_of(text: str, *, where: str, shape: str) -> Any:  # noqa: ANN401 - parsed by the caller
    """Return the content of a YAML text; error messages use ``shape`` to show how to write it.

    Raises:
        PresetError: The text is not YAML.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PresetError(f"{where} is not YAML: {_yaml_problem(error)}; {shape}") from error


def described(value: object) -> str:
    """Describe a value of the wrong kind for the user."""
    kinds = {dict: "a mapping", list: "a list", str: f"the text {str(value)[:40]!r}", type(None): "nothing"}
    return kinds.get(type(value), repr(value))


def _yaml_problem(error: yaml.YAMLError) -> str:
    """Return the problem on one line, with its position."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
