"""The folder of a trained model on this machine, found by the location given to a command."""

from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import ServingError
from merflow.opening.fetched_models import fetched_run, fetched_version
from merflow.promotion.registry.location import VERSION_SCHEME, registry_of, version_named

RUN_SCHEME = "runs:/"
EXPECTED = (
    "name the folder of a fold, of a model package or of a finished benchmark, or models:/NAME@champion, "
    "models:/NAME/VERSION or runs:/RUN_ID"
)


@dataclass(frozen=True)
class LocatedModel:
    """A model on this machine.

    Attributes:
        folder: Folder of a fold, of a package or of a benchmark.
        version: The registered version, if the location names one.
    """

    folder: Path
    version: RegisteredVersion | None = None


def located_model(location: str, *, tracking_uri: str | None) -> LocatedModel:
    """Find a model; download it from MLflow if necessary.

    Args:
        location: Folder of a fold, of a package or of a benchmark, ``runs:/RUN_ID``, ``runs:/RUN_ID/MODEL_NAME``,
            ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.
        tracking_uri: The MLflow server or database of a run or version; None for ``MLFLOW_TRACKING_URI``.

    Raises:
        ServingError: There is no such folder, or the location has another form.
        RegistryError: There is no such version or alias, or nothing says where the registry is.
        TrackingError: MLflow is not installed, cannot be reached or refuses.
        OutputError: The cache of models cannot be written.
    """
    if location.startswith(VERSION_SCHEME):
        name, text = version_named(location)
        version, folder = fetched_version(registry_of(location, uri=tracking_uri, name=name), text)
        return LocatedModel(folder, version)
    if location.startswith(RUN_SCHEME):
        run_id, _, name = location.removeprefix(RUN_SCHEME).partition("/")
        return LocatedModel(fetched_run(registry_of(location, uri=tracking_uri).connection, run_id, name=name))
    if not Path(location).is_dir():
        raise ServingError(f"no such folder: {location}; {EXPECTED}")
    return LocatedModel(Path(location))
