"""Pictures inside the page: what the best variant of each model looks at, and where it puts utterances."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from merflow.contracts.numerals import percent
from merflow.evaluation.embeddings import neighbours_of_one_emotion, plane, unmapped
from merflow.evaluation.inspected import Averages, Inspected
from merflow.evaluation.report.charts import Chart, embedding_chart
from merflow.evaluation.report.explanations import utterance_figure, weights_figure

# Variant -> which of its trainings, as ``fold 1``, and what it showed.
Inspections = Mapping[str, tuple[str, Inspected]]

_MOST_MAPS = 8  # variants: each t-SNE of IEMOCAP's fold takes seconds and 20 KB
_MOST_POINTS = 1500
_DPI, _QUALITY = 90, 80  # a picture of 40 KB, sharp on a phone


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        source: A data URI.
        label: What it shows, for a reader who does not see it.
        caption: Below it.
    """

    source: str
    label: str
    caption: str


@dataclass(frozen=True)
class Looks:
    """What the model of one training looks at.

    Attributes:
        name: The variant.
        training: Which of its folds.
    """

    name: str
    training: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Map:
    """Where one training puts its test utterances.

    Attributes:
        name: The variant.
        training: Which of its folds.
        said: How well emotions keep together, in a sentence; or why there is no map.
        chart: None where there is no map.
    """

    name: str
    training: str
    said: str
    chart: Chart | None


def looks(inspections: Inspections, *, order: Sequence[str], classes: Sequence[str]) -> list[Looks]:
    """Of the best variant of each model that shows anything, the best first."""
    found: dict[str, Looks] = {}
    for name in order:
        model = name.partition(":")[0]
        if model in found or name not in inspections:
            continue
        training, inspected = inspections[name]
        pictures = [*_averages(name, inspected, classes=classes), *_utterances(name, inspected)]
        if pictures:
            found[model] = Looks(name, training, tuple(pictures))
    return list(found.values())


def maps(inspections: Inspections, *, order: Sequence[str], classes: Sequence[str]) -> list[Map]:
    """t-SNE of the best variants' embeddings; at most some 1,500 utterances of a fold, evenly taken."""
    found: list[Map] = []
    for name in [name for name in order if name in inspections][:_MOST_MAPS]:
        training, inspected = inspections[name]
        step = -(-len(inspected.emotions) // _MOST_POINTS)
        vectors, emotions = inspected.embedding[::step], inspected.emotions[::step]
        points = plane(vectors, seed=0)
        if points is None:
            found.append(Map(name, training, f"No map: {unmapped(vectors)}.", None))
            continue
        same, chance = neighbours_of_one_emotion(vectors, emotions)
        said = (
            f"Of an utterance's ten nearest neighbours, {percent(same)} % share its emotion (by chance "
            f"{percent(chance)} %)."
        )
        chart = embedding_chart(name, points, emotions, classes=classes, said=said)
        found.append(Map(name, training, said, chart))
    return found


def _averages(name: str, inspected: Inspected, *, classes: Sequence[str]) -> list[Picture]:
    """A picture a module; modules of one kind that show one number an utterance, as gates do, share one."""
    found = []
    for title, entry, names in _panels(inspected.averages):
        figure = weights_figure(
            entry.values, emotions=inspected.emotions, classes=classes, title=title, axis=entry.axis, names=names
        )
        means = entry.values.mean(axis=0)
        said = (
            ", ".join(f"{each} {mean:.2f}" for each, mean in zip(names, means, strict=True))
            if names
            else f"largest at {entry.axis} {int(np.argmax(means))}"
        )
        label = f"{title} of {name}, mean over utterances by emotion; {said}"
        found.append(Picture(_data_uri(figure), label, f"{title}: mean and deviation over the test utterances"))
    return found


def _panels(averages: Mapping[str, Averages]) -> list[tuple[str, Averages, list[str]]]:
    """What is drawn together: title, values, and names of their entries where these are modules."""
    kinds: dict[str, list[str]] = {}
    for module, entry in averages.items():
        if entry.values.shape[1] == 1:
            kinds.setdefault(module.rpartition(".")[2], []).append(module)
    panels = []
    for kind, modules in kinds.items():
        values = np.concatenate([averages[module].values for module in modules], axis=1)
        panels.append((kind, Averages(values, "module"), _told_apart(modules)))
    joined = {module for modules in kinds.values() for module in modules}
    return panels + [(module, entry, []) for module, entry in averages.items() if module not in joined]


def _told_apart(modules: Sequence[str]) -> list[str]:
    """Dotted names by the words in which they differ: ``a.x.gate`` and ``a.y_z.gate`` are ``x`` and ``y z``."""
    words = [module.split(".") for module in modules]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set(words[0][:-1])
    return [" ".join(word.replace("_", " ") for word in each if word not in shared) for each in words]


def _utterances(name: str, inspected: Inspected) -> list[Picture]:
    found = []
    for seen in inspected.utterances:
        if not seen.shown:
            continue
        guess = max(seen.probabilities, key=lambda emotion: seen.probabilities[emotion])
        label = (
            f"What {name} looks at in {seen.utterance_id} ({', '.join(seen.shown)}); true emotion {seen.emotion}, "
            f"predicted {guess} with {percent(seen.probabilities[guess])} percent"
        )
        caption = f"{seen.utterance_id}, {seen.emotion}, taken for {guess}"
        found.append(Picture(_data_uri(utterance_figure(seen)), label, caption))
    return found


def _data_uri(figure: Figure) -> str:
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="webp", dpi=_DPI, pil_kwargs={"quality": _QUALITY})
        return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
