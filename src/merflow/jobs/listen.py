"""Listening to a recording or a microphone: segments, emotions or scores, a page, and files for other programs."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from merflow.contracts.listening_results import (
    LISTENING,
    DamagedSound,
    HeardSegment,
    ListeningResults,
    ListeningSpeed,
    SegmentSettings,
    write_listening,
)
from merflow.contracts.params import TranscriptionParams
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.samples import RATE_HZ
from merflow.corpus.transcription.whisper import Whisper
from merflow.corpus.transcription.whisper_folder import find_whisper
from merflow.opening.open_model import open_model
from merflow.serving.exports.audacity import write_labels
from merflow.serving.exports.elan import write_elan
from merflow.serving.exports.table import write_csv
from merflow.serving.listen_page.page import write_page
from merflow.serving.listening import BATCH, Listener
from merflow.serving.playback import playback_copy
from merflow.serving.predictor import Predictor
from merflow.serving.remembered import open_remembered
from merflow.serving.sources import Source, open_device, open_file, open_input
from merflow.serving.speech import IDENTITY
from merflow.serving.timeline import HALF_LIFE_S, smoothed
from merflow.serving.waveform import Waveform
from merflow.storage.local import digest, replacing

PAGE, SOUND, JOURNAL = "listening.html", "sound.mp3", "journal.jsonl"
TABLE, ELAN, LABELS = "segments.csv", "segments.eaf", "labels.txt"
EMBEDDED_BYTES = 15_000_000  # about an hour; a larger page is slow to open
VERSION = 1  # increase it when segments of the same recording change; part of the journal's key


@dataclass(frozen=True)
class ListenRequest:
    """A recording to listen to, with the settings.

    Attributes:
        recording: The file; ``-`` for standard input; None for a microphone.
        model: Location of the model.
        out: Folder of the results.
        command: Command to print on the page.
        microphone: Microphone, ``INPUT:DEVICE``; None for the default one.
        limit_s: Seconds to record from a microphone; None for no limit.
        settings: Rules for segments.
        half_life_s: Half-life of the smoothing.
        sound: If false, the page has no playback, and no audio is kept.
        transcription: Settings of Whisper; None for no transcription.
        tracking_uri: MLflow server or database of the model.
        encoders_folder: ``features.encoders_folder``.
        device: Device of the models: ``cpu``, ``cuda`` or ``auto``.
    """

    recording: Path | None
    model: str
    out: Path
    command: str
    microphone: str | None = None
    limit_s: float | None = None
    settings: SegmentSettings = field(default_factory=SegmentSettings)
    half_life_s: float = HALF_LIFE_S
    sound: bool = True
    transcription: TranscriptionParams | None = None
    tracking_uri: str | None = None
    encoders_folder: str = ""
    device: str = "auto"

    def source(self) -> AbstractContextManager[Source]:
        """Return the audio source, to be opened."""
        if self.recording is None:
            return open_device(self.microphone, limit_s=self.limit_s)
        if str(self.recording) == "-":
            return open_input(sys.stdin.buffer)
        return open_file(self.recording)


def listen(
    request: ListenRequest,
    *,
    progress: Progress | None = None,
    tell_segment: Callable[[HeardSegment], None] = lambda _segment: None,
    predictor: Predictor | None = None,
) -> tuple[ListeningResults, Path]:
    """Find the speech in a recording, predict each segment, and write page, tables and labels.

    Finished segments are written to a journal, so that an interrupted run continues after its last finished batch.

    Args:
        request: The recording, the model and the settings.
        progress: Notified of the seconds processed; None prints plain lines.
        tell_segment: Notified of each segment when it is predicted.
        predictor: The model, if it is already open.

    Returns:
        The results, and the path of the page.

    Raises:
        MediaError: The recording or microphone cannot be read.
        ServingError: ``model`` is not a model, or another process uses the same ``out``.
        CorpusError: Whisper is missing, or does not support the language.
        FeatureError: silero-vad, PyAV or an encoder is not installed.
        OutputError: ``out`` cannot be written.
    """
    if request.recording is None:  # a microphone must not wait for its model
        predictor = predictor or _model(request)
    with request.source() as source:
        opened = predictor or _model(request)
        whisper = _whisper(request.transcription)
        started = time.monotonic()
        with ExitStack() as stack:
            heard = _heard(request, source, opened, whisper, stack, progress or plain_lines(), tell_segment)
            seconds = time.monotonic() - started
            results = _results(request, source, opened, whisper, heard, seconds)
        page = _write(request, source, results, heard.waveform)
    speed = results.speed
    say(
        f"listen {results.recording}: {len(results.segments)} segment(s); {results.duration_s:.0f} s of sound in "
        f"{speed.seconds:.0f} s, real-time factor {speed.real_time_factor:.3f}; {page}"
    )
    return results, page


@dataclass(frozen=True)
class _Heard:
    """Outcome of one pass over the audio."""

    segments: list[HeardSegment]
    waveform: Waveform
    reused: int


def _heard(
    request: ListenRequest,
    source: Source,
    predictor: Predictor,
    whisper: Whisper | None,
    stack: ExitStack,
    progress: Progress,
    tell_segment: Callable[[HeardSegment], None],
) -> _Heard:
    """Listen to the end; the copy of the audio is complete when the stack closes."""
    journal = None if source.digest is None else request.out / JOURNAL
    remembered = stack.enter_context(open_remembered(journal, key=_key(request, source, predictor, whisper)))
    copy = None
    if request.sound:
        copy = stack.enter_context(playback_copy(stack.enter_context(replacing(request.out / SOUND))))
    reads_film = "video" in predictor.model.modalities
    listener = Listener(
        predictor,
        request.settings,
        transcribe=None if whisper is None else lambda parts: whisper.transcribe(whisper.prepare(parts)),
        film=source.film if reads_film else None,
        batch=1 if request.recording is None else BATCH,
    )
    expected_s = source.sound.expected_s

    def tell(heard_s: float) -> None:
        progress("listen", int(heard_s), int(max(heard_s, expected_s or 0.0)) + 1)

    segments, waveform = listener.listen(
        source.sound.blocks(), remembered=remembered, copy=copy, tell=tell, tell_segment=tell_segment
    )
    heard_s = int(source.sound.n_samples / RATE_HZ)
    progress("listen", heard_s, heard_s)
    return _Heard(segments, waveform, remembered.reused)


def _model(request: ListenRequest) -> Predictor:
    return open_model(
        request.model, tracking_uri=request.tracking_uri, encoders_folder=request.encoders_folder, device=request.device
    )


def _whisper(params: TranscriptionParams | None) -> Whisper | None:
    return None if params is None else Whisper(find_whisper(params.model, revision=params.revision), params=params)


def _key(request: ListenRequest, source: Source, predictor: Predictor, whisper: Whisper | None) -> str:
    """Return the key of everything that affects a segment's prediction."""
    return digest(
        {
            "version": VERSION,
            "recording": source.digest,
            "model": [predictor.model.name, predictor.model.version],
            "settings": request.settings.model_dump(),
            "speech": IDENTITY,
            "words": None if whisper is None else whisper.identity,
        }
    )


def _results(
    request: ListenRequest,
    source: Source,
    predictor: Predictor,
    whisper: Whisper | None,
    heard: _Heard,
    seconds: float,
) -> ListeningResults:
    duration_s = source.sound.n_samples / RATE_HZ
    return ListeningResults(
        recording=source.name,
        digest=source.digest,
        duration_s=duration_s,
        model=predictor.model.facts,
        settings=request.settings,
        half_life_s=request.half_life_s,
        transcription=None if whisper is None else whisper.params.model,
        segments=smoothed(heard.segments, half_life_s=request.half_life_s),
        damaged=tuple(DamagedSound(at_s=each.at_s, reason=each.reason) for each in source.sound.damaged),
        n_damaged=source.sound.n_damaged,
        speed=ListeningSpeed(
            seconds=seconds, real_time_factor=seconds / max(duration_s, 1e-9), remembered=heard.reused
        ),
    )


def _write(request: ListenRequest, source: Source, results: ListeningResults, waveform: Waveform) -> Path:
    """Write all files; the audio of a short recording is embedded in the page, that of a longer one is next to it."""
    out, sound = request.out, request.out / SOUND
    embeds = request.sound and source.path is not None and sound.stat().st_size <= EMBEDDED_BYTES
    kept = request.sound and not embeds
    write_listening(out, results)
    write_csv(out / TABLE, results)
    write_elan(out / ELAN, results, media=source.path or (sound if kept else None))
    write_labels(out / LABELS, results)
    described = {
        TABLE: "one row per segment",
        ELAN: "for ELAN",
        LABELS: "for Audacity: File, Import, Labels",
        LISTENING: "all results, for programs",
    }
    write_page(
        out / PAGE,
        results,
        waveform=waveform,
        embedded=sound if embeds else None,
        beside=SOUND if kept else None,
        files_beside=described | ({SOUND: "the sound that this page plays; keep the two together"} if kept else {}),
        command=request.command,
    )
    if embeds:
        sound.unlink()
    return out / PAGE
