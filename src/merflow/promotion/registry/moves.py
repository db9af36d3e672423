"""Moves of aliases: one at a time, recorded before they happen, and finished by the next command after a crash.

The lock is an entry of the audit trail (:mod:`merflow.promotion.registry.trail`); exactly one process can write the
next entry. An entry that moves aliases holds the lock until it expires or an entry ``finish`` names it.

1. Read the trail. If a move is open and its lock is still valid, say who holds it. If the lock has expired, write
   ``takeover``: of several processes that try, one succeeds and completes the move. Every intermediate state is
   completed in the same way, because the open entry says where each alias goes, and setting an alias twice is
   harmless.
2. Compare MLflow's aliases with those in the trail. If somebody moved one by hand, record it as a ``notice``.
3. Decide, and write the entry. If another process wrote this number first, start again with step 1.
4. Set the aliases one by one. Before each, read the trail again: a process that no longer holds the lock, or whose lock
   may expire during a request, stops setting aliases.
5. Write ``finish``.

MLflow sets an alias unconditionally. If a process is suspended between the check and the request of step 4 for longer
than its lock lasts, it can still set one alias too late. It notices this when it resumes, takes the lock again, and
records a ``restore`` that sets the aliases as in the trail. If it is killed before that, the next command records the
alias as a ``notice``. Clocks only decide when a lock expires; a clock that is fast causes an early takeover, and both
processes then set the same aliases to the same versions.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from merflow.contracts.audit_trail import AliasMove, AuditEntry, StoredEntry
from merflow.errors import RegistryError
from merflow.promotion.registry.aliases import read_aliases, set_alias
from merflow.promotion.registry.state import ALIASES, OpenMove, RegistryState, state_of
from merflow.promotion.registry.tags import probe_permission, tag_version
from merflow.promotion.registry.trail import Trail
from merflow.tracking.connection import Connection

LOCK_S = 120.0
# Longer than one request with all its retries, see merflow.tracking.connection.
MARGIN_S = 60.0
_POLL_S = 0.25
# Moves that finish quickly; even an impatient command waits for them.
_SHORT = ("register", "restore")

Plan = Callable[[RegistryState], dict[str, Any]]


class HeldError(RegistryError):
    """Somebody else is moving the aliases."""


class LostLockError(RegistryError):
    """The lock expired, and somebody else took over the move."""


class Mover:
    """Moves the aliases of one registered model.

    Attributes:
        trail: The audit trail.
    """

    def __init__(
        self, connection: Connection, trail: Trail, *, lock_s: float = LOCK_S, margin_s: float = MARGIN_S
    ) -> None:
        self.trail = trail
        self._connection = connection
        self._lock_s, self._margin_s = lock_s, margin_s

    def settled(self, *, patient: bool) -> tuple[list[StoredEntry], RegistryState]:
        """Return the trail and its state once no move is open and the aliases match the trail.

        Args:
            patient: Wait for somebody else's move.

        Raises:
            HeldError: Somebody else's lock runs.
            TrackingError: The server cannot be reached or refuses.
        """
        while True:
            stored = self.trail.read()
            state = state_of(stored)
            if state.open is not None:
                self._meet(stored, state.open, patient=patient)
            elif not self._notice(stored, state):
                return stored, state

    def move(self, plan: Plan, *, removes_from: int | None = None, patient: bool = False) -> AuditEntry:
        """Record a move and carry it out.

        Args:
            plan: Returns the entry's fields for a state, or raises if the state does not allow the move.
            removes_from: The version that the move may remove an alias from; None if it removes none.
            patient: Wait for somebody else's move.

        Raises:
            HeldError: Somebody else's lock runs.
            LostLockError: This process took too long, and somebody else finished the move.
            RegistryError: ``plan`` raises, or the user may not write.
            TrackingError: The server cannot be reached or refuses. The next command finishes the move.
        """
        probe_permission(self._connection, self.trail, version=removes_from)
        while True:
            stored, state = self.settled(patient=patient)
            entry = self.trail.append(stored, {**plan(state), "until": self._until()})
            if entry is not None:
                self._perform(entry, holder=entry)
                return entry

    def record(self, plan: Plan) -> AuditEntry:
        """Record something that moves no alias; ``plan`` is as for :meth:`move`.

        Raises:
            RegistryError: ``plan`` raises, or the user may not write.
            TrackingError: The server cannot be reached or refuses.
        """
        while True:
            stored = self.trail.read()
            entry = self.trail.append(stored, plan(state_of(stored)))
            if entry is not None:
                return entry

    def _until(self) -> str:
        return (datetime.now(UTC) + timedelta(seconds=self._lock_s)).isoformat(timespec="milliseconds")

    def _meet(self, stored: Sequence[StoredEntry], open_move: OpenMove, *, patient: bool) -> None:
        """Take over a move whose lock has expired; otherwise wait for it, or say who holds the lock."""
        entry, holder = open_move.entry, open_move.holder
        if open_move.has_expired(datetime.now(UTC)):
            why = f"the lock of {holder.who} ended at {holder.until} before entry {entry.number} was finished"
            fields = {"action": "takeover", "version": entry.version, "why": why, "closes": entry.number}
            taken = self.trail.append(stored, {**fields, "until": self._until()})
            if taken is not None:
                self._perform(entry, holder=taken)
        elif patient or entry.action in _SHORT:
            time.sleep(_POLL_S)
        else:
            raise HeldError(
                f"{holder.who} is moving aliases of {self.trail.name!r} ({entry.action} of version {entry.version}, "
                f"entry {entry.number}) and holds the lock until {holder.until}; repeat the command when it is done"
            )

    def _notice(self, stored: Sequence[StoredEntry], state: RegistryState) -> bool:
        """Record aliases that differ from the trail; return True if there were any."""
        moves = _differences(state.aliases, read_aliases(self._connection, self.trail.name))
        if not moves:
            return False
        if not stored:
            why = "the aliases before the first entry of this trail"
        else:
            why = "found elsewhere than the trail says: moved in MLflow without merflow, or late by a suspended process"
        self.trail.append(stored, {"action": "notice", "version": None, "why": why, "moves": moves})
        return True

    def _perform(self, entry: AuditEntry, *, holder: AuditEntry) -> None:
        """Carry out an entry's moves under the holder's lock, and finish it."""
        gone: list[str] = []
        tag_version(self._connection, self.trail.name, entry)
        for move in entry.moves:
            self._check(entry, holder)
            if not set_alias(self._connection, self.trail.name, move.alias, move.after):
                gone.append(f"{move.alias} stays, for version {move.after} no longer exists")
        self._finish(entry, holder, why="; ".join(gone))
        if gone and entry is holder:
            raise RegistryError(f"{gone[0]} in MLflow; see `merflow registry list`")

    def _check(self, entry: AuditEntry, holder: AuditEntry) -> None:
        """Raise unless the holder's lock is valid for long enough to set an alias."""
        state = state_of(self.trail.read())
        if state.open is None or state.open.holder.number != holder.number:
            self._lose(entry)
        if holder.has_expired(datetime.now(UTC) + timedelta(seconds=self._margin_s)):
            raise LostLockError(
                f"the lock on {self.trail.name!r} ends at {holder.until}, too soon to go on with entry {entry.number}; "
                "any merflow registry command that moves aliases finishes it after that time"
            )

    def _finish(self, entry: AuditEntry, holder: AuditEntry, *, why: str) -> None:
        fields = {"action": "finish", "version": entry.version, "closes": entry.number, "why": why}
        while True:
            stored = self.trail.read()
            state = state_of(stored)
            if state.open is None or state.open.holder.number != holder.number:
                self._lose(entry)
            if self.trail.append(stored, fields) is not None:
                return

    def _lose(self, entry: AuditEntry) -> None:
        """Undo what this process may have set after its lock expired, and raise.

        Raises:
            LostLockError: Always.
        """
        while True:
            stored = self.trail.read()
            state = state_of(stored)
            if state.open is not None:
                self._meet(stored, state.open, patient=True)
                continue
            moves = _differences(read_aliases(self._connection, self.trail.name), state.aliases)
            if not moves:
                break
            why = f"set late by {self.trail.who}, whose lock of entry {entry.number} was over"
            fields = {"action": "restore", "version": entry.version, "why": why, "moves": moves}
            restored = self.trail.append(stored, {**fields, "until": self._until()})
            if restored is not None:
                self._perform(restored, holder=restored)
                break
        raise LostLockError(
            f"the lock on {self.trail.name!r} ended before entry {entry.number} ({entry.action} of version "
            f"{entry.version}) was finished, and somebody else finished it; see `merflow registry audit`"
        )


def _differences(before: dict[str, int], after: dict[str, int]) -> tuple[AliasMove, ...]:
    return tuple(
        AliasMove(alias=alias, before=before.get(alias), after=after.get(alias))
        for alias in ALIASES
        if before.get(alias) != after.get(alias)
    )
