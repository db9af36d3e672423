"""``merflow features``: the feature store."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import ParamsOption, SetOption, load_params, progress_bars
from merflow.cli.runs import variants_of

app = typer.Typer(no_args_is_help=True)


@app.callback()
def features() -> None:
    """The feature store."""


@app.command()
def extract(
    manifest: Annotated[Path, typer.Argument(help="Validated manifest.")],
    models: Annotated[str, typer.Option(help="Variants that will be trained, model:preset, comma-separated.")],
    store: Annotated[Path, typer.Option(help="Folder of the store; what it holds is not computed again.")],
    out: Annotated[Path, typer.Option(help="JSON that says what is where; training reads it.")],
    profile: Annotated[str | None, typer.Option(help="Encoder profile.")] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Compute the features that some variants need.

    Example: `merflow features extract manifest.parquet --models context-mmt:mmt-frozen --store store --out f.json`
    """
    from merflow.jobs.extract import extract as extract_job

    chosen = load_params(params, overrides).features
    with progress_bars() as progress:
        extract_job(
            manifest,
            variants=variants_of(models),
            store=store,
            out=out,
            params=chosen.model_copy(update={"profile": profile}) if profile else chosen,
            progress=progress,
        )
