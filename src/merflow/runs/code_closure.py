"""The source files that each step depends on, derived from the imports of its job.

A step starts at the module of its job. Its code is that module and every module of merflow that is imported from there,
directly or through others, at the top of a file or inside a function. The data files next to these modules (YAML, CSV,
templates, scripts, styles) belong to it as well. KFP's digests of code and the dependencies in ``dvc.yaml`` both come
from here, so neither has to be kept up to date by hand.

Some code is left out on purpose; :data:`BY_CONTENT` and :data:`ENDS` say why.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import merflow

SOURCE = Path(merflow.__path__[0])

# Step -> the modules of its job.
ENTRIES: dict[str, tuple[str, ...]] = {
    "synthesize": ("corpus/synthetic/release.py",),
    "index": ("jobs/index.py", "corpus/source.py"),
    "validate": ("jobs/validate.py",),
    "transcribe": ("jobs/transcribe.py",),
    "split": ("jobs/split.py",),
    "presets": ("folds/presets.py",),
    "extract": ("jobs/extract.py",),
    "list_folds": ("jobs/list_folds.py",),
    "classics": ("jobs/classics.py",),
    "track": ("jobs/track.py",),
    "train": ("jobs/train.py",),
    "study": ("jobs/tune.py", "jobs/trials.py"),
    "evaluate": ("jobs/evaluate.py",),
    "package": ("jobs/package.py",),
    "register": ("jobs/register.py",),
    "gate": ("jobs/gate.py",),
    "promote": ("jobs/gate.py",),
    "monitor": ("jobs/monitor.py",),
    "act_on_drift": ("jobs/act_on_drift.py",),
    "plots": ("jobs/plots.py",),
}

_MODELS = "models/__init__.py"
# A preset enters training by content: its config, its recipes, and a digest of its own model's file
# (``folds/presets.py``). An edited model or preset thus trains its own variants again and no others. The models' own
# files are left out along with the dictionary that imports them, but not the files that they import: an edited layer
# that models share trains all of them again.
BY_CONTENT: dict[str, tuple[str, ...]] = {
    "extract": ("presets/*.yaml", "presets/*.csv"),
    "train": (_MODELS, "folds/presets.py", "presets"),
    "study": (_MODELS, "folds/presets.py", "presets"),
    "package": (_MODELS, "folds/presets.py", "presets"),
}

# Imports that are not followed. Extraction needs only a model's streams, which count by content. MLflow records what
# training computes and influences none of it, so an edit there does not train every fold again.
_RECORDS = ("tracking", "runs/remembered.py", "jobs/study_tracking.py")
ENDS: dict[str, tuple[str, ...]] = {
    "extract": ("models",),
    "train": _RECORDS,
    "study": _RECORDS,
    "package": (*_RECORDS, "promotion/registry", "promotion/packaging/mlflow_model.py"),
}

_DATA = (".css", ".csv", ".j2", ".js", ".json", ".yaml")

# Every fold computes a digest before it trains, and a syntax tree would take five times as long as these patterns. They
# hold for code in ruff's format: one statement per line, double quotes, no line continued by a backslash.
_FROM = re.compile(rf"^[ \t]*from ({SOURCE.name}[\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import (.*)", re.MULTILINE)
_COMMENT_OR_ALIAS = re.compile(r"#.*|\bas \w+")
_FILE_NAME = re.compile(r'"([\w.-]+)"')


@cache
def closure(step: str) -> tuple[Path, ...]:
    """Return the files that a step depends on, relative to merflow's folder and sorted."""
    reached: set[Path] = set()
    waiting = [Path(entry) for entry in ENTRIES[step]]
    while waiting:
        module = waiting.pop()
        if module not in reached and not _matches(module, ENDS.get(step, ())):
            reached.add(module)
            waiting += _imports(module)
    left_out = BY_CONTENT.get(step, ())
    if _MODELS in left_out:
        reached -= {path for path in _imports(Path(_MODELS)) if path.match("models/*.py")}
    files = reached | {data for module in reached for data in _data_beside(module)}
    return tuple(sorted(path for path in files if not _matches(path, left_out)))


@cache
def code_digest(step: str) -> str:
    """Return a digest, 16 hexadecimal digits, of the files that a step depends on."""
    return source_digest(closure(step))


def code_digests() -> dict[str, str]:
    """Return the digest of every step, and that of all models and presets, which enter training by content."""
    content = [path.relative_to(SOURCE) for folder in ("models", "presets") for path in (SOURCE / folder).rglob("*")]
    files = sorted(path for path in content if path.suffix in (".py", *_DATA))
    return {step: code_digest(step) for step in ENTRIES} | {"models": source_digest(files)}


def source_digest(files: Iterable[Path]) -> str:
    """Return a digest, 16 hexadecimal digits, of the names and the content of files of merflow.

    Args:
        files: Absolute, or relative to merflow's folder.
    """
    summary = hashlib.sha256()
    for path in sorted(SOURCE / file for file in files):
        summary.update(f"{path.relative_to(SOURCE)}\0".encode())
        summary.update(path.read_bytes())
    return summary.hexdigest()[:16]


def compact(files: Iterable[Path]) -> list[Path]:
    """Return the same files, with a folder replacing its files if all its source files are among them."""
    remaining = set(files)
    folders = {parent for path in remaining for parent in path.parents if parent != Path()}
    for folder in sorted(folders):
        inside = set(_sources_below(folder))
        if inside <= remaining:
            remaining = (remaining - inside) | {folder}
    return sorted(path for path in remaining if not any(parent in remaining for parent in path.parents))


def _matches(path: Path, patterns: Iterable[str]) -> bool:
    """Return True if a path is one of these files, is in one of these folders, or matches one of these patterns."""
    return any(path.match(pattern) or path.is_relative_to(pattern) for pattern in patterns)


@cache
def _imports(module: Path) -> tuple[Path, ...]:
    """Return the modules of merflow that a module imports, and those of their packages that contain code."""
    found = set()
    for name in names_imported(module):
        package, *parts = name.split(".")
        if package == SOURCE.name:
            paths = [Path(*parts[:depth]) for depth in range(len(parts) + 1)]
            found |= {path / "__init__.py" for path in paths} | {path.with_suffix(".py") for path in paths[1:]}
    return tuple(sorted(path for path in found if (SOURCE / path).is_file() and _has_code(path)))


def names_imported(module: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports from merflow, and the names of all modules that it imports whole."""
    for start, names in _FROM.findall(_text(module)):
        yield from (f"{start}.{name}" for name in re.findall(r"\w+", _COMMENT_OR_ALIAS.sub("", names)))
    for names in _IMPORT.findall(_text(module)):
        yield from re.findall(r"[\w.]+", _COMMENT_OR_ALIAS.sub("", names))


def _has_code(module: Path) -> bool:
    """Return True unless the file is empty or has only a docstring, like the ``__init__.py`` of a package."""
    if module.name != "__init__.py":
        return True
    return any(not isinstance(node, ast.Expr) for node in ast.parse(_text(module)).body)


@cache
def _text(module: Path) -> str:
    return (SOURCE / module).read_text(encoding="utf-8")


@cache
def _data_beside(module: Path) -> tuple[Path, ...]:
    """Return the data files of a module, from its folder and from subfolders without modules.

    A file that modules of the folder name in a string belongs to those modules, any other file to all of them. The top
    folder has no data files.
    """
    folder = SOURCE / module.parent
    if folder == SOURCE:
        return ()
    without_modules = [each for each in folder.iterdir() if each.is_dir() and not any(each.glob("*.py"))]
    files = [path for each in (folder, *without_modules) for path in each.iterdir() if path.suffix in _DATA]
    if not files:
        return ()
    named_by_others = {name for other in folder.glob("*.py") for name in _names_in_strings(other.relative_to(SOURCE))}
    named_here = _names_in_strings(module)
    return tuple(
        path.relative_to(SOURCE) for path in files if path.name in named_here or path.name not in named_by_others
    )


def _names_in_strings(module: Path) -> frozenset[str]:
    return frozenset(_FILE_NAME.findall(_text(module)))


def _sources_below(folder: Path) -> Iterator[Path]:
    for path in (SOURCE / folder).rglob("*"):
        relative = path.relative_to(SOURCE)
        if path.suffix in _DATA or (path.suffix == ".py" and _has_code(relative)):
            yield relative
