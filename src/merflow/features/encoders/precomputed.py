"""Features that came with the corpus: nothing is encoded, and the rows of an array in the corpus's file are passed on.

The file is opened only during extraction; afterwards, models read the feature store. Its digest is part of the store's
key, like the digest of an encoder's weights.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from merflow.contracts.presets import EncoderSpec, Profile
from merflow.contracts.streams import Modality, StreamShape
from merflow.contracts.strict import Strict
from merflow.corpus.mosei_pickle import Array, MoseiPickle, PickledClip, open_mosei_pickle
from merflow.errors import FeatureError
from merflow.features.encoders.interface import Prepared
from merflow.storage.fingerprints import file_sha256

PRECOMPUTED = "precomputed"

_MODALITIES: dict[Array, Modality] = {"audio": "audio", "vision": "video", "text": "text"}


class PrecomputedSettings(Strict):
    """Settings of ``precomputed``.

    Attributes:
        array: Name of the array in the corpus's file.
    """

    array: Array


def settings_modality(settings: Mapping[str, object]) -> Modality | None:
    """Return the modality that settings of ``precomputed`` name; None if they name no array."""
    return next((modality for array, modality in _MODALITIES.items() if settings.get("array") == array), None)


class PrecomputedInput(NamedTuple):
    """An utterance whose features are in the corpus's file."""

    utterance_id: str


class Precomputed:
    """Utterance -> ``(T, D)``, its real steps in an array of the corpus's file.

    Raises:
        FeatureError: The spec is not bound to a file, so there is nothing to pass on.
        CorpusError: The file cannot be read.
    """

    def __init__(self, settings: PrecomputedSettings, spec: EncoderSpec) -> None:
        if spec.folder is None or spec.digest is None:
            raise FeatureError(
                f"encoder {spec.label!r} passes on features that came with a corpus, but no corpus file is given; "
                "extract them with `merflow features extract`. It cannot compute them from recordings or words"
            )
        self._array = settings.array
        self._file = _opened(Path(spec.folder), spec.digest)
        self._clips: dict[str, PickledClip] = {clip.utterance_id: clip for clip in self._file.clips}
        self._places = {name: place for place, name in enumerate(self._clips)}
        self.shape = StreamShape(layers=None, width=self._file.widths[settings.array])

    def place(self, utterance_id: str) -> int:
        """Return an utterance's place in the file.

        Raises:
            FeatureError: The file does not have it.
        """
        return self._places[self._clip(utterance_id).utterance_id]

    def steps(self, utterance_id: str) -> int:
        """Return T of an utterance.

        Raises:
            FeatureError: The file does not have it.
        """
        clip = self._clip(utterance_id)
        return self._file.parts[clip.part].step_count(self._array, clip.row)

    def prepare(self, source: PrecomputedInput) -> Prepared:
        """Read the utterance's steps.

        Raises:
            FeatureError: The file does not have the utterance, or the source is a recording, words or frames.
        """
        if not isinstance(source, PrecomputedInput):
            raise FeatureError(
                f"the features {self._array!r} came with the corpus; they cannot be computed from recordings or words"
            )
        clip = self._clip(source.utterance_id)
        steps = self._file.parts[clip.part].steps(self._array, clip.row)
        return Prepared(steps, cost=max(1, len(steps)))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per utterance."""
        return [prepared.values for prepared in batch]

    def _clip(self, utterance_id: str) -> PickledClip:
        if utterance_id not in self._clips:
            raise FeatureError(
                f"{self._file.path} has no utterance {utterance_id}: it is another file than the one that was indexed; "
                "index the corpus again"
            )
        return self._clips[utterance_id]


def is_precomputed(spec: EncoderSpec) -> bool:
    """Return True if the features came with the corpus."""
    return spec.name == PRECOMPUTED


def bound(encoders: Profile, *, root: Path) -> Profile:
    """Return the encoders, those of precomputed features with the corpus's file and its digest.

    Args:
        encoders: Encoders by slot.
        root: Root of the corpus.

    Raises:
        FeatureError: The profile expects features that this corpus does not have.
    """
    return {slot: _bound(spec, root) if is_precomputed(spec) else spec for slot, spec in encoders.items()}


def _bound(spec: EncoderSpec, root: Path) -> EncoderSpec:
    if not root.is_file():
        raise FeatureError(
            f"encoder {spec.label!r} passes on features that came with a corpus, but {root} is not a file that has "
            "them; choose another features.profile, or index such a file (corpus mosei-pickle)"
        )
    return spec.model_copy(update={"folder": str(root), "digest": file_sha256(root)[:16]})


@lru_cache(maxsize=1)
def _opened(path: Path, _digest: str) -> MoseiPickle:
    """Return the open file, which several streams read; a file with other content is opened again."""
    return open_mosei_pickle(path)


def precomputed(settings: Any, spec: EncoderSpec, _device: str = "cpu") -> Precomputed:  # noqa: ANN401 - as entries have it
    """Build the encoder of an entry."""
    return Precomputed(settings, spec)
