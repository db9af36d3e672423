"""Settings of the HTTP server: its limits, and how it batches requests."""

from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of a request and of the server.

    Attributes:
        upload_mib: Largest body of a request, in MiB.
        clip_s: Longest clip, in seconds of decoded sound.
        recording_s: Longest recording that ``/listen`` accepts, in seconds.
        clips: Maximum number of clips per request.
        text_chars: Longest transcript, in characters.
        concurrency: Maximum number of requests that are read, decoded or answered at the same time.
        queue: Maximum number of clips waiting for the model.
        body_s: Longest time that a client may take to send its request, in seconds.
        answer_s: Longest time that a request may wait for the model, in seconds.
    """

    upload_mib: float = 32
    clip_s: float = 120
    recording_s: float = 1800
    clips: int = 64
    text_chars: int = 10_000
    concurrency: int = 64
    queue: int = 256
    body_s: float = 30
    answer_s: float = 60

    @property
    def upload_bytes(self) -> int:
        """Largest body of a request, in bytes."""
        return int(self.upload_mib * MIB)


@dataclass(frozen=True)
class Batching:
    """Micro-batches: clips from several requests that the model predicts together.

    Attributes:
        clips: Maximum number of clips per batch.
        wait_ms: Longest time that the first clip of a batch may wait for others, in milliseconds.
    """

    clips: int = 16
    wait_ms: float = 0


@dataclass(frozen=True)
class ServeSettings:
    """Settings of the server.

    Attributes:
        limits: Limits of requests.
        batching: Micro-batches.
        api_key: Key that requests must have; None to answer everybody.
        keep: Folder for answered requests; None to keep nothing.
        decoders: Number of decoding threads.
    """

    limits: Limits = Limits()
    batching: Batching = Batching()
    api_key: str | None = None
    keep: Path | None = None
    decoders: int = 2
