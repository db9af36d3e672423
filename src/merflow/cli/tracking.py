"""``merflow tracking``: runs in MLflow. Needs the extra ``merflow[tracking]``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import OUT, print_json
from merflow.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True)


@app.callback()
def tracking() -> None:
    """Runs in MLflow."""


@app.command()
def sync(
    folder: Annotated[Path, typer.Argument(help="What was --out of a benchmark.")],
    uri: Annotated[
        str | None, typer.Option(help="Upload to this server or database; default: where it was to be tracked.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload what MLflow lacks of a benchmark: after its server was down, or to another server.

    What is there already is left as it is, so the command may be repeated.

    Example: `merflow tracking sync runs/mine`
    """
    from merflow.jobs.sync import sync as sync_job

    done = sync_job(folder, uri=uri)
    if as_json:
        print_json([asdict(each) for each in done])
        return
    for each in done:
        results = "no results yet" if not each.results else "new results" if each.new_results else "results as before"
        OUT.print(
            f"{each.name}: {each.new_folds} of {each.folds} fold(s) uploaded, {results}; run {each.run_id}, {each.uri}"
        )
