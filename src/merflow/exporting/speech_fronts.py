"""Front ends from the samples of a recording to the steps of its speech encoder.

Each front end takes one recording, and computes the same as the encoder of that name.

Shapes: n samples at 16 kHz; T steps, L layers, D width; V windows of 30 s, M mel bands.
"""

import math

import torch
from torch import Tensor, nn

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.samples import RATE_HZ
from merflow.exporting.lite_speech import LiteMeasurements, view
from merflow.exporting.steps import exact, percentile
from merflow.exporting.whisper_bands import WhisperBands
from merflow.features.encoders.builders import build_preparer
from merflow.features.encoders.huggingface.networks import Network, build_network
from merflow.features.encoders.huggingface.processors import LEAST_VARIANCE, SpeechPreparer
from merflow.features.encoders.huggingface.steps import FRAME_SAMPLES
from merflow.features.encoders.lite.speech import LiteSpeechLayersSettings, LiteSpeechSettings
from merflow.features.media import clips

# The shortest recording for which the graph is traced, in samples: a tenth of a second.
SHORTEST = RATE_HZ // 10


class SpeechFront(nn.Module):
    """Samples ``(n,)`` -> features ``(T, ...)`` of a stream, all of them real.

    Args:
        spec: The encoder.
        stream: The stream that reads it.
        network: Its fine-tuned weights; None for the published ones.
    """

    def __init__(self, spec: EncoderSpec, stream: Stream, *, network: Network | None) -> None:
        super().__init__()
        self.cut = Cut(stream)
        self.encoder: nn.Module
        if spec.name.startswith("lite"):
            self.encoder = LiteSpeech(spec)
        elif spec.name == "whisper-encoder":
            self.encoder = Whisper(spec, network=network)
        else:
            self.encoder = PretrainedSpeech(spec, stream, network=network)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features, and their mask ``(T,)``."""
        heard = self.encoder(self.cut(samples))
        return heard, torch.ones(heard.shape[0], dtype=torch.bool)


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
    first = torch.argmax(run.to(torch.int32), dim=0, keepdim=True)  # 0 if there is no run
    return (first - clips.ONSET_BLOCKS).clamp(min=0) * clips.BLOCK


class LiteSpeech(nn.Module):
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
    """Samples ``(n,)`` -> hidden states of a speech encoder, ``(T, D)`` or ``(T, L, D)``."""

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


class Whisper(nn.Module):
    """Samples ``(n,)`` -> hidden states of Whisper's encoder, ``(T, D)`` or ``(T, L, D)``, window by window."""

    def __init__(self, spec: EncoderSpec, *, network: Network | None) -> None:
        super().__init__()
        self.bands = WhisperBands(spec)
        self.network = build_network(spec) if network is None else network

    def forward(self, samples: Tensor) -> Tensor:
        """Return the features."""
        bands = self.bands(samples)  # (V, M, 3000)
        states: Tensor = self.network(bands, torch.full((1,), samples.shape[0]))
        steps = (samples.shape[0] + FRAME_SAMPLES - 1) // FRAME_SAMPLES
        return states.flatten(0, 1)[torch.arange(steps)].float()
