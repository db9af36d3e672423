"""``merflow data``: corpora into validated, split manifests."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import print_json, progress_bars
from merflow.cli.options import ROOT_HELP, CorpusOption, JsonOption, ParamsOption, SetOption, load_params
from merflow.cli.versions import lineage, pull, push
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
    from merflow.corpus.synthetic.release import synthesize as synthesize_release

    with progress_bars() as progress:
        synthesize_release(out, size=size, seed=seed, video=video, progress=progress)


@app.command()
def index(
    corpus: CorpusOption,
    root: Annotated[Path, typer.Option(help=ROOT_HELP)],
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


@app.command()
def transcribe(
    manifest: Annotated[Path, typer.Argument(help="Validated manifest.")],
    out: Annotated[Path, typer.Option(help="Manifest to write, with asr_transcript; the report goes beside it.")],
    model: Annotated[
        str | None, typer.Option(help="A size of Whisper (small.en), a hub id (owner/name) or a local folder.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of a hub id.")] = None,
    journal: Annotated[
        Path | None, typer.Option(help="What was heard so far, for any manifest; default: beside the manifest written.")
    ] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Transcribe the recordings with Whisper and count the errors.

    Exit status 3: done, but some recordings cannot be decoded; they are listed beside the manifest.

    Example: `merflow data transcribe manifest.parquet --model small.en --out heard.parquet`
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
    utterance: Annotated[str, typer.Argument(help="Its utterance_id.")],
    manifest: Annotated[Path, typer.Option(help="Manifest that holds it.")],
    png: Annotated[Path, typer.Option(help="Picture to write.")],
) -> None:
    """Draw one utterance: frames, waveform, log-mel spectrogram, words and labels.

    Example: `merflow data peek Ses01F_impro01_F000 --manifest manifest.parquet --png peek.png`
    """
    from merflow.jobs.peek import peek as peek_job

    peek_job(manifest, utterance=utterance, out=png)


app.command("push")(push)
app.command("pull")(pull)
app.command("lineage")(lineage)
