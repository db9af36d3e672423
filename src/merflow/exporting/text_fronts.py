"""Front ends from the input ``words`` to the steps of a text encoder.

Shapes: T words or tokens, L layers, D width.
"""

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.presets import EncoderSpec
from merflow.exporting.steps import constant
from merflow.features.encoders.huggingface.networks import Network, build_network
from merflow.features.encoders.lite.hashed_words import VIEWS

_FEWEST_STEPS = 64  # including padding: models that read a fixed number of words then only cut, and never pad


class TextFront(nn.Module):
    """Words ``(T, 3, D)`` or tokens ``(T,)`` -> features ``(T + 64, ...)`` of a stream, padded at the end.

    Args:
        spec: The encoder.
        network: Its fine-tuned weights; None for the published ones.
        padding: Padding token; None if the input is words.
    """

    def __init__(self, spec: EncoderSpec, *, network: Network | None, padding: int | None) -> None:
        super().__init__()
        self.encoder = LiteWords(spec) if padding is None else Tokens(spec, network=network, padding=padding)

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features, and their mask ``(T + 64,)``."""
        values, real = self.encoder(words)
        silence = torch.zeros(_FEWEST_STEPS, *values.shape[1:])
        return torch.cat([values, silence]), torch.cat([real, torch.zeros(_FEWEST_STEPS, dtype=torch.bool)])


class LiteWords(nn.Module):
    """Views of words ``(T, 3, D)`` -> ``(T, D)`` of ``lite-text``, or ``(T, L, D)`` of ``lite-text-layers``."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self._layers = int(spec.settings["layers"]) if spec.name == "lite-text-layers" else None

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features and their mask ``(T,)``."""
        real = (words != 0).any(dim=-1).any(dim=-1)
        if self._layers is None:
            return words.sum(dim=1) / constant(np.array([len(VIEWS) ** 0.5])).float(), real
        return words[:, : self._layers], real


class Tokens(nn.Module):
    """Token ids ``(T,)`` -> hidden states of a text encoder, ``(T, D)`` or ``(T, L, D)``."""

    def __init__(self, spec: EncoderSpec, *, network: Network | None, padding: int) -> None:
        super().__init__()
        self._padding = padding
        self.network = build_network(spec) if network is None else network

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features and their mask ``(T,)``; a text without words is only padding."""
        states: Tensor = self.network(tokens[None], torch.full((1,), tokens.shape[0]))
        return states[0].float(), tokens != self._padding
