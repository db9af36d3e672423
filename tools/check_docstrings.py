"""A check that no docstring starts with a word that makes it a fragment; ``make check`` runs it.

Functions start with a verb, booleans with "True if", files and classes with a noun phrase. Ruff's D401 checks the mood
of the verb; this check covers the openings that D401 lets through, in files, classes and properties too.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FRAGMENTS = ("What", "Whether", "How", "Where", "Of", "As", "For")
FOLDERS = ("src", "components", "pipelines", "infra", "benchmarks", "tests", "tools")

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def fragments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every docstring that starts with one of :data:`FRAGMENTS`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, _Documented):
            continue
        docstring = ast.get_docstring(node)
        if docstring and docstring.split(maxsplit=1)[0].rstrip(",:") in FRAGMENTS:
            line = 1 if isinstance(node, ast.Module) else node.lineno
            yield line, docstring.splitlines()[0]


def main() -> int:
    """Print every docstring that starts with a fragment; return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(name) for name in FOLDERS])
    violations = [
        (path, line, text)
        for folder in parser.parse_args().folders
        for path in sorted(folder.rglob("*.py"))
        for line, text in fragments(path)
    ]
    for path, line, text in violations:
        sys.stdout.write(f"{path}:{line}: start with a verb, or with a noun phrase for a file or class: {text}\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
