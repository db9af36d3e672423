"""How figures are written, wherever people read them. Shares come in, percentages and points go out."""

from collections.abc import Mapping, Sequence
from typing import Any

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def percent(share: float | None) -> str:
    """``70.3``; a dash where there is none."""
    return DASH if share is None else f"{100 * share:.1f}"


def signed(share: float | None) -> str:
    """``+2.1``; a dash where there is none."""
    if share is None:
        return DASH
    points = f"{100 * share:+.1f}"
    return "0.0" if points in ("+0.0", "-0.0") else points.replace("-", MINUS)


def interval(ends: Sequence[float] | None) -> str:
    """``66.1–74.2``; a dash where there is none."""
    return DASH if ends is None else f"{100 * ends[0]:.1f}{DASH}{100 * ends[1]:.1f}"


def signed_interval(ends: Sequence[float] | None) -> str:
    """``−0.3 to +4.5``; a dash where there is none."""
    return DASH if ends is None else f"{signed(ends[0])} to {signed(ends[1])}"


def spread(figure: Mapping[str, Any]) -> str:
    """Mean, and deviation where there are several."""
    deviation = "" if figure["std"] is None else f" ± {100 * figure['std']:.1f}"
    return f"{100 * figure['mean']:.1f}{deviation}"


def p_value(value: float | None) -> str:
    """``0.021``, or ``< 0.001``; a dash where there is none."""
    if value is None:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def plural(count: int, word: str) -> str:
    """``1 fold``, ``5 folds``."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def training_name(test: Mapping[str, Any]) -> str:
    """``fold 1``, or with another seed than 0 ``fold 1, seed 2``."""
    return f"fold {test['fold']}" + (f", seed {test['seed']}" if test["seed"] else "")
