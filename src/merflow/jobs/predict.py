"""Prediction of clips' emotions or scores; finished clips are remembered, so that the same command continues."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from merflow.contracts.clip_results import ClipResult, ClipResults
from merflow.contracts.params import TranscriptionParams
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.transcription.whisper import Whisper
from merflow.corpus.transcription.whisper_folder import find_whisper
from merflow.errors import ServingError
from merflow.inference.media_clips import Clip
from merflow.opening.open_model import open_model
from merflow.serving.answers import ClipAnswer, RefusedClip
from merflow.serving.clip_list import ClipList
from merflow.serving.exports.clip_csv import write_clips
from merflow.serving.opened_clips import OpenedClips
from merflow.serving.predictor import Predictor, ServedModel
from merflow.storage.line_journal import LineJournal, open_line_journal
from merflow.storage.local import digest

LIMIT_S = 600.0  # a longer recording is for `merflow listen`, which needs little memory at any length
BATCH = 32  # clips in memory at once
VERSION = 1  # increase it when predictions of the same clip change; part of a remembered clip's key


@dataclass(frozen=True)
class PredictRequest:
    """Clips, and the model that predicts them.

    Attributes:
        clips: The clips.
        model: Location of the model.
        out: CSV file for the results; None to write and remember nothing.
        transcription: Settings of Whisper; None for no transcription.
        tracking_uri: MLflow server or database of the model.
        encoders_folder: ``features.encoders_folder``.
        device: Device of the model: ``cpu``, ``cuda`` or ``auto``.
    """

    clips: ClipList
    model: str
    out: Path | None = None
    transcription: TranscriptionParams | None = None
    tracking_uri: str | None = None
    encoders_folder: str = ""
    device: str = "auto"


def predict(
    request: PredictRequest, *, progress: Progress | None = None, predictor: Predictor | None = None
) -> ClipResults:
    """Predict clips in batches, and write the table of results.

    A clip that cannot be read is set aside with the reason. With ``out``, finished clips are kept in a journal next to
    it, keyed by file digest and model version.

    Args:
        request: The clips, the model and the settings.
        progress: Notified of the clips that are done; None prints plain lines.
        predictor: The model, if it is already open.

    Raises:
        ServingError: ``model`` is not a model, or another process writes to the same ``out``.
        CorpusError: Whisper is missing, or does not support the language.
        OutputError: ``out`` cannot be written.
        MerflowError: See :func:`merflow.opening.open_model.open_model`.
    """
    opened = predictor or open_model(
        request.model, tracking_uri=request.tracking_uri, encoders_folder=request.encoders_folder, device=request.device
    )
    whisper = _whisper(request.transcription, opened.model)
    with _journal(request.out) as journal, tempfile.TemporaryDirectory(prefix="merflow-predict-") as folder:
        clips = OpenedClips(
            request.clips.clips,
            reach=opened.reach,
            limit_s=LIMIT_S,
            folder=Path(folder),
            transcribe=None if whisper is None else lambda parts: whisper.transcribe(whisper.prepare(parts)),
        )
        keys = [] if journal is None else _keys(request.clips, clips, opened.model, whisper)
        remembered = _Remembered(journal, keys)
        found = _predicted(request.clips, clips, opened, remembered, progress or plain_lines())
    results = ClipResults(
        model=opened.model.facts,
        remark=opened.model.remark,
        transcription=None if whisper is None else whisper.params.model,
        remembered=remembered.reused,
        ignored=request.clips.ignored,
        clips=tuple(found),
    )
    if request.out is not None:
        write_clips(request.out, results)
        say(f"predict: {len(results.predicted)} of {len(results.clips)} clips predicted; {request.out}")
    return results


class _Remembered:
    """Clips that an earlier run finished.

    Attributes:
        reused: Number of clips taken from it.
    """

    def __init__(self, journal: LineJournal | None, keys: Sequence[str]) -> None:
        self._journal = journal
        self._keys = keys
        self._known: dict[str, ClipResult] = {}
        self.reused = 0
        for entry in journal.entries if journal else ():
            match entry:
                case {"key": str(key), "clip": dict(clip)}:
                    try:
                        self._known[key] = ClipResult.model_validate(clip, strict=False)
                    except ValidationError:  # written by another version of merflow
                        continue

    def find(self, index: int, *, name: str) -> ClipResult | None:
        """Return the finished clip under its current name; None if it is not known."""
        known = self._known.get(self._keys[index]) if self._known else None
        if known is None:
            return None
        self.reused += 1
        return known.model_copy(update={"clip": name})

    def add(self, results: Sequence[tuple[int, ClipResult]]) -> None:
        """Write finished clips in one piece; refused ones are tried again next time."""
        if self._journal is not None:
            self._journal.add(
                [
                    {"key": self._keys[index], "clip": result.model_dump(mode="json")}
                    for index, result in results
                    if result.heard is not None and self._keys[index]
                ]
            )


def _predicted(
    listed: ClipList, clips: OpenedClips, predictor: Predictor, remembered: _Remembered, progress: Progress
) -> list[ClipResult]:
    names = [each.name for each in listed.clips]
    found = {
        index: known for index, name in enumerate(names) if (known := remembered.find(index, name=name)) is not None
    }
    todo = [index for index in range(len(names)) if index not in found]
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        opened = clips.open(batch)
        readable = [(index, clip) for index, clip in zip(batch, opened, strict=True) if isinstance(clip, Clip)]
        answers = predictor.predict(
            [clip for _, clip in readable], groups=[listed.clips[index].group for index, _ in readable]
        )
        made = {
            index: ClipResult(clip=names[index], refusal=reason)
            for index, reason in zip(batch, opened, strict=True)
            if isinstance(reason, str)
        }
        abstains = predictor.model.abstains
        made |= {
            index: _result(clip, answer, abstains=abstains)
            for (index, clip), answer in zip(readable, answers, strict=True)
        }
        remembered.add(list(made.items()))
        found |= made
        progress("predict", len(found), len(names))
    return [found[index] for index in range(len(names))]


def _result(clip: Clip, answer: ClipAnswer, *, abstains: bool) -> ClipResult:
    if isinstance(answer, RefusedClip):
        return ClipResult(clip=clip.clip_id, refusal=answer.reason)
    return ClipResult(
        clip=clip.clip_id,
        duration_s=answer.duration_s,
        text=clip.text if "text" in answer.modalities else None,
        heard=answer.heard(abstains=abstains),
    )


def _keys(listed: ClipList, clips: OpenedClips, model: ServedModel, whisper: Whisper | None) -> list[str]:
    """Return the key of everything that affects each clip's prediction; empty if a file cannot be read."""
    digests = [each.digest for each in listed.clips]
    shared = [VERSION, model.name, model.version, None if whisper is None else whisper.identity]
    keys = []
    for index, own in enumerate(digests):
        before, after = clips.around(index)
        around = [[digests[turn] for turn in turns] for turns in (before, after)]
        keys.append(digest([shared, own, around]) if own else "")
    return keys


@contextmanager
def _journal(out: Path | None) -> Iterator[LineJournal | None]:
    if out is None:
        yield None
        return
    path = out.with_name(f"{out.name}.journal")
    busy = ServingError(f"{path} is in use by another merflow predict; wait for it, or choose another --out")
    with open_line_journal(path, busy=busy) as journal:
        yield journal


def _whisper(params: TranscriptionParams | None, model: ServedModel) -> Whisper | None:
    if params is None:
        return None
    if "text" not in model.modalities:
        say(f"predict: {model.name} reads no words, so nothing is transcribed")
        return None
    return Whisper(find_whisper(params.model, revision=params.revision), params=params)
