"""What can be guessed without hearing, seeing or reading anybody: the emotion, from who speaks or where he sits.

In IEMOCAP the actor who wears the markers sits on the left, and his turns are less often neutral; a model that sees
which half it is shown gains from that alone. Two baselines say how much. Either looks, in the other sessions, at the
utterances with the same value: one predicts the class that is most frequent among them, the other the class that has
the largest share of its own utterances there, which is the best guess for a mean over classes.
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
        name: In words.
        values: Of the column, sorted.
        shares: Class -> value -> share of the class' utterances that have it.
        utterances: Labelled and with a value; all of them are tested once.
        majority_ua: Mean recall over the classes, from 0 to 1, of predicting the most frequent class, leaving one
            session out at a time; None with one session.
        balanced_ua: The same of predicting the class with the largest share.
        chance: What guessing without any input has: one over the number of classes.
    """

    name: str
    values: tuple[str, ...]
    shares: dict[str, dict[str, float]]
    utterances: int
    majority_ua: float | None
    balanced_ua: float | None
    chance: float


def confounds_of(rows: pd.DataFrame) -> tuple[Confound, ...]:
    """The side of the picture and the speaker's gender, of a corpus that knows sides; nothing of others."""
    if not (rows["video_side"].notna() & rows["emotion"].notna()).any():
        return ()
    columns = {_SIDE: "video_side", "gender of the speaker": "gender"}
    found = (_confound(rows, column, name=name) for name, column in columns.items())
    return tuple(confound for confound in found if confound is not None)


def side_in_words(confounds: Sequence[Confound]) -> str | None:
    """One line on the side of the picture, for the terminal; None where the corpus knows no sides."""
    found = next((confound for confound in confounds if confound.name == _SIDE), None)
    if found is None:
        return None
    value = found.values[0]
    shares = ", ".join(f"{emotion} {100 * of[value]:.0f} %" for emotion, of in found.shares.items())
    if found.balanced_ua is None:
        guess = "one session does not tell how well the side alone predicts the emotion"
    else:
        guess = f"who knows the side alone has UA {100 * found.balanced_ua:.1f} %, chance is {100 * found.chance:.1f} %"
    return f"turns on the {value} of the picture, where markers are worn: {shares}; {guess}"


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
    """UA over all utterances, each predicted from the sessions that are not its own."""
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
            # A value that no other session has tells nothing.
            seen = weights.loc[value] if value in weights.index else weights.sum()
            guess = classes[int(np.argmax(seen))]
            hits[guess] += int((group["emotion"] == guess).sum())
    support = known["emotion"].value_counts()
    return float(np.mean([hits[each] / support[each] for each in classes]))
