"""Frozen, strict objects for values that are read from files.

Unknown keys are errors that name the nearest known one, and all problems of a file are reported together.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from merflow.errors import ParamsError, nearest

# Pydantic's codes for a value that should have been a mapping.
_NO_MAPPING = ("dict_type", "model_type", "model_attributes_type")


class Strict(BaseModel):
    """Frozen, keyword-only, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Model = TypeVar("Model", bound=BaseModel)


def parse(
    kind: type[Model],
    values: Any,  # noqa: ANN401 - parsed YAML is of any type
    *,
    where: str,
    renamed: Mapping[str, str] = MappingProxyType({}),
    shipped: Callable[[], Any] = dict,
) -> Model:
    """Return values as an object of this kind.

    Args:
        kind: The type.
        values: Values of a file, as YAML or JSON give them.
        where: The file, for errors.
        renamed: Keys of earlier versions, dotted, with today's keys and perhaps a note after a comma.
        shipped: Returns merflow's own values, from which an error shows a key that a file of an earlier version lacks.

    Raises:
        ParamsError: With every problem of the values, one per line.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _named(error, kind, where=where, renamed=renamed, shipped=shipped()) from error


def read_yaml(path: Path, *, what: str) -> Any:  # noqa: ANN401 - YAML is of any type
    """Return the values of a user's YAML file.

    Args:
        path: The file.
        what: The kind of file in a word or two, for errors.

    Raises:
        ParamsError: The file is missing, unreadable or not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(f"cannot read {what} {path} ({error.strerror}); pass the path of a {what} file") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{what} {path} is not YAML ({' '.join(str(error).split())}); correct it") from error
    return yaml_of(text, where=f"{what} {path}")


def yaml_of(text: str, *, where: str) -> Any:  # noqa: ANN401 - YAML is of any type
    """Return the values of a text in YAML.

    Raises:
        ParamsError: The text is not YAML.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"{where} is not YAML ({' '.join(str(error).split())}); correct it") from error


def parse_json(kind: type[Model], text: str, *, where: str) -> Model:
    """Return JSON as an object of this kind.

    Raises:
        ParamsError: The text is not JSON, or with every problem of its values, one per line.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise ParamsError(f"{where} is not JSON ({error.errors()[0]['msg']}): {text[:100]!r}") from error
        raise _named(error, kind, where=where, renamed={}, shipped={}) from error


def _named(
    error: ValidationError,
    kind: type[BaseModel],
    *,
    where: str,
    renamed: Mapping[str, str],
    shipped: Any,  # noqa: ANN401 - parsed YAML
) -> ParamsError:
    """Return one error that names every problem; a renamed key explains the absence of the key that replaced it."""
    details = error.errors()
    old = {_dotted(detail["loc"]) for detail in details if detail["type"] == "extra_forbidden"} & renamed.keys()
    replaced = {renamed[key].partition(",")[0] for key in old}
    lines = [
        f"  {(detail['type'] == 'missing' and _missing(detail['loc'], shipped)) or _problem(kind, detail, renamed)}"
        for detail in details
        if not (detail["type"] == "missing" and _dotted(detail["loc"]) in replaced)
    ]
    return ParamsError("\n".join([f"{where}: {len(lines)} problem(s)", *lines]))


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(map(str, loc))


def _missing(loc: tuple[int | str, ...], shipped: Any) -> str:  # noqa: ANN401 - parsed YAML
    """Return the problem of a key that is missing, with merflow's own value; empty if merflow's values lack it, too."""
    value = shipped
    for step in loc:
        if not isinstance(value, Mapping) or step not in value:
            return ""
        value = value[step]
    if isinstance(value, Mapping) and value:
        return f"{_dotted(loc)}: missing; copy it from the file that merflow ships"
    text = value if isinstance(value, str) and value else json.dumps(value)
    return f"{_dotted(loc)}: missing; to keep what merflow ships, add `{loc[-1]}: {text}`"


def _problem(kind: type[BaseModel], detail: ErrorDetails, renamed: Mapping[str, str]) -> str:
    loc, code, message, value = detail["loc"], detail["type"], detail["msg"], detail.get("input")
    key = f"{_dotted(loc)}: " if loc else ""
    if code == "extra_forbidden" and _dotted(loc) in renamed:
        return f"{key}renamed; write {renamed[_dotted(loc)]}"
    if code == "extra_forbidden":
        return f"{key}unknown key; {nearest(str(loc[-1]), _keys_at(kind, loc[:-1]))}"
    if code in _NO_MAPPING:
        return f"{key}expected a mapping (key: value), found {value!r}"
    if code == "value_error":  # a check of merflow's own, which names the values
        return key + message.removeprefix("Value error, ")
    return key + message + ("" if code == "missing" else f", found {value!r}")


def _keys_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> Iterable[str]:
    """Return the known keys of the mapping at a location in this kind's values."""
    annotation: Any = kind
    for step in loc:
        if get_origin(annotation) in (dict, list):
            annotation = get_args(annotation)[-1]
        else:
            annotation = annotation.model_fields[str(step)].annotation
        if get_origin(annotation) is UnionType:  # a mapping or none
            annotation = get_args(annotation)[0]
    keys: Mapping[str, object] = annotation.model_fields
    return keys
