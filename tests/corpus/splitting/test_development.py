import pytest

from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.splits import make_splits
from merflow.corpus.splitting.summary import remarks_on
from merflow.errors import SplitError
from tests.corpus.splitting.five_sessions import corpus_rows, manifest_of, params


def with_bit_players(turns: int) -> Manifest:
    """Return a corpus in which 30 further speakers have some turns each, all of them angry."""
    rows = corpus_rows()
    bits = [
        {
            **rows[0],
            "utterance_id": f"bit{n}_{turn}",
            "dialogue_id": f"bit{n}",
            "turn_index": turn,
            "speaker": f"bit{n}",
        }
        | {"session": f"Session{1 + n % 5}", "emotion_raw": "ang", "emotion": "angry"}
        for n in range(30)
        for turn in range(turns)
    ]
    return manifest_of([*rows, *bits])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("protocol", ["session-5fold", "leave-one-speaker-out", "k-fold"])
def test_a_bit_player_is_not_drawn(protocol: str, seed: int) -> None:
    splits = make_splits(with_bit_players(3), params=params(protocol=protocol, seed=seed))
    drawn = [fold.drawn for fold in splits.folds if fold.drawn is not None]
    assert len(drawn) == len(splits.folds)
    assert not any(draw.name.startswith("bit") for draw in drawn)
    assert {draw.per_class for draw in drawn} == {5}
    if protocol == "session-5fold":
        assert {(draw.eligible, draw.candidates) for draw in drawn} == {(8, 32)}
    assert remarks_on(splits.folds, params=splits.params) == []


def test_a_bit_player_changes_no_draw() -> None:
    with_them, without = (
        make_splits(corpus, params=params()) for corpus in (with_bit_players(2), manifest_of(corpus_rows()))
    )
    assert [fold.speakers["dev"] for fold in with_them.folds] == [fold.speakers["dev"] for fold in without.folds]


def test_a_session_without_a_class_is_not_drawn() -> None:
    rows = [row for row in corpus_rows() if row["emotion"] != "sad" or row["session"] not in ("Session1", "Session2")]
    for seed in range(5):
        splits = make_splits(manifest_of(rows), params=params(development="session", seed=seed))
        assert all(not fold.lacking("dev") for fold in splits.folds)


def test_where_nobody_has_enough_the_draw_is_among_the_best_and_said() -> None:
    settings = params(min_dev_per_class=8)  # each has 6 to 8 of the rarest class, but no one has 8
    rows = [row for row in corpus_rows() if row["emotion"] != "sad" or row["turn_index"] < 12]
    rows = [row for row in rows if row["speaker"] not in ("S1_F", "S2_F") or row["emotion"] != "sad"]
    splits = make_splits(manifest_of(rows), params=settings)
    drawn = [fold.drawn for fold in splits.folds if fold.drawn is not None]
    assert all(0 < draw.per_class < 8 for draw in drawn)
    assert not {"S1_F", "S2_F"} & {draw.name for draw in drawn}
    (remark,) = remarks_on(splits.folds, params=settings)
    least = min(draw.per_class for draw in drawn)
    assert remark == (
        "no training speaker has 8 utterances of every class (splits.min_dev_per_class) in folds 1, 2, 3, 4, 5; drew "
        f"among those with the most, at least {least} of each"
    )


def test_where_nobody_has_every_class_another_rule_is_advised() -> None:
    rows = [row for row in corpus_rows() if row["emotion"] != ("sad" if row["speaker"][-1] == "F" else "angry")]
    with pytest.raises(SplitError) as refused:
        make_splits(manifest_of(rows), params=params())
    assert str(refused.value) == (
        "fold 1: none of the 8 training speakers has utterances of every class, which development data need (S2_F "
        "comes closest and lacks sad); set splits.development to session or random"
    )
    assert len(make_splits(manifest_of(rows), params=params(development="session")).folds) == 5


def test_development_data_that_lack_a_class_are_reported() -> None:
    rows = [row for row in corpus_rows() if row["emotion"] != "sad" or row["dialogue_id"][-1] == "3"]
    splits = make_splits(manifest_of(rows), params=params(development="random", random_share=0.02))
    lacking = [str(fold.fold) for fold in splits.folds if fold.lacking("dev")]
    assert lacking
    (remark,) = remarks_on(splits.folds, params=splits.params)
    assert remark.startswith("the development data of fold")
    assert remark.endswith(f"{', '.join(lacking)} have no sad utterance")
