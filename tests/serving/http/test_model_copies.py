"""Copies of a real model in processes: the same answers, and what happens when one is killed."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import psutil
import pytest

from merflow.contracts.machine import usable_cores
from merflow.inference.media_clips import Clip, Samples, dialogue
from merflow.serving.clip_checks import Measured
from merflow.serving.http.batching import MicroBatches
from merflow.serving.http.metrics import Metrics
from merflow.serving.http.model_copies import ModelCopy, model_copies, usual_workers
from merflow.serving.http.settings import Batching, ServeSettings
from merflow.serving.media import open_clip
from merflow.serving.predictor import Predictor
from tests.serving.http.running import running


@pytest.fixture(scope="module")
def copy(predictor: Predictor) -> Iterator[ModelCopy]:
    with model_copies(predictor, count=1) as (one,):
        yield one


@pytest.fixture
def clips(recordings: list[Path], predictor: Predictor) -> list[Clip]:
    """Return turns of a dialogue."""
    opened = [open_clip(path, clip_id=path.name, text=f"turn {path.stem}") for path in recordings]
    return dialogue(opened, reach=predictor.reach)


def measured(predictor: Predictor, clips: Sequence[Clip]) -> list[Future[Measured]]:
    found: list[Future[Measured]] = []
    for clip in clips:
        found.append(Future())
        found[-1].set_result(predictor.measure(clip))
    return found


def children() -> list[psutil.Process]:
    """Return the processes of models."""
    return [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]


def kill(number: int = 0) -> None:
    """Kill a process of a model, as a machine without memory does."""
    process = children()[number]
    os.kill(process.pid, signal.SIGKILL)


def test_a_copy_answers_as_the_model_does_to_the_last_bit(
    copy: ModelCopy, predictor: Predictor, clips: list[Clip]
) -> None:
    groups = ["F", "M", None, None, "F", "M"]
    expected = predictor.predict(clips, groups=groups)
    assert copy.predict(clips, groups=groups, measured=measured(predictor, clips)) == expected


def test_a_clip_that_breaks_the_model_leaves_the_process_alive(
    copy: ModelCopy, predictor: Predictor, clips: list[Clip]
) -> None:
    broken = Clip("broken", audio=Samples(np.array(["no", "sound"])))
    before = children()
    with pytest.raises(RuntimeError, match="could not convert string to float"):
        copy.predict([broken], groups=[None], measured=measured(predictor, clips[:1]))
    assert children() == before
    assert copy.predict(clips[:1], groups=[None], measured=measured(predictor, clips[:1]))


def test_a_signal_to_the_whole_group_does_not_end_a_copy(
    copy: ModelCopy, predictor: Predictor, clips: list[Clip]
) -> None:
    copy.start()
    (process,) = children()
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(process.pid, number)
    assert copy.predict(clips[:1], groups=[None], measured=measured(predictor, clips[:1]))
    assert children() == [process]


def test_a_killed_process_is_replaced(copy: ModelCopy, predictor: Predictor, clips: list[Clip]) -> None:
    copy.start()
    kill()
    with pytest.raises(RuntimeError, match="ended with exit code -9"):
        copy.predict(clips[:1], groups=[None], measured=measured(predictor, clips[:1]))
    expected = predictor.predict(clips[:1])
    assert copy.predict(clips[:1], groups=[None], measured=measured(predictor, clips[:1])) == expected


def test_requests_of_a_killed_process_are_predicted_again(predictor: Predictor, clips: list[Clip]) -> None:
    with model_copies(predictor, count=1) as copies:
        copies[0].start()
        kill()
        batches = MicroBatches(
            predictor, batching=Batching(clips=1), queue=100, metrics=Metrics(predictor.model), copies=copies
        )
        asked = [
            batches.submit(clips[:2], groups=[None] * 2, measured=measured(predictor, clips[:2])) for _ in range(20)
        ]
        failed = [each for each in asked if each.exception(60) is not None]
        assert len(failed) <= 1, "only the request that the process was working on may fail"
        batches.close()
    assert not children()


def test_a_server_with_copies_answers_with_all_of_them_and_leaves_none(
    predictor: Predictor, recordings: list[Path]
) -> None:
    with model_copies(predictor, count=2) as copies:
        for each in copies:
            each.start()
        with running(predictor, ServeSettings(), copies=copies) as server:
            files = [("file", path.name, path.read_bytes()) for path in recordings]
            reply = server.upload("/predict", *files)
            alone = [server.upload("/predict", each).json["predictions"][0] for each in files]
            assert [each["clip"] for each in reply.json["predictions"]] == [path.name for path in recordings]
            for one, other in zip(reply.json["predictions"], alone, strict=True):
                assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
        assert len(children()) == 2
    assert not children()


def test_as_many_workers_as_cores_and_memory_allow(predictor: Predictor) -> None:
    assert 1 <= usual_workers(predictor) <= min(4, usable_cores())
