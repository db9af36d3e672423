"""Losses over a whole batch that is split across several processes.

A model passes the tensors that such a loss reads from other utterances through
:class:`merflow.models.layers.WholeBatch`. By itself, that module returns its input. This file makes it return the rows
of all processes, with gradient. The model knows neither processes nor ranks.

Shapes: W processes; N utterances of one process, M of all.
"""

from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from merflow.inference.ranks import Ranks
from merflow.models.layers import WholeBatch


def span_processes(model: nn.Module, ranks: Ranks) -> None:
    """Make every loss of the model that looks across the batch see the shares of all processes."""
    if ranks.count == 1:
        return
    for module in model.modules():
        if isinstance(module, WholeBatch):
            module.complete = partial(rows_of_all, ranks=ranks)


def rows_of_all(shares: tuple[Tensor, ...], *, ranks: Ranks) -> tuple[Tensor, ...]:
    """Return the rows ``(M, ...)`` of all processes in the order of ranks, for rows ``(N, ...)`` of this process.

    All processes must call this at the same time with as many tensors. Where later axes differ in length between
    processes, they are padded with zeros to the longest.
    """
    sizes = _sizes_of_all(shares)
    return tuple(_rows(share, [size[number] for size in sizes], ranks) for number, share in enumerate(shares))


def _sizes_of_all(shares: tuple[Tensor, ...]) -> list[list[list[int]]]:
    """Return the shape of each tensor in each process: a list per process."""
    sizes = torch.tensor([size for share in shares for size in share.shape], device=shares[0].device)
    every = [torch.empty_like(sizes) for _ in range(dist.get_world_size())]
    dist.all_gather(every, sizes)
    dimensions = [share.dim() for share in shares]
    return [[part.tolist() for part in torch.split(each, dimensions)] for each in every]


def _rows(share: Tensor, sizes: list[list[int]], ranks: Ranks) -> Tensor:
    """Return the rows of all processes, given the shape in each."""
    largest = [max(lengths) for lengths in zip(*sizes, strict=True)]
    missing = [after for size, most in zip(share.shape, largest, strict=True) for after in (most - size, 0)]
    padded = F.pad(share, missing[::-1])  # F.pad counts axes from the last to the first: before, after
    gathered: Tensor = _AllGather.apply(padded, ranks)  # type: ignore[no-untyped-call]
    parts = gathered.chunk(ranks.count)
    return torch.cat([part[: size[0]] for part, size in zip(parts, sizes, strict=True)])


class _AllGather(torch.autograd.Function):
    """Tensors of equal shape from all processes, end to end.

    In the backward pass, a process receives the sum of the gradients of all processes' losses for its part.
    """

    @staticmethod
    def forward(ctx: Any, share: Tensor, ranks: Ranks) -> Tensor:  # noqa: ANN401 - torch's own signature
        ctx.ranks = ranks
        parts = [torch.empty_like(share, memory_format=torch.contiguous_format) for _ in range(ranks.count)]
        dist.all_gather(parts, share.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - torch's own signature
        summed = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed.chunk(ctx.ranks.count)[ctx.ranks.rank], None
