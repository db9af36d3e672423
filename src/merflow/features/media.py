"""Recordings as samples, and the part of them that an encoder sees."""

from pathlib import Path

import numpy as np
import soundfile as sf

from merflow.contracts.errors import FeatureError
from merflow.corpus.audio_header import truncation

RATE_HZ = 16_000

_ASIDE = "set it aside with `merflow data validate --quarantine`"

# Where the voice starts: the first of five consecutive 10 ms blocks that are within 30 dB of the recording's loud
# parts (the 95th percentile of block levels), less 50 ms for a soft onset.
_BLOCK = RATE_HZ // 100
_BELOW_LOUD_DB = 30.0
_BLOCKS_ON = 5
_ONSET_BLOCKS = 5


def read_recording(path: Path, *, n_samples: int | None = None) -> np.ndarray:
    """The samples of a 16 kHz mono recording, ``(n,)`` float32 in [-1, 1].

    Args:
        path: A WAV, FLAC or other file that libsndfile reads.
        n_samples: Samples that the manifest counted; None where it did not.

    Raises:
        FeatureError: The file is missing, unreadable, truncated, empty, of another rate or channel count, changed
            since it was indexed, or holds NaN or infinity.
    """
    if not path.is_file():
        raise FeatureError(f"no such recording: {path}; restore it, or {_ASIDE}")
    try:
        lost = truncation(path)
        samples, rate_hz = sf.read(path, dtype="float32", always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise FeatureError(f"{path} is no readable recording: {error}; replace it, or {_ASIDE}") from error
    if lost:
        told, held = lost
        raise FeatureError(f"{path} is truncated: {held} of {told} bytes of samples; replace it, or {_ASIDE}")
    if rate_hz != RATE_HZ:
        raise FeatureError(f"{path} has {rate_hz} Hz, expected {RATE_HZ} Hz; resample it, or {_ASIDE}")
    if samples.shape[1] != 1:
        raise FeatureError(f"{path} has {samples.shape[1]} channels, expected 1; mix it down, or {_ASIDE}")
    if not len(samples):
        raise FeatureError(f"{path} has no samples; replace it, or {_ASIDE}")
    if n_samples is not None and len(samples) != n_samples:
        raise FeatureError(
            f"{path} has {len(samples)} samples, the manifest says {n_samples}; "
            "it changed since: index the corpus again with `merflow data index`"
        )
    if not np.isfinite(samples).all():
        first = int(np.flatnonzero(~np.isfinite(samples[:, 0]))[0])
        raise FeatureError(f"{path} holds {samples[first, 0]} at sample {first}; replace it, or {_ASIDE}")
    return np.ascontiguousarray(samples[:, 0])


def cut(samples: np.ndarray, *, clip_s: float | None, skip_silence: bool) -> np.ndarray:
    """The first ``clip_s`` seconds (all where None), counted from where the voice starts with ``skip_silence``."""
    start = voice_start(samples) if skip_silence else 0
    stop = len(samples) if clip_s is None else start + round(clip_s * RATE_HZ)
    return samples[start:stop]


def voice_start(samples: np.ndarray) -> int:
    """The sample at which leading silence ends; 0 where the recording is silent throughout or too short to say."""
    n_blocks = len(samples) // _BLOCK
    if n_blocks < _BLOCKS_ON:
        return 0
    blocks = samples[: n_blocks * _BLOCK].reshape(n_blocks, _BLOCK).astype(np.float64)
    level_db = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12)
    loud = level_db >= np.percentile(level_db, 95) - _BELOW_LOUD_DB
    runs = np.lib.stride_tricks.sliding_window_view(loud, _BLOCKS_ON).all(axis=1)
    first = int(np.argmax(runs)) if runs.any() else 0
    return max(0, first - _ONSET_BLOCKS) * _BLOCK
