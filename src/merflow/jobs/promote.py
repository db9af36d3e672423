"""The promotion of a registered version: both packages are fetched and measured, and the gate decides."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from merflow.contracts.costs import Costs, SmokeTest
from merflow.contracts.gate_decision import GateDecision, Mode
from merflow.contracts.gate_policy import GatePolicy
from merflow.contracts.progress import say
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import RegistryError
from merflow.promotion.costs import PackageLoader, measure_costs, smoke_test
from merflow.promotion.gate.evidence import Evidence, read_evidence
from merflow.promotion.gate.gate import decide, policy_of
from merflow.promotion.probe_clips import probe_clips
from merflow.promotion.registry.artifacts import fetch_package
from merflow.promotion.registry.promote import Promotion, preview_promotion, promote_version
from merflow.promotion.registry.registry import Registry

_SMOKE_CLIPS = 2


def promote(
    registry: Registry,
    text: str,
    *,
    mode: Mode = "enforce",
    policy: Path | None = None,
    forced: str = "",
    require_approval: bool = False,
    encoders_folder: str = "",
) -> Promotion:
    """Compare a version with the champion, and make it the champion if the gate lets it through.

    Args:
        registry: The registered model.
        text: Number or alias of the version.
        mode: ``enforce``, ``warn`` or ``dry-run``, which writes nothing.
        policy: Policy file; None for merflow's own.
        forced: Reason of a forced promotion; empty if it is not forced.
        require_approval: Promote only on a decision that a person has approved.
        encoders_folder: ``features.encoders_folder``.

    Raises:
        ParamsError: The policy file is wrong.
        HeldError: Somebody else moves the aliases.
        RegistryError: There is no such version, or its files are gone.
        ModelError: A package was changed after it was made.
        TrackingError: The server cannot be reached or refuses.
    """
    judge = _judge(
        registry,
        policy_of(policy),
        mode=mode,
        forced=forced,
        load=PackageLoader(encoders_folder=encoders_folder),
    )
    if mode == "dry-run":
        return preview_promotion(registry, text, decide=judge)
    return promote_version(registry, text, decide=judge, require_approval=require_approval)


def _judge(
    registry: Registry, policy: GatePolicy, *, mode: Mode, forced: str, load: PackageLoader
) -> Callable[[RegisteredVersion, RegisteredVersion | None], GateDecision]:
    """Return the function that fetches, measures and compares two versions."""

    def judged(version: RegisteredVersion, champion: RegisteredVersion | None) -> GateDecision:
        with TemporaryDirectory(prefix="merflow-gate-") as scratch:
            packages = {version.version: _fetched(registry, version, into=Path(scratch))}
            if champion is not None:
                try:
                    packages[champion.version] = _fetched(registry, champion, into=Path(scratch))
                except RegistryError as error:
                    if not forced:
                        raise
                    say(f"promote: {error}; the candidate is promoted by force without a comparison")
            candidate, *others = _evidence(packages, load=load)
            return decide(
                candidate,
                others[0] if others else None,
                policy,
                mode=mode,
                at=datetime.now(UTC).isoformat(timespec="seconds"),
                by=registry.trail.who,
                forced=forced,
            )

    return judged


def _fetched(registry: Registry, version: RegisteredVersion, *, into: Path) -> Path:
    say(f"promote: fetching {version.title}")
    return fetch_package(registry.connection, version, into=into / str(version.version))


def _evidence(packages: dict[int, Path], *, load: PackageLoader) -> list[Evidence]:
    """Read the evidence of the packages, the candidate's first, and measure their costs in turns.

    The champion is a package that has been promoted; only the candidate is tried out first. A candidate that cannot be
    loaded has no costs, and the gate says why.
    """
    folders = list(packages.values())
    found = [replace(read_evidence(folder), version=str(number)) for number, folder in packages.items()]
    package = found[0].package
    clips = probe_clips(package)
    say("promote: loading the candidate in a fresh process, and measuring time, memory and size")
    tried: SmokeTest = smoke_test(folders[0], clips[:_SMOKE_CLIPS], classes=len(package.classes), load=load)
    found[0] = replace(found[0], smoke_test=tried)
    if not tried.passed:
        return found
    costs: tuple[Costs, ...] = measure_costs(folders, clips, load=load)
    return [replace(each, costs=cost) for each, cost in zip(found, costs, strict=True)]
