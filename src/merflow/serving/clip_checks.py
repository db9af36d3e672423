"""Measurements of a clip that are reasons to trust its prediction less.

Shapes: n samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merflow.corpus.samples import level_dbfs
from merflow.inference.media_clips import Clip, Samples
from merflow.serving.media import seconds_of

# Below it, models that were measured by duration are right less often; see docs/predicting.md.
SHORT_S = 1.5


@dataclass(frozen=True)
class Measured:
    """Measurements of one clip.

    Attributes:
        duration_s: Duration of its recording; None without one.
        level_dbfs: Its level; None without one.
        warnings: What is unusual about it.
    """

    duration_s: float | None
    level_dbfs: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ClipChecks:
    """The limits of the measurements.

    Attributes:
        silence_dbfs: Level below which a recording is silent, as in the validation of corpora.
        training_seconds: Shortest and longest utterance of the training data; None if they are unknown.
        hears: True if the model reads the sound.
    """

    silence_dbfs: float
    training_seconds: tuple[float, float] | None
    hears: bool

    def of(self, clip: Clip) -> Measured:
        """Measure a clip whose recording, if any, is in memory as 16 kHz mono."""
        if not isinstance(clip.audio, Samples):
            return Measured(None, None, ())
        samples = clip.audio.values
        warnings = tuple(self._warnings(samples)) if self.hears else ()
        return Measured(seconds_of(samples), level_dbfs(samples), warnings)

    def _warnings(self, samples: np.ndarray) -> Iterator[str]:
        seconds, level = seconds_of(samples), level_dbfs(samples)
        if seconds < SHORT_S:
            yield f"short: {seconds:.2f} s, below {SHORT_S:g} s"
        if level < self.silence_dbfs:
            yield f"silent: its level is {level:.0f} dBFS, below {self.silence_dbfs:g} dBFS"
        if self.training_seconds is not None and any(self.training_seconds):
            least, most = self.training_seconds
            if seconds < least:
                yield f"outside the training range: {seconds:.2f} s, the shortest training clip has {least:.2f} s"
            elif seconds > most:
                yield f"outside the training range: {seconds:.1f} s, the longest training clip has {most:.1f} s"
