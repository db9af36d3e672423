"""The opening of a trained model from a folder, an MLflow run or the registry."""

from pathlib import Path

from merflow.contracts.fold_record import FOLD_RECORD
from merflow.contracts.model_package import PACKAGE, read_package
from merflow.contracts.progress import say
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import EvaluationError, RegistryError, ServingError, TrackingError
from merflow.opening.fetched_models import fetched_version
from merflow.opening.located_model import EXPECTED, located_model
from merflow.opening.predictors import Placement, of_folds, of_model_folder, of_package
from merflow.promotion.registry.location import open_registry
from merflow.promotion.registry.state import CHAMPION
from merflow.runs.fold_folder import is_fold
from merflow.runs.run_folder import RunFolder, read_run
from merflow.serving.predictor import Predictor


def open_model(
    location: str, *, tracking_uri: str | None = None, encoders_folder: str = "", device: str = "auto"
) -> Predictor:
    """Open a model.

    A benchmark's folder means its champion or, if there is none, an ensemble of the folds of its best variant. Folds
    are calibrated on their development predictions, like a registered ensemble, if the data still exist.

    Args:
        location: A folder, a run or a version; see :func:`merflow.opening.located_model.located_model`.
        tracking_uri: The MLflow server or database of a run or version; None for ``MLFLOW_TRACKING_URI``.
        encoders_folder: ``features.encoders_folder``.
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        ServingError: The location is none of these.
        RegistryError: There is no such version or alias, or nothing says where the registry is.
        TrackingError: MLflow is not installed, cannot be reached or refuses.
        MerflowError: A file of the model is missing, damaged, or of another version of merflow.
    """
    placement = Placement(encoders_folder=encoders_folder, device=device)
    located = located_model(location, tracking_uri=tracking_uri)
    if (located.folder / PACKAGE).is_file():
        return of_package(located.folder, placement, version=located.version)
    if (located.folder / FOLD_RECORD).is_file():
        return of_model_folder(located.folder, placement)
    return _of_run(located.folder, placement)


def _of_run(folder: Path, placement: Placement) -> Predictor:
    """Open a fold, or the champion or best variant of a benchmark."""
    try:
        run = read_run(folder)
    except EvaluationError as error:
        raise ServingError(f"{folder} contains no model; {EXPECTED}") from error
    champion = None if is_fold(folder) else _champion(run)
    if champion is None:
        return of_folds(run, placement)
    return of_package(champion[1], placement, version=champion[0])


def _champion(run: RunFolder) -> tuple[RegisteredVersion, Path] | None:
    """Return the champion and its package if it was built from folds of the benchmark; otherwise None."""
    try:
        version, package = fetched_version(open_registry(folder=run.root), CHAMPION)
    except RegistryError:
        return None  # the benchmark was not tracked, or nobody has promoted a model
    except TrackingError as error:
        say(f"model: {error}; the best variant of {run.root} is used, whether there is a champion or not")
        return None
    own = {fold.record.fingerprint for fold in run.folds.values()}
    return (version, package) if own.issuperset(read_package(package).lineage.fold_fingerprints) else None
