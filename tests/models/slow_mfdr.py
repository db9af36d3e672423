"""Algorithm 1, the equations and the blocks of MFDR in slow loops, each for one utterance in float64."""

import math
import statistics
from typing import Any

import torch
from torch import Tensor, nn

from merflow.models.layers import Attention
from merflow.models.mfdr import GCPU, MFDR, MGRU, DynamicFrameConvolution, MFDRConfig, PlainGRU, SlidingWindowAttention
from tests.models.batches import SMALL
from tests.models.slow import slow_attention

DIMS = 6


def small(**switches: Any) -> MFDRConfig:  # noqa: ANN401 - any field of the config
    return MFDRConfig(**(SMALL["mfdr"] | switches))


def slow_softmax(scores: dict[int, float]) -> dict[int, float]:
    total = sum(math.exp(score) for score in scores.values())
    return {frame: math.exp(score) / total for frame, score in scores.items()}


def slow_strength(weights: dict[int, float]) -> int:
    mean = sum(weights.values()) / max(1, len(weights))
    return sum(weight > mean * (1 + 1e-5) for weight in weights.values())


def slow_windows(scores: list[float], start: int, *, window: int, adaptive: bool) -> dict[int, float]:
    """Compute Algorithm 1 for one word: its weights by frame, for the frames that exist."""

    def softmax_of(*spans: tuple[int, int]) -> dict[int, float]:
        frames = [frame for low, high in spans for frame in range(low, high) if 0 <= frame < len(scores)]
        return slow_softmax({frame: scores[frame] for frame in frames})

    half, end = window // 2, start + window
    weights = softmax_of((start, end))
    if adaptive and slow_strength(weights) >= window / 2:
        weights |= softmax_of((start - half, start), (end, end + half))
        if slow_strength(weights) >= window:
            weights |= softmax_of((start - window, start - half), (end + half, end + window))
    return weights


def slow_start(config: MFDRConfig, position: int, *, words: int, positions: int, frames: int) -> int:
    if config.alignment == "paced":
        return position * config.hop
    last = max(0, frames - config.window)
    if position < words:
        return position * last // max(1, words - 1)
    return (position - words + 1) * last // (positions - words)


def slow_sliding(layer: SlidingWindowAttention, words: Tensor, frames: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    """Return z ``(L, D)`` and the weights ``(L, T)`` for all positions, ``count`` of them words, and real frames."""
    config = layer.config
    queries, keys, values = words @ layer.query.weight.T, frames @ layer.key.weight.T, frames @ layer.value.weight.T
    table = torch.zeros(len(words), len(frames), dtype=words.dtype)
    for word, query in enumerate(queries):
        scores = (keys @ query / math.sqrt(len(query))).tolist()
        start = slow_start(config, word, words=count, positions=len(words), frames=len(frames))
        weights = slow_windows(scores, start, window=config.window, adaptive=config.attention == "sawa")
        for frame, weight in weights.items():
            table[word, frame] = weight
    return table @ values, table


def slow_gcpu(unit: GCPU, z: Tensor, g: Tensor) -> Tensor:
    """Compute Eq. 1-6 of one utterance, word by word: ``(L, D)``."""
    zr, zz = unit.from_z.weight.chunk(2)
    gr, gg = unit.from_g.weight.chunk(2)
    hz, hg, hu = unit.from_reset.weight.chunk(3)
    zu, gu = unit.from_candidates.weight.chunk(2, dim=1)
    br, bz, bg, bu = unit.bias.chunk(4)
    h, states = torch.zeros_like(z[0]), []
    for step in range(len(z)):
        r = torch.sigmoid(unit.from_h.weight @ h + zr @ z[step] + gr @ g[step] + br)
        candidate_z = torch.tanh(zz @ z[step] + hz @ (r * h) + bz)
        candidate_g = torch.tanh(gg @ g[step] + hg @ (r * h) + bg)
        u = torch.sigmoid(zu @ candidate_z + gu @ candidate_g + hu @ (r * h) + bu)
        h = r * h + u * (candidate_z + candidate_g)
        states.append(h)
    return torch.stack(states)


def slow_mgru(unit: MGRU, z: Tensor, g: Tensor) -> Tensor:
    """Compute GCPU's candidates with a complementary update, word by word."""
    zr, zu, zz = unit.from_z.weight.chunk(3)
    gr, gu, gg = unit.from_g.weight.chunk(3)
    hr, hu = unit.from_h.weight.chunk(2)
    hz, hg = unit.from_reset.weight.chunk(2)
    br, bu, bz, bg = unit.bias.chunk(4)
    h, states = torch.zeros_like(z[0]), []
    for step in range(len(z)):
        r = torch.sigmoid(hr @ h + zr @ z[step] + gr @ g[step] + br)
        u = torch.sigmoid(hu @ h + zu @ z[step] + gu @ g[step] + bu)
        candidate_z = torch.tanh(zz @ z[step] + hz @ (r * h) + bz)
        candidate_g = torch.tanh(gg @ g[step] + hg @ (r * h) + bg)
        h = (1 - u) * h + u * (candidate_z + candidate_g)
        states.append(h)
    return torch.stack(states)


def slow_gru(unit: PlainGRU, z: Tensor, _: Tensor) -> Tensor:
    hidden: Tensor = unit.gru(z)[0]
    return hidden


def slow_unit(unit: nn.Module, z: Tensor, g: Tensor) -> Tensor:
    if isinstance(unit, GCPU):
        return slow_gcpu(unit, z, g)
    if isinstance(unit, MGRU):
        return slow_mgru(unit, z, g)
    assert isinstance(unit, PlainGRU)
    return slow_gru(unit, z, g)


def slow_dfc(layer: DynamicFrameConvolution, hidden: Tensor) -> Tensor:
    """Compute Eq. 7-8 of one utterance, position by position: ``(S, D)`` for ``(steps, D)``."""
    drawn, rows = layer.map[0].T, []  # (steps, D)
    assert layer.narrow.bias is not None
    assert layer.widen.bias is not None
    for position in range((len(hidden) - layer.span) // layer.stride + 1):  # Eq. 7
        window = range(position * layer.stride, position * layer.stride + layer.span)
        narrow = torch.stack(
            [
                layer.narrow.bias[c] + sum(layer.narrow.weight[c, :, f] @ drawn[step] for f, step in enumerate(window))
                for c in range(len(layer.narrow.weight))
            ]
        )
        normed = (narrow - narrow.mean()) / torch.sqrt(narrow.var(unbiased=False) + 1e-5)
        active = (normed * layer.norm.weight + layer.norm.bias).clamp(min=0)
        kernel = (layer.widen.weight[..., 0] @ active + layer.widen.bias).view(layer.span, -1)  # Eq. 8
        row = torch.zeros_like(hidden[0])
        for f, step in enumerate(window):
            row = row + kernel[f] * hidden[step]
        rows.append(row)
    return torch.stack(rows)


def slow_pool(kind: str, hidden: Tensor, *, stride: int) -> Tensor:
    """Pool ``(L, D)`` in windows of three, channel by channel."""
    pool = max if kind == "max" else statistics.fmean
    windows = [hidden[start : start + 3] for start in range(0, len(hidden) - 2, stride)]
    return torch.stack(
        [torch.tensor([pool(column.tolist()) for column in window.T], dtype=hidden.dtype) for window in windows]
    )


def slow_embedding(model: MFDR, words: Tensor, frames: Tensor) -> Tensor:
    """Return the vector to classify for one utterance's real words and frames."""
    config, count = model.config, len(words)
    words = torch.cat([words, words.new_zeros(config.words - count, words.shape[1])])
    words, frames = model.embed_text(words), model.embed_speech(frames)
    if isinstance(model.combine, SlidingWindowAttention):
        z, _ = slow_sliding(model.combine, words, frames, count=count)
    else:
        assert isinstance(model.combine, Attention)
        z = slow_attention(model.combine, words, frames)
    z = z + words if config.residual else z
    g = model.context.merge(slow_attention(model.context, z, z)) if config.context else z
    hidden = slow_unit(model.unit, z, g)
    for layer, stride in zip(model.refine, config.strides, strict=False):
        if isinstance(layer, DynamicFrameConvolution):
            hidden = slow_dfc(layer, hidden)
        else:
            hidden = slow_pool(config.pooling, hidden, stride=stride)
    return hidden.flatten()
