"""The example next to an exported model, which needs only onnxruntime and NumPy."""

import shutil
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from merflow.contracts.exported_model import EXAMPLE, WORDS_FILE
from merflow.exporting.graph import SAMPLES
from merflow.exporting.words_input import WordsInput

_TEMPLATE = "predict.py.j2"


def write_example(folder: Path, *, inputs: tuple[str, ...], words: WordsInput | None, scores: bool) -> None:
    """Write ``predict.py`` for an emotion or score model with these inputs.

    ``words.py`` is written next to it if the model reads words.
    """
    environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    template = environment.from_string((files("merflow.exporting") / _TEMPLATE).read_text(encoding="utf-8"))
    text = template.render(samples=SAMPLES in inputs, words=words is not None, scores=scores)
    (folder / EXAMPLE).write_text(text, encoding="utf-8")
    if words is not None:
        shutil.copyfile(words.source, folder / WORDS_FILE)
