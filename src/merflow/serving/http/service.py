"""The objects that the routes of one server share."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from merflow.serving.http.answer_records import AnswerRecords, records_of
from merflow.serving.http.answering import Answering, ClipRequest
from merflow.serving.http.batching import Answers, MicroBatches, Observer
from merflow.serving.http.keeping import keep
from merflow.serving.http.metrics import Metrics
from merflow.serving.http.model_copies import ModelCopy
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import ServeSettings
from merflow.serving.http.state import ServerState
from merflow.serving.predictor import Predictor, ServedModel


@dataclass(frozen=True, eq=False)
class Service:
    """A model behind HTTP.

    Attributes:
        predictor: The model.
        name: Its name in URLs.
        settings: Settings of the server.
        metrics: Its metrics.
        state: Its state.
        answering: The pipeline from clips to answers.
    """

    predictor: Predictor
    name: str
    settings: ServeSettings
    metrics: Metrics
    answering: Answering
    state: ServerState = field(default_factory=ServerState)

    @classmethod
    def start(
        cls,
        predictor: Predictor,
        settings: ServeSettings,
        *,
        name: str = "",
        observe: Observer | None = None,
        copies: Sequence[ModelCopy] = (),
    ) -> "Service":
        """Start the threads.

        Args:
            predictor: The model.
            settings: Settings of the server.
            name: Name in URLs; empty for the model's own.
            observe: Called with the answers of each batch, never concurrently.
            copies: Copies of the model in other processes.
        """
        metrics = Metrics(predictor.model)
        batches = MicroBatches(
            predictor,
            batching=settings.batching,
            queue=settings.limits.queue,
            metrics=metrics,
            observe=observe,
            copies=copies,
        )
        return cls(predictor, name or predictor.model.name, settings, metrics, Answering(predictor, batches, settings))

    @property
    def model(self) -> ServedModel:
        """Facts about the model."""
        return self.predictor.model

    @property
    def records(self) -> AnswerRecords:
        """The records of the model's task."""
        return records_of(self.model)

    def check_name(self, name: str, version: str | None = None) -> None:
        """Check that a URL names this model.

        Raises:
            RefusedRequestError: It is another model, or another version of it.
        """
        if name != self.name:
            raise RefusedRequestError("not-found", f"no model {name[:80]!r} here; this server has {self.name!r}")
        if version is not None and version != self.model.version:
            raise RefusedRequestError(
                "not-found", f"no version {version[:80]!r} here; this server has {self.model.version!r}"
            )

    async def answer(self, asked: list[ClipRequest]) -> Answers:
        """Answer clips, and keep clips and answers if the server is set to.

        Raises:
            RefusedRequestError: No clip can be read, or the server is full or too slow.
        """
        answers = await self.answering.answer(asked)
        if self.settings.keep is not None:
            folder = self.settings.keep
            await self.answering.decoded(lambda: keep(folder, asked, answers, self.records))
        return answers
