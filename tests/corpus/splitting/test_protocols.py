import pandas as pd
import pytest

from merflow.contracts.protocols import DEVELOPMENTS, PROTOCOLS
from merflow.contracts.split_params import SplitParams
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.protocols import fold_count
from merflow.corpus.splitting.splits import make_splits
from merflow.errors import SplitError
from tests.corpus.splitting.five_sessions import Row, changed, corpus_rows, manifest_of, params

OFFICIAL = {"Session1": "train", "Session2": "train", "Session3": "train", "Session4": "train", "Session5": "test"}
BY_SPEAKER = ("speaker-10fold", "leave-one-speaker-out")


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return changed(lambda row: {"official_split": OFFICIAL[row["session"]]})


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
    folds = {"session5-only": 1, "official": 1, **dict.fromkeys(BY_SPEAKER, 10)}.get(protocol, 5)
    assert fold_count(manifest, params=settings) == folds

    assert sorted(rows["fold"].unique()) == list(range(1, folds + 1))
    tested = rows.loc[rows["part"] == "test", "utterance_id"]
    assert tested.is_unique
    if folds > 1:
        assert set(tested) == set(labelled["utterance_id"])
    for _, fold in rows.groupby("fold"):
        train, dev, test = (fold[fold["part"] == part] for part in ("train", "dev", "test"))
        assert fold["utterance_id"].is_unique
        assert set(fold["utterance_id"]) <= set(labelled["utterance_id"])
        assert not set(train["speaker"]) & set(test["speaker"])
        assert not set(dev["speaker"]) & set(test["speaker"])
        assert not set(train["dialogue_id"]) & set(test["dialogue_id"])
        if protocol not in BY_SPEAKER or development != "speaker":
            assert not set(dev["dialogue_id"]) & set(test["dialogue_id"])
        if development != "speaker":
            assert not set(dev["dialogue_id"]) & set(train["dialogue_id"])
        if development != "random":
            assert not set(dev["speaker"]) & set(train["speaker"])
        assert set(train["emotion"]) == {"angry", "happy", "neutral", "sad"}
        if protocol not in BY_SPEAKER or development == "speaker":
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


def test_a_third_speakers_turns_next_to_the_test_speaker_are_left_out() -> None:
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
            r"needs exactly 5 sessions with labelled utterances, but the corpus has 4 \(Session1, Session2, Session3, "
            r"Session4\); set splits.protocol=leave-one-session-out, which takes any number, or change the column",
        ),
        ("session5-only", 6, "needs exactly 5 sessions with labelled utterances, but the corpus has 6"),
        ("speaker-10fold", 4, "needs exactly 10 speakers with labelled utterances, but the corpus has 8"),
        (
            "leave-one-session-out",
            1,
            r"needs at least two sessions with .* has 1 \(Session1\); choose another splits.pro",
        ),
    ],
)
def test_a_protocol_says_what_it_needs(protocol: str, sessions: int, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        make_splits(manifest_of(corpus_rows(sessions=sessions)), params=params(protocol=protocol))


@pytest.mark.parametrize("sessions", [3, 4, 6])
def test_any_number_of_sessions_or_speakers_is_left_out_one_by_one(sessions: int) -> None:
    corpus = manifest_of(corpus_rows(sessions=sessions))
    by_session = make_splits(corpus, params=params(protocol="leave-one-session-out")).folds
    assert [fold.speakers["test"] for fold in by_session] == [(f"S{n}_F", f"S{n}_M") for n in range(1, sessions + 1)]
    by_speaker = make_splits(corpus, params=params(protocol="leave-one-speaker-out")).folds
    assert len({fold.speakers["test"] for fold in by_speaker}) == 2 * sessions


def test_on_five_sessions_the_general_protocol_has_the_folds_of_iemocaps() -> None:
    corpus = manifest_of(corpus_rows())
    for named, general in (("session-5fold", "leave-one-session-out"), ("speaker-10fold", "leave-one-speaker-out")):
        first, second = (make_splits(corpus, params=params(protocol=name)) for name in (named, general))
        assert first.rows.drop(columns="protocol").equals(second.rows.drop(columns="protocol"))


def test_k_fold_keeps_dialogue_partners_together_where_it_can() -> None:
    corpus = manifest_of(corpus_rows(sessions=6))
    thirds = make_splits(corpus, params=params(protocol="k-fold", folds=3)).folds
    assert sorted(name for fold in thirds for name in fold.speakers["test"]) == sorted(corpus.rows["speaker"].unique())
    assert all(len({name[:2] for name in fold.speakers["test"]}) == 2 for fold in thirds)
    assert [fold.left_out for fold in thirds] == [0, 0, 0]
    eighths = make_splits(corpus, params=params(protocol="k-fold", folds=8)).folds
    assert sorted(len(fold.speakers["test"]) for fold in eighths) == [1, 1, 1, 1, 2, 2, 2, 2]
    with pytest.raises(
        SplitError, match=r"k-fold with splits.folds=13 needs at least 13 speakers .* has 12 \(S1_F, S1_"
    ):
        make_splits(corpus, params=params(protocol="k-fold", folds=13))


def test_k_fold_balances_the_utterances_of_its_folds() -> None:
    few = [row for row in corpus_rows(sessions=8) if row["session"] < "Session5" or row["dialogue_id"][2] == "0"]
    folds = make_splits(manifest_of(few), params=params(protocol="k-fold", folds=4, development="random")).folds
    assert [sum(fold.counts["test"].values()) for fold in folds] == [100, 100, 100, 100]


def test_the_official_split_is_taken_as_it_is() -> None:
    parts = OFFICIAL | {"Session2": "dev"}
    splits = make_splits(
        changed(lambda row: {"official_split": parts[row["session"]] if row["session"] != "Session3" else None}),
        params=params(protocol="official"),
    )
    (fold,) = splits.folds
    assert fold.speakers == {
        "train": ("S1_F", "S1_M", "S4_F", "S4_M"),
        "dev": ("S2_F", "S2_M"),
        "test": ("S5_F", "S5_M"),
    }
    assert (fold.drawn, fold.shared, fold.left_out) == (None, (), 80)


def test_an_official_split_without_its_column_or_a_part_is_refused() -> None:
    settings = params(protocol="official")
    with pytest.raises(
        SplitError, match="protocol official reads the column official_split, which has no value; write"
    ):
        make_splits(manifest_of(corpus_rows()), params=settings)
    with pytest.raises(SplitError, match="the column official_split has no test among the labelled utterances"):
        make_splits(changed(lambda _: {"official_split": "train"}), params=settings)


def test_an_official_split_that_shares_speakers_is_refused_or_recorded() -> None:
    def part(row: Row) -> Row:
        return {"official_split": "train" if row["utterance_id"] == "d50_F000" else OFFICIAL[row["session"]]}

    with pytest.raises(SplitError) as refused:
        make_splits(changed(part), params=params(protocol="official"))
    assert str(refused.value) == (
        "the official split has speakers or dialogues in two parts\n"
        "  speaker S5_F is in train (1 utterance: d50_F000) and test (39 utterances: d50_F002, ...)\n"
        "  dialogue d50 is in train (1 utterance: d50_F000) and test (19 utterances: d50_M001, ...)\n"
        "correct the column official_split, or set splits.shared_speakers=record, which keeps the split and says so"
    )
    (fold,) = make_splits(changed(part), params=params(protocol="official", shared_speakers="record")).folds
    assert [(each.word, each.name, each.parts) for each in fold.shared] == [
        ("speaker", "S5_F", ("train", "test")),
        ("dialogue", "d50", ("train", "test")),
    ]
    assert fold.drawn is not None
    assert fold.drawn.name != "S5_F"


def test_a_speaker_of_two_sessions_is_refused_by_name() -> None:
    twice = changed(lambda row: {"speaker": "S1_F"} if row["speaker"] == "S3_F" else {})
    with pytest.raises(SplitError, match="fold 1: speaker S1_F would be in both train and test"):
        make_splits(twice, params=params())
    last = changed(lambda row: {"speaker": "S1_F"} if row["speaker"] == "S5_F" else {})
    with pytest.raises(SplitError, match="fold 1: speaker S1_F would be in both train and test"):
        make_splits(last, params=params(protocol="session5-only"))


def test_a_dialogue_of_two_sessions_is_refused_by_name() -> None:
    spans = changed(lambda row: {"dialogue_id": "d10", "turn_index": 99} if row["utterance_id"] == "d20_F000" else {})
    with pytest.raises(SplitError, match="fold 1: dialogue d10 would be in both train and test"):
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
