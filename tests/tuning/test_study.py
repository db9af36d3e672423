"""Where a study is kept, and who may add to it."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from merflow.errors import OutputError, TuningError
from merflow.tuning.study import StudyPlace, create_study, open_study
from tests.tuning.studies import FACTS, made, params, place, space


def test_a_study_of_something_else_says_what_differs(tmp_path: Path) -> None:
    made(tmp_path, params())
    other: dict[str, Any] = {
        **FACTS,
        "space": {"recipe.lr": {"low": 0.01}, "config.dropout": {"high": 0.5}},
        "split_id": "fedcba9876543210",
    }
    with pytest.raises(TuningError) as caught:
        made(tmp_path, params(), facts=other)
    assert str(caught.value).splitlines() == [
        f"study 'test' in sqlite:///{tmp_path}/study.db is of something else; choose another folder (--out) or name "
        "(--study)",
        "  space.config.dropout.high: nothing there, 0.5 now",
        "  space.recipe.lr.low: 0.1 there, 0.01 now",
        "  split_id: 0123456789abcdef there, fedcba9876543210 now",
    ]


def test_the_same_study_is_found_again_and_another_name_is_another_study(tmp_path: Path) -> None:
    first = made(tmp_path, params())
    again = open_study(place(tmp_path), facts=FACTS, params=params())
    assert again._study_id == first._study_id
    assert len(made(tmp_path, params()).trials) == 1, "its first trial waits once"
    other = create_study(place(tmp_path, "other"), facts={"variant": "x"}, first=space().defaults(), params=params())
    assert other.user_attrs["merflow.facts"] == {"variant": "x"}


def test_a_study_that_is_not_there_or_not_ours(tmp_path: Path) -> None:
    with pytest.raises(TuningError, match="there is no study 'test' in sqlite"):
        open_study(place(tmp_path), params=params())
    optuna.create_study(storage=place(tmp_path).url, study_name="test")
    with pytest.raises(TuningError, match="was not made by merflow; choose another name with --study"):
        open_study(place(tmp_path), params=params())


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
    assert StudyPlace.of(storage, folder=tmp_path, name="x").url == url


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
def test_a_password_is_no_part_of_the_url(tmp_path: Path, storage: str, password: str | None) -> None:
    found = StudyPlace.of(storage, folder=tmp_path, name="x")
    assert (found.url, found.password) == ("postgresql+psycopg://me@host/db", password)
    assert str(found) == f"study 'x' in postgresql+psycopg://me{':***' if password else ''}@host/db"
    assert not password or password not in repr(found)


def test_another_database_is_refused_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(TuningError) as caught:
        StudyPlace.of("mongodb://me:secret@host/db", folder=tmp_path, name="x")
    assert "'mongodb://me:***@host/db' is no database that studies are kept in" in str(caught.value)


def test_a_server_that_is_not_there_says_what_to_check(tmp_path: Path) -> None:
    nowhere = StudyPlace.of("postgresql://me:secret@127.0.0.1:1/db", folder=tmp_path, name="x")
    with pytest.raises(TuningError) as caught:
        create_study(nowhere, facts=FACTS, first=space().defaults(), params=params())
    said = str(caught.value)
    assert said.startswith("cannot use study 'x' in postgresql+psycopg://me:***@127.0.0.1:1/db: ")
    assert "check tuning.storage (--storage)" in said
    assert "secret" not in said


def test_a_folder_that_is_a_file_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        made(tmp_path / "file", params())
