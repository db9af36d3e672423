"""Trained folds, the media of their test parts, and the predictions of these media."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.params import Params
from merflow.corpus.manifest import Manifest
from merflow.folds.datasets import stored_dataset
from merflow.folds.inputs import FoldInputs
from merflow.inference.media_batches import MediaEncoders
from merflow.inference.media_clips import Clip, VideoFile, dialogue
from merflow.inference.prediction import predict
from merflow.inference.trained_model import TrainedModel, load_trained
from merflow.jobs.extract import extract
from merflow.jobs.train import train
from merflow.runs.fold_folder import MODEL, read_predictions


@dataclass(frozen=True)
class Fold:
    """A trained fold.

    Attributes:
        lengths: ``(len,)`` int64 by which its test part was divided into batches.
    """

    folder: Path
    manifest: Manifest
    params: Params
    lengths: np.ndarray

    @property
    def utterance_ids(self) -> list[str]:
        """Utterances of the test part in order."""
        return list(map(str, read_predictions(self.folder)["utterance_id"]))

    @property
    def probabilities(self) -> np.ndarray:
        """Predictions of the test part that the fold recorded."""
        return np.stack(read_predictions(self.folder)["probabilities"].tolist())

    def load(self) -> TrainedModel:
        """Load the model from its folder alone."""
        return load_trained(self.folder / MODEL, encoders_folder=self.params.features.encoders_folder, device="cpu")


@dataclass(frozen=True)
class MediaSource:
    """Clips as a source, which are grouped into the same batches as the test part of the fold."""

    clips: Sequence[Clip]
    encoders: MediaEncoders
    lengths: np.ndarray
    labels: None = None

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, indices: Sequence[int]) -> Batch | RawBatch:
        """Return a batch from the function under test."""
        return self.encoders.batch([self.clips[index] for index in indices])


def train_fold(corpus: Path, folder: Path, variant: str, *, params: Params) -> Fold:
    """Extract the features and train the first fold of a variant."""
    manifest, splits, features = corpus / "manifest.parquet", corpus / "splits.parquet", folder / "features.json"
    extract(
        manifest,
        variants=[variant],
        store=folder / "store",
        out=features,
        params=params.features,
        corpus=params.corpus,
    )
    train(
        f"{variant}:1",
        manifest=manifest,
        splits=splits,
        features=features,
        out=folder / "fold",
        checkpoints=folder / "checkpoints",
        params=params.training,
    )
    inputs = FoldInputs.read(
        f"{variant}:1", manifest=manifest, splits=splits, features=features, params=params.training
    )
    return Fold(folder / "fold", inputs.manifest, params, stored_dataset(inputs, "test").lengths)


def clips_of(fold: Fold, *, reach: int) -> list[Clip]:
    """Return the test part as clips; the model sees no manifest."""
    clips: dict[str, Clip] = {}
    for _, turns in fold.manifest.rows.groupby("dialogue_id"):
        ordered = turns.sort_values("turn_index")
        made = [
            Clip(
                str(row["utterance_id"]),
                audio=fold.manifest.root / str(row["audio_path"]),
                video=VideoFile(
                    fold.manifest.root / str(row["video_path"]), row["start_s"], row["end_s"], row["video_side"]
                ),
                text=str(row["transcript"]),
            )
            for _, row in ordered.iterrows()
        ]
        clips |= {clip.clip_id: clip for clip in dialogue(made, reach=reach)}
    return [clips[name] for name in fold.utterance_ids]


def predicted(fold: Fold, trained: TrainedModel, clips: Sequence[Clip]) -> np.ndarray:
    """Return the predictions of the clips, in the batches of the fold's test part."""
    source = MediaSource(clips, trained.encoders, fold.lengths)
    recipe = trained.record.recipes[-1]
    return predict(
        trained.model,
        source,
        task=trained.record.task,
        batch_size=recipe.batch_size,
        params=fold.params.training,
        precision=recipe.precision,
    )
