"""The page's interactive charts of scores as Plotly figures."""

from merflow.contracts.numerals import MINUS, decimal, signed_decimal
from merflow.contracts.score_figures import ScoreBreakdown, ScoreVariant
from merflow.contracts.score_results import ScoreResults
from merflow.evaluation.report.drawing import (
    BLUE,
    INK,
    LEGEND,
    VERMILLION,
    Chart,
    FoldPoint,
    GroupPoint,
    chart,
    groups_by_variant,
    points_by_test,
)
from merflow.evaluation.report.learning import DevelopmentFigure, History, learning_charts

MAE = DevelopmentFigure("dev_mae", "Development MAE", scale=1.0, key="errors-by-epoch", unit="")
_RESIDUAL = f"prediction {MINUS} truth"
# Diameter in pixels of the largest bubble of a scatter plot, and of the smallest.
_LARGEST, _SMALLEST = 20.0, 3.0


def mae_by_fold_chart(results: ScoreResults) -> Chart:
    """Draw the MAE of every fold and seed, one row per variant with the best on top, and a bar at the mean."""
    means = {name: results.variants[name].figures["MAE"].mean for name in results.ranked}
    listed = "; ".join(f"{name} {decimal(mean)}" for name, mean in means.items())
    points = [
        FoldPoint(name, test.fold, test.seed, mae, decimal(mae))
        for name in results.ranked
        for test in results.variants[name].folds
        if (mae := test.values["MAE"]) is not None
    ]
    return points_by_test(
        points,
        {name: (mean, decimal(mean)) for name, mean in means.items() if mean is not None},
        axis="MAE per fold",
        label=f"MAE of every fold and its mean, by variant. Means: {listed}.",
    )


def scatter_chart(name: str, variant: ScoreVariant, results: ScoreResults) -> Chart:
    """Draw predictions by truth; larger points hold more predictions."""
    import plotly.graph_objects as go

    most = max(cell.tests for cell in variant.cells)
    low = min(results.low, *(cell.predicted for cell in variant.cells))
    high = max(results.high, *(cell.predicted for cell in variant.cells))
    room = 0.06 * (high - low)
    traces = [
        go.Scatter(
            x=[results.low, results.high],
            y=[results.low, results.high],
            mode="lines",
            line={"color": INK, "dash": "dot", "width": 1},
            name="prediction = truth",
            hoverinfo="skip",
        ),
        go.Scatter(
            x=[round(cell.truth, 2) for cell in variant.cells],
            y=[round(cell.predicted, 2) for cell in variant.cells],
            mode="markers",
            name=name,
            marker={
                "color": BLUE,
                "opacity": 0.45,
                "size": [
                    round(_SMALLEST + (_LARGEST - _SMALLEST) * (cell.tests / most) ** 0.5, 1) for cell in variant.cells
                ],
                "line": {"width": 0},
            },
            text=[str(cell.tests) for cell in variant.cells],
            hovertemplate="truth %{x}, prediction %{y}: %{text} predictions<extra></extra>",
        ),
    ]
    layout = {
        "xaxis": {"title": {"text": "truth"}, "range": [results.low - room, results.high + room], "zeroline": False},
        "yaxis": {"title": {"text": "prediction"}, "range": [low - room, high + room], "zeroline": False},
        "showlegend": False,
    }
    label = (
        f"Predictions of {name} by truth, {sum(cell.tests for cell in variant.cells):,} predictions, with the line on "
        f"which they are equal. CCC {decimal(variant.figures['CCC'].pooled)}, Pearson's correlation "
        f"{decimal(variant.figures['Pearson'].pooled)}."
    )
    return chart(f"scatter-{_anchor(name)}", label, traces, layout, 380)


def residual_chart(name: str, variant: ScoreVariant) -> Chart:
    """Draw mean and quartiles of prediction minus truth by step of the truth."""
    import plotly.graph_objects as go

    steps = [row.step for row in variant.residuals]
    medians = [row.quartiles[1] for row in variant.residuals]
    traces = [
        go.Scatter(
            x=steps,
            y=[round(value, 3) for value in medians],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [round(row.quartiles[2] - row.quartiles[1], 3) for row in variant.residuals],
                "arrayminus": [round(row.quartiles[1] - row.quartiles[0], 3) for row in variant.residuals],
                "thickness": 2,
                "width": 6,
            },
            mode="markers",
            name="median and middle half",
            marker={"color": BLUE, "size": 9},
            text=[f"{row.tests} predictions" for row in variant.residuals],
            hovertemplate="truth %{x}: median %{y:.2f}, %{text}<extra></extra>",
        ),
        go.Scatter(
            x=steps,
            y=[round(row.mean, 3) for row in variant.residuals],
            mode="markers",
            name="mean",
            marker={"color": VERMILLION, "symbol": "diamond-open", "size": 11, "line": {"width": 2}},
            hovertemplate="truth %{x}: mean %{y:.2f}<extra></extra>",
        ),
    ]
    layout = {
        "xaxis": {"title": {"text": "truth, rounded"}, "dtick": 1, "zeroline": False},
        "yaxis": {"title": {"text": _RESIDUAL}, "zeroline": True, "zerolinecolor": INK, "zerolinewidth": 1},
        "legend": LEGEND,
    }
    listed = "; ".join(f"{row.step}: {signed_decimal(row.mean)}" for row in variant.residuals)
    return chart(
        f"residuals-{_anchor(name)}", f"Residuals of {name} by step of the truth. Means: {listed}.", traces, layout, 320
    )


def error_chart(name: str, variant: ScoreVariant) -> Chart:
    """Draw the distribution of the errors, without the empty ends."""
    import plotly.graph_objects as go

    held = [place for place, row in enumerate(variant.errors) if row.tests]
    bins = variant.errors[held[0] : held[-1] + 1]
    every = sum(row.tests for row in bins)
    traces = [
        go.Bar(
            x=[round((row.low + row.high) / 2, 3) for row in bins],
            y=[100 * row.tests / every for row in bins],
            width=[round(row.high - row.low, 3) for row in bins],
            marker={"color": BLUE, "line": {"width": 0}},
            text=[f"{row.low:.2f} to {row.high:.2f}, {row.tests} predictions" for row in bins],
            textposition="none",
            hovertemplate="error %{text}, %{y:.1f}%<extra></extra>",
            name=name,
        )
    ]
    layout = {
        "xaxis": {"title": {"text": _RESIDUAL}, "zeroline": True, "zerolinecolor": INK, "zerolinewidth": 1},
        "yaxis": {"title": {"text": "share of predictions, %"}, "zeroline": False},
        "showlegend": False,
        "bargap": 0.05,
    }
    label = f"Distribution of the errors of {name}, prediction minus truth. MAE {decimal(variant.mae)}."
    return chart(f"errors-{_anchor(name)}", label, traces, layout, 320)


def mae_breakdown_chart(results: ScoreResults, kind: ScoreBreakdown) -> Chart:
    """Draw MAE by group with intervals, one series per variant, for the best variants only."""
    by_variant = {
        name: [
            GroupPoint(group.group, group.mae, group.ci95, decimal(group.mae))
            for group in results.variants[name].breakdowns.get(kind, ())
        ]
        for name in results.ranked
    }
    label = f"MAE by {kind} and variant with 95% intervals. The table below has the numbers."
    return groups_by_variant(f"chart-by-{kind}", by_variant, axis="MAE", label=label)


def mae_learning_charts(name: str, histories: History, variant: ScoreVariant) -> list[Chart]:
    """Draw losses, and development MAE with the chosen epochs, of every training run of a variant."""
    chosen = {(fold.fold, fold.seed): fold.chosen_epoch for fold in variant.folds}
    return learning_charts(name, histories, chosen=chosen, figure=MAE)


def _anchor(name: str) -> str:
    return name.replace(":", "-")
