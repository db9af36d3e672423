"""Crashes, two processes at once, and people who move aliases by hand in MLflow."""

from collections.abc import Callable
from typing import Any

import pytest

from merflow.errors import TrackingError
from merflow.promotion.registry.aliases import read_aliases, set_alias
from merflow.promotion.registry.audit import Audit, audit
from merflow.promotion.registry.moves import HeldError, LostLockError
from merflow.promotion.registry.promote import promote_version
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.rollback import rollback
from merflow.promotion.registry.state import state_of
from merflow.tracking.connection import Connection
from tests.promotion.registry.versions import YES, register

Make = Callable[[int], Registry]

READS = ("get_", "search_", "list_")
# A lock that is over at once for everybody else, and never too short for its holder.
OVER = {"lock_s": 0.0, "margin_s": -1000.0}


class Dying(Connection):
    """A connection that is lost at its n-th write: before the server does it, or after, before the answer comes."""

    def __init__(self, uri: str, *, at: int, done: bool) -> None:
        super().__init__(uri)
        self.writes = 0
        self._at, self._done = at, done

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as Connection's
        """Call a method, or be lost."""
        if not method.startswith(READS):
            self.writes += 1
            if self.writes > self._at or (self.writes == self._at and not self._done):
                raise TrackingError(f"the connection was lost at {method}")
            if self.writes == self._at:
                super().call(method, *args, **kwargs)
                raise TrackingError(f"the answer to {method} was lost")
        return super().call(method, *args, **kwargs)


class Late(Connection):
    """A connection whose process is suspended just before it moves an alias, while somebody else goes on."""

    def __init__(self, uri: str, *, alias: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(uri)
        self._alias, self._meanwhile = alias, meanwhile
        self.slept = False

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as Connection's
        """Call a method; sleep before the chosen one."""
        if method == "set_registered_model_alias" and args[1] == self._alias and not self.slept:
            self.slept = True
            self._meanwhile()
        return super().call(method, *args, **kwargs)


def aliases(registry: Registry) -> dict[str, int]:
    return read_aliases(registry.connection, registry.name)


def whole(registry: Registry) -> Audit:
    """Return the audit of a registry at rest."""
    found = audit(registry)
    assert (found.problems, found.notes) == ((), ())
    assert found.aliases == state_of(registry.trail.read()).aliases
    return found


def moves(registry: Registry) -> list[str]:
    entries = state_of(registry.trail.read()).entries
    return [f"{entry.action} {entry.version}" for entry in entries if entry.action in ("promote", "rollback")]


@pytest.mark.parametrize(("what", "done"), [("promote", False), ("promote", True), ("rollback", False)])
def test_whatever_is_cut_off_is_finished_or_never_began(registered: Make, what: str, done: bool) -> None:
    """At every single write of the command."""
    registry = registered(3)
    for version in ("1", "2"):
        promote_version(registry, version, decide=YES)
    there: Callable[[Registry], object] = lambda by: promote_version(by, "3", decide=YES)  # noqa: E731
    back: Callable[[Registry], object] = lambda by: rollback(by, reason="a test")  # noqa: E731
    outcome = 3
    if what == "rollback":
        there, back, outcome = back, (lambda by: promote_version(by, "2", decide=YES)), 1
    finished, never_began = 0, 0
    for at in range(1, 100):
        before = len(moves(registry))
        try:
            there(Registry(Dying(registry.connection.uri, at=at, done=done), registry.name, who="ben", **OVER))
        except TrackingError:
            registry.mover.settled(patient=False)
        else:
            break
        found = whole(registry)
        if len(moves(registry)) == before:
            never_began += 1
            assert found.aliases["champion"] == 2
        else:
            finished += 1
            assert found.aliases["champion"] == outcome
            assert found.entries[-1].who == "anna" or done
            back(registry)
    assert whole(registry).aliases["champion"] == outcome
    assert finished >= 4
    assert never_began >= 1


def test_one_holds_the_lock_and_the_other_is_told_who_and_until_when(registered: Make) -> None:
    registry = registered(2)
    promote_version(registry, "1", decide=YES)
    # Lost while it moves the aliases; its lock runs on.
    lost = Registry(Dying(registry.connection.uri, at=4, done=True), registry.name, who="ben")
    with pytest.raises(TrackingError):
        promote_version(lost, "2", decide=YES)
    until = state_of(registry.trail.read()).entries[-1].until
    for act in (lambda: promote_version(registry, "1", decide=YES), lambda: rollback(registry, reason="now")):
        with pytest.raises(HeldError) as error:
            act()
        assert f"ben is moving aliases of {registry.name!r} (promote of version 2, entry " in str(error.value)
        assert f"holds the lock until {until}; repeat" in str(error.value)
    assert "is not finished: ben holds the lock until" in audit(registry).notes[0]


def test_of_two_that_find_an_old_lock_one_takes_it_over(registered: Make) -> None:
    registry = registered(2)
    lost = Registry(Dying(registry.connection.uri, at=5, done=False), registry.name, who="ben", **OVER)
    with pytest.raises(TrackingError):
        promote_version(lost, "2", decide=YES)
    others = [Registry(registry.connection, registry.name, who=who) for who in ("carla", "dora")]
    stored = registry.trail.read()
    fields = {"action": "takeover", "version": 2, "why": "", "closes": len(stored)}
    taken = [each.trail.append(stored, dict(fields)) for each in others]
    assert [each is None for each in taken] == [False, True]
    holder = state_of(registry.trail.read()).open
    assert holder is not None
    assert holder.holder.who == "carla"


def test_a_suspended_process_undoes_the_alias_that_it_set_late(registered: Make) -> None:
    registry = registered(3)
    promote_version(registry, "1", decide=YES)
    late = Late(registry.connection.uri, alias="champion", meanwhile=lambda: promote_version(registry, "3", decide=YES))
    with pytest.raises(LostLockError, match=r"ended before entry .* was finished, and somebody else finished it"):
        promote_version(Registry(late, registry.name, who="ben", **OVER), "2", decide=YES)
    found = whole(registry)
    assert found.aliases == {"champion": 3, "previous": 2}
    restored = [entry for entry in found.entries if entry.action == "restore"]
    assert [(entry.who, entry.moves[0].before, entry.moves[0].after) for entry in restored] == [("ben", 2, 3)]
    assert rollback(registry, reason="history is as it was").moves[0].after == 2


def test_a_lock_that_is_nearly_over_moves_nothing_more(registered: Make) -> None:
    registry = registered(1)
    hasty = Registry(registry.connection, registry.name, who="ben", lock_s=5.0, margin_s=6.0)
    with pytest.raises(LostLockError, match="too soon to go on with entry 3"):
        promote_version(hasty, decide=YES)
    assert aliases(registry) == {"candidate": 1}


def test_an_alias_that_was_moved_in_mlflow_is_recorded(registered: Make) -> None:
    registry = registered(3)
    promote_version(registry, "1", decide=YES)
    set_alias(registry.connection, registry.name, "champion", 2)
    assert "champion points to version 2 in MLflow, and to version 1 in the trail" in audit(registry).notes[0]
    promote_version(registry, "3", decide=YES)
    found = whole(registry)
    notices = [entry for entry in found.entries if entry.action == "notice"]
    assert [(move.alias, move.before, move.after) for move in notices[0].moves] == [("champion", 1, 2)]
    assert found.aliases == {"champion": 3, "previous": 2}


def test_a_model_with_aliases_of_its_own_is_adopted(
    connection: Connection, model: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    name = str(request.node.name)
    connection.call("create_registered_model", name)
    connection.call("create_model_version", name, source="s3://elsewhere", run_id=model[1])
    set_alias(connection, name, "champion", 1)
    registry = Registry(connection, name, who="anna")
    register(registry, model)
    promote_version(registry, decide=YES)
    found = audit(registry)
    assert (found.problems, found.aliases) == ((), {"champion": 2, "previous": 1})
    assert found.notes == ("version 1 was registered without merflow, or its registration was interrupted",)
    assert found.entries[0].why == "the aliases before the first entry of this trail"
