"""What a study of one variant stands on: its folds, its search space, and the place where it is kept.

``search.json`` holds what another process needs to work on the same study, beside the files of earlier jobs.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from merflow.contracts.fold_id import FoldId
from merflow.contracts.params import TrainingParams, TuningParams
from merflow.contracts.passwords import without_password
from merflow.contracts.strict import parse
from merflow.errors import TuningError
from merflow.folds.inputs import FoldInputs
from merflow.inference.devices import device_of
from merflow.runs.data import Data
from merflow.storage.local import read_record, write_json
from merflow.tuning.dimensions import space_file
from merflow.tuning.objective import OBJECTIVE
from merflow.tuning.space import SearchSpace
from merflow.tuning.study import StudyPlace

# Of the training parameters, those that a figure follows from.
_DECIDING = ("precision", "max_epochs", "compile", "modality_dropout")
_STORED = ("facts", "place", "params", "training")


@dataclass(frozen=True, eq=False)
class Search:
    """One search, as every process sees it.

    Attributes:
        folds: Inputs of the chosen folds.
        training: Of the trials: no shadow selection, for it opens test data, and one device each, for workers share the
            devices out.
    """

    place: StudyPlace
    folds: tuple[FoldInputs, ...]
    params: TuningParams
    training: TrainingParams

    @classmethod
    def of(
        cls, variant: str, data: Data, *, place: StudyPlace, params: TuningParams, training: TrainingParams
    ) -> "Search":
        """Reads the folds.

        Raises:
            PresetError: The variant is unknown.
            SplitError: The splits are of another manifest, or have no such fold.
            FeatureError: ``features`` is missing or of another manifest.
        """
        blind = training.model_copy(update={"shadow_selection": "off", "devices_per_fold": 1})
        read = [
            FoldInputs.read(
                str(FoldId(variant, fold, params.seed)),
                manifest=data.manifest,
                splits=data.splits,
                features=data.features,
                params=blind,
            )
            for fold in params.folds
        ]
        return cls(place, tuple(read), params, blind)

    @classmethod
    def load(cls, path: Path, data: Data, *, password: str | None = None) -> "Search":
        """The search of a file that :meth:`save` wrote.

        Args:
            path: The file.
            data: What the search was opened with.
            password: Of the study's database, which the file does not hold; as for :class:`StudyPlace`.

        Raises:
            TuningError: The data are not those that it was opened with.
            MerflowError: The file is missing or garbled, or of another version.
        """
        stored = read_record(path, keys=_STORED, mend="open the search again (merflow tune)")
        search = cls.of(
            stored["facts"]["variant"],
            data,
            place=StudyPlace(**stored["place"], password=password),
            params=parse(TuningParams, stored["params"], where=str(path)),
            training=parse(TrainingParams, stored["training"], where=str(path)),
        )
        if search.facts != stored["facts"]:
            raise TuningError(f"{path} was opened with other data than these; open the search again (merflow tune)")
        return search

    def save(self, path: Path) -> None:
        """Writes what :meth:`load` reads; the database's password is not in it."""
        write_json(
            path,
            {
                "place": {"url": self.place.url, "name": self.place.name},
                "params": {**self.params.model_dump(), "storage": without_password(self.params.storage)[0]},
                "training": self.training.model_dump(),
                "facts": self.facts,
            },
        )

    @property
    def first(self) -> FoldInputs:
        """Of the first fold; all folds have the same variant, data and recipes."""
        return self.folds[0]

    @cached_property
    def space(self) -> SearchSpace:
        """What is tuned."""
        return SearchSpace.of(self.first.preset, recipes=self.first.recipes)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the study is of: trials of different facts are never compared."""
        inputs = self.first
        return {
            "variant": inputs.preset.variant,
            "config": inputs.preset.config,
            "recipes": {
                f"stage {number}": recipe.model_dump() for number, recipe in enumerate(inputs.recipes, start=1)
            },
            "space": self.space.facts,
            "objective": OBJECTIVE,
            "selection": str(inputs.selection),
            "folds": self.params.folds,
            "seed": self.params.seed,
            "protocol": inputs.splits.protocol,
            "split_id": inputs.splits.split_id,
            "manifest_hash": inputs.manifest.hash,
            "profile": inputs.features.profile,
            "encoder_keys": dict(inputs.encoder_keys),
            "transcripts": inputs.transcript,
            "training": {
                **{key: getattr(self.training, key) for key in _DECIDING},
                "device": device_of(self.training).type,
            },
        }


def variant_of(name: str) -> str:
    """``model:preset``, or of a model's name alone the preset that stands for it.

    Raises:
        TuningError: No such model.
    """
    return name if ":" in name else f"{name}:{space_file(name).preset}"


def folds_of(text: str) -> list[int]:
    """``"1,2"`` as folds.

    Raises:
        TuningError: The text is not of that form.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise TuningError(f"{text!r} names no folds; write them as 1,2")
    return [int(word) for word in words]
