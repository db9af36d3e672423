"""The plan of the pipeline ``monitor``: every setting is checked before anything runs."""

import json

from merflow.contracts.monitoring_requests import ActRequest, MonitoringSettings, MonitorRequest
from merflow.contracts.params_files import shipped_params, with_changes
from merflow.errors import ParamsError
from merflow.monitoring.window import moment
from merflow.runs.code_closure import code_digest


def plan_monitoring(settings: MonitoringSettings, *, workspace: str, params: str) -> tuple[MonitorRequest, ActRequest]:
    """Return the requests for the comparison and for the action after it.

    Args:
        settings: The user's settings.
        workspace: Folder that all steps share.
        params: Changes to ``params.yaml``.

    Raises:
        MonitoringError: ``since`` is not a time.
        ParamsError: ``params`` is wrong, nothing says where the registry is, or the retraining is incomplete.
    """
    moment(settings.since, option="since")
    check_retraining(settings)
    uri = with_changes(shipped_params(), params).tracking.uri
    if uri in ("auto", "none"):
        raise ParamsError(
            f"tracking.uri is {uri}, but the model is in a registry; set it to the URI of an MLflow server"
        )
    return (
        MonitorRequest(settings=settings, tracking_uri=uri, workspace=workspace, code=code_digest("monitor")),
        ActRequest(settings=settings, code=code_digest("act_on_drift")),
    )


def check_retraining(settings: MonitoringSettings) -> None:
    """Raise if the retraining in the settings could not be started after drift.

    Raises:
        ParamsError: No pipeline is named, or its parameters are not a JSON object.
    """
    if settings.on_drift == "retrain" and not settings.retrain:
        raise ParamsError("on_drift is retrain, but no pipeline is named; set retrain, for example to merflow-promote")
    if settings.retrain and settings.on_drift != "retrain":
        raise ParamsError(f"retrain is {settings.retrain}, which starts nothing unless on_drift is retrain; set it")
    try:
        value = json.loads(settings.arguments)
    except ValueError as error:
        raise ParamsError(f"arguments is not JSON ({error}): {settings.arguments[:100]}") from error
    if not isinstance(value, dict):
        raise ParamsError(f"arguments is not a JSON object: {settings.arguments[:100]}")
