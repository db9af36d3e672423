"""The suite: the fold models of a variant on the test utterances of their own folds, under every condition.

No model is tested on utterances that it was trained on, so the figures are honest. The predictions for every condition
and fold are stored in a file as soon as they are made, and a second call reads them from there.

Shapes: U utterances, O outputs (a probability per class, or one score).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.contracts.progress import Progress
from merflow.contracts.streams import Transcript
from merflow.contracts.stress_results import AnyStress, SkippedCondition
from merflow.contracts.task import Regression, Task
from merflow.corpus.readers.catalogue import reader_of
from merflow.errors import StressError
from merflow.inference.trained_model import load_trained
from merflow.runs.code_closure import SOURCE, source_digest
from merflow.runs.fold_folder import MODEL, values_of
from merflow.storage.local import digest
from merflow.stress.clips import clips_of
from merflow.stress.conditions.catalogue import chosen, installed
from merflow.stress.conditions.condition import Condition, WordsChange
from merflow.stress.finished_variant import FinishedVariant
from merflow.stress.fold_model import FoldModel, generator
from merflow.stress.kept_predictions import KeptPredictions
from merflow.stress.sample import draw
from merflow.stress.scores.scoring import score_results
from merflow.stress.scoring import emotion_results

# Name of the unchanged inputs among the names of conditions.
UNCHANGED = "unchanged"
# The fold's own predictions for the unchanged inputs were made from stored features. They differ in the last bits, or
# in the third digit between a GPU and a CPU. Other recordings or encoders differ far more. For scores, in widths of the
# scale.
_SAME_WITHIN = 0.02
# Files that define what a condition does, except for its level, which is in its description.
_LEVELS = ("catalogue.py", "condition.py")


@dataclass(frozen=True)
class SuiteSettings:
    """Settings of a run of the suite.

    Attributes:
        utterances: Number of test utterances to draw.
        seed: Seed of the draw, of noise and rooms, and of the resamples.
        conditions: Names of conditions; None for all that apply.
        encoders_folder: Folder with the pretrained encoders; empty for the hub's cache.
        device: ``cpu``, ``cuda`` or ``auto``.
    """

    utterances: int
    seed: int
    conditions: tuple[str, ...] | None
    encoders_folder: str
    device: str


class Suite:
    """The suite on one variant.

    Args:
        variant: The variant.
        out: Folder for the predictions.
        settings: Settings.

    Raises:
        StressError: A condition is unknown; or a named one cannot be tested, because a package is missing or the model
            does not read what it changes.
    """

    def __init__(self, variant: FinishedVariant, *, out: Path, settings: SuiteSettings) -> None:
        self._variant = variant
        self._out = out
        self._settings = settings
        asked = [condition.of_task(self._task) for condition in chosen(settings.conditions)]
        reasons = {condition: self._reason_against(condition) for condition in asked}
        refused = [(condition, reason) for condition, reason in reasons.items() if reason]
        if refused and settings.conditions is not None:
            condition, reason = refused[0]
            raise StressError(f"condition {condition.name} cannot be tested: {reason}; leave it out of --conditions")
        self.skipped = tuple(SkippedCondition(name=each.name, reason=reason) for each, reason in refused)
        self.conditions = tuple(condition for condition, reason in reasons.items() if not reason)
        self.rows = draw(
            variant.manifest, variant.fold_of, task=self._task, count=settings.utterances, seed=settings.seed
        )
        self.digest = digest(
            {
                **self._shared,
                "conditions": [[each.name, each.description, each.allowed_drop, each.min_unchanged] for each in asked],
            }
        )

    @property
    def _task(self) -> Task:
        return self._variant.record.task

    def run(self, progress: Progress) -> AnyStress:
        """Make the missing predictions, and compute the results.

        Raises:
            StressError: The models' predictions differ from those recorded by the folds, or all utterances have the
                same score.
            ModelError: A model cannot be loaded.
            FeatureError: An encoder cannot be loaded.
            OutputError: The folder cannot be written.
        """
        predicted = self._predictions(progress)
        unchanged = predicted.pop(UNCHANGED)
        tested = [(condition, predicted[condition.name]) for condition in self.conditions]
        rows, seed = self.rows.set_index("utterance_id"), self._settings.seed
        facts = {
            "variant": self._variant.name,
            "corpus": self._variant.manifest.corpus,
            "synthetic": reader_of(self._variant.manifest).synthetic,
            "split_id": self._variant.record.split_id,
            "suite": self.digest,
            "seed": seed,
            "utterances": len(rows),
            "skipped": self.skipped,
        }
        if isinstance(self._task, Regression):
            return score_results(rows, unchanged, tested, task=self._task, seed=seed, facts=facts)
        return emotion_results(rows, unchanged, tested, classes=self._task.classes, seed=seed, facts=facts)

    def _reason_against(self, condition: Condition) -> str:
        modalities = self._variant.record.modalities
        if not condition.applies_to(modalities):
            return f"{self._variant.name} reads {' and '.join(modalities)} only"
        return "" if installed(condition) else "PyAV is not installed; install it with pip install 'merflow[video]'"

    @cached_property
    def _shared(self) -> dict[str, object]:
        """Everything that affects all predictions."""
        room = Path("stress/conditions")
        files = [path.relative_to(SOURCE) for path in (SOURCE / room).glob("*.py") if path.name not in _LEVELS]
        return {
            "code": source_digest(sorted(files)),
            "seed": self._settings.seed,
            "utterances": self.rows["utterance_id"].tolist(),
            "manifest": self._variant.manifest.hash,
        }

    def _predictions(self, progress: Progress) -> dict[str, np.ndarray]:
        """Return predictions ``(U, O)`` in the order of the utterances, by condition."""
        numbers = sorted(self.rows["fold"].unique().tolist())
        names = [UNCHANGED, *(condition.name for condition in self.conditions)]
        whole = {name: np.zeros((len(self.rows), self._task.outputs), dtype=np.float32) for name in names}
        done, total = 0, len(numbers) * len(names)
        for number in numbers:
            rows = (self.rows["fold"] == number).to_numpy()
            for name, values in self._of_fold(number, self.rows[rows]):
                whole[name][rows] = values
                done += 1
                progress(f"stress {self._variant.name}", done, total)
        return whole

    def _of_fold(self, number: int, rows: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the predictions of a fold's utterances under each condition, the unchanged ones first."""
        model: FoldModel | None = None
        for name, condition in ((UNCHANGED, None), *((each.name, each) for each in self.conditions)):
            kept = self._kept(number, name, condition)
            values = kept.read()
            if values is None:
                model = model or self._model(number, rows)
                values = (
                    model.unchanged() if condition is None else model.under(condition, words=self._words(condition))
                )
                if condition is None:
                    self._check_same(number, rows, values, model)
                kept.write(rows, values)
            yield name, values

    def _kept(self, number: int, name: str, condition: Condition | None) -> KeptPredictions:
        record = self._variant.folds[number].record
        change = "" if condition is None else condition.description
        return KeptPredictions(
            path=self._out / "predictions" / f"fold-{number}" / f"{name}.parquet",
            fingerprint=digest({**self._shared, "fold": record.fingerprint, "change": [name, change]}),
            record=record,
        )

    def _model(self, number: int, rows: pd.DataFrame) -> FoldModel:
        settings, fold = self._settings, self._variant.folds[number]
        trained = load_trained(fold.folder / MODEL, encoders_folder=settings.encoders_folder, device=settings.device)
        clips = clips_of(
            self._variant.manifest,
            rows["utterance_id"].tolist(),
            transcripts=self._transcripts,
            reach=trained.encoders.reach,
        )
        return FoldModel(trained, list(clips.values()), device=settings.device, seed=settings.seed)

    @property
    def _transcripts(self) -> Transcript | None:
        kinds: dict[str | None, Transcript | None] = {None: None, "truth": "truth", "asr": "asr"}
        return kinds[self._variant.record.transcripts]

    def _words(self, condition: Condition) -> dict[str, str]:
        """Return the changed words of the utterances of all folds, if the condition changes words."""
        if not isinstance(condition.change, WordsChange):
            return {}
        names = self.rows["utterance_id"].tolist()
        clips = clips_of(self._variant.manifest, names, transcripts=self._transcripts, reach=0)
        words = [clips[name].text or "" for name in names]
        labels = self.rows[self._task.column].tolist()
        groups = [self._task.group(label) for label in labels]
        rng = generator(self._settings.seed, condition.family, condition.name)
        return dict(zip(names, condition.change.change(words, groups, rng), strict=True))

    def _check_same(self, number: int, rows: pd.DataFrame, values: np.ndarray, model: FoldModel) -> None:
        """Raise if a model's predictions are far from those recorded by the fold after training."""
        recorded = self._variant.tested[number].set_index("utterance_id")
        difference = float(np.abs(values - values_of(recorded.loc[rows["utterance_id"]])).mean())
        what, width = "probabilities", 1.0
        if isinstance(self._task, Regression):
            what, width = "scores", self._task.high - self._task.low
        if difference > _SAME_WITHIN * width:
            first = f" ({model.refused[0].clip_id}: {model.refused[0].reason})" if model.refused else ""
            raise StressError(
                f"fold {number} of {self._variant.name} predicts other {what} than after its training, by "
                f"{difference:.2f} on average{first}; restore the recordings in {self._variant.manifest.root} and the "
                "encoders that it was trained with"
            )
