"""The benchmark's run in MLflow, passed between jobs as a small JSON file.

``run.json`` holds what :func:`merflow.tracking.mlflow_runs.open_benchmark` needs to find the run again from any
process, the workspace that remembers what there is to upload (``jobs.uploads``), and how often the machine is measured;
its ``uri`` is null where nothing is tracked.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merflow.contracts.params import TrackingParams, TrainingParams
from merflow.contracts.progress import say
from merflow.contracts.protocols import NONE_PAPER
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import TrackingError
from merflow.folds.inputs import FoldInputs
from merflow.jobs import uploads
from merflow.runs.provenance import git_commit
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest, read_json, write_json
from merflow.tracking.connection import tracking_uri
from merflow.tracking.facts import FoldFacts
from merflow.tracking.fold_run import FoldRun


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
        "workspace": str(workspace.root.resolve()),
        "system_metrics_every_s": params.system_metrics_every_s,
    }
    write_json(out, facts)
    if uri is None:
        say("track: nothing is tracked")
    else:
        uploads.remember_run(facts)
        _open(facts)
    return out


def fold_run(run: Path, inputs: FoldInputs) -> FoldRun | None:
    """The fold's own run below its variant's; None where nothing is tracked."""
    facts = read_json(run)
    if facts["uri"] is None:
        return None
    return uploads.opened(facts).fold(
        FoldFacts(
            variant=inputs.preset.variant,
            fold=inputs.fold,
            seed=inputs.seed,
            fingerprint=inputs.fingerprint,
            corpus=inputs.manifest.corpus,
            manifest_hash=inputs.manifest.hash,
            split_id=inputs.splits.split_id,
            protocol=inputs.splits.protocol,
            selection=inputs.selection,
            promotable=inputs.selection != NONE_PAPER,
            git_commit=inputs.git_commit,
            params=inputs.settings,
            origin=inputs.preset.origin,
        ),
        system_metrics_every_s=facts["system_metrics_every_s"],
    )


def remember_fold(run: Path | None, folder: Path) -> None:
    """Remembers a whole fold for a later upload; not where nothing is tracked, or a pod takes the fold with it."""
    facts: dict[str, Any] = {"uri": None} if run is None else read_json(run)
    if facts["uri"] is not None and not uploads.goes_with_the_pod(folder):
        uploads.remember_fold(facts, folder)


def log_benchmark(run: Path, *, trained: Sequence[Path], files: Mapping[str, Path], command: str) -> None:
    """Completes the benchmark's run: folds that have no run of their own, figures, files.

    Where MLflow cannot be reached, what a pod would take with it is kept in the workspace, and a line says how to
    upload all of it later.

    Args:
        run: The run's file.
        trained: Fold folders.
        files: ``results.json`` and other text files, by their names in MLflow; a pipeline's have none on disk.
        command: What reproduces the run.
    """
    facts = read_json(run)
    if facts["uri"] is None:
        return
    uploads.remember_run(facts)  # again: a pipeline's cached run may be uploaded and forgotten
    for folder in trained:
        uploads.remember_fold(facts, folder)
    uploads.remember_results(facts, files=files, command=command)
    try:
        uploads.upload(uploads.record_of(facts), uri=None)
        uploads.forget(facts)
    except TrackingError as error:
        uploads.keep(facts)
        again = shlex.join(["merflow", "tracking", "sync", facts["workspace"]])
        say(f"track: {error}")
        say(f"track: nothing is lost; once MLflow answers, upload what it lacks with: {again}")


def _open(facts: dict[str, Any]) -> None:
    try:
        say(f"track: MLflow run {uploads.opened(facts).open()}, {facts['uri']}")
    except TrackingError as error:
        say(f"track: {error}")
        say("track: training goes on without MLflow; what it lacks is uploaded at the end, or later")
