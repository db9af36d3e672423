"""Copies of the model in other processes, which predict in parallel.

Threads share Python's global interpreter lock, and extracting features in many small steps holds it most of the time.
Each process loads the model itself, because not every network can be pickled. It does not start if it finds another
model, such as a newer champion.
"""

import multiprocessing
import os
import pickle
import resource
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from merflow.contracts.machine import free_memory_gib, usable_cores
from merflow.contracts.processes import interrupts_ignored, when_parent_ends
from merflow.errors import MerflowError, ServingError
from merflow.inference.media_clips import Clip
from merflow.serving.answers import ClipAnswer
from merflow.serving.predictor import Predictor, ServedModel

_MOST = 4  # workers that a server has by default; one process speaks HTTP for all of them


class ModelCopy:
    """A process that predicts, and its replacement if it ends. Only one thread at a time may use it."""

    def __init__(self, opener: Callable[[], Predictor], model: ServedModel) -> None:
        """Start the process, and return before it is ready.

        Args:
            opener: Opens the model; must be picklable.
            model: The model that it must find.
        """
        self._opener, self._model = opener, model
        self._is_ready = self._is_closed = False
        self._start_process()

    def start(self) -> None:
        """Wait until the process is ready; start a new one if it has ended.

        Raises:
            RuntimeError: It ends before it is ready, or does not find the model.
        """
        if self._is_ready:
            return
        if self._pipe.closed:
            self._start_process()
        try:
            self._pipe.send_bytes(pickle.dumps((self._opener, self._model)))
            problem = pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if problem:
            self._ended()
            raise RuntimeError(problem)
        self._is_ready = True

    def predict(self, clips: Sequence[Clip], *, groups: Sequence[str | None]) -> list[ClipAnswer]:
        """Return one answer per clip; arguments as :meth:`merflow.serving.predictor.Predictor.predict` takes them.

        Raises:
            ServingError: The model refuses the clips.
            RuntimeError: The model fails, or the process ends.
        """
        self.start()
        try:
            self._pipe.send_bytes(pickle.dumps((clips, groups)))
            kind, content = pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if kind == "refused":
            raise ServingError(content)
        if kind == "failed":
            raise RuntimeError(f"the model failed in its process:\n{content}")
        answers: list[ClipAnswer] = content
        return answers

    def close(self) -> None:
        """End the process; it leaves nothing behind."""
        self._is_closed = True
        self._process.kill()
        self._process.join()

    def _start_process(self) -> None:
        if self._is_closed:
            raise RuntimeError("the copy of the model is closed")
        context = multiprocessing.get_context("spawn")  # a fork would inherit locks held by this process's threads
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="merflow model", daemon=True)
        with interrupts_ignored():
            self._process.start()
        theirs.close()

    def _ended(self) -> RuntimeError:
        self._is_ready = False
        self._pipe.close()
        self._process.kill()  # in case it has only closed its pipe
        self._process.join()
        return RuntimeError(f"a process of the model ended with exit code {self._process.exitcode}")


@contextmanager
def model_copies(opener: Callable[[], Predictor], model: ServedModel, *, count: int) -> Iterator[list[ModelCopy]]:
    """Yield copies of a model, which end with the block; arguments as :class:`ModelCopy` takes them."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(ModelCopy(opener, model))) for _ in range(count)]


def usual_workers(*, on_gpu: bool) -> int:
    """Return the default number of workers of a server, once its model is loaded.

    It is one per core, at most four, and only as many as fit into memory if each takes as much as the peak of this
    process. A model on a GPU has one.
    """
    if on_gpu:
        return 1
    free_gib = free_memory_gib()
    if free_gib is None:
        return min(_MOST, usable_cores())
    most_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts in KiB
    return max(1, min(_MOST, usable_cores(), int(free_gib / most_gib)))


def _serve(pipe: Connection) -> None:
    """Open the model, then receive clips and send answers until the server ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the server answers accepted requests, and then ends this process
    when_parent_ends(lambda: os._exit(1))
    opener, model = pickle.loads(pipe.recv_bytes())
    try:
        predictor = _opened(opener, model)
    except MerflowError as error:
        pipe.send_bytes(pickle.dumps(str(error)))
        return
    pipe.send_bytes(pickle.dumps(""))
    while True:
        try:
            clips, groups = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        pipe.send_bytes(pickle.dumps(_answer(predictor, clips, groups)))


def _opened(opener: Callable[[], Predictor], model: ServedModel) -> Predictor:
    predictor = opener()
    found = predictor.model
    if found != model:
        raise ServingError(
            f"the server answers with {model.name}, version {model.version}, but now {found.name}, version "
            f"{found.version}, is in its place; start the server again"
        )
    predictor.warm_up()
    return predictor


def _answer(predictor: Predictor, clips: Sequence[Clip], groups: Sequence[str | None]) -> tuple[str, Any]:
    """Return the kind of an answer, and its content."""
    try:
        return "answers", predictor.predict(clips, groups=groups)
    except MerflowError as error:
        return "refused", str(error)
    except Exception:  # as text: an error object may not survive pickling
        return "failed", traceback.format_exc()
