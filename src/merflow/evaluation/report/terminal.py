"""The tables that commands print: the results of a benchmark, and the comparison of runs."""

from rich.table import Table

from merflow.contracts.comparisons import ALPHA, DifferenceOverSeeds
from merflow.contracts.numerals import DASH, interval, p_value, percent, signed, signed_interval, spread
from merflow.contracts.results import ComparedRuns, Results
from merflow.contracts.score_results import AnyResults, ComparedScoreRuns, ScoreResults
from merflow.contracts.terminal_table import lineless_table
from merflow.evaluation.report.classics_tables import against_classics, ranked_classics
from merflow.evaluation.report.notes import (
    all_deviations,
    encoders_note,
    power_note,
    selection_rule,
    tests_in_words,
    training_in_words,
)
from merflow.evaluation.report.scores.classics import against_classics as scores_against_classics
from merflow.evaluation.report.scores.terminal import score_comparisons_table, score_results_table, score_variants_table
from merflow.evaluation.report.table import Table as Cells


def results_table(results: AnyResults) -> Table:
    """Return the variants, the best first: by falling pooled UA, or where labels are scores by rising pooled MAE."""
    table = score_results_table(results) if isinstance(results, ScoreResults) else _results_of_classes(results)
    if results.cross_corpus:
        table.caption = " ".join([*results.cross_corpus.sentences, str(table.caption)])
    return table


def _results_of_classes(results: Results) -> Table:
    table = lineless_table(
        "Percent. Intervals are 95% over dialogues; folds are mean ± standard deviation. "
        f"{encoders_note(results)} Epochs chosen by: {selection_rule(results)}. {all_deviations(results)}"
    )
    table.add_column("variant", no_wrap=True)
    for name in ("UA", "interval", "folds", "WA", "macro F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in results.ranked:
        variant = results.variants[name]
        table.add_row(
            name,
            percent(variant.ua.pooled),
            interval(variant.ua.ci95),
            spread(variant.ua),
            percent(variant.wa.pooled),
            percent(variant.macro_f1),
        )
    for name in ranked_classics(results):
        classic = results.classics[name]
        table.add_row(
            name,
            percent(classic.ua.pooled),
            interval(classic.ua.ci95),
            spread(classic.ua),
            percent(classic.wa.pooled),
            percent(classic.macro_f1),
            style="dim",
        )
    return table


def comparison_tables(compared: ComparedRuns | ComparedScoreRuns) -> list[Table]:
    """Return the tables of a comparison: the variants, the pairs, and the pairs with classics where there are any."""
    if isinstance(compared, ComparedScoreRuns):
        tables = [score_variants_table(compared), score_comparisons_table(compared)]
        cells = scores_against_classics(compared)
    else:
        tables = [variants_table(compared), comparisons_table(compared)]
        cells = against_classics(compared)
    return tables if cells is None else [*tables, _printable(cells)]


def variants_table(compared: ComparedRuns) -> Table:
    """Return the compared variants by falling pooled UA."""
    table = lineless_table(
        f"Percent. Intervals are 95% over dialogues. Tested on {tests_in_words(compared)}. "
        f"{training_in_words(compared)}"
    )
    table.add_column("variant", no_wrap=True)
    for name in ("UA", "interval", "WA"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    table.add_column("encoders")
    for name in compared.ranked:
        variant = compared.variants[name]
        table.add_row(
            name,
            percent(variant.ua.pooled),
            interval(variant.ua.ci95),
            percent(variant.wa.pooled),
            variant.run,
            "; ".join(dict.fromkeys(variant.encoders.values())),
        )
    for name in ranked_classics(compared):
        classic = compared.classics[name]
        figures = (percent(classic.ua.pooled), interval(classic.ua.ci95), percent(classic.wa.pooled))
        table.add_row(name, *figures, DASH, style="dim")
    return table


def _printable(cells: Cells) -> Table:
    """Return a table of the report as the terminal prints it."""
    table = lineless_table(cells.note)
    for index, name in enumerate(cells.columns):
        table.add_column(name, no_wrap=True, justify="left" if index in cells.left else "right")
    for index, row in enumerate(cells.rows):
        table.add_row(*row, style="bold" if index in cells.bold else None)
    return table


def comparisons_table(compared: ComparedRuns) -> Table:
    """Return every pair, the better variant first; significant ones in bold."""
    several = len(compared.seeds) > 1
    table = lineless_table(_caption(compared, several=several))
    for name in ("higher", "lower"):
        table.add_column(name, no_wrap=True)
    figures = ("ΔUA", "95% interval", *(["over seeds"] if several else []))
    for name in (*figures, "p, Holm", "p", "McNemar, Holm", "McNemar"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in compared.comparisons:
        table.add_row(
            pair.a,
            pair.b,
            signed(pair.delta_ua),
            signed_interval(pair.ci95),
            *([_over_seeds(pair.over_seeds)] if several else []),
            *map(p_value, (pair.p_holm, pair.p_bootstrap, pair.p_mcnemar_holm, pair.p_mcnemar)),
            style="bold" if pair.significant else None,
        )
    return table


def _caption(compared: ComparedRuns, *, several: bool) -> str:
    pairs = len(compared.comparisons)
    sentences = [
        f"ΔUA is in percentage points, over {compared.resamples:,} paired resamples of dialogues.",
        f"Holm adjusts p over {pairs} pairs." if pairs > 1 else "With one pair, Holm has nothing to adjust.",
        f"Bold: adjusted p below {ALPHA}.",
        *(["Over seeds: mean ± standard deviation of the difference."] if several else []),
        "McNemar's test compares WA and treats utterances as independent.",
        power_note(compared.power),
    ]
    return " ".join(sentences)


def _over_seeds(difference: DifferenceOverSeeds | None) -> str:
    return DASH if difference is None else f"{signed(difference.mean)} ± {100 * difference.std:.1f}"
