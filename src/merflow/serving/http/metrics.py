"""Prometheus metrics of a server.

Other gauges, such as those for drift, are registered on :attr:`Metrics.registry`, and ``/metrics`` shows them, too.
"""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from merflow.contracts.heard import ScoreScale
from merflow.serving.answers import ClipAnswer, ClipPrediction, ClipScore, Predicted, RefusedClip
from merflow.serving.http.refusals import Reason
from merflow.serving.predictor import ServedModel

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SHARES = tuple(step / 20 for step in range(4, 21))
_STEPS = 12  # of a scale
_CLIPS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and histograms of one server.

    Attributes:
        registry: All of them.
    """

    def __init__(self, model: ServedModel) -> None:
        self.registry = CollectorRegistry()
        info = Gauge(
            "merflow_model_info", "The model that is served.", ("name", "version", "title"), registry=self.registry
        )
        info.labels(model.name, model.version, model.title).set(1)
        self.request_seconds = Histogram(
            "merflow_request_seconds",
            "Time from the request's head to the end of its answer.",
            ("route", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.model_seconds = Histogram(
            "merflow_model_seconds", "Time of the model per batch.", buckets=_SECONDS, registry=self.registry
        )
        self.batch_clips = Histogram("merflow_batch_clips", "Clips per batch.", buckets=_CLIPS, registry=self.registry)
        self.queue_clips = Gauge("merflow_queue_clips", "Clips that wait for the model.", registry=self.registry)
        self.open_requests = Gauge(
            "merflow_open_requests", "Requests that are read, decoded or answered.", registry=self.registry
        )
        self._count = (
            _emotions(model.classes, self.registry) if model.scale is None else _scores(model.scale, self.registry)
        )
        self._abstains = model.abstains
        self.abstentions = Counter(
            "merflow_abstentions",
            "Answered clips of which the model is not sure; 0 for a model without thresholds or intervals.",
            registry=self.registry,
        )
        self.refused = Counter(
            "merflow_refused", "Requests that were refused, by reason.", ("reason",), registry=self.registry
        )
        self.warnings = Counter(
            "merflow_clips_with_warnings", "Answered clips with a warning, such as silence.", registry=self.registry
        )

    def count_batch(self, answers: Sequence[ClipAnswer], *, seconds: float) -> None:
        """Count the answers to a batch, and the time that it took."""
        self.model_seconds.observe(seconds)
        self.batch_clips.observe(len(answers))
        for answer in answers:
            if isinstance(answer, RefusedClip):
                continue
            self._count(answer)
            self.abstentions.inc(self._abstains and not answer.sure)
            self.warnings.inc(bool(answer.warnings))

    def count_refusal(self, reason: Reason) -> None:
        """Count a refused request."""
        self.refused.labels(reason).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return bytes(generate_latest(self.registry))


def _emotions(classes: Sequence[str], registry: CollectorRegistry) -> Callable[[Predicted], None]:
    """Register the metrics of emotions; return the function that counts an answer."""
    confidence = Histogram(
        "merflow_confidence", "Probability of the predicted emotion.", buckets=_SHARES, registry=registry
    )
    predictions = Counter(
        "merflow_predictions", "Answered clips by predicted emotion.", ("emotion",), registry=registry
    )
    for emotion in classes:
        predictions.labels(emotion)

    def count(answer: Predicted) -> None:
        assert isinstance(answer, ClipPrediction)
        predictions.labels(answer.emotion).inc()
        confidence.observe(answer.probabilities[answer.emotion])

    return count


def _scores(scale: ScoreScale, registry: CollectorRegistry) -> Callable[[Predicted], None]:
    """Register the metrics of scores; return the function that counts an answer."""
    edges = tuple(scale.low + step * (scale.high - scale.low) / _STEPS for step in range(1, _STEPS + 1))
    score = Histogram(
        "merflow_score", f"Predicted score, {scale.low:g} to {scale.high:g}.", buckets=edges, registry=registry
    )
    width = Histogram(
        "merflow_interval_width",
        "Width of the interval of a predicted score.",
        buckets=tuple(edge - scale.low for edge in edges),
        registry=registry,
    )

    def count(answer: Predicted) -> None:
        assert isinstance(answer, ClipScore)
        score.observe(answer.score)
        if answer.low is not None and answer.high is not None:
            width.observe(answer.high - answer.low)

    return count
