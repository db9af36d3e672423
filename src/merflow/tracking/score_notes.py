"""Descriptions of runs whose labels are scores, in the Markdown that MLflow shows on a run's page."""

from merflow.contracts.numerals import decimal, decimal_interval, percent, signed_decimal, signed_decimal_interval
from merflow.contracts.score_figures import FIGURE_NAMES, FigureName, FoldFigures, Measured, is_share
from merflow.contracts.score_results import ScoreComparison, ScoreResults
from merflow.tracking.markdown import markdown_table

_PAIR_COLUMNS = ("pair", "MAE difference", "95% interval", "p (Holm)")
# Longest table of pairs; the report has all of them.
_PAIRS = 10


def benchmark_lines(results: ScoreResults) -> list[str]:
    """Describe the variants and the classics, best first, and the closest pairs."""
    pairs = sorted(results.comparisons, key=lambda pair: abs(pair.mae.delta))[:_PAIRS]
    return [
        f"Labels are {results.task}, {results.low:g} to {results.high:g}. MAE is in units of the scale; ACC7, ACC2 and "
        "F1 are percentages. Figures are over the test utterances of all folds together; intervals come from a "
        "bootstrap over dialogues. The full report is `report.html` among the artifacts.",
        "",
        *markdown_table(_columns(results), (_row(name, results) for name in results.ranked)),
        *([] if not results.classics else ["", *markdown_table(_classic_columns(results), _classics(results))]),
        *([] if not pairs else ["", *markdown_table(_PAIR_COLUMNS, map(_pair, pairs))]),
    ]


def variant_lines(name: str, results: ScoreResults) -> list[str]:
    """Describe a variant: its figures and its folds."""
    folds = results.variants[name].folds
    return [
        *markdown_table(_columns(results), [_row(name, results)]),
        "",
        *markdown_table(_fold_columns(results.figure_names), (_fold(fold, results.figure_names) for fold in folds)),
    ]


def fold_lines(fold: FoldFigures) -> list[str]:
    """Describe the figures of one fold."""
    names = tuple(name for name in FIGURE_NAMES if name in fold.values)
    return markdown_table(_fold_columns(names), [_fold(fold, names)])


def _columns(results: ScoreResults) -> tuple[str, ...]:
    return ("variant", *_figure_columns(results))


def _row(name: str, results: ScoreResults) -> list[str]:
    return [name, *_figures(results.variants[name], results)]


def _classic_columns(results: ScoreResults) -> tuple[str, ...]:
    return ("classic", "reads", *_figure_columns(results))


def _classics(results: ScoreResults) -> list[list[str]]:
    classics = ((name, results.classics[name]) for name in results.ranked_classics)
    return [[name, " + ".join(classic.modalities), *_figures(classic, results)] for name, classic in classics]


def _figure_columns(results: ScoreResults) -> tuple[str, ...]:
    return ("MAE", "95% interval", *results.figure_names[1:])


def _figures(measured: Measured, results: ScoreResults) -> list[str]:
    figures = measured.figures
    others = (_text(figure, figures[figure].pooled) for figure in results.figure_names[1:])
    return [decimal(figures["MAE"].pooled), decimal_interval(figures["MAE"].ci95), *others]


def _fold_columns(names: tuple[FigureName, ...]) -> tuple[str, ...]:
    return ("fold", "seed", "utterances", *names, "chosen epoch", "dev MAE")


def _fold(fold: FoldFigures, names: tuple[FigureName, ...]) -> list[str]:
    return [
        str(fold.fold),
        str(fold.seed),
        str(fold.utterances),
        *(_text(name, fold.values[name]) for name in names),
        "" if fold.chosen_epoch is None else str(fold.chosen_epoch),
        decimal(fold.dev_mae),
    ]


def _pair(pair: ScoreComparison) -> list[str]:
    mae = pair.mae
    return [f"{pair.a} - {pair.b}", signed_decimal(mae.delta), signed_decimal_interval(mae.ci95), f"{mae.p_holm:.3f}"]


def _text(name: FigureName, value: float | None) -> str:
    return percent(value) if is_share(name) else decimal(value)
