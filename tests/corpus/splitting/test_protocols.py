import pandas as pd
import pytest

from merflow.contracts.params import SplitParams
from merflow.contracts.protocols import DEVELOPMENTS, PROTOCOLS
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.splits import make_splits
from merflow.errors import SplitError
from tests.corpus.splitting.five_sessions import changed, corpus_rows, manifest_of, params


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return manifest_of(corpus_rows())


def joined(manifest: Manifest, settings: SplitParams) -> pd.DataFrame:
    return make_splits(manifest, params=settings).rows.merge(manifest.rows, on="utterance_id", validate="many_to_one")


@pytest.mark.parametrize("development", DEVELOPMENTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("improvised_only", [False, True])
def test_folds_partition_the_labelled_utterances_and_share_no_speaker_or_dialogue_with_test(
    manifest: Manifest, protocol: str, development: str, improvised_only: bool
) -> None:
    settings = params(protocol=protocol, development=development, improvised_only=improvised_only)
    rows = joined(manifest, settings)
    labelled = manifest.rows[manifest.rows["emotion"].notna()]
    if improvised_only:
        labelled = labelled[~labelled["scripted"].astype(bool)]
    folds = {"session-5fold": 5, "speaker-10fold": 10, "session5-only": 1}[protocol]

    assert sorted(rows["fold"].unique()) == list(range(1, folds + 1))
    tested = rows.loc[rows["part"] == "test", "utterance_id"]
    assert tested.is_unique
    if protocol != "session5-only":
        assert set(tested) == set(labelled["utterance_id"])
    for _, fold in rows.groupby("fold"):
        train, dev, test = (fold[fold["part"] == part] for part in ("train", "dev", "test"))
        assert fold["utterance_id"].is_unique
        assert set(fold["utterance_id"]) <= set(labelled["utterance_id"])
        assert not set(train["speaker"]) & set(test["speaker"])
        assert not set(dev["speaker"]) & set(test["speaker"])
        assert not set(train["dialogue_id"]) & set(test["dialogue_id"])
        if (protocol, development) != ("speaker-10fold", "speaker"):
            assert not set(dev["dialogue_id"]) & set(test["dialogue_id"])
        if development != "speaker":
            assert not set(dev["dialogue_id"]) & set(train["dialogue_id"])
        if development != "random":
            assert not set(dev["speaker"]) & set(train["speaker"])
        assert set(train["emotion"]) == {"angry", "happy", "neutral", "sad"}
        if protocol != "speaker-10fold" or development == "speaker":
            assert len(fold) == len(labelled)


def test_folds_choose_their_development_speaker_independently(manifest: Manifest) -> None:
    found = {fold.speakers["dev"] for fold in make_splits(manifest, params=params(protocol="speaker-10fold")).folds}

    assert len(found) == 10  # each speaker's partner
    sessions = {fold.speakers["dev"] for fold in make_splits(manifest, params=params(seed=3)).folds}
    assert len(sessions) > 1


def test_session5_only_tests_on_the_fifth_session(manifest: Manifest) -> None:
    splits = make_splits(manifest, params=params(protocol="session5-only"))

    assert len(splits.folds) == 1
    assert splits.folds[0].speakers["test"] == ("S5_F", "S5_M")


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_random_development_data_are_whole_dialogues_of_about_the_share(manifest: Manifest, share: float) -> None:
    rows = joined(manifest, params(development="random", random_share=share))
    for _, fold in rows[rows["part"] != "test"].groupby("fold"):
        dialogue = fold["dialogue_id"].value_counts().max()
        dev = int((fold["part"] == "dev").sum())
        assert share * len(fold) <= dev < share * len(fold) + dialogue


def test_session_development_is_one_whole_training_session(manifest: Manifest) -> None:
    rows = joined(manifest, params(development="session"))

    assert set(rows[rows["part"] == "dev"].groupby("fold")["session"].nunique()) == {1}


def test_the_partner_of_the_test_speaker_develops(manifest: Manifest) -> None:
    for fold in make_splits(manifest, params=params(protocol="speaker-10fold")).folds:
        (test,) = fold.speakers["test"]
        assert fold.speakers["dev"] == (test[:3] + {"F": "M", "M": "F"}[test[-1]],)
        assert (fold.left_out, fold.dialogues_dev_test) == (0, 4)


@pytest.mark.parametrize("development", ["session", "random"])
def test_the_partners_turns_are_left_out_and_counted(manifest: Manifest, development: str) -> None:
    splits = make_splits(manifest, params=params(protocol="speaker-10fold", development=development))
    for fold in splits.folds:
        (test,) = fold.speakers["test"]
        assert fold.left_out == 40
        assert not any(test[:2] in name for name in (*fold.speakers["train"], *fold.speakers["dev"]))


def test_a_third_speakers_turns_beside_the_test_speaker_are_left_out() -> None:
    rows = corpus_rows()
    for row in rows:
        if row["dialogue_id"] == "d20" and row["turn_index"] in (0, 1):
            row.update(speaker="S1_F", session="Session1", emotion_raw="ang", emotion="angry")
    splits = make_splits(manifest_of(rows), params=params(protocol="speaker-10fold"))
    fold = splits.folds[0]
    assert fold.speakers["test"] == ("S1_F",)
    (dev,) = fold.speakers["dev"]
    assert dev in ("S1_M", "S2_F", "S2_M")
    assert fold.left_out == sum(
        row["emotion"] is not None and row["speaker"] not in ("S1_F", dev) and row["dialogue_id"] in beside
        for beside in [{row["dialogue_id"] for row in rows if row["speaker"] == "S1_F" and row["emotion"]}]
        for row in rows
    )
    assert fold.left_out > 0


@pytest.mark.parametrize(
    ("protocol", "sessions", "message"),
    [
        (
            "session-5fold",
            4,
            r"needs exactly 5 sessions with labelled utterances, but the corpus has 4 \(Session1, Session2",
        ),
        ("session5-only", 6, "needs exactly 5 sessions with labelled utterances, but the corpus has 6"),
        ("speaker-10fold", 4, "needs exactly 10 speakers with labelled utterances, but the corpus has 8"),
    ],
)
def test_a_protocol_tells_what_it_needs(protocol: str, sessions: int, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        make_splits(manifest_of(corpus_rows(sessions=sessions)), params=params(protocol=protocol))


def test_a_speaker_of_two_sessions_is_refused_by_name() -> None:
    twice = changed(lambda row: {"speaker": "S1_F"} if row["speaker"] == "S3_F" else {})
    with pytest.raises(SplitError, match="fold 1: speaker S1_F would be in both training and test"):
        make_splits(twice, params=params())
    last = changed(lambda row: {"speaker": "S1_F"} if row["speaker"] == "S5_F" else {})
    with pytest.raises(SplitError, match="fold 1: speaker S1_F would be in both training and test"):
        make_splits(last, params=params(protocol="session5-only"))


def test_a_dialogue_of_two_sessions_is_refused_by_name() -> None:
    spans = changed(lambda row: {"dialogue_id": "d10", "turn_index": 99} if row["utterance_id"] == "d20_F000" else {})
    with pytest.raises(SplitError, match="fold 1: dialogue d10 would be in both training and test"):
        make_splits(spans, params=params())


def test_a_development_session_shares_no_speaker_with_training() -> None:
    drawn = make_splits(manifest_of(corpus_rows()), params=params(protocol="session5-only", development="session"))
    (session,) = {name[:2] for name in drawn.folds[0].speakers["dev"]}
    other = "S1" if session != "S1" else "S2"
    twice = changed(lambda row: {"speaker": f"{session}_F"} if row["speaker"] == f"{other}_F" else {})
    with pytest.raises(SplitError, match=f"fold 1: speaker {session}_F would be in both train and dev"):
        make_splits(twice, params=params(protocol="session5-only", development="session"))


def test_improvised_only_needs_improvised_utterances() -> None:
    settings = params(improvised_only=True)
    with pytest.raises(SplitError, match="all 400 labelled utterances are scripted"):
        make_splits(changed(lambda _: {"scripted": True}), params=settings)
    with pytest.raises(SplitError, match=r"1 of 400 labelled utterances have no value in the .* d10_F000"):
        make_splits(
            changed(lambda row: {"scripted": None} if row["utterance_id"] == "d10_F000" else {}), params=settings
        )


def test_a_fold_without_a_class_or_a_part_is_refused() -> None:
    sad_in_one = changed(
        lambda row: {"emotion": None} if row["emotion"] == "sad" and row["session"] != "Session2" else {}
    )
    with pytest.raises(SplitError, match="fold 2 has no sad utterance to train on"):
        make_splits(sad_in_one, params=params(development="random", random_share=0.01))
    with pytest.raises(SplitError, match="fold 1 has no train utterance"):
        make_splits(manifest_of(corpus_rows(dialogues=1)), params=params(development="random", random_share=0.99))
    with pytest.raises(SplitError, match="none of the 480 utterances of /corpus has an emotion of taxonomy iemocap4"):
        make_splits(changed(lambda _: {"emotion": None}), params=params())
