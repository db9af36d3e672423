"""``merflow classics``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merflow.cli.console import print_json, print_table, progress_bars
from merflow.cli.options import JsonOption, ParamsOption, SetOption, load_params
from merflow.contracts.task import EMOTION
from merflow.contracts.terminal_table import lineless_table

if TYPE_CHECKING:
    from merflow.contracts.classics import ClassicRecord


def classics(
    manifest: Annotated[Path, typer.Argument(help="The validated manifest.")],
    splits: Annotated[Path, typer.Option(help="The splits of that manifest.")],
    out: Annotated[Path, typer.Option(help="Write one folder per classic to this folder, and keep finished ones.")],
    features: Annotated[
        Path | None,
        typer.Option(
            help="Read the transcripts that these features were made from: the JSON file from `merflow features "
            "extract`. [default: the corpus's own transcripts]"
        ),
    ] = None,
    functionals: Annotated[
        Path | None,
        typer.Option(
            help="Store the functionals of the recordings in this folder. [default: functionals next to --out]"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Compute functionals in this many processes. [default: one per core]", min=1)
    ] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train simple baselines on the same folds: TF-IDF for text, functionals with an SVM for audio.

    `merflow evaluate --classics DIR` compares the variants with them.

    Example: `merflow classics manifest.parquet --splits splits.parquet --out runs/x/classics`
    """
    from merflow.jobs.classics import classics as classics_job

    chosen = load_params(params, overrides)
    with progress_bars() as progress:
        records = classics_job(
            manifest,
            splits=splits,
            out=out,
            cache=functionals or out.absolute().with_name("functionals"),
            params=chosen.classics,
            corpus=chosen.corpus,
            transcripts=chosen.features.transcripts,
            features=features,
            workers=workers,
            progress=progress,
        )
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
        return
    table = lineless_table()
    for column in ("classic", "reads", "development", "description"):
        table.add_column(column, no_wrap=column != "description")
    for record in records:
        table.add_row(record.variant, " + ".join(record.modalities), _development(record), record.description)
    print_table(table)


def _development(record: "ClassicRecord") -> str:
    """Return the mean UA, or MAE of scores, over the folds."""
    mean = sum(fold.preferred for fold in record.folds) / len(record.folds)
    return f"UA {100 * mean:.1f}%" if record.task == EMOTION else f"MAE {-mean:.3f}"
