"""Promotion, approval and rollback: which aliases move, and on which evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from merflow.contracts.audit_trail import AuditEntry, Evidence, problems
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import RegistryError
from merflow.promotion.registry.decision import Decide, Decision, decision_digest
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.state import CANDIDATE, CHAMPION, PREVIOUS, RegistryState, alias_moves
from merflow.promotion.registry.tags import tag_version

Status = Literal["promoted", "refused", "waiting", "dry-run", "unchanged"]


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion.

    Attributes:
        status: ``promoted``; ``refused`` by the gate; ``waiting`` for an approval; ``dry-run``; ``unchanged``, for the
            version is the champion already.
        version: The candidate.
        champion: The champion before; None if there was none.
        decision: Digest of the decision; empty without one.
        sentences: The outcome in words, with what to do.
        entry: Entry of the audit trail; None if nothing was recorded.
    """

    status: Status
    version: RegisteredVersion
    champion: RegisteredVersion | None
    decision: str
    sentences: tuple[str, ...]
    entry: AuditEntry | None


def promote_version(
    registry: Registry, text: str = CANDIDATE, *, decide: Decide, require_approval: bool = False
) -> Promotion:
    """Make a version the champion, if the decision allows it.

    The decision is taken before the lock, for it may need minutes. It counts only as long as the champion is the one
    that the candidate was compared with.

    Args:
        registry: The registered model.
        text: Number or alias of the version.
        decide: Compares the candidate with the champion; mode and force are its own.
        require_approval: Promote only on a decision that a person has approved (:func:`approve_version`). Without an
            approval, decide, record the decision, and wait.

    Raises:
        HeldError: Somebody else moves the aliases.
        RegistryError: There is no such version, its files are gone, the champion changed meanwhile, or the audit trail
            is damaged.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.usable(text)
    stored, state = registry.mover.settled(patient=False)
    champion = registry.champion_of(state)
    if champion is not None and champion.version == version.version:
        return _unchanged(version, champion)
    known = state.decision_on(version.version) if require_approval else None
    if known is not None and known.evidence is not None and known.evidence.promoted:
        return _on_known_decision(registry, version, champion, known, state)
    decision = decide(version, champion)
    digest = decision_digest(decision)
    wrong = problems(stored)
    if wrong and not decision.forced:
        raise RegistryError(
            f"the audit trail of {registry.name!r} is damaged: {wrong[0]}; look at `merflow registry audit`, restore "
            "MLflow's database, or promote with --force --reason"
        )
    evidence = _keep(registry, decision, version, champion)
    if not decision.promoted or require_approval:
        entry = registry.mover.record(lambda _state: _decided(version, decision, evidence))
        if not decision.promoted:
            return Promotion("refused", version, champion, digest, decision.sentences, entry)
        return _waiting(version, champion, entry, digest)
    plan = _promotion(version, evidence, why=decision.verdict, forced=bool(decision.forced))
    return Promotion("promoted", version, champion, digest, decision.sentences, _moved(registry, plan, version))


def preview_promotion(registry: Registry, text: str = CANDIDATE, *, decide: Decide) -> Promotion:
    """Return what a promotion would decide; write nothing.

    Raises:
        RegistryError: There is no such version, or its files are gone.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.usable(text)
    champion = next((each for each in registry.versions() if CHAMPION in each.aliases), None)
    if champion is not None and champion.version == version.version:
        return _unchanged(version, champion)
    decision = decide(version, champion)
    return Promotion("dry-run", version, champion, decision_digest(decision), decision.sentences, None)


def approve_version(registry: Registry, text: str = CANDIDATE, *, reason: str) -> AuditEntry:
    """Record that a person approves the last decision about a version.

    The person is the registry's. The approval counts for this decision alone, and only while the champion is the same.

    Raises:
        RegistryError: There is no such version, no decision about it that lets it through, or no reason.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.version(text)
    _need(reason)

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


def rollback(registry: Registry, *, reason: str) -> AuditEntry:
    """Make ``previous`` the champion again, and ``previous`` the champion before that.

    Raises:
        HeldError: Somebody else moves the aliases.
        RegistryError: There is no previous version, its files are gone, or there is no reason.
        TrackingError: The server cannot be reached or refuses.
    """
    _need(reason)
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
        # The champion first: it is what serves.
        moves = alias_moves(current, {CHAMPION: seen, PREVIOUS: earlier[-1] if earlier else None})
        return {"action": "rollback", "version": current.champion, "why": reason, "moves": moves}

    return registry.mover.move(plan, removes_from=seen)


def _moved(
    registry: Registry, plan: Callable[[RegistryState], dict[str, Any]], version: RegisteredVersion
) -> AuditEntry:
    return registry.mover.move(plan, removes_from=version.version)


def _promotion(
    version: RegisteredVersion, evidence: Evidence, *, why: str, forced: bool
) -> Callable[[RegistryState], dict[str, Any]]:
    """Return the plan of a promotion on this evidence."""

    def plan(state: RegistryState) -> dict[str, Any]:
        if state.champion != evidence.champion:
            raise RegistryError(
                f"{version.title} was compared with {_named(evidence.champion)}, but the champion is now "
                f"{_named(state.champion)}; run the command again to compare it with that one"
            )
        # `previous` first: at no moment is the old champion without an alias.
        after: dict[str, int | None] = {CHAMPION: version.version}
        if state.champion is not None:
            after = {PREVIOUS: state.champion, **after}
        if state.aliases.get(CANDIDATE) == version.version:
            after[CANDIDATE] = None
        fields = {"action": "promote", "version": version.version, "why": why}
        return {**fields, "moves": alias_moves(state, after), "forced": forced, "evidence": evidence}

    return plan


def _on_known_decision(
    registry: Registry,
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
    known: AuditEntry,
    state: RegistryState,
) -> Promotion:
    """Promote on a recorded decision if a person approved it; else say what it waits for."""
    assert known.evidence is not None
    digest = known.evidence.decision
    approval = state.approval_of(version.version, known.evidence)
    if approval is None:
        return _waiting(version, champion, known, digest)
    why = f"{known.why} Approved by {approval.who} (entry {approval.number}): {approval.why}"
    entry = _moved(registry, _promotion(version, known.evidence, why=why, forced=known.forced), version)
    sentence = f"{version.title} is promoted: decision {digest}, approved by {approval.who}"
    return Promotion("promoted", version, champion, digest, (sentence,), entry)


def _unchanged(version: RegisteredVersion, champion: RegisteredVersion) -> Promotion:
    return Promotion("unchanged", version, champion, "", (f"{version.title} is the champion already",), None)


def _waiting(
    version: RegisteredVersion, champion: RegisteredVersion | None, entry: AuditEntry, digest: str
) -> Promotion:
    sentence = (
        f"{version.title} waits for the approval of decision {digest}: merflow registry approve {version.version} "
        "--by NAME --reason TEXT"
    )
    return Promotion("waiting", version, champion, digest, (entry.why, sentence), entry)


def _keep(
    registry: Registry, decision: Decision, version: RegisteredVersion, champion: RegisteredVersion | None
) -> Evidence:
    """Store the decision beside the audit trail."""
    digest = decision_digest(decision)
    file = f"decisions/{digest}.json"
    registry.trail.store(decision.model_dump_json(), file)
    number = None if champion is None else champion.version
    return Evidence(decision=digest, promoted=decision.promoted, champion=number, file=file, run_id=version.run_id)


def _decided(version: RegisteredVersion, decision: Decision, evidence: Evidence) -> dict[str, Any]:
    why = decision.verdict if decision.promoted else " ".join(decision.sentences)[:2000]
    fields = {"action": "decide", "version": version.version, "why": why}
    return {**fields, "forced": bool(decision.forced), "evidence": evidence}


def _before(champions: tuple[int, ...], version: int) -> tuple[int, ...]:
    """Return the champions before the last time that the version was one."""
    if version not in champions:
        return ()
    return champions[: len(champions) - 1 - champions[::-1].index(version)]


def _need(reason: str) -> None:
    if not reason.strip():
        raise RegistryError("the audit trail needs a reason; give --reason TEXT")


def _named(version: int | None) -> str:
    return "no champion" if version is None else f"version {version}"
