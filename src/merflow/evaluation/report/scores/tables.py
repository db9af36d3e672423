"""The tables of a benchmark of scores as plain cells: the page, Markdown and LaTeX all render these.

A table that a run has no data for is left out.
"""

from collections.abc import Mapping

from merflow.contracts.numerals import (
    DASH,
    decimal,
    decimal_interval,
    decimal_spread,
    p_value,
    plural,
    signed_decimal,
    signed_decimal_interval,
    training_name,
)
from merflow.contracts.score_figures import MissingFigures, ScoreBreakdown, ScoreGroup
from merflow.contracts.score_results import ComparedScores, MaeOverSeeds, ScoreResults
from merflow.evaluation.report.notes import encoders_in_words, selection_rule, where
from merflow.evaluation.report.scores.wording import (
    all_remarks,
    conventions_in_words,
    heading,
    published,
    scale_in_words,
    spread_text,
    value_text,
    with_interval,
)
from merflow.evaluation.report.table import Table, group_table, missing_table
from merflow.evaluation.scores.breakdowns import step_name

# Breakdowns in the order of the page, with their titles.
BREAKDOWNS: Mapping[ScoreBreakdown, str] = {
    "truth": "By step of the truth",
    "setting": "By setting (scripted or improvised)",
    "session": "By session",
    "speaker": "By speaker",
    "gender": "By gender",
    "length": "By utterance length",
}
_FLOORS = "floor: "


def leaderboard(results: ScoreResults) -> Table:
    """Return the variants by rising pooled MAE, with every figure and the floors below them."""
    names = results.figure_names
    seeds = len(results.seeds) > 1
    papers = {name: published(name, results.variants[name], results) for name in results.ranked}
    quoted = set(papers.values()) != {DASH}
    rows = []
    for name in results.ranked:
        variant = results.variants[name]
        mae = variant.figures["MAE"]
        rows.append(
            (
                name,
                with_interval("MAE", mae),
                spread_text("MAE", mae),
                *([decimal_spread(variant.over_seeds.mae.mean, variant.over_seeds.mae.std)] if seeds else []),
                *(with_interval(figure, variant.figures[figure]) for figure in names[1:]),
                encoders_in_words(variant.training),
                *([papers[name]] if quoted else []),
            )
        )
    for floor, score in results.floors.items():
        ends = f" ({decimal_interval(score.mae_ci95)})" if score.mae_ci95 else ""
        cells = (value_text(figure, score.values.get(figure)) for figure in names[1:])
        over = (DASH, DASH) if seeds else (DASH,)
        rows.append(
            (
                f"{_FLOORS}{floor}",
                decimal(score.values.get("MAE")) + ends,
                *over,
                *cells,
                DASH,
                *([DASH] if quoted else []),
            )
        )
    return Table(
        "results",
        "Results by variant",
        f"{scale_in_words(results).capitalize()}, lowest MAE first, on {where(results)}. Figures are over the test "
        "predictions of all folds together, with 95% bootstrap intervals over dialogues in parentheses; MAE is in "
        "units of the scale. A floor predicts a constant that its training data give. "
        f"{conventions_in_words(results)} Epochs were chosen by: {selection_rule(results)}. "
        f"{all_remarks(results)}".strip(),
        (
            *("Variant", "MAE", "MAE by fold"),
            *(["MAE by seed"] if seeds else []),
            *map(heading, names[1:]),
            *("Encoders", *(["Paper"] if quoted else [])),
        ),
        tuple(rows),
        left=frozenset({0, 2 + seeds + len(names), 3 + seeds + len(names)}),
    )


def comparisons(results: ComparedScores) -> Table | None:
    """Return every pair once, the better variant first."""
    pairs = results.comparisons
    if not pairs:
        return None
    seeds = len(results.seeds) > 1
    rows = [
        (
            pair.a,
            pair.b,
            signed_decimal(pair.mae.delta),
            signed_decimal_interval(pair.mae.ci95),
            p_value(pair.mae.p_holm),
            p_value(pair.mae.p_bootstrap),
            *(
                (DASH, DASH, DASH)
                if pair.ccc is None
                else (signed_decimal(pair.ccc.delta), signed_decimal_interval(pair.ccc.ci95), p_value(pair.ccc.p_holm))
            ),
            *([_over_seeds(pair.over_seeds)] if seeds else []),
        )
        for pair in pairs
    ]
    return Table(
        "comparisons",
        "Comparisons",
        "ΔMAE and ΔCCC are the first variant minus the second; ΔMAE is better below 0, ΔCCC above 0. Intervals and "
        f"p-values come from the same {results.resamples:,} bootstrap resamples of dialogues, and Holm's method "
        f"adjusts the p of each figure over {plural(len(pairs), 'pair')}. MAE decides.",
        (
            *("Lower MAE", "Higher MAE", "ΔMAE", "95% CI", "p, Holm", "p, bootstrap", "ΔCCC", "95% CI of ΔCCC"),
            *("p of ΔCCC, Holm", *(["ΔMAE by seed"] if seeds else [])),
        ),
        tuple(rows),
        bold=frozenset(index for index, pair in enumerate(pairs) if pair.significant),
        left=frozenset({0, 1}),
    )


def epoch_choice(results: ScoreResults) -> Table | None:
    """Return the honest figures next to those of the test-selected epochs."""
    rows = []
    for name in results.ranked:
        variant = results.variants[name]
        selected = variant.none_paper
        if selected is None:
            continue
        rows.append(
            (
                name,
                decimal(variant.mae),
                decimal(selected.figures["MAE"].pooled),
                signed_decimal(selected.bias_mae.pooled),
                signed_decimal_interval(selected.bias_mae.ci95),
                decimal(variant.figures["CCC"].pooled),
                decimal(selected.figures["CCC"].pooled),
                signed_decimal(None if selected.bias_ccc is None else selected.bias_ccc.pooled),
            )
        )
    if not rows:
        return None
    return Table(
        "bias",
        "Bias of choosing the epoch on test data",
        "Some published code keeps the epoch with the best test figure. Here the same training runs are read that way "
        "(none-paper). These figures are not comparable with any other in this report, and no such model can be "
        "promoted. A bias of MAE below 0 flatters.",
        (
            *("Variant", "MAE, honest", "MAE, test-selected", "Bias of MAE", "95% CI"),
            *("CCC, honest", "CCC, test-selected", "Bias of CCC"),
        ),
        tuple(rows),
    )


def by_fold(results: ScoreResults) -> Table:
    """Return the MAE of every training run."""
    tests = sorted({(test.seed, test.fold) for variant in results.variants.values() for test in variant.folds})
    rows = []
    for name in results.ranked:
        variant = results.variants[name]
        mae = {(test.seed, test.fold): test.values["MAE"] for test in variant.folds}
        rows.append((name, spread_text("MAE", variant.figures["MAE"]), *(decimal(mae.get(test)) for test in tests)))
    return Table(
        "by-fold",
        "By fold",
        "Test MAE of every fold, and its mean with the standard deviation.",
        ("Variant", "Mean", *(training_name(fold, seed) for seed, fold in tests)),
        tuple(rows),
    )


def missing(results: ScoreResults) -> Table | None:
    """Return the MAE of the same models without some of their input."""
    cells = {
        name: (decimal(variant.mae), {inputs: _missing_cell(score) for inputs, score in variant.missing.items()})
        for name, variant in ((name, results.variants[name]) for name in results.ranked)
    }
    note = (
        "Pooled MAE when the test utterances lack a modality, or when the other kind of transcript is read. The change "
        "is in parentheses; above 0, the input is missed. No model was trained again."
    )
    return missing_table(cells, note=note)


def breakdowns(results: ScoreResults) -> list[tuple[ScoreBreakdown, Table]]:
    """Return the MAE by groups of test utterances, one table per kind of group."""
    note = (
        "MAE, with its 95% interval over the dialogues of the group in parentheses. Column heads give the number "
        "of test utterances."
    )
    tables = []
    for kind, title in BREAKDOWNS.items():
        figures = {
            name: (decimal(variant.mae), variant.breakdowns.get(kind, ()))
            for name, variant in ((name, results.variants[name]) for name in results.ranked)
        }
        head = "truth " if kind == "truth" else ""
        if table := group_table(kind, title, figures, note=note, cell=_group_cell, head=head):
            tables.append((kind, table))
    return tables


def residuals(results: ScoreResults, name: str) -> Table:
    """Return the residuals of a variant per step of the truth."""
    rows = tuple(
        (
            step_name(row.step, low=results.low),
            f"{row.tests:,}",
            signed_decimal(row.mean),
            *map(signed_decimal, row.quartiles),
        )
        for row in results.variants[name].residuals
    )
    return Table(
        f"residuals-{name.replace(':', '-')}",
        f"Residuals of {name}",
        "Prediction minus truth.",
        ("Truth", "Predictions", "Mean", "25%", "Median", "75%"),
        rows,
    )


def _over_seeds(difference: MaeOverSeeds | None) -> str:
    return DASH if difference is None else f"{signed_decimal(difference.mean)} ± {difference.std:.3f}"


def _missing_cell(score: MissingFigures) -> str:
    return f"{decimal(score.figures['MAE'].pooled)} ({signed_decimal(score.delta_mae)})"


def _group_cell(group: ScoreGroup) -> str:
    return decimal(group.mae) + (f" ({decimal_interval(group.ci95)})" if group.ci95 else "")
