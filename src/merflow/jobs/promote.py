"""Promotion of a registered version: both packages are fetched and measured, the gate decides, and aliases move."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from merflow.contracts.costs import write_costs, write_smoke_test
from merflow.contracts.gate_decision import GateDecision, Mode
from merflow.contracts.gate_policy import GatePolicy
from merflow.contracts.model_package import read_package
from merflow.contracts.package_files import refuse_pickles
from merflow.contracts.progress import say
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import RegistryError
from merflow.inference.media_clips import Clip
from merflow.promotion.costs import Loader, PackageLoader, measure_costs, smoke_test
from merflow.promotion.gate.evidence import Evidence, read_evidence
from merflow.promotion.gate.gate import decide as decide_by_evidence
from merflow.promotion.gate.gate import policy_of
from merflow.promotion.probe_clips import probe_clips
from merflow.promotion.registry.artifacts import fetch_package
from merflow.promotion.registry.decision import Decide
from merflow.promotion.registry.promote import Promotion, preview_promotion, promote_version
from merflow.promotion.registry.registry import Registry

_SMOKE_CLIPS = 2


def promote(
    registry: Registry,
    version: str,
    *,
    mode: Mode = "enforce",
    forced: str = "",
    policy: Path | None = None,
    require_approval: bool = False,
    load: Loader | None = None,
) -> Promotion:
    """Promote a version if the gate lets it through; see :func:`merflow.promotion.registry.promote.promote_version`.

    Args:
        registry: The registered model.
        version: Number or alias of the version.
        mode: ``enforce``, ``warn`` or ``dry-run``; the last writes nothing.
        forced: Reason of a forced promotion; empty if it is not forced.
        policy: Policy file; None for merflow's default.
        require_approval: Promote only on a decision that a person has approved.
        load: Loads a package in another process, with encoders from the hub's cache by default.

    Raises:
        ParamsError: The policy file is wrong.
        RegistryError: There is no such version, or it cannot be promoted now.
        ModelError: A package is damaged or holds a pickle.
        TrackingError: The server cannot be reached or refuses.
    """
    decide = gate_by(registry, policy_of(policy), mode=mode, forced=forced, load=load or PackageLoader())
    if mode == "dry-run":
        return preview_promotion(registry, version, decide=decide)
    return promote_version(registry, version, decide=decide, require_approval=require_approval)


def gate_by(registry: Registry, policy: GatePolicy, *, mode: Mode, forced: str, load: Loader) -> Decide:
    """Return the gate for a registry's versions."""

    def decide(candidate: RegisteredVersion, champion: RegisteredVersion | None) -> GateDecision:
        versions = [candidate] if champion is None else [candidate, champion]
        say(f"promote: comparing {' with '.join(each.title for each in versions)}")
        with tempfile.TemporaryDirectory(prefix="merflow-promote-") as work:
            folders = [_fetched(registry, candidate, into=Path(work))]
            try:
                folders += [_fetched(registry, each, into=Path(work)) for each in versions[1:]]
            except RegistryError as error:
                if not forced:
                    raise RegistryError(f"{error}; or promote with --force --reason, without a comparison") from error
                say(f"promote: {error}; promoted by force, without a comparison")
            evidence = _measured(folders, versions[: len(folders)], load=load)
        return decide_by_evidence(
            evidence[0],
            evidence[1] if len(evidence) > 1 else None,
            policy,
            mode=mode,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            by=registry.trail.who,
            forced=forced,
        )

    return decide


def _fetched(registry: Registry, version: RegisteredVersion, *, into: Path) -> Path:
    return fetch_package(registry.connection, version, into=into / str(version.version))


def _measured(folders: Sequence[Path], versions: Sequence[RegisteredVersion], *, load: Loader) -> list[Evidence]:
    """Test and time packages together, the candidate first, and read the evidence of each.

    Nothing is timed if the candidate does not load, because the gate then refuses it. A champion that does not load has
    no costs, so that it does not block every later model permanently: the gate reports the costs as missing, and force
    overrides that.
    """
    for folder in folders:
        refuse_pickles(folder)
    described, *others = [read_package(folder) for folder in folders]
    clips = probe_clips(described, also={modality for each in others for modality in each.modalities})
    outcome = smoke_test(folders[0], clips[:_SMOKE_CLIPS], task=described.predicted, load=load)
    write_smoke_test(folders[0], outcome)
    if outcome.passed:
        timed = [folders[0], *(each for each in folders[1:] if _loads(each, clips, load=load))]
        for folder, costs in zip(timed, measure_costs(timed, clips, load=load), strict=True):
            write_costs(folder, costs)
    return [
        replace(read_evidence(folder), version=str(version.version))
        for folder, version in zip(folders, versions, strict=True)
    ]


def _loads(champion: Path, clips: Sequence[Clip], *, load: Loader) -> bool:
    """Return True if the champion can still be loaded; otherwise print the reason."""
    outcome = smoke_test(champion, clips[:1], task=read_package(champion).predicted, load=load)
    if not outcome.passed:
        say(f"promote: the champion cannot be loaded: {outcome.error}")
    return outcome.passed
