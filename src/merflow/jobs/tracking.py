"""The benchmark's run in MLflow, passed between jobs as a small JSON file.

``run.json`` holds what :func:`merflow.tracking.mlflow_runs.open_benchmark` needs to find the run again from any
process; its ``uri`` is null where nothing is tracked.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merflow.contracts.files import digest, read_json, write_json
from merflow.contracts.params import TrackingParams, TrainingParams
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splits import read_splits
from merflow.jobs import folds
from merflow.jobs.fold_inputs import FoldInputs
from merflow.jobs.identity import git_commit
from merflow.jobs.progress import say
from merflow.jobs.workspace import Workspace
from merflow.tracking.connection import tracking_uri
from merflow.tracking.fold_run import FoldFacts, FoldRun
from merflow.tracking.mlflow_runs import BenchmarkRun, open_benchmark


def open_run(
    manifest: Path,
    *,
    splits: Path,
    features: Path,
    variants: Sequence[str],
    name: str,
    workspace: Workspace,
    out: Path,
    training: TrainingParams,
    seeds: Sequence[int],
    params: TrackingParams,
) -> Path:
    """Makes the benchmark's run, or finds that of an earlier try, and writes ``out``.

    Raises:
        TrackingError: MLflow is not installed, or ``tracking.uri`` is no place to track.
        OutputError: The workspace cannot be written.
    """
    corpus, folded, stored = read_manifest(manifest), read_splits(splits), read_json(features)
    profile, words = stored["profile"], stored["transcripts"]
    uri = tracking_uri(params.uri, folder=workspace.root)
    facts = {
        "uri": uri,
        "experiment": params.experiment,
        "name": name,
        "benchmark_id": digest(
            [name, sorted(variants), corpus.hash, folded.split_id, profile, words, training.model_dump(), sorted(seeds)]
        ),
        "tags": {
            "corpus": corpus.corpus,
            "manifest_hash": corpus.hash,
            "split_id": folded.split_id,
            "protocol": folded.protocol,
            "mlflow.source.git.commit": git_commit(),
        },
        "params": {
            "variants": ", ".join(variants),
            "protocol": folded.protocol,
            "development": folded.development,
            "profile": profile,
            "training": training.model_dump(),
            "seeds": list(seeds),
        },
    }
    write_json(out, facts)
    if uri is None:
        say("track: nothing is tracked")
    else:
        run = _open(facts)
        say(f"track: {'MLflow run ' + run.run_id if run.run_id else 'MLflow cannot be reached'}, {uri}")
    return out


def fold_run(run: Path, inputs: FoldInputs) -> FoldRun | None:
    """The fold's own run below the benchmark's; None where nothing is tracked."""
    facts = _read(run)
    if facts["uri"] is None:
        return None
    return _open(facts).fold(
        FoldFacts(
            variant=inputs.preset.variant,
            fold=inputs.fold,
            seed=inputs.seed,
            corpus=inputs.manifest.corpus,
            manifest_hash=inputs.manifest.hash,
            split_id=inputs.splits.split_id,
            protocol=inputs.splits.protocol,
            selection=inputs.selection,
            git_commit=inputs.git_commit,
            params=inputs.settings,
        )
    )


def log_benchmark(run: Path, results: dict[str, Any], *, trained: Sequence[Path], files: Sequence[Path]) -> None:
    """Completes the benchmark's run: folds that have no run of their own, figures, files."""
    from merflow.evaluation.figures import confusion_figure

    facts = _read(run)
    if facts["uri"] is None:
        return
    benchmark = _open(facts)
    for folder in trained:
        benchmark.log_finished_fold(folder, _facts_of(folds.read_facts(folder), corpus=results["corpus"]))
    benchmark.log_results(
        results,
        files=files,
        figures={
            f"confusion/{variant.replace(':', '_')}.png": confusion_figure(
                entry["confusion"], classes=results["classes"], title=variant
            )
            for variant, entry in results["variants"].items()
        },
    )


def _facts_of(fold: dict[str, Any], *, corpus: str) -> FoldFacts:
    return FoldFacts(
        variant=fold["variant"],
        fold=fold["fold"],
        seed=fold["seed"],
        corpus=corpus,
        manifest_hash=fold["manifest_hash"],
        split_id=fold["split_id"],
        protocol=fold["protocol"],
        selection=fold["selection"],
        git_commit=fold["git_commit"],
        params=fold["params"],
    )


def _open(facts: dict[str, Any]) -> BenchmarkRun:
    return open_benchmark(
        facts["uri"],
        experiment=facts["experiment"],
        name=facts["name"],
        benchmark_id=facts["benchmark_id"],
        tags=facts["tags"],
        params=facts["params"],
        artifact_root=None,
    )


def _read(run: Path) -> dict[str, Any]:
    facts: dict[str, Any] = read_json(run)
    return facts
