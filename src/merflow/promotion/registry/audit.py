"""The audit: all entries of the trail, with those that are missing, changed or contradicted."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from merflow.contracts.audit_trail import AuditEntry, StoredEntry, entry_key, problems, text_digest
from merflow.promotion.registry.aliases import read_aliases
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.state import ALIASES, RegistryState, state_of
from merflow.promotion.registry.tags import TRACE
from merflow.promotion.registry.versions import version_tags

_TRACE = re.compile(re.escape(TRACE) + r"(\d{6})")


@dataclass(frozen=True)
class Audit:
    """The outcome of an audit.

    Attributes:
        name: The registered model.
        uri: The server or database.
        run_id: The run with the trail; None if nothing was ever recorded.
        at: Time of the audit in UTC, ISO 8601.
        entries: Readable entries, the oldest first.
        problems: Sentences about entries that are missing or were changed.
        notes: Sentences about unfinished moves and changes made outside merflow.
        aliases: Version of each alias in MLflow.
    """

    name: str
    uri: str
    run_id: str | None
    at: str
    entries: tuple[AuditEntry, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    aliases: dict[str, int]

    def plain(self) -> dict[str, Any]:
        """Return the audit as JSON values."""
        return {
            "name": self.name,
            "uri": self.uri,
            "run_id": self.run_id,
            "at": self.at,
            "intact": not self.problems,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "aliases": self.aliases,
            "entries": [entry.model_dump(mode="json") for entry in self.entries],
        }


def audit(registry: Registry) -> Audit:
    """Read and check the audit trail without changing anything.

    Raises:
        RegistryError: There is no such registered model, or the trail's run was deleted.
        TrackingError: The server cannot be reached or refuses.
    """
    aliases = read_aliases(registry.connection, registry.name)
    tags = version_tags(registry.connection, registry.name)
    stored = registry.trail.read()
    state = state_of(stored)
    return Audit(
        name=registry.name,
        uri=registry.connection.shown_uri,
        run_id=registry.trail.run_id(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        entries=state.entries,
        problems=(*problems(stored), *_traces(stored, tags), *_decisions(registry, state)),
        notes=tuple(_notes(state, aliases, versions=set(tags))),
        aliases=aliases,
    )


def _traces(stored: list[StoredEntry], tags: dict[int, dict[str, str]]) -> list[str]:
    """Compare the trail with the tags that its entries left on versions."""
    texts = {each.key: each.text for each in stored}
    found = []
    for version, own in sorted(tags.items()):
        for key, value in sorted(own.items()):
            trace = _TRACE.fullmatch(key)
            if trace is None:
                continue
            entry = entry_key(int(trace[1]))
            if entry not in texts:
                found.append(f"version {version} has the tag {key}, but the trail has no {entry}: it was deleted")
            elif not value.startswith(text_digest(texts[entry])):
                found.append(
                    f"version {version} has another digest of {entry} in its tag {key}: one of them was changed"
                )
    return found


def _decisions(registry: Registry, state: RegistryState) -> list[str]:
    """Return a sentence for every decision whose file is missing."""
    files = {entry.evidence.file: entry.number for entry in state.entries if entry.evidence is not None}
    run_id = registry.trail.run_id()
    if not files or run_id is None:
        return []
    listed = {str(each.path) for each in registry.connection.call("list_artifacts", run_id, "decisions")}
    return [f"entry {number}'s decision is missing: {file}" for file, number in files.items() if file not in listed]


def _notes(state: RegistryState, aliases: dict[str, int], *, versions: set[int]) -> list[str]:
    notes = []
    if state.open is not None:
        holder = state.open.holder
        over = "; the next command finishes it" if state.open.has_expired(datetime.now(UTC)) else ""
        notes.append(
            f"entry {state.open.entry.number} ({state.open.entry.action}) is not finished: {holder.who} holds the lock "
            f"until {holder.until}{over}"
        )
    else:
        notes += [
            f"{alias} points to {_named(aliases.get(alias))} in MLflow, and to {_named(state.aliases.get(alias))} in "
            "the trail: it was moved without merflow; the next command that moves an alias records it"
            for alias in ALIASES
            if aliases.get(alias) != state.aliases.get(alias)
        ]
    known = {entry.version for entry in state.entries}
    notes += [
        f"version {version} was registered without merflow, or its registration was interrupted"
        for version in sorted(versions - known)
    ]
    return notes


def _named(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
