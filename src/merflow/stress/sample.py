"""The test utterances that the suite runs on.

Shapes: U utterances.
"""

import numpy as np
import pandas as pd

from merflow.contracts.tables import select
from merflow.contracts.task import Regression, Task
from merflow.corpus.durations import durations_s
from merflow.corpus.manifest import Manifest
from merflow.evaluation.scores.metrics import steps

_BEFORE, _AFTER = ["utterance_id", "dialogue_id"], ["session", "speaker", "gender", "duration_s", "fold"]


def draw(manifest: Manifest, folds: pd.Series, *, task: Task, count: int, seed: int) -> pd.DataFrame:
    """Draw utterances so that every stratum keeps its share; return all of them if there are fewer.

    A stratum is an emotion of a speaker, or a step of the scale: if every video counts as a speaker, most speakers have
    no utterance at most steps.

    Args:
        manifest: The corpus.
        folds: The fold that tests an utterance, by utterance id.
        task: Task with the labels.
        count: Number of utterances.
        seed: Seed of the draw.

    Returns:
        utterance_id, dialogue_id, the task's column, session, speaker, gender, duration_s and fold, sorted by
        utterance_id.
    """
    rows = select(manifest.rows, "utterance_id", sorted(folds.index))
    rows = rows.assign(duration_s=durations_s(rows), fold=folds.loc[rows["utterance_id"]].to_numpy())
    rows = rows[[*_BEFORE, task.column, *_AFTER]]
    if len(rows) <= count:
        return rows
    drawn = rows.iloc[np.random.default_rng(seed).permutation(len(rows))]
    strata = _strata(drawn, task)
    keys = list(strata)
    places = _places(strata.groupby(keys).size(), count=count).rename("places").reset_index()
    places_of = strata.merge(places, on=keys, how="left")["places"].to_numpy()
    taken = drawn[strata.groupby(keys).cumcount().to_numpy() < places_of]
    return taken.sort_values("utterance_id").reset_index(drop=True)


def _strata(rows: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Return the columns that name the stratum of each utterance."""
    if isinstance(task, Regression):
        labels = rows[task.column].to_numpy(dtype=np.float64)
        return pd.DataFrame({"step": steps(labels, task)}, index=rows.index)
    return rows[[task.column, "speaker"]]


def _places(sizes: pd.Series, *, count: int) -> pd.Series:
    """Divide ``count`` places among the strata by their sizes, with the largest remainders rounded up."""
    shares = sizes * count / sizes.sum()
    places = np.floor(shares).astype(np.int64)
    rounded_up = (shares - places).sort_values(ascending=False, kind="stable").index[: count - int(places.sum())]
    places.loc[rounded_up] += 1
    return places
