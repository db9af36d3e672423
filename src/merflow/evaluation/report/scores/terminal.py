"""The tables that commands print where labels are scores."""

from collections.abc import Sequence

from rich.table import Table

from merflow.contracts.comparisons import ALPHA
from merflow.contracts.numerals import DASH, p_value, signed_decimal, signed_decimal_interval
from merflow.contracts.score_figures import FigureName, Measured
from merflow.contracts.score_results import ComparedScoreRuns, ComparedScores, ScoreResults
from merflow.contracts.terminal_table import lineless_table
from merflow.evaluation.report.notes import encoders_note, selection_rule, tests_in_words, training_in_words
from merflow.evaluation.report.scores.wording import (
    all_remarks,
    conventions_in_words,
    heading,
    interval_text,
    power_note,
    scale_in_words,
    spread_text,
    value_text,
)

# A terminal has no room for all figures; the report has them.
_SHOWN: tuple[FigureName, ...] = ("CCC", "Pearson", "ACC7", "ACC2 has0", "ACC2 non0")


def score_results_table(results: ScoreResults) -> Table:
    """Return the variants by rising pooled MAE, and the classics and floors below them."""
    shown = _shown(results)
    table = lineless_table(
        f"{scale_in_words(results).capitalize()}; MAE in its units. Intervals are 95% over dialogues; folds are mean ± "
        "standard deviation. A floor predicts a constant of its training data. "
        f"{conventions_in_words(results)} {encoders_note(results)} Epochs chosen by: {selection_rule(results)}. "
        f"{all_remarks(results)}"
    )
    table.add_column("variant", no_wrap=True)
    for head in ("MAE", "interval", "folds", *map(heading, shown)):
        table.add_column(head, justify="right", no_wrap=True)
    for name in results.ranked:
        table.add_row(name, *_cells(results.variants[name], shown, folds=True))
    for name in results.ranked_classics:
        table.add_row(name, *_cells(results.classics[name], shown, folds=True), style="dim")
    for name, floor in results.floors.items():
        mae_and_interval = (value_text("MAE", floor.values.get("MAE")), interval_text("MAE", floor.mae_ci95), "")
        cells = (value_text(figure, floor.values.get(figure)) for figure in shown)
        table.add_row(f"floor: {name}", *mae_and_interval, *cells, style="dim")
    return table


def score_variants_table(compared: ComparedScoreRuns) -> Table:
    """Return the compared variants by rising pooled MAE."""
    shown = _shown(compared)
    table = lineless_table(
        f"{scale_in_words(compared).capitalize()}; MAE in its units. Intervals are 95% over dialogues. Tested on "
        f"{tests_in_words(compared)}. {conventions_in_words(compared)} {training_in_words(compared)}"
    )
    table.add_column("variant", no_wrap=True)
    for head in ("MAE", "interval", *map(heading, shown)):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    table.add_column("encoders")
    for name in compared.ranked:
        variant = compared.variants[name]
        table.add_row(
            name,
            *_cells(variant, shown, folds=False),
            variant.run,
            "; ".join(dict.fromkeys(variant.encoders.values())),
        )
    for name in compared.ranked_classics:
        table.add_row(name, *_cells(compared.classics[name], shown, folds=False), DASH, style="dim")
    return table


def score_comparisons_table(compared: ComparedScoreRuns) -> Table:
    """Return every pair, the better variant first; significant ones in bold."""
    several = len(compared.seeds) > 1
    pairs = len(compared.comparisons)
    sentences = [
        f"ΔMAE and ΔCCC are the first minus the second, over {compared.resamples:,} paired resamples of dialogues; "
        "MAE decides.",
        f"Holm adjusts p over {pairs} pairs." if pairs > 1 else "With one pair, Holm has nothing to adjust.",
        f"Bold: adjusted p of ΔMAE below {ALPHA}.",
        *(["Over seeds: mean ± standard deviation of ΔMAE."] if several else []),
        power_note(compared.power, results=compared),
    ]
    table = lineless_table(" ".join(sentences))
    for head in ("lower MAE", "higher MAE"):
        table.add_column(head, no_wrap=True)
    for head in (
        "ΔMAE",
        "95% interval",
        *(["over seeds"] if several else []),
        "p, Holm",
        "p",
        "ΔCCC",
        "p of ΔCCC, Holm",
    ):
        table.add_column(head, justify="right", no_wrap=True)
    for pair in compared.comparisons:
        over = pair.over_seeds
        table.add_row(
            pair.a,
            pair.b,
            signed_decimal(pair.mae.delta),
            signed_decimal_interval(pair.mae.ci95),
            *([] if over is None else [f"{signed_decimal(over.mean)} ± {over.std:.3f}"]),
            *map(p_value, (pair.mae.p_holm, pair.mae.p_bootstrap)),
            signed_decimal(None if pair.ccc is None else pair.ccc.delta),
            p_value(None if pair.ccc is None else pair.ccc.p_holm),
            style="bold" if pair.significant else None,
        )
    return table


def _shown(results: ComparedScores) -> tuple[FigureName, ...]:
    return tuple(name for name in _SHOWN if name in results.figure_names)


def _cells(measured: Measured, shown: Sequence[FigureName], *, folds: bool) -> list[str]:
    """Return MAE with its interval and, if asked for, its spread over folds, and the other figures."""
    mae = measured.figures["MAE"]
    return [
        value_text("MAE", mae.pooled),
        interval_text("MAE", mae.ci95),
        *([spread_text("MAE", mae)] if folds else []),
        *(value_text(figure, measured.figures[figure].pooled) for figure in shown),
    ]
