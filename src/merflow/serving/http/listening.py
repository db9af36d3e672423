"""A recording as a whole and in parts."""

from pathlib import Path

from merflow.corpus.samples import RATE_HZ
from merflow.inference.media_clips import Samples
from merflow.serving.http.answering import ClipRequest
from merflow.serving.http.records import Answer, Listened, Segment
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.service import Service
from merflow.serving.http.timeline import envelope, windows


async def listen(service: Service, asked: ClipRequest, *, folder: Path) -> Listened:
    """Return the answers to a recording and to its parts.

    The words of the request are those of the whole; parts are predicted from their sound. A recording longer than the
    longest clip has no answer as a whole.

    Args:
        service: The server.
        asked: One file.
        folder: An empty folder for its video.

    Raises:
        RefusedRequestError: It cannot be read, has no sound, is too long, or the server has no room or time.
    """
    limits, answering = service.settings.limits, service.answering
    clip = await answering.decoded(lambda: answering.open(asked, folder=folder, limit_s=limits.recording_s))
    if not isinstance(clip.audio, Samples):
        raise RefusedRequestError("not-media", f"{asked.clip_id} has no sound; use /predict for video alone")
    samples = clip.audio.values
    duration_s = len(samples) / RATE_HZ
    whole = None
    if duration_s <= limits.clip_s:
        whole = Answer.of((await answering.predict([clip], groups=[asked.group]))[0])
    parts = windows(samples) if "audio" in service.model.modalities else ()
    segments = []
    for start in range(0, len(parts), service.settings.batching.clips):
        batch = parts[start : start + service.settings.batching.clips]
        answers = await answering.predict([part.clip for part in batch], groups=[asked.group] * len(batch))
        segments += [
            Segment(start_s=part.start_s, end_s=part.end_s, answer=Answer.of(answer))
            for part, answer in zip(batch, answers, strict=True)
        ]
    return Listened(
        model=service.name,
        version=service.model.version,
        duration_s=duration_s,
        whole=whole,
        segments=segments,
        envelope=envelope(samples),
    )
