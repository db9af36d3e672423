"""The whole way from a corpus to a report as plain jobs, without KFP; the same jobs, so the same numbers."""

import io
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any

from merflow.contracts.fold_id import parse_fold_id
from merflow.contracts.invocation import Invocation, write_invocation
from merflow.contracts.params import Params, TrainingParams
from merflow.contracts.presets import UserPresets
from merflow.contracts.processes import in_processes
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.source import CorpusSource
from merflow.errors import MerflowError, TrainingError
from merflow.evaluation.results import read_results
from merflow.inference.devices import gpus
from merflow.jobs.evaluate import evaluate
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.track import track
from merflow.jobs.train import train
from merflow.jobs.transcribe import transcribe
from merflow.jobs.validate import validate
from merflow.presets.plan import plan, read_video
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
    workers: int = 1,
    user_presets: UserPresets | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Index, validate, transcribe where asked to, split, extract, train every fold, evaluate; all of it below ``out``.

    What an earlier call with the same inputs finished is kept.

    Args:
        source: The corpus.
        variants: ``model:preset`` each.
        out: Folder of the benchmark.
        params: All parameters.
        name: Name of the run in MLflow and in the report.
        command: What reproduces the run, for the report.
        quarantine: Set bad rows aside instead of failing.
        asr: Also have Whisper transcribe the recordings.
        workers: Folds that train at a time, each in its own process.
        user_presets: Presets of one's own (``presets.user_presets``).
        progress: Told of every stage, and the folds' own processes are silent; None for plain lines from all of them.

    Raises:
        MerflowError: As the jobs raise.
    """
    workspace, run = Workspace(out), out / "run.json"
    items = plan(
        variants,
        protocol=params.splits.protocol,
        profile=params.features.profile,
        seeds=params.plan.seeds,
        user_presets=user_presets,
    )
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
    )
    shared: dict[str, Any] = {
        **{"manifest": data.manifest, "splits": data.splits, "features": data.features},
        **{"run": run, "user_presets": user_presets},
    }
    trained = _train_all(
        items, workspace=workspace, shared=shared, params=params.training, workers=workers, progress=progress
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
        user_presets=user_presets,
    )


def _tell_of_others(out: Path, variants: Sequence[str]) -> None:
    """Says which variants the folder's results will no longer be of."""
    earlier = _variants_of(out / RESULTS)
    if others := [variant for variant in earlier if variant not in variants]:
        every = [*earlier, *(variant for variant in variants if variant not in earlier)]
        say(
            f"benchmark: the results in {out} are also of {', '.join(others)}, and will be of {', '.join(variants)} "
            f"alone; finished folds are kept, and --models {','.join(every)} compares all"
        )


def _variants_of(results: Path) -> list[str]:
    """None of a file that is not there, or that this version cannot read: it will be written anew."""
    try:
        return list(read_results(results, keys=["variants"])["variants"])
    except MerflowError:
        return []


def prepare(
    source: CorpusSource,
    *,
    variants: Sequence[str],
    out: Path,
    params: Params,
    quarantine: bool = False,
    asr: bool = False,
    user_presets: UserPresets | None = None,
    progress: Progress | None = None,
) -> Data:
    """From a corpus to features and splits, below ``out``: all that comes before training. As :func:`benchmark`."""
    workspace = Workspace(out)
    manifest, splits, features = (out / name for name in ("manifest.parquet", "splits.parquet", "features.json"))
    checked = out / "validated.parquet" if asr else manifest
    root = source.locate(workspace.corpus, video=read_video(variants, user_presets), progress=progress)
    index(root, corpus=source.corpus, out=out / "all.parquet", params=params.corpus)
    validate(
        out / "all.parquet",
        out=checked,
        summary=out / "validation.html",
        docs=out / "validation",
        quarantine=out / "quarantine.csv" if quarantine else None,
        params=params.corpus,
        progress=progress,
    )
    if asr:
        transcribe(
            checked,
            out=manifest,
            report=out / "transcripts.json",
            quarantine=out / "transcripts.quarantine.csv",
            journal=workspace.journal,
            params=params.transcription,
            corpus=params.corpus,
            progress=progress,
        )
    split(manifest, out=splits, params=params.splits)
    extract(
        manifest,
        variants=variants,
        store=workspace.store,
        out=features,
        params=params.features,
        corpus=params.corpus,
        user_presets=user_presets,
        progress=progress,
    )
    return Data(manifest, splits, features)


def _train_all(
    items: Sequence[str],
    *,
    workspace: Workspace,
    shared: dict[str, Any],
    params: TrainingParams,
    workers: int,
    progress: Progress | None,
) -> list[Path]:
    """The fold folders in the order of the items; a fold that fails stops the others.

    Where there are several GPUs, each process has one of them to itself, or shares it with as few others as can be.
    """
    folders = [_folder(workspace, item) for item in items]
    how = _train_aloud if progress is None else _train_aside
    tell = progress or plain_lines()
    trained = 0

    def finished(said: str) -> None:
        nonlocal trained
        trained += 1
        sys.stderr.write(said)
        tell("train folds", trained, len(items))

    tell("train folds", 0, len(items))
    calls = [
        partial(how, item, out=folder, checkpoints=workspace.checkpoints, params=params, **shared)
        for item, folder in zip(items, folders, strict=True)
    ]
    try:
        in_processes(
            calls,
            workers=workers,
            finished=finished,
            environments=[{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus(params)],
        )
    except BrokenProcessPool as error:
        raise TrainingError(
            f"the process of a fold was killed, perhaps for lack of memory ({workers} worked at a time); run the same "
            "command again, with fewer --workers"
        ) from error
    return folders


def _train_aloud(item: str, **settings: Any) -> str:  # noqa: ANN401 - as `train`
    train(item, **settings)
    return ""


def _train_aside(item: str, **settings: Any) -> str:  # noqa: ANN401 - as `train`
    """Trains a fold, and returns what it said at its end: the bars of the parent have the terminal to themselves."""
    said = io.StringIO()
    with redirect_stderr(said):
        train(item, progress=lambda *_: None, **settings)
    return said.getvalue()


def _folder(workspace: Workspace, item: str) -> Path:
    named = parse_fold_id(item)
    model, _, preset = named.variant.partition(":")
    return workspace.root / "folds" / model / preset / named.folder
