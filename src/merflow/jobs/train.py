"""One fold of one variant: from features and splits to a model folder and test predictions."""

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from merflow.contracts import processes
from merflow.contracts.numerals import percent
from merflow.contracts.params import TrainingParams
from merflow.contracts.presets import UserPresets
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.streams import MODALITY_OF
from merflow.contracts.tracker import NullTracker, Tracker
from merflow.errors import TrainingError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.raw_dataset import RawDataset
from merflow.features.extraction.transcripts import transcript_of
from merflow.folds.fit import fit
from merflow.folds.inputs import FoldInputs
from merflow.folds.inspection import Subject, inspected
from merflow.folds.sources import FoldSources
from merflow.inference.devices import gpus
from merflow.inference.encoded import EncodedModel, EncodedSource, save_encoders
from merflow.inference.missing import Without, missing_sets
from merflow.inference.prediction import predict
from merflow.inference.ranks import ALONE, Ranks
from merflow.jobs.tracking import fold_run, remember_fold
from merflow.models.folder import save_model
from merflow.runs import fold_folder
from merflow.storage.local import output_errors, replacing_folder
from merflow.training.history import FoldHistory
from merflow.training.parallel import environments, joined


def train(
    item: str,
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
    """Trains ``model:preset:fold`` and writes its folder (see ``jobs.folds``) to ``out``.

    The epoch is chosen on the development part. The predictions are made once, at the end: what the shadow selection
    sees of the test part before that (``training.shadow``) goes into a file of its own. A fold that died resumes from
    ``checkpoints``; a folder that already holds this very fold is kept. With several devices a fold, each has a process
    of its own, and none of them outlives this call.

    Args:
        item: ``model:preset:fold``, or with a seed ``model:preset:fold:seed``.
        manifest: Validated manifest.
        splits: Its splits.
        features: What ``jobs.extract`` wrote.
        out: The fold's folder.
        checkpoints: Folder of unfinished folds, each below its fingerprint.
        params: Device, precision, threads and so on.
        run: The benchmark's run (``jobs.tracking``); None tracks nothing.
        user_presets: Presets of one's own (``presets.user_presets``).
        progress: Told of epochs.

    Raises:
        PresetError: The item names no variant and fold.
        SplitError: The splits are of another manifest, or have no such fold.
        FeatureError: The store lacks a feature.
        TrainingError: The fold cannot be trained or resumed, or one of its processes was killed.
        OutputError: ``out`` or ``checkpoints`` cannot be written, or ``out`` holds something else than this fold.
    """
    inputs = FoldInputs.read(
        item, manifest=manifest, splits=splits, features=features, params=params, user_presets=user_presets
    )
    if fold_folder.is_whole(out, fingerprint=inputs.fingerprint):
        say(f"train {item}: done before, kept in {out}")
        shutil.rmtree(checkpoints / inputs.fingerprint, ignore_errors=True)
        remember_fold(run, out)
        return out
    fold_folder.check_place(out, inputs)
    if (out / fold_folder.FACTS).is_file():
        say(f"train {item}: what {out} holds was trained with other inputs or settings; it is trained again")
    if params.compile != "off":
        say(f"train {item}: the model is compiled first, which takes a minute or more{_without_graphs(params)}")
    tell = progress or plain_lines()
    if params.devices_per_fold == 1:
        history = _tracked(inputs, out=out, checkpoints=checkpoints, run=run, tell=tell)
    else:
        files = {"manifest": manifest, "splits": splits, "features": features}
        call = partial(
            _as_one_of_several,
            item,
            out=out,
            checkpoints=checkpoints,
            params=params,
            run=run,
            user_presets=user_presets,
            **files,
        )
        history = _in_processes(call, params=params, tell=tell)
    remember_fold(run, out)
    say(
        f"train {item}: epoch {history.best_epoch} of {len(history.epochs)} chosen on development data, "
        f"UA {percent(history.best.dev_ua)} there; {out}"
    )
    return out


def _without_graphs(params: TrainingParams) -> str:
    without = params.compile == "cuda-graphs" and not gpus(params)
    return "; without a GPU there are no CUDA graphs, and compile is default" if without else ""


def _in_processes(call: Callable[[], FoldHistory], *, params: TrainingParams, tell: Progress) -> FoldHistory:
    """The call in one process a device; all give the same history."""
    histories: list[FoldHistory] = []
    try:
        processes.in_processes(
            [call] * params.devices_per_fold,
            workers=params.devices_per_fold,
            finished=histories.append,
            environments=environments(params),
            told=lambda told: tell(*told),
        )
    except BrokenProcessPool as error:
        raise TrainingError(
            f"one of the {params.devices_per_fold} processes of the fold was killed, perhaps for lack of memory; run "
            "the same command again, with a smaller training.devices_per_fold or training.resident_gib"
        ) from error
    return histories[0]


def _as_one_of_several(
    item: str,
    *,
    manifest: Path,
    splits: Path,
    features: Path,
    out: Path,
    checkpoints: Path,
    params: TrainingParams,
    run: Path | None,
    user_presets: UserPresets | None,
) -> FoldHistory:
    """What one process of several does; the first one tracks, tells and writes."""
    with joined(params) as ranks:
        inputs = FoldInputs.read(
            item, manifest=manifest, splits=splits, features=features, params=params, user_presets=user_presets
        )
        if not ranks.is_first:
            return _tracked(inputs, out=out, checkpoints=checkpoints, run=None, tell=lambda *_: None, ranks=ranks)
        return _tracked(
            inputs, out=out, checkpoints=checkpoints, run=run, tell=lambda *told: processes.tell(told), ranks=ranks
        )


def _tracked(
    inputs: FoldInputs, *, out: Path, checkpoints: Path, run: Path | None, tell: Progress, ranks: Ranks = ALONE
) -> FoldHistory:
    tracked = None if run is None else fold_run(run, inputs)
    with tracked or nullcontext():
        tracker = tracked or NullTracker()
        return _train(inputs, out=out, checkpoints=checkpoints, tracker=tracker, tell=tell, ranks=ranks)


def _train(
    inputs: FoldInputs, *, out: Path, checkpoints: Path, tracker: Tracker, tell: Progress, ranks: Ranks
) -> FoldHistory:
    sources = FoldSources(inputs)
    standardizer, shapes = sources.standardizer, sources.shapes
    workplace = checkpoints / inputs.fingerprint
    model, trained = fit(
        inputs,
        sources,
        folder=workplace,
        tracker=tracker,
        progress=lambda epoch, last, _: tell(f"train {inputs.item}", epoch, last),
        ranks=ranks,
    )
    history, card = trained.history, inputs.card(shapes=shapes)
    tests = _tests(inputs, sources)
    found = _predictions(inputs, trained.material.model, tests, ranks=ranks)
    if not ranks.is_first:
        return history
    shown = inspected(_subject(inputs, trained.material.model, tests[""]), probabilities=found[""])
    with replacing_folder(out) as part, output_errors(out):
        fold_folder.write_predictions(part, inputs, probabilities=found.pop(""))
        if found:
            fold_folder.write_missing(part, inputs, found=found)
        if trained.shadow is not None:
            fold_folder.write_shadow(part, inputs, shadow=trained.shadow)
        fold_folder.write_history(part, history)
        shown.save(part / fold_folder.INSPECTION)
        save_model(part / fold_folder.MODEL, model, card)
        if isinstance(trained.material.model, EncodedModel):
            save_encoders(part / fold_folder.MODEL, trained.material.model.encoders, card=card)
        standardizer.save(part / fold_folder.MODEL / fold_folder.STANDARDIZER)
        fold_folder.write_facts(part, inputs, history, shadow=trained.shadow)
    tracker.log_folder(out)
    shutil.rmtree(workplace, ignore_errors=True)
    return history


def _subject(inputs: FoldInputs, model: nn.Module, test: UtteranceSource) -> Subject:
    """The model without its encoders, which make what it reads."""
    model.eval()
    if isinstance(model, EncodedModel):
        assert isinstance(test, RawDataset)
        return Subject.of(inputs, model.model, EncodedSource(test, model.encoders))
    assert isinstance(test, FeatureDataset)
    return Subject.of(inputs, model, test)


def _tests(inputs: FoldInputs, sources: FoldSources) -> dict[str, UtteranceSource]:
    """The test part by what is missing, as ``contracts.tables.MISSING`` names it; nothing is in the first."""
    whole = sources.of(inputs.recipes[-1], "test")
    modalities = {MODALITY_OF[stream.role] for stream in inputs.streams}
    found: dict[str, UtteranceSource] = {"": whole}
    found |= {"+".join(gone): Without(whole, gone) for gone in missing_sets(modalities)}
    if (others := inputs.streams_with_other_words) is not None:
        found[f"text={transcript_of(others)}"] = sources.of(inputs.recipes[-1], "test", streams=others)
    return found


def _predictions(
    inputs: FoldInputs, model: nn.Module, tests: Mapping[str, UtteranceSource], *, ranks: Ranks
) -> dict[str, np.ndarray]:
    """Test probabilities by what is missing."""
    recipe = inputs.recipes[-1]
    return {
        gone: predict(
            model,
            test,
            batch_size=recipe.batch_size,
            params=inputs.params,
            precision=recipe.precision,
            ranks=ranks,
        )
        for gone, test in tests.items()
    }
