"""The sources of a package: runs in MLflow, versions in DVC, commit, image and SBOM."""

import hashlib
import os
import sys
from pathlib import Path

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.model_package import Lineage
from merflow.contracts.pod_environment import PodEnvironment
from merflow.contracts.progress import say
from merflow.contracts.tracked_run import TrackedRun, read_tracked_run
from merflow.errors import FormatError, TrackingError
from merflow.promotion.packaging.benchmarked import BenchmarkedVariant
from merflow.runs.remembered import remembered_below
from merflow.tracking.lookup import existing
from merflow.tracking.runs import BENCHMARK_TAG, KIND_TAG, find_runs

# The file in which `merflow benchmark` records where its run is.
_RUN = "run.json"
# The steps' image lists its Python packages here.
_SBOM = "sbom.cdx.json"


def lineage_of(variant: BenchmarkedVariant, trained: FoldRecord) -> Lineage:
    """Return the sources of a package.

    The run ids come from MLflow; they stay empty if it does not answer.

    Args:
        variant: The variant.
        trained: Record of the package's first model.
    """
    run = tracked_run(variant)
    benchmark_run, variant_run = _run_ids(run, variant.name)
    return Lineage(
        corpus=variant.results.corpus,
        manifest_hash=variant.results.manifest_hash,
        split_id=variant.results.split_id,
        dvc_revision="" if run is None else run.data_tags.get("dvc.rev", ""),
        git_commit=trained.git_commit,
        image=PodEnvironment.read(os.environ).image,
        sbom=_sbom_digest(),
        benchmark_run=benchmark_run,
        variant_run=variant_run,
        fold_fingerprints=tuple(fold.record.fingerprint for fold in variant.folds),
        environment=str(trained.environment),
    )


def tracked_run(variant: BenchmarkedVariant) -> TrackedRun | None:
    """Return the benchmark's run in MLflow as recorded in its folder, the newest of several; None if there is none."""
    root = variant.run.root
    paths = [path for path in (root / _RUN, *(each / _RUN for each in remembered_below(root))) if path.is_file()]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            run = read_tracked_run(path)
        except FormatError:
            continue
        if run.tags.get("split_id") == variant.results.split_id and run.uri is not None:
            return run
    return None


def variant_run_of(variant: BenchmarkedVariant) -> str:
    """Return the MLflow id of the variant's run; empty if there is none or MLflow does not answer."""
    return _run_ids(tracked_run(variant), variant.name)[1]


def _run_ids(run: TrackedRun | None, variant: str) -> tuple[str, str]:
    """Return the MLflow ids of the benchmark's and the variant's runs; empty if there is none."""
    if run is None or run.uri is None:
        return "", ""
    try:
        connection = existing(run.uri)
        experiment = connection.call("get_experiment_by_name", run.experiment)
        if experiment is None:
            return "", ""
        of_benchmark = {BENCHMARK_TAG: run.benchmark_id}
        found = [
            find_runs(connection, experiment.experiment_id, {**of_benchmark, **tags})
            for tags in ({KIND_TAG: "benchmark"}, {KIND_TAG: "variant", "variant": variant})
        ]
    except TrackingError as error:
        say(f"register: {error}; the package does not name its runs")
        return "", ""
    benchmark, own = (str(runs[0].info.run_id) if runs else "" for runs in found)
    return benchmark, own


def _sbom_digest() -> str:
    path = Path(sys.prefix) / _SBOM
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else ""
