"""CLIP's image embeddings: the class token of the image tower, projected into the space shared with the text tower.

Shapes: N utterances, F frames, D width of the projection.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from merflow.contracts.streams import StreamShape
from merflow.features.encoders.huggingface.processors import ImagePreparer, image_processor
from merflow.features.encoders.huggingface.settings import CheckpointSettings
from merflow.features.encoders.huggingface.weights import compile_layers, computing, device_of, load_weights, to_device
from merflow.features.encoders.interface import Prepared

# Images per pass. ViT-L/14 needs about 1 GB for 64 in float32. A CPU is a fifth faster with a few images, which stay in
# its cache (measured on random weights of half base size).
_IMAGES = {"cuda": 64, "cpu": 8}


class ClipImage(ImagePreparer):
    """Frames -> ``(F, D)``."""

    def __init__(self, folder: Path, settings: CheckpointSettings, *, device: str) -> None:
        from transformers import CLIPVisionModelWithProjection

        super().__init__(folder)
        self._settings = settings
        self._device = device_of(device)
        model = load_weights(CLIPVisionModelWithProjection, folder, attn_implementation="sdpa")
        self._model = model.to(self._device)
        if settings.compile:
            compile_layers(self._model.vision_model.encoder.layers)
        self._factor, self._mean, self._std = self._scaling(folder)
        self.shape = StreamShape(layers=None, width=self._model.config.projection_dim)

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return one float32 array per utterance; every frame is encoded by itself."""
        frames = [len(prepared.values) for prepared in batch]
        if not sum(frames):
            return [np.zeros((0, self.shape.width), dtype=np.float32) for _ in batch]
        pixels = np.concatenate([prepared.values for prepared in batch])
        with computing(self._device, self._settings.dtype):
            images = _IMAGES[self._device.type]
            parts = [self._embed(pixels[start : start + images]) for start in range(0, len(pixels), images)]
            embeddings = torch.cat(parts).float().cpu().numpy()
        return [np.array(part) for part in np.split(embeddings, np.cumsum(frames)[:-1])]

    def _embed(self, pixels: np.ndarray) -> Tensor:
        images = to_device(pixels, self._device).float() * self._factor
        embedded: Tensor = self._model((images - self._mean) / self._std).image_embeds
        return embedded

    def _scaling(self, folder: Path) -> tuple[float, Tensor, Tensor]:
        """Return factor, mean and deviation of the image processor; those that it does not apply are neutral."""
        processor = image_processor(folder)
        factor = processor.rescale_factor if processor.do_rescale else 1.0
        mean, std = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0] * 3, [1.0] * 3)
        shaped = [torch.tensor(values, device=self._device).view(1, 3, 1, 1) for values in (mean, std)]
        return float(factor), shaped[0], shaped[1]
