"""Steps from a benchmark to a champion."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merflow.contracts.extracted_features import read_extracted_features
from merflow.contracts.progress import saying_errors
from merflow.contracts.promotion_requests import GateRequest, PackageRequest, PromoteRequest, RegisterRequest
from merflow.contracts.promotion_settings import BEST
from merflow.errors import RegistryError
from merflow.jobs.steps.corpus_files import fetch_recordings
from merflow.jobs.steps.feature_files import encoder_folders, fetch_features, fetch_models
from merflow.jobs.steps.fold_files import fetch_fold
from merflow.jobs.steps.preparation import fetch_planned
from merflow.jobs.steps.shared_files import SharedFiles
from merflow.storage.local import write_json

if TYPE_CHECKING:
    from merflow.promotion.registry.registry import Registry


@saying_errors()
def plan_promotion(
    *,
    variant: str,
    kind: str,
    registered_name: str,
    mode: str,
    policy: str,
    coverage: float,
    stress_utterances: int,
    approval_h: float,
    command: str,
    **settings: Any,  # noqa: ANN401 - as RunSettings
) -> tuple[str, ...]:
    """Run :func:`merflow.jobs.plan_promotion.plan_promotion` on the fields of both kinds of settings.

    Returns:
        The requests of index, validate, transcribe, split, extract, list_folds, classics, track, evaluate, package,
        register, gate and promote, as JSON.
    """
    from merflow.contracts.promotion_settings import PromotionSettings
    from merflow.contracts.strict import parse
    from merflow.jobs.plan_promotion import plan_promotion as job
    from merflow.jobs.run_settings import RunSettings

    given = {
        "variant": variant,
        "kind": kind,
        "registered_name": registered_name,
        "mode": mode,
        "policy": policy,
        "coverage": coverage,
        "stress_utterances": stress_utterances,
        "approval_h": approval_h,
    }
    run = RunSettings(**settings)
    fetch_planned(run)
    plan = job(run, parse(PromotionSettings, given, where="parameters of promote"), command=command)
    of_benchmark = plan.benchmark
    return (
        *of_benchmark.preparation.to_json(),
        of_benchmark.list_folds.to_json(),
        of_benchmark.classics.to_json(),
        of_benchmark.track.to_json(),
        of_benchmark.evaluate.to_json(),
        plan.package.to_json(),
        plan.register.to_json(),
        plan.gate.to_json(),
        plan.promote.to_json(),
    )


@saying_errors()
def package(
    request: str,
    *,
    folds: Sequence[str],
    manifest: str,
    splits: str,
    features: str,
    run: str,
    results: str,
    package: str,
    card: str,
    stress: str,
) -> str:
    """Run :func:`merflow.jobs.package.package` on folds, by fingerprint; return the variant."""
    from merflow.jobs.package import package as job
    from merflow.jobs.package import put_together
    from merflow.jobs.register import PackageSettings, best_of

    parsed = PackageRequest.from_json(request)
    shared = SharedFiles(Path(parsed.workspace))
    trained = [shared.workspace.trained(fold) for fold in folds]
    for fold in trained:
        fetch_fold(fold, shared, weights=False)
    artifacts = {"manifest": manifest, "splits": splits, "features": features, "results": results, "run": run}
    paths = {name: Path(path) for name, path in artifacts.items()}
    folder = put_together(shared.workspace, trained, artifacts=paths)
    chosen = best_of(folder) if parsed.variant == BEST else parsed.variant
    if _fetch_variant(chosen, trained, shared, paths):
        folder = put_together(shared.workspace, trained, artifacts=paths)
    with _packaging(folder, shared):
        return job(
            folder,
            chosen,
            settings=PackageSettings(
                kind=parsed.kind,
                coverage=parsed.coverage,
                stress_utterances=parsed.stress_utterances,
                encoders_folder=parsed.encoders_folder,
                device=parsed.device,
            ),
            out=Path(package),
            card=Path(card),
            page=Path(stress),
        )


def _fetch_variant(variant: str, trained: Sequence[Path], shared: SharedFiles, data: dict[str, Path]) -> bool:
    """Fetch models, features, encoders and recordings of a variant; return False on a volume, which has them."""
    from merflow.runs.fold_folder import read_record

    if shared.remote is None:
        return False
    video = False
    for fold in trained:
        record = read_record(fold)
        if record.variant == variant:
            fetch_fold(fold, shared, weights=True)
            video = "video" in record.modalities
    fetch_features(data["features"], shared, manifest=data["manifest"], splits=data["splits"], folds=None)
    _fetch_encoders(data["features"], shared)
    fetch_recordings(data["manifest"], shared, video=video)
    return True


@contextmanager
def _packaging(folder: Path, shared: SharedFiles) -> Iterator[None]:
    """Fetch the checkpoint of a refit and the predictions of the stress suite; upload newer ones until the end."""
    if shared.remote is None:
        yield
        return
    unfinished, predictions = folder / "checkpoints", folder / "stress"
    shared.fetch_below(unfinished)
    shared.fetch_below(predictions)

    def newer() -> list[Path]:
        return [*unfinished.glob("*/*.safetensors"), *predictions.rglob("*.parquet")]

    with shared.uploading(newer, immutable=False):
        yield
    for done in (unfinished, predictions):
        shared.remote.remove(done.absolute())


def _fetch_encoders(features: Path, shared: SharedFiles) -> None:
    """Fetch the encoders that a packaged model loads."""
    if shared.remote is not None:
        fetch_models(encoder_folders(read_extracted_features(features)), shared)


@saying_errors()
def register(request: str, *, package: str, features: str, run: str) -> str:
    """Run :func:`merflow.jobs.register.publish`; return the number of the version.

    A package that was registered before keeps its version.
    """
    from merflow.jobs.register import publish

    parsed = RegisterRequest.from_json(request)
    _fetch_encoders(Path(features), SharedFiles(Path(parsed.workspace)))
    registry = _registry(parsed.registered_name, run=run)
    return str(publish(Path(package), registry=registry, encoders_folder=parsed.encoders_folder).version)


@saying_errors()
def gate(
    request: str, *, version: str, features: str, run: str, decision: str, metrics: str
) -> tuple[str, dict[str, float]]:
    """Run :func:`merflow.jobs.gate.gate`; ``decision`` is Markdown. A refusal is an outcome, and no error.

    Returns:
        The outcome as JSON, and figures.
    """
    from merflow.jobs.gate import decision_markdown, figures_of, outcome_of
    from merflow.jobs.gate import gate as job
    from merflow.promotion.costs import PackageLoader
    from merflow.promotion.gate.gate import policy_in

    parsed = GateRequest.from_json(request)
    _fetch_encoders(Path(features), SharedFiles(Path(parsed.workspace)))
    registry = _registry(parsed.registered_name, run=run)
    done = job(
        registry,
        version,
        mode=parsed.mode,
        policy=policy_in(parsed.policy),
        load=PackageLoader(encoders_folder=parsed.encoders_folder),
    )
    text = decision_markdown(done, uri=registry.connection.shown_uri, approval_h=parsed.approval_h)
    Path(decision).write_text(text, encoding="utf-8")
    figures = figures_of(done)
    write_json(Path(metrics), figures)
    return outcome_of(done).to_json(), figures


@saying_errors()
def promote(request: str, *, outcome: str, run: str, summary: str) -> str:
    """Run :func:`merflow.jobs.gate.promote_decided`; ``summary`` is Markdown, which is returned as well."""
    from merflow.contracts.gate_outcome import GateOutcome
    from merflow.jobs.gate import promote_decided

    parsed = PromoteRequest.from_json(request)
    registry = _registry(parsed.registered_name, run=run)
    said = promote_decided(registry, GateOutcome.from_json(outcome), approval_h=parsed.approval_h)
    text = "\n\n".join(said)
    Path(summary).write_text(f"{text}\n", encoding="utf-8")
    return text


def _registry(name: str, *, run: str) -> "Registry":
    """Return the registered model on the server or database that has the benchmark's run."""
    from merflow.contracts.tracked_run import read_tracked_run
    from merflow.promotion.registry.location import open_registry

    uri = read_tracked_run(Path(run)).uri
    if uri is None:
        raise RegistryError("the benchmark was not tracked, so MLflow has no registry for it; set tracking.uri")
    return open_registry(uri=uri, name=name)
