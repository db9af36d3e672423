"""``merflow pipeline schedule``: recurring runs on a cluster."""

from typing import Annotated

import typer

from merflow.cli.cluster_options import ClusterOptions
from merflow.cli.console import OUT, print_json, print_table
from merflow.cli.option_groups import with_groups
from merflow.cli.options import JsonOption
from merflow.cli.submission import CheckSettings, ExperimentOption, PackageArgument, RunSettings, check_all, prepared
from merflow.contracts.terminal_table import lineless_table
from merflow.errors import SubmissionError

app = typer.Typer(no_args_is_help=True)

ScheduleArgument = Annotated[
    str, typer.Argument(metavar="SCHEDULE", help="Id of a schedule, the beginning of an id, or its name.")
]


@app.command("create")
@with_groups
def create(
    package: PackageArgument,
    *,
    name: Annotated[str, typer.Option("--name", help="Name of the schedule, and of its runs in MLflow.")],
    cron: Annotated[
        str | None,
        typer.Option("--cron", help='Start runs by this cron expression, in the time zone of KFP: "30 3 * * 1-5".'),
    ] = None,
    every: Annotated[str | None, typer.Option("--every", help="Start one run per interval: 30m, 12h, 7d, 2w.")] = None,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Start the runs that were missed while the schedule was disabled.")
    ] = False,
    max_concurrency: Annotated[
        int, typer.Option("--max-concurrency", help="Allow this many of its runs at the same time.", min=1, max=10)
    ] = 1,
    settings: RunSettings,
    experiment: ExperimentOption = None,
    checks: CheckSettings,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Schedule a pipeline on a cluster, by a cron expression or once per interval.

    The package is checked and uploaded now, as by `merflow pipeline submit`; later runs have the same code.

    Example: `merflow pipeline schedule create benchmark.yaml --models mfdr:full --name nightly --cron "30 3 * * *"`
    """
    from merflow.submission.arguments import arguments
    from merflow.submission.schedules import create_schedule, cron_of, interval_s
    from merflow.submission.submit import upload

    if (cron is None) == (every is None):
        raise SubmissionError("a schedule has either a cron expression or an interval; pass --cron or --every")
    expression = cron_of(cron) if cron is not None else None
    seconds = interval_s(every) if every is not None else None
    server = cluster.server()
    with prepared(package, settings.named(name), no_cache=checks.no_cache) as (chosen, options, account, path):
        values = arguments(chosen, options)
        checked = check_all(chosen, path, checks=checks, quiet=as_json)
        made = create_schedule(
            server,
            upload(server, chosen, checked),
            name=name,
            arguments=values,
            experiment=experiment or server.profile.experiment,
            service_account=account,
            cron=expression,
            every_s=seconds,
            max_concurrency=max_concurrency,
            catch_up=catch_up,
        )
    if as_json:
        print_json(made.as_json())
        return
    OUT.print(f"Schedule {made.id} ({made.name}): {made.when}", markup=False)


@app.command("list")
@with_groups
def list_schedules(
    *,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """List the schedules of a cluster.

    Example: `merflow pipeline schedule list`
    """
    from merflow.submission.schedules import list_schedules as list_on_server

    found = list_on_server(cluster.server())
    if as_json:
        print_json([each.as_json() for each in found])
        return
    if not found:
        OUT.print("There are no schedules.")
        return
    table = lineless_table()
    for column in ("schedule", "name", "state", "when", "at once", "missed runs"):
        table.add_column(column, no_wrap=True)
    for each in found:
        state, missed = "enabled" if each.enabled else "disabled", "caught up" if each.catch_up else "left out"
        table.add_row(each.id, each.name, state, each.when, str(each.max_concurrency), missed)
    print_table(table)


@app.command("disable")
@with_groups
def disable(
    schedule: ScheduleArgument,
    *,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Disable a schedule: it starts no runs until it is enabled again.

    Example: `merflow pipeline schedule disable nightly`
    """
    _set(schedule, cluster, enabled=False, as_json=as_json)


@app.command("enable")
@with_groups
def enable(
    schedule: ScheduleArgument,
    *,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Enable a disabled schedule, so that it starts runs again.

    Example: `merflow pipeline schedule enable nightly`
    """
    _set(schedule, cluster, enabled=True, as_json=as_json)


@app.command("delete")
@with_groups
def delete(
    schedule: ScheduleArgument,
    *,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Delete a schedule; the runs that it started stay.

    Example: `merflow pipeline schedule delete nightly`
    """
    from merflow.submission.schedules import delete_schedule, find_schedule

    server = cluster.server()
    found = find_schedule(server, schedule)
    delete_schedule(server, found)
    if as_json:
        print_json({"id": found.id, "name": found.name, "deleted": True})
        return
    OUT.print(f"Schedule {found.id} ({found.name}) is deleted.", markup=False)


def _set(named: str, cluster: ClusterOptions, *, enabled: bool, as_json: bool) -> None:
    from merflow.submission.schedules import find_schedule, set_enabled

    server = cluster.server()
    found = find_schedule(server, named)
    set_enabled(server, found, enabled=enabled)
    if as_json:
        print_json({"id": found.id, "name": found.name, "enabled": enabled})
        return
    OUT.print(f"Schedule {found.id} ({found.name}) is {'enabled' if enabled else 'disabled'}.", markup=False)
