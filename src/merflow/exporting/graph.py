"""A trained model as one module from a clip's inputs to the answer: front ends, encoders, heads, calibration.

It takes one clip, and computes what :class:`merflow.inference.ensemble.Ensemble` does for it.

Shapes: n samples at 16 kHz, T steps, K turns, C classes, O outputs of a model: C, or one score.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch
from merflow.contracts.calibration_record import Calibration
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import MODALITY_OF, Role, Stream
from merflow.contracts.task import Regression, Task
from merflow.exporting.speech_fronts import SpeechFront
from merflow.exporting.steps import exact
from merflow.exporting.text_fronts import TextFront
from merflow.exporting.words_input import WordsInput
from merflow.features.encoders.huggingface.networks import Network
from merflow.inference.encoded import EncodedModel
from merflow.inference.ensemble import Ensemble
from merflow.inference.prediction import predicted_of
from merflow.inference.trained_model import TrainedModel

SAMPLES, WORDS = "samples", "words"
_INPUTS = {"audio": SAMPLES, "text": WORDS}
_SMALLEST = float(np.finfo(np.float32).tiny)


class ClipGraph(nn.Module):
    """An ensemble as one module.

    Args:
        ensemble: The trained models; their front ends and encoders are supported (``exporting.limits``).

    Attributes:
        inputs: Names of the inputs, in order: ``samples`` ``(n,)`` float32, and ``words`` as computed by ``words``.
        words: The input ``words``; None if the models read none.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        encoders = ensemble.members[0].encoders
        self._streams = {stream.role: stream for stream in encoders.streams}
        modalities = {MODALITY_OF[role] for role in self._streams}
        self.inputs = tuple(name for modality, name in _INPUTS.items() if modality in modalities)
        self.words = words_of_streams(encoders.specs, streams=encoders.streams)
        learning = learning_roles(ensemble.members[0])
        self.fronts = nn.ModuleDict(
            {
                role: _front(encoders.specs[role], stream, self.words)
                for role, stream in self._streams.items()
                if role not in learning
            }
        )
        self.members = nn.ModuleList(_Member(member, self.words) for member in ensemble.members)
        calibration = ensemble.calibration
        self._task: Task = ensemble.task
        self._temperature = calibration.temperature if isinstance(calibration, Calibration) else 1.0
        self.cpu().eval().requires_grad_(False)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return calibrated and raw probabilities, ``(C,)`` float32 each; or the score ``(1,)`` float32."""
        given = dict(zip(self.inputs, inputs, strict=True))
        features, present = {}, {}
        for role, front in self.fronts.items():
            stream = self._streams[cast(Role, role)]
            values, real = front(given[_input_of(stream)])
            features[role], present[role] = _stored(values, real, stream)
        rows = [member(given, features, present) for member in self.members]
        raw = torch.stack(rows).double().mean(dim=0).float()  # (O,)
        if isinstance(self._task, Regression):
            return (raw,)
        logits = torch.log(torch.maximum(raw.double(), exact(_SMALLEST))) / exact(self._temperature)
        return logits.softmax(dim=0).float(), raw


class _Member(nn.Module):
    """One trained model with its own statistics, and its own encoders if they were fine-tuned."""

    def __init__(self, member: TrainedModel, words: WordsInput | None) -> None:
        super().__init__()
        self._streams = {stream.role: stream for stream in member.encoders.streams}
        own: dict[str, nn.Module] = {}
        self._task: Task = member.record.task
        self.model = member.model
        if isinstance(member.model, EncodedModel):
            self.model = member.model.model
            encoders = member.model.encoders
            for role in encoders.parts:
                network = cast(Network, encoders.networks[role])
                own[role] = _front(member.encoders.specs[role], self._streams[role], words, network=network)
                self.register_buffer(f"{role}_mean", encoders.get_buffer(f"{role}_mean"))
                self.register_buffer(f"{role}_deviation", encoders.get_buffer(f"{role}_deviation"))
        for scaled, scale in member.encoders.scales.items():
            self.register_buffer(f"{scaled}_mean", scale.mean)
            self.register_buffer(f"{scaled}_deviation", scale.deviation)
        self.fronts = nn.ModuleDict(own)

    def forward(self, given: Mapping[str, Tensor], stored: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Tensor:
        """Return the probabilities, or the score, ``(O,)``."""
        features: dict[Role, Tensor] = {}
        present: dict[Role, Tensor] = {}
        for role, values in stored.items():
            features[cast(Role, role)] = self._scaled(role, values, masks[role])
            present[cast(Role, role)] = masks[role]
        for role, front in self.fronts.items():
            stream = self._streams[cast(Role, role)]
            values, real = front(given[_input_of(stream)])
            values, real = _pooled(self._scaled(role, values, real), real, stream)
            features[cast(Role, role)], present[cast(Role, role)] = values[None], real[None]
        output = self.model(Batch(features, present, labels=None, utterance_ids=("clip",)))
        return predicted_of(output, self._task)[0]

    def _scaled(self, role: str, values: Tensor, present: Tensor) -> Tensor:
        """Return standardized features, with zeros where nothing is present."""
        if hasattr(self, f"{role}_mean"):
            values = (values - self.get_buffer(f"{role}_mean")) / self.get_buffer(f"{role}_deviation")
        return torch.where(_over(present, values), values, 0.0)


def learning_roles(member: TrainedModel) -> Sequence[Role]:
    """Return the roles whose encoders were fine-tuned with a model."""
    return tuple(member.model.encoders.parts) if isinstance(member.model, EncodedModel) else ()


def words_of_streams(specs: Mapping[Role, EncoderSpec], *, streams: Sequence[Stream]) -> WordsInput | None:
    """Return the input of the streams that read words; None if there are none.

    Raises:
        ExportError: See :class:`WordsInput`.
    """
    return next((WordsInput(specs[each.role], each) for each in streams if MODALITY_OF[each.role] == "text"), None)


def _front(
    spec: EncoderSpec, stream: Stream, words: WordsInput | None, *, network: Network | None = None
) -> SpeechFront | TextFront:
    if MODALITY_OF[stream.role] == "audio":
        return SpeechFront(spec, stream, network=network)
    assert words is not None
    return TextFront(spec, network=network, padding=words.facts.get("padding"))


def _input_of(stream: Stream) -> str:
    return _INPUTS[MODALITY_OF[stream.role]]


def _stored(values: Tensor, real: Tensor, stream: Stream) -> tuple[Tensor, Tensor]:
    """Return features ``(1, T or K, ...)`` and their mask, pooled and rounded as a feature store does."""
    if stream.pooled:
        values = values.double()
    values, real = _pooled(torch.where(_over(real, values), values, 0.0), real, stream)
    return values.half().float()[None], real[None]


def _pooled(values: Tensor, real: Tensor, stream: Stream) -> tuple[Tensor, Tensor]:
    """Return the mean over the real steps as one of K turns, the others unknown; or all steps, if not pooled."""
    if not stream.pooled:
        return values, real
    mean = values.sum(dim=0, keepdim=True) / real.sum(dim=0, keepdim=True).clamp(min=1)
    around = torch.zeros(stream.neighbours, *mean.shape[1:], dtype=mean.dtype)
    nobody = torch.zeros(stream.neighbours, dtype=torch.bool)
    return torch.cat([around, mean, around]), torch.cat([nobody, real.any(dim=0, keepdim=True), nobody])


def _over(mask: Tensor, values: Tensor) -> Tensor:
    """Return a mask with as many axes as the values that it applies to."""
    shape: Any = (*mask.shape, *[1] * (values.dim() - mask.dim()))
    return mask.reshape(shape)
