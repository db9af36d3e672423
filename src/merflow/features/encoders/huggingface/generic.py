"""The encoders of any family: ``audio``, ``text`` and ``image`` read models that transformers loads with AutoModel.

The model's own feature extractor, tokenizer or image processor prepares its inputs.

Shapes: U inputs of a batch, n samples or tokens, F frames, T steps, L layers, D width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from merflow.contracts.streams import Modality
from merflow.corpus.samples import RATE_HZ
from merflow.errors import FeatureError
from merflow.features.encoders.huggingface.automodel import PictureNetwork, SequenceNetwork
from merflow.features.encoders.huggingface.checkpoints import config_of
from merflow.features.encoders.huggingface.processors import (
    AnyImagePreparer,
    TextPreparer,
    audio_preparer,
)
from merflow.features.encoders.huggingface.settings import LayeredSettings, PictureSettings
from merflow.features.encoders.huggingface.weights import computing, device_of, to_device
from merflow.features.encoders.interface import Prepared, Preparer

# Pictures per pass, as for CLIP.
_IMAGES = {"cuda": 64, "cpu": 8}
_EXAMPLES_S = (1.0, 0.4)
_EXAMPLE_TEXTS = ("Well, I really do not know what to say to you any more.", "Oh, no!")


class SequenceEncoder:
    """Recordings or texts -> ``(T, D)`` or ``(T, L, D)``.

    Attributes:
        alone: True if every input is encoded by itself, because padding would change its numbers.
    """

    def __init__(self, folder: Path, settings: LayeredSettings, *, modality: Modality, device: str) -> None:
        self._preparer = sequence_preparer(folder, modality)
        self._settings, self._device = settings, device_of(device)
        network = sequence_network(folder, settings, modality=modality, preparer=self._preparer)
        self._network = network.to(self._device)
        if settings.compile:
            self._network.compile(dynamic=True)
        self._fill = int(config_of(folder).get("pad_token_id") or 0) if modality == "text" else 0
        self.shape = network.shape
        self.alone = not network.pads

    def prepare(self, source: np.ndarray | str) -> Prepared:
        """Prepare one input; see :mod:`merflow.features.encoders.huggingface.processors`."""
        return self._preparer.prepare(source)

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return one float32 array per input."""
        entry = (self.shape.width,) if self.shape.layers is None else (self.shape.layers, self.shape.width)
        encoded = [np.zeros((0, *entry), dtype=np.float32)] * len(batch)
        rows = [row for row, prepared in enumerate(batch) if len(prepared.values)]
        for group in [[row] for row in rows] if self.alone else [rows] * bool(rows):
            for row, values in zip(group, self._arrays([batch[row].values for row in group]), strict=True):
                encoded[row] = values
        return encoded

    def _arrays(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        lengths = [len(each) for each in inputs]
        values = np.full((len(inputs), max(lengths), *inputs[0].shape[1:]), self._fill, dtype=inputs[0].dtype)
        for row, each in enumerate(inputs):
            values[row, : len(each)] = each
        with computing(self._device, self._settings.dtype):
            try:
                states = self._network(
                    to_device(values, self._device), torch.tensor(lengths, dtype=torch.int64, device=self._device)
                )
            except RuntimeError as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                raise FeatureError(f"the model cannot encode it: {str(error).partition(chr(10))[0]}") from error
            host: Tensor = states.float().cpu()
        counts = [host.shape[1]] if self.alone else [self._network.steps(length) for length in lengths]
        return [np.array(row[:count]) for row, count in zip(host.numpy(), counts, strict=True)]


class PictureEncoder(AnyImagePreparer):
    """Frames -> ``(F, D)``."""

    def __init__(self, folder: Path, settings: PictureSettings, *, device: str) -> None:
        super().__init__(folder)
        self._settings, self._device = settings, device_of(device)
        self._network = picture_network(folder, settings).to(self._device)
        if settings.compile:
            self._network.compile(dynamic=True)
        self.shape = self._network.shape

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return one float32 array per utterance; every frame is encoded by itself."""
        frames = [len(prepared.values) for prepared in batch]
        if not sum(frames):
            return [np.zeros((0, self.shape.width), dtype=np.float32) for _ in batch]
        pixels = np.concatenate([prepared.values for prepared in batch if len(prepared.values)])
        images = _IMAGES[self._device.type]
        with computing(self._device, self._settings.dtype):
            parts = [
                self._network(to_device(part, self._device), torch.ones(len(part)))[:, 0]
                for part in (pixels[start : start + images] for start in range(0, len(pixels), images))
            ]
            vectors = torch.cat(parts).float().cpu().numpy()
        return [np.array(part) for part in np.split(vectors, np.cumsum(frames)[:-1])]


def sequence_preparer(folder: Path, modality: Modality) -> Preparer:
    """Return the tokenizer or feature extractor of a folder."""
    return TextPreparer(folder) if modality == "text" else audio_preparer(folder)


def sequence_network(
    folder: Path, settings: LayeredSettings, *, modality: Modality, preparer: Preparer | None = None
) -> SequenceNetwork:
    """Build a model of recordings or texts, measured with examples; in float32 on the CPU, all parameters frozen."""
    preparer = preparer or sequence_preparer(folder, modality)
    return SequenceNetwork(folder, settings, modality=modality, examples=sequence_examples(modality, preparer))


def sequence_examples(modality: Modality, preparer: Preparer) -> list[np.ndarray]:
    """Return two prepared inputs of different lengths, the longer first."""
    if modality == "text":
        return [preparer.prepare(text).values for text in _EXAMPLE_TEXTS]
    noise = np.random.default_rng(0).standard_normal(int(_EXAMPLES_S[0] * RATE_HZ)).astype(np.float32) / 10
    return [preparer.prepare(noise[: int(seconds * RATE_HZ)]).values for seconds in _EXAMPLES_S]


def picture_network(folder: Path, settings: PictureSettings) -> PictureNetwork:
    """Build a model of pictures; in float32 on the CPU, all parameters frozen."""
    preparer = AnyImagePreparer(folder)
    return PictureNetwork(folder, settings, processor=preparer.processor, example=picture_example(preparer))


def picture_example(preparer: AnyImagePreparer) -> np.ndarray:
    """Return one prepared picture."""
    picture = np.random.default_rng(0).integers(0, 255, (1, 120, 160, 3), dtype=np.uint8)
    values: np.ndarray = preparer.prepare(picture).values[0]
    return values
