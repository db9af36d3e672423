"""The tables of the classics of a benchmark of scores."""

from merflow.contracts.numerals import DASH, p_value, plural, signed_decimal, signed_decimal_interval
from merflow.contracts.score_results import ComparedScores, ScoreResults
from merflow.evaluation.report.scores.wording import heading, spread_text, with_interval
from merflow.evaluation.report.table import Table


def classics(results: ScoreResults) -> Table | None:
    """Return the figures of every classic, the lowest MAE first."""
    if not results.classics:
        return None
    names = results.figure_names
    rows = []
    for name in results.ranked_classics:
        classic = results.classics[name]
        figures = classic.figures
        rows.append(
            (
                name,
                with_interval("MAE", figures["MAE"]),
                spread_text("MAE", figures["MAE"]),
                *(with_interval(figure, figures[figure]) for figure in names[1:]),
                classic.description,
            )
        )
    return Table(
        "classics",
        "Classics",
        "Learned baselines on the same folds, lowest MAE first; their settings were chosen on development data. 95% "
        "bootstrap intervals over dialogues are in parentheses.",
        ("Classic", "MAE", "MAE by fold", *map(heading, names[1:]), "Method"),
        tuple(rows),
        left=frozenset({0, 2 + len(names)}),
    )


def against_classics(results: ComparedScores) -> Table | None:
    """Return every variant with every classic that reads nothing that the variant does not, the best ones first."""
    order = [*results.ranked, *results.ranked_classics]
    pairs = sorted(results.classic_comparisons, key=lambda pair: (order.index(pair.variant), order.index(pair.classic)))
    if not pairs:
        return None
    rows = [
        (
            pair.variant,
            pair.classic,
            signed_decimal(pair.mae.delta),
            signed_decimal_interval(pair.mae.ci95),
            p_value(pair.mae.p_holm),
            DASH if pair.ccc is None else signed_decimal(pair.ccc.delta),
            DASH if pair.ccc is None else p_value(pair.ccc.p_holm),
        )
        for pair in pairs
    ]
    return Table(
        "against-classics",
        "Variants against classics",
        f"ΔMAE and ΔCCC are the variant minus the classic, over {results.resamples:,} paired resamples of dialogues; "
        f"below 0, the variant has the lower error. Holm adjusts p over {plural(len(pairs), 'pair')}. A variant is "
        "compared with the classics that read nothing that it does not.",
        ("Variant", "Classic", "ΔMAE", "95% interval", "p, Holm", "ΔCCC", "p of ΔCCC, Holm"),
        tuple(rows),
        left=frozenset({0, 1}),
        bold=frozenset(place for place, pair in enumerate(pairs) if pair.significant),
    )
