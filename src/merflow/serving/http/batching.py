"""Dynamic micro-batches: the clips of all waiting requests, for the next free worker."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic

from merflow.inference.media_clips import Clip
from merflow.serving.answers import ClipAnswer
from merflow.serving.http.metrics import Metrics
from merflow.serving.http.model_copies import ModelCopy
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import Batching
from merflow.serving.predictor import Predictor

Answers = list[ClipAnswer]
Observer = Callable[[Answers], None]

_LOG = logging.getLogger(__name__)
_START_AGAIN_S = 30.0
_FOREVER = threading.TIMEOUT_MAX


@dataclass(frozen=True, eq=False)
class _Asked:
    """Clips of one request; ``groups`` as :meth:`Predictor.predict` takes them."""

    clips: Sequence[Clip]
    groups: Sequence[str | None]
    answers: Future[Answers] = field(default_factory=Future)
    since: float = field(default_factory=monotonic)


class MicroBatches:
    """A bounded queue in front of the model and its copies, with one thread for each of them.

    The copies are used only while the model is busy: a process that answers all of a single client's requests keeps its
    data in the CPU cache, and need not send audio to another process.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        batching: Batching,
        queue: int,
        metrics: Metrics,
        observe: Observer | None = None,
        copies: Sequence[ModelCopy] = (),
    ) -> None:
        """Start the threads.

        Args:
            predictor: The model.
            batching: Size and waiting time of batches.
            queue: Maximum number of waiting clips.
            metrics: Metrics to update.
            observe: Called with the answers of each batch, never concurrently.
            copies: Copies of the model in other processes.
        """
        self._predictor, self._batching, self._limit = predictor, batching, queue
        self._metrics, self._observe = metrics, observe
        self._waiting: deque[_Asked] = deque()
        lock = threading.RLock()
        self._changed = threading.Condition(lock)  # wakes the model's thread
        self._overflows = threading.Condition(lock)  # wakes the copies' threads
        self._closed = threading.Event()
        self._is_busy = False
        self._telling = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(copy,), name="merflow-model", daemon=True)
            for copy in (None, *copies)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, clips: Sequence[Clip], *, groups: Sequence[str | None]) -> Future[Answers]:
        """Queue the clips of one request; its answers come in their order.

        Raises:
            RefusedRequestError: The queue is full, or the server shuts down.
        """
        with self._changed:
            if self._closed.is_set():
                raise RefusedRequestError("draining", "the server is shutting down; send the request to another one")
            waiting = self._clips_waiting()
            if waiting and waiting + len(clips) > self._limit:
                raise RefusedRequestError(
                    "queue-full", f"{waiting} clips wait already, of {self._limit} that may; try again in a second"
                )
            asked = _Asked(clips, groups)
            self._waiting.append(asked)
            self._metrics.queue_clips.set(waiting + len(clips))
            (self._overflows if self._is_busy else self._changed).notify()
        return asked.answers

    def close(self) -> None:
        """Answer waiting requests, and end the threads."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
            self._overflows.notify_all()
        for thread in self._threads:
            thread.join()

    def _clips_waiting(self) -> int:
        return sum(len(asked.clips) for asked in self._waiting)

    def _work(self, copy: ModelCopy | None) -> None:
        """Answer batches with a copy of the model, or with the model itself."""
        model: Predictor | ModelCopy = self._predictor if copy is None else copy
        while (copy is None or self._started(copy)) and (batch := self._next_batch(own=copy is None)):
            running = [asked for asked in batch if asked.answers.set_running_or_notify_cancel()]
            if running:
                self._answer(running, model)

    def _started(self, copy: ModelCopy) -> bool:
        """Wait until a copy can predict; return False if the queue is closed first."""
        while True:
            try:
                copy.start()
            except (RuntimeError, OSError):
                _LOG.exception("a process of the model does not start; the next attempt is in %g s", _START_AGAIN_S)
                if self._closed.wait(_START_AGAIN_S):
                    return False
            else:
                return True

    def _next_batch(self, *, own: bool) -> list[_Asked]:
        """Wait for clips and return the next batch; nothing once the queue is closed and empty.

        Args:
            own: True for the model, False for a copy, which only takes clips that the model is too busy for.
        """
        with self._changed:
            if own:
                self._is_busy = False
            while not self._closed.is_set() and (left := self._seconds_left(own=own)) > 0:
                (self._changed if own else self._overflows).wait(left)
            if not self._waiting:
                return []
            batch = [self._waiting.popleft()]
            size = len(batch[0].clips)
            while self._waiting and size + len(self._waiting[0].clips) <= self._batching.clips:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].clips)
            self._metrics.queue_clips.set(self._clips_waiting())
            if own:
                self._is_busy = True
            if self._waiting:
                self._overflows.notify()
            return batch

    def _seconds_left(self, *, own: bool) -> float:
        """Return how long the next batch may still wait for clips; infinity if there are none, or none for a copy."""
        if not self._waiting or not (own or self._is_busy):
            return _FOREVER
        if self._clips_waiting() >= self._batching.clips:
            return 0.0
        return self._waiting[0].since + self._batching.wait_ms / 1000 - monotonic()

    def _answer(self, batch: Sequence[_Asked], model: Predictor | ModelCopy) -> None:
        """Predict a batch; if that fails, predict each request separately, so that only the faulty one fails."""
        started = monotonic()
        own = model is self._predictor
        self._is_busy = self._is_busy or own
        clips = [clip for asked in batch for clip in asked.clips]
        try:
            found = model.predict(clips, groups=[group for asked in batch for group in asked.groups])
        except Exception as error:
            if len(batch) > 1:
                for asked in batch:
                    self._answer([asked], model)
                return
            _LOG.exception("the model failed on a request of %d clips", len(clips))
            batch[0].answers.set_exception(error)
            return
        seconds = monotonic() - started
        self._metrics.count_batch(found, seconds=seconds)  # before the clients get their answers
        if own:
            self._is_busy = False  # now, because a client's next request may arrive before this thread continues
        start = 0
        for asked in batch:
            asked.answers.set_result(found[start : start + len(asked.clips)])
            start += len(asked.clips)
        self._tell(found)

    def _tell(self, found: Answers) -> None:
        """Call the observer with a batch's answers; log its errors, because the answers have already been sent."""
        try:
            if self._observe is not None:
                with self._telling:
                    self._observe(found)
        except Exception:
            _LOG.exception("%d clips are missing from the traffic log", len(found))
