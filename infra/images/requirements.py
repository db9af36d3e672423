"""The requirements from ``pyproject.toml`` that a target of the image installs besides merflow itself.

``tools/image_locks.py`` resolves them into ``locks/TARGET.txt``, with a hash for every file.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Target -> extra of pyproject.toml. Both images of the pipelines have the same packages; they differ in torch's build.
EXTRAS = {"cpu": "all", "cuda": "all", "serve": "serving"}
_MERFLOW_EXTRAS = re.compile(r"merflow\[([\w,\s-]+)\]")


def requirements(project: dict[str, Any], *, extra: str) -> Iterator[str]:
    """Yield the project's dependencies and those of one extra, with the extras that it names."""
    yield from project["dependencies"]
    yield from _of_extra(project["optional-dependencies"], extra)


def _of_extra(extras: dict[str, list[str]], name: str) -> Iterator[str]:
    for requirement in extras[name]:
        extras_of_merflow = _MERFLOW_EXTRAS.fullmatch(requirement)
        if extras_of_merflow is None:
            yield requirement
            continue
        for inner in extras_of_merflow[1].split(","):
            yield from _of_extra(extras, inner.strip())


if __name__ == "__main__":
    target, file = sys.argv[1:]
    project = tomllib.loads(Path(file).read_text(encoding="utf-8"))["project"]
    sys.stdout.write("\n".join(requirements(project, extra=EXTRAS[target])) + "\n")
