"""Speech segments of a recording, cut as the audio arrives; at most one segment is in memory.

Decisions:
    - A segment starts at a high probability of speech and ends at a lower one (hysteresis), so that probabilities near
      one threshold do not chop up a sentence.
    - Speech beyond the longest length is cut at its quietest 200 ms in the second half, as for transcription.
    - Speech that is too short to judge is left out, including the last piece of cut speech.

Shapes: n samples, W windows of 512 samples.
"""

from dataclasses import dataclass

import numpy as np

from merflow.contracts.listening_results import SegmentSettings
from merflow.corpus.samples import RATE_HZ
from merflow.corpus.transcription.speech_windows import quietest
from merflow.errors import ParamsError
from merflow.serving.speech import WINDOW


@dataclass(frozen=True, eq=False)
class SpeechSegment:
    """A stretch of speech with its audio.

    Attributes:
        first: Its first sample in the recording.
        samples: ``(n,)`` float32 at 16 kHz.
    """

    first: int
    samples: np.ndarray

    @property
    def end(self) -> int:
        """Index of the sample after its last one."""
        return self.first + len(self.samples)

    @property
    def start_s(self) -> float:
        """Its start in seconds."""
        return self.first / RATE_HZ

    @property
    def end_s(self) -> float:
        """Its end in seconds."""
        return self.end / RATE_HZ


class Segmenter:
    """A cutter for one recording, from its start.

    Attributes:
        sound: Samples that segments may still need.
    """

    def __init__(self, settings: SegmentSettings) -> None:
        """Start a recording.

        Raises:
            ParamsError: The settings contradict each other.
        """
        if settings.offset > settings.onset:
            raise ParamsError(f"offset {settings.offset} is above onset {settings.onset}; set it to at most that")
        self._settings = settings
        self._margin, self._pause, self._shortest, self._longest = (
            round(seconds * RATE_HZ)
            for seconds in (settings.margin_s, settings.pause_s, settings.shortest_s, settings.longest_s)
        )
        self.sound = np.zeros(0, dtype=np.float32)
        self._origin = 0  # index in the recording of its first sample
        self._windows = 0
        self._free = 0  # where the last segment ended
        self._begun: int | None = None  # where the speech of the open segment began
        self._quiet: int | None = None  # where its pause began

    def feed(self, samples: np.ndarray, probabilities: np.ndarray) -> list[SpeechSegment]:
        """Return the segments that end here.

        Args:
            samples: The next samples, ``(n,)`` float32.
            probabilities: Probability of speech of the windows that are complete with them, ``(W,)``.
        """
        self.sound = np.concatenate([self.sound, samples])
        found: list[SpeechSegment] = []
        for probability in probabilities.tolist():
            found += self._window(probability)
        self._forget()
        return found

    def finish(self) -> list[SpeechSegment]:
        """Return the segment that was still open at the end of the recording, if there is one."""
        if self._begun is None:
            return []
        return self._close(self._end if self._quiet is None else self._quiet)

    @property
    def _end(self) -> int:
        return self._origin + len(self.sound)

    def _window(self, probability: float) -> list[SpeechSegment]:
        """Return the segments that end with the next window."""
        start = self._windows * WINDOW
        self._windows += 1
        if self._begun is None:
            if probability >= self._settings.onset:
                self._begun, self._quiet = start, None
            return []
        if probability >= self._settings.onset:
            self._quiet = None
        elif probability < self._settings.offset and self._quiet is None:
            self._quiet = start
        end = start + WINDOW
        if self._quiet is not None and end - self._quiet >= self._pause:
            return self._close(self._quiet)
        if end - self._opening >= self._longest + self._shortest:
            return [self._cut()]
        return []

    @property
    def _opening(self) -> int:
        """The first sample of the open segment, with its margin."""
        assert self._begun is not None
        return max(self._begun - self._margin, self._free, self._origin)

    def _close(self, speech_end: int) -> list[SpeechSegment]:
        """Close the open segment; it is left out if its speech is too short."""
        assert self._begun is not None
        opening, short = self._opening, speech_end - self._begun < self._shortest
        self._begun = self._quiet = None
        if short:
            return []
        end = min(speech_end + self._margin, self._end)
        self._free = end
        return [SpeechSegment(opening, self._between(opening, end))]

    def _cut(self) -> SpeechSegment:
        """Cut the open segment at its quietest point; the next segment starts there."""
        opening = self._opening
        sound = self._between(opening, opening + self._longest)
        cut = opening + quietest(sound, first=self._longest // 2, last=self._longest)
        self._begun = self._free = cut
        if self._quiet is not None:
            self._quiet = max(self._quiet, cut)
        return SpeechSegment(opening, self._between(opening, cut))

    def _between(self, first: int, end: int) -> np.ndarray:
        return self.sound[first - self._origin : end - self._origin].copy()

    def _forget(self) -> None:
        """Drop audio that no segment can need any more."""
        needed = self._windows * WINDOW - self._margin if self._begun is None else self._opening
        surplus = max(needed, self._origin) - self._origin
        if surplus > 0:
            self.sound = self.sound[surplus:].copy()
            self._origin += surplus
