"""Gated interactive attention between video, speech and text, and representations that all three share.

Paper: J. He, J. Mi, T. Toda, "GIA-MIC: Multimodal Emotion Recognition with Gated Interactive Attention and
Modality-Invariant Learning Constraints", Interspeech 2025.

Claim: modality-specific representations (MSR, from gated cross-attention in pairs) and modality-invariant ones (MIR,
generated from all modalities and held together by a divergence, MIC) complement each other. 80.7% WA and 81.3% UA on
IEMOCAP with true transcripts, 79.6% and 80.3% with recognized ones.

Decisions, where the paper is silent or its shapes do not agree:
    - Where the encoder's width is not the model's, a linear map precedes the feature extractor; the paper has one for
      speech.
    - A feature extractor is a post-norm Transformer layer of 12 heads, as in the encoders, with a ReLU feed-forward
      part four times as wide and dropout 0.1. It adds no position encoding: the encoders' outputs carry positions.
    - Each direction of a GIA block has its own projections and its own gate ("modality-specific gating"). Norm is
      LayerNorm.
    - A MIG block projects query, key and value as Eq. 2 does.
    - Eq. 10 concatenates over channels, so both parts need the joint length. Its H_M^MSR is therefore the overall MSR
      of Eq. 7. The activation before the sigmoid is a PReLU with one slope.
    - Eq. 11: the convolution of stride 2 has kernel 3 and halves the length. Half step p sees joint steps 2p - 1 to
      2p + 1, so its position is step 2p. Linear interpolation between half steps restores the joint length.
    - A joint sequence has an utterance's real video, speech and text steps without gaps, because padding between
      modalities would reach real steps through the convolution. Joining therefore moves real steps to the front.
    - Eq. 13 concatenates, as its shape says. Its mean over 4(k+m+n) steps is the mean of four means over k+m+n steps.
    - MIC: the distribution of Eq. 15 is the softmax over features at each joint step, and the divergence is the mean
      over the real steps of the whole batch. With two modalities there is one pair.
    - Baseline: the concatenated means of the feature extractors. A single modality is the baseline with one mean.
    - If an utterance lacks a modality, gates towards it are closed, and its MIG output joins neither the mean nor MIC.

Shapes: N utterances, M utterances of the whole batch, T target steps, S source steps, D encoder width, H = 768 model
width, J = k+m+n joint steps, C classes. ``present`` masks are True at real steps; in joint sequences these come first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from merflow.contracts.axes import INVARIANT
from merflow.contracts.batch import Batch, LossTerm, Output
from merflow.contracts.streams import Role, Stream, StreamShape, Transcript
from merflow.contracts.task import Task
from merflow.models.layers import Attention, Shown, TransformerLayer, WholeBatch, label_loss, masked_mean, output_layer

Source = Literal["video", "speech", "text"]


@dataclass(frozen=True)
class GIAMICConfig:
    """A row of Table 2, and its sizes.

    Attributes:
        modalities: The modalities in use, in their order in joint sequences.
        system: ``gia-mic``, or ``baseline`` without interaction, for one modality or several.
        msr: True for modality-specific representations; if false, the preliminary sequences take their place.
        mir: True for modality-invariant representations; if false, the MSR alone is fused.
        mic_weight: Gamma of Eq. 19 (Sec. 3.1); at 0 the divergence is not computed.
        transcripts: Origin of the text: true or recognized transcripts (Table 1).
        dims: Model width (Sec. 3.1).
        heads: Attention heads of the feature extractors (decision); GIA and MIG have one.
        feedforward: Width inside the feature extractors (decision: four times ``dims``).
        dropout: Dropout in the feature extractors (decision).
        clip_s: Seconds of speech and of video; 6 s at 30 pictures per second are the paper's 180 (Sec. 3.1).
    """

    modalities: tuple[Source, ...]
    system: Literal["baseline", "gia-mic"] = "gia-mic"
    msr: bool = True
    mir: bool = True
    mic_weight: float = 0.1
    transcripts: Transcript = "truth"
    dims: int = 768
    heads: int = 12
    feedforward: int = 3072
    dropout: float = 0.1
    clip_s: float = 6.0

    def __post_init__(self) -> None:
        if len(set(self.modalities)) != len(self.modalities) or not self.modalities:
            raise ValueError(f"modalities {list(self.modalities)}: list at least one modality, and none twice")
        if self.system == "gia-mic" and len(self.modalities) == 1:
            raise ValueError(f"{self.modalities[0]} alone has nothing to interact with; choose system baseline")
        if self.dims % self.heads:
            raise ValueError(f"{self.heads} heads do not divide dims {self.dims}")

    def streams(self) -> tuple[Stream, ...]:
        """Return the streams that the model reads."""
        stream_of = {
            "video": Stream("video", clip_s=self.clip_s, encoder="clip-vit-large"),
            "speech": Stream("speech", clip_s=self.clip_s, encoder="wavlm-large"),
            "text": Stream("text", encoder="roberta-base", transcript=self.transcripts),
        }
        return tuple(stream_of[source] for source in self.modalities)


class Sequences(NamedTuple):
    """The sequences ``(N, T, H)`` of all modalities in use, and their masks ``(N, T)``."""

    states: dict[Source, Tensor]
    present: dict[Source, Tensor]


class FeatureExtractor(nn.Module):
    """The map from an encoder's features to a preliminary sequence of the model's width, Eq. 1."""

    def __init__(self, config: GIAMICConfig, *, source: Source, width: int) -> None:
        super().__init__()
        self.project = nn.Identity() if width == config.dims else nn.Linear(width, config.dims)
        self.transform = TransformerLayer(
            dims=config.dims,
            heads=config.heads,
            feedforward=config.feedforward,
            dropout=config.dropout,
            target=source,
            source=source,
        )

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Return ``(N, T, H)`` for ``(N, T, D)`` and its mask."""
        projected = self.project(values)
        transformed: Tensor = self.transform(projected, projected, present)  # Eq. 1  (N, T, H)
        return transformed


class GatedAttention(nn.Module):
    """One direction of a GIA block: the target takes from the source as far as its gate is open."""

    def __init__(self, *, dims: int, target: Source, source: Source) -> None:
        super().__init__()
        self.attention = Attention(dims=dims, heads=1, merge=False, target=target, source=source)
        self.norm = nn.LayerNorm(dims)
        self.gate = nn.Linear(dims, dims)
        self.opening = Shown("feature")

    def forward(self, target: Tensor, source: Tensor, *, target_present: Tensor, source_present: Tensor) -> Tensor:
        """Return ``(N, T, H)`` for target ``(N, T, H)`` and source ``(N, S, H)`` with their masks."""
        attended = self.attention(target, source, source_present)  # Eq. 2  (N, T, H)
        gate = torch.sigmoid(self.gate(self.norm(masked_mean(attended, target_present))))  # Eq. 3  (N, H)
        gate = self.opening(gate * source_present.any(dim=1, keepdim=True))  # closed towards an absent modality
        gated: Tensor = target + gate.unsqueeze(1) * (attended - target)  # Eq. 4  (N, T, H)
        return gated


class SpecificRepresentations(nn.Module):
    """The MSR module: a GIA block for each pair of modalities, both directions, Eq. 5-6."""

    def __init__(self, *, dims: int, modalities: Sequence[Source]) -> None:
        super().__init__()
        self.partners = {target: [other for other in modalities if other != target] for target in modalities}
        self.directions = nn.ModuleDict(
            {
                f"{target}_from_{source}": GatedAttention(dims=dims, target=target, source=source)
                for target, partners in self.partners.items()
                for source in partners
            }
        )

    def forward(self, sequences: Sequences) -> Sequences:
        """Return each modality's sequence, enriched by all others, in the same shape."""
        states, present = sequences
        specific = {}
        for target, partners in self.partners.items():
            gated = [
                self.directions[f"{target}_from_{source}"](
                    states[target],
                    states[source],
                    target_present=present[target],
                    source_present=present[source],
                )  # Eq. 5  (N, T, H)
                for source in partners
            ]
            specific[target] = torch.stack(gated).sum(dim=0)  # Eq. 6  (N, T, H)
        return Sequences(specific, present)


class Joint(NamedTuple):
    """The order that puts the real steps of all modalities one after the other without gaps.

    Attributes:
        order: ``(N, J)`` indices into the padded sequences end to end, real steps first, in order of time.
        present: ``(N, J)``, True at real steps, which come first.
    """

    order: Tensor
    present: Tensor

    @classmethod
    def of(cls, masks: Iterable[Tensor]) -> "Joint":
        """Return the order for modalities with masks ``(N, T)``."""
        padded = torch.cat(tuple(masks), dim=1)  # (N, J)
        steps = torch.arange(padded.shape[1], device=padded.device)
        return cls(
            # Padding comes after every real step; no two keys are equal, for ONNX has no stable sort.
            order=torch.where(padded, steps, steps + padded.shape[1]).argsort(dim=1),
            present=steps < padded.sum(dim=1, keepdim=True),
        )

    def join(self, sequences: Iterable[Tensor]) -> Tensor:
        """Join ``(N, k, H)``, ``(N, m, H)`` and ``(N, n, H)`` to ``(N, J, H)``; padding has arbitrary values."""
        padded = torch.cat(tuple(sequences), dim=1)
        return padded.gather(1, self.order.unsqueeze(-1).expand_as(padded))


def interpolated(halved: Tensor, present: Tensor) -> Tensor:
    """Return all joint steps ``(N, J, H)`` for half steps ``(N, ceil(J / 2), H)``, of which number p is at step 2p.

    A step between two half steps is their mean. A step after the last real half step equals it.

    Args:
        halved: The half steps.
        present: ``(N, J)``.
    """
    following = torch.cat([halved[:, 1:], halved[:, -1:]], dim=1)
    follows = torch.cat([present[:, 2::2], torch.zeros_like(present[:, :1])], dim=1).unsqueeze(-1)
    between = 0.5 * (halved + following.where(follows, halved))
    return rearrange([halved, between], "two n p h -> n (p two) h")[:, : present.shape[1]]


class InvariantGenerator(nn.Module):
    """A MIG block: the representation that all modalities share, generated through one of them."""

    def __init__(self, *, dims: int, source: Source) -> None:
        super().__init__()
        self.attention = Attention(dims=dims, heads=1, merge=False, target="joint", source=source)
        # A linear map of the channels is a convolution of kernel 1.
        self.mask = nn.Sequential(nn.Linear(2 * dims, dims), nn.PReLU(), nn.Sigmoid())
        self.convolve = nn.Conv1d(dims, dims, kernel_size=3, stride=2, padding=1)
        self.norm = nn.LayerNorm(dims)
        self.mean = Shown(INVARIANT)

    def forward(
        self, joint: Tensor, both: Tensor, specific: Tensor, *, present: Tensor, source: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the invariant sequence, and its mean over real steps, which is a point of Fig. 2.

        Args:
            joint: ``(N, J, H)``, H_VST.
            both: ``(N, J, 2 H)``, the overall MSR and H_VST, concatenated over channels.
            specific: ``(N, S, H)``, the modality's MSR.
            present: ``(N, J)``, mask of ``joint`` and ``both``.
            source: ``(N, S)``, mask of ``specific``.

        Returns:
            ``(N, J, H)`` and ``(N, H)``.
        """
        shared = self.attention(joint, specific, source)  # Eq. 9  (N, J, H)
        filtered = shared * self.mask(both)  # Eq. 10  (N, J, H)
        # The convolution sees zeros after the last real step, as at the end of any sequence.
        filtered = filtered * present.unsqueeze(-1)
        halved = self.convolve(rearrange(filtered, "n j h -> n h j"))  # (N, H, ceil(J / 2))
        refined = interpolated(rearrange(halved, "n h p -> n p h"), present)  # (N, J, H)
        invariant = self.norm(joint + refined)  # Eq. 11  (N, J, H)
        return invariant, self.mean(masked_mean(invariant, present))


def invariance_loss(invariants: Sequence[Tensor], present: Sequence[Tensor], whole_batch: WholeBatch) -> Tensor:
    """Return MIC: the symmetric KL divergences between all pairs of invariant sequences, a scalar.

    Args:
        invariants: ``(N, J, H)`` each.
        present: ``(N, J)`` each; a step counts for a pair where both are True.
        whole_batch: Gives the masks of all utterances, whose real steps the mean is over.
    """
    logs = [F.log_softmax(invariant, dim=-1) for invariant in invariants]
    shares = [log.exp() for log in logs]
    divergences = []
    for m, n in combinations(range(len(logs)), 2):
        # Both directions of Eq. 15 in one sum; each of its terms is a product of equal signs, so it is never negative.
        steps = 0.5 * ((shares[m] - shares[n]) * (logs[m] - logs[n])).sum(dim=-1)  # Eq. 14-15  (N, J)
        counted = present[m] & present[n]  # (N, J)
        (all_counted,) = whole_batch(counted)  # (M, J)
        divergences.append((steps * counted).sum() / all_counted.sum().clamp(min=1))
    return torch.stack(divergences).sum()  # Eq. 16


class Interaction(nn.Module):
    """MSR and MIR modules and their fusion (Sec. 2.3)."""

    def __init__(self, config: GIAMICConfig) -> None:
        super().__init__()
        self.specific = (
            SpecificRepresentations(dims=config.dims, modalities=config.modalities) if config.msr else nn.Identity()
        )
        self.generating = config.modalities if config.mir else ()
        self.generators = nn.ModuleDict(
            {source: InvariantGenerator(dims=config.dims, source=source) for source in self.generating}
        )

    def forward(self, sequences: Sequences) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return the pooled vector ``(N, H)``, the invariant sequences ``(N, J, H)`` and their masks."""
        specific: Sequences = self.specific(sequences)
        steps = Joint.of(sequences.present.values())
        overall = steps.join(specific.states.values())  # Eq. 7  (N, J, H)
        joint = steps.join(sequences.states.values())  # Eq. 8  (N, J, H)
        both = torch.cat([overall, joint], dim=-1)
        means, exist = [masked_mean(overall, steps.present)], [steps.present.any(dim=1)]
        invariants, masks = [], []
        for source in self.generating:
            mask = sequences.present[source]
            invariant, mean = self.generators[source](
                joint, both, specific.states[source], present=steps.present, source=mask
            )  # Eq. 12
            means.append(mean)
            exist.append(mask.any(dim=1))
            invariants.append(invariant)
            masks.append(steps.present & exist[-1].unsqueeze(1))
        pooled = masked_mean(torch.stack(means, dim=1), torch.stack(exist, dim=1))  # Eq. 13 and the mean of Eq. 17
        return pooled, invariants, masks


class GIAMIC(nn.Module):
    """The systems of Table 2.

    Args:
        config: The row and its sizes.
        shapes: Sizes of the streams that the config names.
        task: The task: classes, or a score.
    """

    def __init__(self, config: GIAMICConfig, *, shapes: Mapping[Role, StreamShape], task: Task) -> None:
        super().__init__()
        assert shapes.keys() >= set(config.modalities), shapes
        self.config, self.task = config, task
        self.extractors = nn.ModuleDict(
            {
                source: FeatureExtractor(config, source=source, width=shapes[source].width)
                for source in config.modalities
            }
        )
        interacts = config.system == "gia-mic"
        self.interact = Interaction(config) if interacts else None
        self.whole_batch = WholeBatch()
        self.classify = output_layer(config.dims * (1 if interacts else len(config.modalities)), task)

    def forward(self, batch: Batch) -> Output:
        """Return logits ``(N, C)``, the pooled embedding, and the task's loss term and ``mic`` given labels."""
        present = {source: batch.present[source] for source in self.config.modalities}
        states = {source: self.extractors[source](batch.features[source], mask) for source, mask in present.items()}
        invariants, masks = [], []
        if self.interact is None:
            means = [masked_mean(states[source], mask) for source, mask in present.items()]
            embedding = torch.cat(means, dim=-1)  # (N, number of modalities x H)
        else:
            embedding, invariants, masks = self.interact(Sequences(states, present))  # (N, H)
        logits = self.classify(embedding)  # Eq. 17 before its softmax  (N, C)
        losses = {}
        if batch.labels is not None:
            losses = label_loss(logits, batch.labels, self.task)  # Eq. 18
            if invariants and self.config.mic_weight:
                loss = invariance_loss(invariants, masks, self.whole_batch)
                losses["mic"] = LossTerm(loss, self.config.mic_weight, joint=True)  # Eq. 19
        return Output(logits=logits, embedding=embedding, losses=losses)
