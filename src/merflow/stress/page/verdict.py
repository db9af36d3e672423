"""The suite's results in words: what failed, and what failed first."""

from collections.abc import Sequence
from dataclasses import dataclass

from merflow.contracts.numerals import decimal, listed, percent, plural
from merflow.contracts.stress_checks import ComparedGroup, StressedCondition
from merflow.contracts.stress_results import ScoreStressResults, StressResults, StressRun
from merflow.stress.page.wording import Wording, wording_of
from merflow.stress.thresholds import LEVEL

# More sentences than this would be a table, and the page has one.
_MOST_FAMILIES, _MOST_GROUPS = 3, 4
_FEW_UTTERANCES = 200


@dataclass(frozen=True)
class StressVerdict:
    """The page's summary.

    Attributes:
        headline: One line.
        sentences: The first failures, the worst first.
        cautions: Caveats about the figures.
    """

    headline: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]


def stress_verdict(results: StressRun) -> StressVerdict:
    """Return the verdict of the results."""
    failed = [result for result in results.conditions if not result.passed]
    held = len(results.conditions) - len(failed)
    if not results.conditions:
        headline = f"{results.variant} was tested under no condition"
    elif not failed:
        headline = f"{results.variant} bears all {plural(len(results.conditions), 'condition')}"
    else:
        headline = f"{results.variant} bears {held} of {plural(len(results.conditions), 'condition')}"
    worse = [group for group in results.groups if not group.passed]
    if worse:
        headline += f" and is worse for {plural(len(worse), 'group')}"
    words = wording_of(results)
    start = f"{_start(results)} on {plural(results.utterances, 'test utterance')} as they are."
    sentences = (start, *_first_failures(results.conditions, words), *_groups(results.groups, worse, words))
    return StressVerdict(headline, sentences, tuple(_cautions(results)))


def failed_first(conditions: Sequence[StressedCondition]) -> list[StressedCondition]:
    """Return the mildest failed condition of each family, the furthest beyond its limits first.

    If the conditions of a family are levels of one change, they are ordered from mild to severe.
    """
    first: dict[str, StressedCondition] = {}
    for result in conditions:
        if not result.passed:
            first.setdefault(result.family, result)
    return sorted(first.values(), key=excess, reverse=True)


def excess(result: StressedCondition) -> float:
    """Return by how much a condition exceeds its limits, as a fraction; negative within them."""
    return max(-result.change - result.allowed_drop, result.min_unchanged - result.unchanged)


def _start(results: StressRun) -> str:
    if isinstance(results, ScoreStressResults):
        return f"CCC is {decimal(results.ccc)} and MAE {decimal(results.mae)}"
    assert isinstance(results, StressResults)
    return f"UA is {percent(results.ua)}%"


def _first_failures(conditions: Sequence[StressedCondition], words: Wording) -> list[str]:
    """Return sentences about the first failures; those of further families are in the table."""
    first = failed_first(conditions)
    said = [_failure(result, words) for result in first[:_MOST_FAMILIES]]
    rest = [result.name for result in first[_MOST_FAMILIES:]]
    return said + ([f"Less far beyond their limits: {listed(rest)}."] if rest else [])


def _failure(result: StressedCondition, words: Wording) -> str:
    reasons = []
    if -result.change > result.allowed_drop:
        lost, allowed = words.amount(-result.change), words.amount(result.allowed_drop)
        reasons.append(f"{words.figure} falls by {lost}{words.points} ({allowed} {words.are} allowed)")
    if result.unchanged < result.min_unchanged:
        needed = percent(result.min_unchanged)
        reasons.append(f"{percent(result.unchanged)}% {words.stay} ({needed}% are needed)")
    return f"Under {result.name} ({result.description}), {listed(reasons)}."


def _groups(groups: Sequence[ComparedGroup], worse: Sequence[ComparedGroup], words: Wording) -> list[str]:
    if not groups:
        return ["The corpus knows no groups of utterances to compare."]
    if not worse:
        kinds = listed(list(dict.fromkeys(group.by for group in groups)))
        return [f"No group by {kinds} is worse than the others beyond what chance explains."]
    ordered = sorted(worse, key=lambda group: group.allowed_gap - abs(group.difference or 0.0))
    said = [
        f"{group.by} {group.group} ({words.change(group.difference)}{words.points}; {words.amount(group.allowed_gap)} "
        f"{words.are} allowed)"
        for group in ordered[:_MOST_GROUPS]
    ]
    rest = len(worse) - len(said)
    more = f", and {plural(rest, 'more group')}" if rest else ""
    others = f"{words.group_figure} is {words.worse} that of the others"
    return [f"{others}, beyond chance, for {'; '.join(said)}{more}."]


def _cautions(results: StressRun) -> list[str]:
    cautions = []
    if results.synthetic:
        cautions.append("The corpus is synthetic. These figures say nothing about real speech.")
    if results.utterances < _FEW_UTTERANCES:
        cautions.append(
            f"{plural(results.utterances, 'utterance')} are few: chance explains much, so only large drops fail."
        )
    if results.conditions and results.conditions[0].ci95 is None:
        cautions.append("There are fewer than five dialogues, too few for intervals.")
    if results.checks:
        cautions.append(
            f"Each limit has room for chance, but {results.checks} checks are many: a model exactly at a limit fails "
            f"it in {100 * LEVEL:.0f} of 100 samples."
        )
    return cautions
