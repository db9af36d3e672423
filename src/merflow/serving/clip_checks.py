"""Measurements of a clip that can be reasons to trust its prediction less.

Shapes: n samples.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from merflow.contracts.numerals import percent
from merflow.contracts.streams import MODALITY_OF, Modality, Role
from merflow.corpus.samples import level_dbfs
from merflow.inference.media_clips import Clip, Samples
from merflow.serving.media import seconds_of
from merflow.serving.speech import WINDOW, SpeechDetector

# Models are less accurate on shorter clips; see docs/predicting.md.
SHORT_S = 1.5
# Share of 32 ms windows that silero-vad takes for speech. None of 339 real utterances has less than 0.50; noise, tones,
# hum and melodies have 0.
SPEECH_PROBABILITY, LEAST_SPEECH = 0.5, 0.25


@dataclass(frozen=True)
class Measured:
    """Measurements of one clip.

    Attributes:
        duration_s: Duration of its recording; None without a recording.
        warnings: What is unusual about it.
        level_dbfs: Its level; None without a recording.
        speech_share: Share of it that is speech; None if it is silent or was not checked.
    """

    duration_s: float | None
    warnings: tuple[str, ...]
    level_dbfs: float | None = None
    speech_share: float | None = None


@dataclass(frozen=True)
class ClipChecks:
    """The limits of the measurements.

    Attributes:
        silence_dbfs: Level below which a recording is silent, as in the validation of corpora.
        training_seconds: Shortest and longest utterance of the training data; None if they are unknown.
        hears: True if the model reads audio.
        finds_speech: True if silero-vad is installed.
        usual_distances: By role, the distance from the training data that 99% of new speakers' utterances stay below;
            roles without one are not checked.
    """

    silence_dbfs: float
    training_seconds: tuple[float, float] | None
    hears: bool
    finds_speech: bool = False
    usual_distances: Mapping[Role, float] = field(default_factory=dict)

    def of(self, clip: Clip) -> Measured:
        """Measure a clip whose recording, if any, is in memory as 16 kHz mono."""
        if not isinstance(clip.audio, Samples):
            return Measured(None, ())
        samples = clip.audio.values
        seconds, level = seconds_of(samples), level_dbfs(samples)
        looks = self.hears and self.finds_speech and level >= self.silence_dbfs
        share = speech_share(samples) if looks else None
        warnings = tuple(self._warnings(seconds, level, share)) if self.hears else ()
        return Measured(seconds, warnings, level_dbfs=level, speech_share=share)

    def of_distances(self, distances: Mapping[Role, float]) -> tuple[str, ...]:
        """Return a warning for every modality that is farther from the training data than usual."""
        farthest: dict[Modality, tuple[float, float]] = {}
        for role, distance in distances.items():
            usual = self.usual_distances.get(role, np.inf)
            if distance > usual:
                farthest.setdefault(MODALITY_OF[role], (distance, usual))
        return tuple(
            f"outside the training range: its {modality} is {distance:.2f} deviations from the training data, "
            f"above {usual:.2f}"
            for modality, (distance, usual) in farthest.items()
        )

    def _warnings(self, seconds: float, level: float, share: float | None) -> Iterator[str]:
        if seconds < SHORT_S:
            yield f"short: {seconds:.2f} s, below {SHORT_S:g} s"
        if level < self.silence_dbfs:
            yield f"silent: its level is {level:.0f} dBFS, below {self.silence_dbfs:g} dBFS"
        elif share is not None and share < LEAST_SPEECH:
            yield f"hardly any speech: in {percent(share)}% of it, below {percent(LEAST_SPEECH)}%"
        if self.training_seconds is not None and any(self.training_seconds):
            least, most = self.training_seconds
            if seconds < least:
                yield f"outside the training range: {seconds:.2f} s, the shortest training clip has {least:.2f} s"
            elif seconds > most:
                yield f"outside the training range: {seconds:.1f} s, the longest training clip has {most:.1f} s"


def speech_share(samples: np.ndarray) -> float:
    """Return the share of windows of samples ``(n,)`` with speech, 0 to 1.

    Raises:
        FeatureError: silero-vad is not installed.
    """
    whole = np.pad(samples, (0, -len(samples) % WINDOW))  # so that one call of the network is enough
    probabilities = SpeechDetector().feed(whole)
    return float((probabilities >= SPEECH_PROBABILITY).mean()) if len(probabilities) else 0.0
