"""The first half of each pretrained encoder: the work of its processor on one input.

Recordings and frames are prepared with NumPy and Pillow, by the settings in ``preprocessor_config.json``: importing
transformers, and torch with it, takes a reader process longer than reading a small corpus. Whisper's log-mel bands and
the tokenizers are transformers' own. Texts are prepared in the process that encodes, which has loaded both anyway.

Shapes: n samples, V windows of Whisper, M mel bands, F frames, I tokens.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from merflow.contracts.presets import EncoderSpec
from merflow.corpus.samples import RATE_HZ
from merflow.errors import FeatureError
from merflow.features.encoders.huggingface.checkpoints import config_of, json_of, locate
from merflow.features.encoders.huggingface.steps import FRAME_SAMPLES, speech_steps, windows_of
from merflow.features.encoders.interface import Prepared

Loaded = TypeVar("Loaded")

_SETTINGS = "preprocessor_config.json"

# WavLM's feature extractor adds this to a recording's variance.
LEAST_VARIANCE = 1e-7

# Names of a picture's sides in these settings.
_KEYS = ("shortest_edge", "height", "width")

# Families that number positions from the padding id plus one, as RoBERTa does.
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text")

# Pillow's number for bicubic resizing, which CLIP uses.
_BICUBIC = 3


class SpeechPreparer:
    """WavLM's feature extractor: samples are scaled to zero mean and unit variance, or left as they are.

    Args:
        folder: The encoder's folder.
        raw: True to leave samples as they are, whatever the folder's settings say.

    Attributes:
        normalizes: True if it scales samples.
    """

    def __init__(self, folder: Path, *, raw: bool = False) -> None:
        settings = json_of(folder / _SETTINGS)
        self.normalizes = bool(settings.get("do_normalize", True)) and not raw
        self._config = config_of(folder)
        _refuse_rate(folder, settings.get("sampling_rate", RATE_HZ))

    def prepare(self, source: np.ndarray) -> Prepared:
        """Return ``(n,)`` float32; the cost is in steps."""
        steps = speech_steps(len(source), self._config)
        if not steps:
            return Prepared(np.zeros(0, dtype=np.float32), cost=1)
        if self.normalizes:
            source = (source - source.mean()) / np.sqrt(source.var() + LEAST_VARIANCE)
        return Prepared(np.asarray(source, dtype=np.float32), cost=steps)


class WhisperPreparer:
    """Whisper's feature extractor: log-mel bands of consecutive windows of 30 s, the last one padded with silence.

    Attributes:
        extractor: transformers' feature extractor.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import WhisperFeatureExtractor

        self.extractor: Any = read_processor(folder, WhisperFeatureExtractor.from_pretrained)
        _refuse_rate(folder, self.extractor.sampling_rate)

    def prepare(self, source: np.ndarray) -> Prepared:
        """Return ``{"mel": (V, M, 3000) float32, "steps": (V,) int64}``; the cost is in steps, padding included."""
        spans = windows_of(len(source), window=self.extractor.n_samples)
        bands, frames = self.extractor.feature_size, self.extractor.nb_max_frames
        mel = np.zeros((len(spans), bands, frames), dtype=np.float32)
        for row, span in enumerate(spans):
            mel[row] = self.extractor(source[span], sampling_rate=RATE_HZ, return_tensors="np")["input_features"][0]
        steps = [-(-(span.stop - span.start) // FRAME_SAMPLES) for span in spans]
        return Prepared({"mel": mel, "steps": np.array(steps, dtype=np.int64)}, cost=max(1, len(spans) * frames // 2))


class AnyAudioPreparer:
    """A feature extractor of another kind, with any output per recording, ``(n, ...)``."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoFeatureExtractor

        self._extractor = read_processor(folder, AutoFeatureExtractor.from_pretrained)
        _refuse_rate(folder, self._extractor.sampling_rate)

    def prepare(self, source: np.ndarray) -> Prepared:
        """Return ``(n, ...)`` float32; the cost is in steps of 20 ms, an estimate."""
        if not len(source):
            return Prepared(np.zeros(0, dtype=np.float32), cost=1)
        made = self._extractor(source, sampling_rate=RATE_HZ, return_tensors="np")
        values = made.get("input_values", made.get("input_features"))
        return Prepared(np.asarray(values[0], dtype=np.float32), cost=max(1, len(source) // FRAME_SAMPLES))


def audio_preparer(folder: Path) -> "SpeechPreparer | AnyAudioPreparer":
    """Return the feature extractor of any audio model; that of wav2vec 2.0 and its kin needs no transformers."""
    settings = json_of(folder / _SETTINGS) if (folder / _SETTINGS).is_file() else {}
    kind = settings.get("feature_extractor_type", "")
    if kind == "Wav2Vec2FeatureExtractor" and "conv_kernel" in config_of(folder):
        return SpeechPreparer(folder)
    return AnyAudioPreparer(folder)


class TextPreparer:
    """A tokenizer: token ids with the special tokens at both ends, truncated to the encoder's limit.

    Attributes:
        tokenizer: transformers' tokenizer.
        limit: The maximum number of tokens per text, including special tokens.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.tokenizer: Any = read_processor(folder, AutoTokenizer.from_pretrained)
        self.limit = token_limit(config_of(folder), self.tokenizer.model_max_length)

    def prepare(self, source: str) -> Prepared:
        """Return ``(I,)`` int64, I = 0 for an empty text; the cost is in tokens."""
        if not source.strip():
            return Prepared(np.zeros(0, dtype=np.int64), cost=1)
        ids = np.array(self.tokenizer(source, truncation=True, max_length=self.limit)["input_ids"], dtype=np.int64)
        if len(ids) <= self.tokenizer.num_special_tokens_to_add():  # the tokenizer drops all of the text's characters
            return Prepared(np.zeros(0, dtype=np.int64), cost=1)
        return Prepared(ids, cost=len(ids))


class AnyImagePreparer:
    """An image processor of any kind, without the normalization, which the device does.

    Attributes:
        processor: The image processor, in its Pillow version, which needs no torchvision.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoImageProcessor

        self.processor: Any = read_processor(folder, partial(AutoImageProcessor.from_pretrained, backend="pil"))

    def prepare(self, source: np.ndarray) -> Prepared:
        """Turn ``(F, H, W, 3)`` uint8 into ``(F, 3, H, W)`` uint8 of the model's size; the cost is in frames."""
        if not len(source):
            return Prepared(np.zeros((0, 3, 1, 1), dtype=np.uint8), cost=1)
        made = self.processor(images=list(source), do_rescale=False, do_normalize=False, return_tensors="np")
        return Prepared(np.ascontiguousarray(made["pixel_values"], dtype=np.uint8), cost=len(source))


class ImagePreparer:
    """CLIP's image processor without the normalization: frames are resized and cropped.

    The device normalizes them: as uint8, pixels take a quarter of the bytes on their way there.
    """

    def __init__(self, folder: Path) -> None:
        settings = json_of(folder / _SETTINGS)
        if not (settings.get("do_resize", True) and settings.get("do_center_crop", True)):
            raise FeatureError(
                f"{folder / _SETTINGS} leaves pictures at their own sizes; set do_resize and do_center_crop to true"
            )
        self._size = _sides(settings, "size", folder)
        self._crop = _sides(settings, "crop_size", folder)
        self._resample = int(settings.get("resample", _BICUBIC))

    def prepare(self, source: np.ndarray) -> Prepared:
        """Turn ``(F, H, W, 3)`` uint8 into ``(F, 3, 224, 224)`` uint8; the cost is in frames."""
        from PIL import Image

        high, wide = (self._crop * 2)[:2]
        images = np.zeros((len(source), 3, high, wide), dtype=np.uint8)
        if len(source):
            height, width = self._resized(*source.shape[1:3])
            top, left = (height - high) // 2, (width - wide) // 2
            if top < 0 or left < 0:
                raise FeatureError(f"pictures of {width}x{height} after resizing are smaller than {wide}x{high}")
            box = (left, top, left + wide, top + high)
            for index, frame in enumerate(source):
                picture = Image.fromarray(frame).resize((width, height), Image.Resampling(self._resample)).crop(box)
                images[index] = np.asarray(picture).transpose(2, 0, 1)
        return Prepared(images, cost=max(1, len(source)))

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width after resizing: as set, or with the shorter side as set."""
        if len(self._size) == 2:
            return self._size[0], self._size[1]
        short = min(height, width)
        return int(self._size[0] * height / short), int(self._size[0] * width / short)


def _sides(settings: dict[str, Any], name: str, folder: Path) -> tuple[int, ...]:
    """Return height and width, or only the shortest edge; earlier versions wrote that as one number."""
    size = settings.get(name, 224)
    given = [size[key] for key in _KEYS if key in size] if isinstance(size, dict) else [size]
    sides = tuple(side for side in given if isinstance(side, int) and side > 0)
    if len(sides) == len(given) and len(given) in {1, 2}:
        return sides
    raise FeatureError(
        f"{folder / _SETTINGS} has {name} {size!r}, expected shortest_edge, or height and width; download it again"
    )


def image_processor(folder: Path) -> Any:  # noqa: ANN401 - transformers' own class
    """Read CLIP's image processor in its Pillow version, which needs no torchvision."""
    from transformers import CLIPImageProcessorPil

    return read_processor(folder, CLIPImageProcessorPil.from_pretrained)


def token_limit(config: dict[str, Any], tokenizer_limit: int) -> int:
    """Return the maximum number of tokens of an encoder, including special tokens: 512 for BERT and RoBERTa.

    RoBERTa numbers positions from its padding id plus one, so two of its 514 positions are never used.
    """
    unused = config["pad_token_id"] + 1 if config["model_type"] in _OFFSET_POSITIONS else 0
    positions = config.get("max_position_embeddings") or config.get("n_positions") or tokenizer_limit
    return min(int(tokenizer_limit), int(positions) - unused)


def read_processor(folder: Path, load: Callable[[Path], Loaded]) -> Loaded:
    """Read a processor from a folder.

    Raises:
        FeatureError: Its files cannot be read.
    """
    try:
        return load(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise FeatureError(f"the processor in {folder} cannot be read ({reason}); download the folder again") from error


def folder_of(spec: EncoderSpec) -> Path:
    """Return the folder of the encoder's files; locate it if that has not been done yet.

    Raises:
        FeatureError: See :func:`merflow.features.encoders.huggingface.checkpoints.locate`.
    """
    folder = locate(spec).folder
    assert folder is not None
    return Path(folder)


def _refuse_rate(folder: Path, rate_hz: int) -> None:
    if rate_hz != RATE_HZ:
        raise FeatureError(
            f"the encoder in {folder} reads {rate_hz} Hz, but recordings have {RATE_HZ} Hz; choose another encoder"
        )
