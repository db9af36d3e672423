"""The compiled packages, as a cluster receives them; they are checked in beside their source."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler

from merflow.contracts.params import Params, changes_json, shipped_params
from merflow.pipelines.benchmark import benchmark
from merflow.pipelines.pods import on_cluster
from merflow.pipelines.tuning import tune

PIPELINES: dict[str, Callable[..., Any]] = {"benchmark": benchmark, "tune": tune}
COMPILED = Path(__file__).parent / "compiled"


def compile_all(folder: Path, *, params: Params) -> list[Path]:
    """Write ``<name>.yaml`` for every pipeline; the same source and parameters give the same bytes.

    Parameters that differ from the shipped ones become the default of the pipeline's ``params``, which a run may still
    replace. So a pod that requests the GPUs of ``training.devices_per_fold`` also trains on them.

    Raises:
        ParamsError: The parameters use devices that the cluster does not have.
        PipelineError: kfp-kubernetes is not installed.
        OutputError: The folder cannot be written.
    """
    changes = changes_json(params, base=shipped_params())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        equipped = {name: on_cluster(pipeline, params) for name, pipeline in PIPELINES.items()}
        folder.mkdir(parents=True, exist_ok=True)
        for name, pipeline in equipped.items():
            compiler.Compiler().compile(
                pipeline,
                package_path=str(folder / f"{name}.yaml"),
                pipeline_parameters={"params": changes} if changes else None,
            )
    return [folder / f"{name}.yaml" for name in PIPELINES]


def stale() -> list[str]:
    """Return the names of pipelines whose checked-in package differs from their source."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = compile_all(Path(scratch), params=shipped_params())
        return [path.stem for path in fresh if _differs(path, COMPILED / path.name)]


def _differs(fresh: Path, checked_in: Path) -> bool:
    return not checked_in.is_file() or fresh.read_bytes() != checked_in.read_bytes()
