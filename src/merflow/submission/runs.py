"""Runs on a KFP server: found by id, by the beginning of an id or by name; listed, cancelled and retried."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from merflow.errors import SubmissionError
from merflow.submission.server import LostAnswerError, MissingError, Server, pages

SUCCEEDED, FAILED, CANCELED, SKIPPED, CANCELING = "SUCCEEDED", "FAILED", "CANCELED", "SKIPPED", "CANCELING"
ENDED = (SUCCEEDED, FAILED, CANCELED, SKIPPED)
_ID_LENGTH = 36
_PAGE = 100
_NEVER = datetime(1970, 1, 2, tzinfo=UTC)  # KFP writes 1970-01-01 for a time that is not set


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id: KFP's id, a UUID.
        name: Name in KFP's UI.
        state: KFP's state, for example ``RUNNING``.
        created: Creation time; None if KFP does not say.
        finished: End time; None while it runs.
        error: KFP's error message; empty if there is none.
        description: Its description.
        raw: The run as KFP's client returns it.
    """

    id: str
    name: str
    state: str
    created: datetime | None
    finished: datetime | None
    error: str
    description: str
    raw: Any

    @property
    def ended(self) -> bool:
        """True if the run has finished, whatever the outcome."""
        return self.state in ENDED

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters of the run."""
        config = self.raw.runtime_config
        return (config and config.parameters) or {}

    @property
    def seconds(self) -> float | None:
        """Duration in seconds, up to now while it runs; None if KFP does not say."""
        return None if self.created is None else ((self.finished or datetime.now(UTC)) - self.created).total_seconds()

    def as_json(self, *, url: str) -> dict[str, Any]:
        """Return the run as JSON for machines."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "created_at": self.created and self.created.isoformat(),
            "finished_at": self.finished and self.finished.isoformat(),
            "error": self.error,
            "url": url,
        }


def url_of(server: Server, run_id: str) -> str:
    """Return the URL of a run's page in KFP's UI."""
    return f"{server.profile.ui_address}/#/runs/details/{run_id}"


def read_run(server: Server, run_id: str) -> Run:
    """Read a run by its full id.

    Raises:
        SubmissionError: There is no such run, or the server refuses or cannot be reached.
    """
    return run_of(server.call(f"read run {run_id}", lambda: server.client.get_run(run_id)))


def find_run(server: Server, named: str) -> Run:
    """Read the run with this id, this beginning of an id, or this name.

    Raises:
        SubmissionError: No run or several runs match, or the server refuses or cannot be reached.
    """
    if len(named) == _ID_LENGTH and named.count("-") == 4:
        try:
            return read_run(server, named)
        except MissingError as error:
            raise _no_run(server, named) from error
    by_name = list_runs(server, limit=None, filters={"display_name": ("EQUALS", named)})
    by_id = list_runs(server, limit=None, filters={"run_id": ("IS_SUBSTRING", named)})
    found = {run.id: run for run in [*by_name, *by_id] if run.name == named or run.id.startswith(named)}
    if not found:
        raise _no_run(server, named)
    if len(found) > 1:
        lines = [f"  {run.id}  {run.state.lower()}  {run.name}" for run in found.values()]
        raise SubmissionError("\n".join([f"{named!r} names {len(found)} runs; give more of the id:", *lines]))
    return read_run(server, next(iter(found)))


def list_runs(
    server: Server,
    *,
    limit: int | None,
    experiment: str | None = None,
    filters: Mapping[str, tuple[str, str]] | None = None,
) -> list[Run]:
    """List runs, the newest first.

    Args:
        server: The server.
        limit: Largest number of runs to return; None for all.
        experiment: Name of an experiment; None for all.
        filters: Operation and value by field, in the terms of KFP's list filters.

    Raises:
        SubmissionError: The server refuses or cannot be reached, or has no such experiment.
    """
    asked = {"filter": filter_of(filters)} if filters else {}
    if experiment is not None:
        asked["experiment_id"] = experiment_id(server, experiment)
    elif server.namespace:
        asked["namespace"] = server.namespace

    def page(token: str) -> Any:  # noqa: ANN401 - kfp has no types
        return server.call(
            "list runs",
            lambda: server.client.runs.run_service_list_runs(
                page_token=token, page_size=min(_PAGE, limit or _PAGE), sort_by="created_at desc", **asked
            ),
        )

    return [run_of(each) for each in pages(page, items="runs", limit=limit)]


def cancel_run(server: Server, run: Run) -> None:
    """Ask KFP to stop the run's pods.

    Raises:
        SubmissionError: The run has ended, or the server refuses or cannot be reached.
    """
    if run.ended:
        raise SubmissionError(f"run {run.id} ({run.name}) has ended: {run.state.lower()}; there is nothing to cancel")
    server.call(f"cancel run {run.id}", lambda: server.client.terminate_run(run.id))


def retry_run(server: Server, run: Run) -> None:
    """Ask KFP to rerun the failed steps of a run and the steps that depend on them.

    Raises:
        SubmissionError: The run has not failed, or the server refuses or cannot be reached.
    """
    if run.state not in (FAILED, CANCELED):
        raise SubmissionError(
            f"run {run.id} ({run.name}) is {run.state.lower()}; only a failed or cancelled run can be retried"
        )
    server.call(
        f"retry run {run.id}", lambda: server.client.runs.run_service_retry_run(run_id=run.id), repeatable=False
    )


def experiment_id(server: Server, name: str, *, create: bool = False) -> str:
    """Return the id of an experiment.

    Args:
        server: The server.
        name: Its name.
        create: True to create it if it does not exist.

    Raises:
        SubmissionError: There is no such experiment, or the server refuses or cannot be reached.
    """
    api, scope = server.client.experiments, {"namespace": server.namespace} if server.namespace else {}
    found = server.call(
        "list experiments",
        lambda: api.experiment_service_list_experiments(
            filter=filter_of({"display_name": ("EQUALS", name)}), page_size=2, **scope
        ),
    )
    if found.experiments:
        return str(found.experiments[0].experiment_id)
    if not create:
        raise SubmissionError(f"KFP at {server.profile.host} has no experiment {name!r}; correct --experiment")
    from kfp_server_api import V2beta1Experiment

    wanted = V2beta1Experiment(display_name=name, **scope)
    try:
        made = server.call(
            f"create experiment {name}",
            lambda: api.experiment_service_create_experiment(experiment=wanted),
            repeatable=False,
        )
    except LostAnswerError:
        return experiment_id(server, name)  # it was created after all, or this raises that it is missing
    return str(made.experiment_id)


def filter_of(conditions: Mapping[str, tuple[str, str]]) -> str:
    """Return a filter in KFP's form.

    Args:
        conditions: Operation and text by field.
    """
    predicates = [
        {"operation": operation, "key": key, "string_value": text} for key, (operation, text) in conditions.items()
    ]
    return json.dumps({"predicates": predicates})


def run_of(raw: Any) -> Run:  # noqa: ANN401 - kfp has no types
    """Return the run from KFP's client in merflow's form."""
    return Run(
        id=str(raw.run_id),
        name=str(raw.display_name or ""),
        state=str(raw.state or "RUNTIME_STATE_UNSPECIFIED"),
        created=moment(raw.created_at),
        finished=moment(raw.finished_at),
        error=" ".join(str((raw.error and raw.error.message) or "").split()),
        description=str(raw.description or ""),
        raw=raw,
    )


def moment(time: datetime | None) -> datetime | None:
    """Return a time from KFP; None if KFP has not set it."""
    return time if time is not None and time > _NEVER else None


def _no_run(server: Server, named: str) -> SubmissionError:
    where = f" in namespace {server.namespace}" if server.namespace else ""
    return SubmissionError(
        f"KFP at {server.profile.host} has no run {named!r}{where}; `merflow pipeline list` lists the runs"
    )
