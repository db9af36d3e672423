"""The example script beside an exported model, which needs onnxruntime and numpy alone."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from merflow.contracts.exported_model import ExportedModel

_TEMPLATE = "predict.py.j2"


def write_example(path: Path, *, facts: ExportedModel) -> None:
    """Write the script for a model with these facts."""
    environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    template = environment.from_string((files("merflow.exporting") / _TEMPLATE).read_text(encoding="utf-8"))
    path.write_text(template.render(facts=facts), encoding="utf-8")
