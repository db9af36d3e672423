from collections import Counter
from typing import Any

import numpy as np
import pytest

from merflow.contracts.tables import select
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.baselines import baselines_of
from merflow.corpus.splitting.leakage import shared_text
from merflow.corpus.splitting.splits import ids, make_splits
from tests.corpus.splitting.five_sessions import Row, changed, corpus_rows, manifest_of, params


def _emotions(manifest: Manifest) -> dict[str, str]:
    rows = manifest.rows.dropna(subset="emotion")
    return dict(zip(rows["utterance_id"], rows["emotion"], strict=True))


def test_every_test_utterance_has_a_guess_of_every_baseline() -> None:
    manifest = manifest_of(corpus_rows())
    splits = make_splits(manifest, params=params())
    baselines = baselines_of(manifest, splits)

    assert list(baselines) == ["majority", "side-only", "text-leak"]
    for baseline in baselines.values():
        assert baseline.guesses.keys() == _emotions(manifest).keys()
        assert baseline.what.endswith(".")


def test_the_majority_is_of_each_folds_training_part() -> None:
    manifest = manifest_of(corpus_rows())
    splits = make_splits(manifest, params=params(development="session"))
    emotion_of = _emotions(manifest)
    guesses = baselines_of(manifest, splits)["majority"].guesses

    for fold in splits.folds:
        counts = Counter(emotion_of[utterance] for utterance in ids(splits, fold=fold.fold, part="train"))
        expected = sorted(counts, key=lambda emotion: (-counts[emotion], emotion))[0]
        assert {guesses[utterance] for utterance in ids(splits, fold=fold.fold, part="test")} == {expected}


def test_the_leak_is_right_on_repeated_scripts_and_the_majority_elsewhere() -> None:
    manifest = manifest_of(corpus_rows())
    splits = make_splits(manifest, params=params())
    baselines, emotion_of = baselines_of(manifest, splits), _emotions(manifest)
    leak, majority = baselines["text-leak"], baselines["majority"]
    rows = select(manifest.rows, "utterance_id", list(leak.guesses))

    scripted = rows.loc[rows["scripted"].astype(bool), "utterance_id"]
    improvised = rows.loc[~rows["scripted"].astype(bool), "utterance_id"]
    assert len(scripted) == len(improvised) == 200
    assert all(leak.guesses[utterance] == emotion_of[utterance] for utterance in scripted)
    assert all(leak.guesses[utterance] == majority.guesses[utterance] for utterance in improvised)
    assert "which exist for 50.0% of the test utterances" in leak.what


def test_the_share_of_repeated_words_is_that_of_the_summary_of_the_splits() -> None:
    def partly(row: Row) -> dict[str, Any]:
        return {"transcript": f"[LAUGHTER] Line {row['turn_index'] % 7}!" if row["session"] < "Session4" else None}

    manifest = changed(partly)
    splits = make_splits(manifest, params=params())
    shared = [
        (len(test) * (shared_text(select(manifest.rows, "utterance_id", train), rows).overall or 0.0), len(test))
        for fold in splits.folds
        for train, test in [[ids(splits, fold=fold.fold, part=part) for part in ("train", "test")]]
        for rows in [select(manifest.rows, "utterance_id", test)]
    ]
    share = sum(hits for hits, _ in shared) / sum(size for _, size in shared)

    assert f"which exist for {share:.1%} of the test" in baselines_of(manifest, splits)["text-leak"].what
    assert 0.5 < share < 0.7


def test_of_words_with_two_emotions_the_more_frequent_one_is_guessed() -> None:
    def often_sad(row: Row) -> dict[str, Any]:
        return {"transcript": "Yeah." if row["emotion"] in ("sad", "angry") and row["turn_index"] < 20 else "unlike"}

    manifest = changed(often_sad)
    splits = make_splits(manifest, params=params())
    guesses, emotion_of = baselines_of(manifest, splits)["text-leak"].guesses, _emotions(manifest)
    words = dict(zip(manifest.rows["utterance_id"], manifest.rows["transcript"], strict=True))
    for fold in splits.folds:
        train = [u for u in ids(splits, fold=fold.fold, part="train") if words[u] == "Yeah."]
        counts = Counter(emotion_of[utterance] for utterance in train)
        assert len(counts) == 2
        for utterance in ids(splits, fold=fold.fold, part="test"):
            if words[utterance] == "Yeah.":
                assert counts[guesses[utterance]] == max(counts.values())


def test_side_facts_find_what_they_give_away_and_only_from_the_training_part() -> None:
    def telling(row: Row) -> dict[str, Any]:
        angry = row["emotion"] in ("angry", "sad")
        return {"video_side": "left" if angry else "right", "start_s": 0.0, "end_s": 2.0 if angry else 5.0}

    manifest = changed(telling)
    splits = make_splits(manifest, params=params())
    side, emotion_of = baselines_of(manifest, splits)["side-only"], _emotions(manifest)
    pairs = [{"angry", "sad"}, {"happy", "neutral"}]
    same = [any({guess, emotion_of[utterance]} <= pair for pair in pairs) for utterance, guess in side.guesses.items()]

    assert np.mean(same) == 1.0, "the side and the length tell the pair"
    assert side.what == (
        "Logistic regression with balanced class weights on facts around an utterance: the half of the picture, "
        "scripted or improvised, the position in the dialogue, the duration."
    )
    moved = changed(lambda row: telling(row) | ({"video_side": "up"} if row["session"] == "Session5" else {}))
    first = ids(make_splits(moved, params=params()), fold=5, part="test")
    unseen = baselines_of(moved, make_splits(moved, params=params()))["side-only"].guesses
    assert {unseen[utterance] for utterance in first} <= {"angry", "happy", "neutral", "sad"}


def test_a_baseline_whose_columns_the_corpus_lacks_is_left_out() -> None:
    bare = changed(lambda row: {"transcript": None, "scripted": None, "dialogue_id": row["utterance_id"]})
    assert list(baselines_of(bare, make_splits(bare, params=params()))) == ["majority"]


@pytest.mark.parametrize("protocol", ["speaker-10fold", "session5-only"])
def test_the_other_protocols_have_their_test_utterances_too(protocol: str) -> None:
    manifest = manifest_of(corpus_rows())
    splits = make_splits(manifest, params=params(protocol=protocol))
    tested = set(splits.rows.loc[splits.rows["part"] == "test", "utterance_id"])
    for baseline in baselines_of(manifest, splits).values():
        assert baseline.guesses.keys() == tested
