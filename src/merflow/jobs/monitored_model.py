"""The model that is monitored: its name, its version and its package, without loading it."""

from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.model_package import PACKAGE, read_package
from merflow.contracts.package_files import weights_digest
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import MonitoringError, RegistryError
from merflow.jobs.fetched_models import fetched_run, fetched_version, registry_of
from merflow.jobs.registry import open_registry, version_named
from merflow.promotion.registry.state import CHAMPION


@dataclass(frozen=True)
class MonitoredModel:
    """A model as the log names it.

    Attributes:
        name: Its name.
        version: Its version.
        package: Its package.
    """

    name: str
    version: str
    package: Path


def monitored_model(location: str, *, tracking_uri: str | None = None) -> MonitoredModel:
    """Find a model by the location that ``merflow serve`` takes, with the name and version that it logs.

    Args:
        location: A package, a benchmark's folder with a champion, ``runs:/RUN_ID``, ``models:/NAME@ALIAS`` or
            ``models:/NAME/VERSION``.
        tracking_uri: The MLflow server or database; None for that of ``MLFLOW_TRACKING_URI``.

    Raises:
        MonitoringError: The location has no package, so nothing is known of its held-out data.
        RegistryError: There is no such version or alias, or nothing says where the registry is.
        TrackingError: MLflow is not installed, cannot be reached or refuses.
    """
    if location.startswith("models:/"):
        name, text = version_named(location)
        return _registered(*fetched_version(open_registry(uri=registry_of(location, tracking_uri), name=name), text))
    if location.startswith("runs:/"):
        run_id, _, name = location.removeprefix("runs:/").partition("/")
        connection = open_registry(uri=registry_of(location, tracking_uri)).connection
        folder = fetched_run(connection, run_id, name=name)
    else:
        folder = Path(location)
    if not (folder / PACKAGE).is_file():
        try:
            return _registered(*fetched_version(open_registry(folder=folder), CHAMPION))
        except RegistryError as error:
            raise MonitoringError(
                f"{location} has no model package, so its held-out data are unknown; register the model, or compare "
                "with earlier traffic (--reference)"
            ) from error
    package = read_package(folder)
    version = weights_digest([folder / member.folder for member in package.members])
    return MonitoredModel(package.variant, version, folder)


def _registered(version: RegisteredVersion, package: Path) -> MonitoredModel:
    return MonitoredModel(version.name, str(version.version), package)
