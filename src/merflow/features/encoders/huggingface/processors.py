"""The first half of each pretrained encoder: what its processor does to one input.

What a reader process does is done here with NumPy and Pillow from the settings in ``preprocessor_config.json``: to
import transformers, and torch with it, takes a process longer than to read a small corpus. Whisper's log-mel bands and
tokenizers are transformers' own; texts are prepared in the process that encodes, where both are loaded anyway.

Shapes: n samples, V windows of Whisper, M mel bands, F frames, I tokens.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from merflow.contracts.presets import EncoderSpec
from merflow.corpus.samples import RATE_HZ
from merflow.errors import FeatureError
from merflow.features.encoders.huggingface.checkpoints import config_of, json_of, locate
from merflow.features.encoders.huggingface.step_times import FRAME_SAMPLES, speech_steps, windows_of
from merflow.features.encoders.interface import Prepared

Loaded = TypeVar("Loaded")

_SETTINGS = "preprocessor_config.json"

# What WavLM's feature extractor adds to a recording's variance.
_LEAST_VARIANCE = 1e-7

# How its settings name the sides of a picture.
_KEYS = ("shortest_edge", "height", "width")

# Pillow's number of the filter that CLIP's pictures are resized with.
_BICUBIC = 3


class SpeechPreparer:
    """Samples ``(n,)`` as WavLM's own feature extractor scales them: to zero mean and unit variance, or not at all."""

    def __init__(self, folder: Path) -> None:
        settings = json_of(folder / _SETTINGS)
        self._normalizes = bool(settings.get("do_normalize", True))
        self._config = config_of(folder)
        _refuse_rate(folder, settings.get("sampling_rate", RATE_HZ))

    def prepare(self, source: np.ndarray) -> Prepared:
        """``(n,)`` float32; cost in steps."""
        steps = speech_steps(len(source), self._config)
        if not steps:
            return Prepared(np.zeros(0, dtype=np.float32), cost=1)
        if self._normalizes:
            source = (source - source.mean()) / np.sqrt(source.var() + _LEAST_VARIANCE)
        return Prepared(np.asarray(source, dtype=np.float32), cost=steps)


class WhisperPreparer:
    """Samples as Whisper's log-mel bands of one window (30 s) after the other, the last one padded with silence."""

    def __init__(self, folder: Path) -> None:
        from transformers import WhisperFeatureExtractor

        self._extractor = read_processor(folder, WhisperFeatureExtractor.from_pretrained)
        _refuse_rate(folder, self._extractor.sampling_rate)

    def prepare(self, source: np.ndarray) -> Prepared:
        """``{"mel": (V, M, 3000) float32, "steps": (V,) int64}``; cost in steps, padding included."""
        spans = windows_of(len(source), window=self._extractor.n_samples)
        bands, frames = self._extractor.feature_size, self._extractor.nb_max_frames
        mel = np.zeros((len(spans), bands, frames), dtype=np.float32)
        for row, span in enumerate(spans):
            mel[row] = self._extractor(source[span], sampling_rate=RATE_HZ, return_tensors="np")["input_features"][0]
        steps = [-(-(span.stop - span.start) // FRAME_SAMPLES) for span in spans]
        return Prepared({"mel": mel, "steps": np.array(steps, dtype=np.int64)}, cost=max(1, len(spans) * frames // 2))


class TextPreparer:
    """A text as token ids with the special tokens at both ends, cut to the encoder's limit."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = read_processor(folder, AutoTokenizer.from_pretrained)
        self._limit = token_limit(config_of(folder), self._tokenizer.model_max_length)

    def prepare(self, source: str) -> Prepared:
        """``(I,)`` int64, I = 0 where the text is empty; cost in tokens."""
        if not source.strip():
            return Prepared(np.zeros(0, dtype=np.int64), cost=1)
        ids = np.array(self._tokenizer(source, truncation=True, max_length=self._limit)["input_ids"], dtype=np.int64)
        if len(ids) <= self._tokenizer.num_special_tokens_to_add():  # of characters that the tokenizer drops
            return Prepared(np.zeros(0, dtype=np.int64), cost=1)
        return Prepared(ids, cost=len(ids))


class ImagePreparer:
    """Frames resized and cropped as CLIP's image processor does; the device scales and normalises them.

    Pixels stay uint8 on their way to the device, a quarter of the bytes of normalised ones.
    """

    def __init__(self, folder: Path) -> None:
        settings = json_of(folder / _SETTINGS)
        if not (settings.get("do_resize", True) and settings.get("do_center_crop", True)):
            raise FeatureError(
                f"{folder / _SETTINGS} leaves pictures at their own sizes; set do_resize and do_center_crop there"
            )
        self._size = _sides(settings, "size", folder)
        self._crop = _sides(settings, "crop_size", folder)
        self._resample = int(settings.get("resample", _BICUBIC))

    def prepare(self, source: np.ndarray) -> Prepared:
        """``(F, H, W, 3)`` uint8 -> ``(F, 3, 224, 224)`` uint8; cost in frames."""
        from PIL import Image

        high, wide = (self._crop * 2)[:2]
        images = np.zeros((len(source), 3, high, wide), dtype=np.uint8)
        if len(source):
            height, width = self._resized(*source.shape[1:3])
            top, left = (height - high) // 2, (width - wide) // 2
            if top < 0 or left < 0:
                raise FeatureError(f"pictures of {width}x{height} after resizing are smaller than {wide}x{high}")
            box = (left, top, left + wide, top + high)
            for place, frame in enumerate(source):
                picture = Image.fromarray(frame).resize((width, height), Image.Resampling(self._resample)).crop(box)
                images[place] = np.asarray(picture).transpose(2, 0, 1)
        return Prepared(images, cost=max(1, len(source)))

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after resizing: both as given, or the shorter one as given and the proportions kept."""
        if len(self._size) == 2:
            return self._size[0], self._size[1]
        short = min(height, width)
        return int(self._size[0] * height / short), int(self._size[0] * width / short)


def _sides(settings: dict[str, Any], name: str, folder: Path) -> tuple[int, ...]:
    """Height and width, or the shortest edge alone; earlier versions wrote that as one number."""
    size = settings.get(name, 224)
    given = [size[key] for key in _KEYS if key in size] if isinstance(size, dict) else [size]
    sides = tuple(side for side in given if isinstance(side, int) and side > 0)
    if len(sides) == len(given) and len(given) in {1, 2}:
        return sides
    raise FeatureError(
        f"{folder / _SETTINGS} has {name} {size!r}, expected shortest_edge, or height and width; download it again"
    )


def image_processor(folder: Path) -> Any:  # noqa: ANN401 - transformers' own class
    """CLIP's image processor on Pillow, which needs no torchvision."""
    from transformers import CLIPImageProcessorPil

    return read_processor(folder, CLIPImageProcessorPil.from_pretrained)


def token_limit(config: dict[str, Any], tokenizer_limit: int) -> int:
    """Tokens that an encoder takes, special ones included: 512 for BERT and RoBERTa.

    RoBERTa counts positions from one beyond its padding id, so two of its 514 are never used.
    """
    unused = config["pad_token_id"] + 1 if config["model_type"] == "roberta" else 0
    return min(int(tokenizer_limit), int(config["max_position_embeddings"]) - unused)


def read_processor(folder: Path, load: Callable[[Path], Loaded]) -> Loaded:
    """A processor from a folder.

    Raises:
        FeatureError: Its files cannot be read.
    """
    try:
        return load(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FeatureError(f"the processor in {folder} cannot be read ({reason}); download the folder again") from error


def folder_of(spec: EncoderSpec) -> Path:
    """Where the encoder's files are; looked up where that was not done yet.

    Raises:
        FeatureError: See :func:`merflow.features.encoders.huggingface.checkpoints.locate`.
    """
    folder = locate(spec).folder
    assert folder is not None
    return Path(folder)


def _refuse_rate(folder: Path, rate_hz: int) -> None:
    if rate_hz != RATE_HZ:
        raise FeatureError(f"the encoder in {folder} hears {rate_hz} Hz, recordings are {RATE_HZ} Hz; choose another")
