"""Parameters as YAML: the file ``params.yaml``, overrides of single keys, and changes on top of others."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from merflow.contracts.cluster import RENAMED
from merflow.contracts.params import Params
from merflow.contracts.passwords import masked
from merflow.contracts.strict import Strict, parse
from merflow.errors import ParamsError

_EXAMPLE = "{training: {max_epochs: 6}}"


class _Loader(yaml.SafeLoader):
    """A YAML loader whose only booleans are ``true`` and ``false``, as in YAML 1.2.

    Tools that rewrite the file drop the quotes of ``"off"``, which YAML 1.1 would then read as false.
    """


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def shipped_params(*, overrides: tuple[str, ...] = ()) -> Params:
    """Return the parameters that merflow ships, with overrides as in :func:`read_params`."""
    return read_params(Path(str(files("merflow") / "params.yaml")), overrides=overrides)


def read_params(path: Path, *, overrides: tuple[str, ...] = ()) -> Params:
    """Read ``params.yaml`` and apply overrides of the form ``training.threads=2``.

    Raises:
        ParamsError: The file is missing or not a YAML mapping, or a key or value is wrong.
    """
    if not path.is_file():
        raise ParamsError(f"no such file: {path}; pass --params, or run in a folder that holds params.yaml")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected a mapping of sections, found {type(values).__name__}")
    for override in overrides:
        _set(values, override)
    where = str(path) + ("" if not overrides else f" with {masked(', '.join(overrides))}")
    return parse(Params, values, where=where, renamed=RENAMED, shipped=_shipped_values)


def _shipped_values() -> Any:  # noqa: ANN401 - parsed YAML
    return yaml.load((files("merflow") / "params.yaml").read_text(encoding="utf-8"), Loader=_Loader)


def changes_json(params: Params, *, base: Params) -> str:
    """Return as JSON what differs from ``base``, without the section ``cluster``; empty if nothing differs.

    :func:`with_changes` reads it. Pods are not part of it: they are compiled into a pipeline, and change no result.
    """
    changes = _changes(params, base)
    changes.pop("cluster", None)
    return json.dumps(changes) if changes else ""


def with_changes(base: Params, text: str) -> Params:
    """Return ``base`` with changes on top, such as ``{training: {max_epochs: 6}}``.

    Args:
        base: The parameters to change.
        text: YAML or JSON: sections, and in each the keys that differ. Empty for no change.

    Raises:
        ParamsError: The text is not a YAML mapping, or a key or value is wrong.
    """
    try:
        changes = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ParamsError(
            f"params {text[:100]!r} is not YAML ({' '.join(str(error).split())}); write it as {_EXAMPLE}"
        ) from error
    if changes is None:
        return base
    if not isinstance(changes, dict):
        raise ParamsError(f"params {text[:100]!r} is not a mapping; write it as {_EXAMPLE}")
    return parse(Params, _merged(base, changes), where=f"params {masked(text[:100])}", renamed=RENAMED)


def with_overrides(base: Params, overrides: tuple[str, ...]) -> Params:
    """Return ``base`` with overrides of the form ``training.threads=2``.

    Raises:
        ParamsError: A key or value is wrong.
    """
    values = base.model_dump()
    for override in overrides:
        _set(values, override)
    return parse(Params, values, where=f"--set {masked(', '.join(overrides))}", renamed=RENAMED)


def _changes(value: Strict, base: Strict) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, inner in value:
        earlier = getattr(base, name)
        if inner == earlier:
            continue
        if isinstance(inner, Strict):
            changes[name] = _changes(inner, earlier)
        else:
            changes[name] = value.model_dump(include={name})[name]
    return changes


def _merged(base: Strict, changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = base.model_dump()
    for name, change in changes.items():
        inner = getattr(base, name, None) if isinstance(name, str) else None
        merged[name] = _merged(inner, change) if isinstance(inner, Strict) and isinstance(change, dict) else change
    return merged


def _set(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ParamsError(f"override {override!r} has no '='; write it as training.threads=2")
    *sections, name = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ParamsError(f"override {override!r}: {section!r} is a value, not a section; write SECTION.KEY=VALUE")
    try:
        values[name] = yaml.load(text, Loader=_Loader) if text else ""
    except yaml.YAMLError as error:
        raise ParamsError(
            f"override {override!r}: {text!r} is not a YAML value; write it as training.threads=2"
        ) from error
