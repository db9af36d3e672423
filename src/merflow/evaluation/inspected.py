"""What a trained fold shows of itself, as arrays in one small file, so that a report needs neither model nor features.

The words of its utterances are not among it: the file goes to MLflow, and a licensed corpus' text may not.

``inspection.safetensors`` holds float16 arrays: ``embedding``, ``averages/MODULE``, ``PLACE/MODULE``; what they are
stands in its metadata as JSON. Shapes: U test utterances, E width of the embedding, K entries of a module.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from merflow.errors import EvaluationError
from merflow.storage.local import replacing

# Axes that a picture averages.
_AVERAGED = ("head", "feature")
_LARGEST = float(np.finfo(np.float16).max)
_CONTENT = "inspected"


@dataclass(frozen=True)
class Scale:
    """What an axis of steps means: its label, and the values at its first edge and last edge."""

    label: str
    first: float
    last: float


@dataclass(frozen=True)
class Shown:
    """One array of one utterance.

    Attributes:
        values: One dimension an axis.
        axes: Names of the axes.
    """

    values: np.ndarray
    axes: tuple[str, ...]

    def averaged(self) -> "Shown":
        """Without heads and features: their mean."""
        gone = tuple(place for place, axis in enumerate(self.axes) if axis in _AVERAGED)
        kept = tuple(axis for axis in self.axes if axis not in _AVERAGED)
        return Shown(self.values.mean(axis=gone) if gone else self.values, kept)


@dataclass(frozen=True)
class Seen:
    """One utterance and what every module showed of it.

    Attributes:
        words: What was said, or heard where the model reads recognised words; empty where the corpus does not know, or
            where they are not to be shown.
        emotion: The true one.
        probabilities: Emotion -> the model's probability.
        shown: Module -> its array.
        scales: Axis -> what its steps mean; the steps of other axes are counted from 0.
    """

    utterance_id: str
    words: str
    emotion: str
    probabilities: Mapping[str, float]
    shown: Mapping[str, Shown]
    scales: Mapping[str, Scale]


@dataclass(frozen=True)
class Averages:
    """What a module showed of every utterance, averaged over its steps.

    Attributes:
        values: ``(U, K)``.
        axis: What K counts, for example ``layer``.
    """

    values: np.ndarray
    axis: str


@dataclass(frozen=True)
class Inspected:
    """All of it, for one fold.

    Attributes:
        emotions: U true emotions.
        embedding: ``(U, E)``, what feeds the classifier.
        averages: Module -> averages.
        utterances: Some of the U, in detail.
    """

    emotions: tuple[str, ...]
    embedding: np.ndarray
    averages: Mapping[str, Averages]
    utterances: tuple[Seen, ...]

    def save(self, path: Path) -> None:
        """Writes the file, without words; maps lose their heads and features, and arrays are rounded to float16.

        Raises:
            OutputError: It cannot be written.
        """
        arrays = {"embedding": self.embedding}
        arrays |= {f"averages/{name}": entry.values for name, entry in self.averages.items()}
        kept = [{name: entry.averaged() for name, entry in seen.shown.items()} for seen in self.utterances]
        arrays |= {f"{place}/{name}": entry.values for place, shown in enumerate(kept) for name, entry in shown.items()}
        content = {
            "emotions": self.emotions,
            "averages": {name: entry.axis for name, entry in self.averages.items()},
            "utterances": [
                {
                    **{key: getattr(seen, key) for key in ("utterance_id", "emotion", "probabilities")},
                    "shown": {name: entry.axes for name, entry in shown.items()},
                    "scales": {axis: asdict(scale) for axis, scale in seen.scales.items()},
                }
                for seen, shown in zip(self.utterances, kept, strict=True)
            ],
        }
        rounded = {name: _rounded(values) for name, values in arrays.items()}
        with replacing(path) as part:
            save_file(rounded, part, metadata={_CONTENT: json.dumps(content)})

    def with_words(self, words: Mapping[str, str]) -> "Inspected":
        """The same with what was said, by utterance id."""
        return replace(
            self, utterances=tuple(replace(seen, words=words[seen.utterance_id]) for seen in self.utterances)
        )

    @classmethod
    def load(cls, path: Path) -> "Inspected":
        """Reads the file; arrays are float32.

        Raises:
            EvaluationError: It is garbled.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                content = json.loads(file.metadata()[_CONTENT])
                arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            return cls(
                tuple(content["emotions"]),
                arrays["embedding"],
                {name: Averages(arrays[f"averages/{name}"], axis) for name, axis in content["averages"].items()},
                tuple(_seen(entry, place, arrays) for place, entry in enumerate(content["utterances"])),
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"cannot read {path} ({error}); train the fold again, or remove the file") from error


def _seen(entry: dict[str, Any], place: int, arrays: Mapping[str, np.ndarray]) -> Seen:
    shown = {name: Shown(arrays[f"{place}/{name}"], tuple(axes)) for name, axes in entry["shown"].items()}
    scales = {axis: Scale(**scale) for axis, scale in entry["scales"].items()}
    return Seen(entry["utterance_id"], "", entry["emotion"], entry["probabilities"], shown, scales)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(values, -_LARGEST, _LARGEST), dtype=np.float16, order="C")
