"""Layer adapters over all layers of two encoders, and fusion of speech, text and a recognizer's representation.

Paper: X. Shi, Y. Gao, J. He, J. Mi, X. Li, T. Toda, "A Study on Multimodal Fusion and Layer Adapter in Emotion
Recognition", 2024.

Claim: three parts each help, and most together. One adapter per encoder layer with learned weights over the layers
(LA), two blocks of stacked cross-attention (MF), and the recognizer's encoder states as "context". 77.73% UAR and
77.24% F1 on IEMOCAP with recognized transcripts of 33.87% word error rate.

Decisions, where the paper is silent:
    - An adapter is LayerNorm(GELU(W x + b)) of the model's width, with parameters of its own per layer. The weights of
      Eq. 2 are a softmax, and equal at the start.
    - Without adapters the last hidden layer takes their place. A linear map precedes it, and the context, where the
      encoder's width is not the model's.
    - Transformer layers and MLF blocks are post-norm, with 12 heads as in the encoders and a ReLU feed-forward part
      four times as wide. An MLF block has one feed-forward part, after its cross-attentions.
    - With two modalities there are two MLF blocks as well, each with its first cross-attention only: one modality
      attends to the other. Both outputs are pooled, and there is no third part.
    - Without MF the pooled outputs of Eq. 3 are concatenated. A single modality has one of them.
    - Dropout (Sec. III-C) lies between the modules of Fig. 1: after the embedding module, and before the classifier.
    - Whole utterances are read; the paper names no limit.
    - A modality that an utterance lacks adds nothing as a source, and pools to zeros as a target.

Shapes: N utterances, T target steps, S source steps, L encoder layers, D encoder width, H = 768 model width, P pooled
vectors, C classes. ``present`` masks are True at real steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Output
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.contracts.task import Task
from merflow.models.layers import Attention, Shown, TransformerLayer, label_loss, masked_max, output_layer

Source = Literal["speech", "text", "context"]

LAYERED: dict[Source, Role] = {"speech": "speech_layers", "text": "text_layers"}


@dataclass(frozen=True)
class LayerAdapterFusionConfig:
    """A row of Table I or II, and its sizes.

    Attributes:
        modalities: The modalities in use.
        adapters: True for LA: speech and text are read from all layers. Context always has its last hidden layer.
        fusion: True for MF.
        dims: Model width (Sec. III-C: the encoders').
        heads: Attention heads (decision).
        feedforward: Width inside Transformer layers and MLF blocks (decision: four times ``dims``).
        dropout: Dropout between modules (Sec. III-C).
    """

    modalities: tuple[Source, ...]
    adapters: bool = False
    fusion: bool = False
    dims: int = 768
    heads: int = 12
    feedforward: int = 3072
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if len(set(self.modalities)) != len(self.modalities) or not self.modalities:
            raise ValueError(f"modalities {list(self.modalities)}: list at least one modality, and none twice")
        if self.fusion and len(self.modalities) == 1:
            raise ValueError(f"{self.modalities[0]} alone has nothing to fuse with; choose fusion false")
        if self.dims % self.heads:
            raise ValueError(f"{self.heads} heads do not divide dims {self.dims}")

    @property
    def paths(self) -> tuple[tuple[Source, tuple[Source, ...]], ...]:
        """The pooled vectors: a modality, and those that it attends to in this order (Eq. 4-8)."""
        if not self.fusion:
            return tuple((target, ()) for target in self.modalities)
        if len(self.modalities) == 2:
            first, second = self.modalities
            return (first, (second,)), (second, (first,))
        return ("speech", ("text", "context")), ("text", ("speech", "context")), ("context", ())

    def role(self, source: Source) -> Role:
        """Return the role of a modality's stream."""
        return LAYERED.get(source, source) if self.adapters else source

    def streams(self) -> tuple[Stream, ...]:
        """Return the streams that the model reads."""
        stream_of = {
            "speech": Stream(self.role("speech"), encoder="wavlm-base"),
            "text": Stream(self.role("text"), encoder="roberta-base", transcript="asr"),
            "context": Stream("context", encoder="whisper-small.en"),
        }
        return tuple(stream_of[source] for source in self.modalities)


class LayerAdapter(nn.Module):
    """LA: one map per encoder layer, and a learned weighted sum over the layers (Fig. 1b)."""

    def __init__(self, *, layers: int, width: int, dims: int) -> None:
        super().__init__()
        bound = width**-0.5
        self.weight = nn.Parameter(torch.empty(layers, width, dims).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(layers, 1, dims).uniform_(-bound, bound))
        self.gain = nn.Parameter(torch.ones(layers, 1, dims))
        self.offset = nn.Parameter(torch.zeros(layers, 1, dims))
        self.layer_scores = nn.Parameter(torch.zeros(layers))
        self.layer_weights = Shown("layer")

    def forward(self, values: Tensor) -> Tensor:
        """Return ``(N, T, H)`` for ``(N, T, L, D)``."""
        rows = rearrange(values, "n t l d -> l (n t) d")
        mapped = F.gelu(torch.baddbmm(self.bias, rows, self.weight))  # (L, N T, H)
        normed = F.layer_norm(mapped, mapped.shape[-1:])  # Eq. 1; the norm's gain and offset are in the sum
        shares = self.layer_weights(self.layer_scores.softmax(dim=0).expand(len(values), -1))[0]  # w_l, (L,)
        shares = rearrange(shares, "l -> l 1 1")
        summed = (normed * (shares * self.gain)).sum(dim=0) + (shares * self.offset).sum(dim=0)  # Eq. 2  (N T, H)
        adapted: Tensor = rearrange(summed, "(n t) h -> n t h", n=len(values))
        return adapted


class FusionBlock(nn.Module):
    """An MLF block: a Transformer layer that attends to one source after the other."""

    def __init__(self, config: LayerAdapterFusionConfig, *, target: Source, sources: Sequence[Source]) -> None:
        super().__init__()
        self.sources = tuple(sources)
        self.attentions = nn.ModuleDict(
            {
                source: Attention(
                    dims=config.dims, heads=config.heads, target=config.role(target), source=config.role(source)
                )
                for source in sources
            }
        )
        self.norms = nn.ModuleDict({source: nn.LayerNorm(config.dims) for source in sources})
        self.feedforward = nn.Sequential(
            nn.Linear(config.dims, config.feedforward), nn.ReLU(), nn.Linear(config.feedforward, config.dims)
        )
        self.norm = nn.LayerNorm(config.dims)

    def forward(self, target: Source, hidden: Mapping[Source, Tensor], present: Mapping[Source, Tensor]) -> Tensor:
        """Return the target's ``(N, T, H)`` after it has attended to the sources' ``(N, S, H)``."""
        fused = hidden[target]
        for source in self.sources:
            attended = self.attentions[source](fused, hidden[source], present[source])
            fused = self.norms[source](fused + attended)  # Eq. 4-7  (N, T, H)
        result: Tensor = self.norm(fused + self.feedforward(fused))
        return result


class LayerAdapterFusion(nn.Module):
    """The systems of Tables I and II.

    Args:
        config: The row and its sizes.
        shapes: Sizes of the streams that the config names.
        task: The task: classes, or a score.
    """

    def __init__(self, config: LayerAdapterFusionConfig, *, shapes: Mapping[Role, StreamShape], task: Task) -> None:
        super().__init__()
        self.config, self.task = config, task
        self.embed = nn.ModuleDict(
            {source: _embedding(shapes[config.role(source)], dims=config.dims) for source in config.modalities}
        )
        self.transform = nn.ModuleDict(
            {
                source: TransformerLayer(
                    dims=config.dims,
                    heads=config.heads,
                    feedforward=config.feedforward,
                    target=config.role(source),
                    source=config.role(source),
                )
                for source in config.modalities
            }
        )
        self.fuse = nn.ModuleDict(
            {target: FusionBlock(config, target=target, sources=sources) for target, sources in config.paths if sources}
        )
        self.dropout = nn.Dropout(config.dropout)
        self.classify = output_layer(config.dims * len(config.paths), task)

    def forward(self, batch: Batch) -> Output:
        """Return logits ``(N, C)``, the pooled embedding ``(N, P H)``, and the task's loss term if there are labels."""
        present = {source: batch.present[self.config.role(source)] for source in self.config.modalities}
        hidden = {}
        for source, mask in present.items():
            embedded = self.dropout(self.embed[source](batch.features[self.config.role(source)]))
            hidden[source] = self.transform[source](embedded, embedded, mask)  # Eq. 3  (N, T, H)
        pooled = []
        for target, _ in self.config.paths:
            fused = self.fuse[target](target, hidden, present) if target in self.fuse else hidden[target]
            pooled.append(masked_max(fused, present[target]))  # (N, H)
        embedding = torch.cat(pooled, dim=-1)  # Eq. 8  (N, P H)
        logits = self.classify(self.dropout(embedding))  # Eq. 9 before its softmax  (N, C)
        losses = {} if batch.labels is None else label_loss(logits, batch.labels, self.task)  # Eq. 10
        return Output(logits=logits, embedding=embedding, losses=losses)


def _embedding(shape: StreamShape, *, dims: int) -> nn.Module:
    """Return the module that gives a modality's sequence the model's width: LA, or a map of the last hidden layer."""
    if shape.layers is not None:
        return LayerAdapter(layers=shape.layers, width=shape.width, dims=dims)
    return nn.Identity() if shape.width == dims else nn.Linear(shape.width, dims)
