"""RoBERTa and BERT. The special tokens at both ends are steps like the others, as in the model's own output.

Shapes: N texts, I tokens, L layers, D width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from merflow.contracts.streams import StreamShape
from merflow.features.huggingface.processors import TextPreparer
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


class TextEncoder(TextPreparer):
    """Texts -> ``(I, D)`` or ``(I, L, D)``; I = 0 for an empty text."""

    def __init__(self, folder: Path, settings: LayeredSettings, *, device: str, roberta: bool) -> None:
        from transformers import BertModel, RobertaModel

        super().__init__(folder)
        self._settings = settings
        self._device = device_of(device)
        kind = RobertaModel if roberta else BertModel
        model = load_weights(kind, folder, add_pooling_layer=False, attn_implementation="sdpa")
        self._model = model.to(self._device)
        if settings.compile:
            compile_layers(self._model.encoder.layer)
        layers = layer_count(self._model.config.num_hidden_layers, settings.layers)
        self.shape = StreamShape(layers=layers, width=self._model.config.hidden_size)

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """One float32 array a text."""
        steps = [len(prepared.values) for prepared in batch]
        entry = (self.shape.width,) if self.shape.layers is None else (self.shape.layers, self.shape.width)
        found = [np.zeros((0, *entry), dtype=np.float32)] * len(batch)
        worded = [row for row, count in enumerate(steps) if count]
        if worded:
            values = self._forward([batch[row].values for row in worded])
            for row, array in zip(worded, unpad(values, [steps[row] for row in worded]), strict=True):
                found[row] = array
        return found

    def _forward(self, texts: Sequence[np.ndarray]) -> Tensor:
        lengths = np.array([len(ids) for ids in texts])
        ids = np.full((len(texts), lengths.max()), self._model.config.pad_token_id, dtype=np.int64)
        for row, each in enumerate(texts):
            ids[row, : len(each)] = each
        present = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
        with computing(self._device, self._settings.dtype):
            output = self._model(
                to_device(ids, self._device),
                attention_mask=to_device(present, self._device),
                output_hidden_states=self._settings.layers != "last",
            )
            return layers_of(output, self._settings.layers)
