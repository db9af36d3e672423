"""The settings and the requests of the pipeline ``monitor``; see ``contracts.requests``."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from merflow.contracts.requests import Request
from merflow.contracts.strict import Strict, parse, parse_json
from merflow.errors import ParamsError, nearest

OnDrift = Literal["report", "fail", "retrain"]


class MonitoringSettings(Strict):
    """The user's settings.

    Attributes:
        traffic: Log or folder of logs, as mounted in pods.
        model: Location of the model in the registry.
        reference: Earlier traffic to compare with; empty for the held-out data of the model's package.
        labels: CSV file of labels; empty if there are none.
        since: Start of the window, such as ``7d``; empty for all.
        alpha: Family-wise level of the checks.
        min_clips: Clips below which nothing is compared.
        on_drift: ``report`` shows drift, ``fail`` also fails the run, ``retrain`` starts another pipeline.
        retrain: Name in KFP of the pipeline to start, such as ``merflow-promote``.
        arguments: Its parameters, as JSON.
        kfp: URL of KFP's API within the cluster.
        namespace: Namespace of the new run; empty for a server without namespaces.
    """

    traffic: Annotated[str, Field(min_length=1)]
    model: str = "models:/merflow@champion"
    reference: str = ""
    labels: str = ""
    since: str = ""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01
    min_clips: Annotated[int, Field(ge=2)] = 100
    on_drift: OnDrift = "report"
    retrain: str = ""
    arguments: str = "{}"
    kfp: str = "http://ml-pipeline.kubeflow:8888"
    namespace: str = ""


class MonitorRequest(Request):
    """A window of traffic to compare.

    Attributes:
        settings: The settings.
        tracking_uri: The MLflow server that has the model.
        workspace: Folder that all steps share.
    """

    settings: MonitoringSettings
    tracking_uri: str
    workspace: str


class ActRequest(Request):
    """The consequence of drift.

    Attributes:
        settings: The settings.
    """

    settings: MonitoringSettings


class MonitorOutcome(Strict):
    """The outcome of a comparison, passed on to the step that acts on it.

    Attributes:
        headline: The verdict in one line.
        drifted: Names of the checks that found drift.
    """

    headline: str
    drifted: tuple[str, ...]

    def to_json(self) -> str:
        """Return the outcome as one line of JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> "MonitorOutcome":
        """Parse an outcome from its JSON.

        Raises:
            ParamsError: The text is not an outcome.
        """
        return parse_json(cls, text, where="outcome of the comparison")


def monitoring_of(given: Iterable[str]) -> dict[str, Any]:
    """Return settings given as ``NAME=VALUE``, checked; omitted ones are absent.

    Raises:
        ParamsError: A name or a value is wrong, or ``traffic`` is missing.
    """
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in MonitoringSettings.model_fields:
            raise ParamsError(
                f"--arg {text}: monitor takes NAME=VALUE, such as traffic=/workspace/traffic; "
                f"{nearest(name, MonitoringSettings.model_fields)}"
            )
        number = MonitoringSettings.model_fields[name].annotation in (int, float)
        values[name] = yaml.safe_load(value) if number else value
    settings = parse(MonitoringSettings, values, where="--arg")
    return {name: getattr(settings, name) for name in values}
