"""Trained models that predict together: emotions or scores of clips, with conformal sets or intervals.

Loading them needs no training code. :mod:`merflow.inference.answers` turns their outputs into the task's answers.

Shapes: N clips, C outputs: one per class, or the score.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.calibration_record import AnyCalibration
from merflow.contracts.streams import Modality, Role
from merflow.contracts.task import Classification, Task
from merflow.errors import FeatureError, ModelError
from merflow.inference.answers import EmotionAnswers, Prediction, ScoreAnswers, ScorePrediction, answers_of
from merflow.inference.media_batches import MediaEncoders
from merflow.inference.media_clips import Clip
from merflow.inference.media_streams import RefusedInput
from merflow.inference.prediction import predict
from merflow.inference.shared_encoders import SharedEncoders
from merflow.inference.trained_model import TrainedModel, load_trained
from merflow.inference.training_range import distances


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One or more models of a variant; the ensemble's probabilities or scores are the mean of theirs.

    Attributes:
        members: The models.
        calibration: The calibration of their task; None if it is unknown.
        device: Device of the models: ``cpu``, ``cuda`` or ``auto``.
        shared: The encoders that the models share.
    """

    members: tuple[TrainedModel, ...]
    calibration: AnyCalibration | None
    device: str
    shared: SharedEncoders

    @property
    def task(self) -> Task:
        """The task that the models learned."""
        return self.members[0].record.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Emotion classes in the order of the probabilities; empty for a score."""
        return self.members[0].record.classes

    @property
    def answers(self) -> EmotionAnswers | ScoreAnswers:
        """The kind of answers for the task.

        Raises:
            ModelError: The calibration is for another task.
        """
        return answers_of(self.task, self.calibration)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities that the models read."""
        return self.members[0].record.modalities

    @property
    def roles(self) -> tuple[Role, ...]:
        """Roles of the models' streams."""
        return tuple(self.members[0].record.encoders)

    @property
    def reach(self) -> int:
        """Number of turns before and after a clip that the models read."""
        return max(member.encoders.reach for member in self.members)

    def raw(self, clips: Sequence[Clip], *, refused: Callable[[RefusedInput], None] | None = None) -> np.ndarray:
        """Return the models' mean probabilities ``(N, C)`` before calibration, or mean scores ``(N, 1)``, float32.

        Args:
            clips: One or more clips. A modality that a clip lacks is masked.
            refused: Called once with each input that cannot be read or encoded, which is then masked; None to raise.

        Raises:
            FeatureError: There is no clip, a clip has no input that the models read, or an input cannot be read or
                encoded and ``refused`` is None.
        """
        return np.concatenate([raw for raw, _ in self._by_batch(clips, refused)])

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated outputs ``(N, C)`` float64 for those of :meth:`raw`; unchanged without calibration."""
        return self.answers.calibrated(raw)

    def predict(
        self,
        clips: Sequence[Clip],
        *,
        groups: Sequence[str | None] | None = None,
        refused: Callable[[RefusedInput], None] | None = None,
    ) -> list[Prediction] | list[ScorePrediction]:
        """Return an answer for each clip.

        Args:
            clips: As :meth:`raw`.
            groups: Group of each clip, such as the speaker's gender; None if it is unknown, or for all clips.
            refused: As :meth:`raw`.
        """
        batches = list(self._by_batch(clips, refused))
        return self.answers.of(
            clips,
            np.concatenate([raw for raw, _ in batches]),
            groups=groups or [None] * len(clips),
            far=[each for _, of_batch in batches for each in of_batch],
        )

    def _by_batch(
        self, clips: Sequence[Clip], refused: Callable[[RefusedInput], None] | None
    ) -> Iterator[tuple[np.ndarray, list[dict[Role, float]]]]:
        if not clips:
            raise FeatureError("no clips to predict; pass at least one")
        size = self.members[0].record.chosen_recipe.batch_size
        for start in range(0, len(clips), size):
            yield self._of_batch(clips[start : start + size], refused)

    def _of_batch(
        self, clips: Sequence[Clip], refused: Callable[[RefusedInput], None] | None
    ) -> tuple[np.ndarray, list[dict[Role, float]]]:
        """Return the members' mean outputs for one batch, and each clip's distances from the first one's training data.

        Encoders that the members share run once.
        """
        rows: list[np.ndarray] = []
        batches: list[Batch | RawBatch] = []
        try:
            for member in self.members:
                recipe = member.record.chosen_recipe
                rows.append(
                    predict(
                        member.model,
                        _Clips(clips, member.encoders, refused, batches),
                        task=member.record.task,
                        batch_size=len(clips),
                        params=member.record.training.model_copy(update={"device": self.device}),
                        precision=recipe.precision,
                    )
                )
                refused = None if refused is None else _ignore
        finally:
            self.shared.forget()
        mean = np.asarray(np.mean(np.stack(rows), axis=0, dtype=np.float64), dtype=np.float32)
        return mean, self._distances(batches[0])

    def _distances(self, batch: Batch | RawBatch) -> list[dict[Role, float]]:
        stored = batch.stored if isinstance(batch, RawBatch) else batch
        found = distances(stored) if self.members[0].record.standardized else {}
        return [
            {role: float(values[index]) for role, values in found.items() if np.isfinite(values[index])}
            for index in range(len(batch))
        ]


def load_ensemble(
    folders: Sequence[Path], *, calibration: AnyCalibration | None, encoders_folder: str = "", device: str = "auto"
) -> Ensemble:
    """Load model folders of one variant.

    Args:
        folders: One or more model folders.
        calibration: The calibration of their task; None if it is unknown.
        encoders_folder: A folder with the pretrained encoders; empty for the hub's cache.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.

    Raises:
        ModelError: A file is missing or damaged, the models have different tasks or classes, the calibration is for
            another task, or an encoder's folder has different files than in training.
        FormatError: Another version of merflow wrote a model.
        FeatureError: An encoder is missing, or cannot be read.
    """
    shared = SharedEncoders()
    members = tuple(
        load_trained(folder, encoders_folder=encoders_folder, device=device, shared=shared) for folder in folders
    )
    for folder, member in zip(folders, members, strict=True):
        if member.record.task != members[0].record.task:
            raise ModelError(
                f"{folder} predicts {_predicted(member.record.task)}, but {folders[0]} predicts "
                f"{_predicted(members[0].record.task)}; keep models of different tasks or taxonomies in folders of "
                "their own"
            )
    loaded = Ensemble(members, calibration, device, shared)
    answers_of(loaded.task, calibration)
    return loaded


def _predicted(task: Task) -> str:
    return ", ".join(task.classes) if isinstance(task, Classification) else task.name


@dataclass(frozen=True)
class _Clips:
    """Clips as a source of batches, in their own order."""

    clips: Sequence[Clip]
    encoders: MediaEncoders
    refused: Callable[[RefusedInput], None] | None
    made: list[Batch | RawBatch]
    labels: None = None

    @property
    def lengths(self) -> np.ndarray:
        """Equal lengths, so that the clips stay in their order."""
        return np.ones(len(self.clips), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, indices: Sequence[int]) -> Batch | RawBatch:
        """Return the clips with these indices."""
        self.made.append(self.encoders.batch([self.clips[index] for index in indices], refused=self.refused))
        return self.made[-1]


def _ignore(_refused: RefusedInput) -> None:
    """Do nothing, because another member has already reported it."""
