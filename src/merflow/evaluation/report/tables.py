"""The tables of a benchmark as plain cells: the page, Markdown and LaTeX all render these.

A table that a run has no data for is left out.
"""

from collections.abc import Mapping

from merflow.contracts.comparisons import DifferenceOverSeeds
from merflow.contracts.numerals import (
    DASH,
    interval,
    p_value,
    percent,
    plural,
    signed,
    signed_interval,
    spread,
    training_name,
)
from merflow.contracts.results import Results
from merflow.contracts.scores import Breakdown, ClassicScore, Group, MissingInput
from merflow.evaluation.report.classics_tables import ranked_classics
from merflow.evaluation.report.notes import (
    all_deviations,
    encoders_in_words,
    published,
    selection_rule,
    where,
)
from merflow.evaluation.report.table import Table, group_table, missing_table

# Breakdowns in the order of the page, with their titles.
BREAKDOWNS: Mapping[Breakdown, str] = {
    "setting": "By setting (scripted or improvised)",
    "session": "By session",
    "speaker": "By speaker",
    "emotion": "By emotion",
    "length": "By utterance length",
}


def leaderboard(results: Results) -> Table:
    """Return the variants by falling pooled UA, with the papers' own figures."""
    seeds = len(results.seeds) > 1
    rows = []
    for name in results.ranked:
        variant = results.variants[name]
        rows.append(
            (
                name,
                percent(variant.ua.pooled),
                interval(variant.ua.ci95),
                spread(variant.ua),
                *([spread(variant.over_seeds.ua)] if seeds else []),
                percent(variant.wa.pooled),
                interval(variant.wa.ci95),
                percent(variant.macro_f1),
                percent(variant.ece),
                published(variant, results),
                encoders_in_words(variant.training),
            )
        )
    rows += [_classic_row(name, results.classics[name], seeds=seeds) for name in ranked_classics(results)]
    return Table(
        "results",
        "Results by variant",
        f"Percent, best variant first, on {where(results)}. UA is the mean recall over classes and WA is accuracy, "
        "both over the test predictions of all folds together, with 95% bootstrap intervals over dialogues. The column "
        "of the paper quotes its figures, and its encoders and choice of epoch may differ; a figure of another corpus "
        "or protocol names it, and a question mark follows one that may be another system's. Epochs were chosen by: "
        f"{selection_rule(results)}. {all_deviations(results)}".strip(),
        (
            *("Variant", "UA", "UA, 95% CI", "UA by fold"),
            *(["UA by seed"] if seeds else []),
            *("WA", "WA, 95% CI", "Macro F1", "ECE", "Paper, UA / WA", "Encoders"),
        ),
        tuple(rows),
    )


def _classic_row(name: str, classic: ClassicScore, *, seeds: bool) -> tuple[str, ...]:
    ua = (percent(classic.ua.pooled), interval(classic.ua.ci95), spread(classic.ua), *([DASH] if seeds else []))
    return (name, *ua, percent(classic.wa.pooled), interval(classic.wa.ci95), percent(classic.macro_f1), DASH, DASH)


def comparisons(results: Results) -> Table | None:
    """Return every pair once, the better variant first."""
    pairs = results.comparisons
    if not pairs:
        return None
    seeds = len(results.seeds) > 1
    rows = [
        (
            pair.a,
            pair.b,
            signed(pair.delta_ua),
            signed_interval(pair.ci95),
            p_value(pair.p_holm),
            p_value(pair.p_bootstrap),
            p_value(pair.p_mcnemar),
            p_value(pair.p_mcnemar_holm),
            *([_points(pair.over_seeds)] if seeds else []),
        )
        for pair in pairs
    ]
    return Table(
        "comparisons",
        "Comparisons",
        f"ΔUA is the difference of pooled UA in percentage points. Intervals and p-values come from the same "
        f"{results.resamples:,} bootstrap resamples of dialogues, and Holm's method adjusts p over "
        f"{plural(len(pairs), 'pair')}. McNemar's test compares WA and treats utterances as independent.",
        (
            *("Higher", "Lower", "ΔUA", "95% CI", "p, Holm", "p, bootstrap", "p, McNemar", "p, McNemar, Holm"),
            *(["ΔUA by seed"] if seeds else []),
        ),
        tuple(rows),
        bold=frozenset(index for index, pair in enumerate(pairs) if pair.significant),
        left=frozenset({0, 1}),
    )


def epoch_choice(results: Results) -> Table | None:
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
                percent(variant.ua.pooled),
                percent(selected.ua.pooled),
                signed(selected.bias.ua.pooled),
                signed_interval(selected.bias.ua.ci95),
                percent(selected.wa.pooled),
                signed(selected.bias.wa.pooled),
            )
        )
    if not rows:
        return None
    return Table(
        "bias",
        "Bias of choosing the epoch on test data",
        "Some published code keeps the epoch with the best test score. Here the same training runs are read that way "
        "(none-paper). These figures are not comparable with any other in this report, and no such model can be "
        "promoted. Percent; bias in percentage points.",
        ("Variant", "UA, honest", "UA, test-selected", "Bias of UA", "95% CI", "WA, test-selected", "Bias of WA"),
        tuple(rows),
    )


def by_fold(results: Results) -> Table:
    """Return the UA of every training run."""
    tests = sorted({(test.seed, test.fold) for variant in results.variants.values() for test in variant.folds})
    rows = []
    for name in results.ranked:
        variant = results.variants[name]
        ua = {(test.seed, test.fold): test.ua for test in variant.folds}
        rows.append((name, spread(variant.ua), *(percent(ua.get(test)) for test in tests)))
    return Table(
        "by-fold",
        "By fold",
        "Test UA of every fold in percent, and its mean with the standard deviation.",
        ("Variant", "Mean", *(training_name(fold, seed) for seed, fold in tests)),
        tuple(rows),
    )


def missing(results: Results) -> Table | None:
    """Return the UA of the same models without some of their input."""
    cells = {
        name: (percent(variant.ua.pooled), {inputs: _missing_cell(score) for inputs, score in variant.missing.items()})
        for name, variant in ((name, results.variants[name]) for name in results.ranked)
    }
    note = (
        "Pooled UA in percent when the test utterances lack a modality, or when the other kind of transcript is read. "
        "The change in percentage points is in parentheses. No model was trained again."
    )
    return missing_table(cells, note=note)


def breakdowns(results: Results) -> list[tuple[Breakdown, Table]]:
    """Return the UA by groups of test utterances, one table per kind of group."""
    note = (
        "UA in percent, with its 95% interval over the dialogues of the group in parentheses. Column heads give "
        "the number of test utterances. In a group without some emotion, UA averages over the others."
    )
    tables = []
    for kind, title in BREAKDOWNS.items():
        figures = {
            name: (percent(variant.ua.pooled), variant.breakdowns.get(kind, ()))
            for name, variant in ((name, results.variants[name]) for name in results.ranked)
        }
        if table := group_table(kind, title, figures, note=note, cell=_group_cell):
            tables.append((kind, table))
    return tables


def baselines(results: Results) -> Table | None:
    """Return predictions that need no model of emotion, with the best variant for comparison."""
    if not results.baselines:
        return None
    best = results.variants[results.best]
    rows = [
        (results.best, percent(best.ua.pooled), interval(best.ua.ci95), percent(best.wa.pooled), "The best variant.")
    ]
    for name, score in results.baselines.items():
        rows.append((name, percent(score.ua), interval(score.ci95), percent(score.wa), score.description))
    return Table(
        "baselines",
        "Baselines",
        "Figures that the same test utterances allow without a model of emotion. Percent.",
        ("Baseline", "UA", "95% CI", "WA", "Predicts from"),
        tuple(rows),
        bold=frozenset({0}),
        left=frozenset({0, 4}),
    )


def _points(difference: DifferenceOverSeeds | None) -> str:
    return DASH if difference is None else f"{signed(difference.mean)} ± {100 * difference.std:.1f}"


def _missing_cell(score: MissingInput) -> str:
    return f"{percent(score.ua.pooled)} ({signed(score.delta_ua)})"


def _group_cell(group: Group) -> str:
    return percent(group.ua) + (f" ({interval(group.ci95)})" if group.ci95 else "")
