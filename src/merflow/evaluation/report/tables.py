"""The tables of a benchmark as plain cells: the page, Markdown and LaTeX all render these.

A table that a run has no data for is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from merflow.contracts.results import ComparedVariants, DifferenceOverSeeds, Results
from merflow.contracts.scores import Breakdown, ClassicScore, Group, MissingInput
from merflow.evaluation.report.notes import (
    all_deviations,
    encoders_in_words,
    inputs_in_words,
    published,
    selection_rule,
    where,
)

# Breakdowns in the order of the page, with their titles.
BREAKDOWNS: Mapping[Breakdown, str] = {
    "setting": "By setting (scripted or improvised)",
    "session": "By session",
    "speaker": "By speaker",
    "emotion": "By emotion",
    "length": "By utterance length",
}


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        key: Anchor of the table, unique in a report.
        title: Heading of the table.
        note: Explanation of its figures, in one or more sentences.
        columns: Column heads; the first column names the rows.
        rows: Cells, as many per row as there are columns.
        bold: Indices of the rows that stand out.
        left: Indices of the columns that are aligned left.
    """

    key: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[int] = field(default=frozenset())
    left: frozenset[int] = field(default=frozenset({0}))


def with_variant(pairs: Table, name: str) -> Table | None:
    """Return the rows of pairs with a variant; None if there are none."""
    return _of_rows(pairs, [index for index, row in enumerate(pairs.rows) if name in row[:2]], key=pairs.key)


def without_variant(pairs: Table, name: str) -> Table | None:
    """Return the rows of pairs without a variant; None if there are none."""
    rows = [index for index, row in enumerate(pairs.rows) if name not in row[:2]]
    return _of_rows(pairs, rows, key=f"{pairs.key}-others")


def _of_rows(table: Table, indices: Sequence[int], *, key: str) -> Table | None:
    bold = frozenset(new for new, index in enumerate(indices) if index in table.bold)
    rows = tuple(table.rows[index] for index in indices)
    return replace(table, key=key, rows=rows, bold=bold) if rows else None


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


def ranked_classics(results: ComparedVariants) -> list[str]:
    """Return the classics by falling pooled UA."""
    return sorted(results.classics, key=lambda name: (-results.classics[name].ua.pooled, name))


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


def against_classics(results: ComparedVariants) -> Table | None:
    """Return every variant with every classic that it is compared with, the best variant and classic first."""
    pairs = sorted(
        results.classic_comparisons,
        key=lambda pair: (results.ranked.index(pair.variant), -results.classics[pair.classic].ua.pooled, pair.classic),
    )
    if not pairs:
        return None
    rows = [
        (
            pair.variant,
            pair.classic,
            percent(results.variants[pair.variant].ua.pooled),
            percent(results.classics[pair.classic].ua.pooled),
            signed(pair.delta_ua),
            signed_interval(pair.ci95),
            p_value(pair.p_holm),
            p_value(pair.p_bootstrap),
        )
        for pair in pairs
    ]
    return Table(
        "classics",
        "Variants against classics",
        "A classic is a baseline that anyone would try first, trained on the same folds. Its settings are chosen on "
        "the same development part; a classic whose name ends in c1 has nothing to choose and is trained on that part "
        "too. A variant is compared with those that read nothing that it does not read itself. ΔUA is the variant "
        "minus the classic in percentage points, over the same "
        f"{results.resamples:,} bootstrap resamples of dialogues; Holm's method adjusts p over these "
        f"{plural(len(pairs), 'pair')}.",
        ("Variant", "Classic", "UA", "UA of classic", "ΔUA", "95% CI", "p, Holm", "p, bootstrap"),
        tuple(rows),
        bold=frozenset(index for index, pair in enumerate(pairs) if pair.significant),
        left=frozenset({0, 1}),
    )


def text_leak(results: Results) -> Table | None:
    """Return UA on scripted and improvised utterances, with the gap between them."""
    if results.text_leak is None or not results.text_leak.gaps:
        return None
    gaps = results.text_leak.gaps
    order = [*results.ranked, *(name for name in gaps if name not in results.variants)]
    rows = [
        (name, percent(gap.scripted), percent(gap.improvised), signed(gap.gap), signed_interval(gap.ci95))
        for name, gap in ((name, gaps[name]) for name in order)
    ]
    return Table(
        "text-leak",
        "Scripted and improvised",
        "Scripts are spoken again in every session, so that a model of words meets the tested lines in training. UA in "
        "percent, gap in percentage points with its 95% interval.",
        ("Variant", "Scripted", "Improvised", "Gap", "95% CI"),
        tuple(rows),
    )


def learned_leak(results: Results) -> Table | None:
    """Return the UA of TF-IDF with and without the lines of the tested dialogues in training."""
    if results.text_leak is None or not results.text_leak.learned:
        return None
    rows = [
        (
            learned.classic,
            f"{learned.utterances:,} {learned.group}",
            percent(learned.ua),
            percent(learned.ua_unseen),
            signed(learned.leak),
            signed_interval(learned.ci95),
        )
        for learned in results.text_leak.learned
    ]
    return Table(
        "learned-leak",
        "Lines known by heart",
        "The same classic of words, trained on everything, and trained again for each tested dialogue without the "
        "training dialogues that repeat it and without the lines of the test part. All else stays, scripted dialogues "
        "of other scripts included, so that the difference is what it owes to knowing the lines. Percent; leak in "
        "percentage points.",
        ("Classic", "Utterances", "UA", "UA, lines unseen", "Leak", "95% CI"),
        tuple(rows),
        left=frozenset({0, 1}),
    )


def epoch_choice(results: Results) -> Table | None:
    """Return the honest figures beside those of the test-selected epochs."""
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
    names = [name for name in results.ranked if results.variants[name].missing]
    if not names:
        return None
    sets = sorted(
        {inputs for name in names for inputs in results.variants[name].missing},
        key=lambda inputs: (inputs.count("+"), "=" in inputs, inputs),
    )
    rows = []
    for name in names:
        variant = results.variants[name]
        cells = [_missing_cell(variant.missing.get(inputs)) for inputs in sets]
        rows.append((name, percent(variant.ua.pooled), *cells))
    return Table(
        "missing",
        "Missing modalities",
        "Pooled UA in percent when the test utterances lack a modality, or when the other kind of transcript is read. "
        "The change in percentage points is in parentheses. No model was trained again.",
        ("Variant", "Complete input", *map(inputs_in_words, sets)),
        tuple(rows),
    )


def breakdowns(results: Results) -> list[tuple[Breakdown, Table]]:
    """Return the UA by groups of test utterances, one table per kind of group."""
    tables = []
    for kind, title in BREAKDOWNS.items():
        by_variant = {name: results.variants[name].breakdowns.get(kind, ()) for name in results.ranked}
        by_variant = {name: groups for name, groups in by_variant.items() if groups}
        if not by_variant:
            continue
        sizes = {group.group: group.utterances for groups in by_variant.values() for group in groups}
        rows = []
        for name, groups in by_variant.items():
            by_name = {group.group: group for group in groups}
            cells = [_group_cell(by_name.get(group)) for group in sizes]
            rows.append((name, percent(results.variants[name].ua.pooled), *cells))
        table = Table(
            f"by-{kind}",
            title,
            "UA in percent, with its 95% interval over the dialogues of the group in parentheses. Column heads give "
            "the number of test utterances. In a group without some emotion, UA averages over the others.",
            ("Variant", "All", *(f"{group} ({count:,})" for group, count in sizes.items())),
            tuple(rows),
        )
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


def _missing_cell(score: MissingInput | None) -> str:
    return DASH if score is None else f"{percent(score.ua.pooled)} ({signed(score.delta_ua)})"


def _group_cell(group: Group | None) -> str:
    if group is None:
        return DASH
    return percent(group.ua) + (f" ({interval(group.ci95)})" if group.ci95 else "")
