"""The picture on a score model's card, as inline SVG: predictions by true score."""

from collections.abc import Sequence

from merflow.contracts.score_figures import ResidualBin
from merflow.contracts.task import Regression
from merflow.evaluation.scores.breakdowns import step_name
from merflow.promotion.card.pictures import svg, svg_text

_SIDE, _MARGIN = 260, 44


def truth_svg(residuals: Sequence[ResidualBin], task: Regression) -> str:
    """Draw the mean and the middle half of the predictions by step of the true score.

    Args:
        residuals: Residuals per step.
        task: The scale.
    """
    width = task.high - task.low

    def place(truth: float, predicted: float) -> tuple[float, float]:
        inside = min(max(predicted, task.low), task.high)
        return _MARGIN + _SIDE * (truth - task.low) / width, _MARGIN - 20 + _SIDE * (task.high - inside) / width

    parts = []
    for step in map(int, task.groups):
        x, y = place(step, step)
        parts.append(f'<path class="grid" d="M{_MARGIN} {y:.1f}h{_SIDE}M{x:.1f} {_MARGIN - 20}v{_SIDE}"/>')
        parts.append(svg_text(_MARGIN - 7, y + 4, step_name(step, low=task.low), "axis end"))
        parts.append(svg_text(x, _MARGIN - 20 + _SIDE + 17, step_name(step, low=task.low), "axis"))
    (x0, y0), (x1, y1) = place(task.low, task.low), place(task.high, task.high)
    parts.append(f'<path class="perfect" d="M{x0} {y0}L{x1} {y1}"/>')
    most = max((each.tests for each in residuals), default=1)
    for each in residuals:
        (x, low), (_, high) = (place(each.step, each.step + each.quartiles[end]) for end in (0, 2))
        parts.append(f'<path class="line after" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
        x, y = place(each.step, each.step + each.mean)
        radius = 2.5 + 6 * (each.tests / most) ** 0.5
        parts.append(f'<circle class="point after" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
    parts.append(svg_text(_MARGIN + _SIDE / 2, _MARGIN + _SIDE + 16, "truth", "axis"))
    parts.append(svg_text(_MARGIN - 30, 14, "prediction", "axis start"))
    label = "Predictions by truth; the table next to it has the same numbers."
    return svg(_MARGIN + _SIDE + 24, _MARGIN + _SIDE + 24, label, parts)
