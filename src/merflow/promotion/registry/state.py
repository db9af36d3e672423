"""The state of a registered model, computed from its audit trail alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from merflow.contracts.audit_trail import AliasMove, AuditEntry, Evidence, StoredEntry

CANDIDATE, CHAMPION, PREVIOUS = "candidate", "champion", "previous"
ALIASES = (CANDIDATE, CHAMPION, PREVIOUS)


@dataclass(frozen=True)
class OpenMove:
    """An unfinished move of aliases.

    Attributes:
        entry: The entry that opened it.
        holder: The entry that holds its lock: the same one, or a takeover.
    """

    entry: AuditEntry
    holder: AuditEntry

    def has_expired(self, now: datetime) -> bool:
        """Return True if its lock has expired at this time."""
        return self.holder.has_expired(now)


@dataclass(frozen=True)
class RegistryState:
    """The state that the trail describes.

    Attributes:
        entries: Readable entries, the oldest first.
        aliases: Version of each alias; unset aliases are absent.
        champions: Versions that a rollback can go back to, the current champion last.
        open: The unfinished move; None if there is none.
    """

    entries: tuple[AuditEntry, ...]
    aliases: dict[str, int]
    champions: tuple[int, ...]
    open: OpenMove | None

    @property
    def champion(self) -> int | None:
        """The champion's version."""
        return self.aliases.get(CHAMPION)

    def decision_on(self, version: int) -> AuditEntry | None:
        """Return the last decision about a version against the current champion; None if there is none."""
        for entry in reversed(self.entries):
            if entry.action == "decide" and entry.version == version and entry.evidence is not None:
                return entry if entry.evidence.champion == self.champion else None
        return None

    def entry_of(self, version: int, decision: str) -> AuditEntry | None:
        """Return the entry that recorded a decision about a version; None if there is none."""
        of_version = (entry for entry in self.entries if entry.action == "decide" and entry.version == version)
        return next((entry for entry in of_version if entry.evidence and entry.evidence.decision == decision), None)

    def approval_of(self, version: int, evidence: Evidence) -> AuditEntry | None:
        """Return the approval of this version and this decision; None if there is none."""
        return next(
            (
                entry
                for entry in self.entries
                if entry.action == "approve" and entry.version == version and entry.evidence == evidence
            ),
            None,
        )


def state_of(stored: Sequence[StoredEntry]) -> RegistryState:
    """Return the state that a trail leads to."""
    entries = tuple(each.entry for each in stored if each.entry is not None)
    aliases: dict[str, int] = {}
    champions: tuple[int, ...] = ()
    unfinished: OpenMove | None = None
    for entry in entries:
        for move in entry.moves:
            if move.after is None:
                aliases.pop(move.alias, None)
            else:
                aliases[move.alias] = move.after
            if move.alias == CHAMPION and move.after is not None:
                champions = _with_champion(champions, move.after, back=entry.action in ("rollback", "restore"))
        if entry.action == "takeover" and unfinished and entry.closes == unfinished.entry.number:
            unfinished = OpenMove(unfinished.entry, entry)
        elif entry.action == "finish" and unfinished and entry.closes == unfinished.entry.number:
            unfinished = None
        elif entry.until is not None and entry.action != "takeover":
            unfinished = OpenMove(entry, entry)
    return RegistryState(entries, aliases, champions, unfinished)


def _with_champion(champions: tuple[int, ...], version: int, *, back: bool) -> tuple[int, ...]:
    """Return the champions after a move; a rollback drops those that came after the version."""
    if back and version in champions:
        last = len(champions) - 1 - champions[::-1].index(version)
        return champions[: last + 1]
    return (*champions, version)


def alias_moves(state: RegistryState, after: Mapping[str, int | None]) -> tuple[AliasMove, ...]:
    """Return the moves that lead from a state to these aliases, in their order, without unchanged aliases."""
    return tuple(
        AliasMove(alias=alias, before=state.aliases.get(alias), after=version)
        for alias, version in after.items()
        if state.aliases.get(alias) != version
    )
