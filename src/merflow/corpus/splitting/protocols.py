"""Choice of the folds: test data by protocol, then development data from the rest."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.params import SplitParams
from merflow.contracts.protocols import PARTS, Part, Protocol
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.leakage import SharedText, refuse_shared, shared_text
from merflow.errors import SplitError


@dataclass(frozen=True)
class FoldFacts:
    """Facts of one fold.

    Attributes:
        fold: Number of the fold, from 1.
        speakers: Part -> its speakers, sorted.
        counts: Part -> class -> utterances.
        left_out: Number of labelled utterances in no part, because they share a dialogue with the test speaker.
        dialogues_dev_train: Number of dialogues in both development and training data.
        dialogues_dev_test: Number of dialogues in both development and test data.
        shared_text: Shares of test utterances whose words occur in the training data.
    """

    fold: int
    speakers: dict[Part, tuple[str, ...]]
    counts: dict[Part, dict[str, int]]
    left_out: int
    dialogues_dev_train: int
    dialogues_dev_test: int
    shared_text: SharedText


def choose_folds(manifest: Manifest, *, params: SplitParams) -> Iterator[tuple[FoldFacts, dict[Part, pd.DataFrame]]]:
    """Yield the facts of each fold and, by part, its manifest rows.

    Raises:
        SplitError: The manifest does not suit the protocol, a speaker or dialogue would be on both sides, or a fold
            lacks a part or a class.
    """
    labelled = _labelled(manifest, params)
    column, groups = _test_groups(labelled, params.protocol)
    classes = taxonomy(manifest.taxonomy).classes
    for fold, group in enumerate(groups, start=1):
        parts = _assign(labelled, column=column, group=group, fold=fold, params=params)
        yield _facts(parts, fold=fold, classes=classes, labelled=len(labelled)), parts


def _labelled(manifest: Manifest, params: SplitParams) -> pd.DataFrame:
    rows = manifest.rows[manifest.rows["emotion"].notna()]
    if rows.empty:
        raise SplitError(
            f"none of the {len(manifest.rows)} utterances of {manifest.root} has an emotion of taxonomy "
            f"{manifest.taxonomy}; label them, or choose another corpus.taxonomy"
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


def _test_groups(labelled: pd.DataFrame, protocol: Protocol) -> tuple[str, list[str]]:
    """Return the column that decides the test data, and its values in the order of the folds."""
    column, expected = ("speaker", 10) if protocol == "speaker-10fold" else ("session", 5)
    groups = sorted(labelled[column].unique())
    if len(groups) != expected:
        names = ", ".join(groups[:12]) + (", ..." if len(groups) > 12 else "")
        raise SplitError(
            f"{protocol} needs exactly {expected} {column}s with labelled utterances, but the corpus has {len(groups)} "
            f"({names}); choose another splits.protocol, or change the column {column!r}"
        )
    return column, groups[-1:] if protocol == "session5-only" else groups


def _assign(
    labelled: pd.DataFrame, *, column: str, group: str, fold: int, params: SplitParams
) -> dict[Part, pd.DataFrame]:
    rng = np.random.default_rng([params.seed, fold])
    testing = labelled[column] == group
    test, rest = labelled[testing], labelled[~testing]
    shares_dialogue = rest["dialogue_id"].isin(test["dialogue_id"])
    partners: list[str] = []
    if params.protocol == "speaker-10fold":
        partners = sorted(rest.loc[shares_dialogue, "speaker"].unique())
        train = rest[~shares_dialogue]
    else:
        remedy = f"correct the column 'session' ({group} is the test session of this fold), or use speaker-10fold"
        for shared in ("speaker", "dialogue_id"):
            refuse_shared(shared, first=rest, second=test, parts=("training", "test"), fold=fold, remedy=remedy)
        train = rest
    if params.development == "speaker" and partners:
        dev = rest[rest["speaker"] == rng.choice(partners)]
    else:
        dev = _develop(train, test=test, rng=rng, fold=fold, params=params)
    train = train[~train.index.isin(dev.index)]
    remedy = "give it one session, or choose another splits.development"
    if params.development != "random":
        refuse_shared("speaker", first=train, second=dev, parts=("train", "dev"), fold=fold, remedy=remedy)
    if params.development != "speaker":
        refuse_shared("dialogue_id", first=train, second=dev, parts=("train", "dev"), fold=fold, remedy=remedy)
    return {"train": train, "dev": dev, "test": test}


def _develop(
    train: pd.DataFrame, *, test: pd.DataFrame, rng: np.random.Generator, fold: int, params: SplitParams
) -> pd.DataFrame:
    """Return the rows of the training data that become development data."""
    if params.development == "random":
        dialogues = rng.permutation(sorted(train["dialogue_id"].unique()))
        sizes = train["dialogue_id"].value_counts().loc[dialogues].to_numpy()
        enough = int(np.searchsorted(np.cumsum(sizes), params.random_share * len(train))) + 1
        return train[train["dialogue_id"].isin(dialogues[:enough])]
    column = params.development
    choices = sorted(set(train[column]) - set(test[column]))
    if len(choices) < 2:
        raise SplitError(
            f"fold {fold}: development data from one training {column} need at least two of them, but there are "
            f"{len(choices)} ({', '.join(choices)}); choose another splits.development"
        )
    return train[train[column] == rng.choice(choices)]


def _facts(parts: dict[Part, pd.DataFrame], *, fold: int, classes: tuple[str, ...], labelled: int) -> FoldFacts:
    counts: dict[Part, dict[str, int]] = {
        part: {name: int((rows["emotion"] == name).sum()) for name in classes} for part, rows in parts.items()
    }
    for part in PARTS:
        if parts[part].empty:
            raise SplitError(f"fold {fold} has no {part} utterance; choose another splits.protocol or development")
    missing = [name for name, count in counts["train"].items() if count == 0]
    if missing:
        raise SplitError(
            f"fold {fold} has no {', '.join(missing)} utterance to train on; choose another splits.protocol, "
            "splits.development or corpus.taxonomy"
        )
    dialogues = {part: set(rows["dialogue_id"]) for part, rows in parts.items()}
    return FoldFacts(
        fold=fold,
        speakers={part: tuple(sorted(rows["speaker"].unique())) for part, rows in parts.items()},
        counts=counts,
        left_out=labelled - sum(len(rows) for rows in parts.values()),
        dialogues_dev_train=len(dialogues["dev"] & dialogues["train"]),
        dialogues_dev_test=len(dialogues["dev"] & dialogues["test"]),
        shared_text=shared_text(parts["train"], parts["test"]),
    )
