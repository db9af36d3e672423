"""Answers of the HTTP interface for emotions and for scores, as ``/openapi.json`` describes them."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import Field

from merflow.contracts.heard import ScoreScale
from merflow.serving.answers import ClipAnswer, ClipPrediction, ClipScore, RefusedClip
from merflow.serving.http.records import ModelFacts, ModelLimits, Record
from merflow.serving.listen_page.palette import colours, side_colours
from merflow.serving.predictor import ServedModel


class Answer(Record):
    """The answer for one clip. If the clip could not be read, ``error`` says why and all other fields are empty."""

    clip: str
    emotion: str | None = None
    probabilities: dict[str, float] = Field(default={})
    possible: list[str] = Field(default=[])
    sure: bool = False
    modalities: list[str] = Field(default=[])
    warnings: list[str] = Field(default=[])
    duration_s: float | None = None
    error: str | None = None

    @classmethod
    def of(cls, answer: ClipAnswer) -> "Answer":
        """Return the record of an answer of the model."""
        if isinstance(answer, RefusedClip):
            return cls(clip=answer.clip_id, error=answer.reason)
        assert isinstance(answer, ClipPrediction)
        return cls(
            clip=answer.clip_id,
            emotion=answer.emotion,
            probabilities=dict(answer.probabilities),
            possible=list(answer.possible),
            sure=answer.sure,
            modalities=list(answer.modalities),
            warnings=list(answer.warnings),
            duration_s=answer.duration_s,
        )


class ScoreAnswer(Record):
    """The answer for one clip. If the clip could not be read, ``error`` says why and all other fields are empty.

    ``low`` and ``high`` are the bounds of the score's interval; they are null if the model is not calibrated. ``sure``
    is false if the interval contains the middle of the scale, or if there is none.
    """

    clip: str
    score: float | None = None
    low: float | None = None
    high: float | None = None
    sure: bool = False
    modalities: list[str] = Field(default=[])
    warnings: list[str] = Field(default=[])
    duration_s: float | None = None
    error: str | None = None

    @classmethod
    def of(cls, answer: ClipAnswer) -> "ScoreAnswer":
        """Return the record of an answer of the model."""
        if isinstance(answer, RefusedClip):
            return cls(clip=answer.clip_id, error=answer.reason)
        assert isinstance(answer, ClipScore)
        return cls(
            clip=answer.clip_id,
            score=answer.score,
            low=answer.low,
            high=answer.high,
            sure=answer.sure,
            modalities=list(answer.modalities),
            warnings=list(answer.warnings),
            duration_s=answer.duration_s,
        )


_Answer = TypeVar("_Answer", Answer, ScoreAnswer)


class _Predictions(Record, Generic[_Answer]):
    model: str
    version: str
    predictions: list[_Answer]


class _Part(Record, Generic[_Answer]):
    start_s: float
    end_s: float
    answer: _Answer


class _V1Predictions(Record, Generic[_Answer]):
    predictions: list[_Answer]


class Answered(_Predictions[Answer]):
    """The answers for uploaded clips, in the order of the upload."""


class ScoresAnswered(_Predictions[ScoreAnswer]):
    """The answers for uploaded clips, in the order of the upload."""


class Segment(_Part[Answer]):
    """A part of a recording and the answer for it."""


class ScoredSegment(_Part[ScoreAnswer]):
    """A part of a recording and the answer for it."""


_Segment = TypeVar("_Segment", Segment, ScoredSegment)


class _Listened(Record, Generic[_Answer, _Segment]):
    model: str
    version: str
    duration_s: float
    whole: _Answer | None
    segments: list[_Segment]
    envelope: list[float]


class Listened(_Listened[Answer, Segment]):
    """The answers for a recording: for each part, and for the whole if it is short enough.

    ``envelope`` draws the waveform: the loudest sample, 0 to 1, of each of many equally long parts.
    """


class ScoresListened(_Listened[ScoreAnswer, ScoredSegment]):
    """The answers for a recording: for each part, and for the whole if it is short enough.

    ``envelope`` draws the waveform: the loudest sample, 0 to 1, of each of many equally long parts.
    """


class V1Answer(_V1Predictions[Answer]):
    """Answers in the form of the V1 protocol."""


class V1ScoresAnswer(_V1Predictions[ScoreAnswer]):
    """Answers in the form of the V1 protocol."""


class Scale(Record):
    """The scale of a score model, the names of its lower and upper side, and the names of their colours on the page."""

    low: float
    high: float
    middle: float
    sides: list[str]
    colours: list[str]

    @classmethod
    def of(cls, scale: ScoreScale) -> "Scale":
        """Return the record of a scale."""
        sides = list(scale.sides)
        of_side = side_colours(scale)
        return cls(
            low=scale.low, high=scale.high, middle=scale.middle, sides=sides, colours=[of_side[side] for side in sides]
        )


class ScoreModelFacts(ModelFacts):
    """Facts about the served score model, which has no classes."""

    task: str
    scale: Scale


@dataclass(frozen=True)
class AnswerRecords:
    """The records of a task.

    Attributes:
        answer: Answer to one clip.
        answered: Answers to uploads.
        segment: Part of a recording.
        listened: A recording in parts.
        v1: Answers in the V1 protocol.
        facts: Facts about the model.
    """

    answer: type[Answer] | type[ScoreAnswer]
    answered: type[Any]
    segment: type[Any]
    listened: type[Any]
    v1: type[Any]
    facts: type[ModelFacts]


_EMOTIONS = AnswerRecords(Answer, Answered, Segment, Listened, V1Answer, ModelFacts)
_SCORES = AnswerRecords(ScoreAnswer, ScoresAnswered, ScoredSegment, ScoresListened, V1ScoresAnswer, ScoreModelFacts)


def records_of(model: ServedModel) -> AnswerRecords:
    """Return the records of a model's task."""
    return _EMOTIONS if model.scale is None else _SCORES


def facts_of(model: ServedModel, *, name: str, keeps_requests: bool, limits: ModelLimits) -> ModelFacts:
    """Return the facts of a model.

    Args:
        model: The model.
        name: Its name in URLs.
        keeps_requests: True if the server keeps what it receives.
        limits: Limits of a request.
    """
    own: dict[str, Any] = {}
    if model.scale is not None:
        own = {"task": model.scale.task, "scale": Scale.of(model.scale)}
    return records_of(model).facts(
        name=name,
        version=model.version,
        title=model.title,
        classes=list(model.classes),
        colours={each: colours(model.classes)[each] for each in model.classes},
        modalities=list(model.modalities),
        calibrated=model.calibrated,
        abstains=model.abstains,
        remark=model.remark,
        has_card=model.card is not None,
        keeps_requests=keeps_requests,
        limits=limits,
        **own,
    )
