"""A recording as samples at 16 kHz mono: what encoders, the speech recogniser and pictures of it all start from."""

from pathlib import Path

import numpy as np
import soundfile

from merflow.corpus.audio_header import truncation
from merflow.errors import CorpusError

RATE_HZ = 16_000

_ASIDE = "set it aside with `merflow data validate --quarantine`"
_RESAMPLE = "convert it, allow it with corpus.resample=true"


def read_samples(path: Path, *, n_samples: int | None, resample: bool) -> np.ndarray:
    """The samples of a recording as 16 kHz mono, ``(n,)`` float32.

    Args:
        path: A WAV, FLAC or other file that libsndfile reads.
        n_samples: Samples a channel that the manifest counted, at the file's own rate; None where it did not.
        resample: Whether other rates and channel counts are mixed down and resampled, as ``corpus.resample`` says. A
            recording that is 16 kHz mono already is never touched.

    Raises:
        CorpusError: The file is missing, unreadable, truncated, empty, of another rate or channel count without
            ``resample``, changed since it was indexed, or holds NaN or infinity.
    """
    samples, rate_hz = _read(path)
    if not resample and rate_hz != RATE_HZ:
        raise CorpusError(f"{path} has {rate_hz} Hz, expected {RATE_HZ} Hz; {_RESAMPLE}, or {_ASIDE}")
    if not resample and samples.shape[1] != 1:
        raise CorpusError(f"{path} has {samples.shape[1]} channels, expected 1; {_RESAMPLE}, or {_ASIDE}")
    if not len(samples):
        raise CorpusError(f"{path} has no samples; replace it, or {_ASIDE}")
    if n_samples is not None and len(samples) != n_samples:
        raise CorpusError(
            f"{path} has {len(samples)} samples, the manifest says {n_samples}; "
            "it changed since: index the corpus again with `merflow data index`"
        )
    finite = np.isfinite(samples)
    if not finite.all():
        first, channel = np.argwhere(~finite)[0].tolist()
        raise CorpusError(f"{path} holds {samples[first, channel]} at sample {first}; replace it, or {_ASIDE}")
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
        raise CorpusError(f"no such recording: {path}; restore it, or {_ASIDE}")
    try:
        lost = truncation(path)
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise CorpusError(f"{path} is no readable recording: {error}; replace it, or {_ASIDE}") from error
    if lost:
        told, held = lost
        raise CorpusError(f"{path} is truncated: {held} of {told} bytes of samples; replace it, or {_ASIDE}")
    return samples, int(rate_hz)
