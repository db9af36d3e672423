"""The audit trail in words, one line per event; an entry that finishes a move shares the move's line."""

from collections.abc import Sequence
from dataclasses import dataclass

from merflow.contracts.audit_trail import Action, AliasMove, AuditEntry

_TITLES: dict[Action, str] = {
    "register": "registered",
    "decide": "decision of the gate",
    "approve": "approved",
    "promote": "promoted",
    "rollback": "rolled back",
    "finish": "finished",
    "takeover": "taken over",
    "restore": "restored",
    "notice": "noticed",
}


@dataclass(frozen=True)
class AuditLine:
    """One event.

    Attributes:
        numbers: Number of its entry, and that of the entry that finishes it.
        at: Time in UTC, to the second.
        who: Person.
        title: The event in a word or two.
        version: Version that it is about; empty if there is none.
        moves: Alias moves in words, such as ``champion 3 → 5``.
        why: Reason.
        evidence: Decision and run behind it; empty if there are none.
        state: ``open`` for an unfinished move, otherwise empty or the person who finished it.
        kind: ``forced``, ``refused``, ``open``, ``notice`` or empty, for a colour.
    """

    numbers: str
    at: str
    who: str
    title: str
    version: str
    moves: tuple[str, ...]
    why: str
    evidence: str
    state: str
    kind: str


def audit_lines(entries: Sequence[AuditEntry]) -> list[AuditLine]:
    """Return the lines of a trail, in the order of its entries."""
    finished = {entry.closes: entry for entry in entries if entry.action == "finish"}
    return [_line(entry, finished.get(entry.number)) for entry in entries if entry.action != "finish"]


def _line(entry: AuditEntry, finish: AuditEntry | None) -> AuditLine:
    is_open = entry.until is not None and entry.action != "takeover" and finish is None
    return AuditLine(
        numbers=str(entry.number) if finish is None else f"{entry.number}, {finish.number}",
        at=entry.at[:19].replace("T", " "),
        who=entry.who,
        title=_title(entry),
        version="" if entry.version is None else str(entry.version),
        moves=tuple(map(_move, entry.moves)),
        why=entry.why,
        evidence=_evidence(entry),
        state=_state(entry, finish, is_open=is_open),
        kind=_kind(entry, is_open=is_open),
    )


def _title(entry: AuditEntry) -> str:
    if entry.forced:
        return f"{_TITLES[entry.action]} BY FORCE"
    if entry.action == "decide" and entry.evidence is not None:
        return "passed the gate" if entry.evidence.promoted else "refused by the gate"
    return f"{_TITLES[entry.action]} (entry {entry.closes})" if entry.action == "takeover" else _TITLES[entry.action]


def _kind(entry: AuditEntry, *, is_open: bool) -> str:
    if entry.forced:
        return "forced"
    if is_open:
        return "open"
    if entry.action == "decide" and entry.evidence is not None and not entry.evidence.promoted:
        return "refused"
    return "notice" if entry.action in ("notice", "takeover", "restore") else ""


def _state(entry: AuditEntry, finish: AuditEntry | None, *, is_open: bool) -> str:
    if is_open:
        return f"not finished; lock until {(entry.until or '')[:19].replace('T', ' ')}"
    if finish is None:
        return ""
    by = "" if finish.writer == entry.writer else f"finished by {finish.who}"
    return "; ".join(part for part in (by, finish.why) if part)


def _evidence(entry: AuditEntry) -> str:
    if entry.evidence is None:
        return ""
    against = "no champion" if entry.evidence.champion is None else f"version {entry.evidence.champion}"
    return f"decision {entry.evidence.decision} against {against}, run {entry.evidence.run_id[:8]}"


def _move(move: AliasMove) -> str:
    before, after = ("none" if version is None else str(version) for version in (move.before, move.after))
    return f"{move.alias} {before} → {after}"
