"""Descriptions of runs, in the Markdown that MLflow shows on a run's page. Percentages, as in the report."""

from collections.abc import Iterable, Sequence

from merflow.contracts.results import Comparison, Results
from merflow.contracts.scores import FoldScore, Variant
from merflow.contracts.selection import Selection

_COLUMNS = ("variant", "UA", "95% interval", "WA", "macro F1", "ECE", "published UA")
_FOLD_COLUMNS = ("fold", "seed", "utterances", "UA", "WA", "chosen epoch", "dev UA")
_PAIR_COLUMNS = ("pair", "difference of UA", "95% interval", "p (Holm)")
# The rest is in the report.
_PAIRS = 10


def benchmark_note(results: Results, *, command: str) -> str:
    """Return the variants, best first, their closest pairs, and the command that reproduces the run."""
    pairs = sorted(results.comparisons, key=lambda pair: abs(pair.delta_ua))[:_PAIRS]
    return "\n".join(
        [
            f"{_data(results)} Percentages, pooled over all folds; intervals are bootstraps over dialogues. "
            "The report is among the artifacts.",
            "",
            *_table(_COLUMNS, (_row(name, results.variants[name]) for name in results.ranked)),
            *([] if not pairs else ["", *_table(_PAIR_COLUMNS, map(_pair, pairs))]),
            *([] if not command else ["", f"Again: `{command}`"]),
        ]
    )


def variant_note(name: str, results: Results) -> str:
    """Return the variant's figures, its folds, and the rule that chose its epochs."""
    variant = results.variants[name]
    skipped = variant.training.skipped_stages
    return "\n".join(
        [
            f"{_data(results)} Epochs: {variant.training.selection}."
            + (f" The preset's stages {', '.join(skipped)} were left out." if skipped else ""),
            "",
            *_table(_COLUMNS, [_row(name, variant)]),
            "",
            *_table(_FOLD_COLUMNS, map(_fold, variant.folds)),
        ]
    )


def fold_note(score: FoldScore, *, selection: Selection) -> str:
    """Return the figures of one fold."""
    return "\n".join([f"Epoch: {selection}.", "", *_table(_FOLD_COLUMNS, [_fold(score)])])


def _data(results: Results) -> str:
    return f"{results.corpus}, {results.protocol}, split {results.split_id}."


def _row(name: str, variant: Variant) -> list[str]:
    published = variant.published.get("UA")
    return [
        name,
        _percent(variant.ua.pooled),
        _interval(variant.ua.ci95),
        _percent(variant.wa.pooled),
        _percent(variant.macro_f1),
        _percent(variant.ece),
        "" if published is None else f"{published:g}",
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


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
