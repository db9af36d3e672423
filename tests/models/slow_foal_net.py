"""Foal-Net's equations in slow loops, and small batches for them, in float64."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from merflow.models.foal_net import (
    CrossAttention,
    Features,
    FoalNetConfig,
    Fusion,
    Pairs,
    Projection,
    Source,
)
from tests.models.slow import sequences

WIDTHS: dict[Source, int] = {"speech": 12, "video": 8}
FULL = FoalNetConfig(modalities=("speech", "video"), avel=True, mem=True, projection=6, dropout=0, projection_dropout=0)

# Emotions of a batch; in some of them one emotion, or one utterance, is all there is.
DRAWN = [[0, 1, 0, 2, 3, 1], [2, 2, 2], [1, 0], [3]]


def features_of(lengths: dict[Source, list[int]]) -> Features:
    drawn = {source: sequences(steps, WIDTHS[source]) for source, steps in lengths.items()}
    values, present = ({source: each[part] for source, each in drawn.items()} for part in (0, 1))
    return Features(values, present)


def pairs_of(emotions: list[int]) -> Pairs:
    labels, complete = torch.tensor(emotions), torch.ones(len(emotions), dtype=torch.bool)
    return Pairs.of(labels, complete, all_labels=labels, all_complete=complete)


def slow_norm(norm: nn.LayerNorm, row: Tensor) -> Tensor:
    deviation = torch.sqrt(row.var(unbiased=False) + norm.eps)
    return (row - row.mean()) / deviation * norm.weight + norm.bias


def slow_projection(block: Projection, steps: Tensor) -> Tensor:
    """Compute Eq. 1 of one utterance ``(T, D)``."""
    mean = sum(steps, torch.zeros(steps.shape[1], dtype=steps.dtype)) / max(1, len(steps))
    first = block.first.weight @ mean
    activated = torch.stack([0.5 * value * (1 + torch.erf(value / math.sqrt(2))) for value in first])
    return slow_norm(block.norm, first + block.second.weight @ activated)


def slow_alignment(similarities: list[Tensor], emotions: list[int]) -> float:
    """Compute Eq. 3."""
    total = 0.0
    for similarity in similarities:
        for i in range(len(emotions)):
            scores = [math.exp(value.item()) for value in similarity[i]]
            for j in range(len(emotions)):
                if emotions[i] == emotions[j]:
                    total += math.log(scores[j] / sum(scores))
    return -0.5 * total / len(emotions)


def slow_fusion(fusion: Fusion, target: Tensor, source: Tensor) -> Tensor:
    """Compute Eq. 11-16 and the mean over time for one utterance: ``(T, D)`` attends to ``(S, E)``."""
    fused = target
    for layer in cast(list[CrossAttention], fusion.layers):
        size = layer.query.out_features // layer.heads
        heads = []
        for head in range(layer.heads):
            rows = slice(head * size, (head + 1) * size)
            query = fused @ layer.query.weight[rows].T + layer.query.bias[rows]  # Eq. 14
            key = source @ layer.key.weight[rows].T  # Eq. 15
            value = source @ layer.value.weight[rows].T + layer.value.bias[rows]  # Eq. 16
            attended = torch.zeros(len(target), size, dtype=target.dtype)
            for t in range(len(target)):
                scores = [math.exp((query[t] @ key[s]).item() / math.sqrt(size)) for s in range(len(source))]
                for s in range(len(source)):
                    attended[t] += scores[s] / sum(scores) * value[s]  # Eq. 13
            heads.append(attended)
        merged = torch.cat(heads, dim=1) @ layer.merge.weight.T + layer.merge.bias  # Eq. 12
        fused = torch.stack([slow_norm(layer.norm, row) for row in fused + merged])  # Eq. 11
    return fused.mean(dim=0)


def slow_matching(positive: list[Tensor], negative: list[Tensor], emotions: list[int]) -> float:
    """Compute Eq. 9 over the rows that have a negative."""
    rows = [i for i in range(len(emotions)) if any(other != emotions[i] for other in emotions)]
    if not rows:
        return 0.0
    total = 0.0
    for same, other in zip(positive, negative, strict=True):
        errors = []
        for row, label in [(same[i], 1) for i in rows] + [(other[i], 0) for i in rows]:
            logits = row.tolist()
            errors.append(-math.log(math.exp(logits[label]) / (math.exp(logits[0]) + math.exp(logits[1]))))
        total += sum(errors) / len(errors)
    return 0.5 * total
