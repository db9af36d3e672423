"""Builders of the pretrained encoders, one per model family; each imports transformers and torch when it is called."""

from merflow.contracts.presets import EncoderSpec
from merflow.features.encoders.huggingface.settings import (
    CheckpointSettings,
    LayeredSettings,
    PictureSettings,
    SpeechSettings,
)
from merflow.features.encoders.interface import Encoder, Preparer


def speech_preparer(settings: SpeechSettings, spec: EncoderSpec) -> Preparer:
    """Build WavLM's feature extractor."""
    from merflow.features.encoders.huggingface.processors import SpeechPreparer, folder_of

    return SpeechPreparer(folder_of(spec), raw=settings.raw_waveform)


def whisper_preparer(_settings: LayeredSettings, spec: EncoderSpec) -> Preparer:
    """Build Whisper's feature extractor."""
    from merflow.features.encoders.huggingface.processors import WhisperPreparer, folder_of

    return WhisperPreparer(folder_of(spec))


def text_preparer(_settings: LayeredSettings, spec: EncoderSpec) -> Preparer:
    """Build a tokenizer."""
    from merflow.features.encoders.huggingface.processors import TextPreparer, folder_of

    return TextPreparer(folder_of(spec))


def image_preparer(_settings: CheckpointSettings, spec: EncoderSpec) -> Preparer:
    """Build CLIP's image processor."""
    from merflow.features.encoders.huggingface.processors import ImagePreparer, folder_of

    return ImagePreparer(folder_of(spec))


def any_audio_preparer(_settings: LayeredSettings, spec: EncoderSpec) -> Preparer:
    """Build the feature extractor of any audio model."""
    from merflow.features.encoders.huggingface.processors import audio_preparer, folder_of

    return audio_preparer(folder_of(spec))


def any_image_preparer(_settings: PictureSettings, spec: EncoderSpec) -> Preparer:
    """Build the image processor of any image model."""
    from merflow.features.encoders.huggingface.processors import AnyImagePreparer, folder_of

    return AnyImagePreparer(folder_of(spec))


def wavlm(settings: SpeechSettings, spec: EncoderSpec, device: str) -> Encoder:
    """Build WavLM, base or large."""
    from merflow.features.encoders.huggingface.processors import folder_of
    from merflow.features.encoders.huggingface.wavlm import WavLM

    return WavLM(folder_of(spec), settings, device=device)


def whisper_encoder(settings: LayeredSettings, spec: EncoderSpec, device: str) -> Encoder:
    """Build Whisper's encoder."""
    from merflow.features.encoders.huggingface.processors import folder_of
    from merflow.features.encoders.huggingface.whisper_encoder import WhisperEncoder

    return WhisperEncoder(folder_of(spec), settings, device=device)


def text_encoder(settings: LayeredSettings, spec: EncoderSpec, device: str) -> Encoder:
    """Build RoBERTa or BERT, as the spec's name says."""
    from merflow.features.encoders.huggingface.processors import folder_of
    from merflow.features.encoders.huggingface.text import TextEncoder

    return TextEncoder(folder_of(spec), settings, device=device, roberta=spec.name == "roberta")


def clip_image(settings: CheckpointSettings, spec: EncoderSpec, device: str) -> Encoder:
    """Build CLIP's image tower with its projection."""
    from merflow.features.encoders.huggingface.clip import ClipImage
    from merflow.features.encoders.huggingface.processors import folder_of

    return ClipImage(folder_of(spec), settings, device=device)


def any_audio(settings: LayeredSettings, spec: EncoderSpec, device: str) -> Encoder:
    """Build any audio model."""
    from merflow.features.encoders.huggingface.generic import SequenceEncoder
    from merflow.features.encoders.huggingface.processors import folder_of

    return SequenceEncoder(folder_of(spec), settings, modality="audio", device=device)


def any_text(settings: LayeredSettings, spec: EncoderSpec, device: str) -> Encoder:
    """Build any text model."""
    from merflow.features.encoders.huggingface.generic import SequenceEncoder
    from merflow.features.encoders.huggingface.processors import folder_of

    return SequenceEncoder(folder_of(spec), settings, modality="text", device=device)


def any_image(settings: PictureSettings, spec: EncoderSpec, device: str) -> Encoder:
    """Build any image model."""
    from merflow.features.encoders.huggingface.generic import PictureEncoder
    from merflow.features.encoders.huggingface.processors import folder_of

    return PictureEncoder(folder_of(spec), settings, device=device)
