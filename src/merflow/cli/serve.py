"""``merflow serve``."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.options import (
    DEVICE_HELP,
    MODEL_HELP,
    TRACKING_URI_HELP,
    Device,
    ParamsOption,
    SetOption,
    load_params,
)

_LIMITS, _MODEL, _SERVER = "Limits of a request", "The model", "The server"


def serve(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    host: Annotated[
        str, typer.Option(help="Listen on this address; 0.0.0.0 means all addresses.", rich_help_panel=_SERVER)
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(help="Listen on this port; 0 takes any that is free.", min=0, max=65535, rich_help_panel=_SERVER),
    ] = 8080,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="Answer only requests that carry the key in this file. [default: the environment variable "
            "MERFLOW_API_KEY; without it, every request is answered]",
            rich_help_panel=_SERVER,
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Keep every answered request in this folder: media, words and answers. [default: nothing is kept]",
            rich_help_panel=_SERVER,
        ),
    ] = None,
    log_predictions: Annotated[
        Path | None,
        typer.Option(
            help="Append numbers of every answered clip to this file for merflow monitor: its name, duration, level, "
            "number of words, and probabilities or score; never sound or words. [default: nothing is logged]",
            rich_help_panel=_SERVER,
        ),
    ] = None,
    drain_s: Annotated[
        float,
        typer.Option(
            help="After SIGTERM, listen for this many seconds with readiness 503, so that load balancers notice.",
            min=0,
            rich_help_panel=_SERVER,
        ),
    ] = 0,
    log_requests: Annotated[
        bool,
        typer.Option(
            "--log-requests",
            help="Log method, route, status and time of every request; never its content.",
            rich_help_panel=_SERVER,
        ),
    ] = False,
    name: Annotated[
        str, typer.Option(help="Use this name of the model in URLs. [default: its own]", rich_help_panel=_MODEL)
    ] = "",
    tracking_uri: Annotated[str | None, typer.Option(help=TRACKING_URI_HELP, rich_help_panel=_MODEL)] = None,
    device: Annotated[Device, typer.Option(help=DEVICE_HELP, rich_help_panel=_MODEL)] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Predict in this many processes at the same time, each with a copy of the model. [default: one per "
            "core, at most 4, and as many as fit into memory; 1 on a GPU]",
            min=1,
            rich_help_panel=_MODEL,
        ),
    ] = None,
    max_batch: Annotated[
        int, typer.Option(help="Predict at most this many clips at once.", min=1, rich_help_panel=_MODEL)
    ] = 16,
    max_wait_ms: Annotated[
        float,
        typer.Option(help="Wait at most this long for other clips to fill a batch.", min=0, rich_help_panel=_MODEL),
    ] = 0,
    max_upload_mib: Annotated[
        float, typer.Option(help="Refuse larger requests (413).", min=0.01, rich_help_panel=_LIMITS)
    ] = 32,
    max_clip_s: Annotated[
        float, typer.Option(help="Refuse longer clips (413).", min=0.1, rich_help_panel=_LIMITS)
    ] = 120,
    max_recording_s: Annotated[
        float,
        typer.Option(help="Refuse longer recordings on /listen and the page (413).", min=0.1, rich_help_panel=_LIMITS),
    ] = 1800,
    max_clips: Annotated[
        int, typer.Option(help="Refuse requests with more clips (413).", min=1, rich_help_panel=_LIMITS)
    ] = 64,
    max_requests: Annotated[
        int, typer.Option(help="Refuse more open requests than these (429).", min=1, rich_help_panel=_LIMITS)
    ] = 64,
    max_queue: Annotated[
        int,
        typer.Option(
            help="Refuse requests while this many clips wait for the model (429).", min=1, rich_help_panel=_LIMITS
        ),
    ] = 256,
    max_upload_s: Annotated[
        float, typer.Option(help="Refuse requests that take longer to arrive (408).", min=0.1, rich_help_panel=_LIMITS)
    ] = 30,
    max_answer_s: Annotated[
        float,
        typer.Option(
            help="Give up on requests that wait longer for the model (503).", min=0.1, rich_help_panel=_LIMITS
        ),
    ] = 60,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Serve a model over HTTP: a page for people, KServe's protocols for programs.

    Open the address in a browser to record or drop a clip. Programs send files to /predict, or speak the Open Inference
    Protocol (V2) or KServe's V1; /docs lists everything. SIGTERM and Ctrl-C stop the server once all accepted requests
    are answered.

    Example: `merflow serve runs/demo --port 8080`
    """
    import os

    from merflow.cli.console import say_when_interrupted
    from merflow.jobs.serve import checked_key, read_key
    from merflow.jobs.serve import serve as serve_job
    from merflow.serving.http.settings import Batching, Limits, ServeSettings

    say_when_interrupted("interrupted before the server was ready")
    key = os.environ.get("MERFLOW_API_KEY")
    if api_key_file is not None:
        key = read_key(api_key_file)
    elif key is not None:
        key = checked_key(key, where="MERFLOW_API_KEY")
    serve_job(
        model,
        host=host,
        port=port,
        settings=ServeSettings(
            limits=Limits(
                upload_mib=max_upload_mib,
                clip_s=max_clip_s,
                recording_s=max_recording_s,
                clips=max_clips,
                concurrency=max_requests,
                queue=max_queue,
                body_s=max_upload_s,
                answer_s=max_answer_s,
            ),
            batching=Batching(clips=max_batch, wait_ms=max_wait_ms),
            api_key=key,
            keep=keep,
        ),
        name=name,
        tracking_uri=tracking_uri,
        encoders_folder=load_params(params, overrides).features.encoders_folder,
        device=device,
        workers=workers,
        drain_s=drain_s,
        log_requests=log_requests,
        log_predictions=log_predictions,
    )
