"""Formatting of figures for scores, and phrases that a report repeats."""

from collections.abc import Sequence

from merflow.contracts.numerals import DASH, decimal, decimal_interval, decimal_spread, interval, percent
from merflow.contracts.published import MOSEI, Metric, by_test
from merflow.contracts.score_figures import (
    CONVENTIONS,
    PUBLISHED_CONVENTION,
    Figure,
    FigureName,
    ScoreVariant,
    counterpart,
    is_share,
)
from merflow.contracts.score_results import ComparedScores, ScorePower, ScoreResults
from merflow.evaluation.report.notes import deviations, told_by_variant

_UNIT = "%"
# The papers' metrics of sentiment, in the order of the tables.
_PUBLISHED: tuple[Metric, ...] = ("ACC7", "ACC2", "F1")


def heading(name: FigureName) -> str:
    """Return a column heading, with the unit of a share: ``ACC7, %``."""
    return f"{name}, {_UNIT}" if is_share(name) else name


def value_text(name: FigureName, value: float | None) -> str:
    """Return a figure in its column: shares in percent, others with three decimals."""
    return percent(value) if is_share(name) else decimal(value)


def interval_text(name: FigureName, ends: Sequence[float] | None) -> str:
    """Return the interval of a figure in its column."""
    return interval(ends) if is_share(name) else decimal_interval(ends)


def with_interval(name: FigureName, figure: Figure) -> str:
    """Return a pooled figure with its interval in parentheses, where there is one."""
    ends = f" ({interval_text(name, figure.ci95)})" if figure.ci95 else ""
    return value_text(name, figure.pooled) + ends


def spread_text(name: FigureName, figure: Figure) -> str:
    """Return mean and deviation over folds and seeds."""
    if not is_share(name):
        return decimal_spread(figure.mean, figure.std)
    return percent(figure.mean) + ("" if figure.std is None else f" ± {100 * figure.std:.1f}")


def scale_in_words(results: ComparedScores) -> str:
    """Return the task and its scale, for example ``sentiment from −3 to 3``."""
    return f"{results.task} from {_whole(results.low)} to {_whole(results.high)}"


def conventions_in_words(results: ComparedScores) -> str:
    """Return sentences about the conventions of ACC2 and F1, or about their absence on this scale."""
    if not any(is_share(name) for name in results.figure_names):
        return f"ACC7, ACC2 and F1 need a scale from {_whole(-3)} to 3; {results.task} has none of them."
    told = "; ".join(f"{name}: {words}" for name, words in CONVENTIONS.items())
    return (
        f"ACC7 clips truth and prediction to the scale and rounds both, halves to the even integer. ACC2 and F1 have "
        f"three conventions, which papers mix: {told}. F1 is weighted by class size."
    )


def published(name: str, variant: ScoreVariant, results: ScoreResults) -> str:
    """Return the paper's figures of sentiment with their conventions; of another test than the run's, with its name."""
    model = name.partition(":")[0]
    tests = by_test(figure for figure in variant.published if figure.corpus == MOSEI)
    if results.task != "sentiment" or not tests:
        return DASH
    told = []
    for test, on_test in tests.items():
        figures = (
            f"{counterpart(metric, model=model) or f'{metric} of unknown convention'} {on_test[metric].text}"
            for metric in _PUBLISHED
            if metric in on_test
        )
        own = test == (results.published_corpus, results.protocol)
        told.append(", ".join(figures) + ("" if own else f" ({test})"))
    return "; ".join(told)


def remarks(variant: ScoreVariant, results: ScoreResults) -> list[str]:
    """Return the differences from the preset, and a remark if the variant's paper has no figures of the task."""
    on_task = results.task == "sentiment" and any(figure.corpus == MOSEI for figure in variant.published)
    not_published = [] if on_task else [f"not from its paper, which has no figures of {results.task} for it"]
    return [*deviations(variant.training), *not_published]


def all_remarks(results: ScoreResults) -> str:
    """Return the remarks about every variant in sentences, the best variant first; empty if there are none."""
    return told_by_variant({name: remarks(results.variants[name], results) for name in results.ranked})


def convention_of_papers(models: Sequence[str]) -> str:
    """Return a sentence about the convention of each of these models' papers; empty if none is known."""
    return " ".join(
        f"The paper of {model} calls ACC2 that of {CONVENTIONS[PUBLISHED_CONVENTION[model]]}, which is "
        f"{PUBLISHED_CONVENTION[model]}; it does not define its F1, which is compared with F1 "
        f"{PUBLISHED_CONVENTION[model]}."
        for model in dict.fromkeys(models)
        if model in PUBLISHED_CONVENTION
    )


def power_note(power: ScorePower, *, results: ComparedScores) -> str:
    """Return the difference that this test set can show."""
    if power.detectable_mae is None:
        return "The power of this test set is unknown: it takes two variants and at least five dialogues."
    return (
        f"With {results.utterances:,} test utterances in {results.dialogues} dialogues, a true MAE difference of "
        f"{decimal(power.detectable_mae)} between a typical pair of these variants is detected with a probability of "
        f"{100 * power.power:.0f}%."
    )


def _whole(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
