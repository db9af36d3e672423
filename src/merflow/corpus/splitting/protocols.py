"""Choice of the folds: test data by protocol, then development data from the rest."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd

from merflow.contracts.protocols import FIXED_FOLDS, Part, Protocol
from merflow.contracts.split_params import SplitParams
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.development import Drawn, TrainingData, draw_development
from merflow.corpus.splitting.fold_facts import FoldFacts, facts_of
from merflow.corpus.splitting.labelled import Labelled, labelled
from merflow.corpus.splitting.leakage import refuse_shared
from merflow.corpus.splitting.official import official_parts, shared_of
from merflow.corpus.splitting.tested_groups import TestedGroups, tested_groups

Parts = dict[Part, pd.DataFrame]
# Protocols that read the parts from the column official_split.
_NAMED_PARTS = ("official", "cross-corpus")


def usual_protocol(manifest: Manifest, *, params: SplitParams, suitable: Sequence[Protocol]) -> Protocol:
    """Return the protocol for ``splits.protocol: auto`` of a corpus whose reader names none.

    It is ``session-5fold`` for five sessions, else ``official`` if the corpus has a part to train on and one to test,
    else ``k-fold`` if there are enough speakers, else ``leave-one-speaker-out``. If none of these is suitable, it is
    the first protocol that is.

    Raises:
        SplitError: No utterance has a label of the task.
    """
    rows = _labelled(manifest, params).rows
    fits: dict[Protocol, bool] = {
        "session-5fold": rows["session"].nunique() == FIXED_FOLDS["session-5fold"],
        "official": {"train", "test"} <= set(rows["official_split"]),
        "k-fold": rows["speaker"].nunique() >= params.folds,
        "leave-one-speaker-out": True,
    }
    return next((name for name, fit in fits.items() if fit and name in suitable), suitable[0])


def fold_count(manifest: Manifest, *, params: SplitParams) -> int:
    """Return the number of folds that a protocol makes of a corpus.

    Raises:
        SplitError: The manifest does not suit the protocol.
    """
    if params.protocol in _NAMED_PARTS:
        return 1
    return len(tested_groups(_labelled(manifest, params).rows, params=params).groups)


def choose_folds(manifest: Manifest, *, params: SplitParams) -> Iterator[tuple[FoldFacts, Parts]]:
    """Yield the facts of each fold and, by part, its manifest rows.

    Raises:
        SplitError: The manifest does not suit the protocol, a speaker or dialogue would be on both sides, or a fold
            lacks a part or a class.
    """
    whole = _labelled(manifest, params)
    if params.protocol in _NAMED_PARTS:
        parts, drawn = official_parts(whole.rows, params=params), None
        has_dev = not parts["dev"].empty
        if not has_dev:
            data = TrainingData(parts["train"], partners=whole.rows.iloc[:0], test=parts["test"])
            parts, drawn = _with_development(data, fold=1, labelled=whole, params=params)
        # Development data that were drawn share dialogues with the training data here as in every protocol.
        shared = tuple(each for each in shared_of(parts) if has_dev or "test" in each.parts)
        fold_of = partial(facts_of, parts, fold=1, labelled=whole)
        yield fold_of(drawn=drawn, official_development=has_dev, shared=shared), parts
        return
    tested = tested_groups(whole.rows, params=params)
    for fold, group in enumerate(tested.groups, start=1):
        data = _training_data(whole.rows, tested=tested, group=group, fold=fold)
        parts, drawn = _with_development(data, fold=fold, labelled=whole, params=params)
        yield facts_of(parts, fold=fold, labelled=whole, drawn=drawn), parts


def _labelled(manifest: Manifest, params: SplitParams) -> Labelled:
    return labelled(manifest, params.named_task, improvised_only=params.improvised_only)


def _training_data(labelled: pd.DataFrame, *, tested: TestedGroups, group: tuple[str, ...], fold: int) -> TrainingData:
    """Return a fold's test data and what is left for training without their speakers and dialogues."""
    testing = labelled[tested.column].isin(group)
    test, rest = labelled[testing], labelled[~testing]
    if tested.column == "speaker":
        shares_dialogue = rest["dialogue_id"].isin(test["dialogue_id"])
        partners = rest["speaker"].isin(rest.loc[shares_dialogue, "speaker"])
        return TrainingData(rest[~shares_dialogue], partners=rest[partners], test=test)
    remedy = f"correct the column 'session' ({group[0]} is the test session of this fold), or use leave-one-speaker-out"
    for shared in ("speaker", "dialogue_id"):
        refuse_shared(shared, first=rest, second=test, parts=("train", "test"), fold=fold, remedy=remedy)
    return TrainingData(rest, partners=rest.iloc[:0], test=test)


def _with_development(
    data: TrainingData, *, fold: int, labelled: Labelled, params: SplitParams
) -> tuple[Parts, Drawn | None]:
    """Return all parts of a fold after the draw of its development data."""
    rng = np.random.default_rng([params.seed, fold])
    dev, drawn = draw_development(data, labelled=labelled, rng=rng, fold=fold, params=params)
    train = data.train[~data.train.index.isin(dev.index)]
    remedy = "give it one session, or choose another splits.development"
    if params.development != "random":
        refuse_shared("speaker", first=train, second=dev, parts=("train", "dev"), fold=fold, remedy=remedy)
    if params.development != "speaker":
        refuse_shared("dialogue_id", first=train, second=dev, parts=("train", "dev"), fold=fold, remedy=remedy)
    return {"train": train, "dev": dev, "test": data.test}, drawn
