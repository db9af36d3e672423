"""The gate as two pipeline steps: one decides, the other waits for a person and moves the alias."""

import time
from datetime import UTC, datetime, timedelta

from merflow.contracts.gate_decision import GateDecision, Mode
from merflow.contracts.gate_outcome import GateOutcome
from merflow.contracts.gate_policy import GatePolicy
from merflow.contracts.progress import say
from merflow.errors import RegistryError
from merflow.jobs.promote import gate_by
from merflow.promotion.costs import Loader
from merflow.promotion.registry.promote import Promotion, decide_version, preview_promotion, promote_on
from merflow.promotion.registry.registry import Registry

_POLL_S = 5.0


def gate(registry: Registry, version: str, *, mode: Mode, policy: GatePolicy, load: Loader) -> Promotion:
    """Compare a version with the champion and record the decision without moving anything. A refusal is not an error.

    Args:
        registry: The registered model.
        version: Number or alias of the version.
        mode: ``enforce``, ``warn`` or ``dry-run``; the last records nothing.
        policy: The requirements for the version.
        load: Loads a package in another process.

    Raises:
        RegistryError: There is no such version, or its files are missing.
        ModelError: A package is damaged or holds a pickle.
        TrackingError: The server cannot be reached or refuses.
    """
    decide = gate_by(registry, policy, mode=mode, forced="", load=load)
    judge = preview_promotion if mode == "dry-run" else decide_version
    done = judge(registry, version, decide=decide)
    for sentence in done.sentences:
        say(f"gate: {sentence}")
    return done


def outcome_of(done: Promotion) -> GateOutcome:
    """Return the outcome of :func:`gate` for :func:`promote_decided`."""
    status = done.status
    assert status != "promoted"
    assert status != "waiting"
    return GateOutcome(
        status=status, version=done.version.version, decision="" if status == "dry-run" else done.decision
    )


def promote_decided(
    registry: Registry, outcome: GateOutcome, *, approval_h: float, poll_s: float = _POLL_S
) -> tuple[str, ...]:
    """Act on the gate's outcome: move the alias, optionally after a person's approval; return what happened.

    Args:
        registry: The registered model.
        outcome: The outcome.
        approval_h: Hours to wait for an approval, counted from the decision, so that a restarted step does not wait
            longer; 0 requires no approval.
        poll_s: Seconds between checks of the audit trail.

    Raises:
        RegistryError: The gate refused the version, or nobody approved the decision in time.
        TrackingError: The server cannot be reached or refuses.
    """
    number = str(outcome.version)
    if not outcome.decision:
        title = registry.version(number).title
        why = "the gate only said what it would decide" if outcome.status == "dry-run" else "it is the champion already"
        return (f"{title}: nothing moves, for {why}",)
    told = False
    while True:
        done = promote_on(registry, number, decision=outcome.decision, require_approval=approval_h > 0)
        if done.status == "refused":
            raise RegistryError(f"the gate refused {done.version.title}: {' '.join(done.sentences)}")
        if done.status != "waiting":
            return done.sentences
        if datetime.now(UTC) >= _deadline(done, hours=approval_h):
            raise RegistryError(
                f"nobody approved decision {outcome.decision} about {done.version.title} within {approval_h:g} h; "
                f"approve it with `merflow registry approve {number}`, and promote it with `merflow registry promote "
                f"{number} --require-approval`"
            )
        if not told:
            for sentence in done.sentences:
                say(f"promote: {sentence}")
        told = True
        time.sleep(poll_s)


def _deadline(waiting: Promotion, *, hours: float) -> datetime:
    assert waiting.entry is not None
    return datetime.fromisoformat(waiting.entry.at) + timedelta(hours=hours)


def decision_markdown(done: Promotion, *, uri: str, approval_h: float) -> str:
    """Return the outcome of :func:`gate` as Markdown: the verdict, the next step, and every check.

    Args:
        done: The outcome.
        uri: The tracking server, for the approval command.
        approval_h: Hours to wait for an approval; 0 if none is required.
    """
    against = "no champion" if done.champion is None else f"the champion, version {done.champion.version}"
    lines = [f"# {done.version.title} against {against}", "", *(f"{sentence}\n" for sentence in done.sentences)]
    if done.status == "decided" and approval_h:
        lines += [
            f"It waits for an approval of decision `{done.decision}`, up to {approval_h:g} hours:",
            "",
            "```",
            f"merflow registry approve {done.version.version} --name {done.version.name} --by NAME --reason TEXT "
            f"--tracking-uri {uri}",
            "```",
            "",
        ]
    return "\n".join([*lines, *_checks(done.made)]) + "\n"


def figures_of(done: Promotion) -> dict[str, float]:
    """Return the number of checks, the number of failures, and the accuracy figure if it was compared."""
    if not isinstance(done.made, GateDecision):
        return {}
    measured = {check.name: check.measured for check in done.made.checks}
    figures = {"checks": float(len(done.made.checks)), "failed checks": float(len(done.made.failed))}
    accuracy = measured.get("accuracy")
    return figures if accuracy is None else {**figures, "accuracy": round(accuracy, 4)}


def _checks(decision: object) -> list[str]:
    if not isinstance(decision, GateDecision):
        return []
    rows = [
        f"| {'passed' if check.passed else '**failed**'} | {check.name} | {_cell(check.sentence)} | "
        f"{_cell(check.remedy)} |"
        for check in decision.checks
    ]
    return ["| | check | outcome | what to do |", "|---|---|---|---|", *rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
