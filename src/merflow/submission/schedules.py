"""Schedules of a pipeline version, which KFP calls recurring runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from merflow.errors import SubmissionError
from merflow.submission.runs import experiment_id, moment
from merflow.submission.server import Server, pages
from merflow.submission.submit import Version

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_INTERVAL = re.compile(r"(\d+)([smhdw])")
_CRON_FIELD = re.compile(r"[\dA-Za-z*/,?\-#LW]+")
_PAGE = 100


@dataclass(frozen=True)
class Schedule:
    """One schedule.

    Attributes:
        id: KFP's id.
        name: Its name.
        enabled: True if it starts runs.
        when: A cron expression, or an interval such as ``every 86400 s``.
        max_concurrency: Number of its runs that may run at the same time.
        catch_up: True to start the runs that were missed while it was disabled.
        created: Creation time.
    """

    id: str
    name: str
    enabled: bool
    when: str
    max_concurrency: int
    catch_up: bool
    created: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Return the schedule as JSON for machines."""
        return {
            "id": self.id,
            "name": self.name,
            "enabled": self.enabled,
            "when": self.when,
            "max_concurrency": self.max_concurrency,
            "catch_up": self.catch_up,
            "created_at": self.created and self.created.isoformat(),
        }


def interval_s(text: str) -> int:
    """Return the seconds of an interval such as ``12h``.

    Raises:
        SubmissionError: The text is not an interval, or the interval is too short.
    """
    found = _INTERVAL.fullmatch(text.strip())
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if seconds < 60:
        raise SubmissionError(
            f"--every {text!r} is not an interval of a minute or more; write it as 30m, 12h, 7d or 2w"
        )
    return seconds


def cron_of(text: str) -> str:
    """Return a cron expression in KFP's form, which starts with seconds.

    Args:
        text: Five fields (minute, hour, day of month, month, day of week), or six with seconds first.

    Raises:
        SubmissionError: The text is not a cron expression.
    """
    fields = text.split()
    if len(fields) not in (5, 6) or not all(_CRON_FIELD.fullmatch(field) for field in fields):
        raise SubmissionError(
            f"--cron {text!r} is not a cron expression; write minute, hour, day, month and weekday, for example "
            '"30 3 * * 1-5" for 3:30 on working days'
        )
    return " ".join(fields if len(fields) == 6 else ["0", *fields])


def create_schedule(
    server: Server,
    version: Version,
    *,
    name: str,
    arguments: Mapping[str, Any],
    experiment: str,
    service_account: str | None,
    cron: str | None,
    every_s: int | None,
    max_concurrency: int,
    catch_up: bool,
) -> Schedule:
    """Create a schedule.

    Args:
        server: The server.
        version: The version to run.
        name: Its name.
        arguments: Parameters of its runs.
        experiment: Name of KFP's experiment; it is created if missing.
        service_account: Service account of its pods; None for KFP's default.
        cron: Cron expression of six fields; None for an interval.
        every_s: Seconds between two starts; None for a cron expression.
        max_concurrency: Number of runs that may run at the same time.
        catch_up: True to start missed runs afterwards.

    Raises:
        SubmissionError: The server refuses or cannot be reached.
    """
    identifier = experiment_id(server, experiment, create=True)
    made = server.call(
        f"create schedule {name}",
        lambda: server.client.create_recurring_run(
            experiment_id=identifier,
            job_name=name,
            pipeline_id=version.pipeline_id,
            version_id=version.id,
            params=dict(arguments),
            cron_expression=cron,
            interval_second=None if every_s is None else str(every_s),  # a string, as in KFP's API
            max_concurrency=str(max_concurrency),
            no_catchup=not catch_up,
            service_account=service_account,
        ),
        repeatable=False,
    )
    return _schedule_of(made)


def list_schedules(server: Server) -> list[Schedule]:
    """List all schedules, the newest first.

    Raises:
        SubmissionError: The server refuses or cannot be reached.
    """
    scope = {"namespace": server.namespace} if server.namespace else {}

    def page(token: str) -> Any:  # noqa: ANN401 - kfp has no types
        return server.call(
            "list schedules",
            lambda: server.client.recurring_runs.recurring_run_service_list_recurring_runs(
                page_token=token, page_size=_PAGE, sort_by="created_at desc", **scope
            ),
        )

    return [_schedule_of(each) for each in pages(page, items="recurring_runs")]


def find_schedule(server: Server, named: str) -> Schedule:
    """Return the schedule with this name, this id, or this beginning of an id.

    Raises:
        SubmissionError: No schedule or several schedules match, or the server refuses or cannot be reached.
    """
    found = [each for each in list_schedules(server) if each.name == named or each.id.startswith(named)]
    if not found:
        raise SubmissionError(
            f"KFP at {server.profile.host} has no schedule {named!r}; `merflow pipeline schedule list` lists them"
        )
    if len(found) > 1:
        lines = [f"  {each.id}  {each.name}" for each in found]
        raise SubmissionError("\n".join([f"{named!r} names {len(found)} schedules; give more of the id:", *lines]))
    return found[0]


def set_enabled(server: Server, schedule: Schedule, *, enabled: bool) -> None:
    """Enable or disable a schedule.

    Raises:
        SubmissionError: The server refuses or cannot be reached.
    """
    what, act = (
        ("enable", server.client.enable_recurring_run) if enabled else ("disable", server.client.disable_recurring_run)
    )
    server.call(f"{what} schedule {schedule.id}", lambda: act(schedule.id))


def delete_schedule(server: Server, schedule: Schedule) -> None:
    """Delete a schedule; runs that it has started stay.

    Raises:
        SubmissionError: The server refuses or cannot be reached.
    """
    server.call(
        f"delete schedule {schedule.id}", lambda: server.client.delete_recurring_run(schedule.id), repeatable=False
    )


def _schedule_of(raw: Any) -> Schedule:  # noqa: ANN401 - kfp has no types
    trigger = raw.trigger
    cron, periodic = (trigger and trigger.cron_schedule), (trigger and trigger.periodic_schedule)
    return Schedule(
        id=str(raw.recurring_run_id),
        name=str(raw.display_name or ""),
        enabled=raw.status == "ENABLED",
        when=cron.cron if cron else f"every {periodic.interval_second} s" if periodic else "",
        max_concurrency=int(raw.max_concurrency or 1),
        catch_up=not raw.no_catchup,
        created=moment(raw.created_at),
    )
