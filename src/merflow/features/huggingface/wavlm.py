"""WavLM, base and large.

Padding must not change a result. WavLM-large normalises its convolutions per frame, so an attention mask is enough.
WavLM-base normalises the first convolution over the whole recording (a group norm of one channel a group), and
zeros at the end would shift mean and variance; here they are taken over each recording's own frames.

Shapes: N recordings, n samples, S frames of the first convolution, C channels, T steps, L layers, D width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.streams import StreamShape
from merflow.features.huggingface.processors import SpeechPreparer
from merflow.features.huggingface.settings import LayeredSettings
from merflow.features.huggingface.steps import speech_steps
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


class WavLM(SpeechPreparer):
    """Recordings -> ``(T, D)`` or ``(T, L, D)``; T = 0 for less than 25 ms."""

    def __init__(self, folder: Path, settings: LayeredSettings, *, device: str) -> None:
        from transformers import WavLMModel

        super().__init__(folder)
        self._settings = settings
        self._device = device_of(device)
        self._model = load_weights(WavLMModel, folder, attn_implementation="eager").to(self._device)
        first = self._model.feature_extractor.conv_layers[0]
        self._norm: FrameNorm | None = None
        if self._model.config.feat_extract_norm == "group":
            self._norm = first.layer_norm = FrameNorm(first.layer_norm)
        if settings.compile:
            compile_layers(self._model.encoder.layers)
        layers = layer_count(self._model.config.num_hidden_layers, settings.layers)
        self.shape = StreamShape(layers=layers, width=self._model.config.hidden_size)

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """One float32 array a recording."""
        steps = [speech_steps(len(prepared.values), self._config) for prepared in batch]
        heard = [row for row, count in enumerate(steps) if count]
        found = [np.zeros((0, *self._entry), dtype=np.float32)] * len(batch)
        if heard:
            values = self._forward([batch[row].values for row in heard])
            for row, array in zip(heard, unpad(values, [steps[row] for row in heard]), strict=True):
                found[row] = array
        return found

    @property
    def _entry(self) -> tuple[int, ...]:
        return (self.shape.width,) if self.shape.layers is None else (self.shape.layers, self.shape.width)

    def _forward(self, recordings: Sequence[np.ndarray]) -> Tensor:
        lengths = np.array([len(samples) for samples in recordings])
        samples = np.zeros((len(recordings), lengths.max()), dtype=np.float32)
        for row, each in enumerate(recordings):
            samples[row, : len(each)] = each
        present = torch.from_numpy(np.arange(samples.shape[1]) < lengths[:, None]).to(self._device)
        if self._norm is not None:
            kernel, stride = self._config["conv_kernel"][0], self._config["conv_stride"][0]
            self._norm.frames = ((lengths - kernel) // stride + 1).tolist()
        with computing(self._device, self._settings.dtype):
            output = self._model(
                to_device(samples, self._device),
                attention_mask=present.long(),
                output_hidden_states=self._settings.layers != "last",
            )
            return layers_of(output, self._settings.layers)


class FrameNorm(nn.Module):
    """A group norm of one channel a group over each recording's own frames, whatever follows them.

    Attributes:
        frames: Of each of the batch's recordings; set before every batch.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm
        self.frames: list[int] = []

    def forward(self, values: Tensor) -> Tensor:
        """``(N, C, S)``, zeros after a recording's last frame."""
        normed = torch.zeros_like(values, dtype=torch.float32)
        for row, count in enumerate(self.frames):
            normed[row, :, :count] = self.norm(values[row : row + 1, :, :count])[0]
        return normed
