"""``merflow tracking``: runs in MLflow. It needs the extra ``merflow[tracking]``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import OUT, print_json
from merflow.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True)


@app.callback()
def tracking() -> None:
    """Upload runs to MLflow."""


@app.command()
def sync(
    folder: Annotated[
        str,
        typer.Argument(help="The folder of a benchmark (its --out), or the s3:// address of a cluster's workspace."),
    ],
    uri: Annotated[
        str | None,
        typer.Option(help="Upload to this server or database. [default: the one that the benchmark tracks to]"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a benchmark's missing runs to MLflow, after the server was down, or to another server.

    Complete runs stay as they are, so you can repeat the command.

    Example: `merflow tracking sync runs/mine`
    """
    if folder.startswith("s3://"):
        from merflow.jobs.sync_from_s3 import sync_from_s3

        done = sync_from_s3(folder, uri=uri)
    else:
        from merflow.jobs.sync import sync as sync_job

        done = sync_job(Path(folder), uri=uri)
    if as_json:
        print_json([asdict(each) for each in done])
        return
    for each in done:
        results = "no results yet" if not each.results else "new results" if each.new_results else "results as before"
        OUT.print(
            f"{each.name}: {each.new_folds} of {each.folds} fold(s) uploaded, {results}; run {each.run_id}, {each.uri}"
        )
