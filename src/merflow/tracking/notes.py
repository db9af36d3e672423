"""Descriptions of runs, in the Markdown that MLflow shows on a run's page; percentages, as in the report."""

from collections.abc import Sequence

from merflow.contracts.comparisons import Comparison
from merflow.contracts.numerals import quoted
from merflow.contracts.regime import Regime
from merflow.contracts.results import Results
from merflow.contracts.score_figures import FoldFigures
from merflow.contracts.score_results import AnyResults, ScoreResults
from merflow.contracts.scores import FoldScore, Training
from merflow.contracts.selection import Selection
from merflow.tracking.markdown import markdown_table
from merflow.tracking.score_notes import benchmark_lines, fold_lines, variant_lines

_COLUMNS = ("variant", "UA", "95% interval", "WA", "macro F1", "ECE", "published UA")
_FOLD_COLUMNS = ("fold", "seed", "utterances", "UA", "WA", "chosen epoch", "dev UA")
_CLASSIC_COLUMNS = ("classic", "reads", "UA", "95% interval", "WA")
_PAIR_COLUMNS = ("pair", "UA difference", "95% interval", "p (Holm)")
# Longest table of pairs; the report has all of them.
_PAIRS = 10


def benchmark_note(results: AnyResults, *, command: str) -> str:
    """Describe a benchmark: variants, best first, the closest pairs, and the command that reproduces the run."""
    lines = benchmark_lines(results) if isinstance(results, ScoreResults) else _of_emotions(results)
    return "\n".join([_data(results), *lines, *([] if not command else ["", f"Reproduce with: `{command}`"])])


def _of_emotions(results: Results) -> list[str]:
    pairs = sorted(results.comparisons, key=lambda pair: abs(pair.delta_ua))[:_PAIRS]
    return [
        "All figures are percentages over the test utterances of all folds together; intervals come from a bootstrap "
        "over dialogues. The full report is `report.html` among the artifacts.",
        "",
        *markdown_table(_COLUMNS, (_row(name, results) for name in results.ranked)),
        *([] if not results.classics else ["", *markdown_table(_CLASSIC_COLUMNS, _classics(results))]),
        *([] if not pairs else ["", *markdown_table(_PAIR_COLUMNS, map(_pair, pairs))]),
    ]


def variant_note(name: str, results: AnyResults) -> str:
    """Describe a variant: its figures, its folds, and the rule that chose its epochs."""
    variant = results.variants[name]
    return "\n".join(
        [
            f"{_data(results)} {_rule(variant.training.selection)}{_deviation(variant.training.regime)}",
            "",
            f"Encoders: {'; '.join(f'{role} {cited}' for role, cited in variant.training.encoders.items())}."
            + (" They are the paper's." if variant.training.has_paper_encoders else " They are not the paper's."),
            "",
            *(variant_lines(name, results) if isinstance(results, ScoreResults) else _variant(name, results)),
        ]
    )


def _variant(name: str, results: Results) -> list[str]:
    folds = results.variants[name].folds
    return [
        *markdown_table(_COLUMNS, [_row(name, results)]),
        "",
        *markdown_table(_FOLD_COLUMNS, map(_fold, folds)),
    ]


def fold_note(score: FoldScore | FoldFigures, *, training: Training) -> str:
    """Describe one fold: its figures, and the rule that chose its epoch."""
    rule = f"{_rule(training.selection)}{_deviation(training.regime)}"
    lines = fold_lines(score) if isinstance(score, FoldFigures) else markdown_table(_FOLD_COLUMNS, [_fold(score)])
    return "\n".join([rule, "", *lines])


def _classics(results: Results) -> list[list[str]]:
    scores = sorted(results.classics.items(), key=lambda item: -item[1].ua.pooled)
    return [
        [
            name,
            " + ".join(score.modalities),
            _percent(score.ua.pooled),
            _interval(score.ua.ci95),
            _percent(score.wa.pooled),
        ]
        for name, score in scores
    ]


def _data(results: AnyResults) -> str:
    return f"Corpus {results.corpus}, protocol {results.protocol}, splits {results.split_id}."


def _rule(selection: Selection) -> str:
    return f"The epoch was chosen by the {selection}."


def _deviation(regime: Regime) -> str:
    return f" Other than the preset: {regime.note}." if regime.note else ""


def _row(name: str, results: Results) -> list[str]:
    variant = results.variants[name]
    published = quoted(variant.published, ("UA",), corpus=results.published_corpus, protocol=results.protocol)
    return [
        name,
        _percent(variant.ua.pooled),
        _interval(variant.ua.ci95),
        _percent(variant.wa.pooled),
        _percent(variant.macro_f1),
        _percent(variant.ece),
        published or "",
    ]


def _fold(score: FoldScore) -> list[str]:
    return [
        str(score.fold),
        str(score.seed),
        str(score.utterances),
        _percent(score.ua),
        _percent(score.wa),
        "" if score.chosen_epoch is None else str(score.chosen_epoch),
        _percent(score.dev_ua),
    ]


def _pair(pair: Comparison) -> list[str]:
    return [f"{pair.a} - {pair.b}", f"{100 * pair.delta_ua:+.1f}", _interval(pair.ci95), f"{pair.p_holm:.3f}"]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
