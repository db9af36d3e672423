"""Context-aware multimodal Transformer for speech and text with dialogue context.

Paper: J. Li, S. Wang, Y. Chao, X. Liu, H. Meng, "Context-aware Multimodal Fusion for Emotion Recognition",
Interspeech 2022, doi:10.21437/Interspeech.2022-10592.

Claim: gated sums over all layers of two pretrained encoders, reduced to 16 dimensions, with the text of four turns
before and four after, and cross-attention in both directions, beat each modality and simpler fusions on IEMOCAP
(frozen encoders: 78.58% WA, 80.72% UA; fine-tuned: 80.36%, 81.70%).

Decisions, where the paper is silent:
    - Layer gate: one mean per layer over time and features, squeezed to one number (reduction ratio = number of layers,
      Sec. 2.1). The scaled layers are summed, then projected by one linear map and LayerNorm.
    - Text is a sequence of turns. Each turn is the mean of its tokens, and is gated by itself.
    - A turn that does not exist, or has no words, enters the convolution as zeros; padding keeps the nine turns.
    - A mean over nine convolved turns cannot tell the utterance from its neighbours. So each position has a learned
      weight before the convolution, initially 1 / (1 + distance)^2. The convolution starts as the identity, and a ReLU
      follows it.
    - Transformer layers are post-norm like the original one. They have one head (Eq. 1 has one, and 16 dimensions are
      few), a ReLU feed-forward part four times as wide, no dropout inside, and no positions of speech frames.
    - Dropout lies between the three modules of Fig. 1: extractor, fusion, classifier. The classifier is one hidden
      layer and one output layer in all systems, the ``fc`` ones included (Sec. 2.3).
    - A modality that an utterance lacks adds nothing as a source, and pools to zeros as a target.

Shapes: N utterances, T steps (speech frames, or S turns), L encoder layers, D encoder width, H = 16 model width,
P paths, C classes. ``present`` masks are True at real steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Output
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.contracts.task import Task
from merflow.models.layers import Shown, TransformerLayer, label_loss, masked_mean, output_layer

System = Literal["audio-fc", "audio-te", "text-fc", "text-te", "cmt-a2t", "cmt-t2a", "ef", "lf", "mmt"]
Source = Literal["audio", "text"]

# Table 1 as paths (target, source) to pooled vectors. Without a source the target is pooled as it is. A source equal to
# the target is a Transformer encoder, another source is a cross-modal Transformer (Fig. 3).
PATHS: dict[System, tuple[tuple[Source, Source | None], ...]] = {
    "audio-fc": (("audio", None),),
    "audio-te": (("audio", "audio"),),
    "text-fc": (("text", None),),
    "text-te": (("text", "text"),),
    "cmt-a2t": (("text", "audio"),),
    "cmt-t2a": (("audio", "text"),),
    "ef": (("audio", None), ("text", None)),
    "lf": (("audio", "audio"), ("text", "text")),
    "mmt": (("text", "audio"), ("audio", "text")),
}

ROLE_OF: dict[Source, Role] = {"audio": "speech_layers", "text": "text_layers"}


@dataclass(frozen=True)
class ContextMMTConfig:
    """A system of Table 1, and its sizes.

    Attributes:
        system: One of :data:`PATHS`.
        dims: Model width (Sec. 2.1).
        dropout: Dropout between modules (Sec. 3.2).
        neighbours: Turns before the utterance, and as many after it (Sec. 3.2: nine texts in all).
        clip_s: Seconds of speech from the start of the voice (Sec. 3.2).
        kernel: Turns that the convolution sees (Sec. 2.1); odd.
        heads: Attention heads (decision).
        feedforward: Width inside a Transformer layer (decision: four times ``dims``).
        hidden: Width of the classifier's hidden layer (decision).
    """

    system: System
    dims: int = 16
    dropout: float = 0.5
    neighbours: int = 4
    clip_s: float = 5.0
    kernel: int = 3
    heads: int = 1
    feedforward: int = 64
    hidden: int = 64

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} is even; an odd one keeps the number of turns")
        if self.dims % self.heads:
            raise ValueError(f"{self.heads} heads do not divide dims {self.dims}")

    @property
    def sources(self) -> tuple[Source, ...]:
        """The modalities in use."""
        taking_part = {source for path in PATHS[self.system] for source in path}
        return tuple(source for source in ROLE_OF if source in taking_part)

    def streams(self) -> tuple[Stream, ...]:
        """Return the streams that the model reads."""
        stream_of = {
            "audio": Stream("speech_layers", clip_s=self.clip_s, skip_silence=True),
            "text": Stream("text_layers", pooled=True, neighbours=self.neighbours),
        }
        return tuple(stream_of[source] for source in self.sources)


class LayerGate(nn.Module):
    """Squeeze-and-excitation over encoder layers (Sec. 2.1): one weight in (0, 1) per layer."""

    def __init__(self, *, layers: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(layers, 1)
        self.excite = nn.Linear(1, layers)
        # Standardized features have means near zero. Without a bias about half of them pass the one ReLU at the start;
        # with a random bias often none would.
        nn.init.zeros_(self.squeeze.bias)

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Return weights ``(N, L)`` for ``(N, T, L, D)``."""
        mean = masked_mean(values.mean(dim=-1), present)  # (N, L)
        return torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))  # (N, L)


class FeatureExtractor(nn.Module):
    """Layer gate, sum of the scaled layers, linear map, LayerNorm (Fig. 2a)."""

    def __init__(self, *, shape: StreamShape, dims: int) -> None:
        super().__init__()
        assert shape.layers is not None, "context-mmt weighs layers"
        self.gate = LayerGate(layers=shape.layers)
        self.show = Shown("layer")
        self.project = nn.Linear(shape.width, dims)
        self.norm = nn.LayerNorm(dims)

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Return ``(N, T, H)`` for ``(N, T, L, D)``."""
        return self.weigh(values, self.show(self.gate(values, present)))

    def weigh(self, values: Tensor, gate: Tensor) -> Tensor:
        """Return ``(N, T, H)`` for ``(N, T, L, D)`` and one weight per layer ``(N, L)``."""
        # The map is linear, so each layer is projected first and the small result weighted. The wide features are read
        # twice (mean and projection) and never copied.
        projected = F.linear(values, self.project.weight)  # (N, T, L, H)
        summed = torch.einsum("ntlh,nl->nth", projected, gate) + self.project.bias  # (N, T, H)
        normed: Tensor = self.norm(summed)
        return normed


class ContextExtractor(nn.Module):
    """A feature extractor for each turn by itself, then a convolution over the turns (Fig. 2b)."""

    def __init__(self, *, shape: StreamShape, dims: int, neighbours: int, kernel: int) -> None:
        super().__init__()
        self.extract = FeatureExtractor(shape=shape, dims=dims)
        self.show = Shown("text_layers", "layer")
        distance = torch.arange(-neighbours, neighbours + 1).abs()
        self.turn_weight = nn.Parameter((1 + distance).float() ** -2)  # (S,)
        self.convolve = nn.Conv1d(dims, dims, kernel_size=kernel, stride=1, padding=kernel // 2)
        nn.init.dirac_(self.convolve.weight)
        assert self.convolve.bias is not None
        nn.init.zeros_(self.convolve.bias)

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Return ``(N, S, H)`` for turns ``(N, S, L, D)``."""
        turns = rearrange(values, "n s l d -> (n s) 1 l d")
        gates = self.extract.gate(turns, rearrange(present, "n s -> (n s) 1"))  # (N S, L)
        shown = self.show(rearrange(gates, "(n s) l -> n s l", n=len(values)))
        extracted = self.extract.weigh(turns, rearrange(shown, "n s l -> (n s) l"))  # (N S, 1, H)
        weights = rearrange(self.turn_weight * present, "n s -> n s 1")  # zeros for absent turns
        weighted = rearrange(extracted, "(n s) 1 h -> n s h", n=len(values)) * weights
        convolved = self.convolve(rearrange(weighted, "n s h -> n h s"))
        return F.relu(rearrange(convolved, "n h s -> n s h"))


class ContextMMT(nn.Module):
    """The nine systems of Table 1 as paths from feature extractors to one classifier.

    Args:
        config: The system and its sizes.
        shapes: Sizes of the streams that the config names.
        task: The task: classes, or a score.
    """

    def __init__(self, config: ContextMMTConfig, *, shapes: Mapping[Role, StreamShape], task: Task) -> None:
        super().__init__()
        assert shapes.keys() >= {ROLE_OF[source] for source in config.sources}, shapes
        self.config, self.task = config, task
        self.paths = PATHS[config.system]
        self.extractors = nn.ModuleDict()
        if "audio" in config.sources:
            self.extractors["audio"] = FeatureExtractor(shape=shapes["speech_layers"], dims=config.dims)
        if "text" in config.sources:
            self.extractors["text"] = ContextExtractor(
                shape=shapes["text_layers"], dims=config.dims, neighbours=config.neighbours, kernel=config.kernel
            )
        self.fusion = nn.ModuleList(
            nn.Identity()
            if source is None
            else TransformerLayer(
                dims=config.dims,
                heads=config.heads,
                feedforward=config.feedforward,
                target=ROLE_OF[target],
                source=ROLE_OF[source],
            )  # Eq. 1
            for target, source in self.paths
        )
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Sequential(
            nn.Linear(config.dims * len(self.paths), config.hidden), nn.ReLU(), output_layer(config.hidden, task)
        )

    def forward(self, batch: Batch) -> Output:
        """Return logits ``(N, C)``, the pooled embedding ``(N, P H)``, and the task's loss term if there are labels."""
        present = {source: batch.present[ROLE_OF[source]] for source in self.config.sources}
        sequences = {
            source: self.dropout(self.extractors[source](batch.features[ROLE_OF[source]], present[source]))
            for source in self.config.sources
        }  # (N, T, H) each
        pooled = []
        for (target, source), fuse in zip(self.paths, self.fusion, strict=True):
            inputs = (sequences[target],) if source is None else (sequences[target], sequences[source], present[source])
            pooled.append(masked_mean(fuse(*inputs), present[target]))  # (N, H)
        embedding = torch.cat(pooled, dim=-1)  # (N, P H)
        logits = self.classify(self.dropout(embedding))  # (N, C)
        losses = {} if batch.labels is None else label_loss(logits, batch.labels, self.task)
        return Output(logits=logits, embedding=embedding, losses=losses)
