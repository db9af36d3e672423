"""The tables about a benchmark's classics: comparisons with the variants, and signs of a leak through words."""

from merflow.contracts.numerals import p_value, percent, plural, signed, signed_interval
from merflow.contracts.results import ComparedVariants, Results
from merflow.evaluation.report.table import Table


def ranked_classics(results: ComparedVariants) -> list[str]:
    """Return the classics by falling pooled UA."""
    return sorted(results.classics, key=lambda name: (-results.classics[name].ua.pooled, name))


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
