"""Emotions or scores over time, smoothed over neighbouring segments.

A segment of a few seconds is a noisy measurement, and a speaker's state rarely changes from one sentence to the next.
The smoothed numbers of a segment are therefore a weighted mean of those around it. The weight of a neighbour is its
duration times 0.5 to the power of (distance between the middles / half-life): with a half-life of 5 s, a segment 10 s
away counts a quarter as much per second of speech. Segments more than six half-lives away do not count.

Smoothing is only for display. It does not change a segment's own prediction, and a segment that the model is not sure
about stays "not sure" in the smoothed timeline.

Shapes: N segments with a prediction, C numbers of each: its probabilities, or its score.
"""

from collections.abc import Sequence

import numpy as np

from merflow.contracts.listening_results import HeardSegment

HALF_LIFE_S = 5.0
_REACH = 6  # half-lives


def smoothed(segments: Sequence[HeardSegment], *, half_life_s: float = HALF_LIFE_S) -> tuple[HeardSegment, ...]:
    """Return the segments with smoothed numbers; segments without a prediction are unchanged.

    Args:
        segments: Segments in the order of their starts.
        half_life_s: Distance at which a weight is halved; 0 leaves the numbers unchanged.
    """
    judged = [index for index, segment in enumerate(segments) if segment.heard is not None]
    rows = _smoothed_rows([segments[index] for index in judged], half_life_s)
    by_index = dict(zip(judged, rows, strict=True))
    return tuple(
        segment.model_copy(update={"smoothed": by_index[index]}) if index in by_index else segment
        for index, segment in enumerate(segments)
    )


def _smoothed_rows(segments: Sequence[HeardSegment], half_life_s: float) -> list[dict[str, float]]:
    """Return the smoothed numbers of segments that all have a prediction."""
    own = [segment.heard.values for segment in segments if segment.heard is not None]
    if not own or half_life_s == 0:
        return [dict(row) for row in own]
    names = list(own[0])
    values = np.array([[row[name] for name in names] for row in own])  # (N, C)
    middles = np.array([(segment.start_s + segment.end_s) / 2 for segment in segments])
    durations = np.array([segment.duration_s for segment in segments])
    firsts = np.searchsorted(middles, middles - _REACH * half_life_s)
    ends = np.searchsorted(middles, middles + _REACH * half_life_s, side="right")
    rows = []
    for middle, first, end in zip(middles, firsts, ends, strict=True):
        weights = durations[first:end] * 0.5 ** (np.abs(middles[first:end] - middle) / half_life_s)
        mean = weights @ values[first:end] / weights.sum()
        rows.append(dict(zip(names, mean.tolist(), strict=True)))
    return rows
