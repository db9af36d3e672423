"""A package as an MLflow model of its variant's run: files, signature and cross-validation figures.

The figures have names such as ``cv/test_UA``. They are the fold models' results on data that these had not seen; a
refit itself has none.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.contracts.calibration_record import ANY_GROUP, AnyCalibration, Calibration
from merflow.contracts.model_package import ModelPackage, read_package
from merflow.contracts.package_files import check_files, refuse_pickles, whole_digest
from merflow.contracts.score_calibration import ScoreCalibration, read_any_calibration
from merflow.promotion.packaging.figures import cross_validated
from merflow.promotion.packaging.signature import input_example, requirements_of, signature_of
from merflow.tracking.connection import Connection

PACKAGE_TAG = "merflow.package"
_ENCODERS_FOLDER = "MERFLOW_ENCODERS_FOLDER"
_MODEL_FILE = Path(__file__).with_name("pyfunc_model.py")
_DIGITS = 4


@dataclass(frozen=True)
class LoggedVersion:
    """A package in MLflow, ready to be registered.

    Attributes:
        model_id: MLflow's id of the logged model.
        model_uri: ``models:/<model_id>``, which registers and loads it.
        run_id: The variant's run, which it is linked to.
        package_digest: Digest of all files of the package, cards and stress results included.
        new: False if MLflow already had this exact package.
    """

    model_id: str
    model_uri: str
    run_id: str
    package_digest: str
    new: bool


def log_version_model(
    connection: Connection, package: Path, *, variant_run_id: str, encoders_folder: str = ""
) -> LoggedVersion:
    """Log a package as a model of its variant's run, unless MLflow already has it.

    MLflow loads the model once and predicts its input example, as a first check. An interrupted upload leaves a model
    with status FAILED or PENDING, which is never registered.

    Args:
        connection: The tracking server or database.
        package: The package.
        variant_run_id: MLflow's id of the variant's run.
        encoders_folder: Folder of the pretrained encoders for that check; empty for the hub's cache.

    Raises:
        ModelError: The folder is not a package, holds a pickle, or one of its files was changed.
        TrackingError: The server cannot be reached or refuses, or has no such run.
    """
    described, calibration = read_package(package), read_any_calibration(package)
    refuse_pickles(package)
    check_files(package, described)
    identity = whole_digest(package)
    run = connection.call("get_run", variant_run_id)
    earlier = _ready(connection, run, identity)
    if earlier is not None:
        return LoggedVersion(earlier, f"models:/{earlier}", variant_run_id, identity, new=False)
    model = connection.call(
        "create_logged_model",
        run.info.experiment_id,
        name=_name(described),
        source_run_id=variant_run_id,
        tags={PACKAGE_TAG: identity, **_tags(described)},
        params=_params(described, calibration),
        model_type=described.kind,
    )
    _link(connection, run, model.model_id, cross_validated(package, described, calibration))
    # Last, because it makes the model READY: a READY model is complete.
    _upload(connection, package, described, model_id=model.model_id, encoders_folder=encoders_folder)
    return LoggedVersion(model.model_id, f"models:/{model.model_id}", variant_run_id, identity, new=True)


def _ready(connection: Connection, run: Any, identity: str) -> str | None:  # noqa: ANN401 - mlflow's Run
    """Return the id of a complete model of this package and run; None if there is none."""
    found = connection.call(
        "search_logged_models",
        [run.info.experiment_id],
        f"source_run_id = '{run.info.run_id}' AND tags.`{PACKAGE_TAG}` = '{identity}'",
    )
    ready = [str(model.model_id) for model in found if str(model.status.value) == "READY"]
    return ready[0] if ready else None


def _upload(
    connection: Connection, package: Path, described: ModelPackage, *, model_id: str, encoders_folder: str
) -> None:
    with connection.as_current("log_artifacts"), _environment(_ENCODERS_FOLDER, encoders_folder):
        import mlflow

        mlflow.pyfunc.log_model(
            name=_name(described),
            model_id=model_id,
            python_model=str(_MODEL_FILE),
            artifacts={"package": str(package)},
            signature=signature_of(described),
            input_example=input_example(described),
            pip_requirements=requirements_of(described),
            metadata=_metadata(described),
        )


def _link(connection: Connection, run: Any, model_id: str, figures: dict[str, float]) -> None:  # noqa: ANN401 - mlflow's Run
    """Link the model to its run, and log both sets of figures with the data that they were measured on."""
    from mlflow.entities import LoggedModelOutput, Metric

    connection.call("log_outputs", run.info.run_id, [LoggedModelOutput(model_id, step=0)])
    dataset = next((entry.dataset for entry in run.inputs.dataset_inputs), None)
    now_ms = int(time.time() * 1000)
    metrics = [
        Metric(
            name,
            round(value, _DIGITS),
            now_ms,
            0,
            model_id=model_id,
            dataset_name=None if dataset is None else dataset.name,
            dataset_digest=None if dataset is None else dataset.digest,
            run_id=run.info.run_id,
        )
        for name, value in figures.items()
    ]
    connection.call("log_batch", run.info.run_id, metrics=metrics)


def _name(described: ModelPackage) -> str:
    """Return the model's name in MLflow, which must not contain a colon."""
    return f"{described.variant.replace(':', '-')}-{described.kind}"


def _tags(described: ModelPackage) -> dict[str, str]:
    return {
        "variant": described.variant,
        "kind": described.kind,
        "task": described.task,
        "taxonomy": described.taxonomy,
        "corpus": described.lineage.corpus,
        "manifest_hash": described.lineage.manifest_hash,
        "split_id": described.lineage.split_id,
        "protocol": described.protocol,
        "selection": str(described.selection),
    }


def _params(described: ModelPackage, calibration: AnyCalibration) -> dict[str, str]:
    return {
        "members": str(len(described.members)),
        "epochs": ", ".join(str(member.epochs) for member in described.members),
        **_fitted(calibration),
        "coverage": str(calibration.coverage),
        **{f"encoder.{role}": encoder.citation for role, encoder in described.encoders.items()},
    }


def _fitted(calibration: AnyCalibration) -> dict[str, str]:
    """Return the main number of a calibration, which depends on the task."""
    if isinstance(calibration, Calibration):
        return {"temperature": f"{calibration.temperature:.4f}"}
    assert isinstance(calibration, ScoreCalibration)
    return {"half_width": f"{calibration.half_widths[ANY_GROUP]:.4f}"}


def _metadata(described: ModelPackage) -> dict[str, Any]:
    return {
        "merflow": {
            "variant": described.variant,
            "kind": described.kind,
            "task": described.task,
            "scale": None if described.scale is None else list(described.scale),
            "classes": list(described.classes),
            "modalities": list(described.modalities),
            "encoders": {role: each.model_dump() for role, each in described.encoders.items()},
            "lineage": described.lineage.model_dump(mode="json"),
        }
    }


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable in the block, unless the value is empty."""
    before = os.environ.get(name)
    if value:
        os.environ[name] = value
    try:
        yield
    finally:
        if value and before is None:
            del os.environ[name]
        elif before is not None:
            os.environ[name] = before
