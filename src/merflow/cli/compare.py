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
    """Compare the variants of finished runs on the same test utterances: differences in UA, intervals and p-values.

    Each variant is compared with each other one. The runs must have the same corpus and splits.

    Example: `merflow compare runs/wavlm runs/hubert --out comparison.json`
    """
    from merflow.evaluation.report.comparison_tables import comparisons_table, variants_table
    from merflow.jobs.compare import compare as compare_job

    found = compare_job(runs, manifest=manifest, out=out, params=load_params(params, overrides).evaluation)
    if as_json:
        print_json(found)
        return
    print_table(variants_table(found))
    OUT.print()
    print_table(comparisons_table(found))
