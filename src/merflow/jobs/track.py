"""A benchmark's run in MLflow, opened before its folds train in parallel."""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.dvc_versions import DvcVersions
from merflow.contracts.extracted_features import read_extracted_features
from merflow.contracts.joined import CrossCorpus
from merflow.contracts.params import TrackingParams, TrainingParams
from merflow.contracts.progress import say
from merflow.contracts.tracked_run import TrackedRun, write_tracked_run
from merflow.corpus.joining import cross_corpus_of
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import TrackingError
from merflow.runs import remembered
from merflow.runs.provenance import git_commit
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest
from merflow.tracking.connection import tracking_uri
from merflow.tracking.mlflow_runs import open_benchmark


def track(
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
    dvc: DvcVersions | None = None,
) -> Path:
    """Make the benchmark's run, or find that of an earlier call, and write to ``out`` how other jobs find it.

    A server that is down is not an error: training continues, and the end of the benchmark uploads what MLflow lacks.

    Args:
        manifest: Validated manifest.
        splits: Its splits.
        features: File of the extracted features.
        variants: ``model:preset`` each.
        name: The run's name for people.
        workspace: The folder that all steps of the benchmark share.
        out: JSON to write; see :class:`merflow.contracts.tracked_run.TrackedRun`.
        training: Training parameters of all folds.
        seeds: Seeds of the trainings.
        params: Experiment and tracking server.
        dvc: Versions of the DVC project that the benchmark was started from. The run is tagged with them if they are
            those of its manifest and splits.

    Raises:
        TrackingError: MLflow is not installed, or cannot track at ``tracking.uri``.
        OutputError: The workspace cannot be written.
    """
    corpus, folded, extracted = read_manifest(manifest), read_splits(splits), read_extracted_features(features)
    keys = sorted(stream.key for stream in extracted.streams)
    settings = [
        folded.split_id,
        extracted.profile.name,
        keys,
        extracted.transcripts,
        training.model_dump(),
        sorted(seeds),
    ]
    uri = tracking_uri(params.uri, folder=workspace.root)
    versions = dvc if dvc and dvc.is_of(manifest_hash=corpus.hash, split_id=folded.split_id) else None
    if dvc and versions is None:
        say(
            f"track: {dvc.splits.path} in dvc.lock has split {dvc.splits.identity}, this run trains on "
            f"{folded.split_id}; it gets no DVC version"
        )
    run = TrackedRun(
        uri=uri,
        experiment=params.experiment,
        name=name,
        benchmark_id=digest([name, sorted(variants), corpus.hash, *settings]),
        tags={
            "task": folded.params.named_task,
            "corpus": corpus.corpus,
            "manifest_hash": corpus.hash,
            "split_id": folded.split_id,
            "protocol": folded.protocol,
            "mlflow.source.git.commit": git_commit(),
            **(_corpora(cross_corpus_of(corpus.joined, folded)) if corpus.joined else {}),
        },
        data_tags=versions.tags() if versions else {},
        data_url=versions.splits.url if versions else "",
        params={
            "variants": ", ".join(variants),
            "protocol": folded.protocol,
            "development": folded.development_data,
            "profile": extracted.profile.name,
            "training": training.model_dump(),
            "seeds": list(seeds),
        },
        workspace=str(workspace.root.resolve()),
        system_metrics_every_s=params.system_metrics_every_s,
        ui=_ui(params, uri),
    )
    if run.uri is None:
        say("track: nothing is tracked (tracking.uri is none)")
    else:
        remembered.remember_run(run)
        run = _opened(run)
    write_tracked_run(out, run)
    return out


def _corpora(corpora: CrossCorpus) -> dict[str, str]:
    """Return the tags of joined corpora."""
    return {
        "train_corpus": corpora.train.name,
        "test_corpus": corpora.test.name,
        "development_data": corpora.development,
        **{f"left_out.{corpus.name}": corpus.left_out_in_words for corpus in corpora.each},
    }


def _opened(run: TrackedRun) -> TrackedRun:
    """Open the run in MLflow, and return it with the address of its page."""
    try:
        benchmark = open_benchmark(run)
        run_id = benchmark.open()
        page = benchmark.page(ui=run.ui) if run.ui else ""
    except TrackingError as error:
        say(f"track: {error}")
        say("track: training goes on without MLflow; what it lacks is uploaded at the end, or later")
        return run
    say(f"track: MLflow run {run_id}, {page or run.uri}")
    return run.model_copy(update={"page": page})


def _ui(params: TrackingParams, uri: str | None) -> str:
    """Return the URL of MLflow for people; empty for a database, which has no pages."""
    if params.ui != "auto":
        return params.ui
    return uri if uri is not None and uri.startswith(("http://", "https://")) else ""
