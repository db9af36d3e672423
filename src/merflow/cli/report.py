"""``merflow report``."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import OUT, print_json, print_table
from merflow.cli.options import JsonOption, ParamsOption, SetOption, command_line, load_params


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, that is, their --out.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the report to this folder. [default: the run's own folder]")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Give the report this title. [default: the runs' names]")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest of the folds, if the runs do not contain it.")
    ] = None,
    splits: Annotated[
        Path | None, typer.Option(help="The splits of the folds, if the runs do not contain them.")
    ] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report of one or several finished runs: an HTML page, and tables in Markdown and LaTeX.

    Nothing is trained. Several runs need `--out`, and are compared only if they were tested on the same data.

    Example: `merflow report runs/monday runs/tuesday --out runs/both`
    """
    from merflow.evaluation.report.terminal import results_table
    from merflow.jobs.report import recorded_params
    from merflow.jobs.report import report as report_job

    chosen = load_params(params, overrides).evaluation
    results, page = report_job(
        runs,
        out=out,
        command=command_line(),
        params=chosen if params or overrides else recorded_params(runs[0], chosen),
        manifest=manifest,
        splits=splits,
        name=name,
    )
    if as_json:
        print_json(results.as_json())
        return
    print_table(results_table(results))
    OUT.print(f"\nReport: {page}")
