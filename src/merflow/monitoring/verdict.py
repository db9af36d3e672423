"""The results in words."""

from dataclasses import dataclass

from merflow.contracts.drift_results import Check, DriftResults, ErrorCheck, NumberCheck, RateCheck, SharesCheck
from merflow.contracts.numerals import MINUS, decimal, listed, p_value, percent, plural


@dataclass(frozen=True)
class DriftVerdict:
    """The page's summary.

    Attributes:
        headline: One line.
        sentences: What drifted, in the order of the checks.
    """

    headline: str
    sentences: tuple[str, ...]


def drift_verdict(results: DriftResults) -> DriftVerdict:
    """Return the verdict of the results."""
    what = f"{results.model} version {results.version}"
    against = f"{plural(results.clips, 'clip')} compared with {results.reference}."
    if not results.enough:
        few = min(results.clips, results.reference_clips)
        headline = f"{what}: too few clips to compare"
        return DriftVerdict(headline, (against, f"A comparison takes {results.min_clips}; there are {few}."))
    drifted = results.drifted
    if not drifted:
        none = f"None of {plural(len(results.checks), 'check')} found a difference that is significant and large."
        return DriftVerdict(f"{what}: no drift", (against, none))
    names = listed([f"{check.title[0].lower()}{check.title[1:]}" for check in drifted])
    return DriftVerdict(f"{what}: drift in {names}", (against, *map(sentence, drifted)))


def sentence(check: Check) -> str:
    """Return a sentence about a check that found drift."""
    match check:
        case NumberCheck():
            unit = f" {check.unit}" if check.unit and check.unit != "share" else ""
            was, now = (
                f"{values.quantiles[2]:.4g}{unit}".replace("-", MINUS) for values in (check.reference, check.window)
            )
            said = f"the median was {was} and is {now} (PSI {check.psi:.2f}, energy {check.energy:.2f}"
        case SharesCheck():
            most = max(check.window, key=lambda name: abs(check.window[name] - check.reference[name]))
            said = (
                f"{most} was predicted for {percent(check.reference[most])}% and is now for "
                f"{percent(check.window[most])}% (PSI {check.psi:.2f}"
            )
        case RateCheck():
            said = f"{percent(check.reference)}% were expected and {percent(check.window)}% found ("
        case ErrorCheck():
            said = f"{decimal(check.reference)} was expected and {decimal(check.window)} found ("
        case _:
            said = "("
    joint = "" if said.endswith("(") else ", "
    return f"{check.title}: {said}{joint}adjusted p {p_value(check.adjusted)})."
