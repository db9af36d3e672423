"""What a study looks like: one page with figures to point at, and the same figures as pictures.

The page needs nothing beside it: Plotly's script is in it, and asks nobody for anything.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import optuna
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib import pyplot
from matplotlib.ticker import NullFormatter
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator
from optuna.visualization import matplotlib as pictures

from merflow.storage.local import output_errors, replacing

_UA = "development UA"
_DPI = 120

# Figure -> its title.
FIGURES = {
    "history": "Trials in their order, and the best so far",
    "steps": "Mean so far, epoch by epoch and fold by fold; a line that ends early was pruned",
    "importance": "What mattered: shares of the variance among complete trials (fANOVA)",
    "slice": "Each setting against the result",
}


def write_page(study: optuna.Study, path: Path, *, summary: Mapping[str, Any]) -> None:
    """The page: best trials beside the preset's own values, and the figures.

    Args:
        study: With at least one complete trial.
        path: Where the page goes.
        summary: As :meth:`merflow.tuning.outcome.Outcome.summary` gives it, and the ``preset`` that was made.

    Raises:
        OutputError: The page cannot be written.
    """
    drawn = _plotly(study, importance=bool(summary["importance"]), seed=summary["study"]["seed"])
    parts = {
        name: Markup(figure.to_html(full_html=False, include_plotlyjs=place == 0, config={"displaylogo": False}))
        for place, (name, figure) in enumerate(drawn.items())
    }
    settings = list(dict.fromkeys(name for row in summary["best_trials"] for name in row["values"]))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=lambda share: f"{100 * share:.1f}", short=short)
    template = environment.from_string((files("merflow.tuning") / "study.html.j2").read_text(encoding="utf-8"))
    with replacing(path) as part:
        text = template.render(summary=summary, settings=settings, figures=parts, titles=FIGURES)
        part.write_text(text, encoding="utf-8")


def write_figures(study: optuna.Study, folder: Path, *, importance: bool, seed: int) -> list[Path]:
    """The figures as PNG, those that there are enough trials for; their paths.

    Raises:
        OutputError: The folder cannot be written.
    """
    written = []
    with _quiet(), pyplot.rc_context(), output_errors(folder):
        for name, draw in _drawings(study, importance=importance, seed=seed).items():
            axes = draw()
            figure = _dressed(axes, name=name)
            path = folder / f"{name}.png"
            with replacing(path) as part:
                figure.savefig(part, format="png", dpi=_DPI, bbox_inches="tight")
            pyplot.close(figure)
            written.append(path)
    return written


def short(value: object) -> str:
    """A setting's value for a table."""
    return f"{value:.3g}" if isinstance(value, float) else "none" if value is None else str(value)


def _plotly(study: optuna.Study, *, importance: bool, seed: int) -> dict[str, Any]:
    from optuna import visualization

    with _quiet():
        found = {
            "history": visualization.plot_optimization_history(study, target_name=_UA),
            "steps": visualization.plot_intermediate_values(study),
        }
        if importance:
            found["importance"] = visualization.plot_param_importances(
                study, evaluator=FanovaImportanceEvaluator(seed=seed)
            )
            found["slice"] = visualization.plot_slice(study, target_name=_UA)
    for name, figure in found.items():
        figure.update_layout(title=None, margin={"l": 60, "r": 20, "t": 20, "b": 60}, template="plotly_white")
        if name == "slice":
            figure.update_layout(width=max(700, 260 * len(figure.data)), height=420)
    found["steps"].update_layout(xaxis_title="epoch, counted through the folds", yaxis_title=_UA, showlegend=False)
    return found


def _drawings(study: optuna.Study, *, importance: bool, seed: int) -> dict[str, Callable[[], Any]]:
    drawings: dict[str, Callable[[], Any]] = {
        "history": lambda: pictures.plot_optimization_history(study, target_name=_UA),
        "steps": lambda: pictures.plot_intermediate_values(study),
    }
    if importance:
        evaluator = FanovaImportanceEvaluator(seed=seed)
        drawings["importance"] = lambda: pictures.plot_param_importances(study, evaluator=evaluator)
        drawings["slice"] = lambda: pictures.plot_slice(study, target_name=_UA)
    return drawings


def _dressed(axes: Any, *, name: str) -> Any:  # noqa: ANN401 - Matplotlib's axes, or an array of them
    """The figure of these axes, titled and large enough."""
    several = hasattr(axes, "flat")
    first = axes.flat[0] if several else axes
    figure = first.get_figure()
    figure.set_size_inches(3.2 * axes.size if several else 9.0, 4.5)
    if several:
        figure.suptitle(FIGURES[name])
        for each in axes.flat:
            each.xaxis.set_minor_formatter(NullFormatter())  # of a logarithmic axis; they overlap
    else:
        first.set_title(FIGURES[name], fontsize=11)
    if name == "steps":
        first.set(xlabel="epoch, counted through the folds", ylabel=_UA)
        if first.get_legend() is not None:
            first.get_legend().remove()
    return figure


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna calls its Matplotlib figures experimental, each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
