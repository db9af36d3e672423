"""``merflow features``: extraction of features, and the feature store."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import ERR, progress_bars
from merflow.cli.encoders import tiny
from merflow.cli.options import (
    ModelsOption,
    ParamsOption,
    PresetsOption,
    ProfileOption,
    SetOption,
    load_params,
    variants_of,
)
from merflow.cli.store import gc, ls, verify

app = typer.Typer(no_args_is_help=True)


@app.callback()
def features() -> None:
    """Extract features and manage the feature store."""


@app.command()
def extract(
    manifest: Annotated[Path, typer.Argument(help="The validated manifest.")],
    models: ModelsOption,
    store: Annotated[Path, typer.Option(help="Store the features in this folder, and reuse those already there.")],
    out: Annotated[Path, typer.Option(help="Write the index of the features to this JSON file, for training.")],
    profile: ProfileOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first utterance that cannot be read or encoded.")
    ] = False,
    presets: PresetsOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Compute the features that variants need. Several processes may fill one store at the same time.

    The exit code is 3 if some utterances could not be read or encoded; a file next to the JSON file lists them.

    Example: `merflow features extract manifest.parquet --models context-mmt:mmt-frozen --store store --out f.json`
    """
    from merflow.contracts.quarantine import quarantine_beside, read_quarantine
    from merflow.folds.presets import read_presets
    from merflow.folds.profiles import profile_of
    from merflow.jobs.extract import extract as extract_job

    given = load_params(params, overrides)
    chosen = given.features.model_copy(update={"profile": profile} if profile else {})
    encoders = profile_of(chosen.profile)
    with progress_bars() as progress:
        extract_job(
            manifest,
            variants=variants_of(models),
            store=store,
            out=out,
            params=chosen,
            corpus=given.corpus,
            strict=strict,
            user_presets=read_presets(presets, profile=encoders),
            profile=encoders,
            progress=progress,
        )
    listed = quarantine_beside(out)
    set_aside = read_quarantine(listed)
    if set_aside:
        first = set_aside[0]
        ERR.print(
            f"{len(set_aside)} input(s) were left out; {listed} lists them. The first: {first.utterance_id}, "
            f"{first.role}: {first.reason}",
            markup=False,
        )
        raise typer.Exit(3)


app.command("ls")(ls)
app.command("verify")(verify)
app.command("gc")(gc)
app.command("tiny")(tiny)
