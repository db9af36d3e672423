"""What a comparison of runs looks like in a terminal: the variants, and every pair of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from merflow.evaluation.results import ranked

_DASH, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
_ALPHA = 0.05


def variants_table(found: Mapping[str, Any]) -> Table:
    """The variants by falling pooled UA; percentages.

    Args:
        found: As :func:`merflow.jobs.compare.compare` gives it.
    """
    seeds = len(found["seeds"])
    tested = f"{found['utterances']:,} test utterances in {found['dialogues']} dialogues"
    times = f", {seeds} seeds each" if seeds > 1 else ""
    rules = sorted({variant["selection"] for variant in found["variants"].values()})
    table = _table(f"percent, 95 % interval over dialogues; {tested}{times}; epoch chosen by {'; or by '.join(rules)}")
    table.add_column("variant", no_wrap=True)
    for name in ("UA", "interval", "WA"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    for name in ranked(found):
        variant = found["variants"][name]
        ends = variant["UA"]["ci95"]
        interval = _DASH if ends is None else f"{100 * ends[0]:.1f}{_DASH}{100 * ends[1]:.1f}"
        figures = (f"{100 * variant[figure]['pooled']:.1f}" for figure in ("UA", "WA"))
        ua, wa = figures
        table.add_row(name, ua, interval, wa, variant["run"])
    return table


def comparisons_table(found: Mapping[str, Any]) -> Table:
    """Every pair, the better first: points of UA, p-values; bold where chance alone would hardly do it."""
    over_seeds = any(pair["over_seeds"] for pair in found["comparisons"])
    table = _table(_caption(found, over_seeds=over_seeds))
    for name in ("higher", "lower"):
        table.add_column(name, no_wrap=True)
    heads = ["ΔUA", "95 % interval", "p, Holm", "p", "McNemar, Holm", "McNemar"]
    for name in heads[:2] + ["over seeds"] * over_seeds + heads[2:]:
        table.add_column(name, justify="right", no_wrap=True)
    for pair in found["comparisons"]:
        names = ("p_holm", "p_bootstrap", "p_mcnemar_holm", "p_mcnemar")
        seeds = [_over_seeds(pair["over_seeds"])] if over_seeds else []
        table.add_row(
            *(pair["a"], pair["b"], _points(pair["delta_UA"]), _interval(pair["ci95"]), *seeds),
            *(_p_value(pair[name]) for name in names),
            style="bold" if pair["p_holm"] < _ALPHA else None,
        )
    return table


def _table(caption: str) -> Table:
    return Table(box=None, pad_edge=False, header_style="bold", caption=caption, caption_justify="left")


def _caption(found: Mapping[str, Any], *, over_seeds: bool) -> str:
    pairs = len(found["comparisons"])
    family = f"Holm: adjusted over {pairs} pairs" if pairs > 1 else "Holm: one pair, nothing to adjust"
    said = [
        f"points of UA over {found['resamples']} paired resamples of dialogues",
        family,
        f"bold: adjusted p below {_ALPHA}",
        *(["over seeds: mean ± deviation of the difference"] if over_seeds else []),
        "McNemar compares WA and takes utterances as independent",
    ]
    return f"{'; '.join(said)}. {found['power']['note']}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", _MINUS)


def _interval(ends: Sequence[float] | None) -> str:
    return _DASH if ends is None else f"{_points(ends[0])} to {_points(ends[1])}"


def _over_seeds(figure: Mapping[str, Any]) -> str:
    return f"{_points(figure['mean'])} ± {100 * figure['std']:.1f}"


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
