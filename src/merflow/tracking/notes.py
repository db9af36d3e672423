"""Descriptions of runs, in the Markdown that MLflow shows on a run's page. Percentages, as in the report."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_COLUMNS = ("variant", "UA", "95 % interval", "WA", "macro F1", "ECE", "published UA")
_FOLD_COLUMNS = ("fold", "seed", "utterances", "UA", "WA", "chosen epoch", "dev UA")
_PAIR_COLUMNS = ("pair", "difference of UA", "95 % interval", "p (Holm)")
# The rest is in the report.
_PAIRS = 10


def benchmark_note(results: Mapping[str, Any], *, command: str) -> str:
    """The variants, best first, their closest pairs, and what reproduces the run."""
    variants = results["variants"]
    order = sorted(variants, key=lambda name: (-variants[name]["UA"]["pooled"], name))
    pairs = sorted(results["comparisons"], key=lambda pair: abs(pair["delta_UA"]))[:_PAIRS]
    return "\n".join(
        [
            f"{_data(results)} Percentages, pooled over all folds; intervals are bootstraps over dialogues. "
            "The report is among the artifacts.",
            "",
            *_table(_COLUMNS, (_row(name, variants[name]) for name in order)),
            *([] if not pairs else ["", *_table(_PAIR_COLUMNS, map(_pair, pairs))]),
            *([] if not command else ["", f"Again: `{command}`"]),
        ]
    )


def variant_note(name: str, results: Mapping[str, Any]) -> str:
    """The variant's figures, its folds, and how its epochs were chosen."""
    variant = results["variants"][name]
    skipped = [stage for stage in variant["stages_of_preset"] if stage not in variant["stages"]]
    return "\n".join(
        [
            f"{_data(results)} Epochs: {variant['selection']}."
            + (f" The preset's stages {', '.join(skipped)} were left out." if skipped else ""),
            "",
            *_table(_COLUMNS, [_row(name, variant)]),
            "",
            *_table(_FOLD_COLUMNS, map(_fold, variant["folds"])),
        ]
    )


def fold_note(fold: Mapping[str, Any], *, selection: str) -> str:
    """One fold's figures."""
    return "\n".join([f"Epoch: {selection}.", "", *_table(_FOLD_COLUMNS, [_fold(fold)])])


def _data(results: Mapping[str, Any]) -> str:
    return f"{results['corpus']}, {results['protocol']}, split {results['split_id']}."


def _row(name: str, variant: Mapping[str, Any]) -> list[str]:
    ua = variant["UA"]
    published = variant["published"].get("UA")
    return [
        name,
        _percent(ua["pooled"]),
        _interval(ua["ci95"]),
        _percent(variant["WA"]["pooled"]),
        _percent(variant["macro_f1"]),
        _percent(variant["ece"]),
        "" if published is None else f"{published:g}",
    ]


def _fold(fold: Mapping[str, Any]) -> list[str]:
    epoch = fold["best_epoch"]
    return [
        str(fold["fold"]),
        str(fold["seed"]),
        str(fold["utterances"]),
        _percent(fold["UA"]),
        _percent(fold["WA"]),
        "" if epoch is None else str(epoch),
        _percent(fold["dev_ua"]),
    ]


def _pair(pair: Mapping[str, Any]) -> list[str]:
    difference = f"{100 * pair['delta_UA']:+.1f}"
    return [f"{pair['a']} - {pair['b']}", difference, _interval(pair["ci95"]), f"{pair['p_holm']:.3f}"]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
