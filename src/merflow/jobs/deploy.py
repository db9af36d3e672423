"""KServe manifests for a registered version."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from merflow.contracts.deployment_settings import DeploymentSettings, read_settings
from merflow.contracts.kubernetes_names import NONE
from merflow.contracts.model_package import ModelPackage, read_package
from merflow.contracts.package_files import package_digest
from merflow.contracts.registered_version import VersionFacts
from merflow.errors import DeploymentError
from merflow.promotion.deployment.manifests import FILES, NEXT, manifests
from merflow.promotion.deployment.plan import Canary, Mode, Plan, ServedVersion, check_plan
from merflow.promotion.registry.artifacts import fetch_package_json
from merflow.promotion.registry.registry import Registry
from merflow.storage.local import output_errors, replacing

_NO_WEIGHTS = "lite-"  # encoders with this prefix download nothing


@dataclass(frozen=True)
class Deployment:
    """The manifests of a plan.

    Attributes:
        plan: The plan.
        files: Text by file name.
        notes: Sentences about what the pods need in addition to the package.
    """

    plan: Plan
    files: dict[str, str]
    notes: tuple[str, ...]


def settings_of(path: Path | None = None, *, changes: Mapping[str, Any] | None = None) -> DeploymentSettings:
    """Return merflow's default settings, overridden by a user's file and then by the changes.

    Raises:
        ParamsError: The file is missing or not YAML, or with every problem of its values.
    """
    with as_file(files("merflow.promotion.deployment") / "deployment.yaml") as shipped:
        return read_settings(path, shipped=shipped, changes=changes or {})


def deploy(
    registry: Registry,
    version: str,
    *,
    settings: DeploymentSettings,
    mode: Mode,
    gpu: bool = False,
    service: str = "",
    canary: str | None = None,
    traffic: int = 0,
    allow_tag: bool = False,
) -> Deployment:
    """Return the manifests for serving an exact version, and optionally a canary next to it.

    Args:
        registry: The registered model.
        version: Number or alias of the version.
        settings: Cluster, resources, scaling and Secrets.
        mode: KServe's deployment mode.
        gpu: True for pods with a GPU.
        service: Name of the InferenceService; empty for that of the registered model.
        canary: Number or alias of a version that answers a share of the requests; None if there is none.
        traffic: The canary's share in percent.
        allow_tag: True to accept an image without a digest.

    Raises:
        RegistryError: There is no such version, merflow did not register it, or it has no package.
        DeploymentError: With every reason why the deployment could not work.
        TrackingError: The server cannot be reached or refuses.
    """
    stable, package = _served(registry, version)
    packages = [package]
    beside = None
    if canary is not None:
        found, package = _served(registry, canary)
        beside = Canary(found, traffic)
        packages.append(package)
    plan = Plan(service=service or registry.name, stable=stable, canary=beside, mode=mode, gpu=gpu, settings=settings)
    check_plan(plan, allow_tag=allow_tag)
    return Deployment(plan, manifests(plan), _notes(packages, settings))


def write_deployment(made: Deployment, out: Path) -> list[Path]:
    """Write the manifests to a folder, and delete those of an earlier deployment that are obsolete; return the files.

    Raises:
        OutputError: The folder cannot be written.
    """
    written = []
    for name, text in made.files.items():
        with replacing(out / name) as part:
            part.write_text(text, encoding="utf-8")
        written.append(out / name)
    with output_errors(out):
        for name in FILES:
            if name not in made.files:
                (out / name).unlink(missing_ok=True)
        later = (out / NEXT).parent
        if later.is_dir() and not any(later.iterdir()):
            later.rmdir()
    return written


def _served(registry: Registry, text: str) -> tuple[ServedVersion, ModelPackage]:
    """Return the exact version with a number or alias, with the digest of its package."""
    version = registry.usable(text)
    with tempfile.TemporaryDirectory() as scratch:
        folder = fetch_package_json(registry.connection, version, into=Path(scratch))
        package, digest = read_package(folder), package_digest(folder)
    facts = VersionFacts.of(package)
    if version.facts is None or version.facts.package != facts.package:
        raise DeploymentError(
            f"the package of {version.title} is not the one that was registered: package.json has the digest "
            f"{facts.package}; register the model again with merflow registry register"
        )
    return ServedVersion(version.name, version.version, f"{package.variant}, {package.made}", digest), package


def _notes(packages: list[ModelPackage], settings: DeploymentSettings) -> tuple[str, ...]:
    """Return notes on what pods download in addition to the package: encoders from the hub."""
    cited = {each.citation for package in packages for each in package.encoders.values()}
    pretrained = sorted(text for text in cited if not text.startswith(_NO_WEIGHTS))
    if not pretrained or settings.encoders_pvc != NONE:
        return ()
    return (
        f"every new pod downloads encoders from the hub: {', '.join(pretrained)}; allow it HTTPS, or set encoders_pvc "
        "to a PVC that has them",
    )
