"""Encoders inside the model's graph: recordings, texts and pictures become features with gradients to the encoders.

The encoders run over slices of the batch. They need memory for one slice only, while the model behind them and its loss
always see the whole batch. If there are several slices, each stores only its inputs and outputs, and is recomputed in
the backward pass; the gradients equal those of a single pass over the batch.

In training mode the encoders have the dropout, layer drop and masking that their configs set, unless the recipe's
``encoder_mode`` is ``evaluation``. In evaluation mode they compute the same as in extraction.

Shapes: U units, E entries, N utterances, K turns, T steps, L layers, D width.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from merflow.contracts.batch import Batch, RawBatch, RawSlice, RawStream
from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.streams import EncoderPart, Role, Stream
from merflow.features.batches.standardize import Scale, Standardizer
from merflow.features.encoders.huggingface.networks import Network, build_network, learn
from merflow.features.store.shards import entry_shape


class EncodersInGraph(nn.Module):
    """Module that turns a :class:`RawBatch` into the :class:`Batch` that the store would provide, with gradients.

    Args:
        streams: The streams that the model reads.
        profile: The encoders by role; located (``features.encoders.huggingface.checkpoints``).
        learning: Role -> the part of its encoder that learns. These roles are encoded here, and all others are stored.
            Roles that the model does not read are ignored.
        standardizer: The statistics that the model is trained with; None to leave features unchanged.
        mode: The recipe's ``encoder_mode``; ``evaluation`` keeps the encoders in evaluation mode while a model trains.

    Attributes:
        parts: Role -> the part of its encoder that learns.

    Raises:
        FeatureError: An encoder cannot be fine-tuned, has no such part, or its weights cannot be read; or the
            statistics belong to other features.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        profile: Profile,
        learning: Mapping[Role, EncoderPart],
        standardizer: Standardizer | None,
        mode: Literal["training", "evaluation"] = "training",
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleDict()
        self._learning: dict[str, nn.Parameter] = {}
        self._trains = mode == "training"
        self.parts = {stream.role: learning[stream.role] for stream in streams if stream.role in learning}
        for stream in streams:
            if stream.role in learning:
                self._add(stream.role, spec_of(stream, profile), standardizer)
        self.eval()

    def _add(self, role: Role, spec: EncoderSpec, standardizer: Standardizer | None) -> None:
        network = build_network(spec)
        for name, value in learn(network, encoder=spec.name, part=self.parts[role]).items():
            self._learning[f"networks.{role}.weights.{name}"] = value
        self.networks[role] = cast(nn.Module, network)
        shape = entry_shape(network.shape)
        scale = Scale.neutral(shape) if standardizer is None else standardizer.scale(role, entry_shape=shape)
        self.register_buffer(f"{role}_mean", scale.mean, persistent=False)
        self.register_buffer(f"{role}_deviation", scale.deviation, persistent=False)

    @property
    def learning(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by their names in the state dict."""
        return dict(self._learning)

    def train(self, mode: bool = True) -> "EncodersInGraph":
        """Follow the model's mode, unless the encoders must stay in evaluation mode."""
        return super().train(mode and self._trains)

    def forward(self, raw: RawBatch) -> Batch:
        """Encode and standardize the raw roles; return them together with the stored ones."""
        features, present = dict(raw.stored.features), dict(raw.stored.present)
        for role, stream in raw.streams.items():
            features[role], present[role] = self._encoded(role, stream)
        return Batch(features=features, present=present, labels=raw.labels, utterance_ids=raw.utterance_ids)

    def _encoded(self, role: Role, stream: RawStream) -> tuple[Tensor, Tensor]:
        """Return ``(N, T, D)`` or ``(N, T, L, D)`` and the mask ``(N, T)``; T counts turns if the stream is pooled."""
        recompute = len(stream.slices) > 1 and torch.is_grad_enabled()
        steps = [
            checkpoint(self._steps_of, role, part, use_reentrant=False) if recompute else self._steps_of(role, part)
            for part in stream.slices
        ]
        nothing = torch.zeros_like(self.get_buffer(f"{role}_mean")).unsqueeze(0)
        values = torch.cat([*steps, nothing])[stream.positions]  # (E, T, ...)
        present = stream.positions < stream.steps  # (E, T)
        if stream.members is None:
            return values, present
        count = present.sum(dim=1).clamp(min=1).view(-1, *[1] * (values.dim() - 2))
        pooled = torch.cat([values.sum(dim=1) / count, nothing])  # (E + 1, ...)
        has_steps = torch.cat([present.any(dim=1), present.new_zeros(1)])  # (E + 1,)
        return pooled[stream.members], has_steps[stream.members]

    def _steps_of(self, role: Role, part: RawSlice) -> Tensor:
        """Return the concatenated steps of a slice, standardized: ``(U T, D)`` or ``(U T, L, D)`` float32."""
        encoded = self._network(role)(part.values, part.lengths)[:, : part.steps].float()
        standardized = (encoded - self.get_buffer(f"{role}_mean")) / self.get_buffer(f"{role}_deviation")
        return standardized.flatten(0, 1)

    def _network(self, role: Role) -> Network:
        return cast(Network, self.networks[role])
