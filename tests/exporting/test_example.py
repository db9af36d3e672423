"""The example's variants are Python that imports nothing but NumPy, onnxruntime and the file next to it."""

import ast
import sys
from pathlib import Path

import pytest

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.exporting.example import write_example
from merflow.exporting.words_input import WordsInput

ENCODERS = {"lite-text": "", "bert": "bert-base-uncased", "roberta": "roberta-base"}


def imported(script: Path) -> set[str]:
    """Return the modules outside of the standard library that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return {name.partition(".")[0] for name in found} - sys.stdlib_module_names


@pytest.mark.parametrize("name", ENCODERS)
def test_examples_with_words(name: str, encoders: Path, tmp_path: Path) -> None:
    settings: dict[str, int | float | str | bool] = {"width": 32}
    if ENCODERS[name]:
        settings = {"model": str(encoders / ENCODERS[name]), "layers": "last"}
    words = WordsInput(EncoderSpec(name=name, settings=settings), Stream("text"))
    needed = {("samples", "words"): {"numpy", "onnxruntime", "words"}, ("words",): {"onnxruntime", "words"}}
    for inputs, modules in needed.items():
        write_example(tmp_path, inputs=inputs, words=words, scores=False)
        assert imported(tmp_path / "predict.py") == modules
        assert imported(tmp_path / "words.py") == {"numpy"}


def test_an_example_without_words(tmp_path: Path) -> None:
    write_example(tmp_path, inputs=("samples",), words=None, scores=False)
    assert imported(tmp_path / "predict.py") == {"numpy", "onnxruntime"}
    assert [path.name for path in tmp_path.iterdir()] == ["predict.py"]
