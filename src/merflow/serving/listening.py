"""One pass over a recording: audio in, speech segments with their answers out, with bounded memory.

Decisions:
    - Segments are predicted in batches of fixed positions, and a batch is remembered as a whole. An interrupted run and
      an uninterrupted one therefore compute the same batches, and give the same probabilities.
    - A model that reads the turns around an utterance gets the segments around a segment. It waits for those to come.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from merflow.contracts.listening_results import HeardSegment, SegmentSettings
from merflow.corpus.samples import RATE_HZ
from merflow.inference.media_clips import Clip, Samples, VideoFile
from merflow.serving.answers import ClipAnswer, RefusedClip
from merflow.serving.playback import PlaybackCopy
from merflow.serving.predictor import Predictor
from merflow.serving.remembered import RememberedSegments
from merflow.serving.segments import Segmenter, SpeechSegment
from merflow.serving.speech import SpeechDetector
from merflow.serving.waveform import Waveform

BATCH = 16

Transcribe = Callable[[Sequence[np.ndarray]], list[str]]


@dataclass(frozen=True)
class Listener:
    """A listener to one recording.

    Attributes:
        predictor: The model.
        settings: Rules for segments.
        transcribe: Returns the words of 16 kHz recordings; None for no words.
        film: The recording, if the model reads its video.
        batch: Number of segments to predict at once.
    """

    predictor: Predictor
    settings: SegmentSettings
    transcribe: Transcribe | None = None
    film: Path | None = None
    batch: int = BATCH

    def listen(
        self,
        blocks: Iterable[np.ndarray],
        *,
        remembered: RememberedSegments,
        copy: PlaybackCopy | None = None,
        tell: Callable[[float], None] = lambda _heard_s: None,
        tell_segment: Callable[[HeardSegment], None] = lambda _segment: None,
    ) -> tuple[list[HeardSegment], Waveform]:
        """Process a recording to its end.

        Args:
            blocks: 16 kHz mono samples in order, ``(n,)`` float32.
            remembered: Finished segments of an earlier run; new ones are added.
            copy: The copy for playback; None for no copy.
            tell: Called with the number of seconds processed.
            tell_segment: Called with each segment as soon as it is predicted.

        Returns:
            The segments in order, without smoothing, and the outline of the recording.

        Raises:
            MediaError: The recording has no audio.
            CorpusError: The words cannot be recognized.
            FeatureError: silero-vad is not installed.
            OutputError: The disk is full.
        """
        detector, segmenter, waveform = SpeechDetector(), Segmenter(self.settings), Waveform()
        turns = _Turns(self, remembered)
        heard: list[HeardSegment] = []
        n_samples = 0

        def keep(segments: Sequence[HeardSegment]) -> None:
            heard.extend(segments)
            for segment in segments:
                tell_segment(segment)

        for block in in_seconds(blocks):
            waveform.add(block)
            if copy is not None:
                copy.add(block)
            keep(turns.add(segmenter.feed(block, detector.feed(block))))
            n_samples += len(block)
            tell(n_samples / RATE_HZ)
        rest = segmenter.feed(np.zeros(0, dtype=np.float32), detector.finish())
        keep(turns.add([*rest, *segmenter.finish()]))
        keep(turns.finish())
        return heard, waveform


def in_seconds(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the same samples in blocks of at least one second, and then the rest."""
    waiting, count = list[np.ndarray](), 0
    for block in blocks:
        waiting.append(block)
        count += len(block)
        if count >= RATE_HZ:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting)


@dataclass(eq=False)
class _Turn:
    """A segment that is waiting for its prediction, or for its neighbours' predictions."""

    segment: SpeechSegment
    known: HeardSegment | None
    clip: Clip


class _Turns:
    """Segments in the order of the recording: waiting ones, and as many past ones as the model looks back."""

    def __init__(self, listener: Listener, remembered: RememberedSegments) -> None:
        self._listener = listener
        self._remembered = remembered
        self._reach = listener.predictor.reach
        self._past: list[Clip] = []
        self._waiting: list[_Turn] = []

    def add(self, segments: Sequence[SpeechSegment]) -> list[HeardSegment]:
        """Add segments; return those that can now be predicted."""
        heard: list[HeardSegment] = []
        for segment in segments:
            known = self._remembered.find(segment)
            self._waiting.append(_Turn(segment, known, self._clip(segment, text=None if known is None else known.text)))
            if len(self._waiting) >= self._listener.batch + self._reach:
                heard += self._next_batch()
        return heard

    def finish(self) -> list[HeardSegment]:
        """Return all remaining segments."""
        heard: list[HeardSegment] = []
        while self._waiting:
            heard += self._next_batch()
        return heard

    def _clip(self, segment: SpeechSegment, *, text: str | None) -> Clip:
        film = self._listener.film
        return Clip(
            clip_id=f"segment at {segment.start_s:.2f} s",
            audio=Samples(segment.samples),
            video=None if film is None else VideoFile(film, segment.start_s, segment.end_s),
            text=text,
        )

    def _next_batch(self) -> list[HeardSegment]:
        turns = self._waiting[: self._listener.batch]
        known = [turn.known for turn in turns if turn.known is not None]
        if len(known) == len(turns):
            self._remembered.reused += len(known)
            heard = known
        else:
            heard = self._predicted(turns)
            self._remembered.add([(turn.segment, one) for turn, one in zip(turns, heard, strict=True)])
        self._waiting = self._waiting[len(turns) :]
        past = [*self._past, *(turn.clip for turn in turns)]
        self._past = past[len(past) - min(self._reach, len(past)) :]
        return heard

    def _predicted(self, turns: Sequence[_Turn]) -> list[HeardSegment]:
        self._transcribe()
        around = [*self._past, *(turn.clip for turn in self._waiting)]
        clips = []
        for position, turn in enumerate(turns, start=len(self._past)):
            before = around[max(0, position - self._reach) : position]
            after = around[position + 1 :][: self._reach]
            clips.append(replace(turn.clip, before=tuple(before), after=tuple(after)))
        answers = self._listener.predictor.predict(clips)
        abstains = self._listener.predictor.model.abstains
        return [_heard(turn, answer, abstains=abstains) for turn, answer in zip(turns, answers, strict=True)]

    def _transcribe(self) -> None:
        """Transcribe all waiting segments that have no words yet."""
        wordless = [turn for turn in self._waiting if turn.clip.text is None]
        if self._listener.transcribe is None or not wordless:
            return
        texts = self._listener.transcribe([turn.segment.samples for turn in wordless])
        for turn, text in zip(wordless, texts, strict=True):
            turn.clip = replace(turn.clip, text=text)


def _heard(turn: _Turn, answer: ClipAnswer, *, abstains: bool) -> HeardSegment:
    """Return a segment with the model's answer."""
    segment = HeardSegment(start_s=turn.segment.start_s, end_s=turn.segment.end_s, text=turn.clip.text)
    if isinstance(answer, RefusedClip):
        return segment.model_copy(update={"refusal": answer.reason})
    return segment.model_copy(update={"heard": answer.heard(abstains=abstains)})
