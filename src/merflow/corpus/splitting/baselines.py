"""What a corpus gives away to somebody who neither hears nor sees nor understands: three baselines on a split's folds.

``majority`` knows how often each emotion occurs. ``side-only`` knows facts around an utterance: the half of the
picture, the speaker's gender, scripted or improvised, the place in the dialogue, the length. ``text-leak`` knows the
training part's transcripts by heart and understands none of them: scripted dialogues are spoken again in every
session, and what it scores above ``majority`` a model of text may owe to them. Each learns from the training part of a
fold alone, and a baseline whose columns the corpus lacks is left out.

:mod:`merflow.corpus.validation.confounds` asks the related question of one column at a time, before any split.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from merflow.contracts.baselines import Baseline
from merflow.contracts.tables import select
from merflow.corpus.durations import durations_s
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.splits import Splits, ids
from merflow.corpus.transcript import folded_words

_KINDS = {
    "video_side": "the half of the picture",
    "gender": "the speaker's gender",
    "scripted": "scripted or improvised",
}
_AMOUNTS = {"place": "the place in the dialogue", "log_duration_s": "the length"}
# Until the fit no longer moves: a handful of columns takes some ten steps.
_ITERATIONS = 1000


def baselines_of(manifest: Manifest, splits: Splits) -> dict[str, Baseline]:
    """The baselines of every fold's test part, by name: ``majority``, ``side-only``, ``text-leak``."""
    facts = _facts(manifest.rows)
    parts = [
        tuple(select(facts, "utterance_id", ids(splits, fold=fold.fold, part=part)) for part in ("train", "test"))
        for fold in splits.folds
    ]
    kinds, amounts = ([name for name in names if facts[name].nunique() > 1] for names in (_KINDS, _AMOUNTS))
    majority: dict[str, str] = {}
    side: dict[str, str] = {}
    leak: dict[str, str] = {}
    for train, test in parts:
        majority |= dict.fromkeys(test["utterance_id"], _most_frequent(train["emotion"]))
        if kinds or amounts:
            side |= _side_guesses(train, test, kinds=kinds, amounts=amounts)
        leak |= _twins(train, test)
    baselines = {"majority": Baseline("The most frequent emotion of the training part.", majority)}
    if side:
        words = ", ".join([*(_KINDS[name] for name in kinds), *(_AMOUNTS[name] for name in amounts)])
        what = f"Logistic regression with balanced classes on facts around the utterance: {words}."
        baselines["side-only"] = Baseline(what, side)
    if manifest.rows["transcript"].notna().any():
        what = (
            "The most frequent emotion of the training utterances with exactly the same words. "
            f"{100 * len(leak) / len(majority):.1f}% of the test utterances have such twins; for the others, the most "
            "frequent emotion of the training part."
        )
        baselines["text-leak"] = Baseline(what, majority | leak)
    return baselines


def _facts(rows: pd.DataFrame) -> pd.DataFrame:
    """The manifest's rows with ``place`` (0 first turn of the dialogue, 1 last), ``log_duration_s`` and ``words``."""
    turns = rows.groupby("dialogue_id")["turn_index"]
    first, last = turns.transform("min"), turns.transform("max")
    words = rows["transcript"].map(folded_words, na_action="ignore")
    return rows.assign(
        place=(rows["turn_index"] - first) / (last - first).clip(lower=1),
        log_duration_s=np.log(durations_s(rows).where(lambda seconds: seconds > 0)),
        words=words.where(words.ne("")),
        **{name: rows[name].astype("string").astype(object).where(rows[name].notna(), None) for name in _KINDS},
    )


def _most_frequent(emotions: pd.Series) -> str:
    """The first in the alphabet where two are equal."""
    counts: Counter[str] = Counter(emotions)
    return min(counts, key=lambda emotion: (-counts[emotion], emotion))


def _twins(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, str]:
    """Test utterance -> the emotion of the training utterances with its words; those alone that have any.

    Where two emotions are equally frequent among them, the one that is more frequent in the training part.
    """
    overall = train["emotion"].value_counts()
    heard: Mapping[str, Counter[str]] = {
        words: Counter(emotions) for words, emotions in train.groupby("words")["emotion"]
    }
    return {
        utterance: min(heard[words], key=lambda emotion: (-heard[words][emotion], -overall[emotion], emotion))
        for utterance, words in zip(test["utterance_id"], test["words"], strict=True)
        if words in heard
    }


def _side_guesses(train: pd.DataFrame, test: pd.DataFrame, *, kinds: list[str], amounts: list[str]) -> dict[str, str]:
    """Test utterance -> emotion, of a classifier that reads side facts."""
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), kinds),
        (make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()), amounts),
    )
    # Weighted, because UA counts every class alike: unweighted, it would mostly repeat the majority.
    classifier = LogisticRegression(class_weight="balanced", max_iter=_ITERATIONS)
    guesses = make_pipeline(columns, classifier).fit(train, train["emotion"]).predict(test)
    return dict(zip(test["utterance_id"], guesses.tolist(), strict=True))
