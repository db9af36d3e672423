"""The training runs of a benchmark; their number depends on the splits of the corpus.

A training run depends only on the inputs of its own fold. So its inputs are copied into the workspace under their
digests, with the features of its variant only, and its request names these copies. If a variant is added, or a corpus
is indexed again without changes, the requests of all other folds stay the same.
"""

import shutil
from pathlib import Path

from merflow.contracts.extracted_features import (
    ExtractedFeatures,
    ExtractedStream,
    read_extracted_features,
    write_extracted_features,
)
from merflow.contracts.fold_id import FoldId, parse_fold_id
from merflow.contracts.requests import ListFoldsRequest, TrainRequest, VariantTraining
from merflow.contracts.streams import Stream
from merflow.contracts.tracked_run import read_tracked_run
from merflow.contracts.transcripts import with_other_transcripts, with_transcripts
from merflow.corpus.splitting.splits import read_splits
from merflow.features.store.keyed import KeyedStore
from merflow.presets.variants import folds_of
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest, file_md5, replacing


def list_folds(request: ListFoldsRequest, *, manifest: Path, splits: Path, features: Path, run: Path) -> list[Path]:
    """Write one request for each fold and seed of each variant into the workspace, and return their paths.

    The path of a request contains its digest and the identity of the workspace: a pipeline that caches training by this
    path trains again in a workspace without the trained folds.

    Args:
        request: Variants, seeds and settings.
        manifest: Validated manifest.
        splits: Its splits.
        features: File of the extracted features, of all variants.
        run: File of the benchmark's run in MLflow.

    Raises:
        SplitError: The file holds no splits.
        FeatureError: The file holds no features.
        OutputError: The workspace cannot be written.
    """
    workspace = Workspace(Path(request.workspace))
    extracted = read_extracted_features(features)
    by_variant = {training.variant: training for training in request.trainings}
    copied = {
        "manifest": str(_copied(manifest, workspace.inputs)),
        "splits": str(_copied(splits, workspace.inputs)),
        "run": str(_named_run(run, workspace)),
    }
    own = {variant: of_variant(extracted, training.streams) for variant, training in by_variant.items()}
    inputs = {
        variant: copied | {"features": str(_written(features, workspace.inputs)), "data": data_of(features)}
        for variant, features in own.items()
    }
    paths = []
    for name in folds_of(list(by_variant), folds=len(read_splits(splits).folds), seeds=request.seeds):
        fold = parse_fold_id(name)
        training = by_variant[fold.variant]
        paths.append(_request(fold, training, request, inputs[fold.variant], workspace))
    return paths


def of_variant(features: ExtractedFeatures, streams: tuple[Stream, ...]) -> ExtractedFeatures:
    """Return the features of one variant: its streams and their encoders.

    Args:
        features: Features of several variants.
        streams: Streams that the variant requests.
    """
    read = with_transcripts(streams, features.transcripts)
    others = with_other_transcripts(read)
    slots = {stream.slot for stream in (*read, *others)} | {stream.role for stream in (*read, *others)}
    return features.model_copy(
        update={
            "streams": _among(features.streams, read),
            "other_transcripts": _among(features.other_transcripts, others),
            "encoders": {slot: spec for slot, spec in sorted(features.encoders.items()) if slot in slots},
        }
    )


def data_of(features: ExtractedFeatures) -> str:
    """Return a digest of the recordings and texts that these features were made from.

    A recording may be replaced by one with the same name and length. Keys and manifest then stay the same, but the
    inputs in the store's index do not.

    Raises:
        FeatureError: The store lacks a stream.
    """
    inputs = []
    for each in (*features.streams, *features.other_transcripts):
        index = KeyedStore(Path(features.store) / each.key, each.shape).read_index(features.manifest_hash)
        inputs.append([each.key, sorted(zip(index["utterance_id"], index["digest"].fillna(""), strict=True))])
    return digest(inputs)


def _among(stored: tuple[ExtractedStream, ...], streams: tuple[Stream, ...]) -> tuple[ExtractedStream, ...]:
    return tuple(sorted((each for each in stored if each.stream in streams), key=lambda each: each.key))


def _request(
    fold: FoldId,
    training: VariantTraining,
    request: ListFoldsRequest,
    inputs: dict[str, str],
    workspace: Workspace,
) -> Path:
    """Write the request of one fold, and return its path."""
    made = TrainRequest(
        fold=str(fold),
        workspace=request.workspace,
        params=request.params,
        presets=training.presets,
        code=training.code,
        **inputs,
    )
    name = f"{fold.variant.replace(':', '-')}-{fold.folder}-{digest(made.model_dump(mode='json'))}.json"
    path = workspace.requests / workspace.identity() / name
    with replacing(path) as part:
        part.write_text(made.to_json(), encoding="utf-8")
    return path


def _copied(path: Path, folder: Path) -> Path:
    """Copy a file under its digest, and return the copy's path."""
    copy = folder / f"{file_md5(path)}.parquet"
    if not copy.is_file():
        with replacing(copy) as part:
            shutil.copyfile(path, part)
    return copy


def _written(features: ExtractedFeatures, folder: Path) -> Path:
    path = folder / f"{digest(features.model_dump(mode='json'))}.json"
    if not path.is_file():
        write_extracted_features(path, features)
    return path


def run_file(run: Path, workspace: Workspace) -> Path:
    """Return the path in the workspace where folds find a run."""
    return workspace.run_of(read_tracked_run(run).name)


def _named_run(run: Path, workspace: Workspace) -> Path:
    """Copy the run's file to a path that depends only on the run's name, and return that path.

    A fold logs into the run, but its result does not depend on it.
    """
    copy = run_file(run, workspace)
    with replacing(copy) as part:
        shutil.copyfile(run, part)
    return copy
