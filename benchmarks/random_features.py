"""Random features with the sizes of the papers' encoders and the lengths of IEMOCAP's utterances, for speed alone.

Every utterance is a stretch of one pool of random steps a stream, so that memory does not grow with the corpus; a batch
is a gather from it, as from features that are resident.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch
from merflow.contracts.presets import Preset
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.models import MODELS
from merflow.presets import catalogue

# The preset of each model that stands for it.
FULL = {
    "context-mmt": "mmt-frozen",
    "foal-net": "full",
    "gia-mic": "full",
    "layer-adapter-fusion": "stc-mf-la",
    "mfdr": "full",
}
# Layers and width of what the paper profile's encoders give.
SHAPES: dict[str, StreamShape] = {
    "speech/wavlm-large": StreamShape(None, 1024),
    "speech/wavlm-base": StreamShape(None, 768),
    "speech_layers/wavlm-large": StreamShape(25, 1024),
    "speech_layers/wavlm-base": StreamShape(12, 768),
    "video/clip-vit-large": StreamShape(None, 768),
    "text/roberta-base": StreamShape(None, 768),
    "text/bert-base": StreamShape(None, 768),
    "text_layers/bert-base": StreamShape(13, 768),
    "text_layers/roberta-base": StreamShape(12, 768),
    "context/whisper-small.en": StreamShape(None, 768),
}
_PLAIN = {"speech": "wavlm-large", "speech_layers": "wavlm-large", "text": "roberta-base", "text_layers": "bert-base"}
# Durations of the 5531 utterances of four classes: share -> seconds; between them they are interpolated by logarithm.
_QUANTILES = {0.0: 0.585, 0.05: 1.386, 0.5: 3.576, 0.95: 11.059, 0.99: 15.544, 1.0: 34.139}
# Angry, happy, neutral, sad.
_CLASS_COUNTS = (1103, 1636, 1708, 1084)
# An assumption, for texts are not public: 2.6 words a second, 1.2 tokens a word, two special tokens.
_TOKENS_A_SECOND, _SPECIAL_TOKENS = 3.1, 2
_STEPS_A_SECOND = 50
_MOST_PICTURES = 180
_POOL_STEPS = 2048


def full_presets(models: Sequence[str] | None = None) -> list[Preset]:
    """One preset of each model, of every registered one where none is named."""
    return [catalogue.preset(f"{model}:{FULL[model]}") for model in models or MODELS]


def durations_s(count: int) -> np.ndarray:
    """``(count,)`` seconds, spread evenly over the quantiles of the real corpus."""
    shares = (np.arange(count) + 0.5) / count
    return np.exp(np.interp(shares, list(_QUANTILES), np.log(list(_QUANTILES.values()))))


class RandomUtterances:
    """Utterances for one preset; a :class:`merflow.training.stages.Source`."""

    def __init__(self, preset: Preset, *, count: int, device: torch.device, seed: int = 0) -> None:
        """Makes the pools.

        Args:
            preset: Says which streams.
            count: Utterances.
            device: Where the pools, and so the batches, are.
            seed: Of values, labels and the order of lengths.
        """
        random = np.random.default_rng(seed)
        seconds = random.permutation(durations_s(count))
        self.streams: tuple[Stream, ...] = MODELS[preset.model].configure(preset.config).streams()
        self.steps = {stream.role: steps_of(stream, seconds) for stream in self.streams}
        self.lengths = np.max([self.steps[s.role] for s in self.streams if not s.neighbours], axis=0)
        counts = np.asarray(_CLASS_COUNTS)
        self.labels: np.ndarray = random.choice(len(counts), size=count, p=counts / counts.sum())
        self._labels = torch.from_numpy(self.labels).to(device)
        generator = torch.Generator().manual_seed(seed)
        self._pools = {
            role: torch.randn(_POOL_STEPS, *_entry(shape), generator=generator).to(device)
            for role, shape in self.shapes.items()
        }
        self._starts = {
            role: random.integers(0, _POOL_STEPS - steps.max() + 1, size=count) for role, steps in self.steps.items()
        }

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shapes(self) -> Mapping[Role, StreamShape]:
        """Role -> layers and width."""
        return {stream.role: shape_of(stream) for stream in self.streams}

    def batch(self, indices: Sequence[int]) -> Batch:
        """The utterances at these positions, padded to the longest of each role."""
        chosen = np.asarray(indices)
        features: dict[Role, Tensor] = {}
        present: dict[Role, Tensor] = {}
        for role, pool in self._pools.items():
            steps = self.steps[role][chosen, None]
            offsets = np.arange(steps.max())[None]
            places = torch.from_numpy(self._starts[role][chosen, None] + np.minimum(offsets, steps - 1))
            features[role] = pool[_moved(places, pool.device)]
            present[role] = _moved(torch.from_numpy(offsets < steps), pool.device)
        labels = self._labels[_moved(torch.from_numpy(chosen), self._labels.device)]
        return Batch(features, present, labels, tuple(map(str, indices)))

    def model(self, preset: Preset) -> nn.Module:
        """The preset's model at its real size."""
        entry = MODELS[preset.model]
        torch.manual_seed(0)
        return entry.model(entry.configure(preset.config), shapes=self.shapes, classes=len(_CLASS_COUNTS))


def shape_of(stream: Stream) -> StreamShape:
    """Sizes of a stream in the paper profile."""
    return SHAPES[stream.slot if stream.encoder else f"{stream.role}/{_PLAIN[stream.role]}"]


def steps_of(stream: Stream, seconds: np.ndarray) -> np.ndarray:
    """``(len,)`` steps of a stream for utterances of these durations."""
    heard = np.minimum(seconds, stream.clip_s or np.inf)
    if stream.neighbours:
        return np.full(len(seconds), 2 * stream.neighbours + 1)
    if stream.role == "video":
        return np.asarray(np.clip(np.round(30 * heard), 1, _MOST_PICTURES), dtype=np.int64)
    if stream.role in ("text", "text_layers"):
        return np.asarray(np.round(_TOKENS_A_SECOND * seconds) + _SPECIAL_TOKENS, dtype=np.int64)
    return np.asarray(np.maximum(1, np.floor(_STEPS_A_SECOND * heard) - 1), dtype=np.int64)


def _entry(shape: StreamShape) -> tuple[int, ...]:
    return (shape.width,) if shape.layers is None else (shape.layers, shape.width)


def _moved(values: Tensor, device: torch.device) -> Tensor:
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values
