"""Recordings as a speech recogniser hears them: 16 kHz mono, in windows of limited length."""

from pathlib import Path

import numpy as np
import soundfile

from merflow.contracts.errors import CorpusError
from merflow.corpus.audio_header import truncation

RATE_HZ = 16_000

_BLOCK = RATE_HZ // 100  # 10 ms
_PAUSE_BLOCKS = 20  # a cut lies in the middle of the quietest 200 ms


def read_speech(path: Path, *, n_samples: int | None, resample: bool) -> np.ndarray:
    """A recording as 16 kHz mono, ``(n,)`` float32.

    Args:
        path: A WAV, FLAC or other file that libsndfile reads.
        n_samples: Samples per channel, at the file's own rate, that the manifest counted; None where it did not.
        resample: Whether channels are averaged and other rates resampled, as ``corpus.resample`` says.

    Raises:
        CorpusError: The file is missing, unreadable, truncated, empty, of another rate or channel count without
            ``resample``, changed since it was indexed, or holds NaN or infinity.
    """
    samples, rate_hz = _read(path)
    if not len(samples):
        raise CorpusError(f"{path} has no samples")
    if n_samples is not None and len(samples) != n_samples:
        raise CorpusError(
            f"{path} has {len(samples)} samples, the manifest says {n_samples}; "
            "it changed since: index the corpus again"
        )
    if not resample and (rate_hz, samples.shape[1]) != (RATE_HZ, 1):
        raise CorpusError(
            f"{path} has {rate_hz} Hz and {samples.shape[1]} channel(s), expected {RATE_HZ} Hz and 1; convert it, or "
            "set corpus.resample=true"
        )
    mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if not np.isfinite(mono).all():
        first = int(np.flatnonzero(~np.isfinite(mono))[0])
        raise CorpusError(f"{path} holds {mono[first]} at sample {first}")
    if rate_hz != RATE_HZ:
        import soxr

        mono = soxr.resample(mono, rate_hz, RATE_HZ, quality="HQ") if len(mono) > 1 else mono
    return np.ascontiguousarray(mono, dtype=np.float32)


def _read(path: Path) -> tuple[np.ndarray, int]:
    """``(n, channels)`` float32 and the rate of a whole file."""
    if not path.is_file():
        raise CorpusError(f"no such recording: {path}")
    try:
        lost = truncation(path)
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise CorpusError(f"{path} is no readable recording: {error}") from error
    if lost:
        raise CorpusError(f"{path} is truncated: {lost.held_bytes} of {lost.told_bytes} bytes of samples")
    return samples, int(rate_hz)


def windows(samples: np.ndarray, *, longest: int) -> list[np.ndarray]:
    """The recording in one piece, or cut into pieces of at most ``longest`` samples that neither overlap nor lack any.

    A cut lies where the speaker is quietest between half a window and a whole one (a sixth of a window is always left
    for the next piece), so that it rarely goes through a word and no word is heard twice: pieces are transcribed by
    themselves and their texts joined by a space.
    """
    pieces: list[np.ndarray] = []
    while len(samples) > longest:
        cut = _quietest(samples, first=longest // 2, last=min(longest, len(samples) - longest // 6))
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


def _quietest(samples: np.ndarray, *, first: int, last: int) -> int:
    """The middle of the quietest 200 ms whose middle lies in ``[first, last]``; the latest of equals."""
    half = _BLOCK * _PAUSE_BLOCKS // 2
    span = samples[max(first - half, 0) : last + half].astype(np.float64)
    n_blocks = len(span) // _BLOCK
    if n_blocks < _PAUSE_BLOCKS:
        return last
    energy = np.square(span[: n_blocks * _BLOCK]).reshape(n_blocks, _BLOCK).sum(axis=1)
    pauses = np.convolve(energy, np.ones(_PAUSE_BLOCKS), mode="valid")
    quietest = len(pauses) - 1 - int(np.argmin(pauses[::-1]))
    return min(max(first - half, 0) + quietest * _BLOCK + half, last)
