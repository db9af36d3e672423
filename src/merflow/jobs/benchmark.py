"""A benchmark from a corpus to a report without KFP. It runs the pipeline's jobs, so the numbers are the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merflow.contracts.invocation import Invocation, write_invocation
from merflow.contracts.params import Params
from merflow.contracts.presets import EncoderProfile, UserPresets
from merflow.contracts.progress import Progress, say
from merflow.contracts.score_results import AnyResults, read_any_results
from merflow.corpus.source import CorpusSource
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import MerflowError
from merflow.folds.profiles import profile_of
from merflow.folds.requested_streams import check_encoders
from merflow.inference.devices import processes_at_once
from merflow.jobs.classics import classics
from merflow.jobs.data_versions import recorded_versions
from merflow.jobs.evaluate import evaluate
from merflow.jobs.prepare import prepare
from merflow.jobs.track import track
from merflow.jobs.train_folds import train_folds
from merflow.presets.variants import chosen, folds_of
from merflow.runs.data import Data
from merflow.runs.run_folder import RESULTS
from merflow.runs.workspace import Workspace


def benchmark(
    source: CorpusSource,
    *,
    variants: Sequence[str],
    out: Path,
    params: Params,
    name: str,
    command: str,
    quarantine: bool = False,
    asr: bool = False,
    workers: int | None = None,
    user_presets: UserPresets | None = None,
    profile: EncoderProfile | None = None,
    progress: Progress | None = None,
) -> AnyResults:
    """Index, validate, split, extract, train classics and every fold, and evaluate; write everything below ``out``.

    Anything that an earlier call with the same inputs has finished is reused.

    Args:
        source: The corpus.
        variants: ``model:preset`` each.
        out: Folder of the benchmark.
        params: All parameters.
        name: Name of the run in MLflow and in the report.
        command: The command that repeats the run, for the report.
        quarantine: True to set bad rows aside instead of failing.
        asr: True to transcribe the recordings with Whisper after validation.
        workers: Number of folds that train at the same time, each in its own process; None to fit the machine.
        user_presets: The user's presets (``presets.user_presets``).
        profile: The encoders; None for those that ``params.features.profile`` names.
        progress: Receives the progress of every stage; fold processes then print nothing. None prints plain lines from
            all processes.

    Raises:
        MerflowError: A job failed.
    """
    profile = profile or profile_of(params.features.profile)
    presets = chosen(variants, user_presets)
    check_encoders(profile, presets=presets, encoders_folder=params.features.encoders_folder)
    source.check(protocol=params.splits.protocol)
    _tell_of_others(out, variants)
    write_invocation(out, Invocation(name=name, command=command))
    data = prepare(
        source,
        variants=variants,
        out=out,
        params=params,
        quarantine=quarantine,
        asr=asr,
        user_presets=user_presets,
        profile=profile,
        progress=progress,
    )
    return train_and_evaluate(
        data,
        variants=variants,
        out=out,
        params=params,
        name=name,
        command=command,
        workers=workers,
        user_presets=user_presets,
        progress=progress,
    )


def train_and_evaluate(
    data: Data,
    *,
    variants: Sequence[str],
    out: Path,
    params: Params,
    name: str,
    command: str,
    workers: int | None = None,
    user_presets: UserPresets | None = None,
    progress: Progress | None = None,
) -> AnyResults:
    """Train classics and every fold of prepared data, and evaluate; write everything below ``out``.

    ``data`` has the files that folds are trained on; see :func:`benchmark` for the other arguments.

    Raises:
        MerflowError: A job failed.
    """
    workspace, run = Workspace(out), out / "run.json"
    classics(
        data.manifest,
        splits=data.splits,
        out=workspace.classics,
        cache=workspace.functionals,
        params=params.classics,
        corpus=params.corpus,
        transcripts=params.features.transcripts,
        features=data.features,
        workers=workers,
        progress=progress,
    )
    track(
        data.manifest,
        splits=data.splits,
        features=data.features,
        variants=variants,
        name=name,
        workspace=workspace,
        out=run,
        training=params.training,
        seeds=params.plan.seeds,
        params=params.tracking,
        dvc=recorded_versions(Path.cwd()),
    )
    shared: dict[str, Any] = {
        **{"manifest": data.manifest, "splits": data.splits, "features": data.features},
        **{"run": run, "user_presets": user_presets},
    }
    items = folds_of(variants, folds=len(read_splits(data.splits).folds), seeds=params.plan.seeds)
    at_once = workers or processes_at_once(params.training, wanted=len(items))
    say(f"benchmark: {at_once} of {len(items)} fold(s) at a time (--workers)")
    trained = train_folds(
        items, workspace=workspace, shared=shared, params=params.training, workers=at_once, progress=progress
    )
    return evaluate(
        trained,
        manifest=data.manifest,
        splits=data.splits,
        results=out / RESULTS,
        report=out / "report.html",
        name=name,
        command=command,
        params=params.evaluation,
        run=run,
        classics=workspace.classics,
    )


def _tell_of_others(out: Path, variants: Sequence[str]) -> None:
    """Print the variants that the folder's new results will no longer cover."""
    earlier = _variants_of(out / RESULTS)
    if others := [variant for variant in earlier if variant not in variants]:
        every = [*earlier, *(variant for variant in variants if variant not in earlier)]
        say(
            f"benchmark: the results in {out} also cover {', '.join(others)}; now they will cover "
            f"{', '.join(variants)} only. Finished folds remain, and --models {','.join(every)} compares all"
        )


def _variants_of(results: Path) -> list[str]:
    """Return the variants of earlier results; none if they are missing or unreadable, since they will be replaced."""
    try:
        return list(read_any_results(results).variants)
    except MerflowError:
        return []
