"""Whisper's log-mel bands as tensor operations; see ``WhisperPreparer`` of the encoders.

Shapes: n samples; V windows of N samples (30 s); S frames, w samples of a frame, F bins of its spectrum, M mel bands.
"""

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.presets import EncoderSpec
from merflow.exporting.steps import constant, exact, spectrum_maps
from merflow.features.encoders.huggingface.processors import WhisperPreparer, folder_of

_FLOOR = 1e-10  # of the power in a band, by transformers' feature extractor, like the two numbers below
_RANGE = 8.0  # powers of ten below the loudest band of a window that are kept
_SHIFT, _SCALE = 4.0, 4.0


class WhisperBands(nn.Module):
    """Samples ``(n,)`` -> log-mel bands ``(V, M, S)`` float32; the last window is padded with silence."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        extractor = WhisperPreparer(folder_of(spec)).extractor
        self._window, self._hop = int(extractor.n_samples), int(extractor.hop_length)
        self._frame, self._frames = int(extractor.n_fft), int(extractor.nb_max_frames)
        periodic = np.hanning(self._frame + 1)[:-1]
        cosines, sines = spectrum_maps(periodic, size=self._frame)
        for name, values in {"cosines": cosines, "sines": sines, "filters": extractor.mel_filters}.items():
            self.register_buffer(name, constant(np.asarray(values)), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the bands."""
        windows = self._windows(samples)
        half = self._frame // 2
        before, after = windows[:, 1 : half + 1].flip(1), windows[:, -half - 1 : -1].flip(1)
        padded = torch.cat([before, windows, after], dim=1)  # every frame is centred on its first sample
        starts = self._hop * torch.arange(self._frames)
        waves = padded[:, starts[:, None] + torch.arange(self._frame)]  # (V, S, w)
        power = (waves @ self.get_buffer("cosines")) ** 2 + (waves @ self.get_buffer("sines")) ** 2  # (V, S, F)
        logs = torch.log10(torch.maximum(power @ self.get_buffer("filters"), exact(_FLOOR)))  # (V, S, M)
        loudest = logs.amax(dim=(1, 2), keepdim=True)
        return ((torch.maximum(logs, loudest - _RANGE) + _SHIFT) / _SCALE).transpose(1, 2).float()

    def _windows(self, samples: Tensor) -> Tensor:
        """Return ``(V, N)`` float64, padded with silence after the last sample."""
        count = samples.shape[0]
        # One graph can take any number of windows only if PyTorch's exporter does not know their number, as is the case
        # here.
        starts = torch.nonzero(torch.arange(count) % self._window == 0)
        place = starts + torch.arange(self._window)
        return torch.where(place < count, samples.double()[place.clamp(max=count - 1)], 0.0)
