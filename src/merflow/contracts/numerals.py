"""Formatting of figures for people.

Fractions from 0 to 1 become percentages and percentage points; figures in units of a scale, and correlations, keep
three decimals.
"""

from collections.abc import Iterable, Sequence

from merflow.contracts.published import Metric, PublishedFigure, by_test
from merflow.contracts.scores import Spread

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def percent(share: float | None) -> str:
    """Return a percentage such as ``70.3``, or a dash for None."""
    return DASH if share is None else f"{100 * share:.1f}"


def signed(share: float | None) -> str:
    """Return signed percentage points such as ``+2.1``, or a dash for None."""
    if share is None:
        return DASH
    points = f"{100 * share:+.1f}"
    return "0.0" if points in ("+0.0", "-0.0") else points.replace("-", MINUS)


def interval(ends: Sequence[float] | None) -> str:
    """Return an interval such as ``66.1–74.2``, or a dash for None."""
    return DASH if ends is None else f"{100 * ends[0]:.1f}{DASH}{100 * ends[1]:.1f}"


def signed_interval(ends: Sequence[float] | None) -> str:
    """Return a signed interval such as ``−0.3 to +4.5``, or a dash for None."""
    return DASH if ends is None else f"{signed(ends[0])} to {signed(ends[1])}"


def spread(figure: Spread) -> str:
    """Return the mean and, if there are several values, their standard deviation."""
    deviation = "" if figure.std is None else f" ± {100 * figure.std:.1f}"
    return f"{100 * figure.mean:.1f}{deviation}"


def decimal(value: float | None) -> str:
    """Return a figure such as ``0.531``, or a dash for None."""
    return DASH if value is None else _unsigned_zero(f"{value:.3f}")


def signed_decimal(value: float | None) -> str:
    """Return a signed figure such as ``−0.021``, or a dash for None."""
    return DASH if value is None else _unsigned_zero(f"{value:+.3f}")


def decimal_interval(ends: Sequence[float] | None) -> str:
    """Return an interval such as ``0.502 to 0.561``, or a dash for None."""
    return DASH if ends is None else f"{decimal(ends[0])} to {decimal(ends[1])}"


def signed_decimal_interval(ends: Sequence[float] | None) -> str:
    """Return a signed interval such as ``−0.043 to +0.002``, or a dash for None."""
    return DASH if ends is None else f"{signed_decimal(ends[0])} to {signed_decimal(ends[1])}"


def decimal_spread(mean: float | None, std: float | None) -> str:
    """Return the mean and, if there are several values, their standard deviation, as in ``0.531 ± 0.020``."""
    return decimal(mean) + ("" if std is None else f" ± {std:.3f}")


def _unsigned_zero(text: str) -> str:
    return "0.000" if text in ("+0.000", "-0.000") else text.replace("-", MINUS)


def p_value(value: float | None) -> str:
    """Return a p-value such as ``0.021`` or ``< 0.001``, or a dash for None."""
    if value is None:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def plural(count: int, word: str) -> str:
    """Return a count with its word: ``1 fold``, ``5 folds``."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence: ``a``, ``a and b``, ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def clock_text(seconds: float) -> str:
    """Return a duration as people read it: 1:05, or 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def training_name(fold: int, seed: int) -> str:
    """Return ``fold 1``, or ``fold 1, seed 2`` if the seed is not 0."""
    return f"fold {fold}" + (f", seed {seed}" if seed else "")


def quoted(
    figures: Iterable[PublishedFigure], metrics: Sequence[Metric], *, corpus: str | None, protocol: str
) -> str | None:
    """Return a paper's figures for display next to those of a run, for example ``77 / 75.7``.

    Figures of another test than the run's name it: ``77 / 75.7 (iemocap4, session-5fold)``.

    Args:
        figures: The figures of one system.
        metrics: The metrics to quote.
        corpus: The run's corpus in the words of :attr:`PublishedFigure.corpus`; None if no paper used it.
        protocol: The run's protocol.

    Returns:
        Figures for the run's own test, otherwise for one with its protocol, otherwise for the first; None if there are
        none.
    """
    tests = {test: on_test for test, on_test in by_test(figures).items() if on_test.keys() & set(metrics)}
    if not tests:
        return None
    test = min(tests, key=lambda test: (test.protocol != protocol, test.corpus != corpus))
    said = " / ".join(tests[test][metric].text if metric in tests[test] else DASH for metric in metrics)
    return said if test == (corpus, protocol) else f"{said} ({test})"
