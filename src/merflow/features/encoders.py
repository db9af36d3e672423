"""Encoders by the name that profiles use, and the key under which the store keeps what one of them makes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from merflow.contracts.errors import FeatureError, nearest
from merflow.contracts.files import digest
from merflow.contracts.params import Strict, parse
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import MODALITY_OF, Modality, Stream, StreamShape
from merflow.features.lite_speech import (
    LiteSpeech,
    LiteSpeechLayers,
    LiteSpeechLayersSettings,
    LiteSpeechSettings,
)
from merflow.features.lite_text import LiteText, LiteTextLayers, LiteTextLayersSettings, LiteTextSettings

STORED_DTYPE = "float16"

# Version of everything between a recording and its stored numbers that is not an encoder: cutting, pooling, rounding.
EXTRACTION_VERSION = 1


class Encoder(Protocol):
    """Turns recordings or texts into arrays, taking as many at a time as suits it."""

    @property
    def shape(self) -> StreamShape:
        """Layers and width of every array."""
        ...

    def encode(self, sources: Iterable[Any]) -> Iterator[np.ndarray]:
        """``(T, D)`` or ``(T, L, D)`` float32 for each source, in order."""
        ...


@dataclass(frozen=True)
class EncoderEntry:
    """How to make an encoder.

    Attributes:
        modality: What it reads: samples (n,) float32 at 16 kHz, or a text.
        settings: What a profile may say about it.
        version: Raised with every change of the numbers it makes, so that a store never mixes two of them.
        build: Settings -> encoder.
    """

    modality: Modality
    settings: type[Strict]
    version: int
    build: Callable[[Any], Encoder]


ENCODERS: dict[str, EncoderEntry] = {
    "lite-speech": EncoderEntry("audio", LiteSpeechSettings, 1, LiteSpeech),
    "lite-speech-layers": EncoderEntry("audio", LiteSpeechLayersSettings, 1, LiteSpeechLayers),
    "lite-text": EncoderEntry("text", LiteTextSettings, 1, LiteText),
    "lite-text-layers": EncoderEntry("text", LiteTextLayersSettings, 1, LiteTextLayers),
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
        FeatureError: No encoder has the spec's name.
    """
    return {
        "encoder": spec.model_dump(),
        "encoder_version": _entry(spec).version,
        "extraction_version": EXTRACTION_VERSION,
        "dtype": STORED_DTYPE,
        "clip_s": stream.clip_s,
        "skip_silence": stream.skip_silence,
        "pooled": stream.pooled,
    }


def build_encoder(spec: EncoderSpec, stream: Stream) -> Encoder:
    """The encoder that a profile gives to a stream's role.

    Raises:
        FeatureError: No encoder has the spec's name, or it reads another modality than the role's.
        ParamsError: The spec's settings are not the encoder's.
    """
    entry = _entry(spec)
    wanted = MODALITY_OF[stream.role]
    if entry.modality != wanted:
        raise FeatureError(
            f"encoder {spec.name!r} reads {entry.modality}, role {stream.role!r} is {wanted}; correct the profile"
        )
    if spec.revision is not None:
        raise FeatureError(
            f"encoder {spec.name!r} has no revisions, found {spec.revision!r}; remove it from the profile"
        )
    return entry.build(parse(entry.settings, spec.settings, where=f"settings of encoder {spec.name!r}"))


def spec_of(stream: Stream, profile: dict[Any, EncoderSpec]) -> EncoderSpec:
    """The profile's encoder for a stream.

    Raises:
        FeatureError: The profile has none for this role.
    """
    if stream.role not in profile:
        raise FeatureError(f"the profile has no encoder for role {stream.role!r}; it has {', '.join(profile)}")
    return profile[stream.role]


def _entry(spec: EncoderSpec) -> EncoderEntry:
    if spec.name not in ENCODERS:
        raise FeatureError(f"unknown encoder {spec.name!r}; {nearest(spec.name, ENCODERS)}")
    return ENCODERS[spec.name]
