"""Choice of the folds: test data by protocol, then development data from the rest."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from merflow.contracts.params import SplitParams
from merflow.contracts.protocols import Part
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.development import Drawn, TrainingData, draw_development
from merflow.corpus.splitting.fold_facts import FoldFacts, facts_of
from merflow.corpus.splitting.leakage import refuse_shared
from merflow.corpus.splitting.official import official_parts, shared_of
from merflow.corpus.splitting.tested_groups import TestedGroups, tested_groups
from merflow.errors import SplitError

Parts = dict[Part, pd.DataFrame]


def fold_count(manifest: Manifest, *, params: SplitParams) -> int:
    """Return the number of folds that a protocol makes of a corpus.

    Raises:
        SplitError: The manifest does not suit the protocol.
    """
    if params.protocol == "official":
        return 1
    return len(tested_groups(_labelled(manifest, params), params=params).groups)


def choose_folds(manifest: Manifest, *, params: SplitParams) -> Iterator[tuple[FoldFacts, Parts]]:
    """Yield the facts of each fold and, by part, its manifest rows.

    Raises:
        SplitError: The manifest does not suit the protocol, a speaker or dialogue would be on both sides, or a fold
            lacks a part or a class.
    """
    labelled = _labelled(manifest, params)
    classes = manifest.classes
    if params.protocol == "official":
        parts, drawn = official_parts(labelled, params=params), None
        whole = not parts["dev"].empty
        if not whole:
            data = TrainingData(parts["train"], partners=labelled.iloc[:0], test=parts["test"])
            parts, drawn = _with_development(data, fold=1, classes=classes, params=params)
        # Development data that were drawn share dialogues with the training data here as in every protocol.
        shared = tuple(each for each in shared_of(parts) if whole or "test" in each.parts)
        fold_of = partial(facts_of, parts, fold=1, classes=classes, labelled=len(labelled))
        yield fold_of(drawn=drawn, official_development=whole, shared=shared), parts
        return
    tested = tested_groups(labelled, params=params)
    for fold, group in enumerate(tested.groups, start=1):
        data = _training_data(labelled, tested=tested, group=group, fold=fold)
        parts, drawn = _with_development(data, fold=fold, classes=classes, params=params)
        yield facts_of(parts, fold=fold, classes=classes, labelled=len(labelled), drawn=drawn), parts


def _labelled(manifest: Manifest, params: SplitParams) -> pd.DataFrame:
    rows = manifest.rows[manifest.rows["emotion"].notna()]
    if rows.empty:
        raise SplitError(
            f"none of the {len(manifest.rows)} utterances of {manifest.root} has an emotion of taxonomy "
            f"{manifest.taxonomy.name}; label them, or choose another corpus.taxonomy"
        )
    if not params.improvised_only:
        return rows
    unknown = int(rows["scripted"].isna().sum())
    if unknown:
        raise SplitError(
            f"{unknown} of {len(rows)} labelled utterances have no value in the column 'scripted', for example "
            f"{rows.loc[rows['scripted'].isna(), 'utterance_id'].iloc[0]}; fill it in, or set "
            "splits.improvised_only=false"
        )
    improvised = rows[~rows["scripted"].astype(bool)]
    if improvised.empty:
        raise SplitError(
            f"all {len(rows)} labelled utterances are scripted, so improvised_only leaves none; "
            "set splits.improvised_only=false"
        )
    return improvised


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
    data: TrainingData, *, fold: int, classes: tuple[str, ...], params: SplitParams
) -> tuple[Parts, Drawn | None]:
    """Return all parts of a fold after the draw of its development data."""
    rng = np.random.default_rng([params.seed, fold])
    dev, drawn = draw_development(data, classes=classes, rng=rng, fold=fold, params=params)
    train = data.train[~data.train.index.isin(dev.index)]
    remedy = "give it one session, or choose another splits.development"
    if params.development != "random":
        refuse_shared("speaker", first=train, second=dev, parts=("train", "dev"), fold=fold, remedy=remedy)
    if params.development != "speaker":
        refuse_shared("dialogue_id", first=train, second=dev, parts=("train", "dev"), fold=fold, remedy=remedy)
    return {"train": train, "dev": dev, "test": data.test}, drawn
