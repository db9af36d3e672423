"""What is read from files as frozen, strict objects.

Unknown keys are errors that name the nearest known one, and all errors of a file are reported together.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from merflow.errors import ParamsError, nearest

# As pydantic calls a value that should have been a mapping.
_NO_MAPPING = ("dict_type", "model_type", "model_attributes_type")


class Strict(BaseModel):
    """Frozen, keyword-only, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Model = TypeVar("Model", bound=BaseModel)


def parse(kind: type[Model], values: Any, *, where: str) -> Model:  # noqa: ANN401 - parsed YAML is of any type
    """Values as an object of this kind.

    Raises:
        ParamsError: With every problem of the values, one a line.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = [
            f"  {_problem(kind, detail['loc'], detail['type'], detail['msg'], detail.get('input'))}"
            for detail in error.errors()
        ]
        raise ParamsError("\n".join([f"{where}: {len(lines)} problem(s)", *lines])) from error


def _problem(kind: type[BaseModel], loc: tuple[int | str, ...], code: str, message: str, found: object) -> str:
    key = f"{'.'.join(map(str, loc))}: " if loc else ""
    if code == "extra_forbidden":
        return f"{key}unknown key; {nearest(str(loc[-1]), _keys_at(kind, loc[:-1]))}"
    if code in _NO_MAPPING:
        return f"{key}expected a mapping (key: value), found {found!r}"
    if code == "value_error":  # a check of merflow's own, which names the values
        return key + message.removeprefix("Value error, ")
    return key + message + ("" if code == "missing" else f", found {found!r}")


def _keys_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> Iterable[str]:
    """The keys that are known at a place in this kind's values."""
    annotation: Any = kind
    for step in loc:
        if get_origin(annotation) in (dict, list):
            annotation = get_args(annotation)[-1]
        else:
            annotation = annotation.model_fields[str(step)].annotation
    keys: Mapping[str, object] = annotation.model_fields
    return keys
