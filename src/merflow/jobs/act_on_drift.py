"""The consequence of drift in a pipeline: nothing, a failed run, or retraining by another KFP pipeline."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from merflow.contracts.monitoring_requests import MonitoringSettings, MonitorOutcome
from merflow.errors import MonitoringError

# The projected token of a pod that may use KFP's API, and the variable with its path that KFP's own client reads.
TOKEN_VARIABLE, _TOKEN = "KF_PIPELINES_SA_TOKEN_PATH", "/var/run/secrets/kubeflow/pipelines/token"
_API = "apis/v2beta1"
_PATIENCE_S = 60


def act_on_drift(settings: MonitoringSettings, outcome: MonitorOutcome) -> str:
    """Carry out the settings' action, and return a sentence about it.

    Raises:
        MonitoringError: There is drift and ``on_drift`` is ``fail``; or KFP refuses the run or cannot be reached.
    """
    if not outcome.drifted:
        return f"{outcome.headline}. Nothing follows."
    if settings.on_drift == "fail":
        raise MonitoringError(f"{outcome.headline}; the page of the step `monitor` shows it")
    if settings.on_drift == "report":
        return f"{outcome.headline}. Nothing was started, for on_drift is report."
    run = _started(settings, name=f"{settings.retrain} after drift")
    return f"{outcome.headline}. Run {run} of {settings.retrain} was started."


def _started(settings: MonitoringSettings, *, name: str) -> str:
    """Start the newest version of the pipeline; return the id of the run."""
    scope = {"namespace": settings.namespace} if settings.namespace else {}
    pipeline = _call(settings.kfp, f"{_API}/pipelines/names/{quote(settings.retrain, safe='')}", query=scope)
    identifier = str(pipeline["pipeline_id"])
    query = {"page_size": "1", "sort_by": "created_at desc"}
    versions = _call(settings.kfp, f"{_API}/pipelines/{identifier}/versions", query=query).get("pipeline_versions")
    if not versions:
        raise MonitoringError(
            f"pipeline {settings.retrain} has no version; submit it once with merflow pipeline submit"
        )
    reference = {"pipeline_id": identifier, "pipeline_version_id": versions[0]["pipeline_version_id"]}
    body = {
        "display_name": name,
        "pipeline_version_reference": reference,
        "runtime_config": {"parameters": json.loads(settings.arguments)},
        **({"experiment_id": _experiment(settings)} if settings.namespace else {}),
    }
    return str(_call(settings.kfp, f"{_API}/runs", query={}, body=body)["run_id"])


def _experiment(settings: MonitoringSettings) -> str:
    """Return the id of the namespace's experiment ``Default`` or, if there is none, of its newest one."""
    query = {"namespace": settings.namespace, "page_size": "100", "sort_by": "created_at desc"}
    found = _call(settings.kfp, f"{_API}/experiments", query=query).get("experiments") or []
    if not found:
        raise MonitoringError(f"namespace {settings.namespace} has no experiment; submit a run there once")
    default = [each for each in found if each.get("display_name") == "Default"]
    return str((default or found)[0]["experiment_id"])


def _call(host: str, path: str, *, query: Mapping[str, str], body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Send one request.

    Raises:
        MonitoringError: The server refuses it, cannot be reached, or is not KFP.
    """
    asked = f"{host.rstrip('/')}/{path}" + (f"?{urlencode(query)}" if query else "")
    if not asked.startswith(("http://", "https://")):
        raise MonitoringError(f"kfp {host} is not an address; write http://HOST:PORT")
    content = None if body is None else json.dumps(body).encode()
    request = Request(asked, data=content, headers={"Content-Type": "application/json", **_authorization()})
    try:
        with urlopen(request, timeout=_PATIENCE_S) as answer:
            found = json.loads(answer.read())
    except HTTPError as error:
        said = error.read()[:300].decode(errors="replace")
        raise MonitoringError(
            f"KFP at {host} refuses {path} ({error.code}): {said}; check retrain, namespace, and the role of the pod"
        ) from error
    except (URLError, TimeoutError, ValueError) as error:
        raise MonitoringError(f"no answer of KFP at {host} ({error}); check kfp, the address of its API") from error
    if not isinstance(found, dict):
        raise MonitoringError(f"{host} does not answer as KFP's API does; check kfp")
    return found


def _authorization() -> dict[str, str]:
    path = Path(os.environ.get(TOKEN_VARIABLE) or _TOKEN)
    return {"Authorization": f"Bearer {path.read_text(encoding='utf-8').strip()}"} if path.is_file() else {}
