"""The answer in words: the best variant, its lead, and how certain that is."""

from dataclasses import dataclass

from merflow.contracts.comparisons import ALPHA, ClassicComparison, Comparison
from merflow.contracts.numerals import interval, listed, p_value, percent, plural, signed, signed_interval
from merflow.contracts.results import Results
from merflow.contracts.score_differences import ScoreClassicComparison
from merflow.contracts.score_results import AnyResults


@dataclass(frozen=True)
class Verdict:
    """The answer of a report.

    Attributes:
        headline: One line.
        sentences: The evidence for it, most important first.
        cautions: Other explanations of the figures, and caveats.
    """

    headline: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]


def verdict(results: Results) -> Verdict:
    """Return the verdict that the intervals and the adjusted p-values allow."""
    best = results.best
    top = results.variants[best]
    ends = f"95% interval {interval(top.ua.ci95)}, " if top.ua.ci95 else ""
    reached = f"{best} reaches a UA of {percent(top.ua.pooled)}%"
    evidence = f"{reached} ({ends}chance {percent(top.chance.ua)}%)."
    cautions = tuple(_cautions(results))
    against = _against_classics(results)
    provisos = unless_better(results) + unless_learned(_lowest_ua(results) > top.chance.ua, floor="chance")
    if len(results.variants) == 1:
        alone = "No other variant was tested, so there is nothing to compare it with."
        return Verdict(reached + provisos, (evidence, *against, alone), cautions)
    unclear = [pair.other(best) for pair in results.comparisons_of(best) if not pair.significant]
    clear = [name for name in results.ranked[1:] if name not in unclear]
    told = headline(best, clear, unclear) + provisos
    return Verdict(told, (evidence, *against, *_reasons(results, clear, unclear)), cautions)


def headline(best: str, clear: list[str], unclear: list[str]) -> str:
    """Return the headline about the best of several variants.

    Args:
        best: The best variant.
        clear: Variants that it is significantly better than.
        unclear: The other variants.
    """
    if not unclear:
        return f"{best} is significantly better than " + (clear[0] if len(clear) == 1 else "all other variants")
    if not clear:
        return f"{best} leads, but its lead could be chance"
    return f"{best} leads; {plural(len(unclear), 'other variant')} may be as good"


def unless_better(results: AnyResults) -> str:
    """Return the end of a headline that no reader may miss: a classic that the best variant does not beat."""
    pair = results.best_classic(results.best)
    if pair is None or (pair.significant and pair.ahead):
        return ""
    if pair.significant:
        return f"; {pair.classic} is significantly better"
    return f"; it does not {'clearly ' if pair.ahead else ''}beat {pair.classic}"


def unless_learned(learned: bool, *, floor: str) -> str:
    """Return the end of a headline if the best variant may not have learned anything.

    Args:
        learned: True if its whole interval is better than the floor.
        floor: A prediction without any input, in words.
    """
    return "" if learned else f"; it is not clearly better than {floor}"


def without_classic(results: AnyResults) -> list[str]:
    """Return a sentence if no classic can be compared with the best variant; nothing if none were trained."""
    if not results.classics:
        return []
    read = listed(results.variants[results.best].training.modalities)
    return [f"No classic reads nothing but {read}, so there is no simple method to compare {results.best} with."]


def against_classic(pair: ClassicComparison | ScoreClassicComparison, *, difference: str) -> str:
    """Return a sentence on whether the best variant beats the best classic with the same or fewer modalities.

    Args:
        pair: The comparison of the two.
        difference: Their figures and the difference between them, in words.
    """
    if pair.significant and pair.ahead:
        start = "It beats the best classic of the same modalities"
    elif pair.significant:
        start = "It is significantly worse than the best classic of the same modalities"
    elif pair.ahead:
        start = "It is ahead of the best classic of the same modalities, but this could be chance"
    else:
        start = "It does not beat the best classic of the same modalities"
    return f"{start}, {pair.classic}: {difference}."


def _against_classics(results: Results) -> list[str]:
    pair = results.best_classic(results.best)
    if pair is None:
        return without_classic(results)
    classic = results.classics[pair.classic]
    figures = f"{percent(results.variants[results.best].ua.pooled)}% against {percent(classic.ua.pooled)}%"
    ends = f"95% interval {signed_interval(pair.ci95)}; " if pair.ci95 else ""
    points = f"{signed(pair.delta_ua)} points ({ends}{_p(pair.p_holm)} after Holm's adjustment)"
    return [against_classic(pair, difference=f"{figures}, a difference of {points}")]


def _p(value: float) -> str:
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _reasons(results: Results, clear: list[str], unclear: list[str]) -> list[str]:
    best, second = results.ranked[:2]
    pair = next(pair for pair in results.comparisons_of(best) if pair.other(best) == second)
    ends = f"95% interval {signed_interval(pair.ci95)}; " if pair.ci95 else ""
    count = len(results.comparisons)
    adjusted = f" after Holm's adjustment over {count} pairs" if count > 1 else ""
    p = _p(pair.p_holm)
    reasons = [f"Its lead over the next variant, {second}, is {100 * pair.delta_ua:.1f} points ({ends}{p}{adjusted})."]
    if unclear:
        reasons.append(
            f"At the {100 * ALPHA:.0f}% level, its lead over {listed(unclear)} could be chance: do not rank "
            f"{'them' if len(unclear) > 1 else 'the two'} by this run."
        )
    if clear and len(results.variants) > 2:
        reasons.append(f"It is significantly better than {listed(clear)}.")
    return reasons + _over_seeds(pair)


def _over_seeds(pair: Comparison) -> list[str]:
    over = pair.over_seeds
    if over is None:
        return []
    return [
        f"Over {len(over.each)} seeds, that lead is {signed(over.mean)} points on average (95% interval "
        f"{signed_interval(over.ci95)})."
    ]


def _leaks(results: Results) -> list[str]:
    """Return sentences on how much of the figures may be due to lines that training and test data share."""
    leak = results.text_leak
    top = results.variants[results.best]
    if leak is None or "text" not in top.training.modalities:
        return []
    told = []
    for learned in leak.learned:
        if learned.ci95 and learned.ci95[0] > 0:
            told.append(
                f"Training and test data share lines: without those of the tested script, {learned.classic} loses "
                f"{100 * learned.leak:.1f} points on {learned.group} utterances (95% interval "
                f"{signed_interval(learned.ci95)}). A model of words may owe as much to knowing lines by heart."
            )
    gap = leak.gaps.get(results.best)
    if gap is not None and gap.ci95 and gap.ci95[0] > 0:
        told.append(
            f"{results.best} reaches {percent(gap.scripted)}% on scripted and {percent(gap.improvised)}% on improvised "
            f"utterances, a gap of {signed(gap.gap)} points (95% interval {signed_interval(gap.ci95)})."
        )
    return told


def _cautions(results: Results) -> list[str]:
    top = results.variants[results.best]
    cautions = []
    if top.ua.ci95 is None:
        cautions.append(f"{plural(results.dialogues, 'dialogue')} are too few for confidence intervals.")
    if results.power.detectable_ua is not None:
        cautions.append(
            f"This test set detects a true difference of {100 * results.power.detectable_ua:.1f} points between two "
            f"variants with a probability of {100 * results.power.power:.0f}%. It often misses smaller ones."
        )
    if len(results.seeds) == 1:
        cautions.append("Only one seed was trained, so the variation between seeds is unknown.")
    low = _lowest_ua(results)
    if low <= top.chance.ua:
        cautions.append("The interval of the best variant includes chance: it may not have learned anything.")
    for name, score in results.baselines.items():
        if low <= score.ua:
            cautions.append(
                f"The baseline {name} reaches {percent(score.ua)}% without a model of emotion: the corpus itself gives "
                "part of the answer away."
            )
    cautions += _leaks(results)
    if top.none_paper is not None:
        selected = percent(top.none_paper.ua.pooled)
        cautions.append(f"With epochs chosen on test data, as in some published code, the UA would read {selected}%.")
    return cautions + data_cautions(results)


def _lowest_ua(results: Results) -> float:
    """Return the lower end of the best variant's interval; without an interval, its UA."""
    ua = results.variants[results.best].ua
    return ua.ci95[0] if ua.ci95 else ua.pooled


def data_cautions(results: AnyResults) -> list[str]:
    """Return cautions about the corpus and its split."""
    cautions = list(results.cross_corpus.sentences) if results.cross_corpus else []
    if results.shared_groups:
        cautions.append(
            "The corpus's official split has speakers or dialogues in two parts: a model may know a test speaker from "
            "training."
        )
    if results.synthetic:
        cautions.append("The corpus is synthetic. These figures say nothing about real speech.")
    return cautions
