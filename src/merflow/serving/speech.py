"""Speech detection with silero-vad, block by block at any length.

The network is silero-vad's own for 16 kHz, written in torch, with the weights of its package's TorchScript. (The
safetensors next to it hold older weights.) The package takes one window per call, and its import sets the number of
torch's threads for the whole process. This network takes all windows of a block at once, only in the calling thread
because it is small; its probabilities are the same. The released weights of its spectrum are those of a Fourier
transform under a Hann window, so it uses such a transform here.

Shapes: W windows of 512 samples.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from merflow.errors import FeatureError

WINDOW = 512  # samples that share one probability
IDENTITY = "silero-vad 16k 6.2"  # change it when probabilities change; part of the key of remembered results

_CONTEXT = 64  # samples before a window that the network also reads
_REFLECTED = 64
_FRAME, _HOP = 256, 128  # of the spectrum
_BINS = _FRAME // 2 + 1
_WIDTH = 128
_RELEASED_NAMES = {
    **{
        f"conv{number + 1}.{part}": f"encoder.{number}.reparam_conv.{part}"
        for number in range(4)
        for part in ("weight", "bias")
    },
    **{f"lstm.{part}_l0": f"decoder.rnn.{part}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    **{f"final_conv.{part}": f"decoder.decoder.2.{part}" for part in ("weight", "bias")},
}
_AT_ONCE = 1024  # windows; bounds the memory of one call


class _Network(nn.Module):
    """Magnitude spectrum, four convolutions, an LSTM over the windows, and a probability per window."""

    hann: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(_BINS, 128, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, kernel_size=3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, kernel_size=3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, _WIDTH, kernel_size=3, padding=1)
        self.lstm = nn.LSTM(_WIDTH, _WIDTH)
        self.final_conv = nn.Conv1d(_WIDTH, 1, kernel_size=1)
        self.register_buffer("hann", torch.hann_window(_FRAME), persistent=False)

    def forward(
        self, windows: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Return ``(W,)`` probabilities and the next state for ``(W, 64 + 512)`` samples in order."""
        reflected = F.pad(windows[:, None], (0, _REFLECTED), mode="reflect")[:, 0]
        frames = reflected.unfold(1, _FRAME, _HOP) * self.hann  # (W, 4, 256)
        steps = torch.fft.rfft(frames).abs().transpose(1, 2)  # (W, 129, 4)
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            steps = F.relu(convolution(steps))
        hidden, state = self.lstm(steps.squeeze(-1), state)  # (W, 128)
        return torch.sigmoid(self.final_conv(F.relu(hidden)[:, :, None])).flatten(), state


class SpeechDetector:
    """A detector for one recording, from its start; it keeps the state that it needs."""

    def __init__(self) -> None:
        """Load the network.

        Raises:
            FeatureError: silero-vad is not installed.
        """
        self._network = _network()
        self._state = (torch.zeros(1, _WIDTH), torch.zeros(1, _WIDTH))
        self._context = np.zeros(_CONTEXT, dtype=np.float32)
        self._rest = np.zeros(0, dtype=np.float32)

    def feed(self, samples: np.ndarray) -> np.ndarray:
        """Return the probabilities ``(W,)`` float32 of the windows that these samples complete.

        Args:
            samples: The next samples at 16 kHz, ``(n,)`` float32, any number of them.
        """
        waiting = np.concatenate([self._rest, samples.astype(np.float32, copy=False)])
        whole = len(waiting) // WINDOW * WINDOW
        self._rest = waiting[whole:]
        step = _AT_ONCE * WINDOW
        parts = [self._probabilities(waiting[start : min(start + step, whole)]) for start in range(0, whole, step)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def finish(self) -> np.ndarray:
        """Return the probability of the last, incomplete window, padded with silence; empty if there is none."""
        if not len(self._rest):
            return np.zeros(0, dtype=np.float32)
        return self.feed(np.zeros(WINDOW - len(self._rest), dtype=np.float32))

    def _probabilities(self, samples: np.ndarray) -> np.ndarray:
        """Return the probabilities of whole windows, and keep the state."""
        seen = torch.from_numpy(np.concatenate([self._context, samples]))
        self._context = samples[-_CONTEXT:].copy()
        with torch.inference_mode(), _one_thread():
            probabilities, self._state = self._network(seen.unfold(0, _CONTEXT + WINDOW, WINDOW), self._state)
        values: np.ndarray = probabilities.numpy()
        return values


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch only in the calling thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _network() -> _Network:
    """Return the network with silero-vad's weights, which all detectors share."""
    package = find_spec("silero_vad")  # not imported, because its import changes torch's threads
    if package is None or not package.submodule_search_locations:
        raise FeatureError("speech is found by silero-vad, which is not installed; pip install 'merflow[listening]'")
    load: Any = torch.jit.load
    path = Path(package.submodule_search_locations[0]) / "data" / "silero_vad.jit"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript, the only form of these weights for torch
        released = load(path, map_location="cpu").state_dict()
    network = _Network()
    network.load_state_dict({ours: released[f"_model.{theirs}"] for ours, theirs in _RELEASED_NAMES.items()})
    return network.eval()
