"""Made-up results of listening, emotions and scores, for exports and the page."""

from merflow.contracts.heard import HeardEmotion, HeardScore, ListeningModel, ScoreScale
from merflow.contracts.listening_results import (
    DamagedSound,
    HeardSegment,
    ListeningResults,
    ListeningSpeed,
    SegmentSettings,
)
from merflow.contracts.streams import Modality
from merflow.serving.timeline import HALF_LIFE_S, smoothed

CLASSES = ("angry", "happy", "neutral", "sad")


def segment(
    start_s: float,
    end_s: float,
    *shares: float,
    possible: tuple[str, ...] = (),
    text: str | None = None,
    warnings: tuple[str, ...] = (),
) -> HeardSegment:
    """Return a segment with these probabilities; it is sure unless several emotions are possible."""
    probabilities = dict(zip(CLASSES, shares, strict=True))
    emotion = max(probabilities, key=probabilities.__getitem__)
    modalities: tuple[Modality, ...] = ("audio",) if text is None else ("audio", "text")
    heard = HeardEmotion(
        emotion=emotion,
        probabilities=probabilities,
        possible=possible or (emotion,),
        sure=len(possible) < 2,
        modalities=modalities,
        warnings=warnings,
    )
    return HeardSegment(start_s=start_s, end_s=end_s, text=text, heard=heard)


SEGMENTS = (
    segment(1.0, 3.0, 0.9, 0.05, 0.03, 0.02, text="Leave me alone!"),
    segment(4.0, 9.0, 0.3, 0.4, 0.2, 0.1, possible=("angry", "happy"), text='She said "<b>no</b>" & left.'),
    HeardSegment(start_s=10.0, end_s=10.5, text="", refusal="it cannot be read"),
    segment(12.25, 13.0, 0.0, 0.1, 0.1, 0.8, text="=1+1", warnings=("short: 0.75 s, below 1.5 s",)),
    segment(14.0, 19.0, 0.02, 0.03, 0.9, 0.05, text="That is all,\nI think."),
)


SENTIMENT = ScoreScale(task="sentiment", low=-3, high=3)


def scored(
    start_s: float,
    end_s: float,
    score: float,
    half_width: float | None = 0.9,
    *,
    text: str | None = None,
    warnings: tuple[str, ...] = (),
) -> HeardSegment:
    """Return a segment with this sentiment; without a width it has no interval, and is sure."""
    ends = [None, None] if half_width is None else [max(score - half_width, -3.0), min(score + half_width, 3.0)]
    heard = HeardScore(
        score=score,
        low=ends[0],
        high=ends[1],
        sure=half_width is None or abs(score) > half_width,
        modalities=("audio",) if text is None else ("audio", "text"),
        warnings=warnings,
    )
    return HeardSegment(start_s=start_s, end_s=end_s, text=text, heard=heard)


SCORED = (
    scored(1.0, 3.0, -2.6, text="Leave me alone!"),
    scored(4.0, 9.0, -0.04, text='She said "<b>no</b>" & left.'),
    HeardSegment(start_s=10.0, end_s=10.5, text="", refusal="it cannot be read"),
    scored(12.25, 13.0, 1.25, text="=1+1", warnings=("short: 0.75 s, below 1.5 s",)),
    scored(14.0, 19.0, 2.0, text="That is all,\nI think."),
)


def score_results(segments: tuple[HeardSegment, ...] = SCORED, *, calibrated: bool = True) -> ListeningResults:
    """Return the results of a recording of 20 s by a model of sentiment."""
    return results(segments, abstains=calibrated, calibrated=calibrated, scale=SENTIMENT)


def results(
    segments: tuple[HeardSegment, ...] = SEGMENTS,
    *,
    abstains: bool = True,
    calibrated: bool = True,
    modalities: tuple[Modality, ...] = ("audio", "text"),
    transcription: str | None = "small.en",
    damaged: tuple[DamagedSound, ...] = (),
    duration_s: float = 20.0,
    scale: ScoreScale | None = None,
) -> ListeningResults:
    """Return the results of a recording of 20 s."""
    model = ListeningModel(
        name="mfdr:full",
        version="0123456789abcdef",
        title="MFDR",
        classes=CLASSES if scale is None else (),
        modalities=modalities,
        calibrated=calibrated,
        abstains=abstains,
        scale=scale,
    )
    return ListeningResults(
        recording="Gespräch <1>.mp4",
        digest="ab" * 32,
        duration_s=duration_s,
        model=model,
        settings=SegmentSettings(),
        half_life_s=HALF_LIFE_S,
        transcription=transcription,
        segments=smoothed(segments),
        damaged=damaged,
        n_damaged=len(damaged),
        speed=ListeningSpeed(seconds=2.0, real_time_factor=0.1, remembered=0),
    )
