"""The monitored model: its name, its version and its package, without loading it."""

from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.model_package import PACKAGE, read_package
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import MonitoringError, RegistryError
from merflow.opening.fetched_models import fetched_version
from merflow.opening.located_model import located_model
from merflow.opening.package_identity import identity_of
from merflow.promotion.registry.location import open_registry
from merflow.promotion.registry.state import CHAMPION


@dataclass(frozen=True)
class MonitoredModel:
    """A model under its name in the log.

    Attributes:
        name: Its name.
        version: Its version.
        package: Its package.
    """

    name: str
    version: str
    package: Path


def monitored_model(location: str, *, tracking_uri: str | None = None) -> MonitoredModel:
    """Find a model by its location, with the name and version that ``merflow serve`` logs for it.

    Args:
        location: A package, a benchmark's folder with a champion, ``runs:/RUN_ID``, ``models:/NAME@ALIAS`` or
            ``models:/NAME/VERSION``.
        tracking_uri: The MLflow server or database; None for ``MLFLOW_TRACKING_URI``.

    Raises:
        ServingError: There is no such folder.
        MonitoringError: The location has no package, so nothing is known about its held-out data.
        RegistryError: There is no such version or alias, or nothing says where the registry is.
        TrackingError: MLflow is not installed, cannot be reached or refuses.
    """
    located = located_model(location, tracking_uri=tracking_uri)
    if (located.folder / PACKAGE).is_file():
        return _monitored(located.folder, located.version)
    try:
        version, package = fetched_version(open_registry(folder=located.folder), CHAMPION)
    except RegistryError as error:
        raise MonitoringError(
            f"{location} has no model package, so its held-out data are unknown; register the model, or compare "
            "with earlier traffic (--reference)"
        ) from error
    return _monitored(package, version)


def _monitored(folder: Path, version: RegisteredVersion | None) -> MonitoredModel:
    identity = identity_of(folder, read_package(folder), version=version)
    return MonitoredModel(identity.name, identity.version, folder)
