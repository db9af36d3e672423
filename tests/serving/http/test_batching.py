"""Micro-batches of a real model: sizes, a request that fails, one that is given up, and the end."""

from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from merflow.inference.media_clips import Clip, Samples
from merflow.serving.answers import ClipPrediction
from merflow.serving.http.batching import Answers, MicroBatches
from merflow.serving.http.metrics import Metrics
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import Batching
from merflow.serving.media import open_clip
from merflow.serving.predictor import Predictor


@pytest.fixture
def clips(recordings: list[Path]) -> list[Clip]:
    return [open_clip(path, clip_id=path.name) for path in recordings]


def started(
    predictor: Predictor, seen: list[int], *, clips: int = 4, wait_ms: float = 300, queue: int = 100
) -> MicroBatches:
    """Start batches that note their sizes."""

    def observe(answers: Answers) -> None:
        seen.append(len(answers))

    batching = Batching(clips=clips, wait_ms=wait_ms)
    return MicroBatches(predictor, batching=batching, queue=queue, metrics=Metrics(predictor.model), observe=observe)


def submitted(batches: MicroBatches, clips: list[Clip]) -> Future[Answers]:
    """Queue clips."""
    return batches.submit(clips, groups=[None] * len(clips))


def test_requests_are_gathered_up_to_the_size_of_a_batch(predictor: Predictor, clips: list[Clip]) -> None:
    seen: list[int] = []
    batches = started(predictor, seen)
    asked = [submitted(batches, [clip]) for clip in clips]
    answers = [future.result(30)[0] for future in asked]
    assert [answer.clip_id for answer in answers] == [clip.clip_id for clip in clips]
    large = submitted(batches, clips).result(30)
    assert [answer.clip_id for answer in large] == [clip.clip_id for clip in clips]
    batches.close()
    assert seen == [4, 2, 6], "a request is never cut, even if it is larger than a batch"


def test_a_request_that_breaks_the_model_fails_alone(
    predictor: Predictor, clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    broken = Clip("broken", audio=Samples(np.array(["no", "sound"])))
    batches = started(predictor, [])
    good, bad, other = (submitted(batches, [clip]) for clip in (clips[0], broken, clips[1]))
    assert isinstance(good.result(30)[0], ClipPrediction)
    assert isinstance(other.result(30)[0], ClipPrediction)
    assert bad.exception(30) is not None
    batches.close()
    assert caplog.records


def test_what_was_given_up_is_not_predicted_and_what_waits_is_answered_at_the_end(
    predictor: Predictor, clips: list[Clip]
) -> None:
    seen: list[int] = []
    batches = started(predictor, seen, wait_ms=60_000)
    given_up, kept = (submitted(batches, [clip]) for clip in clips[:2])
    assert given_up.cancel()
    batches.close()
    assert isinstance(kept.result(0)[0], ClipPrediction)
    assert seen == [1]
    with pytest.raises(RefusedRequestError, match="shutting down"):
        submitted(batches, clips)


def test_a_full_queue_refuses(predictor: Predictor, clips: list[Clip]) -> None:
    batches = started(predictor, [], clips=50, wait_ms=60_000, queue=3)
    first = submitted(batches, clips[:2])
    with pytest.raises(RefusedRequestError, match="2 clips wait already, of 3"):
        submitted(batches, clips[:2])
    batches.close()
    assert len(first.result(0)) == 2
