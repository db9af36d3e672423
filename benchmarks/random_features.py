"""Random features with the sizes of the papers' encoders and the lengths of IEMOCAP's utterances, for speed alone.

Every utterance is a stretch of one pool of random steps per stream, so memory does not grow with the corpus. A batch is
made by the same code, and at the same cost, as from features that are resident in training: 16 bits per value, widened
and standardized.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch
from merflow.contracts.presets import Preset
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.contracts.task import Classification
from merflow.features.batches.padding import Blanks, Piece, padded
from merflow.features.batches.resident import gathered, on_device
from merflow.features.batches.standardize import Scale
from merflow.features.store.shards import entry_shape
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
EMOTIONS = Classification(("angry", "happy", "neutral", "sad"))
_CLASS_COUNTS = (1103, 1636, 1708, 1084)
UTTERANCES = sum(_CLASS_COUNTS)
# An assumption, for texts are not public: 2.6 words a second, 1.2 tokens a word, two special tokens.
_TOKENS_A_SECOND, _SPECIAL_TOKENS = 3.1, 2
_STEPS_A_SECOND = 50
_MOST_PICTURES = 180
# A pool is longer than any utterance, and larger than a processor's caches.
_POOL_STEPS, _POOL_BYTES = 2048, 128 << 20


def full_presets(models: Sequence[str] | None = None) -> list[Preset]:
    """Return one preset of each model; of every registered one if none is named."""
    return [catalogue.preset(f"{model}:{FULL[model]}") for model in models or MODELS]


def durations_s(count: int) -> np.ndarray:
    """Return ``(count,)`` seconds, spread evenly over the quantiles of the real corpus."""
    shares = (np.arange(count) + 0.5) / count
    return np.exp(np.interp(shares, list(_QUANTILES), np.log(list(_QUANTILES.values()))))


class RandomUtterances:
    """Random utterances for one preset, batched like those of a corpus."""

    def __init__(self, preset: Preset, *, count: int, device: torch.device, seed: int = 0) -> None:
        """Draw the pools.

        Args:
            preset: The preset whose streams are drawn.
            count: Number of utterances.
            device: Device of the pools, and so of the batches.
            seed: Seed of values, labels and the order of lengths.
        """
        random = np.random.default_rng(seed)
        seconds = random.permutation(durations_s(count))
        self.streams: tuple[Stream, ...] = MODELS[preset.model].configure(preset.config).streams()
        self.steps = {stream.role: steps_of(stream, seconds) for stream in self.streams}
        self.lengths = np.max([self.steps[s.role] for s in self.streams if not s.neighbours], axis=0)
        counts = np.asarray(_CLASS_COUNTS)
        self.labels: np.ndarray = random.choice(len(counts), size=count, p=counts / counts.sum())
        self._device = device
        self._pools = {role: pool_of(shape, device=device, seed=seed) for role, shape in self.shapes.items()}
        self._starts = {
            role: random.integers(0, len(self._pools[role]) - steps.max() + 1, size=count)
            for role, steps in self.steps.items()
        }
        self._blanks = {role: Blanks() for role in self.shapes}
        self._scales = {role: standard(shape, device=device) for role, shape in self.shapes.items()}

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shapes(self) -> Mapping[Role, StreamShape]:
        """Return layers and width by role."""
        return {stream.role: shape_of(stream) for stream in self.streams}

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the utterances at these positions, padded to the longest of each role."""
        chosen = np.asarray(indices)
        features: dict[Role, Tensor] = {}
        present: dict[Role, Tensor] = {}
        for role in self._pools:
            steps = self.steps[role][chosen, None]
            mask = np.arange(steps.max())[None] < steps
            present[role] = on_device(mask, self._device)
            features[role] = self._features(role, chosen, mask)
        return Batch(features, present, on_device(self.labels[chosen], self._device), tuple(map(str, indices)))

    def _features(self, role: Role, chosen: np.ndarray, mask: np.ndarray) -> Tensor:
        pool, scale, starts = self._pools[role], self._scales[role], self._starts[role][chosen]
        if pool.device.type != "cpu":
            places = np.where(mask, starts[:, None] + np.arange(mask.shape[1]), 0)
            there = on_device(mask, self._device)
            return gathered(pool, on_device(places, self._device), present=there, scale=scale)
        halves = pool.numpy()
        lengths = self.steps[role][chosen].tolist()
        pieces = [
            Piece(utterance, 0, halves[start : start + length])
            for utterance, (start, length) in enumerate(zip(starts.tolist(), lengths, strict=True))
        ]
        return padded(
            pieces, present=mask, entry_shape=entry_shape(self.shapes[role]), scale=scale, blanks=self._blanks[role]
        )

    def model(self, preset: Preset) -> nn.Module:
        """Return the preset's model at its real size."""
        entry = MODELS[preset.model]
        torch.manual_seed(0)
        return entry.model(entry.configure(preset.config), shapes=self.shapes, task=EMOTIONS)


def pool_of(shape: StreamShape, *, device: torch.device, seed: int) -> Tensor:
    """Return random steps ``(steps, *entry_shape)`` in float16."""
    entry = entry_shape(shape)
    steps = max(_POOL_STEPS, _POOL_BYTES // (2 * int(np.prod(entry))))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(steps, *entry, generator=generator).half().to(device)


def standard(shape: StreamShape, *, device: torch.device) -> Scale:
    """Return a scale of mean 0 and deviation 1, which changes no value and costs what any other costs."""
    entry = entry_shape(shape)
    return Scale(torch.zeros(entry, device=device), torch.ones(entry, device=device))


class Some:
    """A few utterances of a source, as one batch."""

    def __init__(self, source: RandomUtterances, indices: Sequence[int]) -> None:
        self._source, self._indices = source, np.asarray(indices)
        self.lengths, self.labels = source.lengths[self._indices], source.labels[self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the utterances at these positions among the few."""
        return self._source.batch(self._indices[list(indices)].tolist())


def shape_of(stream: Stream) -> StreamShape:
    """Return the sizes of a stream in the paper profile."""
    return SHAPES[stream.slot if stream.encoder else f"{stream.role}/{_PLAIN[stream.role]}"]


def steps_of(stream: Stream, seconds: np.ndarray) -> np.ndarray:
    """Return ``(len,)`` steps of a stream for utterances of these durations."""
    heard = np.minimum(seconds, stream.clip_s or np.inf)
    if stream.neighbours:
        return np.full(len(seconds), 2 * stream.neighbours + 1)
    if stream.role == "video":
        return np.asarray(np.clip(np.round(30 * heard), 1, _MOST_PICTURES), dtype=np.int64)
    if stream.role in ("text", "text_layers"):
        return np.asarray(np.round(_TOKENS_A_SECOND * seconds) + _SPECIAL_TOKENS, dtype=np.int64)
    return np.asarray(np.maximum(1, np.floor(_STEPS_A_SECOND * heard) - 1), dtype=np.int64)
