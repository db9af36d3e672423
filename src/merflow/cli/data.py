"""``merflow data``: corpora into validated, split manifests."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import JsonOption, ParamsOption, SetOption, load_params, print_json, progress_bars
from merflow.contracts.protocols import Development, Protocol

app = typer.Typer(no_args_is_help=True)


@app.command()
def synthesize(
    out: Annotated[Path, typer.Option(help="Folder of the release.")],
    size: Annotated[str, typer.Option(help="tiny (seconds), small (the demo), full (151 dialogues, 10,039 turns).")] = (
        "small"
    ),
    seed: Annotated[int, typer.Option(help="Another seed is another corpus.", min=0)] = 0,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Also draw the two-actor recordings.")] = False,
) -> None:
    """Generate a release in IEMOCAP's format.

    Example: `merflow data synthesize --size small --out data/synthetic`
    """
    from merflow.jobs.source import synthetic_release

    with progress_bars() as progress:
        synthetic_release(out, size=size, seed=seed, video=video, progress=progress)


@app.command()
def index(
    corpus: Annotated[str, typer.Option(help="iemocap, table or synthetic.")],
    root: Annotated[Path, typer.Option(help="Release folder, or the CSV of a table corpus.")],
    out: Annotated[Path, typer.Option(help="Manifest to write (Parquet).")],
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Read a corpus into one manifest.

    Example: `merflow data index --corpus iemocap --root IEMOCAP_full_release --out manifest.parquet`
    """
    from merflow.jobs.index import index as index_job

    index_job(root, corpus=corpus, out=out, params=load_params(params, overrides).corpus)


@app.command()
def validate(
    manifest: Annotated[Path, typer.Argument(help="Manifest to check.")],
    out: Annotated[Path, typer.Option(help="Folder for the validated manifest, the summary and the Data Docs.")],
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Set bad rows aside with their reasons.")] = False,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Check a manifest and its media, and list what is wrong.

    Example: `merflow data validate manifest.parquet --out validation --quarantine`
    """
    from merflow.jobs.validate import validate as validate_job

    with progress_bars() as progress:
        validate_job(
            manifest,
            out=out / "manifest.parquet",
            summary=out / "summary.html",
            docs=out / "docs",
            quarantine=out / "quarantine.csv" if quarantine else None,
            params=load_params(params, overrides).corpus,
            progress=progress,
        )


@app.command()
def split(
    manifest: Annotated[Path, typer.Argument(help="Validated manifest.")],
    out: Annotated[Path, typer.Option(help="Splits to write (Parquet); a summary goes beside it.")],
    protocol: Annotated[Protocol | None, typer.Option(help="Which utterances test.")] = None,
    development: Annotated[Development | None, typer.Option(help="Which training data choose the epoch.")] = None,
    improvised_only: Annotated[bool, typer.Option("--improvised-only", help="Drop scripted dialogues.")] = False,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Divide a manifest into speaker-disjoint folds.

    Example: `merflow data split manifest.parquet --protocol session-5fold --out splits.parquet`
    """
    from merflow.jobs.split import split as split_job

    changes = {"protocol": protocol, "development": development, "improvised_only": improvised_only or None}
    chosen = load_params(params, overrides).splits.model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    found = split_job(manifest, out=out, params=chosen)
    if as_json:
        print_json({"splits": str(out), "split_id": found.split_id, "folds": int(found.rows["fold"].nunique())})
