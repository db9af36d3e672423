"""Recordings as samples, and the part of them that an encoder sees."""

from pathlib import Path

import numpy as np
import soundfile as sf

from merflow.contracts.errors import FeatureError
from merflow.corpus.audio_header import truncation

RATE_HZ = 16_000

_ASIDE = "set it aside with `merflow data validate --quarantine`"
_RESAMPLE = "convert it, allow it with corpus.resample=true"

# Where the voice starts: the first of five consecutive 10 ms blocks that are within 30 dB of the recording's loud
# parts (the 95th percentile of block levels), less 50 ms for a soft onset.
_BLOCK = RATE_HZ // 100
_BELOW_LOUD_DB = 30.0
_BLOCKS_ON = 5
_ONSET_BLOCKS = 5


def read_recording(path: Path, *, n_samples: int | None = None, resample: bool = False) -> np.ndarray:
    """The samples of a recording as 16 kHz mono, ``(n,)`` float32.

    Args:
        path: A WAV, FLAC or other file that libsndfile reads.
        n_samples: Samples a channel that the manifest counted, at the file's own rate; None where it did not.
        resample: Whether other rates and channel counts are mixed down and resampled, as ``corpus.resample`` says. A
            recording that is 16 kHz mono already is never touched.

    Raises:
        FeatureError: The file is missing, unreadable, truncated, empty, of another rate or channel count without
            ``resample``, changed since it was indexed, or holds NaN or infinity.
    """
    samples, rate_hz = _read(path)
    if not resample and rate_hz != RATE_HZ:
        raise FeatureError(f"{path} has {rate_hz} Hz, expected {RATE_HZ} Hz; {_RESAMPLE}, or {_ASIDE}")
    if not resample and samples.shape[1] != 1:
        raise FeatureError(f"{path} has {samples.shape[1]} channels, expected 1; {_RESAMPLE}, or {_ASIDE}")
    if not len(samples):
        raise FeatureError(f"{path} has no samples; replace it, or {_ASIDE}")
    if n_samples is not None and len(samples) != n_samples:
        raise FeatureError(
            f"{path} has {len(samples)} samples, the manifest says {n_samples}; "
            "it changed since: index the corpus again with `merflow data index`"
        )
    finite = np.isfinite(samples)
    if not finite.all():
        first, channel = np.argwhere(~finite)[0].tolist()
        raise FeatureError(f"{path} holds {samples[first, channel]} at sample {first}; replace it, or {_ASIDE}")
    return to_16_khz_mono(samples, rate_hz=rate_hz)


def to_16_khz_mono(samples: np.ndarray, *, rate_hz: int) -> np.ndarray:
    """The mean of all channels, resampled where the rate is another: ``(n, channels)`` -> ``(m,)`` float32.

    m is n * 16000 / rate_hz, rounded, at least 1. Peaks between samples may exceed 1.
    """
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float64)
    mono = np.ascontiguousarray(mono, dtype=np.float32)
    if rate_hz == RATE_HZ:
        return mono
    import soxr

    resampled: np.ndarray = soxr.resample(mono, rate_hz, RATE_HZ, quality="HQ")
    # A recording of a few samples may vanish in the filter; it keeps one, as its length in seconds does.
    return resampled if len(resampled) else mono[:1]


def _read(path: Path) -> tuple[np.ndarray, int]:
    """``(n, channels)`` float32 and the rate of a whole file."""
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
    return samples, rate_hz


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
