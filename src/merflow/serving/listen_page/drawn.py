"""Segments in the form that the page's script draws: numbers and short texts."""

from typing import Any

from merflow.contracts.heard import NOT_SURE, SCORE, HeardEmotion, HeardScore, ListeningModel, short
from merflow.contracts.listening_results import HeardSegment

_UNSURE, _REFUSED = -1, -2


def drawn(segment: HeardSegment, model: ListeningModel) -> dict[str, Any]:
    """Return a segment for the script.

    ``answer`` is the index of its class or of its side of the scale, -1 if the model is not sure, -2 without a
    prediction.
    """
    heard = segment.heard
    facts: dict[str, Any] = {"start": round(segment.start_s, 3), "end": round(segment.end_s, 3), "answer": _REFUSED}
    if heard is not None:
        label = model.label_of(heard)
        facts["answer"] = _UNSURE if label == NOT_SURE else model.labels.index(label)
        own = _emotion(heard, segment, model) if isinstance(heard, HeardEmotion) else _score(heard, segment)
        facts |= own
    notes = [*(heard.warnings if heard else ()), *filter(None, [segment.refusal])]
    return facts | ({"text": segment.text} if segment.text else {}) | ({"notes": notes} if notes else {})


def _emotion(heard: HeardEmotion, segment: HeardSegment, model: ListeningModel) -> dict[str, Any]:
    """Return probabilities per thousand in the order of the classes, and the indices of the possible classes."""
    facts: dict[str, Any] = {
        "own": [round(1000 * heard.probabilities[name]) for name in model.classes],
        "possible": [model.classes.index(name) for name in heard.possible],
    }
    if segment.smoothed is not None:
        facts["smoothed"] = [round(1000 * segment.smoothed[name]) for name in model.classes]
    return facts


def _score(heard: HeardScore, segment: HeardSegment) -> dict[str, Any]:
    """Return the score, the ends of its interval, which may be None, and the answer in words."""
    low, high = (None if end is None else round(end, 3) for end in (heard.low, heard.high))
    smoothed = heard.score if segment.smoothed is None else segment.smoothed[SCORE]
    return {
        "score": round(heard.score, 3),
        "low": low,
        "high": high,
        "said": heard.answer,
        "short": short(heard.score),
        "smoothed": round(smoothed, 3),
    }
