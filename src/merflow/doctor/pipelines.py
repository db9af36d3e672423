"""Check of KFP: its version must be one that packages are made for, and runs readable and writable in the namespace."""

import secrets
from typing import Any

from merflow.doctor.findings import Finding
from merflow.errors import SubmissionError
from merflow.submission.profiles import ClusterProfile
from merflow.submission.runs import list_runs
from merflow.submission.server import Server

TESTED = ("2.16", "2.17")


def check_pipelines(profile: ClusterProfile) -> Finding:
    """Read the runs of the namespace, and create and delete an experiment there.

    Raises:
        SubmissionError: The server refuses or cannot be reached.
    """
    server = Server(profile, patience_s=3.0)
    health = server.health
    list_runs(server, limit=1)
    name = f"merflow-doctor-{secrets.token_hex(4)}"
    made = _create(server, name)
    about = f"{profile.host}, version {health.version or 'unknown'}"
    if server.namespace:
        about += f", namespace {server.namespace}"
    try:
        server.call(
            "delete an experiment",
            lambda: server.client.experiments.experiment_service_delete_experiment(made.experiment_id),
        )
    except SubmissionError as error:
        return Finding("warning", f"{about}: cannot delete the experiment {name} ({error})", "delete it in KFP's UI")
    if not health.version.startswith(TESTED):
        return Finding(
            "warning", f"{about}: packages are made for KFP {' and '.join(TESTED)}", "use one of these versions"
        )
    return Finding("ok", f"{about}: runs can be read and written")


def _create(server: Server, name: str) -> Any:  # noqa: ANN401 - kfp has no types
    from kfp_server_api import V2beta1Experiment

    wanted = V2beta1Experiment(display_name=name, namespace=server.namespace)
    return server.call(
        "create an experiment",
        lambda: server.client.experiments.experiment_service_create_experiment(experiment=wanted),
        repeatable=False,
    )
