"""WavLM, base and large.

Padding must not change a result. WavLM-large normalizes its convolutions per frame, so an attention mask is enough.
WavLM-base normalizes the first convolution over the whole recording (a group norm with one channel per group), and
zeros at the end would shift mean and variance. Here they are taken over each recording's own frames.

The numbers equal those of transformers' WavLM. Three things are faster here. Attention is fused, whereas transformers
also computes attention weights that are never used. Convolutions are matrix products over steps whose channels are
contiguous, which is the layout of WavLM-large's normalization between them; transformers transposes every activation
back and forth. And the positional convolution's weight is computed from its two factors once, not in every batch.

Shapes: N recordings, S frames of the first convolution, C channels, T steps, H heads, L layers, D width.
"""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from merflow.features.encoders.huggingface.processors import SpeechPreparer
from merflow.features.encoders.huggingface.settings import SpeechSettings
from merflow.features.encoders.huggingface.steps import speech_steps
from merflow.features.encoders.huggingface.weights import LayeredWeights, load_weights
from merflow.features.encoders.interface import Prepared


class WavLM(SpeechPreparer):
    """Recordings -> ``(T, D)`` or ``(T, L, D)``; T = 0 for less than 25 ms."""

    def __init__(self, folder: Path, settings: SpeechSettings, *, device: str) -> None:
        from transformers import WavLMModel

        super().__init__(folder, raw=settings.raw_waveform)
        model = load_weights(WavLMModel, folder, attn_implementation="eager")
        parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
        for layer in model.encoder.layers:
            layer.attention.torch_multi_head_self_attention = partial(fused_attention, layer.attention)
        layers = model.feature_extractor.conv_layers
        self._norm: FrameNorm | None = None
        if model.config.feat_extract_norm == "group":
            self._norm = layers[0].layer_norm = FrameNorm(layers[0].layer_norm)
        else:
            model.feature_extractor = Convolutions(layers)
        self._weights = LayeredWeights(model, settings, blocks=model.encoder.layers, device=device)
        self.shape = self._weights.shape

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return one float32 array per recording."""
        recordings = [prepared.values for prepared in batch]
        steps = [speech_steps(len(samples), self._config) for samples in recordings]
        if self._norm is not None:
            kernel, stride = self._config["conv_kernel"][0], self._config["conv_stride"][0]
            encoded = [len(samples) for samples, count in zip(recordings, steps, strict=True) if count]
            self._norm.frames = [(length - kernel) // stride + 1 for length in encoded]
        return self._weights.encode(recordings, steps=steps)


def fused_attention(
    attention: Any,  # noqa: ANN401 - transformers' WavLMAttention
    states: Tensor,
    present: Tensor | None,
    bias: Tensor,
) -> tuple[Tensor, None]:
    """Compute self-attention with a gated position bias; replaces a method of transformers' WavLMAttention.

    Args:
        attention: The module whose projections are used.
        states: ``(N, T, D)``.
        present: ``(N, T)`` bool; None if no step is padding.
        bias: ``(N * H, T, T)``.

    Returns:
        ``(N, T, D)``, and None instead of the attention weights.
    """
    batch, steps, width = states.shape
    query, key, value = (
        project(states).view(batch, steps, attention.num_heads, -1).transpose(1, 2)  # (N, H, T, D / H)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    bias = bias.view(batch, attention.num_heads, steps, steps)
    if present is not None:
        bias = bias.masked_fill(~present[:, None, None, :], -math.inf)
    dropout = attention.dropout if attention.training else 0.0
    heads = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype), dropout_p=dropout)
    return attention.out_proj(heads.transpose(1, 2).reshape(batch, steps, width)), None


class Convolutions(nn.Module):
    """Samples ``(N, n)`` -> ``(N, C, T)``, equal to transformers' WavLMFeatureEncoder with a layer norm in every layer.

    Args:
        layers: Layers of the WavLMFeatureEncoder: each a convolution, a layer norm and an activation.
    """

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, samples: Tensor) -> Tensor:
        """Return a view whose channels are contiguous in memory."""
        values = samples[:, :, None]  # (N, n, 1); after each layer (N, S, C)
        layers: Iterable[Any] = self.layers
        for layer in layers:
            values = layer.activation(layer.layer_norm(convolved(values, layer.conv)))
        return values.transpose(1, 2)


def convolved(values: Tensor, conv: nn.Conv1d) -> Tensor:
    """Convolve ``(N, S, C)`` contiguous to ``(N, T, D)`` as a matrix product: a step's window is contiguous too."""
    batch, frames, channels = values.shape
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    steps = (frames - kernel) // stride + 1
    windows = values.as_strided((batch, steps, kernel * channels), (frames * channels, stride * channels, 1))
    return F.linear(windows, conv.weight.transpose(1, 2).flatten(1), conv.bias)


class FrameNorm(nn.Module):
    """A group norm with one channel per group, over each recording's own frames without the padding.

    Attributes:
        frames: Number of frames of each recording of the batch; set before every batch.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm
        self.frames: list[int] = []

    def forward(self, values: Tensor) -> Tensor:
        """Return ``(N, C, S)`` with zeros after each recording's last frame."""
        if min(self.frames) == values.shape[2]:
            normed: Tensor = self.norm(values)
            return normed
        normed = torch.empty_like(values, dtype=torch.float32)
        for row, count in enumerate(self.frames):
            normed[row, :, :count] = self.norm(values[row : row + 1, :, :count])[0]
            normed[row, :, count:] = 0
        return normed
