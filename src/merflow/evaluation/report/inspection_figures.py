"""Static figures of an inspected model: attention maps, gates, layer weights, embeddings. Matplotlib without pyplot."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from merflow.contracts.task import Regression, Task
from merflow.evaluation.inspection_file import AxisScale, InspectedUtterance, NamedArray
from merflow.evaluation.report.step_styles import step_styles

_INK, _SOFT, _BLUE = "#1c2430", "#667085", "#0072B2"
# Each Okabe-Ito colour has its own marker, so that no meaning is carried by colour alone.
_CLASS_STYLES = (
    *(("#D55E00", "o"), ("#E69F00", "^"), ("#0072B2", "s"), ("#009E73", "D")),
    *(("#CC79A7", "v"), ("#56B4E9", "P"), ("#000000", "X"), ("#F0E442", "*")),
)
_PANELS_PER_ROW = 3
_TITLE = 110  # characters
_WIDE_BAR = 0.7  # probability above which a bar has room for its label


def utterance_figure(seen: InspectedUtterance) -> Figure:
    """Draw every map of one utterance: attention as heat maps (mean over heads), gates over time, weights as bars."""
    panels = {name: entry.averaged() for name, entry in seen.arrays.items()}
    panels = {name: entry for name, entry in panels.items() if entry.values.ndim in (1, 2)}
    rows = -(-(len(panels) + 1) // _PANELS_PER_ROW)
    figure = Figure(figsize=(4.2 * _PANELS_PER_ROW, 3.0 * rows + 0.8), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, _PANELS_PER_ROW, squeeze=False).ravel()
    title = f"{seen.utterance_id}\n{_shortened(seen.words)}" if seen.words else seen.utterance_id
    figure.suptitle(title, fontsize="medium", color=_INK)
    if seen.score is None:
        _bars(grid[0], seen.probabilities, emotion=seen.emotion)
    else:
        scale, predicted = seen.score
        _scores(grid[0], predicted, truth=float(seen.emotion), scale=scale)
    for axes, (name, entry) in zip(grid[1:], panels.items(), strict=False):
        _draw(axes, entry, scales=seen.scales)
        axes.set_title(name, loc="left", fontsize="small", color=_INK)
    for axes in grid[1 + len(panels) :]:
        axes.set_axis_off()
    return figure


def weights_figure(
    values: np.ndarray,
    *,
    groups: Sequence[str],
    task: Task,
    title: str,
    axis: str,
    names: Sequence[str] = (),
) -> Figure:
    """Draw the values of a module over all utterances: mean by group of the task, with one standard deviation.

    Args:
        values: ``(U, K)``.
        groups: U names of groups: emotions, or steps of the scale.
        task: Task with the groups in the order of the legend.
        title: Title above the panel.
        axis: Label of the axis of K entries, for example ``layer``.
        names: Names of the K entries; empty to number them from 0.
    """
    figure = Figure(figsize=(7.5, 3.8), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    positions = np.arange(values.shape[1])
    spread = 0.6 / max(1, len(task.groups))
    for number, (group, (colour, marker)) in enumerate(zip(task.groups, _styles(task), strict=False)):
        of_group = values[np.asarray(groups) == group]
        if not len(of_group):
            continue
        shifted = positions + (number - (len(task.groups) - 1) / 2) * spread
        axes.errorbar(
            shifted,
            of_group.mean(axis=0),
            yerr=of_group.std(axis=0),
            fmt=marker,
            color=colour,
            markersize=4,
            elinewidth=0.8,
            label=f"{group} ({len(of_group)})",
        )
    axes.set_xticks(positions)
    if names:
        axes.set_xticklabels([name.replace(" ", "\n") for name in names], fontsize="small")
    axes.set(xlabel=axis, ylabel="mean ± std over utterances")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small", ncols=len(task.groups))
    axes.set_ylim(top=axes.get_ylim()[1] + 0.15 * np.ptp(axes.get_ylim()))
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    return figure


def embedding_figure(points: np.ndarray, *, groups: Sequence[str], task: Task, title: str) -> Figure:
    """Draw the t-SNE ``(U, 2)`` of utterances by group of the task.

    Distances between distant groups mean nothing in it.
    """
    figure = Figure(figsize=(6.2, 5.6), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for group, (colour, marker) in zip(task.groups, _styles(task), strict=False):
        of_group = points[np.asarray(groups) == group]
        label = f"{group} ({len(of_group)})"
        axes.scatter(
            of_group[:, 0], of_group[:, 1], s=14, color=colour, marker=marker, alpha=0.7, linewidths=0, label=label
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#d5dbe5")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.01), frameon=False, fontsize="small", ncols=len(task.groups)
    )
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    return figure


def _styles(task: Task) -> Sequence[tuple[str, str]]:
    """Return colour and marker of each group."""
    if isinstance(task, Regression):
        return [(style.colour, style.marker) for style in step_styles(task)]
    return _CLASS_STYLES


def _bars(axes: Axes, probabilities: Mapping[str, float], *, emotion: str) -> None:
    names = list(probabilities)
    axes.barh(names, list(probabilities.values()), color=[_BLUE if name == emotion else "#b8c4d6" for name in names])
    for row, (name, value) in enumerate(probabilities.items()):
        label = f"{100 * value:.0f}%" + (" (true)" if name == emotion else "")
        inside = value > _WIDE_BAR
        axes.text(
            value - 0.02 if inside else value + 0.02,
            row,
            label,
            va="center",
            ha="right" if inside else "left",
            fontsize="small",
            color="white" if inside and name == emotion else _INK,
        )
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_title("probability", loc="left", fontsize="small", color=_INK)
    axes.spines[["top", "right"]].set_visible(False)


def _scores(axes: Axes, predicted: float, *, truth: float, scale: Regression) -> None:
    """Draw the predicted and the true score on the scale."""
    axes.hlines(0, scale.low, scale.high, color="#b8c4d6", linewidth=3)
    axes.plot(scale.middle, 0, marker="|", markersize=14, color=_SOFT)
    for value, marker, colour, height, name in (
        (truth, "D", _INK, -0.35, "true"),
        (predicted, "o", _BLUE, 0.35, "predicted"),
    ):
        axes.plot(value, 0, marker=marker, markersize=8, color=colour)
        inside = min(max(value, scale.low), scale.high)
        axes.text(inside, height, f"{name} {value:.2f}", ha="center", va="center", fontsize="small", color=_INK)
    room = 0.15 * (scale.high - scale.low)
    axes.set(ylim=(-1, 1), yticks=[], xlim=(min(scale.low, predicted) - room, max(scale.high, predicted) + room))
    axes.set_title(scale.name, loc="left", fontsize="small", color=_INK)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _draw(axes: Axes, entry: NamedArray, *, scales: Mapping[str, AxisScale]) -> None:
    scale_of_axes = [
        scales.get(name, AxisScale(name, -0.5, size - 0.5))
        for name, size in zip(entry.axes, entry.values.shape, strict=True)
    ]
    if entry.values.ndim == 1:
        scale, count = scale_of_axes[0], len(entry.values)
        middles = scale.first + (np.arange(count) + 0.5) * (scale.last - scale.first) / max(1, count)
        axes.bar(middles, entry.values, width=0.9 * (scale.last - scale.first) / max(1, count), color=_BLUE)
        axes.set_xlabel(scale.label, fontsize="small")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        return
    rows, columns = scale_of_axes
    image = axes.imshow(
        entry.values,
        aspect="auto",
        cmap="cividis",
        interpolation="nearest",
        extent=(columns.first, columns.last, rows.last, rows.first),
        vmin=0,
    )
    for direction in (axes.xaxis, axes.yaxis):
        direction.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(columns.label, fontsize="small")
    axes.set_ylabel(rows.label, fontsize="small")
    axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02).ax.tick_params(labelsize="x-small", colors=_SOFT)


def _shortened(words: str) -> str:
    return words if len(words) <= _TITLE else f"{words[: _TITLE - 3].rstrip()}..."
