"""Slow loops to compare the models' vectorised maths with, in float64."""

import math

import torch
from torch import Tensor

from merflow.models.layers import Attention


def assert_near(actual: Tensor, expected: Tensor) -> None:
    """Check equality to 1e-6."""
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


def sequences(lengths: list[int], *size: int) -> tuple[Tensor, Tensor]:
    """Return random values ``(N, T, *size)``, padding included, and their mask."""
    steps = max(*lengths, 1)
    return torch.randn(len(lengths), steps, *size, dtype=torch.float64), torch.arange(steps) < torch.tensor(
        lengths
    ).unsqueeze(1)


def slow_attention(layer: Attention, target: Tensor, source: Tensor) -> Tensor:
    """Compute attention of one utterance, head by head: target ``(T, H)`` attends to source ``(S, H)``."""
    size = target.shape[1] // layer.heads
    heads = []
    for head in range(layer.heads):
        rows = slice(head * size, (head + 1) * size)
        query = target @ layer.query.weight[rows].T
        key = source @ layer.key.weight[rows].T
        value = source @ layer.value.weight[rows].T
        attended = torch.zeros(len(target), size, dtype=target.dtype)
        for t in range(len(target)):
            scores = [math.exp((query[t] @ key[s]).item() / math.sqrt(size)) for s in range(len(source))]
            for s in range(len(source)):
                attended[t] += scores[s] / sum(scores) * value[s]
        heads.append(attended)
    return torch.cat(heads, dim=1)
