"""Rollback: the previous champion becomes the champion again."""

from typing import Any

from merflow.contracts.audit_trail import AuditEntry
from merflow.errors import RegistryError
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.state import CHAMPION, PREVIOUS, RegistryState, alias_moves


def rollback(registry: Registry, *, reason: str) -> AuditEntry:
    """Make ``previous`` the champion again, and ``previous`` the champion before that.

    Raises:
        HeldError: Somebody else moves the aliases.
        RegistryError: There is no previous version, its files are missing, or there is no reason.
        TrackingError: The server cannot be reached or refuses.
    """
    need(reason)
    numbers = {each.version for each in registry.versions()}
    _, state = registry.mover.settled(patient=False)
    seen = state.aliases.get(PREVIOUS)
    if seen is None or state.champion is None:
        raise RegistryError(
            f"{registry.name!r} has no previous champion to go back to; see `merflow registry list`, and promote a "
            "version"
        )
    registry.usable(str(seen))

    def plan(current: RegistryState) -> dict[str, Any]:
        if current.champion != state.champion or current.aliases.get(PREVIOUS) != seen:
            raise RegistryError(f"the champion of {registry.name!r} has just changed; see `merflow registry list`")
        earlier = [each for each in _before(current.champions, seen) if each in numbers and each != seen]
        # The champion first, because it is the version in use.
        moves = alias_moves(current, {CHAMPION: seen, PREVIOUS: earlier[-1] if earlier else None})
        return {"action": "rollback", "version": current.champion, "why": reason, "moves": moves}

    return registry.mover.move(plan, removes_from=seen)


def need(reason: str) -> None:
    """Raise if there is no reason to put into the audit trail.

    Raises:
        RegistryError: There is none.
    """
    if not reason.strip():
        raise RegistryError("the audit trail needs a reason; give --reason TEXT")


def _before(champions: tuple[int, ...], version: int) -> tuple[int, ...]:
    """Return the champions before the last time that the version was champion."""
    if version not in champions:
        return ()
    return champions[: len(champions) - 1 - champions[::-1].index(version)]
