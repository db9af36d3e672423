"""The protocol of a corpus whose reader names none."""

from typing import Any

import pytest

from merflow.contracts.protocols import PROTOCOLS, Protocol
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.protocols import usual_protocol
from merflow.corpus.splitting.splits import make_splits
from tests.corpus.splitting.five_sessions import Row, corpus_rows, manifest_of, params


def with_parts(rows: list[Row], **parts: str) -> list[Row]:
    """Return the rows with an official part by session; those of other sessions have none."""
    return [{**row, "official_split": parts.get(row["session"])} for row in rows]


def in_one_session(rows: list[Row]) -> list[Row]:
    return [{**row, "session": "1"} for row in rows]


PARTS = {"Session1": "test", "Session2": "dev", "Session3": "train", "Session4": "train", "Session5": "train"}


@pytest.mark.parametrize(
    ("rows", "protocol"),
    [
        (corpus_rows(), "session-5fold"),
        (with_parts(corpus_rows(), **PARTS), "session-5fold"),
        (with_parts(corpus_rows(sessions=4), **PARTS), "official"),
        (with_parts(corpus_rows(sessions=4), Session1="test", Session2="train"), "official"),
        (with_parts(corpus_rows(sessions=4), Session1="test"), "k-fold"),
        (corpus_rows(sessions=4), "k-fold"),
        (corpus_rows(sessions=6), "k-fold"),
        (in_one_session(corpus_rows()), "k-fold"),
        (corpus_rows(sessions=2), "leave-one-speaker-out"),
    ],
)
def test_sessions_parts_and_speakers_decide(rows: list[Row], protocol: Protocol) -> None:
    manifest = manifest_of(rows)
    settings = params(protocol="auto", development="random")
    found = usual_protocol(manifest, params=settings, suitable=PROTOCOLS)
    assert found == protocol
    splits = make_splits(manifest, params=settings.model_copy(update={"protocol": found}))
    assert splits.protocol == protocol


def test_only_utterances_with_a_label_of_the_task_count() -> None:
    silent: dict[str, Any] = {"emotion_raw": "xxx", "emotion": None}
    extra = [{**row, **silent} for row in corpus_rows(sessions=6) if row["session"] == "Session6"]
    assert usual_protocol(manifest_of([*corpus_rows(), *extra]), params=params(), suitable=PROTOCOLS) == "session-5fold"


def test_the_number_of_folds_decides_how_many_speakers_are_enough() -> None:
    four_speakers = manifest_of(corpus_rows(sessions=2))
    assert usual_protocol(four_speakers, params=params(folds=4), suitable=PROTOCOLS) == "k-fold"
    assert usual_protocol(four_speakers, params=params(folds=5), suitable=PROTOCOLS) == "leave-one-speaker-out"


@pytest.mark.parametrize(
    ("suitable", "protocol"),
    [
        (("k-fold", "official"), "k-fold"),
        (("leave-one-session-out", "leave-one-speaker-out"), "leave-one-speaker-out"),
        (("speaker-10fold", "session5-only"), "speaker-10fold"),
    ],
)
def test_a_protocol_that_does_not_suit_the_corpus_is_passed_over(
    suitable: tuple[Protocol, ...], protocol: Protocol
) -> None:
    manifest: Manifest = manifest_of(corpus_rows())
    assert usual_protocol(manifest, params=params(), suitable=suitable) == protocol
