"""Alignment of audio and video by emotion before their fusion, and matching of emotions after it.

Paper: Q. Li, Y. Gao, Y. Wen, C. Wang, Y. Li, "Enhancing Modal Fusion by Alignment and Label Matching for Multimodal
Emotion Recognition" (Foal-Net), Interspeech 2024.

Claim: cross-attention fuses speech and video better where two further tasks accompany it: a contrastive loss that draws
pairs of equal emotion together (AVEL), and telling pairs of equal emotion from hard negatives (MEM). 79.45 % WA and
80.10 % UA on IEMOCAP; 77.31 % and 77.85 % without both.

What to expect: AVEL and the classifier meet in the encoders (Eq. 1 and Eq. 11 both start from their features). On
stored features AVEL reaches the classifier only through the choice of MEM's negatives, and alone it changes nothing.

Decisions, where the paper is silent, or this file differs from it:
    - The projection block of Eq. 1 is ``LayerNorm(e + Dropout(W2 gelu(e)))`` with ``e = W1 x``, without biases. Eq. 2
      takes its outputs at length 1, and a factor that is exp of a learned number, at first ln(1 / 0.07), at most 100.
      The public code divides by that number instead; ``temperature`` chooses.
    - Without AVEL the projections are as random as they start: the paper's similarity that "is not optimized".
    - Negatives are the hardest; the public code draws them from the softmax (``negatives``). Evaluation always takes
      the hardest, so that a development loss can be repeated.
    - Where nobody in the batch has another emotion there are no negatives, and Eq. 9 is zero.
    - A fusion network has an output projection after its heads, and dropout on that. Queries go on from layer to layer;
      keys and values of both layers come from the other modality's features. Where four heads do not divide a width
      (they do divide the paper's), each is rounded up.
    - Keys and values of all layers, and the first layer's queries, are computed once for positive and negative pairs,
      which then differ in whose keys and values a query meets. The positive pass also feeds the classifier.
    - A matching head is one linear map to "other" and "same", one for each modality.
    - A single modality: the projection block of its mean features, and the classifier.
    - An utterance that lacks a modality takes no part in AVEL and MEM; the missing one adds nothing to the other's
      fusion, and pools to zeros.
    - Several devices that train together have one batch: similarities and negatives reach over all of them.

Shapes: N utterances, M utterances of all devices (N on one), T target steps, S source steps, D width of the target's
features, E of the source's, P = 512 projection width, L = 2 layers, A = 4 heads of width h, H = A h, C classes.
``present`` masks are True at real steps.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from merflow.contracts.batch import Batch, LossTerm, Output
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.models.layers import Attend, devices, masked_mean

Source = Literal["speech", "video"]

OTHER: dict[Source, Source] = {"speech": "video", "video": "speech"}


@dataclass(frozen=True)
class FoalNetConfig:
    """Which row of Table 2, and its sizes.

    Attributes:
        modalities: Those that take part.
        avel: Audio-video emotion alignment.
        mem: Emotion matching.
        mem_weight: Lambda of Eq. 10 (Sec. 2.2).
        negatives: How MEM chooses them in training (Eq. 4-5: the hardest).
        temperature: What the learned number does to similarities: its exp multiplies them, or it divides them.
        projection: Width of the common space (Sec. 3.1).
        projection_dropout: In the projection blocks (Sec. 3.1).
        layers: Cross-attention layers a direction (Sec. 2.3).
        heads: Of each (Sec. 2.3).
        dropout: In the cross-attention (Sec. 3.1).
        clip_s: Seconds of speech and of video; 6 s at 30 pictures a second are the paper's 180 (Sec. 3.1).
    """

    modalities: tuple[Source, ...]
    avel: bool = False
    mem: bool = False
    mem_weight: float = 0.01
    negatives: Literal["hardest", "sampled"] = "hardest"
    temperature: Literal["multiplies", "divides"] = "multiplies"
    projection: int = 512
    projection_dropout: float = 0.5
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    clip_s: float = 6.0

    def __post_init__(self) -> None:
        if len(set(self.modalities)) != len(self.modalities) or not self.modalities:
            raise ValueError(f"modalities {list(self.modalities)}: name each that takes part once, and at least one")
        if len(self.modalities) == 1 and (self.avel or self.mem):
            raise ValueError(
                f"{self.modalities[0]} alone has nothing to be aligned or matched with; leave avel and mem out"
            )

    def streams(self) -> tuple[Stream, ...]:
        """What the system reads."""
        stream_of = {
            "speech": Stream("speech", clip_s=self.clip_s, encoder="wavlm-large"),
            "video": Stream("video", clip_s=self.clip_s, encoder="clip-vit-large"),
        }
        return tuple(stream_of[source] for source in self.modalities)


class Features(NamedTuple):
    """What the encoders give: ``(N, T, D)`` a modality, and its mask ``(N, T)``."""

    values: Mapping[Source, Tensor]
    present: Mapping[Source, Tensor]

    def of(self, source: Source) -> tuple[Tensor, Tensor]:
        """One modality's values and mask."""
        return self.values[source], self.present[source]


class Projection(nn.Module):
    """A projection block (Sec. 2.1): an utterance's mean features as a point of the common space."""

    def __init__(self, config: FoalNetConfig, *, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, config.projection, bias=False)
        self.second = nn.Linear(config.projection, config.projection, bias=False)
        self.dropout = nn.Dropout(config.projection_dropout)
        self.norm = nn.LayerNorm(config.projection)

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """``(N, T, D)`` to ``(N, P)``."""
        first = self.first(masked_mean(values, present))
        projected: Tensor = self.norm(first + self.dropout(self.second(F.gelu(first))))  # Eq. 1  (N, P)
        return projected


class GlobalBatch(NamedTuple):
    """The utterances of all devices that train together, in the order of ranks; of one device where it is alone.

    Attributes:
        devices: How many.
        rank: This one's place among them.
        utterances: The most that a device has; others are filled up with utterances that lack every modality.
        steps: Of each modality, likewise.
    """

    devices: int
    rank: int
    utterances: int
    steps: Mapping[Source, int]

    @classmethod
    def of(cls, present: Mapping[Source, Tensor], *, training: bool) -> "GlobalBatch":
        """The devices agree on the sizes. They do so in training alone: there all of them take part in every step."""
        sizes = [len(next(iter(present.values()))), *(mask.shape[1] for mask in present.values())]
        count = devices(training=training)
        if count > 1:
            largest = torch.tensor(sizes, device=next(iter(present.values())).device)
            dist.all_reduce(largest, op=dist.ReduceOp.MAX)
            sizes = largest.tolist()
        return cls(count, dist.get_rank() if count > 1 else 0, sizes[0], dict(zip(present, sizes[1:], strict=True)))

    def gather(self, values: Tensor, *, steps: Source | None = None) -> Tensor:
        """``(N, ...)`` of this device to ``(M, ...)`` of all, with gradient; ``steps`` is the modality of axis 1."""
        if self.devices == 1:
            return values
        missing = [0] * (2 * values.dim())  # by axis from the last to the first: before, after
        missing[-1] = self.utterances - len(values)
        if steps is not None:
            missing[-3] = self.steps[steps] - values.shape[1]
        gathered: Tensor = _AcrossDevices.apply(F.pad(values, missing))  # type: ignore[no-untyped-call]
        return gathered

    def own(self, values: Tensor, count: int) -> Tensor:
        """The rows ``(N, ...)`` of this device's utterances among ``(M, ...)``."""
        return values[self.rank * self.utterances :][:count]


class _AcrossDevices(torch.autograd.Function):
    """Equal shapes from all devices, end to end. On the way back a device gets what all losses say of its part."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401, ARG004 - torch's own signature
        parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401, ARG004 - torch's own signature
        summed = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed.chunk(dist.get_world_size())[dist.get_rank()]


class Pairs(NamedTuple):
    """Which utterances of the global batch an utterance is paired with; those that lack a modality with none.

    Attributes:
        same: ``(N, M)``, of equal emotion, the utterance itself among them: Eq. 3's labels.
        other: ``(N, M)``, of another emotion: where hard negatives come from.
        paired: ``(M,)``, has both modalities.
        rows: Scalar, utterances with both modalities, the mean over devices: Eq. 3's N.
    """

    same: Tensor
    other: Tensor
    paired: Tensor
    rows: Tensor

    @classmethod
    def of(cls, labels: Tensor, present: Mapping[Source, Tensor], everyone: GlobalBatch) -> "Pairs":
        """From labels ``(N,)`` and the masks ``(N, T)`` of both modalities."""
        both = torch.stack([mask.any(dim=1) for mask in present.values()]).all(dim=0)  # (N,)
        paired = everyone.gather(both)
        emotions = everyone.gather(labels)
        possible = paired.unsqueeze(1) & paired  # (M, M)
        equal = emotions.unsqueeze(1) == emotions  # (M, M)
        return cls(
            same=everyone.own(possible & equal, len(labels)),
            other=everyone.own(possible & ~equal, len(labels)),
            paired=paired,
            rows=paired.sum().clamp(min=1) / everyone.devices,
        )


class Alignment(nn.Module):
    """The common space of both modalities (Sec. 2.1)."""

    def __init__(self, config: FoalNetConfig, *, widths: Mapping[Source, int]) -> None:
        super().__init__()
        self.multiplies = config.temperature == "multiplies"
        self.project = nn.ModuleDict({source: Projection(config, width=widths[source]) for source in OTHER})
        self.temperature = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        # Without AVEL nothing teaches the space: it stays as it starts.
        self.requires_grad_(config.avel)

    def forward(self, features: Features, everyone: GlobalBatch) -> dict[Source, Tensor]:
        """Similarities ``(N, M)`` of each modality's points with all points of the other, C^a2v and C^v2a."""
        projected = {source: self.project[source](*features.of(source)) for source in OTHER}  # (N, P)
        factor = self.temperature.exp().clamp(max=100) if self.multiplies else 1 / self.temperature
        # In half precision a hundredfold similarity would be rounded to steps of 0.06.
        with torch.autocast(self.temperature.device.type, enabled=False):
            points = {source: F.normalize(values.to(factor.dtype), dim=-1) for source, values in projected.items()}
            return {
                source: factor * (points[source] @ everyone.gather(points[other]).T) for source, other in OTHER.items()
            }  # Eq. 2  (N, M)


def alignment_loss(similarities: Mapping[Source, Tensor], pairs: Pairs) -> Tensor:
    """AVEL's contrastive loss of similarities ``(N, M)``, a scalar."""
    total = torch.zeros_like(pairs.rows)
    for similarity in similarities.values():
        known = similarity.masked_fill(~pairs.paired, torch.finfo(similarity.dtype).min)
        total = total + (known.log_softmax(dim=1) * pairs.same).sum()
    return -total / (2 * pairs.rows)  # Eq. 3


def hard_negatives(similarity: Tensor, other: Tensor, *, sample: bool) -> Tensor:
    """The utterance of another emotion that each one's negative pair is made with.

    Args:
        similarity: ``(N, M)``.
        other: ``(N, M)``, which may be chosen.
        sample: Draw from the softmax of the similarities, else take the highest.

    Returns:
        ``(N,)`` places among M; any place where none may be chosen.
    """
    scores = similarity.detach()
    if sample:
        # The highest sum with Gumbel noise is a draw from the softmax; multinomial would wait for the device.
        scores = scores - torch.empty_like(scores).exponential_().log()
    return scores.masked_fill(~other, -math.inf).argmax(dim=1)  # Eq. 4-5  (N,)


class Offer(NamedTuple):
    """What a modality offers to the other's queries.

    Attributes:
        keys: ``(N, S, H)``, for each layer.
        values: Likewise.
        present: ``(N, S)``.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    present: Tensor

    def of(self, places: Tensor, everyone: GlobalBatch, *, source: Source) -> "Offer":
        """What others of the global batch offer, at these places ``(N,)``, Eq. 6; ``source`` is whose steps S are."""

        def chosen(values: Tensor) -> Tensor:
            return everyone.gather(values, steps=source).index_select(0, places)

        return Offer(tuple(map(chosen, self.keys)), tuple(map(chosen, self.values)), chosen(self.present))


class CrossAttention(nn.Module):
    """A layer of a fusion network."""

    def __init__(self, config: FoalNetConfig, *, widths: Mapping[Source, int], target: Source) -> None:
        super().__init__()
        width, source = widths[target], OTHER[target]
        inner = config.heads * math.ceil(width / config.heads)  # H
        self.heads = config.heads
        self.query = nn.Linear(width, inner)  # Eq. 14
        # A bias would add the same to all scores of a query, which the softmax does not see.
        self.key = nn.Linear(widths[source], inner, bias=False)  # Eq. 15
        self.value = nn.Linear(widths[source], inner)  # Eq. 16
        self.attend = Attend(target=target, source=source)
        self.merge = nn.Linear(inner, width)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, target: Tensor, query: Tensor, key: Tensor, value: Tensor, present: Tensor) -> Tensor:
        """``(N, T, D)`` with queries ``(N, T, H)``, keys and values ``(N, S, H)`` and their mask to ``(N, T, D)``."""
        heads = (rearrange(part, "n t (heads h) -> n heads t h", heads=self.heads) for part in (query, key, value))
        attended = self.attend(*heads, present)  # Eq. 13  (N, A, T, h)
        merged = self.merge(rearrange(attended, "n heads t h -> n t (heads h)"))  # Eq. 12  (N, T, D)
        normed: Tensor = self.norm(target + self.dropout(merged))  # Eq. 11  (N, T, D)
        return normed


class Fusion(nn.Module):
    """f_a or f_v: one modality asks, the other answers."""

    def __init__(self, config: FoalNetConfig, *, widths: Mapping[Source, int], target: Source) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossAttention(config, widths=widths, target=target) for _ in range(config.layers))

    def ask(self, target: Tensor) -> Tensor:
        """The first layer's queries ``(N, T, H)`` of ``(N, T, D)``."""
        query: Tensor = cast(CrossAttention, self.layers[0]).query(target)
        return query

    def offer(self, source: Tensor, present: Tensor) -> Offer:
        """Keys and values for all layers of ``(N, S, E)`` and its mask."""
        layers = cast(Iterable[CrossAttention], self.layers)
        keys, values = zip(*((layer.key(source), layer.value(source)) for layer in layers), strict=True)
        return Offer(keys, values, present)

    def forward(self, target: Tensor, present: Tensor, *, query: Tensor, offer: Offer) -> Tensor:
        """The pooled fusion ``(N, D)`` of ``(N, T, D)`` with its mask, its first queries, and the other's offer."""
        fused = target
        for number, layer in enumerate(cast(Iterable[CrossAttention], self.layers)):
            asked = query if number == 0 else layer.query(fused)
            fused = layer(fused, asked, offer.keys[number], offer.values[number], offer.present)  # (N, T, D)
        return masked_mean(fused, present)  # delta of Eq. 7-8  (N, D)


def matching_loss(positive: Sequence[Tensor], negative: Sequence[Tensor], pairs: Pairs) -> Tensor:
    """MEM's loss of the matching heads' logits ``(N, 2)``, one entry a modality, a scalar."""
    # All have a negative, or nobody has one: with a second emotion in the batch each finds another.
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

    def forward(self, features: Features, labels: Tensor | None) -> tuple[Tensor, dict[str, LossTerm]]:
        """The pooled vector ``(N, D + E)``, and the loss terms ``avel`` and ``mem`` where labels are known."""
        queries = {target: self._fusion(target).ask(features.values[target]) for target in OTHER}
        offers = {target: self._fusion(target).offer(*features.of(source)) for target, source in OTHER.items()}
        positive = self._fused(features, queries, offers)  # M_p of Eq. 7-8
        losses: dict[str, LossTerm] = {}
        if labels is not None and self.align is not None:
            everyone = GlobalBatch.of(features.present, training=self.training)
            pairs = Pairs.of(labels, features.present, everyone)
            similarities = self.align(features, everyone)
            if self.config.avel:
                losses["avel"] = LossTerm(alignment_loss(similarities, pairs), joint=True)
            if self.config.mem:
                chosen = self._chosen(offers, similarities, pairs, everyone)
                negative = self._fused(features, queries, chosen)  # M_n of Eq. 7-8
                same, other = (
                    [self.match[target](pooled[target]) for target in OTHER] for pooled in (positive, negative)
                )
                losses["mem"] = LossTerm(matching_loss(same, other, pairs), self.config.mem_weight, joint=True)
        return torch.cat(tuple(positive.values()), dim=-1), losses

    def _fused(
        self, features: Features, queries: Mapping[Source, Tensor], offers: Mapping[Source, Offer]
    ) -> dict[Source, Tensor]:
        """Each modality, fused with what it is offered and pooled, ``(N, D)``."""
        return {
            target: self._fusion(target)(*features.of(target), query=queries[target], offer=offers[target])
            for target in OTHER
        }

    def _fusion(self, target: Source) -> Fusion:
        return cast(Fusion, self.fuse[target])

    def _chosen(
        self,
        offers: Mapping[Source, Offer],
        similarities: Mapping[Source, Tensor],
        pairs: Pairs,
        everyone: GlobalBatch,
    ) -> dict[Source, Offer]:
        """What each modality is offered by its hard negatives."""
        sample = self.training and self.config.negatives == "sampled"
        chosen = {}
        for target, source in OTHER.items():
            places = hard_negatives(similarities[target], pairs.other, sample=sample)
            chosen[target] = offers[target].of(places, everyone, source=source)
        return chosen


class FoalNet(nn.Module):
    """The rows of Table 2.

    Args:
        config: Which row, and its sizes.
        shapes: Sizes of the streams that the config asks for.
        classes: Number of emotion classes.
    """

    def __init__(self, config: FoalNetConfig, *, shapes: Mapping[Role, StreamShape], classes: int) -> None:
        super().__init__()
        self.config = config
        widths: dict[Source, int] = {source: shapes[source].width for source in config.modalities}
        if len(config.modalities) == 1:
            self.embed: nn.Module = Projection(config, width=widths[config.modalities[0]])
            width = config.projection
        else:
            self.embed = Interaction(config, widths=widths)
            width = sum(widths.values())
        self.classify = nn.Linear(width, classes)

    def forward(self, batch: Batch) -> Output:
        """Logits ``(N, C)``, the pooled embedding, and the terms ``ce``, ``avel``, ``mem`` where labels are known."""
        values = {source: batch.features[source] for source in self.config.modalities}
        present = {source: batch.present[source] for source in self.config.modalities}
        tasks: dict[str, LossTerm] = {}
        if len(values) == 1:
            embedding = self.embed(*values.values(), *present.values())  # (N, P)
        else:
            embedding, tasks = self.embed(Features(values, present), batch.labels)  # (N, D + E)
        logits = self.classify(embedding)  # (N, C)
        losses = {} if batch.labels is None else {"ce": LossTerm(F.cross_entropy(logits, batch.labels)), **tasks}
        return Output(logits=logits, embedding=embedding, losses=losses)  # Eq. 10 sums them
