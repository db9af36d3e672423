"""``inspection.safetensors``: embeddings and attention of a trained fold.

With this file, a report needs neither the model nor its features. The words of the utterances are left out, because the
file is uploaded to MLflow, and the text of a licensed corpus must not be.

The file has float16 arrays named ``embedding``, ``averages/MODULE`` and ``INDEX/MODULE``; their axes are in its
metadata as JSON. Shapes: U test utterances, E width of the embedding, K entries of a module.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from merflow.contracts.axes import INVARIANT
from merflow.contracts.task import SCALES, Regression
from merflow.errors import EvaluationError
from merflow.storage.local import replacing

# Axes that a figure averages over.
_AVERAGED = ("head", "feature", INVARIANT)
_LARGEST = float(np.finfo(np.float16).max)
_CONTENT = "inspected"


@dataclass(frozen=True)
class AxisScale:
    """Label of an axis of steps, and the values at its first and last edge."""

    label: str
    first: float
    last: float


@dataclass(frozen=True)
class NamedArray:
    """Attention weights, gates or other values of a module for one utterance.

    Attributes:
        values: Array with one dimension per axis.
        axes: Names of the axes.
    """

    values: np.ndarray
    axes: tuple[str, ...]

    def averaged(self) -> "NamedArray":
        """Return the mean over heads and features."""
        removed = tuple(index for index, axis in enumerate(self.axes) if axis in _AVERAGED)
        remaining = tuple(axis for axis in self.axes if axis not in _AVERAGED)
        return NamedArray(self.values.mean(axis=removed) if removed else self.values, remaining)


@dataclass(frozen=True)
class InspectedUtterance:
    """One utterance with the arrays of every module.

    Attributes:
        utterance_id: Its id.
        words: The transcript that the model reads; empty if unknown or not to be shown.
        emotion: The true emotion, or score.
        probabilities: Predicted probability per emotion; or the predicted score, by the name of the task.
        arrays: Array per module.
        scales: Scale per axis; the steps of other axes are counted from 0.
    """

    utterance_id: str
    words: str
    emotion: str
    probabilities: Mapping[str, float]
    arrays: Mapping[str, NamedArray]
    scales: Mapping[str, AxisScale]

    @property
    def score(self) -> tuple[Regression, float] | None:
        """The scale and the predicted score; None for an emotion."""
        scored = [(scale, self.probabilities[name]) for name, scale in SCALES.items() if name in self.probabilities]
        return scored[0] if len(self.probabilities) == 1 and scored else None


@dataclass(frozen=True)
class ModuleAverages:
    """Values of a module for every utterance, averaged over the steps of the utterance.

    Attributes:
        values: ``(U, K)``.
        axis: Name of the axis of K entries, for example ``layer``.
    """

    values: np.ndarray
    axis: str


@dataclass(frozen=True)
class FoldInspection:
    """The content of the file, for one fold.

    Attributes:
        emotions: U true emotions; of scores, the nearest whole numbers.
        embedding: ``(U, E)``, the vectors that feed the classifier.
        averages: Averages per module.
        utterances: Some of the U utterances in detail.
    """

    emotions: tuple[str, ...]
    embedding: np.ndarray
    averages: Mapping[str, ModuleAverages]
    utterances: tuple[InspectedUtterance, ...]

    def save(self, path: Path) -> None:
        """Write the file without words. Arrays lose their heads and features and are rounded to float16.

        Raises:
            OutputError: The file cannot be written.
        """
        stored = {"embedding": self.embedding}
        stored |= {f"averages/{module}": entry.values for module, entry in self.averages.items()}
        averaged = [
            {module: array.averaged() for module, array in utterance.arrays.items()} for utterance in self.utterances
        ]
        stored |= {
            f"{index}/{module}": array.values
            for index, arrays in enumerate(averaged)
            for module, array in arrays.items()
        }
        content = {
            "emotions": self.emotions,
            "averages": {module: entry.axis for module, entry in self.averages.items()},
            "utterances": [
                {
                    "utterance_id": utterance.utterance_id,
                    "emotion": utterance.emotion,
                    "probabilities": utterance.probabilities,
                    "shown": {module: array.axes for module, array in arrays.items()},
                    "scales": {axis: asdict(scale) for axis, scale in utterance.scales.items()},
                }
                for utterance, arrays in zip(self.utterances, averaged, strict=True)
            ],
        }
        rounded = {name: _rounded(values) for name, values in stored.items()}
        with replacing(path) as part:
            save_file(rounded, part, metadata={_CONTENT: json.dumps(content)})

    def with_words(self, words: Mapping[str, str]) -> "FoldInspection":
        """Return the same inspection with the words of its utterances, by utterance id."""
        return replace(
            self, utterances=tuple(replace(each, words=words[each.utterance_id]) for each in self.utterances)
        )

    @classmethod
    def load(cls, path: Path) -> "FoldInspection":
        """Read the file; arrays become float32.

        Raises:
            EvaluationError: The file is damaged.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                content = json.loads(file.metadata()[_CONTENT])
                stored = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            return cls(
                tuple(content["emotions"]),
                stored["embedding"],
                {
                    module: ModuleAverages(stored[f"averages/{module}"], axis)
                    for module, axis in content["averages"].items()
                },
                tuple(_utterance(entry, index, stored) for index, entry in enumerate(content["utterances"])),
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"cannot read {path} ({error}); train the fold again, or delete the file") from error


def _utterance(entry: dict[str, Any], index: int, stored: Mapping[str, np.ndarray]) -> InspectedUtterance:
    return InspectedUtterance(
        utterance_id=entry["utterance_id"],
        words="",
        emotion=entry["emotion"],
        probabilities=entry["probabilities"],
        arrays={
            module: NamedArray(stored[f"{index}/{module}"], tuple(axes)) for module, axes in entry["shown"].items()
        },
        scales={axis: AxisScale(**scale) for axis, scale in entry["scales"].items()},
    )


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(values, -_LARGEST, _LARGEST), dtype=np.float16, order="C")
