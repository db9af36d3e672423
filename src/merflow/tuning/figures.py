"""A study's page with interactive figures, and the same figures as PNG files.

The page works offline and alone: Plotly's script is inside it.
"""

import warnings
from collections.abc import Callable, Iterator
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
from optuna.visualization import matplotlib as static

from merflow.contracts.study import StudyResults
from merflow.storage.local import output_errors, replacing

_DPI = 120

# Title of each figure.
FIGURES = {
    "history": "Trials in order, and the best so far",
    "steps": "Mean over the folds so far, by epoch; a line that ends early was pruned",
    "importance": "Importance of the settings: share of the variance among complete trials (fANOVA)",
    "slice": "Each setting against the result",
}
_EPOCHS = "epoch, counted through the folds"


def write_page(study: optuna.Study, path: Path, *, results: StudyResults) -> None:
    """Write the page: the best trials next to the preset's own values, and the figures.

    Args:
        study: A study with at least one complete trial.
        path: The HTML file.
        results: The study's outcome.

    Raises:
        OutputError: The page cannot be written.
    """
    drawn = _plotly(study, results)
    parts = {
        name: Markup(figure.to_html(full_html=False, include_plotlyjs=index == 0, config={"displaylogo": False}))
        for index, (name, figure) in enumerate(drawn.items())
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(shown=results.subject.shown, short=short)
    template = environment.from_string((files("merflow.tuning") / "study.html.j2").read_text(encoding="utf-8"))
    with replacing(path) as part:
        text = template.render(results=results, subject=_subject(results), figures=parts, titles=FIGURES)
        part.write_text(text, encoding="utf-8")


def write_figures(study: optuna.Study, folder: Path, *, results: StudyResults) -> list[Path]:
    """Write the figures as PNG files and return their paths; figures that need more trials are left out.

    Args:
        study: A study with at least one complete trial.
        folder: An existing folder.
        results: The study's outcome.

    Raises:
        OutputError: The folder cannot be written.
    """
    written = []
    with _quiet(), pyplot.rc_context(), output_errors(folder):
        for name, draw in _drawings(study, results).items():
            axes = draw()
            figure = _dressed(axes, name=name, named=_named(results))
            path = folder / f"{name}.png"
            with replacing(path) as part:
                figure.savefig(part, format="png", dpi=_DPI, bbox_inches="tight")
            pyplot.close(figure)
            written.append(path)
    return written


def short(value: object) -> str:
    """Return a setting's value for a table."""
    return f"{value:.3g}" if isinstance(value, float) else "none" if value is None else str(value)


def _subject(results: StudyResults) -> dict[str, str]:
    """Return the subject's fields for the page, one line per field and per entry of a mapping."""
    values = results.subject.model_dump(mode="json")
    return {
        name: "; ".join(f"{key}: {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
        for name, value in values.items()
    }


def _named(results: StudyResults) -> str:
    """Return the figure that the study maximizes, for axes."""
    return f"development {results.subject.figure}"


def _plotly(study: optuna.Study, results: StudyResults) -> dict[str, Any]:
    from optuna import visualization

    named = _named(results)
    with _quiet():
        drawn = {
            "history": visualization.plot_optimization_history(study, target_name=named),
            "steps": visualization.plot_intermediate_values(study),
        }
        if results.importance:
            drawn["importance"] = visualization.plot_param_importances(
                study, evaluator=FanovaImportanceEvaluator(seed=results.subject.seed)
            )
            drawn["slice"] = visualization.plot_slice(study, target_name=named)
    for name, figure in drawn.items():
        figure.update_layout(title=None, margin={"l": 60, "r": 20, "t": 20, "b": 60}, template="plotly_white")
        if name == "slice":
            figure.update_layout(width=max(700, 260 * len(figure.data)), height=420)
    drawn["steps"].update_layout(xaxis_title=_EPOCHS, yaxis_title=named, showlegend=False)
    return drawn


def _drawings(study: optuna.Study, results: StudyResults) -> dict[str, Callable[[], Any]]:
    named = _named(results)
    drawings: dict[str, Callable[[], Any]] = {
        "history": lambda: static.plot_optimization_history(study, target_name=named),
        "steps": lambda: static.plot_intermediate_values(study),
    }
    if results.importance:
        evaluator = FanovaImportanceEvaluator(seed=results.subject.seed)
        drawings["importance"] = lambda: static.plot_param_importances(study, evaluator=evaluator)
        drawings["slice"] = lambda: static.plot_slice(study, target_name=named)
    return drawings


def _dressed(axes: Any, *, name: str, named: str) -> Any:  # noqa: ANN401 - Matplotlib's axes, or an array of them
    """Return the figure of these axes with a title and a readable size."""
    several = hasattr(axes, "flat")
    first = axes.flat[0] if several else axes
    figure = first.get_figure()
    figure.set_size_inches(3.2 * axes.size if several else 9.0, 4.5)
    if several:
        figure.suptitle(FIGURES[name])
        for each in axes.flat:
            each.xaxis.set_minor_formatter(NullFormatter())  # labels of a logarithmic axis overlap
    else:
        first.set_title(FIGURES[name], fontsize=11)
    if name == "steps":
        first.set(xlabel=_EPOCHS, ylabel=named)
        if first.get_legend() is not None:
            first.get_legend().remove()
    return figure


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warning that Optuna's Matplotlib figures are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
