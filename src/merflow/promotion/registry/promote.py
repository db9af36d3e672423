"""Promotion and approval: which aliases move, and on which evidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from merflow.contracts.audit_trail import AuditEntry, Evidence, StoredEntry, problems
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import RegistryError
from merflow.promotion.registry.decision import Decide, Decision, decision_digest
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.rollback import need
from merflow.promotion.registry.state import CANDIDATE, CHAMPION, PREVIOUS, RegistryState, alias_moves
from merflow.promotion.registry.tags import tag_version

Status = Literal["promoted", "decided", "refused", "waiting", "dry-run", "unchanged"]


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion.

    Attributes:
        status: ``promoted``; ``decided`` if the gate lets the version through and nothing has moved yet; ``refused`` by
            the gate; ``waiting`` for an approval; ``dry-run``; ``unchanged`` if the version is already the champion.
        version: The candidate.
        champion: The previous champion; None if there was none.
        decision: Digest of the decision; empty if there is none.
        sentences: The outcome in words, with what to do next.
        entry: Entry of the audit trail; None if nothing was recorded.
        made: The decision itself, if it was made by this call.
    """

    status: Status
    version: RegisteredVersion
    champion: RegisteredVersion | None
    decision: str
    sentences: tuple[str, ...]
    entry: AuditEntry | None
    made: Decision | None = None


def promote_version(
    registry: Registry, text: str = CANDIDATE, *, decide: Decide, require_approval: bool = False
) -> Promotion:
    """Make a version the champion if the decision allows it.

    The decision is made before the lock is taken, because it may need minutes. It is valid only while the champion is
    the one that the candidate was compared with.

    Args:
        registry: The registered model.
        text: Number or alias of the version.
        decide: Compares the candidate with the champion; mode and force are its own.
        require_approval: Promote only on a decision that a person has approved (:func:`approve_version`). Without an
            approval, decide, record the decision, and wait.

    Raises:
        HeldError: Somebody else moves the aliases.
        RegistryError: There is no such version, its files are missing, the champion changed meanwhile, or the audit
            trail is damaged.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.usable(text)
    stored, state = registry.mover.settled(patient=False)
    champion = registry.champion_of(state)
    if champion is not None and champion.version == version.version:
        return _unchanged(version, champion)
    known = state.decision_on(version.version) if require_approval else None
    if known is not None and known.evidence is not None and known.evidence.promoted:
        return _on_known_decision(registry, version, champion, known, state, require_approval=True)
    decision = decide(version, champion)
    evidence = _keep(registry, decision, version, champion, stored)
    if not decision.promoted or require_approval:
        done = _record(registry, decision, evidence, version, champion)
        return done if done.status == "refused" else _waiting(done)
    plan = _promotion(version, evidence, why=decision.verdict, forced=bool(decision.forced))
    entry = registry.mover.move(plan, removes_from=version.version)
    return Promotion("promoted", version, champion, evidence.decision, decision.sentences, entry, decision)


def decide_version(registry: Registry, text: str = CANDIDATE, *, decide: Decide) -> Promotion:
    """Decide about a version and record the decision without moving anything. :func:`promote_on` acts on it.

    Raises:
        RegistryError: See :func:`promote_version`.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.usable(text)
    stored, state = registry.mover.settled(patient=True)
    champion = registry.champion_of(state)
    if champion is not None and champion.version == version.version:
        return _unchanged(version, champion)
    decision = decide(version, champion)
    return _record(registry, decision, _keep(registry, decision, version, champion, stored), version, champion)


def promote_on(registry: Registry, text: str, *, decision: str, require_approval: bool) -> Promotion:
    """Make a version the champion on a recorded decision, or say what it waits for.

    Args:
        registry: The registered model.
        text: Number or alias of the version.
        decision: Digest of the decision.
        require_approval: Promote only if a person has approved it.

    Raises:
        HeldError: Somebody else moves the aliases.
        RegistryError: There is no such version or decision, its files are missing, or the champion changed meanwhile.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.usable(text)
    _, state = registry.mover.settled(patient=True)
    champion = registry.champion_of(state)
    if champion is not None and champion.version == version.version:
        return _unchanged(version, champion)
    known = state.entry_of(version.version, decision)
    if known is None or known.evidence is None:
        raise RegistryError(f"the audit trail of {registry.name!r} has no decision {decision} about {version.title}")
    if not known.evidence.promoted:
        return Promotion("refused", version, champion, decision, (known.why,), known)
    _check_champion(version, known.evidence, state)
    return _on_known_decision(registry, version, champion, known, state, require_approval=require_approval)


def preview_promotion(registry: Registry, text: str = CANDIDATE, *, decide: Decide) -> Promotion:
    """Return the decision that a promotion would make; write nothing.

    Raises:
        RegistryError: There is no such version, or its files are missing.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.usable(text)
    champion = next((each for each in registry.versions() if CHAMPION in each.aliases), None)
    if champion is not None and champion.version == version.version:
        return _unchanged(version, champion)
    decision = decide(version, champion)
    return Promotion("dry-run", version, champion, decision_digest(decision), decision.sentences, None, decision)


def approve_version(registry: Registry, text: str = CANDIDATE, *, reason: str) -> AuditEntry:
    """Record that a person approves the last decision about a version.

    The person is the registry's. The approval is only for this decision, and only while the champion stays the same.

    Raises:
        RegistryError: There is no such version, no decision about it that lets it through, or no reason.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.version(text)
    need(reason)

    def plan(state: RegistryState) -> dict[str, Any]:
        decided = state.decision_on(version.version)
        if decided is None or decided.evidence is None or not decided.evidence.promoted:
            said = "the last one refused it" if decided else "there is none against the present champion"
            raise RegistryError(
                f"no decision about {version.title} can be approved: {said}; run `merflow registry promote "
                f"{version.version} --require-approval` first"
            )
        return {"action": "approve", "version": version.version, "why": reason, "evidence": decided.evidence}

    entry = registry.mover.record(plan)
    tag_version(registry.connection, registry.name, entry)
    return entry


def _promotion(
    version: RegisteredVersion, evidence: Evidence, *, why: str, forced: bool
) -> Callable[[RegistryState], dict[str, Any]]:
    """Return the plan of a promotion on this evidence."""

    def plan(state: RegistryState) -> dict[str, Any]:
        _check_champion(version, evidence, state)
        # `previous` first, so that the old champion is never without an alias.
        after: dict[str, int | None] = {CHAMPION: version.version}
        if state.champion is not None:
            after = {PREVIOUS: state.champion, **after}
        if state.aliases.get(CANDIDATE) == version.version:
            after[CANDIDATE] = None
        fields = {"action": "promote", "version": version.version, "why": why}
        return {**fields, "moves": alias_moves(state, after), "forced": forced, "evidence": evidence}

    return plan


def _check_champion(version: RegisteredVersion, evidence: Evidence, state: RegistryState) -> None:
    if state.champion != evidence.champion:
        raise RegistryError(
            f"{version.title} was compared with {_named(evidence.champion)}, but the champion is now "
            f"{_named(state.champion)}; run the command again to compare it with that one"
        )


def _on_known_decision(
    registry: Registry,
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
    known: AuditEntry,
    state: RegistryState,
    *,
    require_approval: bool,
) -> Promotion:
    """Promote on a recorded decision, after any required approval; otherwise say what the promotion is waiting for."""
    assert known.evidence is not None
    digest, why = known.evidence.decision, known.why
    sentence = f"{version.title} is promoted: decision {digest}"
    approval = state.approval_of(version.version, known.evidence)
    if approval is None and require_approval:
        return _waiting(Promotion("decided", version, champion, digest, (known.why,), known))
    if approval is not None:
        why = f"{why} Approved by {approval.who} (entry {approval.number}): {approval.why}"
        sentence = f"{sentence}, approved by {approval.who}"
    plan = _promotion(version, known.evidence, why=why, forced=known.forced)
    entry = registry.mover.move(plan, removes_from=version.version)
    return Promotion("promoted", version, champion, digest, (sentence,), entry)


def _unchanged(version: RegisteredVersion, champion: RegisteredVersion) -> Promotion:
    return Promotion("unchanged", version, champion, "", (f"{version.title} is the champion already",), None)


def _waiting(decided: Promotion) -> Promotion:
    assert decided.entry is not None
    version = decided.version
    sentence = (
        f"{version.title} waits for the approval of decision {decided.decision}: merflow registry approve "
        f"{version.version} --by NAME --reason TEXT"
    )
    return replace(decided, status="waiting", sentences=(decided.entry.why, sentence))


def _record(
    registry: Registry,
    decision: Decision,
    evidence: Evidence,
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
) -> Promotion:
    """Record a decision without moving anything."""
    entry = registry.mover.record(lambda _state: _decided(version, decision, evidence))
    status: Status = "decided" if decision.promoted else "refused"
    return Promotion(status, version, champion, evidence.decision, decision.sentences, entry, decision)


def _keep(
    registry: Registry,
    decision: Decision,
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
    stored: Sequence[StoredEntry],
) -> Evidence:
    """Store the decision with the audit trail, if the trail is intact or the decision is forced."""
    wrong = problems(stored)
    if wrong and not decision.forced:
        raise RegistryError(
            f"the audit trail of {registry.name!r} is damaged: {wrong[0]}; look at `merflow registry audit`, restore "
            "MLflow's database, or promote with --force --reason"
        )
    digest = decision_digest(decision)
    file = f"decisions/{digest}.json"
    registry.trail.store(decision.model_dump_json(), file)
    number = None if champion is None else champion.version
    return Evidence(decision=digest, promoted=decision.promoted, champion=number, file=file, run_id=version.run_id)


def _decided(version: RegisteredVersion, decision: Decision, evidence: Evidence) -> dict[str, Any]:
    why = decision.verdict if decision.promoted else " ".join(decision.sentences)[:2000]
    fields = {"action": "decide", "version": version.version, "why": why}
    return {**fields, "forced": bool(decision.forced), "evidence": evidence}


def _named(version: int | None) -> str:
    return "no champion" if version is None else f"version {version}"
