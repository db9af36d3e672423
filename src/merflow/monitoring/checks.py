"""The checks of a window of traffic against a reference, adjusted together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from merflow.contracts.drift_results import Check, ErrorCheck, NumberCheck, RateCheck, SharesCheck, Values
from merflow.contracts.heard import ScoreScale
from merflow.evaluation.conformal import wilson
from merflow.evaluation.drift import (
    ALPHA,
    ENERGY_LIMIT,
    PSI_LIMIT,
    below_p_value,
    energy,
    higher_mean_p_value,
    kolmogorov_smirnov,
    number_psi,
    psi,
    rates_p_value,
    shares_p_value,
)
from merflow.evaluation.significance import holm, student_interval
from merflow.monitoring.samples import NUMBERS, Sample

# Differences in shares up to these are not drift, however significant.
ABSTENTION_GAP, ACCURACY_GAP, COVERAGE_GAP = 0.10, 0.05, 0.05
# The same for a rise in MAE, as a share of the scale's width.
ERROR_GAP = 0.02
FEWEST_LABELS = 50
_PICTURE_BINS = 24
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_Checked = TypeVar("_Checked", bound=Check)


@dataclass(frozen=True)
class Checks:
    """The checks of one window."""

    numbers: tuple[NumberCheck, ...]
    shares: SharesCheck | None
    rates: tuple[RateCheck, ...]
    error: ErrorCheck | None = None

    @property
    def drifted(self) -> bool:
        """True if any check found drift."""
        return any(
            check is not None and check.drifted for check in (*self.numbers, self.shares, *self.rates, self.error)
        )


def compare(
    reference: Sample,
    window: Sample,
    *,
    classes: Sequence[str],
    promised: float | None,
    min_clips: int,
    alpha: float = ALPHA,
    scale: ScoreScale | None = None,
) -> Checks:
    """Return the checks.

    Args:
        reference: Clips that the window is compared with.
        window: The window, of at least ``min_clips`` clips.
        classes: Names of the classes; empty for scores.
        promised: Coverage that the conformal sets promise; None if it is unknown.
        min_clips: A measurement is not checked if fewer clips have it, on either side.
        alpha: Family-wise level.
        scale: The scale of the scores; None for emotions, and if it is unknown, in which case no error is checked.
    """
    numbers = [
        _number(name, reference.numbers[name], window.numbers[name])
        for name in NUMBERS
        if name in reference.numbers
        and min(len(reference.numbers[name]), len(window.numbers[name])) >= max(2, min_clips)
    ]
    shares = _shares(reference.predicted, window.predicted, classes=classes)
    rates = list(_rates(reference, window, promised=promised))
    error = _error(reference.errors, window.errors, scale)
    made = [check for check in (*numbers, shares, *rates, error) if check is not None]
    adjusted = iter(holm([check.p_value for check in made]))
    return Checks(
        numbers=tuple(
            _decided(each, next(adjusted), alpha=alpha, large=each.psi > PSI_LIMIT or each.energy > ENERGY_LIMIT)
            for each in numbers
        ),
        shares=None if shares is None else _decided(shares, next(adjusted), alpha=alpha, large=shares.psi > PSI_LIMIT),
        rates=tuple(
            _decided(each, next(adjusted), alpha=alpha, large=abs(each.window - each.reference) > each.allowed)
            for each in rates
        ),
        error=None
        if error is None
        else _decided(error, next(adjusted), alpha=alpha, large=error.window - error.reference > error.allowed),
    )


def _decided(check: _Checked, adjusted: float, *, alpha: float, large: bool) -> _Checked:
    return check.model_copy(update={"adjusted": adjusted, "drifted": adjusted < alpha and large})


def _number(name: str, reference: np.ndarray, window: np.ndarray) -> NumberCheck:
    statistic, p_value = kolmogorov_smirnov(reference, window)
    both = np.concatenate([reference, window])
    low, high = np.quantile(both, [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, _PICTURE_BINS + 1)
    return NumberCheck(
        name=name,
        title=NUMBERS[name].title,
        unit=NUMBERS[name].unit,
        p_value=p_value,
        psi=number_psi(reference, window),
        energy=energy(reference, window),
        statistic=statistic,
        edges=tuple(edges.tolist()),
        reference=_values(reference, edges),
        window=_values(window, edges),
    )


def _values(values: np.ndarray, edges: np.ndarray) -> Values:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    low, lower, middle, upper, high = np.quantile(values, _QUANTILES).tolist()
    return Values(
        clips=len(values), quantiles=(low, lower, middle, upper, high), shares=tuple((counts / len(values)).tolist())
    )


def _shares(reference: np.ndarray | None, window: np.ndarray | None, *, classes: Sequence[str]) -> SharesCheck | None:
    if reference is None or window is None:
        return None
    return SharesCheck(
        name="predicted",
        title="Predicted emotions",
        p_value=shares_p_value(reference, window),
        psi=psi(reference, window),
        reference=dict(zip(classes, (reference / reference.sum()).tolist(), strict=True)),
        window=dict(zip(classes, (window / window.sum()).tolist(), strict=True)),
    )


def _rates(reference: Sample, window: Sample, *, promised: float | None) -> Iterator[RateCheck]:
    if reference.abstained is not None and window.abstained is not None:
        expected, found = (reference.abstained, reference.clips), (window.abstained, window.clips)
        p_value = rates_p_value(expected, found)
        yield _rate("abstention", "Abstention", expected[0] / expected[1], found, p_value, allowed=ABSTENTION_GAP)
    if promised is not None and window.covered is not None and window.covered[1] >= FEWEST_LABELS:
        p_value = below_p_value(*window.covered, promised=promised)
        title = "Coverage of the sets" if window.predicted is not None else "Coverage of the intervals"
        yield _rate("coverage", title, promised, window.covered, p_value, allowed=COVERAGE_GAP)
    if reference.right is not None and window.right is not None and window.right[1] >= FEWEST_LABELS:
        p_value = rates_p_value(reference.right, window.right, lower_only=True)
        share = reference.right[0] / reference.right[1]
        yield _rate("accuracy", "Accuracy (WA)", share, window.right, p_value, allowed=ACCURACY_GAP)


def _error(reference: np.ndarray | None, window: np.ndarray | None, scale: ScoreScale | None) -> ErrorCheck | None:
    if reference is None or window is None or scale is None or len(window) < FEWEST_LABELS:
        return None
    return ErrorCheck(
        name="mae",
        title="Mean absolute error",
        p_value=higher_mean_p_value(reference, window),
        reference=float(reference.mean()),
        window=float(window.mean()),
        ci95=student_interval(window),
        clips=len(window),
        allowed=ERROR_GAP * (scale.high - scale.low),
    )


def _rate(
    name: str, title: str, expected: float, found: tuple[int, int], p_value: float, *, allowed: float
) -> RateCheck:
    hits, clips = found
    return RateCheck(
        name=name,
        title=title,
        p_value=p_value,
        reference=expected,
        window=hits / clips,
        ci95=wilson(hits / clips, clips),
        clips=clips,
        allowed=allowed,
    )
