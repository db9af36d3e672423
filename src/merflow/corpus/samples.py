"""Samples of recordings at 16 kHz mono, the common input of encoders, the speech recognizer and figures."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from merflow.corpus.audio_header import truncation
from merflow.errors import CorpusError

RATE_HZ = 16_000
_LOWEST = 1e-10  # of full scale: -200 dB, for a recording of zeros

_QUARANTINE = "set it aside with `merflow data validate --quarantine`"
_RESAMPLE = "convert it, set corpus.resample=true"


class Excerpt(NamedTuple):
    """A part of a long recording, from ``start_s`` to ``end_s``; what lies beyond the file's end is left out."""

    path: Path
    start_s: float
    end_s: float

    def __str__(self) -> str:
        return f"{self.path} ({self.start_s:.3f} to {self.end_s:.3f} s)"

    def samples(self, *, rate_hz: int, of: int) -> range:
        """Return the numbers of the samples in a file of ``of`` samples; an empty range if it ends before the part."""
        return range(max(0, round(self.start_s * rate_hz)), min(round(self.end_s * rate_hz), of))


def read_samples(recording: Path | Excerpt, *, n_samples: int | None, resample: bool) -> np.ndarray:
    """Read the samples of a recording as 16 kHz mono, ``(n,)`` float32.

    Args:
        recording: A WAV, FLAC or other file that libsndfile reads, or a part of one; only the part is decoded.
        n_samples: Samples per channel at the file's own rate, as the manifest counted them; None if it didn't.
        resample: If true, mix down and resample other rates and channel counts (``corpus.resample``). A recording that
            is 16 kHz mono already is never changed.

    Raises:
        CorpusError: The file is missing, unreadable, truncated, empty, of another rate or channel count without
            ``resample``, changed since it was indexed, or it contains NaN or infinity.
    """
    samples, rate_hz = _read(recording)
    if not resample and rate_hz != RATE_HZ:
        raise CorpusError(f"{recording} has {rate_hz} Hz, not {RATE_HZ} Hz; {_RESAMPLE}, or {_QUARANTINE}")
    if not resample and samples.shape[1] != 1:
        raise CorpusError(f"{recording} has {samples.shape[1]} channels, not 1; {_RESAMPLE}, or {_QUARANTINE}")
    if not len(samples):
        raise CorpusError(f"{recording} has no samples; replace it, or {_QUARANTINE}")
    if n_samples is not None and len(samples) != n_samples:
        raise CorpusError(
            f"{recording} has {len(samples)} samples, but {n_samples} in the manifest: it has changed; "
            "index the corpus again with `merflow data index`"
        )
    finite = np.isfinite(samples)
    if not finite.all():
        first, channel = np.argwhere(~finite)[0].tolist()
        raise CorpusError(f"{recording} has {samples[first, channel]} at sample {first}; replace it, or {_QUARANTINE}")
    return to_16_khz_mono(samples, rate_hz=rate_hz)


def to_16_khz_mono(samples: np.ndarray, *, rate_hz: int) -> np.ndarray:
    """Average the channels and resample: ``(n, channels)`` -> ``(m,)`` float32, with m = n * 16000 / rate_hz.

    m is rounded and at least 1. Peaks between samples may exceed 1.
    """
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float64)
    mono = np.ascontiguousarray(mono, dtype=np.float32)
    if rate_hz == RATE_HZ:
        return mono
    import soxr

    resampled: np.ndarray = soxr.resample(mono, rate_hz, RATE_HZ, quality="HQ")
    # A recording of a few samples may vanish in the filter; it keeps one, because its length in seconds is not 0.
    return resampled if len(resampled) else mono[:1]


def _read(recording: Path | Excerpt) -> tuple[np.ndarray, int]:
    """Return ``(n, channels)`` float32 and the rate of a whole file or of a part of one."""
    path = recording if isinstance(recording, Path) else recording.path
    if not path.is_file():
        raise CorpusError(f"no such recording: {path}; restore it, or {_QUARANTINE}")
    try:
        if isinstance(recording, Excerpt):
            return _read_part(recording)
        lost = truncation(path)
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise CorpusError(f"cannot read the recording {path}: {error}; replace it, or {_QUARANTINE}") from error
    if lost:
        raise CorpusError(
            f"{path} is truncated: it has {lost.held_bytes} of {lost.promised_bytes} bytes of samples; replace it, or "
            f"{_QUARANTINE}"
        )
    return samples, int(rate_hz)


def _read_part(part: Excerpt) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(part.path) as sound:
        numbers = part.samples(rate_hz=sound.samplerate, of=sound.frames)
        sound.seek(min(numbers.start, sound.frames))
        return sound.read(len(numbers), dtype="float32", always_2d=True), int(sound.samplerate)


def level_dbfs(samples: np.ndarray) -> float:
    """Return the level of samples ``(n,)`` in dB below full scale, as the validation of corpora measures it."""
    return 20 * float(np.log10(max(_LOWEST, float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))))
