"""The content of ``matrix.json``: a figure for every pair of training and test corpus."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import FiniteFloat

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.joined import CrossCorpus, JoinedCorpus
from merflow.contracts.protocols import Protocol
from merflow.contracts.scores import Interval
from merflow.contracts.strict import Strict
from merflow.contracts.task import TaskName

MATRIX = "matrix.json"
_FORMAT = 1


class CellFigure(Strict):
    """The figure of one variant: UA, or the CCC of a score.

    Attributes:
        value: The figure of all test predictions together; None if it cannot be computed.
        ci95: 95% bootstrap interval over dialogues; None for fewer than five, or without the figure.
    """

    value: FiniteFloat | None
    ci95: Interval | None


class MatrixCell(Strict):
    """A pair of training and test corpus.

    Attributes:
        corpora: Both, with the choice of development data and the share of utterances that was left out.
        folder: Folder of the cell's run, relative to the matrix.
        protocol: Protocol of the splits: ``cross-corpus`` for two corpora.
        split_id: Identity of the splits.
        folds: Number of folds.
        utterances: Number of test utterances.
        dialogues: Number of their dialogues.
        figures: The figure per variant.
        selections: Rule that chose the epochs, per variant.
    """

    corpora: CrossCorpus
    folder: str
    protocol: Protocol
    split_id: str
    folds: int
    utterances: int
    dialogues: int
    figures: Mapping[str, CellFigure]
    selections: Mapping[str, str]


class CorpusMatrix(Strict):
    """Figures by training and test corpus.

    Attributes:
        task: The task of all cells.
        figure: The figure: UA of emotions, CCC of scores.
        classes: The classes that all corpora have; empty for a score.
        synthetic: Names of the generated corpora.
        corpora: Every corpus once.
        train_on: Names of the corpora that were trained on, in the order of the rows.
        test_on: Names of the tested corpora, in the order of the columns.
        variants: Variants in the order in which they were named.
        seeds: Training seeds.
        cells: Every pair of training and test corpus once.
    """

    task: TaskName
    figure: Literal["UA", "CCC"]
    classes: tuple[str, ...]
    synthetic: tuple[str, ...]
    corpora: tuple[JoinedCorpus, ...]
    train_on: tuple[str, ...]
    test_on: tuple[str, ...]
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[MatrixCell, ...]

    def cell(self, train: str, test: str) -> MatrixCell:
        """Return the cell of two corpora."""
        return next(cell for cell in self.cells if (cell.corpora.train.name, cell.corpora.test.name) == (train, test))

    def as_json(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, numbers and strings."""
        return self.model_dump(mode="json")

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OutputError: The file cannot be written.
        """
        write_typed(path, self, number=_FORMAT)


def read_matrix(path: Path) -> CorpusMatrix:
    """Read a matrix.

    Raises:
        FormatError: The file is missing or damaged, or another version of merflow wrote it.
    """
    return read_typed(CorpusMatrix, path, number=_FORMAT, remedy="repeat the command that made it")
