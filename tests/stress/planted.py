"""A model that reads nothing but the loudness of a recording, in place of a trained one."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Output
from merflow.contracts.streams import Modality, Role
from merflow.corpus.samples import Excerpt, read_samples
from merflow.inference.media_clips import Clip, Samples
from merflow.inference.media_streams import RefusedInput
from merflow.inference.trained_model import TrainedModel, load_trained
from tests.stress.conftest import DB_PER_STEP, LEVELS_DB, LOUDEST_DB

_ROLE: Role = "speech_layers"


class LoudnessModel(nn.Module):
    """Predicts the emotion whose level is nearest; without a recording, the first one."""

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.levels = torch.tensor([LEVELS_DB[name] for name in classes])

    def forward(self, batch: Batch) -> Output:
        """Return logits that fall with the distance in dB."""
        loudness = batch.features[_ROLE][:, 0]  # (N, 1)
        heard = batch.present[_ROLE][:, :1]
        logits = torch.where(heard, -((loudness - self.levels).abs()), -torch.arange(4.0))
        return Output(logits, loudness, {})


class LoudnessScores(nn.Module):
    """Predicts the valence whose level it hears; without a recording, the middle of the scale."""

    def forward(self, batch: Batch) -> Output:
        """Return the score of each level."""
        loudness = batch.features[_ROLE][:, 0]  # (N, 1)
        heard = batch.present[_ROLE][:, :1]
        return Output(torch.where(heard, 1 + (loudness - LOUDEST_DB) / DB_PER_STEP, 3.0), loudness, {})


class LoudnessEncoders:
    """Levels in dB in place of features; a stand-in for :class:`merflow.inference.media_batches.MediaEncoders`."""

    reach = 0

    def batch(self, clips: Sequence[Clip], *, refused: Callable[[RefusedInput], None]) -> Batch:
        """Return the levels of all clips."""
        del refused
        levels = torch.tensor([[[_level_db(clip)]] for clip in clips])
        present = torch.tensor([[clip.audio is not None] for clip in clips])
        return Batch({_ROLE: levels}, {_ROLE: present}, None, tuple(clip.clip_id for clip in clips))

    def part(self, clips: Sequence[Clip], modality: Modality, *, refused: Callable[[RefusedInput], None]) -> Batch:
        """Return the levels for a change of sound, nothing for another."""
        whole = self.batch(clips, refused=refused)
        return whole if modality == "audio" else replace(whole, features={}, present={})


def _level_db(clip: Clip) -> float:
    if clip.audio is None:
        return 0.0
    sound = clip.audio.values if isinstance(clip.audio, Samples) else _read(clip.audio)
    return float(10 * np.log10(np.mean(sound.astype(np.float64) ** 2) + 1e-12)) + 10.5  # of noise with deviation 0.3


def _read(recording: Path | Excerpt) -> np.ndarray:
    return read_samples(recording, n_samples=None, resample=False)


def load_planted(folder: Path, **options: Any) -> TrainedModel:  # noqa: ANN401 - those of load_trained
    """Load a model folder, with the model of loudness in place of its own."""
    trained = load_trained(folder, **options)
    classes = trained.record.classes
    model = LoudnessModel(classes) if classes else LoudnessScores()
    return replace(trained, model=model, encoders=LoudnessEncoders())  # type: ignore[arg-type]


def planted_run(finished: Path, folder: Path, classes: Sequence[str]) -> Path:
    """Copy a run, with predictions as the model of loudness makes them: all right. No classes stand for scores."""
    run = folder / "planted"
    shutil.copytree(finished, run, ignore=shutil.ignore_patterns("store", "checkpoints", "stress", "corpus"))
    tables = sorted(run.glob("folds/*/*/*/predictions.parquet"))
    assert len(tables) == 5
    for path in tables:
        table = pq.read_table(path)
        if not classes:
            index = table.schema.get_field_index("score")
            pq.write_table(table.set_column(index, "score", table["label"]), path)
            continue
        levels = torch.tensor([LEVELS_DB[name] for name in classes])
        own = torch.tensor([[LEVELS_DB[name]] for name in table["label"].to_pylist()])
        right: Tensor = (-(own - levels).abs()).softmax(dim=1)
        column = pa.array(right.tolist(), type=table.schema.field("probabilities").type)
        index = table.schema.get_field_index("probabilities")
        pq.write_table(table.set_column(index, table.schema.field("probabilities"), column), path)
    return run
