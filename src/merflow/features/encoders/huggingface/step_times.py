"""The number and the times of an encoded recording's steps.

WavLM: step t covers samples ``t * hop`` to ``t * hop + window`` (hop 20 ms, window 25 ms); a remainder at the end that
fills no window is ignored. Whisper: step t is centred on sample ``t * hop`` (20 ms), and the steps cover the whole
recording.
"""

from typing import Any

import numpy as np

from merflow.corpus.samples import RATE_HZ

# Samples per step of Whisper: two mel frames of 10 ms.
FRAME_SAMPLES = 320


def speech_steps(n_samples: int, config: dict[str, Any]) -> int:
    """Return the steps of a recording after WavLM's convolutions: 299 for 6 s, 249 for 5 s, 0 below 25 ms."""
    for kernel, stride in zip(config["conv_kernel"], config["conv_stride"], strict=True):
        n_samples = (n_samples - kernel) // stride + 1
    return max(0, n_samples)


def speech_span(config: dict[str, Any]) -> tuple[int, int]:
    """Return the hop between steps and the window of a step, in samples: 320 and 400."""
    hop, window = 1, 1
    for kernel, stride in zip(config["conv_kernel"], config["conv_stride"], strict=True):
        window += (kernel - 1) * hop
        hop *= stride
    return hop, window


def speech_times_s(steps: int, config: dict[str, Any]) -> np.ndarray:
    """Return the seconds from the recording's start to the middle of each of WavLM's steps, ``(T,)``."""
    hop, window = speech_span(config)
    return (np.arange(steps) * hop + window / 2) / RATE_HZ


def whisper_times_s(steps: int) -> np.ndarray:
    """Return the seconds from the recording's start to the middle of each of Whisper's steps, ``(T,)``."""
    return np.arange(steps) * FRAME_SAMPLES / RATE_HZ


def windows_of(n_samples: int, *, window: int) -> list[slice]:
    """Divide a recording into consecutive windows, of which the last may be shorter; no samples have no window."""
    return [slice(start, min(start + window, n_samples)) for start in range(0, n_samples, window)]
