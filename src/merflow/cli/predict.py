"""``merflow predict``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merflow.cli.console import OUT, print_json, print_table, progress_bars
from merflow.cli.options import (
    DeviceOption,
    JsonOption,
    ModelOption,
    ParamsOption,
    RecognizeOption,
    SetOption,
    TrackingUriOption,
    load_params,
)
from merflow.contracts.heard import HeardScore
from merflow.contracts.numerals import percent, plural

if TYPE_CHECKING:
    from rich.table import Table

    from merflow.contracts.clip_results import ClipResult, ClipResults
    from merflow.contracts.heard import Heard, ListeningModel
    from merflow.serving.clip_list import ClipList


def predict(
    clips: Annotated[
        list[Path],
        typer.Argument(
            help="Recordings and videos of any format, folders of them, or a table (.csv, .parquet) with some of the "
            "columns audio, video, text, gender, dialogue; - for standard input.",
            show_default=False,
        ),
    ],
    model: ModelOption,
    text: Annotated[str | None, typer.Option(help="The words of the clip, if there is only one.")] = None,
    transcribe: RecognizeOption = False,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            "--gender",
            help="Group of the speakers, usually the gender as the training corpus writes it, for the limits of "
            '"not sure". Without it, the most cautious limits count.',
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the results to this CSV file; the same command continues an interrupted run."),
    ] = None,
    stdin_table: Annotated[
        bool, typer.Option("--stdin-table", help="Read a CSV table from standard input, not a recording.")
    ] = False,
    tracking_uri: TrackingUriOption = None,
    device: DeviceOption = "auto",
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the emotion of recordings and videos, or a score such as the sentiment.

    Where several emotions are possible, or a score may be on either side of its scale, the answer is "not sure".
    Unusual clips get a warning: short, silent, without speech, or unlike the training data. Files that cannot be read
    are set aside with the reason; the exit code is 2 if nothing could be predicted.

    Example: `merflow predict clip.wav --model runs/demo --text "I did not expect that"`
    """
    from merflow.jobs.predict import PredictRequest
    from merflow.jobs.predict import predict as predict_job

    chosen = load_params(params, overrides)
    request = PredictRequest(
        clips=_listed(clips, stdin_table=stdin_table, text=text, group=group),
        model=model,
        out=out,
        transcription=chosen.transcription if transcribe else None,
        tracking_uri=tracking_uri,
        encoders_folder=chosen.features.encoders_folder,
        device=device,
    )
    with progress_bars() as progress:
        results = predict_job(request, progress=progress)
    if as_json:
        print_json(results.model_dump(mode="json"))
    else:
        _print_results(results, out=out)
    if not results.predicted:
        raise typer.Exit(2)


def _listed(clips: list[Path], *, stdin_table: bool, text: str | None, group: str | None) -> "ClipList":
    from merflow.serving.clip_list import STANDARD_INPUT, list_clips, with_settings

    reads = clips.count(STANDARD_INPUT)
    if reads > 1 or (stdin_table and not reads):
        raise typer.BadParameter("give - once, for standard input", param_hint="CLIPS")
    listed = list_clips(clips, standard_input=sys.stdin.buffer.read() if reads else None, table_on_input=stdin_table)
    return with_settings(listed, text=text, group=group)


def _print_results(results: "ClipResults", *, out: Path | None) -> None:
    if results.predicted:
        print_table(_table(results.predicted, results.model))
        OUT.print()
    for clip in results.refused:
        OUT.print(f"not predicted: {clip.clip}: {clip.refusal}", markup=False)
    model = results.model
    OUT.print(f"model: {model.title} ({model.name}, version {model.version})", markup=False)
    if not model.calibrated and model.scale is not None:
        OUT.print(f"Not calibrated, so that its scores have no intervals: {results.remark}.", markup=False)
    elif not model.calibrated:
        OUT.print(f'Not calibrated, so it never answers "not sure": {results.remark}.', markup=False)
    lacking = [name for name in model.modalities if not any(name in _read(clip) for clip in results.predicted)]
    if lacking and results.predicted:
        words = "; give words with --text, a table or --transcribe" if "text" in lacking else ""
        OUT.print(f"The model also reads {' and '.join(lacking)}, which no clip has{words}.", markup=False)
    if results.ignored:
        OUT.print(f"{plural(results.ignored, 'other file')} in the folders left out.", markup=False)
    if out is not None:
        OUT.print(f"Results: {out}", markup=False)


def _table(clips: "tuple[ClipResult, ...]", model: "ListeningModel") -> "Table":
    """Return one row per clip."""
    from merflow.contracts.terminal_table import lineless_table

    warned = any(clip.heard and clip.heard.warnings for clip in clips)
    table = lineless_table()
    for column in ("clip", model.task):
        table.add_column(column, no_wrap=True)
    if model.scale is None:
        table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("read", no_wrap=True)
    if warned:
        table.add_column("warnings", no_wrap=True)
    above = _above([clip.clip for clip in clips])
    for clip in clips:
        heard = clip.heard
        assert heard is not None
        notes = (", ".join(heard.modalities), "; ".join(heard.warnings))
        table.add_row(clip.clip.removeprefix(above), *_answer(heard), *notes)
    return table


def _answer(heard: "Heard") -> tuple[str, ...]:
    """Return the cells of an answer: an emotion and its probability, or a score in words."""
    if isinstance(heard, HeardScore):
        return (heard.answer,)
    possible = f" ({' or '.join(heard.possible)})" if 0 < len(heard.possible) < len(heard.probabilities) else ""
    probability = f"{percent(heard.probabilities[heard.emotion])}%"
    if heard.sure:
        return heard.emotion, probability
    return f"{heard.answer}{possible}", f"{heard.emotion} {probability}"


def _above(names: list[str]) -> str:
    """Return the folder that all clips of a list are in, with a slash behind it, to be left out of their names."""
    folders = [name.rpartition("/")[0] for name in names]
    above = os.path.commonpath(folders) if len(names) > 1 and all(folders) else ""
    return f"{above}/" if above else ""


def _read(clip: "ClipResult") -> tuple[str, ...]:
    return clip.heard.modalities if clip.heard else ()
