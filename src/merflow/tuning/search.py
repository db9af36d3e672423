"""Search of one study: its folds, its search space, and the database with its trials."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from merflow.contracts.fold_id import FoldId
from merflow.contracts.params import TrainingParams, TuningParams
from merflow.contracts.study import DecidingTraining, SearchFile, StudySubject, read_search_file, write_search_file
from merflow.contracts.task import Regression
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import TuningError
from merflow.folds.inputs import FoldInputs
from merflow.inference.devices import device_of
from merflow.runs.data import Data
from merflow.tuning.dimensions import space_file
from merflow.tuning.objective import objective_of
from merflow.tuning.space import SearchSpace
from merflow.tuning.study import StudyLocation


@dataclass(frozen=True, eq=False)
class Search:
    """One search, as every process sees it.

    Attributes:
        folds: Inputs of the folds whose development figure is averaged.
        training: Parameters of the trials. The shadow selection is off, because it opens test data. A trial trains on
            one device, because workers share the devices.
    """

    location: StudyLocation
    folds: tuple[FoldInputs, ...]
    params: TuningParams
    training: TrainingParams

    @classmethod
    def of(
        cls, variant: str, data: Data, *, location: StudyLocation, params: TuningParams, training: TrainingParams
    ) -> "Search":
        """Read the folds of a new search; ``params.folds: auto`` becomes the first two of the splits, or the only one.

        Raises:
            PresetError: The variant is unknown.
            SplitError: The splits belong to another manifest, or lack one of the folds.
            FeatureError: ``features`` is missing or belongs to another manifest.
        """
        blind = training.model_copy(update={"shadow_selection": "off", "devices_per_fold": 1})
        folds = params.folds_among(len(read_splits(data.splits).folds))
        read = [
            FoldInputs.read(
                str(FoldId(variant, fold, params.seed)),
                manifest=data.manifest,
                splits=data.splits,
                features=data.features,
                params=blind,
            )
            for fold in folds
        ]
        return cls(location, tuple(read), params.model_copy(update={"folds": folds}), blind)

    @classmethod
    def load(cls, path: Path, data: Data, *, password: str | None = None) -> "Search":
        """Load the search that :meth:`save` wrote.

        Args:
            path: The file.
            data: The files that the search was opened with.
            password: Password of the study's database, which the file does not hold; see :class:`StudyLocation`.

        Raises:
            TuningError: The search was opened with other data.
            MerflowError: The file is missing, damaged, or of another format.
        """
        stored = read_search_file(path)
        search = cls.of(
            stored.subject.variant,
            data,
            location=StudyLocation(stored.url, stored.name, password),
            params=stored.tuning,
            training=stored.training,
        )
        if search.subject != stored.subject:
            raise TuningError(
                f"{path} was opened with other data than these; run `merflow tune` again with another --out"
            )
        return search

    def save(self, path: Path) -> None:
        """Write the file that :meth:`load` reads, without the database's password."""
        location = self.location
        write_search_file(
            path,
            SearchFile(
                url=location.url,
                name=location.name,
                tuning=self.params,
                training=self.training,
                subject=self.subject,
            ),
        )

    @property
    def first(self) -> FoldInputs:
        """Inputs of the first fold; variant, data and recipes are the same in all folds."""
        return self.folds[0]

    @cached_property
    def space(self) -> SearchSpace:
        """The tuned settings and their ranges."""
        inputs = self.first
        return SearchSpace.of(inputs.preset, recipes=inputs.recipes, scores=isinstance(inputs.task, Regression))

    @cached_property
    def subject(self) -> StudySubject:
        """Everything that a trial's figure depends on, apart from its own values."""
        inputs, training = self.first, self.training
        return StudySubject(
            variant=inputs.preset.variant,
            config=inputs.preset.config,
            recipes={f"stage {number}": recipe for number, recipe in enumerate(inputs.recipes, start=1)},
            space=self.space.facts,
            objective=objective_of(inputs.task),
            selection=str(inputs.selection),
            folds=tuple(inputs.fold for inputs in self.folds),
            seed=self.params.seed,
            protocol=inputs.splits.protocol,
            split_id=inputs.splits.split_id,
            manifest_hash=inputs.manifest.hash,
            profile=inputs.features.profile.name,
            encoder_keys=dict(inputs.encoder_keys),
            transcripts=inputs.transcript,
            training=DecidingTraining(
                precision=training.precision,
                max_epochs=training.max_epochs,
                compile=training.compile,
                modality_dropout=training.modality_dropout,
                device=device_of(training).type,
            ),
        )


def variant_of(name: str) -> str:
    """Return ``model:preset``; a model's name alone refers to the preset that its space file names.

    Raises:
        TuningError: The model is unknown or has no search space.
    """
    return name if ":" in name else f"{name}:{space_file(name).preset}"


def folds_of(text: str) -> list[int]:
    """Parse ``"1,2"``.

    Raises:
        TuningError: The text does not have that form.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise TuningError(f"{text!r} names no folds; write them as 1,2")
    return [int(word) for word in words]
