"""Outputs of the Open Inference Protocol, by the model's task: emotions or scores."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from merflow.serving.answers import Predicted
from merflow.serving.predictor import ServedModel


@dataclass(frozen=True)
class OutputTensor:
    """An output that a client may request.

    Attributes:
        datatype: Type of its elements.
        of_clip: Returns the elements of one clip.
        labels: Name of each element of a clip; empty if a clip has one element, and the shape is ``[N]``.
    """

    datatype: Literal["BYTES", "FP32", "FP64", "BOOL"]
    of_clip: Callable[[Any], Sequence[Any]]
    labels: tuple[str, ...] = ()

    def shape(self, clips: int) -> list[int]:
        """Return the shape for this number of clips; -1 for any number."""
        return [clips, len(self.labels)] if self.labels else [clips]

    @property
    def parameters(self) -> dict[str, Any]:
        """The protocol's parameters: the labels, if there are any."""
        return {"labels": list(self.labels)} if self.labels else {}

    def values(self, rows: Sequence[Predicted]) -> list[Any]:
        """Return the elements of all clips, one clip after the other."""
        return [value for row in rows for value in self.of_clip(row)]


def outputs_of(model: ServedModel) -> dict[str, OutputTensor]:
    """Return the outputs of a model by name, in their default order."""
    own = _emotion(model.classes) if model.scale is None else _score(calibrated=model.calibrated)
    return own | {
        "sure": OutputTensor("BOOL", lambda row: [row.sure]),
        "modalities": OutputTensor("BYTES", lambda row: [_listed(row.modalities)]),
        "warnings": OutputTensor("BYTES", lambda row: [_listed(row.warnings)]),
    }


def _emotion(classes: tuple[str, ...]) -> dict[str, OutputTensor]:
    return {
        "emotion": OutputTensor("BYTES", lambda row: [row.emotion]),
        "probabilities": OutputTensor("FP64", lambda row: [row.probabilities[name] for name in classes], classes),
        "possible": OutputTensor("BOOL", lambda row: [name in row.possible for name in classes], classes),
    }


def _score(*, calibrated: bool) -> dict[str, OutputTensor]:
    """Return the score and, if the model has intervals, their ends."""
    ends = {
        "low": OutputTensor("FP32", lambda row: [row.low]),
        "high": OutputTensor("FP32", lambda row: [row.high]),
    }
    return {"score": OutputTensor("FP32", lambda row: [row.score])} | (ends if calibrated else {})


def _listed(words: Sequence[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)
