"""``merflow monitor``."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import OUT, print_json, print_table
from merflow.cli.options import JsonOption, command_line

DRIFT_CODE = 3


def monitor(
    traffic: Annotated[
        list[Path],
        typer.Argument(
            help="Logs of merflow serve --log-predictions, folders of them, CSV files of merflow predict, or "
            "listening.json of merflow listen."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="The model that answered: a model package, a benchmark's folder with a champion, runs:/..., "
            "models:/NAME@ALIAS or models:/NAME/VERSION. [default: the one of --reference]"
        ),
    ] = "",
    reference: Annotated[
        list[Path] | None,
        typer.Option(help="Compare with earlier traffic. Repeat it for several files. [default: held-out data]"),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Read labels that came back from this CSV file with clip_id,label.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Leave earlier clips out: a date, a time in UTC, or a span such as 24h or 7d.")
    ] = "",
    until: Annotated[str, typer.Option(help="Leave later clips out, written like --since.")] = "",
    out: Annotated[Path, typer.Option(help="Write monitor.json and monitor.html to this folder.")] = Path("monitor"),
    prometheus: Annotated[
        Path | None,
        typer.Option(help="Write metrics to this .prom file, for the node exporter's textfile collector."),
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Take a difference for chance unless its adjusted p-value is below this level.")
    ] = 0.01,
    min_clips: Annotated[int, typer.Option(help="Compare nothing below this number of clips.", min=2)] = 100,
    tracking_uri: Annotated[
        str | None, typer.Option(help="Find runs:/ and models:/ on this MLflow server or database.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the clips that a model answers in use with the data that it was measured on.

    Durations, levels, numbers of words, abstention, and confidence with predicted emotions, or scores with the widths
    of their intervals, are compared with the held-out data. Where labels came back, coverage and accuracy, or the error
    of scores, are checked too. The exit code is 0 without drift and for too few clips, and 3 for drift.

    Example: `merflow monitor traffic.jsonl --model models:/merflow@champion --since 7d`
    """
    from merflow.jobs.monitor import MonitorRequest
    from merflow.jobs.monitor import monitor as monitor_job
    from merflow.monitoring.terminal import checks_table
    from merflow.monitoring.verdict import drift_verdict

    results, page = monitor_job(
        MonitorRequest(
            traffic=tuple(traffic),
            model=model,
            reference=tuple(reference or ()),
            labels=labels,
            since=since,
            until=until,
            alpha=alpha,
            min_clips=min_clips,
            tracking_uri=tracking_uri,
        ),
        out=out,
        command=command_line(),
        prometheus=prometheus,
    )
    if as_json:
        print_json({**results.model_dump(mode="json"), "drift": [check.name for check in results.drifted]})
    else:
        if results.enough:
            print_table(checks_table(results))
        for line in (*drift_verdict(results).sentences, *(f"Note: {caution}" for caution in results.cautions)):
            OUT.print(line, markup=False)
        OUT.print(f"\nPage: {page}")
    if results.drifted:
        raise typer.Exit(DRIFT_CODE)
