"""The training of one fold of one variant: from features and splits to a model folder and test predictions."""

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from merflow.contracts import processes
from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.history import write_history
from merflow.contracts.numerals import percent
from merflow.contracts.params import TrainingParams
from merflow.contracts.planned_fold import PlannedFold
from merflow.contracts.presets import UserPresets
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.tracked_run import read_tracked_run
from merflow.contracts.tracker import NullTracker
from merflow.errors import TrainingError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.raw_dataset import RawDataset
from merflow.folds.datasets import FoldDatasets
from merflow.folds.fit import fit
from merflow.folds.inputs import FoldInputs
from merflow.folds.inspection import LoadedFold, inspected
from merflow.folds.record import fold_record, planned_fold
from merflow.folds.saving import save_trained
from merflow.folds.testing import parts_by_missing, predictions_by_missing
from merflow.inference.devices import device_of
from merflow.inference.encoded import EncodedModel, EncodedSource
from merflow.inference.ranks import ALONE, Ranks
from merflow.runs import fold_folder
from merflow.runs.remembered import remember_trained
from merflow.storage.local import output_errors, replacing_folder
from merflow.tracking.fold_run import FoldRun
from merflow.tracking.mlflow_runs import open_benchmark
from merflow.training.history import FoldHistory
from merflow.training.parallel import environments, joined, started_by_torchrun, take_own_gpu
from merflow.training.shadow import Shadow


def train(
    fold_id: str,
    *,
    manifest: Path,
    splits: Path,
    features: Path,
    out: Path,
    checkpoints: Path,
    params: TrainingParams,
    run: Path | None = None,
    user_presets: UserPresets | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train one fold and write its folder (:mod:`merflow.runs.fold_folder`) to ``out``.

    The epoch is chosen on the development part. The predictions are made once, at the end; those of the shadow
    selection (:mod:`merflow.training.shadow`), which looks at the test part earlier, go into a separate file.

    A fold that died resumes from ``checkpoints``. A folder that already holds this very fold is left as it is. With
    several devices per fold, each has its own process, and none of them outlives this call. Under torchrun this
    call is one of these processes, which may be on several nodes, and only the first of them writes and says anything.

    Args:
        fold_id: ``model:preset:fold``, or with a seed ``model:preset:fold:seed``.
        manifest: Validated manifest.
        splits: Its splits.
        features: File of the extracted features.
        out: The fold's folder.
        checkpoints: Folder of unfinished folds, each below its fingerprint.
        params: Device, precision, threads and so on.
        run: File of the benchmark's run in MLflow; None tracks nothing.
        user_presets: The user's presets, in addition to those that merflow ships.
        progress: Notified of every epoch.

    Raises:
        PresetError: The id names no variant and fold.
        SplitError: The splits are of another manifest, or have no such fold.
        FeatureError: The store lacks a feature.
        TrainingError: The fold cannot be trained or resumed, one of its processes was killed, or torchrun started
            another number of processes than ``training.devices_per_fold``.
        OutputError: ``out`` or ``checkpoints`` cannot be written, or ``out`` holds something else than this fold.
    """
    inputs = FoldInputs.read(
        fold_id, manifest=manifest, splits=splits, features=features, params=params, user_presets=user_presets
    )
    if fold_folder.is_complete(out, fingerprint=inputs.fingerprint):
        say(f"train {fold_id}: already trained in {out}")
        shutil.rmtree(checkpoints / inputs.fingerprint, ignore_errors=True)
        remember_trained(run, out)
        return out
    planned = planned_fold(inputs)
    fold_folder.check_replaceable(out, planned)
    one_of_several = partial(
        _as_one_of_several,
        fold_id,
        manifest=manifest,
        splits=splits,
        features=features,
        out=out,
        checkpoints=checkpoints,
        params=params,
        run=run,
        user_presets=user_presets,
    )
    launched = started_by_torchrun()
    if launched is not None:
        _check_number(launched, params)
        take_own_gpu()
        if not launched.is_first:
            one_of_several(tell=lambda *_: None)
            return out
    if planned.regime.note:
        say(f"train {fold_id}: {planned.regime.note}")
    if fold_folder.is_fold(out):
        say(f"train {fold_id}: {out} holds a training with other inputs, settings or code; it is trained again")
    if params.compile != "off":
        say(f"train {fold_id}: the model is compiled first, which takes a minute or more{_without_graphs(params)}")
    tell = progress or plain_lines()
    if launched is not None:
        history = one_of_several(tell=tell)
    elif params.devices_per_fold == 1:
        history = _train(inputs, out=out, checkpoints=checkpoints, run=run, tell=tell)
    else:
        history = _in_processes(partial(one_of_several, tell=_tell_parent), params=params, tell=tell)
    remember_trained(run, out)
    say(
        f"train {fold_id}: epoch {history.best_epoch} of {len(history.epochs)} was chosen, development "
        f"{_figure(history.best.development)}; {out}"
    )
    return out


def _figure(development: Mapping[str, float]) -> str:
    """Return the first figure of development data in words."""
    if "dev_ua" in development:
        return f"UA {percent(development['dev_ua'])}%"
    return f"MAE {development['dev_mae']:.3f}"


def _check_number(launched: Ranks, params: TrainingParams) -> None:
    if launched.count != params.devices_per_fold:
        raise TrainingError(
            f"torchrun started {launched.count} process(es), but training.devices_per_fold is "
            f"{params.devices_per_fold}; add --set training.devices_per_fold={launched.count}, or change --nnodes and "
            "--nproc-per-node"
        )


def _tell_parent(*step: Any) -> None:  # noqa: ANN401 - as Progress
    processes.send_message(step)


def _without_graphs(params: TrainingParams) -> str:
    without = params.compile == "cuda-graphs" and device_of(params).type != "cuda"
    return "; without a GPU there are no CUDA graphs, and compile is default" if without else ""


def _in_processes(call: Callable[[], FoldHistory], *, params: TrainingParams, tell: Progress) -> FoldHistory:
    """Run the call in one process per device; all return the same history."""
    histories: list[FoldHistory] = []
    try:
        processes.in_processes(
            [call] * params.devices_per_fold,
            workers=params.devices_per_fold,
            finished=histories.append,
            environments=environments(params),
            on_message=lambda step: tell(*step),
        )
    except BrokenProcessPool as error:
        raise TrainingError(
            f"one of the {params.devices_per_fold} processes of the fold was killed, perhaps for lack of memory; run "
            "the same command again, with a smaller training.devices_per_fold or training.resident_gib"
        ) from error
    return histories[0]


def _as_one_of_several(
    fold_id: str,
    *,
    manifest: Path,
    splits: Path,
    features: Path,
    out: Path,
    checkpoints: Path,
    params: TrainingParams,
    run: Path | None,
    user_presets: UserPresets | None,
    tell: Progress,
) -> FoldHistory:
    """Train as one process of several; the first one tracks, reports progress and writes."""
    with joined(params) as ranks:
        inputs = FoldInputs.read(
            fold_id, manifest=manifest, splits=splits, features=features, params=params, user_presets=user_presets
        )
        own = {"run": run, "tell": tell} if ranks.is_first else {"run": None, "tell": lambda *_: None}
        return _train(inputs, out=out, checkpoints=checkpoints, ranks=ranks, **own)


def _train(
    inputs: FoldInputs, *, out: Path, checkpoints: Path, run: Path | None, tell: Progress, ranks: Ranks = ALONE
) -> FoldHistory:
    """Train the fold and write its folder; of several processes only the first writes."""
    planned = planned_fold(inputs)
    tracked = _fold_run(run, planned)
    with tracked or nullcontext():
        tracker = tracked or NullTracker()
        datasets = FoldDatasets(inputs)
        unfinished = checkpoints / inputs.fingerprint
        _, trained = fit(
            inputs,
            datasets,
            folder=unfinished,
            tracker=tracker,
            progress=lambda epoch, last, _: tell(f"train {inputs.fold_id}", epoch, last),
            ranks=ranks,
        )
        learner = trained.material.model
        recipe = inputs.recipes[trained.history.best.stage - 1]
        tests = parts_by_missing(inputs, datasets, recipe)
        predicted = predictions_by_missing(inputs, learner, tests, recipe=recipe, ranks=ranks)
        if ranks.is_first:
            record = fold_record(planned, trained, shapes=datasets.shapes)
            shown = inspected(_loaded(inputs, learner, tests[""]), predicted=predicted[""])
            with replacing_folder(out) as part, output_errors(out):
                _write_tables(part, inputs, record, predicted, shadow=trained.shadow)
                write_history(part, trained.history.epochs)
                shown.save(part / fold_folder.INSPECTION)
                save_trained(part / fold_folder.MODEL, learner, record, standardizer=datasets.standardizer)
            tracker.log_folder(out)
            shutil.rmtree(unfinished, ignore_errors=True)
    return trained.history


def _fold_run(run: Path | None, planned: PlannedFold) -> FoldRun | None:
    """Open the fold's own run below its variant's; None if nothing is tracked."""
    tracked = None if run is None else read_tracked_run(run)
    return None if tracked is None or tracked.uri is None else open_benchmark(tracked).fold(planned)


def _write_tables(
    folder: Path,
    inputs: FoldInputs,
    record: FoldRecord,
    predicted: Mapping[str, np.ndarray],
    *,
    shadow: Shadow | None,
) -> None:
    tested = inputs.labelled("test")
    fold_folder.write_predictions(folder, record, tested, predicted[""])
    if by_missing := {missing: values for missing, values in predicted.items() if missing}:
        fold_folder.write_missing(folder, record, tested, by_missing=by_missing)
    if shadow is not None:
        fold_folder.write_none_paper(folder, record, tested, shadow.predictions)


def _loaded(inputs: FoldInputs, model: nn.Module, test: UtteranceSource) -> LoadedFold:
    """Return the model without its encoders, which make its inputs."""
    model.eval()
    if isinstance(model, EncodedModel):
        assert isinstance(test, RawDataset)
        return LoadedFold.of(inputs, model.model, EncodedSource(test, model.encoders))
    assert isinstance(test, FeatureDataset)
    return LoadedFold.of(inputs, model, test)
