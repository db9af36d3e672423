"""Confounds: the side of the picture and the speaker's gender as predictors of the emotion.

In IEMOCAP the actor with the face markers sits on the left, and that actor's turns are less often neutral. A model that
learns which half of the picture it sees gains from that alone. Two baselines measure how much. Both look at the
utterances of the other sessions with the same value. One predicts the most frequent class among them. The other
predicts the class with the largest share of its own utterances among them, which is the best guess for a mean over
classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_SIDE = "side of the picture"


@dataclass(frozen=True)
class Confound:
    """One column of the manifest as the only input.

    Attributes:
        name: Readable name of the column.
        values: Values of the column, sorted.
        shares: Class -> value -> share of the class's utterances with this value.
        utterances: Number of labelled utterances with a value; each is tested once.
        majority_ua: UA, from 0 to 1, of predicting the most frequent class, with one session left out at a time; None
            if there is only one session.
        balanced_ua: The same for predicting the class with the largest share.
        chance: UA of a guess without any input: one over the number of classes.
    """

    name: str
    values: tuple[str, ...]
    shares: dict[str, dict[str, float]]
    utterances: int
    majority_ua: float | None
    balanced_ua: float | None
    chance: float


def confounds_of(rows: pd.DataFrame) -> tuple[Confound, ...]:
    """Return the confounds of a corpus with known sides; other corpora have none."""
    if not (rows["video_side"].notna() & rows["emotion"].notna()).any():
        return ()
    columns = {_SIDE: "video_side", "gender of the speaker": "gender"}
    confounds = (_confound(rows, column, name=name) for name, column in columns.items())
    return tuple(confound for confound in confounds if confound is not None)


def side_in_words(confounds: Sequence[Confound]) -> str | None:
    """Describe the effect of the side of the picture in a line for the terminal; None for a corpus without sides."""
    side = next((confound for confound in confounds if confound.name == _SIDE), None)
    if side is None:
        return None
    value = side.values[0]
    shares = ", ".join(f"{emotion} {of[value]:.0%}" for emotion, of in side.shares.items())
    if side.balanced_ua is None:
        guess = "with one session, the side alone cannot be tested as a predictor"
    else:
        guess = f"the side alone predicts the emotion with UA {side.balanced_ua:.1%} (chance {side.chance:.1%})"
    return f"share of turns on the {value} of the picture, where markers are worn: {shares}; {guess}"


def _confound(rows: pd.DataFrame, column: str, *, name: str) -> Confound | None:
    known = rows[rows["emotion"].notna() & rows[column].notna()]
    values = sorted(known[column].unique())
    if len(values) < 2:
        return None
    classes = sorted(known["emotion"].unique())
    counts = pd.crosstab(known["emotion"], known[column]).reindex(index=classes, columns=values, fill_value=0)
    shares = counts.div(counts.sum(axis=1), axis=0)
    return Confound(
        name=name,
        values=tuple(values),
        shares={each: {value: float(shares.loc[each, value]) for value in values} for each in classes},
        utterances=len(known),
        majority_ua=_baseline(known, column, classes=classes, balanced=False),
        balanced_ua=_baseline(known, column, classes=classes, balanced=True),
        chance=1 / len(classes),
    )


def _baseline(known: pd.DataFrame, column: str, *, classes: Sequence[str], balanced: bool) -> float | None:
    """Return the UA over all utterances, each predicted from the sessions other than its own."""
    sessions = sorted(known["session"].unique())
    if len(sessions) < 2:
        return None
    hits = dict.fromkeys(classes, 0)
    for session in sessions:
        tested = known["session"] == session
        counts = pd.crosstab(known.loc[~tested, column], known.loc[~tested, "emotion"])
        counts = counts.reindex(columns=classes, fill_value=0)
        weights = counts / counts.sum().clip(lower=1) if balanced else counts
        for value, group in known[tested].groupby(column):
            # A value that no other session has predicts nothing.
            votes = weights.loc[value] if value in weights.index else weights.sum()
            guess = classes[int(np.argmax(votes))]
            hits[guess] += int((group["emotion"] == guess).sum())
    support = known["emotion"].value_counts()
    return float(np.mean([hits[each] / support[each] for each in classes]))
