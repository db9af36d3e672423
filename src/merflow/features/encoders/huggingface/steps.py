"""The steps of an encoded recording: their number, and the windows in which a long one is encoded.

WavLM: step t covers samples ``t * hop`` to ``t * hop + window`` (hop 20 ms, window 25 ms); a remainder at the end that
fills no window is ignored. Whisper: step t is centred on sample ``t * hop`` (20 ms), and the steps cover the whole
recording.
"""

from typing import Any

# Samples per step of Whisper: two mel frames of 10 ms.
FRAME_SAMPLES = 320


def speech_steps(n_samples: int, config: dict[str, Any]) -> int:
    """Return the steps of a recording after WavLM's convolutions: 299 for 6 s, 249 for 5 s, 0 below 25 ms."""
    for kernel, stride in zip(config["conv_kernel"], config["conv_stride"], strict=True):
        n_samples = (n_samples - kernel) // stride + 1
    return max(0, n_samples)


def windows_of(n_samples: int, *, window: int) -> list[slice]:
    """Divide a recording into consecutive windows, of which the last may be shorter; no samples have no window."""
    return [slice(start, min(start + window, n_samples)) for start in range(0, n_samples, window)]
