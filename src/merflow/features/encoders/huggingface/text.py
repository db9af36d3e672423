"""RoBERTa and BERT; the special tokens at both ends are steps too, as in the models' own output.

Shapes: I tokens, L layers, D width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from merflow.features.encoders.huggingface.processors import TextPreparer
from merflow.features.encoders.huggingface.settings import LayeredSettings
from merflow.features.encoders.huggingface.weights import LayeredWeights, load_weights
from merflow.features.encoders.interface import Prepared


class TextEncoder(TextPreparer):
    """Texts -> ``(I, D)`` or ``(I, L, D)``; I = 0 for an empty text."""

    def __init__(self, folder: Path, settings: LayeredSettings, *, device: str, roberta: bool) -> None:
        from transformers import BertModel, RobertaModel

        super().__init__(folder)
        kind = RobertaModel if roberta else BertModel
        model = load_weights(kind, folder, add_pooling_layer=False, attn_implementation="sdpa")
        self._weights = LayeredWeights(model, settings, blocks=model.encoder.layer, device=device)
        self._padding = model.config.pad_token_id
        self.shape = self._weights.shape

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return one float32 array per text."""
        texts = [prepared.values for prepared in batch]
        return self._weights.encode(texts, steps=[len(ids) for ids in texts], fill=self._padding)
