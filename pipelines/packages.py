"""The compiled packages: what a cluster is given, checked in beside the source."""

import tempfile
import warnings
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from kfp import compiler

from merflow.contracts.params import Params, read_params, sections_json
from pipelines.benchmark import benchmark
from pipelines.pods import on_cluster
from pipelines.tune import tune

PIPELINES: dict[str, Callable[..., Any]] = {"benchmark": benchmark, "tune": tune}
COMPILED = Path(__file__).parent / "compiled"


def compile_all(folder: Path, *, params: Params) -> list[Path]:
    """Writes ``<name>.yaml`` of every pipeline; the same source and parameters give the same bytes.

    Sections that differ from what merflow ships become the defaults of the package, which a run may still replace. So
    a pod that asks for the GPUs of ``training.devices_per_fold`` also trains on them.

    Raises:
        ParamsError: The parameters ask for devices that the cluster has not.
        PipelineError: kfp-kubernetes is not installed.
        OutputError: The folder cannot be written.
    """
    shipped, chosen = sections_json(shipped_params()), sections_json(params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        equipped = {name: on_cluster(pipeline, params) for name, pipeline in PIPELINES.items()}
        folder.mkdir(parents=True, exist_ok=True)
        for name, pipeline in equipped.items():
            taken = pipeline.component_spec.inputs
            changed = {key: text for key, text in chosen.items() if key in taken and text != shipped[key]}
            compiler.Compiler().compile(
                pipeline, package_path=str(folder / f"{name}.yaml"), pipeline_parameters=changed
            )
    return [folder / f"{name}.yaml" for name in PIPELINES]


def stale() -> list[str]:
    """Names of pipelines whose checked-in package differs from their source."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = compile_all(Path(scratch), params=shipped_params())
        return [path.stem for path in fresh if _differs(path, COMPILED / path.name)]


def shipped_params() -> Params:
    """The parameters that merflow ships."""
    return read_params(Path(str(files("merflow") / "params.yaml")))


def _differs(fresh: Path, kept: Path) -> bool:
    return not kept.is_file() or fresh.read_bytes() != kept.read_bytes()
