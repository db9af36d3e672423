"""Sources of audio: a file, standard input, or a microphone.

Standard input is first written to a temporary file, because formats such as MP4 can only be read with random access.
"""

import hashlib
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from merflow.errors import MediaError
from merflow.serving.decoding import Decoded, open_recording
from merflow.serving.microphone import open_microphone
from merflow.storage.local import output_errors


@dataclass(frozen=True)
class Source:
    """An open source.

    Attributes:
        name: Name for people.
        sound: Its audio.
        digest: SHA-256 of its content; None for a microphone.
        path: The file; None if there is no permanent one.
    """

    name: str
    sound: Decoded
    digest: str | None = None
    path: Path | None = None

    @property
    def film(self) -> Path | None:
        """The file if it has video."""
        return self.path if self.path is not None and self.sound.has_video else None


@contextmanager
def open_file(path: Path) -> Iterator[Source]:
    """Open a recording.

    Raises:
        MediaError: The file is missing, unreadable or not a recording, or has no audio.
        FeatureError: PyAV is not installed.
    """
    with open_recording(path) as sound:
        yield Source(path.name, sound, _digest(path), path)


@contextmanager
def open_input(stream: BinaryIO) -> Iterator[Source]:
    """Read standard input to its end, and open it.

    Raises:
        MediaError: It is empty or not a recording, or has no audio.
        OutputError: The disk with temporary files is full.
        FeatureError: PyAV is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="merflow-") as folder:
        path = Path(folder) / "standard input"
        with output_errors(path), path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        if not path.stat().st_size:
            raise MediaError("standard input is empty; pipe a recording into merflow listen -")
        with open_recording(path) as sound:
            sound.name = path.name
            yield Source(path.name, sound, _digest(path))


@contextmanager
def open_device(device: str | None, *, limit_s: float | None) -> Iterator[Source]:
    """Open a microphone. Ctrl-C stops it; a second Ctrl-C interrupts the command.

    Args:
        device: ``INPUT:DEVICE`` in FFmpeg's syntax; None for the system's default.
        limit_s: Seconds to record; None for no limit.

    Raises:
        MediaError: There is no such device.
        FeatureError: PyAV is not installed.
    """
    with _stopping() as stop, open_microphone(device, stop=stop, limit_s=limit_s) as sound:
        yield Source("microphone", sound)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
