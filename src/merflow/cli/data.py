"""``merflow data``: from a corpus to a validated manifest and its splits."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import print_json, progress_bars
from merflow.cli.options import (
    ROOT_HELP,
    SIZES_HELP,
    CorpusOption,
    DevelopmentOption,
    JsonOption,
    ParamsOption,
    ProtocolOption,
    SetOption,
    TaskOption,
    load_params,
)
from merflow.cli.s3 import fetch, publish
from merflow.cli.versions import lineage, pull, push

app = typer.Typer(no_args_is_help=True)


@app.command()
def synthesize(
    out: Annotated[Path, typer.Option(help="Write the release to this folder.")],
    corpus: CorpusOption = "synthetic",
    size: Annotated[str, typer.Option(help=f"Generate this size: {SIZES_HELP}.")] = "small",
    seed: Annotated[int, typer.Option(help="Generate the corpus from this seed.", min=0)] = 0,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Generate the video recordings too.")] = False,
) -> None:
    """Generate a synthetic corpus.

    synthetic has the format of IEMOCAP, synthetic-mosei and synthetic-mosei-pickle have those of CMU-MOSEI, and
    synthetic-table is a table of recordings.

    Example: `merflow data synthesize --size small --out data/synthetic`
    """
    from merflow.corpus.source import generator_of

    with progress_bars() as progress:
        generator_of(corpus)(out, size=size, seed=seed, video=video, progress=progress)


@app.command()
def index(
    corpus: CorpusOption,
    root: Annotated[Path, typer.Option(help=ROOT_HELP)],
    out: Annotated[Path, typer.Option(help="Write the manifest to this Parquet file.")],
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Read a corpus into a manifest: a table with one row per utterance.

    Example: `merflow data index --corpus iemocap --root IEMOCAP_full_release --out manifest.parquet`
    """
    from merflow.jobs.index import index as index_job

    index_job(root, corpus=corpus, out=out, params=load_params(params, overrides).corpus)


@app.command()
def validate(
    manifest: Annotated[Path, typer.Argument(help="The manifest to check.")],
    out: Annotated[
        Path, typer.Option(help="Write the validated manifest, a summary page and the Data Docs to this folder.")
    ],
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Leave invalid rows out and list them with their reasons.")
    ] = False,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Check a manifest and its media files, and report every problem.

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
    manifest: Annotated[Path, typer.Argument(help="The validated manifest.")],
    out: Annotated[Path, typer.Option(help="Write the splits to this Parquet file, and a summary next to it.")],
    task: TaskOption = None,
    protocol: ProtocolOption = None,
    development: DevelopmentOption = None,
    improvised_only: Annotated[bool, typer.Option("--improvised-only", help="Leave scripted dialogues out.")] = False,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split a manifest into folds without shared speakers.

    Example: `merflow data split manifest.parquet --out splits.parquet`
    """
    from merflow.jobs.split import split as split_job

    changes = {
        "task": task,
        "protocol": protocol,
        "development": development,
        "improvised_only": improvised_only or None,
    }
    chosen = load_params(params, overrides).splits.model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    splits = split_job(manifest, out=out, params=chosen)
    if as_json:
        print_json({"splits": str(out), "split_id": splits.split_id, "folds": int(splits.rows["fold"].nunique())})


@app.command()
def transcribe(
    manifest: Annotated[Path, typer.Argument(help="The validated manifest.")],
    out: Annotated[
        Path, typer.Option(help="Write the manifest with the transcripts to this file, and a report next to it.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="Transcribe with this model: a Whisper size (small.en), a hub id (owner/name) or a local folder."
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Use this commit of the model on the hub.")] = None,
    journal: Annotated[
        Path | None,
        typer.Option(help="Keep finished transcripts in this file and reuse them. [default: a file next to --out]"),
    ] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Transcribe the recordings with Whisper, and measure the word error rate against the reference transcripts.

    The exit code is 3 if some recordings cannot be decoded; a file next to the manifest lists them.

    Example: `merflow data transcribe manifest.parquet --model small.en --out transcribed.parquet`
    """
    from merflow.jobs.transcribe import transcribe as transcribe_job

    chosen = load_params(params, overrides)
    changes = {"model": model, "revision": revision}
    with progress_bars() as progress:
        report = transcribe_job(
            manifest,
            out=out,
            report=out.with_suffix(".report.json"),
            quarantine=out.with_suffix(".quarantine.csv"),
            journal=journal or out.with_suffix(".journal.jsonl"),
            params=chosen.transcription.model_copy(update={key: value for key, value in changes.items() if value}),
            corpus=chosen.corpus,
            progress=progress,
        )
    if as_json:
        print_json(report.model_dump(mode="json"))
    if report.utterances.set_aside:
        raise typer.Exit(3)


@app.command()
def peek(
    utterance: Annotated[str, typer.Argument(help="The id of the utterance.")],
    manifest: Annotated[Path, typer.Option(help="Look the utterance up in this manifest.")],
    png: Annotated[Path, typer.Option(help="Write the figure to this file.")],
) -> None:
    """Draw one utterance: video frames, waveform, log-mel spectrogram, transcript and labels.

    Example: `merflow data peek Ses01F_impro01_F000 --manifest manifest.parquet --png peek.png`
    """
    from merflow.jobs.peek import peek as peek_job

    peek_job(manifest, utterance=utterance, out=png)


app.command("fetch")(fetch)
app.command("publish")(publish)
app.command("push")(push)
app.command("pull")(pull)
app.command("lineage")(lineage)
