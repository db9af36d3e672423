"""``merflow compare``."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import OUT, print_json, print_table
from merflow.cli.options import JsonOption, ParamsOption, SetOption, load_params


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished benchmarks, or of trained folds.")],
    manifest: Annotated[
        Path | None, typer.Option(help="Validated manifest of the runs; default: the one that a benchmark keeps.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File for the result as JSON.")] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare finished runs on the same test utterances: UA differences with intervals and p-values.

    Every variant of every run is compared with every other; a run alone, its variants with each other. Runs of other
    splits or another corpus are refused.

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
