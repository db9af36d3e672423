"""Maths that at least three papers share: masked pooling, attention, a Transformer layer, and their inspection.

Also the output layer and the loss of a task, and :class:`WholeBatch`, through which a loss looks across a batch that
several processes share.

Shapes: N utterances, M utterances of a whole batch, T target steps, S source steps, H model width, A heads, h = H / A.
``present`` masks are True at real steps. Padding changes no real step, because sources are masked and pooling reads
real steps only. Target steps that are padding hold numbers that nothing reads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Inspection, LossTerm
from merflow.contracts.task import Regression, Task


def masked_mean(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean of ``(N, T, X)`` over the real steps: ``(N, X)``, zeros where no step is real."""
    weights = present.to(values.dtype)  # (N, T)
    return torch.einsum("ntx,nt->nx", values, weights) / weights.sum(dim=1, keepdim=True).clamp(min=1)


def masked_max(values: Tensor, present: Tensor) -> Tensor:
    """Return the maximum of ``(N, T, X)`` over the real steps: ``(N, X)``, zeros where no step is real."""
    lowest = torch.finfo(values.dtype).min
    highest = values.masked_fill(~present.unsqueeze(-1), lowest).amax(dim=1)  # (N, X)
    return highest.where(present.any(dim=1, keepdim=True), 0)


class ScoreLayer(nn.Linear):
    """The last layer of a model that predicts a score: a linear map to its distance from the middle of the scale.

    Otherwise, scores from 1 to 5 would start two whole steps off, and the bias would have to learn that first.
    """

    def __init__(self, width: int, task: Regression) -> None:
        super().__init__(width, 1)
        self.middle = task.middle

    def forward(self, pooled: Tensor) -> Tensor:
        """Return scores ``(N, 1)`` for ``(N, width)``, which half precision would round to steps of 0.02."""
        with torch.autocast(pooled.device.type, enabled=False):
            return super().forward(pooled.to(self.weight.dtype)) + self.middle


def output_layer(width: int, task: Task) -> nn.Linear:
    """Return the last layer of a model: ``(N, width)`` to the logits of classes ``(N, C)``, or to scores ``(N, 1)``."""
    return ScoreLayer(width, task) if isinstance(task, Regression) else nn.Linear(width, task.outputs)


def label_loss(logits: Tensor, labels: Tensor, task: Task) -> dict[str, LossTerm]:
    """Return the main loss term: cross-entropy ``ce`` of classes, or absolute error ``l1`` of scores.

    Args:
        logits: ``(N, C)``, or scores ``(N, 1)``.
        labels: ``(N,)`` class indices, or scores.
        task: The task.
    """
    if isinstance(task, Regression):
        return {"l1": LossTerm(F.l1_loss(logits.squeeze(1), labels))}
    return {"ce": LossTerm(F.cross_entropy(logits, labels))}


class WholeBatch(nn.Module):
    """Rows of some utterances as the rows of all utterances that a loss looks across.

    A model calls it on tensors ``(N, ...)`` with one row per utterance, and gets tensors ``(M, ...)`` for the whole
    batch, with gradient. Usually these are the same tensors. If several processes train on shares of one batch,
    training sets :attr:`complete`, and M counts the utterances of all shares. Evaluation never splits a batch.

    A loss of this kind is the part of its process in the sum over the whole batch; see
    :attr:`merflow.contracts.batch.LossTerm.joint`.

    Attributes:
        complete: Given the tensors of this share, returns those of the whole batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.complete: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]] | None = None

    def forward(self, *rows: Tensor) -> tuple[Tensor, ...]:
        """Return tensors ``(M, ...)`` for tensors ``(N, ...)``."""
        return rows if self.complete is None or not self.training else self.complete(rows)


class Shown(nn.Module):
    """An identity that marks a tensor for :func:`inspect`.

    Args:
        axes: Names of the axes after the first (utterances): a role where they are that role's steps, or a word.
    """

    def __init__(self, *axes: str) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, values: Tensor) -> Tensor:
        """Return the same tensor, ``(N, *axes)``."""
        assert values.ndim == 1 + len(self.axes), (values.shape, self.axes)
        return values


class Attend(nn.Module):
    """Scaled dot-product attention, zeros where the source has no real step.

    Args:
        target: Name of its rows for :func:`inspect`: a role, or a word.
        source: Name of its columns.
    """

    def __init__(self, *, target: str, source: str) -> None:
        super().__init__()
        self.axes = ("head", target, source)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, present: Tensor) -> Tensor:
        """Return ``(N, A, T, h)`` for queries of that shape, keys and values ``(N, A, S, h)`` and mask ``(N, S)``."""
        exists = present.any(dim=1)  # (N,)
        # A row without any visible step has no softmax: absent sources are made visible here and set to zero below.
        visible = rearrange(present | ~exists.unsqueeze(1), "n s -> n 1 1 s")
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return attended * rearrange(exists, "n -> n 1 1 1")

    @staticmethod
    def weights(query: Tensor, key: Tensor, present: Tensor) -> Tensor:
        """Return the softmax of :meth:`forward`: ``(N, A, T, S)``, zeros where the source has no real step."""
        scores = torch.einsum("nath,nash->nats", query, key) * query.shape[-1] ** -0.5
        real = rearrange(present, "n s -> n 1 1 s")
        scores = scores.masked_fill(~real, torch.finfo(scores.dtype).min)
        weights: Tensor = scores.softmax(dim=-1) * real
        return weights


class Attention(nn.Module):
    """Attention with projections of query, key, value and output.

    Args:
        dims: Model width H.
        heads: A, a divisor of ``dims``.
        bias: True for a bias in query, key and value; the output projection always has one.
        merge: True for an output projection.
        target: Name of the queries; see :class:`Attend`.
        source: Name of the keys and values.
    """

    def __init__(
        self, *, dims: int, heads: int, bias: bool = False, merge: bool = True, target: str, source: str
    ) -> None:
        super().__init__()
        assert dims % heads == 0, (dims, heads)
        self.heads = heads
        self.query = nn.Linear(dims, dims, bias=bias)
        self.key = nn.Linear(dims, dims, bias=bias)
        self.value = nn.Linear(dims, dims, bias=bias)
        self.merge = nn.Linear(dims, dims) if merge else nn.Identity()
        self.attend = Attend(target=target, source=source)

    def attended(self, target: Tensor, source: Tensor, present: Tensor) -> Tensor:
        """Return ``(N, T, H)`` before the output projection, zeros where the source has no real step."""
        query, key, value = (
            rearrange(values, "n t (heads h) -> n heads t h", heads=self.heads)
            for values in (self.query(target), self.key(source), self.value(source))
        )
        attended: Tensor = self.attend(query, key, value, present)  # (N, A, T, h)
        return rearrange(attended, "n heads t h -> n t (heads h)")

    def forward(self, target: Tensor, source: Tensor, present: Tensor) -> Tensor:
        """Return ``(N, T, H)`` for target ``(N, T, H)``, source ``(N, S, H)`` and the source's mask ``(N, S)``."""
        merged: Tensor = self.merge(self.attended(target, source, present))
        return merged


class TransformerLayer(nn.Module):
    """A post-norm Transformer layer: an encoder layer if the source is the target, else a cross-modal layer.

    Args:
        dims: Model width H.
        heads: Attention heads.
        feedforward: Width inside the feed-forward part.
        dropout: Dropout after the attention and after the feed-forward part.
        target: Name of the queries; see :class:`Attend`.
        source: Name of the keys and values.
    """

    def __init__(
        self, *, dims: int, heads: int, feedforward: int, dropout: float = 0.0, target: str, source: str
    ) -> None:
        super().__init__()
        self.attention = Attention(dims=dims, heads=heads, target=target, source=source)
        self.attention_norm = nn.LayerNorm(dims)
        self.feedforward = nn.Sequential(nn.Linear(dims, feedforward), nn.ReLU(), nn.Linear(feedforward, dims))
        self.feedforward_norm = nn.LayerNorm(dims)
        self.dropout = nn.Dropout(dropout)

    def forward(self, target: Tensor, source: Tensor, present: Tensor) -> Tensor:
        """Return ``(N, T, H)`` for target ``(N, T, H)``, source ``(N, S, H)`` and the source's mask ``(N, S)``."""
        attended = self.attention_norm(target + self.dropout(self.attention(target, source, present)))
        result: Tensor = self.feedforward_norm(attended + self.dropout(self.feedforward(attended)))
        return result


def inspect(model: nn.Module, batch: Batch, *, attention: bool = True) -> dict[str, Inspection]:
    """Return the weights of every :class:`Attend` and the values of every :class:`Shown` in a model, by module name.

    The model runs once in evaluation mode; its own mode is restored. A module that runs several times has an entry for
    each run (``fusion.0``, then ``fusion.0#2``). Values are float32 on the CPU.

    Args:
        model: A model in any mode, on the batch's device.
        batch: Some utterances.
        attention: True to return attention weights too; they are large.
    """
    inspections: dict[str, Inspection] = {}
    training = model.training
    # With labels a model would also run on the pairs that its loss makes up.
    unlabelled = replace(batch, labels=None)
    with torch.inference_mode(), _watching(model, inspections, attention=attention):
        model.eval()(unlabelled)
    model.train(training)
    return inspections


@contextmanager
def _watching(model: nn.Module, inspections: dict[str, Inspection], *, attention: bool) -> Iterator[None]:
    def keep(name: str, values: Tensor, axes: tuple[str, ...]) -> None:
        runs = sum(1 for known in inspections if known.partition("#")[0] == name)
        inspections[name if not runs else f"{name}#{runs + 1}"] = Inspection(values.detach().float().cpu(), axes)

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, Attend) and attention:
            handles.append(
                module.register_forward_hook(
                    lambda attend, inputs, _, name=name: keep(
                        name, attend.weights(inputs[0], inputs[1], inputs[3]), attend.axes
                    )
                )
            )
        elif isinstance(module, Shown):
            handles.append(
                module.register_forward_hook(lambda shown, _, values, name=name: keep(name, values, shown.axes))
            )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
