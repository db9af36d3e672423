"""Whisper's encoder: 1500 steps for any window of 30 s, of which those of the recording are kept.

A recording of more than 30 s is encoded window by window, its steps end to end.

Shapes: V windows, M mel bands, T steps, L layers, D width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from merflow.contracts.errors import FeatureError
from merflow.contracts.streams import StreamShape
from merflow.features.huggingface.processors import WhisperPreparer
from merflow.features.huggingface.settings import LayeredSettings
from merflow.features.huggingface.weights import (
    compile_layers,
    computing,
    device_of,
    layer_count,
    layers_of,
    load_weights,
    to_device,
    unpad,
)
from merflow.features.prepared import Prepared


class WhisperEncoder(WhisperPreparer):
    """Recordings -> ``(T, D)`` or ``(T, L, D)``, T of 20 ms each, rounded up."""

    def __init__(self, folder: Path, settings: LayeredSettings, *, device: str) -> None:
        from transformers import WhisperModel

        super().__init__(folder)
        self._settings = settings
        self._device = device_of(device)
        self._model = load_weights(WhisperModel, folder, attn_implementation="sdpa").encoder.to(self._device)
        config = self._model.config
        if 2 * config.max_source_positions != self._extractor.nb_max_frames:
            raise FeatureError(
                f"the encoder in {folder} has {config.max_source_positions} positions, its feature extractor makes "
                f"{self._extractor.nb_max_frames} frames; they belong to different models"
            )
        if settings.compile:
            compile_layers(self._model.layers)
        self.shape = StreamShape(layers=layer_count(config.encoder_layers, settings.layers), width=config.d_model)

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """One float32 array a recording; every window is encoded by itself."""
        entry = (self.shape.width,) if self.shape.layers is None else (self.shape.layers, self.shape.width)
        empty = np.zeros((0, *entry), dtype=np.float32)
        windows = [len(prepared.values["steps"]) for prepared in batch]
        if not sum(windows):
            return [empty for _ in batch]
        mel = np.concatenate([prepared.values["mel"] for prepared in batch])
        steps = np.concatenate([prepared.values["steps"] for prepared in batch]).tolist()
        arrays = unpad(self._forward(mel), steps)
        ends = np.cumsum(windows).tolist()
        return [np.concatenate([empty, *arrays[end - count : end]]) for end, count in zip(ends, windows, strict=True)]

    def _forward(self, mel: np.ndarray) -> Tensor:
        with computing(self._device, self._settings.dtype):
            output = self._model(to_device(mel, self._device), output_hidden_states=self._settings.layers != "last")
            return layers_of(output, self._settings.layers)
