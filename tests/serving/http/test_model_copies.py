"""Copies of a real model in processes: the same answers, and what happens when one is killed."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.machine import usable_cores
from merflow.inference.media_clips import Clip, Samples, dialogue
from merflow.opening.open_model import open_model
from merflow.serving.answers import ClipPrediction
from merflow.serving.http.batching import MicroBatches
from merflow.serving.http.metrics import Metrics
from merflow.serving.http.model_copies import ModelCopy, model_copies, usual_workers
from merflow.serving.http.settings import Batching
from merflow.serving.media import open_clip
from merflow.serving.predictor import Predictor
from tests.serving.http.running import running


@pytest.fixture(scope="module")
def opener(ensemble: Path) -> Callable[[], Predictor]:
    return partial(open_model, str(ensemble), device="cpu")


@pytest.fixture(scope="module")
def copy(opener: Callable[[], Predictor], predictor: Predictor) -> Iterator[ModelCopy]:
    with model_copies(opener, predictor.model, count=1) as (one,):
        yield one


@pytest.fixture
def clips(recordings: list[Path], predictor: Predictor) -> list[Clip]:
    """Return turns of a dialogue."""
    opened = [open_clip(path, clip_id=path.name, text=f"turn {path.stem}") for path in recordings]
    return dialogue(opened, reach=predictor.reach)


def processes() -> set[BaseProcess]:
    """Return the processes of models."""
    return {each for each in multiprocessing.active_children() if each.name == "merflow model"}


def test_a_copy_answers_as_the_model_does_to_the_last_bit(
    copy: ModelCopy, predictor: Predictor, clips: list[Clip]
) -> None:
    groups = ["F", "M", None, None, "F", "M"]
    expected = predictor.predict(clips, groups=groups)
    assert copy.predict(clips, groups=groups) == expected


def test_a_clip_that_breaks_the_model_leaves_the_process_alive(copy: ModelCopy, clips: list[Clip]) -> None:
    broken = Clip("broken", audio=Samples(np.array(["no", "sound"])))
    before = processes()
    with pytest.raises(RuntimeError, match="could not convert string to float"):
        copy.predict([broken], groups=[None])
    assert processes() == before
    assert copy.predict(clips[:1], groups=[None])


def test_a_signal_to_the_whole_group_does_not_end_a_copy(copy: ModelCopy, clips: list[Clip]) -> None:
    copy.start()
    (process,) = processes()
    assert process.pid is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(process.pid, number)
    assert copy.predict(clips[:1], groups=[None])
    assert processes() == {process}


def test_a_killed_process_is_replaced(copy: ModelCopy, predictor: Predictor, clips: list[Clip]) -> None:
    copy.start()
    (process,) = processes()
    process.kill()
    with pytest.raises(RuntimeError, match="ended with exit code -9"):
        copy.predict(clips[:1], groups=[None])
    expected = predictor.predict(clips[:1])
    assert copy.predict(clips[:1], groups=[None]) == expected


def test_requests_of_a_killed_process_are_answered_or_fail_visibly(
    opener: Callable[[], Predictor], predictor: Predictor, clips: list[Clip]
) -> None:
    before = processes()
    with model_copies(opener, predictor.model, count=1) as (one,):
        one.start()
        batches = MicroBatches(
            predictor, batching=Batching(clips=4), queue=100, metrics=Metrics(predictor.model), copies=[one]
        )
        asked = [batches.submit(clips[:1], groups=[None]) for _ in range(40)]
        (process,) = processes() - before
        process.kill()
        failed = [each for each in asked if each.exception(600) is not None]
        assert len(failed) <= 1, "only a request that was alone in the process may fail"
        batches.close()
    assert processes() == before


def test_one_client_never_waits_for_a_copy(
    opener: Callable[[], Predictor], predictor: Predictor, clips: list[Clip]
) -> None:
    before = processes()
    with model_copies(opener, predictor.model, count=1) as (one,):
        one.start()
        (process,) = processes() - before
        process.kill()  # it would fail a request that is alone
        batches = MicroBatches(
            predictor, batching=Batching(clips=4), queue=100, metrics=Metrics(predictor.model), copies=[one]
        )
        for _ in range(20):
            (answer,) = batches.submit(clips[:1], groups=[None]).result(60)
            assert isinstance(answer, ClipPrediction)
        batches.close()


def test_a_server_answers_with_all_copies_and_leaves_none(
    opener: Callable[[], Predictor], predictor: Predictor, recordings: list[Path]
) -> None:
    before = processes()
    with model_copies(opener, predictor.model, count=1) as copies:
        copies[0].start()
        with running(predictor, copies=copies) as server:
            files = [("file", path.name, path.read_bytes()) for path in recordings]
            expected = server.upload("/predict", *files).json["predictions"]
            with ThreadPoolExecutor(8) as clients:
                found = list(
                    clients.map(lambda file: server.upload("/predict", file).json["predictions"][0], 4 * files)
                )
            for one, other in zip(found, 4 * expected, strict=True):
                assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
        assert len(processes() - before) == 1
    assert processes() == before


def test_a_process_that_finds_another_model_does_not_start(
    opener: Callable[[], Predictor], predictor: Predictor
) -> None:
    earlier = replace(predictor.model, version="earlier")
    with (
        model_copies(opener, earlier, count=1) as (one,),
        pytest.raises(RuntimeError, match=r"version earlier, but now .* is in its place; start the server again"),
    ):
        one.start()


def test_as_many_workers_as_cores_and_memory_allow() -> None:
    assert 1 <= usual_workers(on_gpu=False) <= min(4, usable_cores())
    assert usual_workers(on_gpu=True) == 1
