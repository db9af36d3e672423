"""From a request's bytes to answers: clips are decoded in a few threads and predicted in micro-batches."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from merflow.errors import MediaError, MerflowError, TooLongError
from merflow.inference.media_clips import Clip, dialogue
from merflow.serving.answers import Predicted, RefusedClip
from merflow.serving.http.batching import Answers, MicroBatches
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import ServeSettings
from merflow.serving.media import open_clip
from merflow.serving.predictor import Predictor

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class ClipRequest:
    """A clip as given in a request.

    Attributes:
        clip_id: Its name in the answer.
        audio: Bytes of a media file with its audio.
        video: Bytes of a media file with its video, and with its audio if ``audio`` is missing.
        text: The words.
        group: The speaker's group, such as the gender, which selects the threshold of the set.
        dialogue: Name of the dialogue, whose turns are in the order of the request.
    """

    clip_id: str
    audio: bytes | None = None
    video: bytes | None = None
    text: str | None = None
    group: str | None = None
    dialogue: str | None = None


class Answering:
    """The pipeline from a request's clips to answers."""

    def __init__(self, predictor: Predictor, batches: MicroBatches, settings: ServeSettings) -> None:
        self.predictor, self.settings = predictor, settings
        self._batches = batches
        self._decoders = ThreadPoolExecutor(settings.decoders, thread_name_prefix="merflow-decode")

    async def answer(self, asked: Sequence[ClipRequest]) -> Answers:
        """Return one answer per clip; if a clip cannot be read, only that one is refused.

        Raises:
            RefusedRequestError: The only clip, or all of them, cannot be read; or the server is full or too slow.
        """
        with _folder(asked) as folder:
            opened = await self._open(asked, folder)
            clips = [clip for clip in opened if isinstance(clip, Clip)]
            if not clips:
                first = next(refusal for refusal in opened if isinstance(refusal, RefusedRequestError))
                raise RefusedRequestError(first.reason, f"{asked[0].clip_id}: {first}")
            places = [place for place, clip in enumerate(opened) if isinstance(clip, Clip)]
            clips = _with_turns(clips, [asked[place].dialogue for place in places], reach=self.predictor.reach)
            found = await self.predict(clips, groups=[asked[place].group for place in places])
        answered = dict(zip(places, found, strict=True))
        answers: Answers = [
            answered.get(place) or RefusedClip(one.clip_id, str(opened[place])) for place, one in enumerate(asked)
        ]
        if all(isinstance(answer, RefusedClip) for answer in answers):
            all_answered(answers)
        return answers

    async def predict(self, clips: Sequence[Clip], *, groups: Sequence[str | None]) -> Answers:
        """Return the model's answers to opened clips.

        Raises:
            RefusedRequestError: The queue is full, the model takes too long or fails, or the server shuts down.
        """
        waits = asyncio.wrap_future(self._batches.submit(clips, groups=groups))
        try:
            return await asyncio.wait_for(waits, self.settings.limits.answer_s)
        except TimeoutError as error:
            raise RefusedRequestError(
                "timeout", f"the model did not answer within {self.settings.limits.answer_s:g} s; try again later"
            ) from error
        except MerflowError as error:
            raise RefusedRequestError("unreadable", str(error)) from error
        except Exception as error:
            raise RefusedRequestError(
                "failed", "the model failed on this request; the server's log says why"
            ) from error

    async def decoded(self, work: Callable[[], _Result]) -> _Result:
        """Run ``work`` in a decoding thread and return its result, so that probes are still answered.

        Raises:
            RefusedRequestError: ``work`` raises it, or an error of a media file.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._decoders, work)
        except RefusedRequestError:
            raise
        except TooLongError as error:
            raise RefusedRequestError("too-long", str(error)) from error
        except MediaError as error:
            raise RefusedRequestError("not-media", str(error)) from error
        except MerflowError as error:
            raise RefusedRequestError("unreadable", str(error)) from error

    async def _open(self, asked: Sequence[ClipRequest], folder: Path | None) -> list[Clip | RefusedRequestError]:
        async def opened(one: ClipRequest) -> Clip | RefusedRequestError:
            try:
                return await self.decoded(lambda: self.open(one, folder=folder))
            except RefusedRequestError as error:
                return error

        return list(await asyncio.gather(*map(opened, asked)))

    def open(self, one: ClipRequest, *, folder: Path | None, limit_s: float | None = None) -> Clip:
        """Return a clip with its audio in memory and, if the model reads video, its video in ``folder``.

        A request without video needs no folder.

        Raises:
            MediaError: A file cannot be read.
            TooLongError: It is too long.
        """
        limit_s = self.settings.limits.clip_s if limit_s is None else limit_s
        looks = "video" in self.predictor.model.modalities
        clip = Clip(one.clip_id, text=one.text)
        if one.video is not None and (looks or one.audio is None):
            # A separate folder, because several threads open the clips of one request.
            own = Path(tempfile.mkdtemp(dir=folder)) if looks else None
            clip = open_clip(one.video, clip_id=one.clip_id, text=one.text, limit_s=limit_s, folder=own)
        if one.audio is not None:
            heard = open_clip(one.audio, clip_id=one.clip_id, text=one.text, limit_s=limit_s)
            clip = replace(clip, audio=heard.audio)
        return clip

    def close(self) -> None:
        """Answer waiting requests, and end all threads."""
        self._decoders.shutdown(wait=True, cancel_futures=True)
        self._batches.close()


def all_answered(answers: Answers) -> list[Predicted]:
    """Return the predictions.

    Raises:
        RefusedRequestError: One of the answers is a refusal.
    """
    for answer in answers:
        if isinstance(answer, RefusedClip):
            raise RefusedRequestError("unreadable", f"{answer.clip_id}: {answer.reason}")
    return [answer for answer in answers if not isinstance(answer, RefusedClip)]


@contextmanager
def _folder(asked: Sequence[ClipRequest]) -> Iterator[Path | None]:
    """Yield a folder for the videos of a request; None if it has no videos, because creating a folder takes time."""
    if all(one.video is None for one in asked):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="merflow-serve-") as folder:
        yield Path(folder)


def _with_turns(clips: Sequence[Clip], dialogues: Sequence[str | None], *, reach: int) -> list[Clip]:
    """Return the clips, each with the neighbouring turns of its dialogue."""
    joined = list(clips)
    for name in {name for name in dialogues if name is not None}:
        rows = [row for row, value in enumerate(dialogues) if value == name]
        for row, clip in zip(rows, dialogue([clips[row] for row in rows], reach=reach), strict=True):
            joined[row] = clip
    return joined
