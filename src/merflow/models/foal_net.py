"""Alignment of audio and video by emotion before their fusion, and matching of emotions after it.

Paper: Q. Li, Y. Gao, Y. Wen, C. Wang, Y. Li, "Enhancing Modal Fusion by Alignment and Label Matching for Multimodal
Emotion Recognition" (Foal-Net), Interspeech 2024.

Claim: cross-attention fuses speech and video better with two auxiliary tasks. A contrastive loss draws pairs of equal
emotion together (AVEL), and a classifier tells pairs of equal emotion from hard negatives (MEM). 79.45% WA and 80.10%
UA on IEMOCAP; 77.31% and 77.85% without both.

Limits: AVEL and the classifier meet in the encoders, because Eq. 1 and Eq. 11 both start from the encoders' features.
The presets therefore fine-tune WavLM, as the public code does. On stored features AVEL reaches the classifier only
through MEM's choice of negatives, and without MEM it changes nothing.

Decisions, where the paper is silent or this file differs from it:
    - The projection block of Eq. 1 is ``LayerNorm(e + Dropout(W2 gelu(e)))`` with ``e = W1 x``, without biases. Eq. 2
      takes its outputs scaled to length 1. Its factor is exp of a learned number that starts at ln(1 / 0.07), at most
      100. The public code divides by that number instead; ``temperature`` chooses.
    - Without AVEL the projections keep their random initial values: the paper's similarity that "is not optimized".
    - Negatives are the hardest ones. The public code draws them from the softmax; ``negatives`` chooses. Evaluation
      always takes the hardest, so that a development loss can be repeated.
    - If all utterances of the batch have the same emotion, there are no negatives, and Eq. 9 is zero. The public code
      pairs every utterance with any other, labelled as different; ``without_negatives`` chooses.
    - The public code gathers a batch from 4 processes without gradient: the utterances that others are compared or
      paired with learn nothing from it; ``gathered`` chooses. It also reads samples as they are in the file, whereas
      WavLM's processor scales them; ``waveform`` chooses.
    - A fusion network has an output projection after its heads, followed by dropout. Queries are updated from layer to
      layer; keys and values of both layers come from the other modality's features. Where 4 heads do not divide a width
      (they do divide the paper's), the width of a head is rounded up.
    - Keys and values of all layers, and the first layer's queries, are computed once. Positive and negative pairs
      differ only in whose keys and values a query meets. The positive pass also feeds the classifier.
    - A matching head is one linear map per modality, to the classes "other" and "same".
    - With a single modality: the projection block of its mean features, and the classifier.
    - An utterance that lacks a modality takes no part in AVEL and MEM. The missing modality adds nothing to the other's
      fusion, and pools to zeros.
    - Where a score is learned, two utterances count as of equal emotion in AVEL and MEM if the nearest whole numbers of
      their scores are equal: the seven steps of CMU-MOSEI's sentiment, the five of IEMOCAP's manikins.
    - AVEL and MEM look across the whole batch. Where several processes train on shares of it, ``WholeBatch`` gives the
      other shares' rows, and each loss here is this share's part of the sum over the batch.

Shapes: N utterances, M utterances in the whole batch (N unless it is shared), T target steps, S source steps, D width
of the target's features, E of the source's, P = 512 projection width, L = 2 layers, A = 4 heads of width h, H = A h,
C classes. ``present`` masks are True at real steps.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from merflow.contracts.batch import Batch, LossTerm, Output
from merflow.contracts.streams import PretrainedEncoder, Role, Stream, StreamShape
from merflow.contracts.task import Regression, Task
from merflow.models.layers import Attend, WholeBatch, label_loss, masked_mean, output_layer

Source = Literal["speech", "video"]

OTHER: dict[Source, Source] = {"speech": "video", "video": "speech"}


@dataclass(frozen=True)
class FoalNetConfig:
    """A row of Table 2, and its sizes.

    Attributes:
        modalities: The modalities in use.
        avel: True to train audio-video emotion alignment.
        mem: True to train emotion matching.
        mem_weight: Lambda of Eq. 10 (Sec. 2.2).
        negatives: MEM's choice of negatives in training (Eq. 4-5: the hardest).
        without_negatives: Part in MEM of an utterance without another emotion in the batch: left out, or paired with
            any utterance as if it differed.
        temperature: Use of the learned number in Eq. 2: its exp multiplies the similarities, or it divides them.
        gathered: The utterances of the batch with which Eq. 2 and Eq. 6 compare an utterance: with gradient or without.
        waveform: Samples as WavLM's processor scales them, or as they are.
        projection: Width of the common space (Sec. 3.1).
        projection_dropout: Dropout in the projection blocks (Sec. 3.1).
        layers: Cross-attention layers per direction (Sec. 2.3).
        heads: Heads per layer (Sec. 2.3).
        dropout: Dropout in the cross-attention (Sec. 3.1).
        clip_s: Seconds of speech and of video; 6 s at 30 pictures per second are the paper's 180 (Sec. 3.1).
    """

    modalities: tuple[Source, ...]
    avel: bool = False
    mem: bool = False
    mem_weight: float = 0.01
    negatives: Literal["hardest", "sampled"] = "hardest"
    without_negatives: Literal["left-out", "paired"] = "left-out"
    temperature: Literal["multiplies", "divides"] = "multiplies"
    gathered: Literal["with-gradient", "without-gradient"] = "with-gradient"
    waveform: Literal["scaled", "raw"] = "scaled"
    projection: int = 512
    projection_dropout: float = 0.5
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    clip_s: float = 6.0

    def __post_init__(self) -> None:
        if len(set(self.modalities)) != len(self.modalities) or not self.modalities:
            raise ValueError(f"modalities {list(self.modalities)}: list at least one modality, and none twice")
        if len(self.modalities) == 1 and (self.avel or self.mem):
            raise ValueError(
                f"{self.modalities[0]} alone has nothing to align or match with; set avel and mem to false"
            )

    def streams(self) -> tuple[Stream, ...]:
        """Return the streams that the model reads."""
        speech: PretrainedEncoder = "wavlm-large-raw" if self.waveform == "raw" else "wavlm-large"
        stream_of = {
            "speech": Stream("speech", clip_s=self.clip_s, encoder=speech),
            "video": Stream("video", clip_s=self.clip_s, encoder="clip-vit-large"),
        }
        return tuple(stream_of[source] for source in self.modalities)


class Features(NamedTuple):
    """The encoders' features, ``(N, T, D)`` per modality, and their masks ``(N, T)``."""

    values: Mapping[Source, Tensor]
    present: Mapping[Source, Tensor]

    def of(self, source: Source) -> tuple[Tensor, Tensor]:
        """Return one modality's values and mask."""
        return self.values[source], self.present[source]

    def detached(self) -> "Features":
        """Return the same features without gradient."""
        return Features({source: values.detach() for source, values in self.values.items()}, self.present)

    def complete(self) -> Tensor:
        """Return ``(N,)``, True for utterances that have all modalities."""
        return torch.stack([mask.any(dim=1) for mask in self.present.values()]).all(dim=0)


class Projection(nn.Module):
    """A projection block (Sec. 2.1): an utterance's mean features as a point of the common space."""

    def __init__(self, config: FoalNetConfig, *, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, config.projection, bias=False)
        self.second = nn.Linear(config.projection, config.projection, bias=False)
        self.dropout = nn.Dropout(config.projection_dropout)
        self.norm = nn.LayerNorm(config.projection)

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Return ``(N, P)`` for ``(N, T, D)`` and its mask."""
        first = self.first(masked_mean(values, present))
        projected: Tensor = self.norm(first + self.dropout(self.second(F.gelu(first))))  # Eq. 1  (N, P)
        return projected


class Alignment(nn.Module):
    """The common space of both modalities (Sec. 2.1)."""

    def __init__(self, config: FoalNetConfig, *, widths: Mapping[Source, int]) -> None:
        super().__init__()
        self.multiplies = config.temperature == "multiplies"
        self.project = nn.ModuleDict({source: Projection(config, width=widths[source]) for source in OTHER})
        self.temperature = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        # Without AVEL nothing teaches the space: it keeps its initial values.
        self.requires_grad_(config.avel)

    def forward(self, features: Features) -> dict[Source, Tensor]:
        """Return each modality's points of length 1, E of Eq. 2: ``(N, P)``."""
        projected = {source: self.project[source](*features.of(source)) for source in OTHER}
        with torch.autocast(self.temperature.device.type, enabled=False):
            return {
                source: F.normalize(values.to(self.temperature.dtype), dim=-1) for source, values in projected.items()
            }

    def similarities(
        self, points: Mapping[Source, Tensor], all_points: Mapping[Source, Tensor]
    ) -> dict[Source, Tensor]:
        """Return C^a2v and C^v2a: of points ``(N, P)`` with all points ``(M, P)`` of the other modality, ``(N, M)``."""
        factor = self.temperature.exp().clamp(max=100) if self.multiplies else 1 / self.temperature
        # In half precision a hundredfold similarity would be rounded to steps of 0.06.
        with torch.autocast(self.temperature.device.type, enabled=False):
            return {source: factor * (points[source] @ all_points[other].T) for source, other in OTHER.items()}  # Eq. 2


class Pairs(NamedTuple):
    """The pairs of this share's utterances with those of the whole batch; only complete utterances form pairs.

    Attributes:
        same: ``(N, M)``, True for equal emotions, each utterance with itself included: the labels of Eq. 3.
        other: ``(N, M)``, True for different emotions, where hard negatives come from.
        complete: ``(M,)``, True for utterances that have both modalities.
        rows: Scalar, the number of complete utterances: N of Eq. 3.
    """

    same: Tensor
    other: Tensor
    complete: Tensor
    rows: Tensor

    @classmethod
    def of(cls, labels: Tensor, complete: Tensor, *, all_labels: Tensor, all_complete: Tensor) -> "Pairs":
        """Return the pairs, given labels and completeness of this share ``(N,)`` and of the whole batch ``(M,)``."""
        possible = complete.unsqueeze(1) & all_complete  # (N, M)
        equal = labels.unsqueeze(1) == all_labels  # (N, M)
        return cls(
            same=possible & equal,
            other=possible & ~equal,
            complete=all_complete,
            rows=all_complete.sum().clamp(min=1).float(),
        )

    def all_paired(self) -> "Pairs":
        """Return the pairs in which an utterance without another emotion in the batch may get any as its negative."""
        return self._replace(other=torch.where(self.other.any(dim=1, keepdim=True), self.other, self.same))


def alignment_loss(similarities: Mapping[Source, Tensor], pairs: Pairs) -> Tensor:
    """Return AVEL's contrastive loss of similarities ``(N, M)``, a scalar."""
    total = torch.zeros_like(pairs.rows)
    for similarity in similarities.values():
        known = similarity.masked_fill(~pairs.complete, torch.finfo(similarity.dtype).min)
        total = total + (known.log_softmax(dim=1) * pairs.same).sum()
    return -total / (2 * pairs.rows)  # Eq. 3


def hard_negatives(similarity: Tensor, other: Tensor, *, sample: bool) -> Tensor:
    """Return the index of the utterance that each utterance's negative pair is made with.

    Args:
        similarity: ``(N, M)``.
        other: ``(N, M)``, True where an utterance may be chosen.
        sample: True to draw from the softmax of the similarities, False to take the highest.

    Returns:
        ``(N,)`` indices among M; any index where none may be chosen.
    """
    scores = similarity.detach()
    if sample:
        # The highest sum with Gumbel noise is a draw from the softmax; multinomial would wait for the device.
        scores = scores - torch.empty_like(scores).exponential_().log()
    return scores.masked_fill(~other, -math.inf).argmax(dim=1)  # Eq. 4-5  (N,)


class KeysValues(NamedTuple):
    """The keys and values of one modality, which the other modality's queries meet.

    Attributes:
        keys: ``(N, S, H)``, for each layer.
        values: ``(N, S, H)``, for each layer.
        present: ``(N, S)``.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    present: Tensor

    def of_whole_batch(self, whole_batch: WholeBatch) -> "KeysValues":
        """Return the keys and values of all M utterances."""
        *rows, present = whole_batch(*self.keys, *self.values, self.present)
        return KeysValues(tuple(rows[: len(self.keys)]), tuple(rows[len(self.keys) :]), present)

    def chosen(self, indices: Tensor) -> "KeysValues":
        """Return the rows at these indices ``(N,)``."""
        return KeysValues(
            keys=tuple(part.index_select(0, indices) for part in self.keys),
            values=tuple(part.index_select(0, indices) for part in self.values),
            present=self.present.index_select(0, indices),
        )


class CrossAttention(nn.Module):
    """One layer of a fusion network."""

    def __init__(self, config: FoalNetConfig, *, widths: Mapping[Source, int], target: Source) -> None:
        super().__init__()
        width, source = widths[target], OTHER[target]
        inner = config.heads * math.ceil(width / config.heads)  # H
        self.heads = config.heads
        self.query = nn.Linear(width, inner)  # Eq. 14
        # A bias would add the same to all scores of a query, and the softmax would cancel it.
        self.key = nn.Linear(widths[source], inner, bias=False)  # Eq. 15
        self.value = nn.Linear(widths[source], inner)  # Eq. 16
        self.attend = Attend(target=target, source=source)
        self.merge = nn.Linear(inner, width)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, target: Tensor, query: Tensor, key: Tensor, value: Tensor, present: Tensor) -> Tensor:
        """Return the layer's output.

        Args:
            target: ``(N, T, D)``.
            query: ``(N, T, H)``.
            key: ``(N, S, H)``.
            value: ``(N, S, H)``.
            present: ``(N, S)``.

        Returns:
            ``(N, T, D)``.
        """
        heads = (rearrange(part, "n t (heads h) -> n heads t h", heads=self.heads) for part in (query, key, value))
        attended = self.attend(*heads, present)  # Eq. 13  (N, A, T, h)
        merged = self.merge(rearrange(attended, "n heads t h -> n t (heads h)"))  # Eq. 12  (N, T, D)
        normed: Tensor = self.norm(target + self.dropout(merged))  # Eq. 11  (N, T, D)
        return normed


class Fusion(nn.Module):
    """f_a or f_v of Eq. 7-8: a stack of layers in which one modality attends to the other."""

    def __init__(self, config: FoalNetConfig, *, widths: Mapping[Source, int], target: Source) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossAttention(config, widths=widths, target=target) for _ in range(config.layers))

    def first_query(self, target: Tensor) -> Tensor:
        """Return the first layer's queries ``(N, T, H)`` for ``(N, T, D)``."""
        query: Tensor = cast(CrossAttention, self.layers[0]).query(target)
        return query

    def keys_and_values(self, source: Tensor, present: Tensor) -> KeysValues:
        """Return the keys and values of all layers for ``(N, S, E)`` and its mask."""
        layers = cast(Iterable[CrossAttention], self.layers)
        keys, values = zip(*((layer.key(source), layer.value(source)) for layer in layers), strict=True)
        return KeysValues(keys, values, present)

    def forward(self, target: Tensor, present: Tensor, *, first_query: Tensor, source: KeysValues) -> Tensor:
        """Return the pooled fusion ``(N, D)`` for ``(N, T, D)`` with its mask."""
        fused = target
        for number, layer in enumerate(cast(Iterable[CrossAttention], self.layers)):
            query = first_query if number == 0 else layer.query(fused)
            fused = layer(fused, query, source.keys[number], source.values[number], source.present)  # (N, T, D)
        return masked_mean(fused, present)  # delta of Eq. 7-8  (N, D)


def matching_loss(positive: Sequence[Tensor], negative: Sequence[Tensor], pairs: Pairs) -> Tensor:
    """Return MEM's loss of the matching heads' logits ``(N, 2)``, one entry per modality, a scalar."""
    # If the batch has two emotions, every utterance has a negative; if it has one, no utterance or every one has.
    matched = pairs.other.any(dim=1)  # (N,)
    total = torch.zeros_like(pairs.rows)
    for same, other in zip(positive, negative, strict=True):
        errors = F.cross_entropy(same, torch.ones_like(matched, dtype=torch.long), reduction="none")
        errors = errors + F.cross_entropy(other, torch.zeros_like(matched, dtype=torch.long), reduction="none")
        total = total + (errors * matched).sum()
    return total / (2 * 2 * pairs.rows)  # Eq. 9: the mean over modalities, and over both kinds of pairs


class Interaction(nn.Module):
    """Alignment, fusion and matching of both modalities (Fig. 1)."""

    def __init__(self, config: FoalNetConfig, *, widths: Mapping[Source, int]) -> None:
        super().__init__()
        self.config = config
        self.align = Alignment(config, widths=widths) if config.avel or config.mem else None
        self.fuse = nn.ModuleDict({target: Fusion(config, widths=widths, target=target) for target in OTHER})
        self.match = nn.ModuleDict({target: nn.Linear(widths[target], 2) for target in OTHER} if config.mem else {})
        self.whole_batch = WholeBatch()

    def forward(self, features: Features, labels: Tensor | None) -> tuple[Tensor, dict[str, LossTerm]]:
        """Return the pooled vector ``(N, D + E)``, and the loss terms ``avel`` and ``mem`` if there are labels."""
        queries = {target: self._fusion(target).first_query(features.values[target]) for target in OTHER}
        sources = self._sources(features)
        positive = self._fused(features, queries, sources)  # M_p of Eq. 7-8
        losses: dict[str, LossTerm] = {}
        if labels is not None and self.align is not None:
            points, complete = self.align(features), features.complete()
            all_labels, all_complete, *rows = self.whole_batch(labels, complete, *points.values())
            pairs = Pairs.of(labels, complete, all_labels=all_labels, all_complete=all_complete)
            others = sources
            if self.config.gathered == "without-gradient":
                rows, others = [row.detach() for row in rows], self._sources(features.detached())
            similarities = self.align.similarities(points, dict(zip(points, rows, strict=True)))
            if self.config.avel:
                losses["avel"] = LossTerm(alignment_loss(similarities, pairs), joint=True)
            if self.config.mem:
                pairs = pairs.all_paired() if self.config.without_negatives == "paired" else pairs
                negative = self._fused(features, queries, self._negatives(others, similarities, pairs))  # M_n
                same, other = (
                    [self.match[target](pooled[target]) for target in OTHER] for pooled in (positive, negative)
                )
                losses["mem"] = LossTerm(matching_loss(same, other, pairs), self.config.mem_weight, joint=True)
        return torch.cat(tuple(positive.values()), dim=-1), losses

    def _sources(self, features: Features) -> dict[Source, KeysValues]:
        """Return the keys and values that each target's queries meet."""
        return {target: self._fusion(target).keys_and_values(*features.of(source)) for target, source in OTHER.items()}

    def _fused(
        self, features: Features, queries: Mapping[Source, Tensor], sources: Mapping[Source, KeysValues]
    ) -> dict[Source, Tensor]:
        """Return each modality, fused with its source and pooled, ``(N, D)``."""
        return {
            target: self._fusion(target)(*features.of(target), first_query=queries[target], source=sources[target])
            for target in OTHER
        }

    def _fusion(self, target: Source) -> Fusion:
        return cast(Fusion, self.fuse[target])

    def _negatives(
        self, sources: Mapping[Source, KeysValues], similarities: Mapping[Source, Tensor], pairs: Pairs
    ) -> dict[Source, KeysValues]:
        """Return the keys and values of the hard negatives, Z_neg of Eq. 6, for each target."""
        sample = self.training and self.config.negatives == "sampled"
        alone = (pairs.other & pairs.same).any(dim=1, keepdim=True)  # (N, 1), any utterance is as good as another
        return {
            target: sources[target]
            .of_whole_batch(self.whole_batch)
            .chosen(hard_negatives(similarities[target].masked_fill(alone, 0.0), pairs.other, sample=sample))
            for target in OTHER
        }


def emotion_of(labels: Tensor, task: Task) -> Tensor:
    """Return the kind of emotion of each utterance for AVEL and MEM, ``(N,)``: its class, or its rounded score."""
    return labels.round() if isinstance(task, Regression) else labels


class FoalNet(nn.Module):
    """The systems of Table 2.

    Args:
        config: The row and its sizes.
        shapes: Sizes of the streams that the config names.
        task: The task: classes, or a score.
    """

    def __init__(self, config: FoalNetConfig, *, shapes: Mapping[Role, StreamShape], task: Task) -> None:
        super().__init__()
        self.config, self.task = config, task
        widths: dict[Source, int] = {source: shapes[source].width for source in config.modalities}
        if len(config.modalities) == 1:
            self.embed: nn.Module = Projection(config, width=widths[config.modalities[0]])
            width = config.projection
        else:
            self.embed = Interaction(config, widths=widths)
            width = sum(widths.values())
        self.classify = output_layer(width, task)

    def forward(self, batch: Batch) -> Output:
        """Return logits ``(N, C)``, the pooled embedding, and the task's term, ``avel`` and ``mem`` given labels."""
        values = {source: batch.features[source] for source in self.config.modalities}
        present = {source: batch.present[source] for source in self.config.modalities}
        tasks: dict[str, LossTerm] = {}
        if len(values) == 1:
            embedding = self.embed(*values.values(), *present.values())  # (N, P)
        else:
            emotions = None if batch.labels is None else emotion_of(batch.labels, self.task)
            embedding, tasks = self.embed(Features(values, present), emotions)  # (N, D + E)
        logits = self.classify(embedding)  # (N, C)
        losses = {} if batch.labels is None else {**label_loss(logits, batch.labels, self.task), **tasks}
        return Output(logits=logits, embedding=embedding, losses=losses)  # Eq. 10 sums them
