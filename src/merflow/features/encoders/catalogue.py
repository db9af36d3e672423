"""Encoders by the name that profiles use, and the key under which the store keeps what one of them makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from merflow.contracts.presets import EncoderSpec, Profile
from merflow.contracts.streams import MODALITY_OF, Modality, Stream, StreamShape
from merflow.contracts.strict import Strict, parse
from merflow.errors import FeatureError, nearest
from merflow.features.encoders.huggingface import families
from merflow.features.encoders.huggingface.settings import CheckpointSettings, LayeredSettings
from merflow.features.encoders.lite_speech import (
    LiteSpeech,
    LiteSpeechLayers,
    LiteSpeechLayersSettings,
    LiteSpeechSettings,
)
from merflow.features.encoders.lite_text import LiteText, LiteTextLayers, LiteTextLayersSettings, LiteTextSettings
from merflow.features.encoders.lite_video import LiteVideo, LiteVideoSettings
from merflow.features.encoders.prepared import Prepared as Prepared
from merflow.storage.local import digest

STORED_DTYPE = "float16"

# Version of everything between a recording and its stored numbers that is not an encoder: cutting, pooling, rounding.
EXTRACTION_VERSION = 1


class Preparer(Protocol):
    """The half of an encoder that runs in worker processes: no weights, no torch."""

    def prepare(self, source: Any) -> Prepared:  # noqa: ANN401 - samples, text or frames
        """All work on one input that needs no other input and no accelerator.

        Args:
            source: Samples ``(n,)`` float32 at 16 kHz, cut as the stream says; a text; frames ``(F, H, W, 3)`` uint8.

        Raises:
            FeatureError: The input cannot be encoded; extraction sets the utterance aside with this reason.
        """
        ...


class Encoder(Preparer, Protocol):
    """Turns prepared inputs into arrays; has its weights on its device."""

    @property
    def shape(self) -> StreamShape:
        """Layers and width of every array."""
        ...

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """``(T, D)`` or ``(T, L, D)`` float32 for each input, in order.

        Inputs of a batch are of similar cost, not equal; padding is masked, so that a batch never changes a result.

        Raises:
            FeatureError: An input cannot be encoded; extraction tries the batch's inputs one by one.
        """
        ...


@dataclass(frozen=True)
class EncoderEntry:
    """How to make an encoder.

    Attributes:
        modality: What it reads: samples, a text, or frames.
        settings: What a profile may say about it.
        version: Raised with every change of the numbers it makes, so that a store never mixes two of them.
        preparer: Settings and spec -> its first half, built in every worker process.
        encoder: Settings, spec and device (``auto``, ``cpu``, ``cuda``) -> the whole, built once.
        revised: Whether its weights have revisions.
        cpu_cost: Of the batch that a CPU is fastest with; None where it makes no difference. A few sentences or
            seconds keep a core busy; more inputs at a time only add memory that leaves its cache: in a GPU's batches
            texts take twice as long, recordings a fifth longer (measured on random weights of half base size).
    """

    modality: Modality
    settings: type[Strict]
    version: int
    preparer: Callable[[Any, EncoderSpec], Preparer]
    encoder: Callable[[Any, EncoderSpec, str], Encoder]
    revised: bool = False
    cpu_cost: int | None = None


def _lite(modality: Modality, settings: type[Strict], version: int, build: Callable[[Any], Encoder]) -> EncoderEntry:
    """An encoder without weights: both halves are the same object."""
    return EncoderEntry(
        modality,
        settings,
        version,
        preparer=lambda parsed, _spec: build(parsed),
        encoder=lambda parsed, _spec, _device: build(parsed),
    )


ENCODERS: dict[str, EncoderEntry] = {
    "lite-speech": _lite("audio", LiteSpeechSettings, 1, LiteSpeech),
    "lite-speech-layers": _lite("audio", LiteSpeechLayersSettings, 1, LiteSpeechLayers),
    "lite-text": _lite("text", LiteTextSettings, 1, LiteText),
    "lite-text-layers": _lite("text", LiteTextLayersSettings, 1, LiteTextLayers),
    "lite-video": _lite("video", LiteVideoSettings, 1, LiteVideo),
    "wavlm": EncoderEntry(
        "audio", LayeredSettings, 1, families.speech_preparer, families.wavlm, revised=True, cpu_cost=250
    ),
    "whisper-encoder": EncoderEntry(
        "audio", LayeredSettings, 1, families.whisper_preparer, families.whisper_encoder, revised=True, cpu_cost=1500
    ),
    "roberta": EncoderEntry(
        "text", LayeredSettings, 1, families.text_preparer, families.text_encoder, revised=True, cpu_cost=512
    ),
    "bert": EncoderEntry(
        "text", LayeredSettings, 1, families.text_preparer, families.text_encoder, revised=True, cpu_cost=512
    ),
    "clip-image": EncoderEntry(
        "video", CheckpointSettings, 1, families.image_preparer, families.clip_image, revised=True
    ),
}


def encoder_key(spec: EncoderSpec, stream: Stream) -> str:
    """16 hexadecimal digits of all that decides a stored number, but for the recording or text itself.

    Raises:
        FeatureError: No encoder has the spec's name.
    """
    return digest(describe(spec, stream))


def describe(spec: EncoderSpec, stream: Stream) -> dict[str, Any]:
    """What :func:`encoder_key` hashes; neighbours join when batches are made, so they are no part of it.

    Raises:
        FeatureError: No encoder has the spec's name, or its weights were not looked up yet.
    """
    entry = _entry(spec)
    if entry.revised and spec.revision is None:
        raise FeatureError(
            f"encoder {spec.name!r} of {spec.settings.get('model')} has no revision; look it up first "
            "(features.huggingface.checkpoints.located)"
        )
    said = {} if stream.transcript == "truth" else {"transcript": stream.transcript}
    return {
        "encoder": spec.model_dump(exclude={"folder"}),
        "encoder_version": entry.version,
        "extraction_version": EXTRACTION_VERSION,
        "dtype": STORED_DTYPE,
        "clip_s": stream.clip_s,
        "skip_silence": stream.skip_silence,
        "pooled": stream.pooled,
        **said,
    }


def build_preparer(spec: EncoderSpec, stream: Stream) -> Preparer:
    """The first half of the encoder that a profile gives to a stream's role; loads neither weights nor torch.

    Raises:
        FeatureError: As :func:`build_encoder`, but for the weights.
        ParamsError: The spec's settings are not the encoder's.
    """
    entry, settings = _checked(spec, stream)
    return entry.preparer(settings, spec)


def build_encoder(spec: EncoderSpec, stream: Stream, *, device: str = "auto") -> Encoder:
    """The encoder that a profile gives to a stream's role, on its device.

    Args:
        spec: The profile's entry.
        stream: What a model asks for.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

    Raises:
        FeatureError: No encoder has the spec's name, it reads another modality than the role's, or its weights are
            not there.
        ParamsError: The spec's settings are not the encoder's.
    """
    entry, settings = _checked(spec, stream)
    return entry.encoder(settings, spec, device)


def batch_cost(spec: EncoderSpec, *, device: str, most: int) -> int:
    """What a padded batch may cost on a device: at most ``most``, and no more than a CPU is fastest with.

    Raises:
        FeatureError: No encoder has the spec's name; ``cuda`` is asked for and there is none.
    """
    cpu_cost = _entry(spec).cpu_cost
    if cpu_cost is None:
        return most
    from merflow.features.encoders.huggingface.weights import device_of

    return min(most, cpu_cost) if device_of(device).type == "cpu" else most


def spec_of(stream: Stream, profile: Profile) -> EncoderSpec:
    """The profile's encoder for a stream: the one that the stream names, or the role's where the profile has no choice.

    Raises:
        FeatureError: The profile has none for this role, or not the named one.
    """
    if stream.slot in profile:
        return profile[stream.slot]
    choices = [slot for slot in profile if slot.startswith(f"{stream.role}/")]
    if choices and stream.encoder is not None:
        raise FeatureError(f"the profile has no encoder {stream.slot!r}; it has {', '.join(choices)}")
    if stream.role not in profile:
        raise FeatureError(f"the profile has no encoder for role {stream.role!r}; it has {', '.join(profile)}")
    return profile[stream.role]


def _entry(spec: EncoderSpec) -> EncoderEntry:
    if spec.name not in ENCODERS:
        raise FeatureError(f"unknown encoder {spec.name!r}; {nearest(spec.name, ENCODERS)}")
    return ENCODERS[spec.name]


def _checked(spec: EncoderSpec, stream: Stream) -> tuple[EncoderEntry, Strict]:
    entry = _entry(spec)
    wanted = MODALITY_OF[stream.role]
    if entry.modality != wanted:
        raise FeatureError(
            f"encoder {spec.name!r} reads {entry.modality}, role {stream.role!r} is {wanted}; correct the profile"
        )
    if spec.revision is not None and not entry.revised:
        raise FeatureError(
            f"encoder {spec.name!r} has no revisions, found {spec.revision!r}; remove it from the profile"
        )
    return entry, parse(entry.settings, spec.settings, where=f"settings of encoder {spec.name!r}")
