"""The equations of GIA-MIC in slow loops, each for one utterance in float64."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from merflow.models.gia_mic import (
    GatedAttention,
    GIAMICConfig,
    InvariantGenerator,
    Source,
)
from tests.models.batches import SMALL
from tests.models.slow import slow_attention

DIMS = 6
VST: tuple[Source, ...] = ("video", "speech", "text")


def small(**switches: Any) -> GIAMICConfig:  # noqa: ANN401 - any field of the config
    return GIAMICConfig(**({"modalities": VST} | SMALL["gia-mic"] | switches))


def slow_norm(norm: nn.LayerNorm, row: Tensor) -> Tensor:
    mean = sum(row) / len(row)
    variance = sum((value - mean) ** 2 for value in row) / len(row)
    return torch.stack([(value - mean) / (variance + norm.eps) ** 0.5 for value in row]) * norm.weight + norm.bias


def sigmoid(values: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-values))


def slow_gated(direction: GatedAttention, target: Tensor, source: Tensor) -> Tensor:
    """Compute Eq. 2-4 of one utterance: A ``(T, H)`` takes from B ``(S, H)``, which has at least one step."""
    attended = slow_attention(direction.attention, target, source)
    mean = sum(attended, torch.zeros(len(target[0]))) / len(attended)
    gate = sigmoid(direction.gate.weight @ slow_norm(direction.norm, mean) + direction.gate.bias)
    return torch.stack([gate * attended[t] + (1 - gate) * target[t] for t in range(len(target))])


def slow_generated(block: InvariantGenerator, joint: Tensor, overall: Tensor, specific: Tensor) -> Tensor:
    """Compute Eq. 9-11 of one utterance without padding: ``(J, H)`` for joint and overall ``(J, H)`` and ``(S, H)``."""
    linear, slope = block.mask[0], block.mask[1]
    assert isinstance(linear, nn.Linear)
    assert isinstance(slope, nn.PReLU)
    bias = block.convolve.bias
    assert bias is not None
    shared = slow_attention(block.attention, joint, specific)
    filtered = []
    for step in range(len(joint)):
        channels = linear.weight @ torch.cat([overall[step], joint[step]]) + linear.bias
        filtered.append(shared[step] * sigmoid(torch.where(channels > 0, channels, slope.weight * channels)))
    halved = []
    for middle in range(0, len(joint), 2):
        total = bias
        for tap in range(3):
            if 0 <= middle + tap - 1 < len(joint):
                total = total + block.convolve.weight[:, :, tap] @ filtered[middle + tap - 1]
        halved.append(total)
    rows = []
    for step in range(len(joint)):
        before, after = halved[step // 2], halved[min((step + 1) // 2, len(halved) - 1)]
        rows.append(slow_norm(block.norm, joint[step] + 0.5 * (before + after)))
    return torch.stack(rows)


def slow_divergence(m: Tensor, n: Tensor) -> float:
    """Compute Eq. 14-15 of one step, number by number."""
    p = [math.exp(value) / sum(math.exp(other) for other in m.tolist()) for value in m.tolist()]
    q = [math.exp(value) / sum(math.exp(other) for other in n.tolist()) for value in n.tolist()]
    forth = sum(one * math.log(one / other) for one, other in zip(p, q, strict=True))
    back = sum(other * math.log(other / one) for one, other in zip(p, q, strict=True))
    return 0.5 * (forth + back)
