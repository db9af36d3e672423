"""The test utterances that the suite runs on.

Shapes: U utterances.
"""

import numpy as np
import pandas as pd

from merflow.contracts.tables import select
from merflow.corpus.durations import durations_s
from merflow.corpus.manifest import Manifest

_COLUMNS = ["utterance_id", "dialogue_id", "emotion", "session", "speaker", "gender", "duration_s", "fold"]
_STRATA = ["emotion", "speaker"]


def draw(manifest: Manifest, folds: pd.Series, *, count: int, seed: int) -> pd.DataFrame:
    """Draw utterances such that every emotion of every speaker keeps its share; all of them if there are fewer.

    Args:
        manifest: The corpus.
        folds: The fold that tests an utterance, by utterance id.
        count: Number of utterances.
        seed: Seed of the draw.

    Returns:
        utterance_id, dialogue_id, emotion, session, speaker, gender, duration_s and fold, sorted by utterance_id.
    """
    rows = select(manifest.rows, "utterance_id", sorted(folds.index))
    rows = rows.assign(duration_s=durations_s(rows), fold=folds.loc[rows["utterance_id"]].to_numpy())[_COLUMNS]
    if len(rows) <= count:
        return rows
    drawn = rows.iloc[np.random.default_rng(seed).permutation(len(rows))]
    places = _places(rows.groupby(_STRATA).size(), count=count).rename("places").reset_index()
    places_of = drawn[_STRATA].merge(places, on=_STRATA, how="left")["places"].to_numpy()
    taken = drawn[drawn.groupby(_STRATA).cumcount().to_numpy() < places_of]
    return taken.sort_values("utterance_id").reset_index(drop=True)


def _places(sizes: pd.Series, *, count: int) -> pd.Series:
    """Divide ``count`` places among the strata by their sizes, with the largest remainders rounded up."""
    shares = sizes * count / sizes.sum()
    places = np.floor(shares).astype(np.int64)
    rounded_up = (shares - places).sort_values(ascending=False, kind="stable").index[: count - int(places.sum())]
    places.loc[rounded_up] += 1
    return places
