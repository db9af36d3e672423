"""The results of listening to a recording: its speech segments, and the emotions or the score of each."""

from pathlib import Path

from pydantic import Field, FiniteFloat

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.heard import NOT_SURE, Heard, HeardScore, ListeningModel
from merflow.contracts.strict import Strict

LISTENING = "listening.json"
FORMAT = 1
_REMEDY = "run merflow listen again"


class SegmentSettings(Strict):
    """The rules for cutting speech into segments.

    Attributes:
        onset: Probability of speech at which a segment starts.
        offset: Probability below which a pause starts.
        pause_s: A pause of this length ends a segment.
        shortest_s: Shorter speech is left out.
        longest_s: Longer speech is cut where it is quietest.
        margin_s: Sound that a segment keeps on either side.
    """

    onset: float = Field(default=0.5, gt=0, lt=1)
    offset: float = Field(default=0.35, gt=0, lt=1)
    pause_s: float = Field(default=0.4, gt=0)
    shortest_s: float = Field(default=0.4, gt=0)
    longest_s: float = Field(default=12.0, ge=2)
    margin_s: float = Field(default=0.1, ge=0)


class HeardSegment(Strict):
    """One stretch of speech.

    Attributes:
        start_s: Its start in the recording.
        end_s: Its end.
        text: Its words; None if they were not transcribed.
        heard: The prediction; None if the model refused the segment.
        refusal: The reason why there is no prediction.
        smoothed: Probabilities, or ``score``, smoothed over time; None without a prediction.
    """

    start_s: FiniteFloat
    end_s: FiniteFloat
    text: str | None = None
    heard: Heard | None = None
    refusal: str | None = None
    smoothed: dict[str, FiniteFloat] | None = None

    @property
    def duration_s(self) -> float:
        """Its length."""
        return self.end_s - self.start_s

    @property
    def answer(self) -> str:
        """The answer of the segment alone; an empty string if it was refused."""
        return "" if self.heard is None else self.heard.answer

    @property
    def smoothed_answer(self) -> str:
        """The answer by the smoothed numbers; an empty string if it was refused."""
        return "" if self.heard is None or self.smoothed is None else self.heard.smoothed_answer(self.smoothed)


class DamagedSound(Strict):
    """A part of the recording that could not be decoded.

    Attributes:
        at_s: Its time in the recording.
        reason: The problem in words.
    """

    at_s: FiniteFloat
    reason: str


class ListeningSpeed(Strict):
    """The time that listening took.

    Attributes:
        seconds: Wall time of the run.
        real_time_factor: Wall time per second of the recording; below 1 is faster than real time.
        remembered: Segments whose prediction came from an earlier, interrupted run.
    """

    seconds: FiniteFloat
    real_time_factor: FiniteFloat
    remembered: int


class ListeningResults(Strict):
    """All results of listening to one recording.

    Attributes:
        recording: Name of the recording.
        digest: SHA-256 of the file; None for a microphone.
        duration_s: Duration of its audio.
        model: The model.
        settings: Rules for segments.
        half_life_s: Distance in time at which a neighbour's weight in the smoothing is half.
        transcription: The recognizer of the words; None if words were not asked for.
        segments: The speech, in order.
        damaged: Parts that could not be decoded, at most 100.
        n_damaged: Number of such parts.
        speed: The time that it took.
    """

    recording: str
    digest: str | None
    duration_s: FiniteFloat
    model: ListeningModel
    settings: SegmentSettings
    half_life_s: FiniteFloat
    transcription: str | None
    segments: tuple[HeardSegment, ...]
    damaged: tuple[DamagedSound, ...]
    n_damaged: int
    speed: ListeningSpeed

    @property
    def speech_s(self) -> float:
        """Seconds of speech."""
        return sum(segment.duration_s for segment in self.segments)

    @property
    def labels(self) -> tuple[str, ...]:
        """Each segment's class or side of the scale, ``not sure``, or an empty string if it was refused."""
        return tuple("" if each.heard is None else self.model.label_of(each.heard) for each in self.segments)

    @property
    def seconds_of(self) -> dict[str, float]:
        """Seconds of speech per class or side and, last, of ``not sure``; by the segments alone."""
        seconds = dict.fromkeys((*self.model.labels, NOT_SURE), 0.0)
        for segment, label in zip(self.segments, self.labels, strict=True):
            if label:
                seconds[label] += segment.duration_s
        return seconds

    @property
    def mean_score(self) -> float | None:
        """Mean score of the speech, each segment by its length; None without a score."""
        scored = [(each.heard.score, each.duration_s) for each in self.segments if isinstance(each.heard, HeardScore)]
        seconds = sum(duration_s for _, duration_s in scored)
        return sum(score * duration_s for score, duration_s in scored) / seconds if seconds else None


def write_listening(folder: Path, results: ListeningResults) -> None:
    """Write ``listening.json``.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / LISTENING, results, number=FORMAT)


def read_listening(folder: Path) -> ListeningResults:
    """Read ``listening.json``.

    Raises:
        FormatError: It is missing or damaged, or another version of merflow wrote it.
    """
    return read_typed(ListeningResults, folder / LISTENING, number=FORMAT, remedy=_REMEDY)
