"""The encoders by the names that profiles use, and the functions that build them.

transformers and torch are imported only when a pretrained encoder is built.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import MODALITY_OF, Modality, Stream
from merflow.contracts.strict import Strict, parse
from merflow.errors import FeatureError, nearest
from merflow.features.encoders.huggingface import families
from merflow.features.encoders.huggingface.settings import (
    CheckpointSettings,
    LayeredSettings,
    PictureSettings,
    SpeechSettings,
)
from merflow.features.encoders.interface import Encoder, Preparer
from merflow.features.encoders.lite.speech import (
    LiteSpeech,
    LiteSpeechLayers,
    LiteSpeechLayersSettings,
    LiteSpeechSettings,
)
from merflow.features.encoders.lite.text import LiteText, LiteTextLayers, LiteTextLayersSettings, LiteTextSettings
from merflow.features.encoders.lite.video import LiteVideo, LiteVideoSettings
from merflow.features.encoders.precomputed import PRECOMPUTED, PrecomputedSettings, precomputed, settings_modality


@dataclass(frozen=True)
class EncoderEntry:
    """One encoder that profiles can name.

    Attributes:
        modality: The encoder's input: samples, a text, or frames; None if its settings decide.
        settings: Class of the settings that a profile gives it.
        version: Raised with every change to the encoder's output, so that a store never mixes two versions.
        preparer: Builds the first half from settings and spec; called in every worker process.
        encoder: Builds the whole from settings, spec and device (``auto``, ``cpu``, ``cuda``); called once.
        revised: True if its weights have revisions.
        cpu_cost: Cost of the batch that a CPU encodes fastest; None if it makes no difference. A few sentences or
            seconds keep a core busy, and more inputs at a time only exceed its cache: in batches as large as a GPU's,
            texts take twice as long and recordings a fifth longer (measured on random weights of half base size).
    """

    modality: Modality | None
    settings: type[Strict]
    version: int
    preparer: Callable[[Any, EncoderSpec], Preparer]
    encoder: Callable[[Any, EncoderSpec, str], Encoder]
    revised: bool = False
    cpu_cost: int | None = None


def _lite(modality: Modality, settings: type[Strict], version: int, build: Callable[[Any], Encoder]) -> EncoderEntry:
    """Return the entry of an encoder without weights, whose two halves are the same object."""
    return EncoderEntry(
        modality,
        settings,
        version,
        preparer=lambda parsed, _spec: build(parsed),
        encoder=lambda parsed, _spec, _device: build(parsed),
    )


ENCODERS: dict[str, EncoderEntry] = {
    "lite-speech": _lite("audio", LiteSpeechSettings, 2, LiteSpeech),
    "lite-speech-layers": _lite("audio", LiteSpeechLayersSettings, 2, LiteSpeechLayers),
    "lite-text": _lite("text", LiteTextSettings, 2, LiteText),
    "lite-text-layers": _lite("text", LiteTextLayersSettings, 2, LiteTextLayers),
    "lite-video": _lite("video", LiteVideoSettings, 1, LiteVideo),
    PRECOMPUTED: EncoderEntry(None, PrecomputedSettings, 1, precomputed, precomputed),
    "wavlm": EncoderEntry(
        "audio", SpeechSettings, 1, families.speech_preparer, families.wavlm, revised=True, cpu_cost=250
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
    # Any model that transformers loads with AutoModel.
    "audio": EncoderEntry(
        "audio", LayeredSettings, 1, families.any_audio_preparer, families.any_audio, revised=True, cpu_cost=250
    ),
    "text": EncoderEntry(
        "text", LayeredSettings, 1, families.text_preparer, families.any_text, revised=True, cpu_cost=512
    ),
    "image": EncoderEntry("video", PictureSettings, 1, families.any_image_preparer, families.any_image, revised=True),
}


def encoder_entry(spec: EncoderSpec) -> EncoderEntry:
    """Return the entry of a profile's encoder.

    Raises:
        FeatureError: No encoder has the spec's name.
    """
    if spec.name not in ENCODERS:
        raise FeatureError(f"unknown encoder {spec.name!r}; {nearest(spec.name, ENCODERS)}")
    return ENCODERS[spec.name]


def modality_of(spec: EncoderSpec) -> Modality | None:
    """Return an encoder's input; None if no encoder has this name, or its settings name none."""
    if spec.name not in ENCODERS:
        return None
    return ENCODERS[spec.name].modality or settings_modality(spec.settings)


def build_preparer(spec: EncoderSpec, stream: Stream) -> Preparer:
    """Build the first half of a stream's encoder, without weights and without torch.

    Raises:
        FeatureError: No encoder has the spec's name, it reads another modality than the role's, or its processor
            cannot be read.
        ParamsError: The spec's settings are wrong for the encoder.
    """
    entry, settings = _checked(spec, stream)
    return entry.preparer(settings, spec)


def build_encoder(spec: EncoderSpec, stream: Stream, *, device: str = "auto") -> Encoder:
    """Build a stream's encoder on its device.

    Args:
        spec: The profile's entry.
        stream: The stream that a model requests.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.

    Raises:
        FeatureError: No encoder has the spec's name, it reads another modality than the role's, or its weights are
            missing.
        ParamsError: The spec's settings are wrong for the encoder.
    """
    entry, settings = _checked(spec, stream)
    return entry.encoder(settings, spec, device)


def check_encoder(spec: EncoderSpec, stream: Stream) -> None:
    """Check that a stream's encoder exists, has valid settings and yields the layers that the stream's role reads.

    Raises:
        FeatureError: No encoder has the spec's name, or it reads another modality or yields other layers than the
            role's.
        ParamsError: The spec's settings are wrong for the encoder.
    """
    _, settings = _checked(spec, stream)
    layers = getattr(settings, "layers", "last")
    needed = stream.role.endswith("_layers")
    if needed and layers == "last":
        raise FeatureError(
            f"encoder {spec.name!r} yields one layer, but role {stream.role!r} reads several; set layers to all or "
            "transformer, or choose an encoder with layers"
        )
    if not needed and layers != "last":
        raise FeatureError(
            f"encoder {spec.name!r} yields layers {layers!r}, but role {stream.role!r} reads one; set layers to last"
        )


def batch_cost(spec: EncoderSpec, *, device: str, most: int) -> int:
    """Return the largest cost of a padded batch: ``most``, or less on a CPU where that is faster.

    Raises:
        FeatureError: No encoder has the spec's name, or the device is ``cuda`` and there is no GPU.
    """
    cpu_cost = encoder_entry(spec).cpu_cost
    if cpu_cost is None:
        return most
    from merflow.features.encoders.huggingface.weights import device_of

    return min(most, cpu_cost) if device_of(device).type == "cpu" else most


def _checked(spec: EncoderSpec, stream: Stream) -> tuple[EncoderEntry, Strict]:
    entry, modality = encoder_entry(spec), MODALITY_OF[stream.role]
    reads = modality_of(spec)
    if reads not in (modality, None):
        raise FeatureError(
            f"encoder {spec.name!r} reads {reads}, but role {stream.role!r} is {modality}; correct the profile"
        )
    if spec.revision is not None and not entry.revised:
        raise FeatureError(
            f"encoder {spec.name!r} has no revisions, but the profile gives {spec.revision!r}; remove it there"
        )
    return entry, parse(entry.settings, spec.settings, where=f"settings of encoder {spec.name!r}")
