"""Figures that the papers report, each with the corpus, protocol and metric that it belongs to.

They are quoted next to measured figures. A difference is taken on the same corpus and protocol alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from pydantic import Field

from merflow.contracts.strict import Strict

Metric = Literal["WA", "UA", "F1", "ACC7", "ACC2"]
METRICS: tuple[Metric, ...] = get_args(Metric)

# The corpus on which the papers tell emotions apart; figures on MOSEI are those of sentiment scores.
IEMOCAP4 = "iemocap4"
MOSEI = "mosei"


class Paper(Strict):
    """The paper that describes a model."""

    title: str
    venue: str
    year: int


class PublishedTest(NamedTuple):
    """The test that a figure belongs to; see :class:`PublishedFigure`."""

    corpus: str
    protocol: str

    def __str__(self) -> str:
        return f"{self.corpus}, {self.protocol}"


class PublishedFigure(Strict):
    """One number of a paper's table.

    Attributes:
        metric: The paper's word for it.
        value: Percent, as printed.
        corpus: ``iemocap4``, four emotions of IEMOCAP, or ``mosei``.
        protocol: The paper's division into training and test data; ``official`` is MOSEI's own.
        table: Number of the table in the paper.
        inputs: Inputs in the paper's own words.
        uncertain: True if the paper does not say clearly that the figure is this system's; ``note`` says why.
        note: Further remarks about the table's row.
    """

    metric: Metric
    value: float = Field(ge=0, le=100, allow_inf_nan=False)
    corpus: Literal["iemocap4", "mosei"]
    protocol: Literal["session-5fold", "speaker-10fold", "session5-only", "official"]
    table: str
    inputs: str
    uncertain: bool = False
    note: str = ""

    @property
    def test(self) -> PublishedTest:
        """Corpus and protocol."""
        return PublishedTest(self.corpus, self.protocol)

    @property
    def text(self) -> str:
        """The percentage with one or two decimals; a question mark follows an uncertain one."""
        return f"{self.value:.{1 if self.value == round(self.value, 1) else 2}f}{'?' if self.uncertain else ''}"


@dataclass(frozen=True)
class PublishedRow:
    """One system of a paper's table on one test.

    Attributes:
        variant: ``model:preset`` of the system; not every variant can be trained.
        figures: Its figures, at least one; they have test, inputs and note in common.
    """

    variant: str
    figures: tuple[PublishedFigure, ...]

    @property
    def first(self) -> PublishedFigure:
        """The figure that represents all of them."""
        return self.figures[0]

    def figure(self, metric: str) -> PublishedFigure | None:
        """Return the figure of this metric, or None if the row has none."""
        return next((figure for figure in self.figures if figure.metric == metric), None)


@dataclass(frozen=True)
class PublishedTable:
    """One table of a paper.

    Attributes:
        model: Name of the model that the paper proposes.
        paper: The paper.
        number: Number of the table in the paper.
        rows: Its rows in the paper's order.
    """

    model: str
    paper: Paper
    number: str
    rows: tuple[PublishedRow, ...]


def by_test(figures: Iterable[PublishedFigure]) -> dict[PublishedTest, dict[Metric, PublishedFigure]]:
    """Group figures by test and metric; where several tables print the same one, the first counts."""
    grouped: dict[PublishedTest, dict[Metric, PublishedFigure]] = {}
    for figure in figures:
        grouped.setdefault(figure.test, {}).setdefault(figure.metric, figure)
    return grouped
