"""Serving a model over HTTP until it is told to stop."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from merflow.contracts.progress import say
from merflow.errors import ServingError
from merflow.opening.open_model import open_model
from merflow.opening.watched_traffic import watched
from merflow.runs.provenance import merflow_version
from merflow.serving.http.app import build_app
from merflow.serving.http.model_copies import model_copies, usual_workers
from merflow.serving.http.server import Server, listen
from merflow.serving.http.service import Service
from merflow.serving.http.settings import ServeSettings

_SHORTEST_KEY = 8


def serve(
    location: str,
    *,
    host: str,
    port: int,
    settings: ServeSettings,
    name: str = "",
    tracking_uri: str | None = None,
    encoders_folder: str = "",
    device: str = "auto",
    workers: int | None = None,
    drain_s: float = 0.0,
    log_requests: bool = False,
    log_predictions: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a model until SIGTERM or Ctrl-C; then answer the accepted requests, and return.

    Args:
        location: The model, as :func:`merflow.opening.open_model.open_model` takes it.
        host: Address to listen on.
        port: Port; 0 for any that is free.
        settings: Limits, batches, API key, and the folder that keeps requests.
        name: Name of the model in URLs; empty for its own.
        tracking_uri: The MLflow server or database of ``runs:`` and ``models:`` locations.
        encoders_folder: A folder with the pretrained encoders; empty for the hub's cache.
        device: ``cpu``, ``cuda`` or ``auto``.
        workers: Number of processes that predict at the same time, including this one; None for
            :func:`merflow.serving.http.model_copies.usual_workers`.
        drain_s: Seconds for which it still listens after SIGTERM, with readiness 503.
        log_requests: True to log method, route, status and time of every request, but never its content.
        log_predictions: The traffic log; None for no log. With one, ``/metrics`` compares the latest clips with the
            held-out data of the model's package.
        ready: Called with the address once requests are answered.

    Raises:
        ServingError: The address cannot be listened on.
        OutputError: The traffic log cannot be written.
        MerflowError: The model cannot be loaded.
    """
    opener = partial(open_model, location, tracking_uri=tracking_uri, encoders_folder=encoders_folder, device=device)
    predictor = opener()
    predictor.warm_up()
    workers = workers or usual_workers(on_gpu=predictor.uses_gpu)
    if log_requests:
        logging.getLogger("merflow.serve").setLevel(logging.INFO)
    with (
        watched(predictor.model, log_predictions, location=location, tracking_uri=tracking_uri) as traffic,
        listen(host, port) as socket,
        model_copies(opener, predictor.model, count=workers - 1) as copies,
    ):
        observe = None if traffic is None else traffic.take
        service = Service.start(predictor, settings, name=name, observe=observe, copies=copies)
        if traffic is not None and traffic.recent is not None:
            service.metrics.registry.register(traffic.recent)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{socket.getsockname()[1]}"

        def tell() -> None:
            say(f"serve {service.name}, version {service.model.version}: {address}")
            if ready is not None:
                ready(address)

        server = Server(build_app(service, version=merflow_version()), service.state, drain_s=drain_s, ready=tell)
        server.run(sockets=[socket])
    say("serve: all accepted requests are answered")


def read_key(path: Path) -> str:
    """Return the API key in a file, without white space around it.

    Raises:
        ServingError: The file cannot be read, or the key is too short.
    """
    try:
        return checked_key(path.read_text(encoding="utf-8").strip(), where=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"cannot read the API key: {error}; write it to a text file of one line") from error


def checked_key(key: str, *, where: str) -> str:
    """Return the key.

    Raises:
        ServingError: It is too short to protect anything, or cannot be sent in a header.
    """
    if len(key) < _SHORTEST_KEY or not key.isascii() or any(character.isspace() for character in key):
        raise ServingError(
            f"the API key in {where} must have at least {_SHORTEST_KEY} ASCII characters without spaces; "
            "make one with `openssl rand -hex 32`"
        )
    return key
