"""The answer in words: which variant is best, by how much, and whether to believe it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from merflow.contracts.numerals import interval, listed, p_value, percent, plural, signed, signed_interval
from merflow.evaluation.report.sheets import ALPHA
from merflow.evaluation.results import ranked


@dataclass(frozen=True)
class Verdict:
    """What a reader takes home.

    Attributes:
        headline: One line.
        sentences: What it stands on, the most important first.
        cautions: What else could explain the figures, or limits what they say.
    """

    headline: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]


def verdict(results: Mapping[str, Any]) -> Verdict:
    """The verdict that the intervals and the adjusted p-values allow."""
    best, *others = ranked(results)
    ua = results["variants"][best]["UA"]
    said = f"{best} reaches a UA of {percent(ua['pooled'])} %"
    ends = f"95 % interval {interval(ua['ci95'])}; " if ua["ci95"] else ""
    reached = f"{said} ({ends}chance {percent(results['variants'][best]['chance']['UA'])} %)."
    cautions = tuple(_cautions(results, best))
    if not others:
        return Verdict(f"{said}", (reached, "Nothing else was tested: there is nothing to compare it with."), cautions)
    unclear = [_other(pair, best) for pair in _pairs_of(results, best) if pair["p_holm"] >= ALPHA]
    clear = [name for name in others if name not in unclear]
    return Verdict(_headline(best, clear, unclear), (reached, *_reasons(results, best, clear, unclear)), cautions)


def _headline(best: str, clear: list[str], unclear: list[str]) -> str:
    if not unclear:
        return f"{best} is best, beyond chance"
    if not clear:
        return f"{best} is ahead, but the lead could be chance"
    return f"{best} is ahead; {plural(len(unclear), 'other')} may be as good"


def _reasons(results: Mapping[str, Any], best: str, clear: list[str], unclear: list[str]) -> list[str]:
    second = ranked(results)[1]
    pair = next(pair for pair in _pairs_of(results, best) if _other(pair, best) == second)
    ends = f"95 % interval {signed_interval(pair['ci95'])}, " if pair["ci95"] else ""
    count = len(results["comparisons"])
    adjusted = f" after Holm's adjustment over {count} pairs" if count > 1 else ""
    p = p_value(pair["p_holm"])
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    found = [f"It lies {100 * pair['delta_UA']:.1f} points above the next, {second} ({ends}{p}{adjusted})."]
    if unclear:
        found.append(
            f"The difference from {listed(unclear)} could be chance at the level of {100 * ALPHA:.0f} %: do not rank "
            f"{'it' if len(unclear) == 1 else 'them'} by this run."
        )
    if clear:
        found.append(f"It is better than {listed(clear)} beyond chance.")
    return found + _over_seeds(pair)


def _over_seeds(pair: Mapping[str, Any]) -> list[str]:
    over = pair.get("over_seeds")
    if not over:
        return []
    ends = f", 95 % interval {signed_interval(over['ci95'])}" if over.get("ci95") else ""
    return [f"Over {len(over['each'])} seeds that lead is {signed(over['mean'])} points on average{ends}."]


def _cautions(results: Mapping[str, Any], best: str) -> list[str]:
    top = results["variants"][best]
    found = []
    if top["UA"]["ci95"] is None:
        found.append(f"{plural(results['dialogues'], 'dialogue')} are too few for an interval: the figures are bare.")
    power = results.get("power")
    if power and power["detectable_UA"] is not None:
        found.append(
            f"This test set finds a true difference of {100 * power['detectable_UA']:.1f} points between two variants "
            f"{100 * power['power']:.0f} times in 100, a smaller one less often."
        )
    if len(results["seeds"]) == 1:
        found.append("One seed was trained: how much of a difference another seed would make is not known.")
    low = top["UA"]["ci95"][0] if top["UA"]["ci95"] else top["UA"]["pooled"]
    if low <= top["chance"]["UA"]:
        found.append("The best variant's interval reaches down to chance: nothing here was learned for certain.")
    for name, figures in (results.get("baselines") or {}).items():
        if figures["UA"] >= low:
            found.append(
                f"The baseline {name} reaches {percent(figures['UA'])} % without a model of emotion: the corpus gives "
                "part of the answer away."
            )
    if top["none_paper"] is not None:
        selected = percent(top["none_paper"]["UA"]["pooled"])
        found.append(f"With epochs chosen on the test data, as in some published code, it would read {selected} %.")
    if results["corpus"] == "synthetic":
        found.append("The corpus is synthetic: no number here says anything about real speech.")
    return found


def _pairs_of(results: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [pair for pair in results["comparisons"] if name in (pair["a"], pair["b"])]


def _other(pair: Mapping[str, Any], name: str) -> str:
    return str(pair["b"] if pair["a"] == name else pair["a"])
