"""``merflow listen``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merflow.cli.console import ERR, OUT, print_json, print_table, progress_bars, say_when_interrupted
from merflow.cli.options import (
    DeviceOption,
    JsonOption,
    ModelOption,
    ParamsOption,
    RecognizeOption,
    SetOption,
    TrackingUriOption,
    command_line,
    load_params,
)
from merflow.contracts.heard import HeardScore, short
from merflow.contracts.numerals import clock_text, percent

if TYPE_CHECKING:
    from rich.table import Table

    from merflow.contracts.listening_results import HeardSegment, ListeningResults


def listen(
    model: ModelOption,
    recording: Annotated[
        Path | None,
        typer.Argument(help="A recording or video of any length and format; - for standard input.", show_default=False),
    ] = None,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Listen to the microphone until Ctrl-C instead of to a recording.")
    ] = False,
    microphone_input: Annotated[
        str | None,
        typer.Option(
            "--input", help="Listen to this microphone, INPUT:DEVICE in FFmpeg's words, for example alsa:hw:1."
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop the microphone after this number of seconds.", min=1)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write page, tables and labels to this folder. [default: listening/NAME]")
    ] = None,
    transcribe: RecognizeOption = False,
    longest: Annotated[
        float, typer.Option(help="Cut speech that is longer than this number of seconds at its quietest point.", min=2)
    ] = 12.0,
    pause: Annotated[float, typer.Option(help="End a segment at a pause of this number of seconds.", min=0.05)] = 0.4,
    half_life: Annotated[
        float,
        typer.Option(
            help="Smooth the timeline: a neighbour's weight halves every so many seconds. 0: no smoothing.", min=0
        ),
    ] = 5.0,
    sound: Annotated[
        bool, typer.Option(help="Keep a compressed copy of the sound, in the page or next to it, for playback.")
    ] = True,
    tracking_uri: TrackingUriOption = None,
    device: DeviceOption = "auto",
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the speech in a long recording, and the emotion or score of every segment over time.

    Writes a page with waveform, timeline and playback, which works offline, and CSV, JSON, ELAN and Audacity files.
    Where the model is not sure, the answer is "not sure". An interrupted run continues where it stopped; Ctrl-C ends a
    microphone's recording.

    Example: `merflow listen interview.mp4 --model runs/demo --transcribe`
    """
    _check(recording, microphone=microphone, named=microphone_input, seconds=seconds)
    from merflow.contracts.listening_results import SegmentSettings
    from merflow.jobs.listen import ListenRequest
    from merflow.jobs.listen import listen as listen_job

    chosen = load_params(params, overrides)
    request = ListenRequest(
        recording=recording,
        model=model,
        out=out or Path("listening") / _name(recording),
        command=command_line(),
        microphone=microphone_input,
        limit_s=seconds,
        settings=SegmentSettings(longest_s=longest, pause_s=pause),
        half_life_s=half_life,
        sound=sound,
        transcription=chosen.transcription if transcribe else None,
        tracking_uri=tracking_uri,
        encoders_folder=chosen.features.encoders_folder,
        device=device,
    )
    if microphone:
        say_when_interrupted("interrupted; nothing of the recording was kept")
        ERR.print("listening; Ctrl-C ends the recording")
        results, page = listen_job(request, progress=lambda *_: None, tell_segment=_print_segment)
    else:
        with progress_bars() as progress:
            results, page = listen_job(request, progress=progress)
    if as_json:
        print_json(results.model_dump(mode="json"))
        return
    _print_results(results)
    OUT.print(f"\nPage: {page}")


def _check(recording: Path | None, *, microphone: bool, named: str | None, seconds: float | None) -> None:
    """Refuse options that contradict each other."""
    if microphone == (recording is not None):
        raise typer.BadParameter("name a recording, - for standard input, or --microphone, one of the three")
    if not microphone and (named or seconds):
        raise typer.BadParameter("--input and --seconds need --microphone")


def _name(recording: Path | None) -> str:
    """Return the name of the results' folder."""
    if recording is None:
        from datetime import datetime

        return f"microphone-{datetime.now():%Y-%m-%d-%H%M%S}"
    return "standard-input" if str(recording) == "-" else recording.stem


def _print_segment(segment: "HeardSegment") -> None:
    """Print a line for a segment that has just been heard."""
    heard = segment.heard
    if heard is None:
        ERR.print(f"{clock_text(segment.start_s)}  no prediction: {segment.refusal}", markup=False)
        return
    if isinstance(heard, HeardScore):
        answer = heard.answer
    else:
        probability = f"{heard.emotion} {percent(heard.probabilities[heard.emotion])}%"
        answer = probability if heard.sure else f"{segment.answer} ({' or '.join(heard.possible) or probability})"
    ERR.print(f"{clock_text(segment.start_s)}  {answer}{f'  {segment.text}' if segment.text else ''}", markup=False)


def _print_results(results: "ListeningResults") -> None:
    if not results.segments:
        OUT.print("No speech was found.")
        return
    print_table(_table(results))
    if results.model.scale is not None and results.mean_score is not None:
        scale = results.model.scale
        OUT.print(f"\nMean {scale.task}: {short(results.mean_score)}, on a scale from {scale.low:g} to {scale.high:g}")
    factor = results.speed.real_time_factor
    times = f" ({1 / factor:.0f} times faster than real time)" if 0 < factor < 1 else ""
    OUT.print(
        f"\n{clock_text(results.speech_s)} of speech in {clock_text(results.duration_s)}; "
        f"real-time factor {factor:.3f}{times}"
    )
    for part in results.damaged[:3]:
        OUT.print(f"damaged at {clock_text(part.at_s)}: {part.reason}", markup=False)


def _table(results: "ListeningResults") -> "Table":
    """Return one row per emotion, or per side of the scale."""
    from merflow.contracts.terminal_table import lineless_table

    table = lineless_table()
    table.add_column(results.model.task, no_wrap=True)
    for column in ("speech", "share", "segments"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, seconds in results.seconds_of.items():
        count = results.labels.count(name)
        if count or name in results.model.labels:
            table.add_row(name, clock_text(seconds), f"{percent(seconds / results.speech_s)}%", str(count))
    return table
