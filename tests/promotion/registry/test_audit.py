"""Tests of audits of a database that somebody changed by hand."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from merflow.contracts.audit_trail import LONGEST_ENTRY
from merflow.errors import RegistryError
from merflow.promotion.registry.audit import audit
from merflow.promotion.registry.lines import audit_lines
from merflow.promotion.registry.promote import promote_version
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.rollback import rollback
from tests.promotion.registry.versions import REFUSED, YES, Verdict, says

Make = Callable[[int], Registry]


def change(registry: Registry, statement: str, *values: str) -> None:
    """Change MLflow's database behind its back; ``:run`` is the trail's run."""
    database = registry.connection.database
    assert database is not None
    with closing(sqlite3.connect(database)) as connection:
        done = connection.execute(f"{statement} AND run_uuid = ?", (*values, str(registry.trail.run_id())))
        assert done.rowcount > 0
        connection.commit()


@pytest.fixture
def promoted(registered: Make) -> Registry:
    registry = registered(2)
    promote_version(registry, "1", decide=YES)
    promote_version(registry, "2", decide=YES)
    return registry


def test_an_edited_entry_is_found(promoted: Registry) -> None:
    text = promoted.trail.read()[4].text
    change(promoted, "UPDATE params SET value = ? WHERE key = 'entry.000005'", text.replace("anna", "boss"))
    found = audit(promoted).problems
    assert found[0] == "entry.000005 was changed: entry.000006 holds another digest of it"
    assert "has another digest of entry.000005" in found[1]


def test_an_unreadable_entry_is_found(promoted: Registry) -> None:
    change(promoted, "UPDATE params SET value = '{}' WHERE key = 'entry.000002'")
    assert audit(promoted).problems[0] == "entry.000002 is not readable: it was changed after merflow wrote it"


def test_a_missing_entry_is_found(promoted: Registry) -> None:
    change(promoted, "DELETE FROM params WHERE key = 'entry.000003'")
    assert audit(promoted).problems[0] == "entries between entry.000002 and entry.000004 are missing"


def test_missing_entries_at_the_start_are_found(promoted: Registry) -> None:
    change(promoted, "DELETE FROM params WHERE key = 'entry.000001'")
    assert audit(promoted).problems[0] == "the trail begins with entry.000002: entries before it are missing"


def test_missing_entries_at_the_end_are_found(promoted: Registry) -> None:
    change(promoted, "DELETE FROM params WHERE key >= 'entry.000007'")
    (problem,) = audit(promoted).problems
    assert problem == "version 2 has the tag merflow.trail.000007, but the trail has no entry.000007: it was deleted"


def test_a_missing_decision_is_found(promoted: Registry) -> None:
    promote_version(promoted, "1", decide=says(REFUSED))
    run = promoted.connection.call("get_run", promoted.trail.run_id())
    folder = run.info.artifact_uri.removeprefix("file://")
    next(path for path in Path(folder).rglob("*.json") if "false" in path.read_text()).unlink()
    (problem,) = audit(promoted).problems
    assert problem.startswith("entry 9's decision is missing: decisions/")


def test_with_a_damaged_trail_one_can_go_back_and_force_but_not_promote(promoted: Registry) -> None:
    change(promoted, "DELETE FROM params WHERE key = 'entry.000003'")
    rollback(promoted, reason="an emergency")
    assert promoted.version("champion").version == 1
    with pytest.raises(RegistryError, match=r"is damaged: entries between entry.000002 and entry.000004 are missing"):
        promote_version(promoted, "2", decide=YES)
    promote_version(promoted, "2", decide=says(Verdict(forced="we know")))
    assert audit(promoted).problems == ("entries between entry.000002 and entry.000004 are missing",)


def test_mlflow_refuses_to_change_an_entry(promoted: Registry) -> None:
    """Ask MLflow itself for what the trail rests on."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(promoted.connection.uri)
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_param(promoted.trail.run_id(), "entry.000001", "another")
    assert not [name for name in dir(client) if "delete_param" in name]


def test_a_deleted_trail_says_how_to_restore_it(promoted: Registry) -> None:
    run_id = promoted.trail.run_id()
    promoted.connection.call("delete_run", run_id)
    with pytest.raises(RegistryError, match=f"is in MLflow's trash; restore run {run_id}"):
        audit(promoted)
    promoted.connection.call("restore_run", run_id)
    experiment = promoted.connection.call("get_run", run_id).info.experiment_id
    promoted.connection.call("delete_experiment", experiment)
    with pytest.raises(RegistryError, match=f"mlflow experiments restore -x {experiment}"):
        audit(Registry(promoted.connection, promoted.name))
    promoted.connection.call("restore_experiment", experiment)
    assert audit(promoted).problems == ()


def test_lines_say_it_in_words_and_json_has_all(promoted: Registry) -> None:
    rollback(promoted, reason="a test")
    found = audit(promoted)
    lines = audit_lines(found.entries)
    assert [line.title for line in lines] == ["registered", "registered", "promoted", "promoted", "rolled back"]
    assert lines[-2].moves == ("previous none → 1", "champion 1 → 2", "candidate 2 → none")
    assert lines[-2].evidence.startswith("decision ")
    assert json.loads(json.dumps(found.plain()))["entries"][-1]["action"] == "finish"
    assert all(len(entry.text) <= LONGEST_ENTRY for entry in found.entries)
