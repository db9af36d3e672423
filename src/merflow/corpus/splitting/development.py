"""Choice of development data: one training speaker, one training session, or whole dialogues.

Development data select the epoch, so a speaker with only a few lines is not enough: a speaker or session is drawn only
if it has ``splits.min_dev_per_class`` utterances of every class, or in every third of the corpus's scores. If none in
the corpus has that many, the draw is among those whose rarest class is the largest, and the splits say so.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.split_params import SplitParams
from merflow.corpus.splitting.labelled import Labelled, in_every_group
from merflow.errors import SplitError


@dataclass(frozen=True)
class Drawn:
    """A speaker or session drawn as development data.

    Attributes:
        name: The speaker or session.
        eligible: Number of candidates with enough utterances of every class, or in every third of the scores.
        candidates: Number of all candidates.
        per_class: Utterances of every class, or third, that each eligible candidate has at least.
    """

    name: str
    eligible: int
    candidates: int
    per_class: int


@dataclass(frozen=True)
class TrainingData:
    """Labelled utterances of a fold that development data are drawn from.

    Attributes:
        train: Utterances that share no dialogue with a test speaker.
        partners: Utterances of speakers who talk with a test speaker; they come first as development speakers, because
            their dialogues must not be trained on. Empty if whole sessions are tested.
        test: The test data.
    """

    train: pd.DataFrame
    partners: pd.DataFrame
    test: pd.DataFrame


def draw_development(
    data: TrainingData, *, labelled: Labelled, rng: np.random.Generator, fold: int, params: SplitParams
) -> tuple[pd.DataFrame, Drawn | None]:
    """Return the development data of a fold, and the speaker or session they belong to.

    Raises:
        SplitError: There is only one speaker or session to train on, or none has every class or third.
    """
    if params.development == "random":
        return _dialogues(data.train, rng=rng, share=params.random_share), None
    column = params.development
    partners = data.partners if column == "speaker" else data.partners.iloc[:0]
    others = data.train[~data.train[column].isin([*data.test[column], *partners[column]])]
    if partners.empty and others[column].nunique() < 2:
        names = sorted(others[column].unique())
        raise SplitError(
            f"fold {fold}: development data from one training {column} need at least two of them, but there are "
            f"{len(names)} ({', '.join(names)}); choose another splits.development"
        )
    counts = pd.crosstab(*(pd.concat([partners[name], others[name]]) for name in (column, labelled.drawn_by)))
    counts = counts.reindex(columns=list(labelled.groups), fill_value=0)
    rarest = counts.min(axis=1)
    per_class = min(params.min_dev_per_class, int(rarest.max()))
    if per_class == 0:
        raise SplitError(_nobody(counts, labelled, column=column, fold=fold))
    eligible = rarest[rarest >= per_class].index
    preferred = partners if partners[column].isin(eligible).any() else others
    name = str(rng.choice(sorted(set(preferred[column]) & set(eligible))))
    drawn = Drawn(name, eligible=len(eligible), candidates=len(rarest), per_class=per_class)
    return preferred[preferred[column] == name], drawn


def _dialogues(train: pd.DataFrame, *, rng: np.random.Generator, share: float) -> pd.DataFrame:
    """Return whole dialogues, drawn until they hold the share of the utterances."""
    dialogues = rng.permutation(sorted(train["dialogue_id"].unique()))
    sizes = train["dialogue_id"].value_counts().loc[dialogues].to_numpy()
    enough = int(np.searchsorted(np.cumsum(sizes), share * len(train))) + 1
    return train[train["dialogue_id"].isin(dialogues[:enough])]


def _nobody(counts: pd.DataFrame, labelled: Labelled, *, column: str, fold: int) -> str:
    has = counts.gt(0)
    best = has.sum(axis=1).idxmax()
    lacking = ", ".join(name for name in labelled.groups if not has.loc[best, name])
    every = in_every_group(of_scores=labelled.score is not None)
    others = "session or random" if column == "speaker" else "random"
    return (
        f"fold {fold}: none of the {len(counts)} training {column}s has utterances {every}, which "
        f"development data need ({best} comes closest and lacks {lacking}); set splits.development to {others}"
    )
