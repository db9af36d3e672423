"""Three baselines without audio, video or text understanding, on the folds of a split.

``majority`` predicts the most frequent emotion. ``side-only`` uses side information about an utterance: the half of the
picture, the speaker's gender, scripted or improvised, the position in the dialogue, and the duration. ``text-leak``
memorizes the transcripts of the training part. Scripted dialogues are repeated in every session, so a text model may
owe to them whatever this baseline scores above ``majority``. Each baseline learns from the training part of a fold
only. A baseline whose columns the corpus lacks is left out.

:mod:`merflow.corpus.validation.confounds` answers a related question for one column at a time, before any split.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

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
_AMOUNTS = {"position": "the position in the dialogue", "log_duration_s": "the duration"}
# Enough to converge: a handful of columns takes about ten steps.
_ITERATIONS = 1000


def baselines_of(manifest: Manifest, splits: Splits) -> dict[str, Baseline]:
    """Return the baselines on the test parts of all folds by name: ``majority``, ``side-only``, ``text-leak``."""
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
        leak |= _same_words(train, test)
    baselines = {"majority": Baseline("The most frequent emotion of the training part.", majority)}
    if side:
        words = ", ".join([*(_KINDS[name] for name in kinds), *(_AMOUNTS[name] for name in amounts)])
        text = f"Logistic regression with balanced class weights on facts around an utterance: {words}."
        baselines["side-only"] = Baseline(text, side)
    if manifest.rows["transcript"].notna().any():
        text = (
            "The most frequent emotion among training utterances with exactly the same words, which exist for "
            f"{len(leak) / len(majority):.1%} of the test utterances; otherwise that of the training part."
        )
        baselines["text-leak"] = Baseline(text, majority | leak)
    return baselines


def _facts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest's rows with ``position`` (0 first turn, 1 last), ``log_duration_s`` and ``words``."""
    turns = rows.groupby("dialogue_id")["turn_index"]
    first, last = turns.transform("min"), turns.transform("max")
    words = rows["transcript"].map(folded_words, na_action="ignore")
    return rows.assign(
        position=(rows["turn_index"] - first) / (last - first).clip(lower=1),
        log_duration_s=np.log(durations_s(rows).where(lambda seconds: seconds > 0)),
        words=words.where(words.ne("")),
        **{name: rows[name].astype("string").astype(object).where(rows[name].notna(), None) for name in _KINDS},
    )


def _most_frequent(emotions: pd.Series) -> str:
    """Return the most frequent emotion; of equals, the first in the alphabet."""
    counts: Counter[str] = Counter(emotions)
    return min(counts, key=lambda emotion: (-counts[emotion], emotion))


def _same_words(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, str]:
    """Return test utterance -> emotion of the training utterances with the same words, if there are any.

    Of two emotions that are equally frequent among them, the one that is more frequent in the training part wins.
    """
    overall = train["emotion"].value_counts()
    emotions: Mapping[str, Counter[str]] = {words: Counter(group) for words, group in train.groupby("words")["emotion"]}
    return {
        utterance: min(emotions[words], key=lambda emotion: (-emotions[words][emotion], -overall[emotion], emotion))
        for utterance, words in zip(test["utterance_id"], test["words"], strict=True)
        if words in emotions
    }


def _side_guesses(train: pd.DataFrame, test: pd.DataFrame, *, kinds: list[str], amounts: list[str]) -> dict[str, str]:
    """Predict the emotion of each test utterance with a classifier that reads side facts."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), kinds),
        (make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()), amounts),
    )
    # Balanced, because UA counts all classes equally; without weights it would mostly predict the majority.
    classifier = LogisticRegression(class_weight="balanced", max_iter=_ITERATIONS)
    guesses = make_pipeline(columns, classifier).fit(train, train["emotion"]).predict(test)
    return dict(zip(test["utterance_id"], guesses.tolist(), strict=True))
