"""Pictures of a model card as SVG inside the page: confusion matrix and reliability diagram.

Colours follow the page's light or dark theme. Every number is in a table next to the picture or in the picture itself.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from merflow.contracts.scores import ReliabilityBin

_CELL, _LEFT, _TOP = 92, 96, 34
_SIDE, _MARGIN = 260, 44
# Cells with a larger share of their row are dark enough for light text.
_DARK_SHARE = 0.55


def confusion_svg(counts: np.ndarray, *, classes: Sequence[str]) -> str:
    """Draw the confusion matrix, shaded by share of the true class, with percentage and count in each cell.

    Args:
        counts: ``(C, C)``, true class in rows.
        classes: C names.
    """
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    width, height = _LEFT + _CELL * len(classes), _TOP + 26 + _CELL * len(classes)
    parts = [svg_text(_LEFT + _CELL * len(classes) / 2, 12, "predicted", "axis")]
    for index, name in enumerate(classes):
        parts.append(svg_text(_LEFT + _CELL * (index + 0.5), 30, name, "name"))
        middle = _TOP + _CELL * (index + 0.5)
        parts.append(svg_text(_LEFT - 8, middle - 3, name, "name end"))
        parts.append(svg_text(_LEFT - 8, middle + 14, f"n = {int(support[index, 0]):,}", "axis end"))
    for row, column in np.ndindex(counts.shape):
        x, y, share = _LEFT + _CELL * column, _TOP + _CELL * row, float(shares[row, column])
        parts.append(
            f'<rect x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_CELL - 2}" rx="5" class="cell" '
            f'style="fill-opacity:{0.05 + 0.95 * share:.3f}"/>'
        )
        dark = " dark" if share > _DARK_SHARE else ""
        parts.append(svg_text(x + _CELL / 2, y + _CELL / 2, f"{100 * share:.1f}%", f"share{dark}"))
        parts.append(svg_text(x + _CELL / 2, y + _CELL / 2 + 18, f"{int(counts[row, column]):,}", f"count{dark}"))
    parts.append(svg_text(_LEFT - 8, _TOP + _CELL * len(classes) + 18, "true class in rows", "axis start"))
    return svg(width, height, "Confusion matrix; the table in card.md has the same numbers.", parts)


def reliability_svg(series: Sequence[tuple[str, Sequence[ReliabilityBin]]]) -> str:
    """Draw accuracy by confidence, one line per series; larger points hold more predictions.

    Args:
        series: Name and bins of up to two series. The first is drawn with hollow points, the second with filled ones.
    """
    most = max((each.utterances for _, bins in series for each in bins), default=1)
    parts = []
    for tick in (0, 25, 50, 75, 100):
        x, y = _place(tick / 100, tick / 100)
        parts.append(f'<path class="grid" d="M{_MARGIN} {y}h{_SIDE}M{x} {_MARGIN - 20}v{_SIDE}"/>')
        parts.append(svg_text(_MARGIN - 7, y + 4, str(tick), "axis end"))
        parts.append(svg_text(x, _MARGIN - 20 + _SIDE + 17, str(tick), "axis"))
    (x0, y0), (x1, y1) = _place(0, 0), _place(1, 1)
    parts.append(f'<path class="perfect" d="M{x0} {y0}L{x1} {y1}"/>')
    for number, (_, bins) in enumerate(series):
        places = [_place(each.confidence, each.accuracy) for each in bins]
        kind = ("before", "after")[number]
        parts.append(f'<path class="line {kind}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>')
        for (x, y), each in zip(places, bins, strict=True):
            radius = 2.5 + 6 * (each.utterances / most) ** 0.5
            parts.append(f'<circle class="point {kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
    parts.append(svg_text(_MARGIN + _SIDE / 2, _MARGIN + _SIDE + 16, "confidence, %", "axis"))
    parts.append(svg_text(_MARGIN - 30, 14, "accuracy, %", "axis start"))
    label = "Reliability diagram. " + " ".join(_described(name, bins) for name, bins in series)
    return svg(_MARGIN + _SIDE + 24, _MARGIN + _SIDE + 24, label, parts)


def _place(confidence: float, accuracy: float) -> tuple[float, float]:
    return _MARGIN + _SIDE * confidence, _MARGIN - 20 + _SIDE * (1 - accuracy)


def _described(name: str, bins: Sequence[ReliabilityBin]) -> str:
    points = "; ".join(f"confidence {100 * each.confidence:.0f}, accuracy {100 * each.accuracy:.0f}" for each in bins)
    return f"{name}: {points}."


def svg_text(x: float, y: float, words: str, kind: str) -> str:
    """Return a text element with a CSS class of the card's style sheet."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'


def svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    """Return a picture of these parts, with a label for people who cannot see it."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
