"""Check of MLflow: write a run with a metric and an artifact, read it, and delete it."""

import re
import secrets

from merflow.doctor.findings import Finding
from merflow.errors import TrackingError
from merflow.tracking.connection import Connection

EXPERIMENT = "merflow-doctor"
_CREDENTIALS = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
# The end of an error of urllib3's.
_CAUSE = re.compile(r"\(Caused by \w+\((?:[\"'].*?\): )?[\"']?(?P<words>.*?)[\"']?\)\)$")
# Part of MLflow's message -> remedy.
_REMEDIES = {
    "Invalid Host header": "start MLflow with this name among its --allowed-hosts",
    "401": _CREDENTIALS,
    "authenticate": _CREDENTIALS,
    "403": "give the user permission to write experiments",
    "Permission denied": "give the user permission to write experiments",
    "timed out": "check that MLflow runs, and the network",
    "refused": "check that MLflow runs, and the address",
    "resolve": "correct the address, or forward the port: kubectl port-forward",
}


def check_mlflow(uri: str) -> Finding:
    """Write a run, read it back, and delete it.

    Raises:
        TrackingError: MLflow is not installed here.
    """
    connection = Connection(uri)
    try:
        run_id = connection.call("create_run", _experiment(connection)).info.run_id
    except TrackingError as error:
        return _wrong(error)
    word = secrets.token_hex(8)
    try:
        connection.call("log_metric", run_id, "doctor", 1.0)
        connection.call("log_text", run_id, word, "doctor.txt")
        names = [each.path for each in connection.call("list_artifacts", run_id)]
        figures = connection.call("get_run", run_id).data.metrics
    except TrackingError as error:
        return _wrong(error)
    finally:
        connection.call("delete_run", run_id)
    if figures.get("doctor") != 1.0 or "doctor.txt" not in names:
        return Finding("wrong", f"{uri} lost what was written to a run", "check its database and its artifact store")
    return Finding("ok", f"{uri}: runs and artifacts can be written and read")


def _experiment(connection: Connection) -> str:
    found = connection.call("get_experiment_by_name", EXPERIMENT)
    if found is None:
        return str(connection.call("create_experiment", EXPERIMENT))
    if found.lifecycle_stage == "deleted":
        connection.call("restore_experiment", found.experiment_id)
    return str(found.experiment_id)


def _wrong(error: TrackingError) -> Finding:
    said = str(error)
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in said), "see the log of MLflow")
    if cause := _CAUSE.search(said):
        said = f"{said.partition(': API request')[0]}: {cause['words']}"
    return Finding("wrong", said, remedy)
