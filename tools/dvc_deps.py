"""The code that the stages of ``dvc.yaml`` depend on; ``make dvc`` rewrites it.

Each stage depends on the files that its job imports (``merflow.runs.code_closure``). Everything else in
``dvc.yaml``, including comments, is written by hand and stays as it is.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from merflow.runs.code_closure import ENTRIES, closure, compact

DVC_FILE = Path(__file__).parents[1] / "dvc.yaml"
_STAGE, _DEPS, _CODE = "  ", "    deps:", "      - src/merflow/"


def with_code(text: str) -> str:
    """Return the text of a ``dvc.yaml`` in which every stage depends on exactly the code of its step."""
    return "\n".join(_rewritten(text.split("\n")))


def _rewritten(lines: list[str]) -> Iterator[str]:
    step, in_deps = "", False
    for line in lines:
        if in_deps and not line.startswith(_CODE[:8]):
            yield from _code_of(step)
            in_deps = False
        if line.startswith(_STAGE) and line[2].isalpha():
            step = line.strip().partition(":")[0]
        if line == _DEPS:
            in_deps = True
        if not (in_deps and line.startswith(_CODE)):
            yield line


def _code_of(step: str) -> list[str]:
    if step not in ENTRIES:
        raise SystemExit(f"dvc.yaml: stage {step!r} is not a step; add its job to ENTRIES in runs/code_closure.py")
    return [f"{_CODE}{path.as_posix()}" for path in compact(closure(step))]


if __name__ == "__main__":
    before = DVC_FILE.read_text(encoding="utf-8")
    after = with_code(before)
    DVC_FILE.write_text(after, encoding="utf-8")
    sys.stdout.write(f"{DVC_FILE.name}: {'unchanged' if before == after else 'rewritten'}\n")
