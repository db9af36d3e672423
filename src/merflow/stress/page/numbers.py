"""The numbers in the results as table cells, for the page and the terminal."""

from dataclasses import dataclass

from merflow.contracts.numerals import percent
from merflow.contracts.stress_checks import ScoreConditionResult, StressedCondition
from merflow.contracts.stress_results import ScoreStressResults, StressRun
from merflow.stress.page.wording import Wording, wording_of


@dataclass(frozen=True)
class NumbersRow:
    """One condition or group.

    Attributes:
        name: Its name.
        note: A further remark.
        cells: The numbers.
        passed: True if it passed.
    """

    name: str
    note: str
    cells: tuple[str, ...]
    passed: bool


@dataclass(frozen=True)
class Numbers:
    """A table: headings of the number columns, and rows."""

    heads: tuple[str, ...]
    rows: tuple[NumbersRow, ...]


def condition_numbers(results: StressRun) -> Numbers:
    """Return the conditions in the order of the suite."""
    words = wording_of(results)
    further = ("MAE, change", "Shift") if isinstance(results, ScoreStressResults) else ()
    heads = (words.figure, "Change", "95% interval", "May fall by", "Unchanged", "At least", *further)
    rows = (NumbersRow(each.name, each.description, _cells(each, words), each.passed) for each in results.conditions)
    return Numbers(heads, tuple(rows))


def group_numbers(results: StressRun) -> Numbers:
    """Return the groups, by kind."""
    words = wording_of(results)
    heads = ("Utterances", words.group_figure, "Against others", "95% interval", "Gap that passes")
    rows = (
        NumbersRow(
            f"{each.by} {each.group}",
            "",
            (
                str(each.utterances),
                words.amount(each.figure),
                words.change(each.difference),
                words.change_interval(each.ci95),
                words.amount(each.allowed_gap),
            ),
            each.passed,
        )
        for each in results.groups
    )
    return Numbers(heads, tuple(rows))


def _cells(result: StressedCondition, words: Wording) -> tuple[str, ...]:
    further: tuple[str, ...] = ()
    if isinstance(result, ScoreConditionResult):
        further = (f"{words.amount(result.mae)}, {words.change(result.delta_mae)}", words.change(result.shift))
    return (
        words.amount(result.figure),
        words.change(result.change),
        words.change_interval(result.ci95),
        words.amount(result.allowed_drop),
        percent(result.unchanged),
        percent(result.min_unchanged),
        *further,
    )
