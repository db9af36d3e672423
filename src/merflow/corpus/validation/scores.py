"""Figures of the scores of a corpus, by part of its official split."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.protocols import PARTS
from merflow.contracts.task import SCALES

NO_PART = "no part"
_BINS_PER_POINT = 3  # means of three raters are multiples of a third


@dataclass(frozen=True)
class Scores:
    """The sentiments of one part.

    Attributes:
        negative: Utterances below 0.
        zero: Utterances at 0.
        positive: Utterances above 0.
        mean: Mean of the sentiments.
        centres: Multiples of a third from -3 to 3.
        counts: Utterances by sentiment, in bins around the centres.
    """

    negative: int
    zero: int
    positive: int
    mean: float
    centres: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def utterances(self) -> int:
        """Number of utterances with a sentiment."""
        return self.negative + self.zero + self.positive


def scores_of(rows: pd.DataFrame) -> dict[str, Scores]:
    """Return the sentiments of each part that has any, in the order train, dev, test; ``NO_PART`` comes last."""
    scored = rows[rows["sentiment"].notna()]
    part = scored["official_split"].fillna(NO_PART)
    of_part = {name: scored.loc[part == name, "sentiment"].to_numpy() for name in (*PARTS, NO_PART)}
    return {name: _scores(values) for name, values in of_part.items() if len(values)}


def _scores(values: np.ndarray) -> Scores:
    scale = SCALES["sentiment"]
    bins = round((scale.high - scale.low) * _BINS_PER_POINT) + 1
    half = 0.5 / _BINS_PER_POINT
    counts, _ = np.histogram(values, bins=bins, range=(scale.low - half, scale.high + half))
    centres = np.linspace(scale.low, scale.high, bins)
    return Scores(
        negative=int((values < 0).sum()),
        zero=int((values == 0).sum()),
        positive=int((values > 0).sum()),
        mean=float(values.mean()),
        centres=tuple(centres.tolist()),
        counts=tuple(counts.tolist()),
    )
