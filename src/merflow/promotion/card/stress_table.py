"""The stress results of a card as text, for emotions and for scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from merflow.contracts.numerals import (
    decimal,
    percent,
    plural,
    signed,
    signed_decimal,
    signed_decimal_interval,
    signed_interval,
)
from merflow.contracts.stress_checks import ComparedGroup
from merflow.contracts.stress_results import ScoreStressResults, StressResults, StressRun


@dataclass(frozen=True)
class StressRow:
    """One condition.

    Attributes:
        name: Its name.
        description: The change in a few words.
        passed: True if the model passed.
        figure: The figure under the condition.
        change: Its change.
        interval: The interval of the change.
        allowed: The change that passes.
        unchanged: Share of predictions that stay the same, in percent.
    """

    name: str
    description: str
    passed: bool
    figure: str
    change: str
    interval: str
    allowed: str
    unchanged: str


@dataclass(frozen=True)
class StressTable:
    """The results of a package.

    Attributes:
        figure: Name of the figure by which a condition is judged, with its unit.
        column: The same as a column heading.
        unchanged: Figures for the unchanged utterances, in words.
        utterances: Number of utterances.
        rows: The conditions.
        failed_conditions: Number of conditions that failed.
        groups: Number of groups.
        worse: The groups that failed, in words.
        skipped: The conditions that were not tested, in words.
    """

    figure: str
    column: str
    unchanged: str
    utterances: int
    rows: tuple[StressRow, ...]
    failed_conditions: int
    groups: int
    worse: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """The number of failures in a sentence."""
        return (
            f"{self.failed_conditions} of {plural(len(self.rows), 'condition')} and {len(self.worse)} of "
            f"{plural(self.groups, 'group')} failed."
        )


def stress_table(results: StressRun | None) -> StressTable | None:
    """Return the table of a package's stress results; None if it has none."""
    if isinstance(results, StressResults):
        return _table(
            results, "UA", "UA, %", f"UA {percent(results.ua)}%", percent, signed, signed_interval, lost=" points"
        )
    if isinstance(results, ScoreStressResults):
        unchanged = f"CCC {decimal(results.ccc)} and MAE {decimal(results.mae)}"
        return _table(
            results, "CCC", "CCC", unchanged, decimal, signed_decimal, signed_decimal_interval, lost=" in MAE"
        )
    return None


def _table(
    results: StressRun,
    figure: str,
    column: str,
    unchanged: str,
    amount: Callable[[float | None], str],
    change: Callable[[float | None], str],
    change_interval: Callable[[Sequence[float] | None], str],
    *,
    lost: str,
) -> StressTable:
    def worse(group: ComparedGroup) -> str:
        return f"{group.by} {group.group} ({change(group.difference)}{lost})"

    return StressTable(
        figure=figure,
        column=column,
        unchanged=unchanged,
        utterances=results.utterances,
        rows=tuple(
            StressRow(
                name=each.name,
                description=each.description,
                passed=each.passed,
                figure=amount(each.figure),
                change=change(each.change),
                interval=change_interval(each.ci95),
                allowed=change(-each.allowed_drop),
                unchanged=percent(each.unchanged),
            )
            for each in results.conditions
        ),
        failed_conditions=sum(not each.passed for each in results.conditions),
        groups=len(results.groups),
        worse=tuple(worse(each) for each in results.groups if not each.passed),
        skipped=tuple(f"{each.name} ({each.reason})" for each in results.skipped),
    )
