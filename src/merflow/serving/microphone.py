"""The audio of a microphone, until it is stopped. A thread records ahead, so that a slow model misses nothing."""

import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.errors import MediaError
from merflow.features.media.frames import library
from merflow.serving.decoding import Decoded, opened

# FFmpeg's name of the system's audio input, and the name of its default device.
_SYSTEM_DEVICES = {"linux": ("alsa", "default"), "darwin": ("avfoundation", ":default")}
# PyAV's wheels bundle an ALSA that looks for its configuration in the wrong place.
_ALSA_CONFIGURATION = Path("/usr/share/alsa/alsa.conf")
_PATIENCE_S = 5.0  # for a device that delivers no more audio
_MOST_WAITING = 20_000  # blocks of about 20 ms: several minutes, below 30 MB


@contextmanager
def open_microphone(device: str | None, *, stop: threading.Event, limit_s: float | None = None) -> Iterator[Decoded]:
    """Open a microphone.

    Args:
        device: ``INPUT:DEVICE`` in FFmpeg's syntax, such as ``alsa:hw:1``; None for the system's default.
        stop: Event that ends the recording when it is set.
        limit_s: Seconds to record; None for no limit.

    Raises:
        MediaError: There is no such device.
        FeatureError: PyAV is not installed.
    """
    form, name = _named(device)
    av = library()
    if form == "alsa" and _ALSA_CONFIGURATION.is_file():
        os.environ.setdefault("ALSA_CONFIG_PATH", str(_ALSA_CONFIGURATION))
    try:
        container = av.open(name, format=form)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(
            f"no microphone at {form}:{name} ({reason}); plug one in, or name it: --input alsa:hw:1"
        ) from error
    with container:
        microphone = _Microphone(opened(container, name=f"{form}:{name}"), stop=stop, limit_s=limit_s)
        try:
            yield microphone
        finally:
            microphone.end()


def _named(device: str | None) -> tuple[str, str]:
    """Return FFmpeg's names of the input and its device."""
    if device is None:
        if sys.platform not in _SYSTEM_DEVICES:
            raise MediaError("the microphone's name is unknown on this system; name it: --input dshow:audio=NAME")
        return _SYSTEM_DEVICES[sys.platform]
    form, separator, name = device.partition(":")
    if not separator or not name:
        raise MediaError(f"--input {device} is not INPUT:DEVICE; for example --input alsa:hw:1")
    if form not in library().formats_available:
        raise MediaError(f"the PyAV that is installed has no input {form!r}; on Linux, use alsa")
    return form, name


class _Microphone(Decoded):
    """An open microphone that records in its own thread."""

    def __init__(self, sound: Decoded, *, stop: threading.Event, limit_s: float | None) -> None:
        super().__init__(sound.name, sound.container, sound.stream, expected_s=None, origin_s=0.0)
        self._stop = stop
        self._most = None if limit_s is None else round(limit_s * RATE_HZ)
        self._waiting: queue.Queue[Any] = queue.Queue()
        self._recorder = threading.Thread(target=self._record, daemon=True)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the recorded audio until the microphone is stopped."""
        self._recorder.start()
        while True:
            block = self._waiting.get()
            if isinstance(block, BaseException):
                raise block
            if block is None:
                break
            yield block

    def end(self) -> None:
        """Stop recording; the device may then be closed."""
        self._stop.set()
        if self._recorder.is_alive():
            self._recorder.join(_PATIENCE_S)

    def _record(self) -> None:
        try:
            for block in super().blocks():
                if self._waiting.qsize() < _MOST_WAITING:
                    self._waiting.put(block)
                else:
                    self._damage("the model is slower than the microphone; sound was lost")
                if self._stop.is_set() or (self._most is not None and self.n_samples >= self._most):
                    break
            self._waiting.put(None)
        except BaseException as error:
            self._waiting.put(error)

    def _gap(self, frame: Any, sounded_s: float) -> float:  # noqa: ANN401, ARG002 - av has no types
        """Return 0, because a device's timestamps may start anywhere."""
        return 0.0
