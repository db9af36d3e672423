"""``merflow compare``."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import OUT, print_json, print_table
from merflow.cli.options import JsonOption, ParamsOption, SetOption, load_params


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished benchmarks or of trained folds.")],
    manifest: Annotated[
        Path | None,
        typer.Option(help="The validated manifest of the runs. [default: the one in the benchmark's folder]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the result to this JSON file.")] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the variants of finished runs on the same test utterances: differences, intervals and p-values.

    Differences are in UA, or in MAE and CCC if the task is a score.

    Each variant is compared with every other. The runs must share the corpus and the splits; with a single run, its
    variants are compared with each other.

    Example: `merflow compare runs/wavlm runs/hubert --out comparison.json`
    """
    from merflow.evaluation.report.terminal import comparison_tables
    from merflow.jobs.compare import compare as compare_job

    compared = compare_job(runs, manifest=manifest, out=out, params=load_params(params, overrides).evaluation)
    if as_json:
        print_json(compared.as_json())
        return
    for number, table in enumerate(comparison_tables(compared)):
        if number:
            OUT.print()
        print_table(table)
