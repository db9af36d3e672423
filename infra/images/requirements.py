"""Prints what ``merflow[all]`` requires, without merflow itself, so that the image's big layer outlives code edits."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_OWN = re.compile(r"merflow\[([\w,\s-]+)\]")


def requirements(project: dict[str, Any], *, extra: str) -> Iterator[str]:
    """The project's dependencies and those of one extra; an extra that names extras stands for theirs."""
    yield from project["dependencies"]
    yield from _of_extra(project["optional-dependencies"], extra)


def _of_extra(extras: dict[str, list[str]], name: str) -> Iterator[str]:
    for requirement in extras[name]:
        user_presets = _OWN.fullmatch(requirement)
        if user_presets is None:
            yield requirement
            continue
        for inner in user_presets[1].split(","):
            yield from _of_extra(extras, inner.strip())


if __name__ == "__main__":
    found = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    sys.stdout.write("\n".join(requirements(found, extra="all")) + "\n")
