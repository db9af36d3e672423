"""The draw of test utterances."""

import numpy as np
import pandas as pd

from merflow.contracts.task import Classification
from merflow.stress.sample import draw
from tests.corpus.splitting.five_sessions import corpus_rows, manifest_of

EMOTIONS = Classification(("angry", "happy", "neutral", "sad"))
CORPUS = manifest_of(corpus_rows())
LABELLED = CORPUS.rows[CORPUS.rows["emotion"].notna()]
FOLDS = pd.Series(1, index=LABELLED["utterance_id"])


def test_emotions_and_speakers_keep_their_shares() -> None:
    count = len(LABELLED) // 2
    drawn = draw(CORPUS, FOLDS, task=EMOTIONS, count=count, seed=0)
    assert len(drawn) == drawn["utterance_id"].nunique() == count
    shares = LABELLED.groupby(["emotion", "speaker"]).size() * count / len(LABELLED)
    counts = drawn.groupby(["emotion", "speaker"]).size().reindex(shares.index, fill_value=0)
    assert len(shares) > 8
    assert (np.abs(counts - shares) < 1).all()


def test_the_draw_depends_on_the_seed_alone() -> None:
    first, again, other = (
        draw(CORPUS, FOLDS, task=EMOTIONS, count=20, seed=seed)["utterance_id"].tolist() for seed in (0, 0, 1)
    )
    assert first == again == sorted(first)
    assert first != other
    backwards = draw(CORPUS, FOLDS[::-1], task=EMOTIONS, count=20, seed=0)["utterance_id"].tolist()
    assert backwards == first


def test_all_are_taken_where_there_are_few() -> None:
    drawn = draw(CORPUS, FOLDS, task=EMOTIONS, count=len(LABELLED) + 1, seed=0)
    assert drawn["utterance_id"].tolist() == sorted(LABELLED["utterance_id"])
    assert (drawn["fold"] == 1).all()
