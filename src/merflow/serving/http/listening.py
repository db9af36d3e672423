"""Answers for a whole recording and for its stretches of speech."""

from pathlib import Path

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.inference.media_clips import Clip, Samples, dialogue
from merflow.serving.http.answering import ClipRequest
from merflow.serving.http.records import Record
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.service import Service
from merflow.serving.http.speech_parts import envelope, speech_parts

_FEWEST = 2  # stretches; a single one would be the clip itself


async def listen(service: Service, asked: ClipRequest, *, folder: Path) -> Record:
    """Return the answers for a recording and for its stretches of speech.

    The words in the request belong to the whole recording; stretches are predicted from their audio. A recording that
    exceeds the clip limit has no answer as a whole.

    Args:
        service: The server.
        asked: One file.
        folder: An empty folder for its video.

    Raises:
        RefusedRequestError: It cannot be read, has no audio, is too long, or the server is full or too slow.
    """
    limits, answering = service.settings.limits, service.answering
    clip = await answering.decoded(lambda: answering.open(asked, folder=folder, limit_s=limits.recording_s))
    if not isinstance(clip.audio, Samples):
        raise RefusedRequestError("not-media", f"{asked.clip_id} has no sound; use /predict for video alone")
    samples = clip.audio.values
    duration_s = len(samples) / RATE_HZ
    whole = None
    if duration_s <= limits.clip_s:
        whole = service.records.answer.of((await answering.predict([clip], groups=[asked.group]))[0])
    segments = await _segments(service, samples, group=asked.group) if "audio" in service.model.modalities else []
    listened: Record = service.records.listened(
        model=service.name,
        version=service.model.version,
        duration_s=duration_s,
        whole=whole,
        segments=segments,
        envelope=await answering.decoded(lambda: envelope(samples)),
    )
    return listened


async def _segments(service: Service, samples: np.ndarray, *, group: str | None) -> list[Record]:
    """Return the answers for the stretches of speech; none if there is only one stretch.

    A model with dialogue context reads the neighbouring stretches, as in ``merflow listen``.
    """
    answering, size = service.answering, service.settings.batching.clips
    parts = await answering.decoded(lambda: speech_parts(samples))
    if len(parts) < _FEWEST:
        return []
    turns = dialogue(
        [Clip(f"{part.start_s:.2f} s", audio=Samples(part.samples)) for part in parts], reach=service.predictor.reach
    )
    records, segments = service.records, list[Record]()
    for start in range(0, len(parts), size):
        batch = turns[start : start + size]
        answers = await answering.predict(batch, groups=[group] * len(batch))
        segments += [
            records.segment(start_s=part.start_s, end_s=part.end_s, answer=records.answer.of(answer))
            for part, answer in zip(parts[start : start + size], answers, strict=True)
        ]
    return segments
