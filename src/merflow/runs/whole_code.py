"""A digest of all of merflow's code, for comparing an image with a checkout."""

import os
from collections.abc import Iterator
from pathlib import Path

from merflow.runs.code_closure import SOURCE, source_digest

_SUFFIXES = (".py", ".yaml", ".csv", ".css", ".js", ".j2", ".json", ".sh")
_LEFT_OUT = ("__pycache__", "compiled")  # compiled packages are made from the code


def whole_code_digest() -> str:
    """Return a digest, 16 hexadecimal digits, of the names and the content of all modules and data files of merflow."""
    return source_digest(_files())


def _files() -> Iterator[Path]:
    for folder, folders, names in os.walk(SOURCE, followlinks=True):  # components and pipelines are links in a checkout
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        yield from (Path(folder) / name for name in names if name.endswith(_SUFFIXES))
