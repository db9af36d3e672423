"""The part of a recording that is encoded."""

import numpy as np

from merflow.corpus.samples import RATE_HZ

# The voice starts at the first of five consecutive 10 ms blocks that are within 30 dB of the recording's loud parts
# (the 95th percentile of block levels), less 50 ms for a soft onset.
BLOCK = RATE_HZ // 100
BELOW_LOUD_DB = 30.0
BLOCKS_ON = 5
ONSET_BLOCKS = 5


def cut(samples: np.ndarray, *, clip_s: float | None, skip_silence: bool) -> np.ndarray:
    """Return the first ``clip_s`` seconds (all if None), counted from the start of the voice with ``skip_silence``."""
    start = voice_start(samples) if skip_silence else 0
    stop = len(samples) if clip_s is None else start + round(clip_s * RATE_HZ)
    return samples[start:stop]


def voice_start(samples: np.ndarray) -> int:
    """Return the sample at which leading silence ends; 0 if the whole recording is silent or too short to tell."""
    n_blocks = len(samples) // BLOCK
    if n_blocks < BLOCKS_ON:
        return 0
    blocks = samples[: n_blocks * BLOCK].reshape(n_blocks, BLOCK).astype(np.float64)
    level_db = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12)
    loud = level_db >= np.percentile(level_db, 95) - BELOW_LOUD_DB
    runs = np.lib.stride_tricks.sliding_window_view(loud, BLOCKS_ON).all(axis=1)
    first = int(np.argmax(runs)) if runs.any() else 0
    return max(0, first - ONSET_BLOCKS) * BLOCK
