"""All checks of the services that the cluster profile and the parameters name."""

from pathlib import Path

from merflow.contracts.params import Params
from merflow.doctor.bucket import check_bucket
from merflow.doctor.data import check_data
from merflow.doctor.database import check_database
from merflow.doctor.findings import Check, Finding
from merflow.doctor.gpu import check_gpu
from merflow.doctor.image import check_image
from merflow.doctor.mlflow_server import check_mlflow
from merflow.doctor.pipelines import check_pipelines
from merflow.submission.profiles import ClusterProfile


def checks_of(
    profile: ClusterProfile | None, params: Params, *, image: str | None, around: Path, reason: str
) -> dict[str, Check]:
    """Return the checks by name.

    Args:
        profile: The cluster profile; None without one.
        params: The parameters.
        image: Image to check; None for the parameters'.
        around: Folder in whose DVC project the versions of the data are looked up.
        reason: Reason why there is no profile.
    """
    mlflow = (profile and profile.mlflow) or _server(params.tracking.uri)
    s3 = profile and profile.s3
    study = (profile and profile.study) or (params.tuning.storage if params.tuning.storage != "auto" else None)
    endpoint = profile.s3_endpoint if profile else None
    return {
        "KFP": (lambda: check_pipelines(profile)) if profile else _not_configured(reason),
        "MLflow": (lambda: check_mlflow(mlflow))
        if mlflow
        else _not_configured("neither the cluster profile (mlflow) nor tracking.uri names a server"),
        "S3": (lambda: check_bucket(s3, endpoint=endpoint))
        if s3
        else _not_configured("the cluster profile names no location (s3)"),
        "DVC remote": lambda: check_data(around),
        "database": (lambda: check_database(study))
        if study
        else _not_configured("neither the cluster profile (study) nor tuning.storage names a database"),
        "GPU": check_gpu,
        "image": lambda: check_image(image or params.cluster.image),
    }


def _server(uri: str) -> str | None:
    return uri if uri.startswith(("http://", "https://")) else None


def _not_configured(reason: str) -> Check:
    return lambda: Finding("not configured", reason)
