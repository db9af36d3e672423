"""Tests of the borders inside ``src``: no circle of files."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    names = {}
    for path in sorted((SOURCE / "merflow").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(name: str, path: Path, *, known: dict[str, Path]) -> set[str]:
    """Return the modules that a file imports anywhere in it, inside functions and under TYPE_CHECKING too."""
    targets: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path} imports relatively"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            targets |= submodules & known.keys() or {node.module}
    return (targets & known.keys()) - {name}


def test_no_circle_of_files() -> None:
    known = modules()
    graph = {name: imports(name, path, known=known) for name, path in known.items()}
    assert len(graph) > 200
    assert sum(map(len, graph.values())) > 800
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"files import each other in a circle: {' -> '.join(error.args[1])}") from None


def test_a_circle_would_be_seen(tmp_path: Path) -> None:
    known = {"a": tmp_path / "a.py", "b": tmp_path / "b.py"}
    (tmp_path / "a.py").write_text("import b\n")
    (tmp_path / "b.py").write_text("def late():\n    from a import something\n    return something\n")
    assert {name: imports(name, path, known=known) for name, path in known.items()} == {"a": {"b"}, "b": {"a"}}
