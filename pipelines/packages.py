"""The compiled packages, as a cluster receives them; they are checked in next to their source."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from kfp import compiler

from merflow.contracts.dvc_versions import DvcVersions
from merflow.contracts.kubernetes_names import NONE
from merflow.contracts.package_facts import PackageFacts, refuse
from merflow.contracts.params import Params
from merflow.contracts.params_files import changes_json, shipped_params, with_changes
from merflow.contracts.submission import FILE, Submission, write_submission
from merflow.errors import PipelineError, nearest
from merflow.pipelines.benchmark import benchmark
from merflow.pipelines.lint.catalogue import lint
from merflow.pipelines.lint.package import Package
from merflow.pipelines.monitoring import monitor
from merflow.pipelines.pods import gpus, on_cluster
from merflow.pipelines.promotion import promote
from merflow.pipelines.tuning import tune
from merflow.presets.profiles import is_file, profile_text, read_profile
from merflow.runs.code_closure import code_digests
from merflow.storage.local import replacing

PIPELINES: dict[str, Callable[..., Any]] = {
    "benchmark": benchmark,
    "tune": tune,
    "promote": promote,
    "monitor": monitor,
}
COMPILED = Path(__file__).parent / "compiled"
# Settings of the checked-in packages that differ from the shipped ones, which suit one machine.
SERVERS = {
    "tracking": {"uri": "http://mlflow.mlops:5000"},
    "tuning": {"storage": "postgresql://optuna@postgres.mlops/optuna"},
}


def compile_checked_in(folder: Path) -> list[Path]:
    """Write the packages that are checked in; they have no code digests, which change with every edit."""
    return compile_packages(folder, params=with_changes(shipped_params(), str(SERVERS)), with_code=False)


def compile_packages(
    folder: Path,
    *,
    params: Params,
    names: Sequence[str] = tuple(PIPELINES),
    transcribe: bool = False,
    allowed: Collection[str] = (),
    with_code: bool = True,
    dvc: DvcVersions | None = None,
) -> list[Path]:
    """Write ``<name>.yaml`` for these pipelines; the same source and parameters give the same bytes.

    Parameters that differ from the shipped ones become the default of the pipeline's ``params``, which a run may still
    replace. So a pod that requests the GPUs of ``training.devices_per_fold`` also trains on them. The settings that KFP
    takes when a run is submitted are written to ``submission.json``.

    Args:
        folder: Folder of the packages.
        params: The parameters.
        names: Names of the pipelines.
        transcribe: True for packages whose runs transcribe; the step then requests a GPU.
        allowed: Rules that the packages may break.
        with_code: True for packages that run only on images with exactly this code.
        dvc: Versions of the DVC project that the packages are compiled in; their runs are tagged with them.

    Raises:
        ParamsError: The parameters cannot work on a cluster, or use devices that the cluster does not have.
        PipelineError: A pipeline is unknown, a package breaks a rule (:mod:`merflow.pipelines.lint.catalogue`), or
            kfp-kubernetes is not installed.
        OutputError: The folder cannot be written.
    """
    for name in names:
        if name not in PIPELINES:
            raise PipelineError(f"unknown pipeline {name!r}; {nearest(name, PIPELINES)}")
    profile = read_profile(params.features.profile)
    counts = gpus(params, profile=profile, transcribe=transcribe)
    facts = PackageFacts.of(params, gpus=counts, code=code_digests() if with_code else {}, dvc=dvc)
    defaults = {
        "params": changes_json(params, base=shipped_params()),
        "profile": profile_text(profile) if is_file(params.features.profile) else "",
        "transcribe": transcribe,
    }
    for name in names:
        refuse(params, facts, used=counts, tunes=name == "tune")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        paths = {name: Path(scratch) / f"{name}.yaml" for name in names}
        for name, path in paths.items():
            _compile(on_cluster(PIPELINES[name], params, facts), path, defaults=defaults)
            _check(path, allowed=allowed)
        for path in paths.values():
            with replacing(folder / path.name) as part:
                shutil.copyfile(path, part)
    account = params.cluster.service_account
    write_submission(
        folder, Submission(service_account=None if account == NONE else account, image=params.cluster.image)
    )
    return [folder / path.name for path in paths.values()]


def _compile(pipeline: Any, path: Path, *, defaults: Mapping[str, Any]) -> None:  # noqa: ANN401 - kfp has no types
    """Write one package; parameters whose default is empty keep that of the pipeline."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiler.Compiler().compile(
            pipeline,
            package_path=str(path),
            pipeline_parameters={
                name: value for name, value in defaults.items() if value and name in pipeline.component_spec.inputs
            },
        )


def _check(path: Path, *, allowed: Collection[str]) -> None:
    findings = lint(Package.read(path), allowed=allowed)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        lines = [f"  {finding}" for finding in errors]
        raise PipelineError("\n".join([f"{path.name} would break on a cluster:", *lines]))


def stale() -> list[str]:
    """Return the names of checked-in files that differ from their source."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = [*compile_checked_in(Path(scratch)), Path(scratch) / FILE]
        return [path.stem for path in fresh if _differs(path, COMPILED / path.name)]


def _differs(fresh: Path, checked_in: Path) -> bool:
    return not checked_in.is_file() or fresh.read_bytes() != checked_in.read_bytes()
