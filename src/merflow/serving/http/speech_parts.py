"""The stretches of speech in a complete recording, and the envelope of its audio.

Shapes: n samples.
"""

from collections.abc import Sequence

import numpy as np

from merflow.contracts.listening_results import SegmentSettings
from merflow.corpus.samples import RATE_HZ
from merflow.serving.segments import Segmenter, SpeechSegment
from merflow.serving.speech import SpeechDetector

_BLOCK = 30 * RATE_HZ
_PARTS = 480


def speech_parts(samples: np.ndarray) -> Sequence[SpeechSegment]:
    """Return the stretches of speech as ``merflow listen`` finds them.

    Args:
        samples: ``(n,)`` at 16 kHz.

    Raises:
        FeatureError: silero-vad is not installed.
    """
    detector, segmenter = SpeechDetector(), Segmenter(SegmentSettings())
    found = []
    for start in range(0, len(samples), _BLOCK):
        block = samples[start : start + _BLOCK]
        found += segmenter.feed(block, detector.feed(block))
    found += segmenter.feed(np.zeros(0, dtype=np.float32), detector.finish())
    return [*found, *segmenter.finish()]


def envelope(samples: np.ndarray, *, parts: int = _PARTS) -> list[float]:
    """Return the loudest sample, 0 to 1, of equal parts of a recording.

    Args:
        samples: ``(n,)``.
        parts: Maximum number of parts.
    """
    if not len(samples):
        return []
    borders = np.linspace(0, len(samples), min(parts, len(samples)) + 1, dtype=np.int64)[:-1]
    peaks = np.maximum.reduceat(np.abs(samples), borders)
    return [round(float(peak), 4) for peak in np.clip(peaks, 0, 1)]
