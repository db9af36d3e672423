"""A real MLflow server over PostgreSQL: two clients at once, kills at random moments; and one with passwords."""

import multiprocessing
import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow.server import get_app_client

from merflow.errors import RegistryError, TrackingError
from merflow.promotion.registry.aliases import read_aliases
from merflow.promotion.registry.audit import Audit, audit
from merflow.promotion.registry.promote import approve_version, promote_version
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.state import state_of
from merflow.promotion.registry.story import story
from merflow.tracking.connection import Connection
from tests.promotion.registry.contender import PATIENCE_S, contend
from tests.promotion.registry.versions import YES, logged_model, register
from tests.tracking.server import Server
from tests.tuning import postgres

ROUNDS, KILLS = 25, 3
needs_postgres = pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing() or "PostgreSQL is there")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("psycopg")
    folder = tmp_path_factory.mktemp("server")
    with postgres.server() as url:
        running = Server(folder, database=url.replace("postgresql://", "postgresql+psycopg://"))
        running.start()
        try:
            yield running
        finally:
            running.kill()


@pytest.fixture(scope="module")
def on_server(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return logged_model(server.uri, tmp_path_factory.mktemp("model"))


def whole(registry: Registry) -> Audit:
    """Return the audit of a registry at rest."""
    found = audit(registry)
    assert (found.problems, found.notes) == ((), ())
    assert found.aliases == state_of(registry.trail.read()).aliases
    assert [entry.number for entry in found.entries] == list(range(1, len(found.entries) + 1))
    return found


@needs_postgres
def test_of_fifty_promotions_by_two_clients_one_of_each_pair_wins(
    server: Server, on_server: tuple[str, str], tmp_path: Path
) -> None:
    registry = Registry(Connection(server.uri), "contended", who="anna")
    for _ in range(4):
        register(registry, on_server)
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    work = {"ben": ("1", "2"), "carla": ("3", "4")}
    clients = [
        spawn.Process(
            target=contend, args=(server.uri, registry.name, who, versions, ROUNDS, barrier, str(tmp_path / who))
        )
        for who, versions in work.items()
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join(5 * PATIENCE_S)
        assert client.exitcode == 0

    said = {who: (tmp_path / who).read_text().splitlines() for who in work}
    for pair in zip(*said.values(), strict=True):
        assert sorted(each.partition(" ")[0].rstrip(":") for each in pair) == ["lost", "won"]
        (lost,) = [each for each in pair if each.startswith("lost")]
        assert "holds the lock until" in lost or "but the champion is now" in lost
    found = whole(registry)
    promoted = [entry for entry in found.entries if entry.action == "promote"]
    assert len(promoted) == ROUNDS
    winners = {f"won {entry.number}": entry.who for entry in promoted}
    assert all(line in said[who] for line, who in winners.items())
    champions = [None, *(entry.version for entry in promoted)]
    assert [entry.evidence.champion for entry in promoted if entry.evidence] == champions[:-1]
    assert found.aliases["champion"] == champions[-1]
    assert found.aliases["previous"] == champions[-2]


@needs_postgres
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_server_that_is_killed_leaves_a_state_that_the_next_command_finishes(
    server: Server, on_server: tuple[str, str], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # Nobody waits for the lock of the client whose server was killed.
    registry = Registry(Connection(server.uri), f"killed-{seed}", who="anna", lock_s=0.0, margin_s=-1000.0)
    for _ in range(2):
        register(registry, on_server)
    promote_version(registry, "1", decide=YES)
    before = len(registry.trail.read())
    kill = threading.Timer(random.Random(seed).uniform(0.0, 0.5), server.kill)
    kill.start()
    with suppress(TrackingError):
        for version in "21" * 50:
            promote_version(registry, version, decide=YES)
    kill.join()
    server.start()

    after = Registry(Connection(server.uri), registry.name, who="ben")
    after.mover.settled(patient=False)
    found = whole(after)
    moved = [entry.version for entry in found.entries if entry.action == "promote"]
    assert found.aliases["champion"] == moved[-1]
    promote_version(after, "1" if moved[-1] == 2 else "2", decide=YES)
    assert len(whole(after).entries) >= before + 2


@needs_postgres
def test_a_version_has_pages_on_the_server(server: Server, on_server: tuple[str, str]) -> None:
    registry = Registry(Connection(server.uri), "paged", who="anna")
    register(registry, on_server)
    told = story(registry, "candidate")
    assert told.page == f"{server.uri}/#/models/paged/versions/1"
    assert told.run_page.startswith(f"{server.uri}/#/experiments/")
    assert told.card == "artifacts/package/card.md"


def test_who_may_only_read_lists_shows_and_audits_but_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "auth.ini"
    config.write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\nauth_cache_ttl_seconds = 300\n"
        f"database_uri = sqlite:///{tmp_path}/auth.db\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    password = "a-long-password-1"
    secured = Server(
        tmp_path,
        options=["--app-name=basic-auth"],
        variables={
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_PASSWORD": password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "for-this-test",
        },
    )
    secured.start()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        people = get_app_client("basic-auth", tracking_uri=secured.uri)
        people.create_user("reader", password)
        admin = Registry(Connection(secured.uri), who="admin")
        model = logged_model(secured.uri, tmp_path / "model")
        for _ in range(2):
            register(admin, model)
        promote_version(admin, "1", decide=YES)

        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
        reader = Registry(Connection(secured.uri))
        assert reader.trail.who == "reader"
        before = audit(reader)
        assert before.problems == ()
        assert story(reader, "champion").version.version == 1
        for act in (
            lambda: promote_version(reader, decide=YES),
            lambda: promote_version(reader, decide=YES, require_approval=True),
            lambda: register(reader, model),
        ):
            with pytest.raises(RegistryError, match=r"you may not write the registered model 'merflow' .* MANAGE"):
                act()
        with pytest.raises(RegistryError):
            approve_version(reader, "2", reason="I may not")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "nobody")
        with pytest.raises(TrackingError, match=r"MLFLOW_TRACKING_USERNAME|401|[Aa]uthenticat"):
            Registry(Connection(secured.uri)).versions()
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        assert audit(admin).entries == before.entries
        assert read_aliases(admin.connection, "merflow") == {"champion": 1, "candidate": 2}

        # EDIT is not enough to remove an alias, and merflow knows before it records the move.
        run = admin.connection.call("get_run", admin.trail.run_id())
        people.grant_user_permission("reader", "registered_model", "merflow", "EDIT")
        people.grant_user_permission("reader", "experiment", run.info.experiment_id, "EDIT")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
        with pytest.raises(RegistryError, match="permission MANAGE on the registered model merflow and EDIT"):
            promote_version(reader, decide=YES)
        assert audit(reader).notes == ()
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        people.revoke_user_permission("reader", "registered_model", "merflow")
        people.grant_user_permission("reader", "registered_model", "merflow", "MANAGE")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
        assert promote_version(reader, decide=YES).status == "promoted"
        assert whole(reader).aliases == {"champion": 2, "previous": 1}
    finally:
        secured.kill()
