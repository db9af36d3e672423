"""What a comparison of runs looks like in a terminal: the variants, and every pair of them."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from merflow.contracts.numerals import interval, p_value, percent, plural, signed, signed_interval
from merflow.evaluation.report.sheets import ALPHA
from merflow.evaluation.results import ranked


def variants_table(found: Mapping[str, Any]) -> Table:
    """The variants by falling pooled UA; percentages.

    Args:
        found: As :func:`merflow.jobs.compare.compare` gives it.
    """
    seeds = len(found["seeds"])
    tested = f"{plural(found['utterances'], 'test utterance')} in {plural(found['dialogues'], 'dialogue')}"
    times = f", {seeds} seeds each" if seeds > 1 else ""
    rules = sorted({variant["selection"] for variant in found["variants"].values()})
    table = _table(f"percent, 95 % interval over dialogues; {tested}{times}; epoch chosen by {'; or by '.join(rules)}")
    table.add_column("variant", no_wrap=True)
    for name in ("UA", "interval", "WA"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    for name in ranked(found):
        variant = found["variants"][name]
        ua, wa = variant["UA"], variant["WA"]
        table.add_row(name, percent(ua["pooled"]), interval(ua["ci95"]), percent(wa["pooled"]), variant["run"])
    return table


def comparisons_table(found: Mapping[str, Any]) -> Table:
    """Every pair, the better first: points of UA, p-values; bold where chance alone would hardly do it."""
    several = len(found["seeds"]) > 1
    table = _table(_caption(found, several=several))
    for name in ("higher", "lower"):
        table.add_column(name, no_wrap=True)
    figures = ("ΔUA", "95 % interval", *(["over seeds"] if several else []))
    for name in (*figures, "p, Holm", "p", "McNemar, Holm", "McNemar"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in found["comparisons"]:
        tests = (pair[name] for name in ("p_holm", "p_bootstrap", "p_mcnemar_holm", "p_mcnemar"))
        over_seeds = [_over_seeds(pair["over_seeds"])] if several else []
        table.add_row(
            *(pair["a"], pair["b"], signed(pair["delta_UA"]), signed_interval(pair["ci95"]), *over_seeds),
            *map(p_value, tests),
            style="bold" if pair["p_holm"] < ALPHA else None,
        )
    return table


def _table(caption: str) -> Table:
    return Table(box=None, pad_edge=False, header_style="bold", caption=caption, caption_justify="left")


def _caption(found: Mapping[str, Any], *, several: bool) -> str:
    pairs = len(found["comparisons"])
    said = [
        f"points of UA over {found['resamples']:,} paired resamples of dialogues",
        f"Holm: adjusted over {pairs} pairs" if pairs > 1 else "Holm: one pair, nothing to adjust",
        f"bold: adjusted p below {ALPHA}",
        *(["over seeds: mean ± deviation of the difference"] if several else []),
        "McNemar compares WA and takes utterances as independent",
    ]
    return f"{'; '.join(said)}. {found['power']['note']}"


def _over_seeds(figure: Mapping[str, Any]) -> str:
    return f"{signed(figure['mean'])} ± {100 * figure['std']:.1f}"
