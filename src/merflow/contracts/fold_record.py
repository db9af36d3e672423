"""The record of a trained fold: everything that is known about it, in one file of its model folder.

The model folder, the tracking run, lineage and reports read this one record. It adds the figures of the training itself
to what is known before (:mod:`merflow.contracts.planned_fold`).
"""

from pathlib import Path

from merflow.contracts.formats import read_typed, refused, write_typed
from merflow.contracts.planned_fold import PlannedFold
from merflow.contracts.recipe import Recipe
from merflow.contracts.selection import NONE_PAPER, Selection
from merflow.contracts.streams import Role, StreamShape
from merflow.contracts.strict import Strict
from merflow.errors import ModelError

FOLD_RECORD = "fold_record.json"
FORMAT = 3
REMEDY = "train the fold again with the command that trained it"
# The model folder's file of the first format.
_FIRST_FORMAT = "card.json"


class ChosenEpoch(Strict):
    """The epoch whose weights were kept, and its development figures.

    Attributes:
        epoch: Counted from 1 through all stages.
        stage: Its stage, counted from 1. In a stage before the last, encoders were not yet fine-tuned.
        dev_loss: Development loss; None for a refit, which has no development data.
        dev_ua: Development UA; None for a refit and for a score.
        dev_mae: Mean absolute error of scores; None for classes, as are the next two.
        dev_ccc: Concordance correlation, -1 to 1.
        dev_pearson: Correlation, -1 to 1.
    """

    epoch: int
    stage: int
    dev_loss: float | None
    dev_ua: float | None = None
    dev_mae: float | None = None
    dev_ccc: float | None = None
    dev_pearson: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """The available development figures, by name."""
        return {name: value for name, value in self if name.startswith("dev_") and value is not None}


class ShadowEpoch(Strict):
    """The epoch that the shadow selection would have chosen; its predictions are next to the fold's own.

    Attributes:
        epoch: Counted from 1.
        selection: The rule that chose it.
    """

    epoch: int
    selection: Selection = NONE_PAPER

    @property
    def promotable(self) -> bool:
        """False: the rule looks at test data."""
        return self.selection.promotable


class FoldRecord(PlannedFold):
    """Everything that is known about a trained fold.

    Attributes:
        shapes: Sizes of the streams that the model reads, by role.
        chosen: The epoch whose weights were kept.
        none_paper: The epoch with the best test score; None if the shadow selection was off.
        epochs: Number of trained epochs, over all stages.
        seconds: Wall time of those epochs.
    """

    shapes: dict[Role, StreamShape]
    chosen: ChosenEpoch
    none_paper: ShadowEpoch | None
    epochs: int
    seconds: float

    @property
    def chosen_recipe(self) -> Recipe:
        """Recipe of the stage whose weights were kept."""
        return self.recipes[self.chosen.stage - 1]


def write_fold_record(model_folder: Path, record: FoldRecord) -> None:
    """Write the record into its model folder.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(model_folder / FOLD_RECORD, record, number=FORMAT)


def read_fold_record(model_folder: Path) -> FoldRecord:
    """Read the record of a model folder.

    Raises:
        ModelError: The folder holds no record.
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    path = model_folder / FOLD_RECORD
    if path.is_file():
        return read_typed(FoldRecord, path, number=FORMAT, remedy=REMEDY)
    if (model_folder / _FIRST_FORMAT).is_file():
        raise refused(model_folder / _FIRST_FORMAT, number=FORMAT, remedy=REMEDY)
    raise ModelError(f"no such file: {path}; name the model folder of a trained fold")
