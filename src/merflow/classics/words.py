"""Word classics: TF-IDF of words and word pairs, and logistic regression with balanced class weights.

The recipe is scikit-learn's with its own defaults (C = 1), which is what anyone would try first; only the way to add
the neighbours is chosen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from merflow.classics.decisions import Decisions, Outcome, chosen
from merflow.classics.folds import Fold
from merflow.contracts.protocols import Part
from merflow.contracts.streams import Transcript
from merflow.contracts.transcripts import TRANSCRIPT_COLUMNS
from merflow.corpus.manifest import Manifest
from merflow.errors import EvaluationError

NEIGHBOURS = 4  # turns before and turns after, as in context-mmt
_ITERATIONS = 1000
_NO_NEIGHBOUR = "none"  # one column for training utterances that all lack neighbours with words

# Utterances -> their texts, one list per block of columns.
Reader = Callable[[Sequence[str]], list[list[str]]]


def texts_of(manifest: Manifest, *, transcripts: Transcript) -> dict[str, str]:
    """Return the words of every utterance of the release; empty if there are none."""
    words = manifest.rows[TRANSCRIPT_COLUMNS[transcripts]].fillna("").astype(str)
    return dict(zip(manifest.rows["utterance_id"], words, strict=True))


def neighbours_of(manifest: Manifest, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the joined words of the turns around every utterance, labelled or not, without its own."""
    around = {}
    for _, dialogue in manifest.rows.groupby("dialogue_id", sort=False):
        turns = dialogue["utterance_id"].tolist()  # the manifest is sorted by turn
        for at, utterance in enumerate(turns):
            near = turns[max(0, at - NEIGHBOURS) : at] + turns[at + 1 : at + 1 + NEIGHBOURS]
            around[utterance] = " ".join(texts[turn] for turn in near)
    return around


def of_turn(fold: Fold, texts: Mapping[str, str]) -> Outcome:
    """Fit only the words of the turn."""
    return chosen([_fitted(fold, alone(texts))], fold.labels["dev"], classes=fold.classes)


def of_turn_and_neighbours(fold: Fold, texts: Mapping[str, str], around: Mapping[str, str]) -> Outcome:
    """Fit the words of the turn and its neighbours: one text or two blocks of columns, chosen on development data."""
    candidates = (_fitted(fold, read, settings=way) for way, read in with_neighbours(texts, around).items())
    return chosen(candidates, fold.labels["dev"], classes=fold.classes)


def of_unseen_lines(fold: Fold, texts: Mapping[str, str], repeats: Mapping[str, frozenset[str]]) -> Outcome:
    """Fit the words of the turn; for each tested dialogue, leave out the training utterances that repeat its lines.

    If a class has no training utterances left, nothing can be learned, and all classes are equally likely.

    Args:
        fold: The fold.
        texts: Words of every utterance.
        repeats: Test utterance -> the training utterances to leave out.
    """
    test = fold.ids["test"]
    rows: dict[frozenset[str], list[int]] = {}
    for row, name in enumerate(test):
        rows.setdefault(repeats[name], []).append(row)
    probabilities = np.empty((len(test), fold.classes))
    whole = of_turn(fold, texts)
    for left_out, tested in rows.items():
        outcome = _without(fold, texts, left_out) if left_out else whole
        probabilities[tested] = 1 / fold.classes if outcome is None else outcome.probabilities[tested]
    settings = f"trained {len(rows)} times without {min(map(len, rows))} to {max(map(len, rows))} utterances"
    return Outcome(settings, whole.dev_ua, probabilities)


def _without(fold: Fold, texts: Mapping[str, str], left_out: frozenset[str]) -> Outcome | None:
    kept = [row for row, name in enumerate(fold.ids["train"]) if name not in left_out]
    labels = fold.labels["train"][kept]
    if len(set(labels.tolist())) < fold.classes:
        return None
    ids: dict[Part, list[str]] = {**fold.ids, "train": [fold.ids["train"][row] for row in kept]}
    return of_turn(Fold(fold.number, ids, {**fold.labels, "train": labels}, fold.classes), texts)


def alone(texts: Mapping[str, str]) -> Reader:
    """Return the reader of the turn's own words."""
    return lambda names: [[texts[name] for name in names]]


def with_neighbours(texts: Mapping[str, str], around: Mapping[str, str]) -> dict[str, Reader]:
    """Return the ways to read the words of the turn with those around it."""
    return {
        "neighbours joined to the turn": lambda names: [[f"{texts[name]} {around[name]}" for name in names]],
        "neighbours as further columns": lambda names: [
            [texts[name] for name in names],
            [around[name] for name in names],
        ],
    }


def _fitted(fold: Fold, read: Reader, *, settings: str = "") -> Decisions:
    from sklearn.linear_model import LogisticRegression

    train, dev, test = weighted_counts(fold, read)
    # newton-cg reaches the same optimum as the default solver in a fifth of the time, with thousands of sparse columns.
    machine = LogisticRegression(class_weight="balanced", solver="newton-cg", max_iter=_ITERATIONS)
    classifier = machine.fit(train, fold.labels["train"])
    return Decisions(settings, *(classifier.predict_log_proba(part) for part in (dev, test)))


def weighted_counts(fold: Fold, read: Reader) -> Iterator[Any]:
    """Yield the sparse TF-IDF matrices of the training, development and test part; the first one is learned from."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        vectorizers = [
            TfidfVectorizer(ngram_range=(1, 2)).fit(block if number == 0 or any(block) else [_NO_NEIGHBOUR])
            for number, block in enumerate(read(fold.ids["train"]))
        ]
    except ValueError as error:  # an empty vocabulary
        raise EvaluationError(
            f"fold {fold.number}: no training utterance has words; set classics.words=false"
        ) from error
    parts: tuple[Part, ...] = ("train", "dev", "test")
    for part in parts:
        blocks = zip(vectorizers, read(fold.ids[part]), strict=True)
        yield hstack([vectorizer.transform(block) for vectorizer, block in blocks]).tocsr()
