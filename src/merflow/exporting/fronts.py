"""Inputs of a graph to features: a recording to the steps of its encoder, words to their vectors.

Every front takes one recording or text, and computes what the encoder of the same name does.

Shapes: n samples at 16 kHz; T steps, L layers, D width.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.samples import RATE_HZ
from merflow.exporting.lite_speech import LiteMeasurements, view
from merflow.exporting.steps import constant, exact, percentile
from merflow.features.encoders.builders import build_preparer
from merflow.features.encoders.huggingface.networks import Network, build_network
from merflow.features.encoders.huggingface.processors import LEAST_VARIANCE, SpeechPreparer
from merflow.features.encoders.lite.speech import LiteSpeechLayersSettings, LiteSpeechSettings
from merflow.features.encoders.lite.text import VIEWS
from merflow.features.media import clips

# The shortest recording for which the graph is traced, in samples: a tenth of a second.
SHORTEST = RATE_HZ // 10


class Cut(nn.Module):
    """The part of a recording that is encoded; see :func:`merflow.features.media.clips.cut`."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    def forward(self, samples: Tensor) -> Tensor:
        """Return some of the samples ``(n,)``."""
        stream = self._stream
        limit = None if stream.clip_s is None else round(stream.clip_s * RATE_HZ)
        if not stream.skip_silence:
            if limit is None:
                return samples
            count = torch.sym_min(samples.shape[0], limit)  # type: ignore[no-untyped-call]
            return samples[torch.arange(count)]
        place = torch.arange(samples.shape[0])
        start = voice_start(samples)
        inside = place >= start
        if limit is not None:
            inside = inside & (place < start + limit)
        kept = torch.nonzero(inside)[:, 0]
        torch._check(kept.shape[0] >= SHORTEST)  # type: ignore[no-untyped-call]
        return samples[kept]


def voice_start(samples: Tensor) -> Tensor:
    """Return the sample ``(1,)`` at which leading silence ends, as :mod:`merflow.features.media.clips` does."""
    count = samples.shape[0] // clips.BLOCK
    starts = clips.BLOCK * torch.arange(count)
    blocks = samples[starts[:, None] + torch.arange(clips.BLOCK)].double()
    level_db = torch.log((blocks**2).mean(dim=1) + exact(1e-12)) * exact(10 / math.log(10))
    heard = level_db >= percentile(level_db, 0.95) - clips.BELOW_LOUD_DB
    padded = torch.cat([heard, torch.zeros(clips.BLOCKS_ON - 1, dtype=torch.bool)])
    run = padded[:count]
    for shift in range(1, clips.BLOCKS_ON):
        run = run & padded[shift : shift + count]
    first = torch.argmax(run.to(torch.int32), dim=0, keepdim=True)  # 0 where there is no run
    return (first - clips.ONSET_BLOCKS).clamp(min=0) * clips.BLOCK


class LiteSpeechFront(nn.Module):
    """Samples ``(n,)`` -> ``(T, D)`` of ``lite-speech``, or ``(T, L, D)`` of ``lite-speech-layers``."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self._spans_s: list[float | None]
        self._layered = spec.name == "lite-speech-layers"
        if self._layered:
            layered = LiteSpeechLayersSettings.model_validate(spec.settings)
            bands = layered.mel_bands
            self._spans_s = [layered.window_s * layered.growth**layer for layer in range(layered.layers)]
        else:
            plain = LiteSpeechSettings.model_validate(spec.settings)
            bands, self._spans_s = plain.mel_bands, [plain.window_s, None]
        self.measure = LiteMeasurements(bands=bands)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the features."""
        measured = self.measure(samples.double())
        views = [view(measured, span_s=span_s) for span_s in self._spans_s]
        return torch.stack(views, dim=1) if self._layered else torch.cat(views, dim=1)


class PretrainedSpeech(nn.Module):
    """Samples ``(n,)`` -> hidden states of a speech encoder, ``(T, D)`` or ``(T, L, D)``.

    Args:
        spec: The encoder.
        stream: The stream that reads it.
        network: Its fine-tuned weights; None for those as published.
    """

    def __init__(self, spec: EncoderSpec, stream: Stream, *, network: Network | None) -> None:
        super().__init__()
        preparer = build_preparer(spec, stream)
        assert isinstance(preparer, SpeechPreparer), spec
        self._normalizes = preparer.normalizes
        self.network = build_network(spec) if network is None else network

    def forward(self, samples: Tensor) -> Tensor:
        """Return the features."""
        if self._normalizes:
            centred = samples - samples.mean()
            samples = centred / torch.sqrt((centred**2).mean() + torch.tensor([LEAST_VARIANCE]))
        states: Tensor = self.network(samples[None], torch.full((1,), samples.shape[0]))
        return states[0].float()


class LiteWords(nn.Module):
    """Views of words ``(T, 3, D)`` -> ``(T, D)`` of ``lite-text``, or ``(T, L, D)`` of ``lite-text-layers``."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self._layers = int(spec.settings["layers"]) if spec.name == "lite-text-layers" else None

    def forward(self, words: Tensor) -> Tensor:
        """Return the features."""
        if self._layers is None:
            return words.sum(dim=1) / constant(np.array([len(VIEWS) ** 0.5])).float()
        return words[:, : self._layers]
