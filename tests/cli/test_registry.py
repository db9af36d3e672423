"""The commands of the registry, on a database of their own."""

import json
from pathlib import Path

import pytest

from merflow.promotion.registry.promote import promote_version
from merflow.promotion.registry.registry import Registry
from merflow.tracking.connection import Connection
from tests.cli.command import merflow, refused
from tests.promotion.registry.versions import REFUSED, YES, logged_model, register, says


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a registry with three versions, of which 2 is the champion and 1 the previous one."""
    folder = tmp_path_factory.mktemp("commands")
    registry = Registry(Connection(f"sqlite:///{folder / 'mlflow.db'}"), who="anna")
    model = logged_model(registry.connection.uri, folder / "model")
    for _ in range(3):
        register(registry, model)
    for version in ("1", "2"):
        promote_version(registry, version, decide=YES)
    return registry.connection.uri


def test_versions_are_listed_with_their_aliases(uri: str) -> None:
    lines = merflow("registry", "list", "--tracking-uri", uri).out.splitlines()
    assert lines[0].split() == ["version", "aliases", "variant", "kind", "predicts", "registered", "(UTC)"]
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["3", "candidate", "mfdr:full"],
        ["2", "champion", "mfdr:full"],
        ["1", "previous", "mfdr:full"],
    ]
    found = json.loads(merflow("registry", "list", "--tracking-uri", uri, "--json").out)
    assert [version["aliases"] for version in found] == [["candidate"], ["champion"], ["previous"]]


def test_the_history_of_a_version_is_shown(uri: str) -> None:
    said = merflow("registry", "show", "champion", "--tracking-uri", uri).out
    for part in ("version 2 of 'merflow', champion", "card: artifacts/package/card.md", "test_UA 0.6100"):
        assert part in said
    assert "anna: version 2 promoted (previous none → 1, champion 1 → 2); all checks passed; decision" in said
    told = json.loads(merflow("registry", "show", "2", "--tracking-uri", uri, "--json").out)
    assert told["version"]["facts"]["taxonomy"] == "iemocap4"
    assert [entry["action"] for entry in told["entries"]] == [
        *("register", "finish"),
        *("register", "finish"),  # of version 3, which becomes the candidate
        *("promote", "finish"),
    ]


def test_the_registry_is_found_by_a_folder_and_by_the_environment(
    uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = merflow("registry", "list", "--tracking-uri", uri).out
    folder = Path(uri.removeprefix("sqlite:///")).parent
    assert merflow("registry", "list", "--folder", str(folder)).out == expected
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert merflow("registry", "list").out == expected
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "give --tracking-uri URI, set MLFLOW_TRACKING_URI, or name a benchmark's folder" in refused(
        "registry", "list"
    )
    assert "is not a folder of a tracked benchmark" in refused("registry", "list", "--folder", str(tmp_path))
    assert "no such file" in refused("registry", "list", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")


def test_unknown_names_and_versions_are_reported_in_a_sentence(uri: str) -> None:
    at = ("--tracking-uri", uri)
    assert "no registered model 'merfow' in MLflow" in refused("registry", "list", "--name", "merfow", *at)
    assert "did you mean 'merflow'?" in refused("registry", "audit", "--name", "merfow", *at)
    assert "it has 3, 2, 1" in refused("registry", "show", "9", *at)
    assert "did you mean 'previous'?" in refused("registry", "show", "previuos", *at)


def test_force_and_a_reason_need_each_other(uri: str) -> None:
    at = ("--tracking-uri", uri)
    assert "--force and --reason TEXT go together" in refused("registry", "promote", "1", "--force", *at)
    assert "--force and --reason TEXT go together" in refused("registry", "promote", "1", "--reason", "so", *at)
    assert "Missing option '--reason'" in refused("registry", "rollback", *at)
    assert "Missing option" in refused("registry", "approve", "3", "--reason", "so", *at)


def test_a_version_that_cannot_be_loaded_is_refused_with_code_2(uri: str) -> None:
    said = merflow("registry", "promote", "--tracking-uri", uri, "--json")
    assert (said.code, json.loads(said.out)["status"]) == (2, "refused")


def test_approval_rollback_and_audit(uri: str, tmp_path: Path) -> None:
    registry = Registry(Connection(uri), who="anna")
    assert promote_version(registry, "3", decide=YES, require_approval=True).status == "waiting"
    said = merflow("registry", "approve", "3", "--by", "Carla", "--reason", "I read it", "--tracking-uri", uri)
    assert "is approved by Carla (entry" in said.out
    said = merflow("registry", "rollback", "--reason", "too slow", "--tracking-uri", uri)
    assert said.out.startswith("version 1 of 'merflow' is the champion again, in place of version 2; there is no ")
    promote_version(registry, "3", decide=says(REFUSED))
    page = tmp_path / "audit.html"
    said = merflow("registry", "audit", "--html", str(page), "--tracking-uri", uri)
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[-1].endswith("entries, no gap and no change")
    assert sum("version 2 rolled back" in line for line in lines) == 1
    assert "refused by the gate" in page.read_text()
    found = json.loads(merflow("registry", "audit", "--tracking-uri", uri, "--json").out)
    assert (found["intact"], len(found["entries"])) == (True, int(lines[-1].split()[0]))


def test_a_damaged_trail_gives_code_2(uri: str) -> None:
    registry = Registry(Connection(uri), who="anna")
    registry.connection.call("set_model_version_tag", "merflow", "1", "merflow.trail.000099", "x: a trace of nothing")
    said = merflow("registry", "audit", "--tracking-uri", uri)
    registry.connection.call("delete_model_version_tag", "merflow", "1", "merflow.trail.000099")
    assert said.code == 2
    assert "PROBLEM: version 1 has the tag merflow.trail.000099, but the trail has no entry.000099" in said.out
