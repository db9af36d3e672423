"""Figures of a model at work: its attention and gates, and the embeddings of its test utterances."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from merflow.contracts.numerals import decimal, percent
from merflow.contracts.task import Regression, Task
from merflow.evaluation.embeddings import neighbours_apart, neighbours_of_one_emotion, plane, unmapped
from merflow.evaluation.inspection_file import FoldInspection, ModuleAverages
from merflow.evaluation.report.charts import embedding_chart
from merflow.evaluation.report.drawing import Chart
from merflow.evaluation.report.inspection_figures import utterance_figure, weights_figure
from merflow.evaluation.report.step_styles import grouped_by

# Variant -> name of a training run, such as ``fold 1``, and its inspection.
Inspections = Mapping[str, tuple[str, FoldInspection]]

_MOST_EMBEDDINGS = 8  # variants; each t-SNE of a fold of IEMOCAP takes seconds and 20 KB
_MOST_POINTS = 1500
_DPI, _QUALITY = 90, 80  # 40 KB per figure, sharp on a phone


@dataclass(frozen=True)
class PageFigure:
    """A static figure inside the page.

    Attributes:
        source: The image as a data URI.
        alt: Description for readers who do not see the figure.
        caption: Text below the figure.
    """

    source: str
    alt: str
    caption: str


@dataclass(frozen=True)
class ModelFigures:
    """Attention, gates and layer weights of one training run.

    Attributes:
        variant: ``model:preset``.
        training: Name of the training run, such as ``fold 1``.
        figures: One figure per module or utterance.
    """

    variant: str
    training: str
    figures: tuple[PageFigure, ...]


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of the test utterances of one training run.

    Attributes:
        variant: ``model:preset``.
        training: Name of the training run, such as ``fold 1``.
        caption: How well the emotions or scores are separated, or why there is no chart.
        chart: t-SNE; None if it cannot be computed.
    """

    variant: str
    training: str
    caption: str
    chart: Chart | None


def model_figures(inspections: Inspections, *, order: Sequence[str], task: Task) -> list[ModelFigures]:
    """Draw the best variant of each model that has an inspection, best first."""
    drawn: dict[str, ModelFigures] = {}
    for name in order:
        model = name.partition(":")[0]
        if model in drawn or name not in inspections:
            continue
        training, inspected = inspections[name]
        figures = [*_module_figures(name, inspected, task=task), *_utterance_figures(name, inspected)]
        if figures:
            drawn[model] = ModelFigures(name, training, tuple(figures))
    return list(drawn.values())


def embeddings(inspections: Inspections, *, order: Sequence[str], task: Task) -> list[Embeddings]:
    """Draw the t-SNE of the best variants, from at most 1,500 evenly spaced utterances of a fold."""
    drawn: list[Embeddings] = []
    for name in [name for name in order if name in inspections][:_MOST_EMBEDDINGS]:
        training, inspected = inspections[name]
        step = -(-len(inspected.emotions) // _MOST_POINTS)
        vectors, groups = inspected.embedding[::step], inspected.emotions[::step]
        points = plane(vectors, seed=0)
        if points is None:
            drawn.append(Embeddings(name, training, f"No t-SNE: {unmapped(vectors)}.", None))
            continue
        caption = _separation(vectors, groups, task)
        chart = embedding_chart(name, points, groups, task=task, caption=caption)
        drawn.append(Embeddings(name, training, caption, chart))
    return drawn


def _separation(vectors: np.ndarray, groups: Sequence[str], task: Task) -> str:
    """Return how well the vectors ``(U, E)`` separate the groups, in a sentence."""
    if isinstance(task, Regression):
        apart, chance = neighbours_apart(vectors, np.array(groups, dtype=np.float64))
        return (
            f"An utterance and its ten nearest neighbours are {decimal(apart)} steps of {task.name} apart on average "
            f"(chance: {decimal(chance)})."
        )
    same, chance = neighbours_of_one_emotion(vectors, groups)
    return f"{percent(same)}% of an utterance's ten nearest neighbours share its emotion (chance: {percent(chance)}%)."


def _module_figures(name: str, inspected: FoldInspection, *, task: Task) -> list[PageFigure]:
    """Draw one figure per module; modules of a kind with one number per utterance, such as gates, share a figure."""
    figures = []
    for title, entry, names in _panels(inspected.averages):
        figure = weights_figure(
            entry.values, groups=inspected.emotions, task=task, title=title, axis=entry.axis, names=names
        )
        means = entry.values.mean(axis=0)
        summary = (
            ", ".join(f"{each} {mean:.2f}" for each, mean in zip(names, means, strict=True))
            if names
            else f"largest at {entry.axis} {int(np.argmax(means))}"
        )
        alt = f"{title} of {name}, mean over utterances by {grouped_by(task)}: {summary}"
        caption = f"{title}: mean and standard deviation over the test utterances of each {grouped_by(task)}"
        figures.append(PageFigure(_data_uri(figure), alt, caption))
    return figures


def _panels(averages: Mapping[str, ModuleAverages]) -> list[tuple[str, ModuleAverages, list[str]]]:
    """Return title, values and names of the entries for each figure; no names where the entries are numbered."""
    kinds: dict[str, list[str]] = {}
    for module, entry in averages.items():
        if entry.values.shape[1] == 1:
            kinds.setdefault(module.rpartition(".")[2], []).append(module)
    panels = []
    for kind, modules in kinds.items():
        values = np.concatenate([averages[module].values for module in modules], axis=1)
        panels.append((kind, ModuleAverages(values, "module"), _distinct_names(modules)))
    joined = {module for modules in kinds.values() for module in modules}
    return panels + [(module, entry, []) for module, entry in averages.items() if module not in joined]


def _distinct_names(modules: Sequence[str]) -> list[str]:
    """Reduce dotted names to the words in which they differ: ``a.x.gate`` and ``a.y_z.gate`` to ``x`` and ``y z``."""
    words = [module.split(".") for module in modules]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set(words[0][:-1])
    return [" ".join(word.replace("_", " ") for word in each if word not in shared) for each in words]


def _utterance_figures(name: str, inspected: FoldInspection) -> list[PageFigure]:
    figures = []
    for seen in inspected.utterances:
        if not seen.arrays:
            continue
        if seen.score is None:
            guess = max(seen.probabilities, key=lambda emotion: seen.probabilities[emotion])
            truth, surely = f"true emotion {seen.emotion}", f" with {percent(seen.probabilities[guess])}%"
        else:
            scale, score = seen.score
            guess, surely = decimal(score), ""
            truth = f"true {scale.name} {decimal(float(seen.emotion))}"
        alt = (
            f"Attention of {name} in utterance {seen.utterance_id} ({', '.join(seen.arrays)}); {truth}, predicted "
            f"{guess}{surely}"
        )
        caption = f"{seen.utterance_id}: {truth}, predicted {guess}"
        figures.append(PageFigure(_data_uri(utterance_figure(seen)), alt, caption))
    return figures


def _data_uri(figure: Figure) -> str:
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="webp", dpi=_DPI, pil_kwargs={"quality": _QUALITY})
        return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
