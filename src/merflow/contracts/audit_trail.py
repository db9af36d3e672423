"""The audit trail of a registered model: numbered entries, each with the digest of the previous one.

An entry that moves aliases (``register``, ``promote``, ``rollback``, ``restore``) opens a move, and locks the
registered model until ``until``. The move is over when an entry ``finish`` names it. A ``takeover`` passes the lock of
a move whose owner has gone silent to somebody else.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Literal

from pydantic import ValidationError

from merflow.contracts.strict import Strict

Action = Literal["register", "decide", "approve", "promote", "rollback", "finish", "takeover", "restore", "notice"]
# MLflow silently truncates params of a run after 6000 characters.
LONGEST_ENTRY = 5500


class AliasMove(Strict):
    """The move of an alias from one version to another; None means no version.

    Attributes:
        alias: ``candidate``, ``champion`` or ``previous``.
        before: Version that it pointed to before the move.
        after: Version that it points to afterwards.
    """

    alias: str
    before: int | None
    after: int | None


class Evidence(Strict):
    """The decision behind an entry.

    Attributes:
        decision: Digest of the gate's decision.
        promoted: True if the gate lets the version through, perhaps by force or with warnings.
        champion: Version that the candidate was compared with; None if there was no champion.
        file: The decision as an artifact of the trail's run.
        run_id: Run that the version comes from.
    """

    decision: str
    promoted: bool
    champion: int | None
    file: str
    run_id: str


class AuditEntry(Strict):
    """One line of the trail.

    Attributes:
        number: Its place, from 1.
        chain: SHA-256 of the previous entry; empty for the first.
        at: Time in UTC by the writer's clock, ISO 8601.
        who: Person, as returned by :func:`merflow.promotion.registry.person.person`.
        writer: Random name of the process that wrote it, which identifies the owner of a lock.
        action: Kind of the entry.
        version: Version that it is about.
        why: Reason in words.
        moves: Aliases that move, in this order; for a ``notice``, those that had been moved by hand.
        until: End of the lock that the entry takes, ISO 8601; None if it takes none.
        closes: Number of the move that a ``finish`` ends or a ``takeover`` takes over.
        forced: True if a person promoted against the gate.
        evidence: Decision behind it.
    """

    number: int
    chain: str
    at: str
    who: str
    writer: str
    action: Action
    version: int | None
    why: str
    moves: tuple[AliasMove, ...] = ()
    until: str | None = None
    closes: int | None = None
    forced: bool = False
    evidence: Evidence | None = None

    @property
    def text(self) -> str:
        """The entry as MLflow stores it."""
        return self.model_dump_json(exclude_defaults=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the stored text."""
        return text_digest(self.text)

    def concerns(self, version: int) -> bool:
        """Return True if the entry is about a version or moves an alias from it or to it."""
        return self.version == version or any(version in (move.before, move.after) for move in self.moves)

    def has_expired(self, now: datetime) -> bool:
        """Return True if the entry's lock has expired at this time."""
        return self.until is not None and datetime.fromisoformat(self.until) <= now


class StoredEntry(Strict):
    """An entry as it was found.

    Attributes:
        key: Its key in MLflow.
        text: Its text in MLflow.
        entry: Its content; None if the text is not an entry.
    """

    key: str
    text: str
    entry: AuditEntry | None


def entry_key(number: int) -> str:
    """Return the key under which an entry is stored."""
    return f"entry.{number:06d}"


def read_entry(key: str, text: str) -> StoredEntry:
    """Return an entry from its key and text."""
    try:
        return StoredEntry(key=key, text=text, entry=AuditEntry.model_validate_json(text))
    except ValidationError:
        return StoredEntry(key=key, text=text, entry=None)


def text_digest(text: str) -> str:
    """Return the SHA-256 of an entry's text, which the next entry contains."""
    return hashlib.sha256(text.encode()).hexdigest()


def problems(stored: Sequence[StoredEntry]) -> list[str]:
    """Return sentences about the faults of a trail; empty for a trail without gaps or changes.

    Args:
        stored: All entries, by key.
    """
    found = [f"{each.key} is not readable: it was changed after merflow wrote it" for each in stored if not each.entry]
    found += [
        f"{each.key} holds entry {each.entry.number}: it was moved or changed"
        for each in stored
        if each.entry and entry_key(each.entry.number) != each.key
    ]
    if stored and stored[0].key != entry_key(1):
        found.append(f"the trail begins with {stored[0].key}: entries before it are missing")
    for before, after in pairwise(stored):
        if after.entry is None:
            continue
        if before.entry is not None and after.entry.number != before.entry.number + 1:
            found.append(f"entries between {before.key} and {after.key} are missing")
        elif after.entry.chain != text_digest(before.text):
            found.append(f"{before.key} was changed: {after.key} holds another digest of it")
    return found
