"""No model knows another, so that an edited one trains alone; models are found in their folder and need no list."""

import ast
from pathlib import Path

import merflow.models
from merflow.models import MODELS

FOLDER = Path(merflow.models.__path__[0])


def test_no_model_imports_another() -> None:
    files = {entry.model.__module__ for entry in MODELS.values()}
    assert len(files) == len(MODELS) >= 5, "one file per model"
    for name in sorted(files):
        tree = ast.parse((FOLDER / f"{name.rpartition('.')[2]}.py").read_text(encoding="utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert "torch" in imported
        assert imported & files == set(), name
