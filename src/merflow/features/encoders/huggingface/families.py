"""How the table of encoders makes the pretrained ones; transformers and torch are imported when one is made."""

from typing import TYPE_CHECKING

from merflow.contracts.presets import EncoderSpec
from merflow.features.encoders.huggingface.settings import CheckpointSettings, LayeredSettings

if TYPE_CHECKING:  # the table of encoders imports this module
    from merflow.features.encoders.catalogue import Encoder, Preparer


def speech_preparer(_settings: LayeredSettings, spec: EncoderSpec) -> "Preparer":
    """WavLM's feature extractor."""
    from merflow.features.encoders.huggingface.processors import SpeechPreparer, folder_of

    return SpeechPreparer(folder_of(spec))


def whisper_preparer(_settings: LayeredSettings, spec: EncoderSpec) -> "Preparer":
    """Whisper's feature extractor."""
    from merflow.features.encoders.huggingface.processors import WhisperPreparer, folder_of

    return WhisperPreparer(folder_of(spec))


def text_preparer(_settings: LayeredSettings, spec: EncoderSpec) -> "Preparer":
    """A tokenizer."""
    from merflow.features.encoders.huggingface.processors import TextPreparer, folder_of

    return TextPreparer(folder_of(spec))


def image_preparer(_settings: CheckpointSettings, spec: EncoderSpec) -> "Preparer":
    """CLIP's image processor."""
    from merflow.features.encoders.huggingface.processors import ImagePreparer, folder_of

    return ImagePreparer(folder_of(spec))


def wavlm(settings: LayeredSettings, spec: EncoderSpec, device: str) -> "Encoder":
    """WavLM, base or large."""
    from merflow.features.encoders.huggingface.processors import folder_of
    from merflow.features.encoders.huggingface.wavlm import WavLM

    return WavLM(folder_of(spec), settings, device=device)


def whisper_encoder(settings: LayeredSettings, spec: EncoderSpec, device: str) -> "Encoder":
    """Whisper's encoder."""
    from merflow.features.encoders.huggingface.processors import folder_of
    from merflow.features.encoders.huggingface.whisper import WhisperEncoder

    return WhisperEncoder(folder_of(spec), settings, device=device)


def text_encoder(settings: LayeredSettings, spec: EncoderSpec, device: str) -> "Encoder":
    """RoBERTa or BERT, by the spec's name."""
    from merflow.features.encoders.huggingface.processors import folder_of
    from merflow.features.encoders.huggingface.text import TextEncoder

    return TextEncoder(folder_of(spec), settings, device=device, roberta=spec.name == "roberta")


def clip_image(settings: CheckpointSettings, spec: EncoderSpec, device: str) -> "Encoder":
    """CLIP's image tower with its projection."""
    from merflow.features.encoders.huggingface.clip import ClipImage
    from merflow.features.encoders.huggingface.processors import folder_of

    return ClipImage(folder_of(spec), settings, device=device)
