"""Whisper's encoder: 1500 steps per window of 30 s, without the steps of the padding.

A recording of more than 30 s is encoded window by window, and its steps are joined.

Shapes: M mel bands, T steps, L layers, D width.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from merflow.errors import FeatureError
from merflow.features.encoders.huggingface.processors import WhisperPreparer
from merflow.features.encoders.huggingface.settings import LayeredSettings
from merflow.features.encoders.huggingface.weights import LayeredWeights, load_weights
from merflow.features.encoders.interface import Prepared


class WhisperEncoder(WhisperPreparer):
    """Recordings -> ``(T, D)`` or ``(T, L, D)``, with steps of 20 ms; T is rounded up."""

    def __init__(self, folder: Path, settings: LayeredSettings, *, device: str) -> None:
        from transformers import WhisperModel

        super().__init__(folder)
        model = load_weights(WhisperModel, folder, attn_implementation="sdpa").encoder
        if 2 * model.config.max_source_positions != self.extractor.nb_max_frames:
            raise FeatureError(
                f"the encoder in {folder} has {model.config.max_source_positions} positions, but its feature "
                f"extractor makes {self.extractor.nb_max_frames} frames; download both from one checkpoint"
            )
        self._weights = LayeredWeights(model, settings, blocks=model.layers, device=device)
        self.shape = self._weights.shape

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return one float32 array per recording; every window ``(M, 3000)`` is encoded by itself."""
        windows = [mel for prepared in batch for mel in prepared.values["mel"]]
        steps = [prepared.values["steps"].tolist() for prepared in batch]
        arrays = iter(self._weights.encode(windows, steps=[count for counts in steps for count in counts]))
        return [np.concatenate([self._weights.nothing, *islice(arrays, len(counts))]) for counts in steps]
