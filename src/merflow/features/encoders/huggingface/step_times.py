"""When the steps of an encoded recording are.

WavLM: step t sees samples ``t * hop`` to ``t * hop + window`` (20 ms and 25 ms). Whisper: step t is centred on sample
``t * hop`` (20 ms). The end of a recording that fills no whole step is not seen by WavLM; Whisper sees all of it.
"""

from typing import Any

import numpy as np

from merflow.corpus.samples import RATE_HZ

# Samples a step of Whisper: two mel frames of 10 ms.
FRAME_SAMPLES = 320


def speech_steps(n_samples: int, config: dict[str, Any]) -> int:
    """Steps of a recording after WavLM's convolutions: 299 for 6 s, 249 for 5 s, 0 for less than 25 ms."""
    for kernel, stride in zip(config["conv_kernel"], config["conv_stride"], strict=True):
        n_samples = (n_samples - kernel) // stride + 1
    return max(0, n_samples)


def speech_span(config: dict[str, Any]) -> tuple[int, int]:
    """Hop between steps and window of a step, in samples: 320 and 400."""
    hop, window = 1, 1
    for kernel, stride in zip(config["conv_kernel"], config["conv_stride"], strict=True):
        window += (kernel - 1) * hop
        hop *= stride
    return hop, window


def speech_times_s(steps: int, config: dict[str, Any]) -> np.ndarray:
    """``(T,)`` seconds from the start of the recording to the middle of each of WavLM's steps."""
    hop, window = speech_span(config)
    return (np.arange(steps) * hop + window / 2) / RATE_HZ


def whisper_times_s(steps: int) -> np.ndarray:
    """``(T,)`` seconds from the start of the recording to the middle of each of Whisper's steps."""
    return np.arange(steps) * FRAME_SAMPLES / RATE_HZ


def windows_of(n_samples: int, *, window: int) -> list[slice]:
    """A recording in consecutive windows, the last one shorter; none for no samples."""
    return [slice(start, min(start + window, n_samples)) for start in range(0, n_samples, window)]
