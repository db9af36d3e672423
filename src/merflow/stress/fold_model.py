"""A fold's model on the test utterances of its fold, unchanged and changed.

The model gets its inputs through the same code as in serving (:mod:`merflow.inference.media_batches`). A condition
changes one modality; the other modalities' parts of a batch are those of the unchanged utterances and encoded only
once, so that a change without effect gives identical bits.

Shapes: U utterances, O outputs (a probability per class, or one score), n samples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import torch

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.streams import MODALITY_OF
from merflow.corpus.samples import Excerpt, read_samples
from merflow.errors import CorpusError
from merflow.inference.media_clips import Clip, Samples
from merflow.inference.media_streams import RefusedInput
from merflow.inference.missing import without
from merflow.inference.prediction import predict
from merflow.inference.trained_model import TrainedModel
from merflow.models import MODELS
from merflow.stress.conditions.condition import Condition, Removal, SoundChange

_Batch = Batch | RawBatch


class FoldModel:
    """A fold's model and the clips that it is tested on.

    Args:
        trained: The model.
        clips: U clips with the turns around them.
        device: ``cpu``, ``cuda`` or ``auto``.
        seed: Seed of noise and rooms.
    """

    def __init__(self, trained: TrainedModel, clips: Sequence[Clip], *, device: str, seed: int) -> None:
        self._trained = trained
        self._clips = tuple(clips)
        self._params = trained.record.training.model_copy(update={"device": device})
        self._seed = seed
        self._unchanged: dict[tuple[int, ...], _Batch] = {}
        self._sounds: dict[str, np.ndarray | None] = {}
        streams = MODELS[trained.record.model].configure(trained.record.config).streams()
        self._hears_turns = any(stream.neighbours for stream in streams if MODALITY_OF[stream.role] == "audio")
        self.refused: list[RefusedInput] = []

    def unchanged(self) -> np.ndarray:
        """Return predictions ``(U, O)`` float32. Unreadable inputs are masked, as in training."""
        return self._predict(self._batch)

    def under(self, condition: Condition, *, words: Mapping[str, str]) -> np.ndarray:
        """Return predictions ``(U, O)`` float32 under a condition.

        Args:
            condition: The condition.
            words: New words by clip, for a condition that changes words.
        """
        change = condition.change
        if isinstance(change, Removal):
            return self._predict(lambda indices: _removed(self._batch(indices), change))
        if isinstance(change, SoundChange):
            sounds: dict[str, Samples | Path | Excerpt | None] = {}
            return self._predict(
                lambda indices: self._with_part(
                    indices, condition, [self._resounded(self._clips[index], condition, sounds) for index in indices]
                )
            )
        return self._predict(
            lambda indices: self._with_part(
                indices,
                condition,
                [replace(self._clips[index], text=words[self._clips[index].clip_id]) for index in indices],
            )
        )

    def _predict(self, batch: Callable[[Sequence[int]], _Batch]) -> np.ndarray:
        recipe = self._trained.record.recipes[-1]
        return predict(
            self._trained.model,
            _Clips(batch, np.zeros(len(self._clips), dtype=np.int64)),
            task=self._trained.record.task,
            batch_size=recipe.batch_size,
            params=self._params,
            precision=recipe.precision,
        )

    def _batch(self, indices: Sequence[int]) -> _Batch:
        key = tuple(map(int, indices))
        if key not in self._unchanged:
            clips = [self._clips[index] for index in key]
            self._unchanged[key] = self._trained.encoders.batch(clips, refused=self.refused.append)
        return self._unchanged[key]

    def _with_part(self, indices: Sequence[int], condition: Condition, clips: Sequence[Clip]) -> _Batch:
        """Return the unchanged batch with one modality replaced by that of the changed clips."""
        part = self._trained.encoders.part(clips, condition.modality, refused=self.refused.append)
        return _merged(self._batch(indices), part)

    def _resounded(self, clip: Clip, condition: Condition, sounds: dict[str, Samples | Path | Excerpt | None]) -> Clip:
        """Return the clip with its recording changed, and those of neighbouring turns if the model hears them."""

        def changed(turn: Clip | None) -> Clip | None:
            return None if turn is None else replace(turn, audio=self._sound(turn, condition, sounds))

        if not self._hears_turns:
            return replace(clip, audio=self._sound(clip, condition, sounds))
        before, after = (tuple(map(changed, turns)) for turns in (clip.before, clip.after))
        return replace(clip, audio=self._sound(clip, condition, sounds), before=before, after=after)

    def _sound(
        self, clip: Clip, condition: Condition, sounds: dict[str, Samples | Path | Excerpt | None]
    ) -> Samples | Path | Excerpt | None:
        """Return the clip's changed recording; an unreadable recording is returned as it is, to be refused later."""
        if clip.clip_id not in sounds:
            samples = self._samples(clip)
            assert isinstance(condition.change, SoundChange)
            if samples is None:
                assert not isinstance(clip.audio, Samples)
                sounds[clip.clip_id] = clip.audio
            else:
                rng = generator(self._seed, condition.family, clip.clip_id)
                sounds[clip.clip_id] = Samples(condition.change.change(samples, rng))
        return sounds[clip.clip_id]

    def _samples(self, clip: Clip) -> np.ndarray | None:
        """Return the samples of a clip, ``(n,)`` float32; None if it has no readable recording."""
        if clip.clip_id not in self._sounds:
            assert not isinstance(clip.audio, Samples)
            try:
                read = None if clip.audio is None else read_samples(clip.audio, n_samples=None, resample=True)
            except CorpusError:
                read = None
            self._sounds[clip.clip_id] = read
        return self._sounds[clip.clip_id]


def generator(seed: int, family: str, clip_id: str) -> np.random.Generator:
    """Return the generator of a clip's noise: the same for all levels of a family, so only the level differs."""
    return np.random.default_rng([seed, crc32(family.encode()), crc32(clip_id.encode())])


@dataclass(frozen=True)
class _Clips:
    """Clips as a source of batches; a :class:`merflow.contracts.sources.UtteranceSource`."""

    make: Callable[[Sequence[int]], _Batch]
    lengths: np.ndarray
    labels: None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, indices: Sequence[int]) -> _Batch:
        """Return the clips with these indices."""
        return self.make(indices)


def _removed(batch: _Batch, removal: Removal) -> _Batch:
    return without(batch, {removal.modality: torch.ones(len(batch), dtype=torch.bool)})


def _merged(batch: _Batch, part: _Batch) -> _Batch:
    """Return the batch with the roles of ``part`` instead of its own."""
    streams, stored = (part.streams, part.stored) if isinstance(part, RawBatch) else ({}, part)
    if isinstance(batch, RawBatch):
        merged = _merged(batch.stored, stored)
        assert isinstance(merged, Batch)
        return RawBatch({**batch.streams, **streams}, merged)
    return replace(batch, features={**batch.features, **stored.features}, present={**batch.present, **stored.present})
