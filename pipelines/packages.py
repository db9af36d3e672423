"""The compiled packages: what a cluster is given, checked in beside the source."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler

from pipelines.benchmark import benchmark
from pipelines.tune import tune

PIPELINES: dict[str, Callable[..., Any]] = {"benchmark": benchmark, "tune": tune}
COMPILED = Path(__file__).parent / "compiled"


def compile_all(folder: Path) -> list[Path]:
    """Writes ``<name>.yaml`` of every pipeline; the same source gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, pipeline in PIPELINES.items():
            compiler.Compiler().compile(pipeline, package_path=str(folder / f"{name}.yaml"))
    return [folder / f"{name}.yaml" for name in PIPELINES]


def stale() -> list[str]:
    """Names of pipelines whose checked-in package differs from their source."""
    with tempfile.TemporaryDirectory() as scratch:
        return [path.stem for path in compile_all(Path(scratch)) if _differs(path, COMPILED / path.name)]


def _differs(fresh: Path, kept: Path) -> bool:
    return not kept.is_file() or fresh.read_bytes() != kept.read_bytes()
