"""The traffic of a server, for monitoring: one line per answered clip, and gauges over the latest ones."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from merflow.contracts.traffic_log import TrafficLog, TrafficRecord
from merflow.monitoring.comparison import MIN_CLIPS, compared
from merflow.monitoring.gauges import DriftGauges
from merflow.monitoring.reference import Reference
from merflow.monitoring.window import Window
from merflow.serving.answers import ClipAnswer, ClipScore, RefusedClip
from merflow.serving.predictor import ServedModel

LATEST = 1000
_EVERY = 50  # number of new clips before the gauges are computed again


class RecentDrift(Collector):
    """Gauges over the latest :data:`LATEST` clips, computed when Prometheus asks for them."""

    def __init__(self, reference: Reference, model: ServedModel) -> None:
        import scipy.stats  # noqa: F401 - takes two seconds, which no request should wait for

        self._reference, self._model = reference, model
        self._latest: deque[TrafficRecord] = deque(maxlen=LATEST)
        self._seen, self._shown = 0, -_EVERY
        self._metrics: list[Metric] = []
        self._lock = threading.Lock()  # model threads add clips, and the routes' thread collects

    def add(self, records: Sequence[TrafficRecord]) -> None:
        """Add answered clips."""
        answered = [record for record in records if record.refused is None]
        with self._lock:
            self._latest.extend(answered)
            self._seen += len(answered)

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; none before there are :data:`merflow.monitoring.comparison.MIN_CLIPS` clips."""
        if self._seen >= MIN_CLIPS and self._seen - self._shown >= _EVERY:
            with self._lock:
                self._shown, latest = self._seen, tuple(self._latest)
            window = Window(latest, refused=0, left_out=0, since="", until="")
            model = self._model
            results = compared(window, self._reference, model=model.name, version=model.version, labels={})
            registry = CollectorRegistry()
            DriftGauges(registry).show(results)
            self._metrics = list(registry.collect())
        yield from self._metrics


class Traffic:
    """The observer of a server's answers.

    Attributes:
        recent: Gauges over the latest clips; None without a reference.
    """

    def __init__(self, log: TrafficLog, model: ServedModel, recent: RecentDrift | None) -> None:
        self._log, self._model = log, model
        self.recent = recent

    def take(self, answers: Sequence[ClipAnswer]) -> None:
        """Log the answers of a batch.

        Raises:
            OutputError: The disk is full.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        records = [traffic_record(answer, self._model, time=now) for answer in answers]
        if self.recent is not None:
            self.recent.add(records)
        self._log.add(records)


def traffic_record(answer: ClipAnswer, model: ServedModel, *, time: str) -> TrafficRecord:
    """Return the numbers of an answer for the log."""
    about: dict[str, Any] = {
        "time": time,
        "model": model.name,
        "version": model.version,
        "clip_id": answer.clip_id,
        "abstains": model.abstains,
    }
    if isinstance(answer, RefusedClip):
        return TrafficRecord(**about, refused=answer.reason)
    about |= {
        "duration_s": answer.duration_s,
        "level_dbfs": answer.level_dbfs,
        "speech_share": answer.speech_share,
        "words": answer.words,
        "modalities": answer.modalities,
        "sure": answer.sure,
    }
    if isinstance(answer, ClipScore):
        return TrafficRecord(
            **about, score=answer.score, low=answer.low, high=answer.high, abstained=not answer.sure, format=2
        )
    return TrafficRecord(**about, probabilities=answer.probabilities, possible=answer.possible)
