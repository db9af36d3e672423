"""The answer in words if labels are scores: the variant with the lowest error, and how certain that is."""

from merflow.contracts.comparisons import ALPHA
from merflow.contracts.numerals import (
    decimal,
    decimal_interval,
    listed,
    p_value,
    percent,
    plural,
    signed_decimal,
    signed_decimal_interval,
)
from merflow.contracts.score_differences import FigureDifference
from merflow.contracts.score_results import ScoreComparison, ScoreResults
from merflow.evaluation.report.scores.wording import scale_in_words, value_text
from merflow.evaluation.report.verdict import (
    Verdict,
    against_classic,
    data_cautions,
    headline,
    unless_better,
    unless_learned,
    without_classic,
)


def score_verdict(results: ScoreResults) -> Verdict:
    """Return the verdict that the intervals and the adjusted p-values allow."""
    best = results.best
    top = results.variants[best]
    mae = top.figures["MAE"]
    ends = f"95% interval {decimal_interval(mae.ci95)}" if mae.ci95 else "no interval"
    reached = f"{best} reaches an MAE of {decimal(top.mae)}"
    evidence = [
        f"{reached} on {scale_in_words(results)} ({ends}; {_floor(results)}).",
        _agreement(results),
        *_against_classics(results),
    ]
    cautions = tuple(_cautions(results))
    provisos = unless_better(results) + unless_learned(not _reaches_floor(results), floor="a constant prediction")
    if len(results.variants) == 1:
        alone = "No other variant was tested, so there is nothing to compare it with."
        return Verdict(reached + provisos, (*evidence, alone), cautions)
    unclear = [pair.other(best) for pair in results.comparisons_of(best) if not pair.significant]
    clear = [name for name in results.ranked[1:] if name not in unclear]
    told = headline(best, clear, unclear) + provisos
    return Verdict(told, (*evidence, *_reasons(results, clear, unclear)), cautions)


def _floor(results: ScoreResults) -> str:
    return f"the median of the training labels, without any input, has {decimal(results.chance('MAE'))}"


def _agreement(results: ScoreResults) -> str:
    """Return a sentence with the best variant's other figures, and the floor of each share."""
    figures = results.variants[results.best].figures
    told = [f"Its CCC is {decimal(figures['CCC'].pooled)}"]
    told += [
        f"{name} {percent(figures[name].pooled)}% (majority {value_text(name, results.chance(name))}%)"
        for name in ("ACC7", "ACC2 has0", "ACC2 non0")
        if name in figures
    ]
    return f"{', '.join(told)}."


def _against_classics(results: ScoreResults) -> list[str]:
    """Tell if the best variant beats the best classic, and if CCC ranks the two the other way round."""
    pair = results.best_classic(results.best)
    if pair is None:
        return without_classic(results)
    figures = f"MAE {decimal(results.variants[results.best].mae)} against {decimal(results.classics[pair.classic].mae)}"
    ends = f"95% interval {signed_decimal_interval(pair.mae.ci95)}; " if pair.mae.ci95 else ""
    difference = f"{signed_decimal(pair.mae.delta)} ({ends}{_p(pair.mae.p_holm)} after Holm's adjustment)"
    return [
        against_classic(pair, difference=f"{figures}, a difference of {difference}"),
        *_other_order(pair.variant, pair.classic, mae=pair.mae, ccc=pair.ccc),
    ]


def _reasons(results: ScoreResults, clear: list[str], unclear: list[str]) -> list[str]:
    best, second = results.ranked[:2]
    pair = next(pair for pair in results.comparisons_of(best) if pair.other(best) == second)
    ends = f"95% interval {signed_decimal_interval(pair.mae.ci95)}; " if pair.mae.ci95 else ""
    count = len(results.comparisons)
    adjusted = f" after Holm's adjustment over {count} pairs" if count > 1 else ""
    reasons = [
        f"The MAE of {best} differs from that of the next variant, {second}, by {signed_decimal(pair.mae.delta)} "
        f"({ends}{_p(pair.mae.p_holm)}{adjusted})."
    ]
    if unclear:
        reasons.append(
            f"At the {100 * ALPHA:.0f}% level, its lead over {listed(unclear)} could be chance: do not rank "
            f"{'them' if len(unclear) > 1 else 'the two'} by this run."
        )
    if clear and len(results.variants) > 2:
        reasons.append(f"It is significantly better than {listed(clear)}.")
    return reasons + _other_order(pair.a, pair.b, mae=pair.mae, ccc=pair.ccc) + _over_seeds(pair)


def _other_order(a: str, b: str, *, mae: FigureDifference, ccc: FigureDifference | None) -> list[str]:
    """Return a sentence if CCC ranks two predictors the other way round; the differences are a minus b."""
    if ccc is None:
        return []
    lower, higher, lead = (a, b, ccc.delta) if mae.delta <= 0 else (b, a, -ccc.delta)
    if lead >= 0:
        return []
    told = f"By CCC, {higher} is ahead of {lower} ({signed_decimal(lead)}, {_p(ccc.p_holm)})"
    if ccc.p_holm >= ALPHA:
        return [f"{told}, but this could be chance."]
    return [f"{told}: it follows the ups and downs better, with larger errors."]


def _over_seeds(pair: ScoreComparison) -> list[str]:
    over = pair.over_seeds
    if over is None:
        return []
    return [
        f"Over {len(over.each)} seeds, that difference is {signed_decimal(over.mean)} on average (95% interval "
        f"{signed_decimal_interval(over.ci95)})."
    ]


def _p(value: float) -> str:
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _cautions(results: ScoreResults) -> list[str]:
    top = results.variants[results.best]
    mae = top.figures["MAE"]
    cautions = []
    if mae.ci95 is None:
        cautions.append(f"{plural(results.dialogues, 'dialogue')} are too few for confidence intervals.")
    if results.power.detectable_mae is not None:
        cautions.append(
            f"This test set detects a true MAE difference of {decimal(results.power.detectable_mae)} between two "
            f"variants with a probability of {100 * results.power.power:.0f}%. It often misses smaller ones."
        )
    if len(results.seeds) == 1:
        cautions.append("Only one seed was trained, so the variation between seeds is unknown.")
    floor = results.chance("MAE")
    if floor is not None and _reaches_floor(results):
        low = mae.ci95[0] if mae.ci95 else top.mae
        told = "interval of the best variant includes" if low <= floor and mae.ci95 else "best variant is not below"
        cautions.append(
            f"The {told} {decimal(floor)}, the MAE of the training labels' median: it may not have learned anything."
        )
    if top.none_paper is not None:
        selected = decimal(top.none_paper.figures["MAE"].pooled)
        cautions.append(f"With epochs chosen on test data, as in some published code, the MAE would read {selected}.")
    return cautions + data_cautions(results)


def _reaches_floor(results: ScoreResults) -> bool:
    """Return True if the best variant's interval, or without one its MAE, is not wholly below that of a constant."""
    top, floor = results.variants[results.best], results.chance("MAE")
    ends = top.figures["MAE"].ci95
    return floor is not None and (ends[1] if ends else top.mae) >= floor
