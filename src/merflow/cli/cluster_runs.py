"""``merflow pipeline status``, ``wait``, ``logs``, ``list``, ``cancel`` and ``retry``: runs on a cluster."""

from typing import TYPE_CHECKING, Annotated

import typer

from merflow.cli.cluster_options import ClusterOptions, RunArgument
from merflow.cli.console import ERR, OUT, print_json, print_table, say_when_interrupted
from merflow.cli.option_groups import with_groups
from merflow.cli.options import JsonOption

if TYPE_CHECKING:
    from merflow.submission.runs import Run
    from merflow.submission.server import Server

FAILED_CODE, CANCELLED_CODE, TIMEOUT_CODE = 3, 4, 5
_CODES = {"SUCCEEDED": 0, "SKIPPED": 0, "CANCELED": CANCELLED_CODE}

EveryOption = Annotated[float, typer.Option("--every", help="Check the run once per this many seconds.", min=0.05)]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", help="Stop waiting after this many seconds; the run continues.", min=0)
]


@with_groups
def status(
    run: RunArgument,
    *,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Print the state of a run and of its steps.

    Example: `merflow pipeline status 7c9e6679`
    """
    from merflow.cli.run_table import steps_table
    from merflow.submission.arguments import folds_expected
    from merflow.submission.runs import find_run, url_of
    from merflow.submission.steps import cached_count, graph_of, steps_of

    server = cluster.server()
    found = find_run(server, run)
    graph = graph_of(server, found)
    steps = steps_of(found, graph)
    if as_json:
        content = found.as_json(url=url_of(server, found.id))
        print_json({**content, "cached": cached_count(found), "steps": [step.as_json() for step in steps]})
        return
    _print_head(found)
    print_table(steps_table(steps, expected=folds_expected(graph, found.parameters)))
    _print_links(server, found)


@with_groups
def wait(
    run: RunArgument,
    *,
    timeout: TimeoutOption = None,
    every: EveryOption = 10.0,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Wait until a run ends, and show its progress by step and fold.

    Waiting survives lost connections, server restarts and expired tokens. The exit code is 0 if the run succeeded, 3 if
    it failed, 4 if it was cancelled and 5 if the timeout came first.

    Example: `merflow pipeline wait 7c9e6679 --timeout 86400`
    """
    from merflow.submission.runs import find_run

    server = cluster.server()
    found = find_run(server, run)
    raise typer.Exit(follow(server, found, every_s=every, timeout_s=timeout, as_json=as_json))


def follow(server: "Server", run: "Run", *, every_s: float, timeout_s: float | None, as_json: bool) -> int:
    """Show a run until it ends; return the exit code."""
    from merflow.cli.run_table import RunView, steps_table
    from merflow.submission.arguments import folds_expected
    from merflow.submission.runs import url_of
    from merflow.submission.steps import cached_count, graph_of
    from merflow.submission.watch import PATIENCE_S, watch

    say_when_interrupted(f"the run continues; wait for it again: merflow pipeline wait {run.id}{_options(server)}")
    server.patience_s = max(server.patience_s, PATIENCE_S)
    expected = folds_expected(graph_of(server, run), run.parameters)
    with RunView(ERR, expected=expected) as view:
        for progress in watch(server, run.id, every_s=every_s, timeout_s=timeout_s):
            view.show(progress)
    ended = progress.run
    code = _CODES.get(ended.state, FAILED_CODE) if ended.ended else TIMEOUT_CODE
    if as_json:
        content = ended.as_json(url=url_of(server, ended.id))
        steps = [step.as_json() for step in progress.steps]
        print_json({**content, "exit_code": code, "cached": cached_count(ended), "steps": steps})
        return code
    _print_head(ended)
    if not ERR.is_terminal:
        print_table(steps_table(progress.steps, expected=expected))
    _print_links(server, ended)
    if code == TIMEOUT_CODE:
        OUT.print(f"The timeout is over, but the run continues; wait for it again: merflow pipeline wait {ended.id}")
    elif code == FAILED_CODE:
        OUT.print(f"Logs: merflow pipeline logs {ended.id}. Rerun the failed steps: merflow pipeline retry {ended.id}")
    return code


@with_groups
def logs(
    run: RunArgument,
    *,
    step: Annotated[
        str | None,
        typer.Argument(metavar="[STEP]", help="Print the logs of this step. [default: the steps that failed]"),
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(help="Print the logs of this fold only, by its number in `merflow pipeline status`.", min=1),
    ] = None,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Print the logs of a step's pods, the last attempt first; without a step, those of the steps that failed.

    If no step failed, this prints the logs of the running steps.

    Example: `merflow pipeline logs 7c9e6679 train --fold 3`
    """
    from dataclasses import asdict

    from merflow.submission.pods import logs_of
    from merflow.submission.runs import find_run
    from merflow.submission.steps import graph_of, steps_of

    server = cluster.server()
    found = find_run(server, run)
    graph = graph_of(server, found)
    texts = logs_of(server, found, graph, steps_of(found, graph), step=step, fold=fold)
    if as_json:
        print_json([asdict(each) for each in texts])
        return
    for each in texts:
        of = f", fold {each.fold}" if each.fold else ""
        OUT.print(f"==> {each.step}{of}, attempt {each.attempt}, pod {each.pod} <==", markup=False)
        OUT.print(each.text.rstrip("\n"), markup=False)


@with_groups
def list_runs(
    *,
    limit: Annotated[int, typer.Option(help="List this many runs, newest first.", min=1)] = 20,
    experiment: Annotated[
        str | None, typer.Option(help="List only the runs of this experiment. [default: all runs that you may see]")
    ] = None,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """List runs on a cluster.

    Example: `merflow pipeline list --limit 5`
    """
    from merflow.cli.run_table import runs_table
    from merflow.submission.runs import list_runs as list_on_server
    from merflow.submission.runs import url_of

    server = cluster.server()
    found = list_on_server(server, limit=limit, experiment=experiment)
    if as_json:
        print_json([each.as_json(url=url_of(server, each.id)) for each in found])
        return
    if not found:
        OUT.print("There are no runs.")
        return
    print_table(runs_table(found))


@with_groups
def cancel(
    run: RunArgument,
    *,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Cancel a run: its pods are terminated, and finished folds stay in the workspace.

    Example: `merflow pipeline cancel 7c9e6679`
    """
    from merflow.submission.runs import cancel_run, find_run, url_of

    server = cluster.server()
    found = find_run(server, run)
    cancel_run(server, found)
    if as_json:
        print_json({"id": found.id, "name": found.name, "cancelled": True, "url": url_of(server, found.id)})
        return
    OUT.print(f"KFP terminates the pods of run {found.id} ({found.name}); watch it: merflow pipeline wait {found.id}")


@with_groups
def retry(
    run: RunArgument,
    *,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Rerun the failed steps of a run and the steps that depend on them.

    The run keeps its id, its parameters, its image and the steps that succeeded. KFP deletes the pods of failed steps
    along with their logs, so read the logs first. A retried fold resumes from its last checkpoint in the workspace. For
    new code or other parameters, start a new run: `merflow pipeline submit`.

    Example: `merflow pipeline retry 7c9e6679`
    """
    from merflow.submission.runs import find_run, retry_run, url_of
    from merflow.submission.steps import graph_of, steps_of

    server = cluster.server()
    found = find_run(server, run)
    failed = [step.name for step in steps_of(found, graph_of(server, found)) if step.state == "FAILED"]
    retry_run(server, found)
    if as_json:
        print_json({"id": found.id, "name": found.name, "retried": failed, "url": url_of(server, found.id)})
        return
    named = f": {', '.join(failed)}, and the steps that depend on them" if failed else ""
    OUT.print(
        f"KFP runs the failed steps of run {found.id} ({found.name}) again{named}. Steps that succeeded are kept. "
        f"Watch it: merflow pipeline wait {found.id}"
    )


def _print_head(run: "Run") -> None:
    from merflow.cli.run_table import state_word
    from merflow.contracts.numerals import clock_text

    time = "" if run.seconds is None else f", {clock_text(run.seconds)}"
    OUT.print(f"{run.name}: {state_word(run.state)}{time}", markup=False)
    if run.error:
        OUT.print(f"KFP says: {run.error}", markup=False)


def _print_links(server: "Server", run: "Run") -> None:
    from merflow.submission.links import links_of

    OUT.print()
    for name, url in links_of(server, run):
        OUT.print(f"{name}: {url}", markup=False)


def _options(server: "Server") -> str:
    """Return the options that choose the same server again; empty if the user's default does."""
    from merflow.errors import SubmissionError
    from merflow.submission.profiles import choose

    try:
        if choose(None)[1] == server.profile:
            return ""
    except SubmissionError:
        pass
    namespace = f" --namespace {server.profile.namespace}" if server.profile.namespace else ""
    return f" --host {server.profile.host}{namespace}"
