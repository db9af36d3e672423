"""Locations of studies, and the check of their subjects."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from merflow.errors import OutputError, TuningError
from merflow.tuning.study import StudyLocation, create_study, open_study
from tests.tuning.studies import SUBJECT, location, made, params, space


def test_a_study_with_another_subject_is_refused_with_the_differences(tmp_path: Path) -> None:
    made(tmp_path, params())
    other: dict[str, Any] = {
        **SUBJECT,
        "space": {"recipe.lr": {"low": 0.01}, "config.dropout": {"high": 0.5}},
        "split_id": "fedcba9876543210",
    }
    with pytest.raises(TuningError) as caught:
        made(tmp_path, params(), subject=other)
    assert str(caught.value).splitlines() == [
        f"study 'test' in sqlite:///{tmp_path}/study.db has another subject; choose another folder (--out) or name "
        "(--study)",
        "  space.config.dropout.high: nothing in the study, 0.5 now",
        "  space.recipe.lr.low: 0.1 in the study, 0.01 now",
        "  split_id: 0123456789abcdef in the study, fedcba9876543210 now",
    ]


def test_the_same_study_is_opened_again_and_another_name_makes_another_study(tmp_path: Path) -> None:
    first = made(tmp_path, params())
    again = open_study(location(tmp_path), subject=SUBJECT, params=params())
    assert again._study_id == first._study_id
    assert len(made(tmp_path, params()).trials) == 1, "its first trial waits once"
    other = create_study(
        location(tmp_path, "other"), subject={"variant": "x"}, first=space().defaults(), params=params()
    )
    assert other.user_attrs["merflow.subject"] == {"variant": "x"}


def test_a_missing_or_foreign_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TuningError, match=r"study 'test' in sqlite.* does not exist"):
        open_study(location(tmp_path), params=params())
    optuna.create_study(storage=location(tmp_path).url, study_name="test")
    with pytest.raises(TuningError, match="was not made by this version of merflow; choose another name with --study"):
        open_study(location(tmp_path), params=params())


@pytest.mark.parametrize(
    ("storage", "url"),
    [
        ("postgresql://me@host/db", "postgresql+psycopg://me@host/db"),
        ("postgres://me@host/db", "postgresql+psycopg://me@host/db"),
        ("postgresql+psycopg://me@host/db", "postgresql+psycopg://me@host/db"),
        ("sqlite:////somewhere/study.db", "sqlite:////somewhere/study.db"),
    ],
)
def test_a_url_names_the_driver_that_merflow_installs(tmp_path: Path, storage: str, url: str) -> None:
    assert StudyLocation.of(storage, folder=tmp_path, name="x").url == url


@pytest.mark.parametrize(
    ("storage", "password"),
    [
        ("postgresql://me:secret@host/db", "secret"),
        ("postgresql+psycopg://me:p%40ss%2Fw@host/db", "p@ss/w"),
        ("postgres://me:p@ss/w@host/db", "p@ss/w"),
        ("postgresql://me@host/db?password=secret", "secret"),
        ("postgresql://me@host/db", None),
    ],
)
def test_a_password_is_not_part_of_the_url(tmp_path: Path, storage: str, password: str | None) -> None:
    found = StudyLocation.of(storage, folder=tmp_path, name="x")
    assert (found.url, found.password) == ("postgresql+psycopg://me@host/db", password)
    assert str(found) == f"study 'x' in postgresql+psycopg://me{':***' if password else ''}@host/db"
    assert not password or password not in repr(found)


def test_another_kind_of_database_is_refused_and_the_message_hides_its_password(tmp_path: Path) -> None:
    with pytest.raises(TuningError) as caught:
        StudyLocation.of("mongodb://me:secret@host/db", folder=tmp_path, name="x")
    assert "'mongodb://me:***@host/db' is not a URL of SQLite or PostgreSQL" in str(caught.value)


def test_an_unreachable_server_is_reported_with_what_to_check(tmp_path: Path) -> None:
    nowhere = StudyLocation.of("postgresql://me:secret@127.0.0.1:1/db", folder=tmp_path, name="x")
    with pytest.raises(TuningError) as caught:
        create_study(nowhere, subject=SUBJECT, first=space().defaults(), params=params())
    said = str(caught.value)
    assert said.startswith("cannot use study 'x' in postgresql+psycopg://me:***@127.0.0.1:1/db: ")
    assert "check tuning.storage (--storage)" in said
    assert "secret" not in said


def test_a_file_in_place_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        made(tmp_path / "file", params())
