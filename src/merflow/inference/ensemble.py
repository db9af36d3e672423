"""Trained models that predict together: calibrated probabilities and conformal sets for clips.

Loading them takes none of the code that trains.

Shapes: N clips, C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.calibration_record import Calibration
from merflow.contracts.fold_record import read_fold_record
from merflow.contracts.streams import Modality, Role
from merflow.contracts.task import Regression
from merflow.errors import FeatureError, ModelError
from merflow.evaluation.conformal import in_sets
from merflow.evaluation.temperature import scaled
from merflow.inference.media_batches import MediaEncoders, RefusedInput
from merflow.inference.media_clips import Clip
from merflow.inference.prediction import predict
from merflow.inference.shared_encoders import SharedEncoders
from merflow.inference.trained_model import TrainedModel, load_trained
from merflow.inference.training_range import distances


@dataclass(frozen=True)
class Prediction:
    """The emotions that a clip may have.

    Attributes:
        clip_id: Name of the clip.
        emotion: The most likely class.
        probabilities: Calibrated probability of every class.
        possible: The conformal set, in the order of the classes; it may be empty.
        abstained: True unless exactly one class is possible, and it is ``emotion``.
        distances: Distance from the training data by role, where it is known.
    """

    clip_id: str
    emotion: str
    probabilities: dict[str, float]
    possible: tuple[str, ...]
    abstained: bool
    distances: dict[Role, float]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Models of one variant, or a single one; its probabilities are the mean of theirs.

    Attributes:
        members: The models.
        calibration: Temperature and thresholds; None if they are unknown.
        device: Device of the models: ``cpu``, ``cuda`` or ``auto``.
        shared: The encoders that the models read together.
    """

    members: tuple[TrainedModel, ...]
    calibration: Calibration | None
    device: str
    shared: SharedEncoders

    @property
    def classes(self) -> tuple[str, ...]:
        """Emotion classes in the order of the probabilities."""
        return self.members[0].record.classes

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
        """Return the models' mean probabilities ``(N, C)`` float32 before calibration.

        Args:
            clips: One or more clips. A modality that a clip lacks is masked.
            refused: Called once with each input that cannot be read or encoded, which is then masked; None to raise.

        Raises:
            FeatureError: There is no clip, a clip has no input that the models read, or an input cannot be read or
                encoded and ``refused`` is None.
        """
        return np.concatenate([probabilities for probabilities, _ in self._by_batch(clips, refused)])

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities ``(N, C)`` float64 for those of :meth:`raw`; the same without calibration."""
        if self.calibration is None:
            return raw.astype(np.float64)
        return scaled(raw, self.calibration.temperature)

    def sets(self, calibrated: np.ndarray, *, groups: Sequence[str | None]) -> np.ndarray:
        """Return ``(N, C)`` bool: True for the classes in each clip's conformal set; no sets without calibration.

        Args:
            calibrated: Calibrated probabilities.
            groups: Group of each clip, such as the speaker's gender; None where it is unknown.
        """
        if self.calibration is None:
            return np.zeros(calibrated.shape, dtype=bool)
        return in_sets(calibrated, groups=groups, thresholds=self.calibration.thresholds)

    def predict(
        self,
        clips: Sequence[Clip],
        *,
        groups: Sequence[str | None] | None = None,
        refused: Callable[[RefusedInput], None] | None = None,
    ) -> list[Prediction]:
        """Return a prediction for each clip; arguments as :meth:`raw` and :meth:`sets`, and no groups if None."""
        batches = list(self._by_batch(clips, refused))
        probabilities = self.calibrated(np.concatenate([raw for raw, _ in batches]))
        far = [each for _, of_batch in batches for each in of_batch]
        possible = self.sets(probabilities, groups=groups or [None] * len(clips))
        classes = self.classes
        return [
            Prediction(
                clip_id=clip.clip_id,
                emotion=classes[int(row.argmax())],
                probabilities=dict(zip(classes, row.tolist(), strict=True)),
                possible=tuple(name for name, inside in zip(classes, of_clip, strict=True) if inside),
                abstained=int(of_clip.sum()) != 1,
                distances=far_off,
            )
            for clip, row, of_clip, far_off in zip(clips, probabilities, possible, far, strict=True)
        ]

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
        """Return the members' mean probabilities for one batch, and each clip's distances from the first one's data.

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
    folders: Sequence[Path], *, calibration: Calibration | None, encoders_folder: str = "", device: str = "auto"
) -> Ensemble:
    """Load model folders of one variant.

    Args:
        folders: One or more model folders.
        calibration: Temperature and thresholds; None if they are unknown.
        encoders_folder: A folder with the pretrained encoders; empty for the hub's cache.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.

    Raises:
        ModelError: A file is missing or damaged, a model predicts scores, the models have different classes, or an
            encoder's folder holds other files than in training.
        FormatError: Another version of merflow wrote a model.
        FeatureError: An encoder is missing, or cannot be read.
    """
    for folder in folders:
        _refuse_scores(folder)
    shared = SharedEncoders()
    members = tuple(
        load_trained(folder, encoders_folder=encoders_folder, device=device, shared=shared) for folder in folders
    )
    for folder, member in zip(folders, members, strict=True):
        if member.record.classes != members[0].record.classes:
            raise ModelError(
                f"{folder} predicts {', '.join(member.record.classes)}, but {folders[0]} predicts "
                f"{', '.join(members[0].record.classes)}; keep models of different taxonomies in folders of their own"
            )
    return Ensemble(members, calibration, device, shared)


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


def _refuse_scores(folder: Path) -> None:
    record = read_fold_record(folder)
    if isinstance(record.task, Regression):
        raise ModelError(
            f"{folder} predicts {record.task.name}, which is a score; only models of emotions can be used outside the "
            "report so far. Name one that was trained with splits.task=emotion"
        )


def _ignore(_refused: RefusedInput) -> None:
    """Do nothing: another member has told of it."""
