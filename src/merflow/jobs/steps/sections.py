"""What pipelines hand over as text: sections of ``params.yaml`` and presets of one's own."""

import json
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from merflow.contracts.params import read_params
from merflow.contracts.presets import Preset
from merflow.contracts.strict import Strict, parse
from merflow.errors import ParamsError

Section = TypeVar("Section", bound=Strict)


def section(kind: type[Section], text: str) -> Section:
    """A section of ``params.yaml`` from its JSON; the one that merflow ships where the text is empty.

    Raises:
        ParamsError: The text is no JSON, or a key or value is wrong.
    """
    if text:
        try:
            return parse(kind, json.loads(text), where=kind.__name__)
        except json.JSONDecodeError as error:
            raise ParamsError(f"{kind.__name__}: {text[:100]!r} is no JSON ({error})") from error
    shipped = read_params(Path(str(files("merflow") / "params.yaml")))
    return next(value for value in dict(shipped).values() if isinstance(value, kind))


def parsed_presets(presets: str, *, profile: str | None = None) -> dict[str, Preset]:
    """As :func:`merflow.folds.presets.parse_presets`; what it needs is loaded only where there are some."""
    if not presets.strip():
        return {}
    from merflow.folds.presets import parse_presets

    return parse_presets(presets, where="presets", profile=profile)
