"""The tables of ``tables.md`` and ``tables.tex`` where labels are scores."""

from collections.abc import Sequence

from merflow.contracts.published import PublishedTable
from merflow.contracts.score_results import ScoreResults
from merflow.evaluation.report.scores.classics import against_classics, classics
from merflow.evaluation.report.scores.paper_tables import score_paper_tables
from merflow.evaluation.report.scores.tables import (
    breakdowns,
    comparisons,
    epoch_choice,
    leaderboard,
    missing,
    residuals,
)
from merflow.evaluation.report.table import Table


def score_tables(results: ScoreResults, papers: Sequence[PublishedTable]) -> list[Table]:
    """Return every table that the results have data for."""
    tables = [
        leaderboard(results),
        comparisons(results),
        classics(results),
        against_classics(results),
        epoch_choice(results),
        missing(results),
        *(table for _, table in breakdowns(results)),
        *(residuals(results, name) for name in results.ranked),
        *score_paper_tables(results, papers),
    ]
    return [table for table in tables if table is not None]
