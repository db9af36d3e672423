"""Inspection of a trained model on the test part of its fold, for reports."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from merflow.contracts.axes import INVARIANT
from merflow.contracts.streams import MODALITY_OF, Stream
from merflow.contracts.task import Regression
from merflow.corpus.transcript import words_of
from merflow.evaluation.inspection_file import AxisScale, FoldInspection, InspectedUtterance, ModuleAverages, NamedArray
from merflow.features.batches.dataset import FeatureDataset
from merflow.folds.inputs import FoldInputs
from merflow.inference.determinism import deterministic
from merflow.inference.encoded import EncodedSource
from merflow.inference.inspection import averages, embed, look

# Utterances that a report draws per fold: enough to show the maps; `merflow explain` draws any other.
_EXAMPLES = 2


@dataclass(frozen=True)
class LoadedFold:
    """A trained model with the test part of its fold.

    Attributes:
        model: The model without its encoders.
        test: The test part as the model reads it.
        rows: Rows of the manifest, in the order of ``test``.
    """

    inputs: FoldInputs
    model: nn.Module
    test: FeatureDataset | EncodedSource
    rows: list[dict[str, Any]]

    @classmethod
    def of(cls, inputs: FoldInputs, model: nn.Module, test: FeatureDataset | EncodedSource) -> "LoadedFold":
        """Combine a fold's model and test part with the rows of the manifest."""
        by_id = inputs.manifest.rows.set_index("utterance_id", drop=False)
        return cls(inputs, model, test, [by_id.loc[name].to_dict() for name in inputs.utterances("test")])

    @property
    def emotions(self) -> list[str]:
        """True emotion of every test utterance; for scores, the nearest whole number."""
        task = self.inputs.task
        return [task.group(row[task.column]) for row in self.rows]

    def examples(self, count: int) -> list[int]:
        """Return the indices of the first few utterances of every emotion in turn."""
        emotions = self.emotions
        by_emotion = {
            emotion: [index for index, true in enumerate(emotions) if true == emotion]
            for emotion in self.inputs.task.groups
        }
        turns = [indices[turn] for turn in range(count) for indices in by_emotion.values() if turn < len(indices)]
        return turns[:count]

    def seen(self, index: int, *, predicted: np.ndarray, words: bool = False) -> InspectedUtterance:
        """Return the maps, gates and weights of every module for one utterance.

        Args:
            index: Index of the utterance in the test part.
            predicted: The model's probabilities for it, ``(C,)``, or its score, ``(1,)``.
            words: True to include the transcript; users of a licensed corpus may not pass it on.
        """
        row = self.rows[index]
        by_module = look(self.model, self.test, index, params=self.inputs.params)
        readable = _readable(list(by_module))
        shown = {readable[name]: NamedArray(entry.values.numpy(), entry.axes) for name, entry in by_module.items()}
        streams, task = self.inputs.config.streams(), self.inputs.task
        outputs = (task.name,) if isinstance(task, Regression) else task.classes
        return InspectedUtterance(
            utterance_id=row["utterance_id"],
            words=words_of(row, read=self.inputs.transcript) if words else "",
            emotion=str(row[task.column]),
            probabilities=dict(zip(outputs, predicted.tolist(), strict=True)),
            arrays=shown,
            scales={stream.role: _scale(stream, row, steps=_steps(shown, stream.role)) for stream in streams},
        )

    def averages(self) -> dict[str, NamedArray]:
        """Return, by module, the gates and weights of every utterance, ``(U, ...)``, averaged over its steps.

        Vectors that should not depend on the modality are not gates; :meth:`invariants` returns them.
        """
        batch_size = self.inputs.preset.recipe.batch_size
        by_module = averages(self.model, self.test, batch_size=batch_size, params=self.inputs.params)
        readable = _readable(list(by_module))
        return {
            readable[module]: NamedArray(values, ("utterance", *axes))
            for module, (values, axes) in by_module.items()
            if INVARIANT not in axes
        }

    def invariants(self) -> dict[str, np.ndarray]:
        """Return by modality the representations that should not depend on it, ``(U, H)``; empty if there are none."""
        batch_size = self.inputs.preset.recipe.batch_size
        by_module = averages(self.model, self.test, batch_size=batch_size, params=self.inputs.params)
        return {module.split(".")[-2]: values for module, (values, axes) in by_module.items() if axes == (INVARIANT,)}

    def embedding(self) -> np.ndarray:
        """Return the vectors that feed the classifier, ``(U, E)``."""
        batch_size = self.inputs.preset.recipe.batch_size
        return embed(self.model, self.test, batch_size=batch_size, params=self.inputs.params)


def inspected(fold: LoadedFold, *, predicted: np.ndarray) -> FoldInspection:
    """Return the inspection of a fold, given its test probabilities ``(U, C)`` or scores ``(U, 1)``."""
    with deterministic(threads=fold.inputs.params.threads):
        return FoldInspection(
            emotions=tuple(fold.emotions),
            embedding=fold.embedding(),
            averages=drawable(fold.averages()),
            utterances=tuple(fold.seen(index, predicted=predicted[index]) for index in fold.examples(_EXAMPLES)),
        )


def drawable(shown: dict[str, NamedArray]) -> dict[str, ModuleAverages]:
    """Select the entries that one panel can show: those with one axis besides the features, or none, like a gate."""
    entries = {}
    for name, entry in shown.items():
        flat = entry.averaged()
        if flat.values.ndim == 1:  # a gate: one number per utterance
            entries[name] = ModuleAverages(flat.values[:, None], "mean over steps and features")
        elif flat.values.ndim == 2:
            entries[name] = ModuleAverages(flat.values, flat.axes[1])
    return entries


def _scale(stream: Stream, row: dict[str, Any], *, steps: int) -> AxisScale:
    """Return the meaning of a stream's steps: seconds of audio or video, turns of the dialogue, or tokens."""
    if stream.neighbours:
        return AxisScale("turn (0: the utterance)", -stream.neighbours - 0.5, stream.neighbours + 0.5)
    if MODALITY_OF[stream.role] == "text":
        return AxisScale("token", 0, steps)
    if pd.isna(row["n_samples"]) or pd.isna(row["rate_hz"]) or stream.skip_silence:
        return AxisScale(f"{MODALITY_OF[stream.role]} step", 0, steps)
    duration_s = row["n_samples"] / row["rate_hz"]
    encoded_s = float(min(duration_s, stream.clip_s or duration_s))
    return AxisScale(f"{MODALITY_OF[stream.role]}, s", 0, encoded_s)


def _steps(shown: dict[str, NamedArray], role: str) -> int:
    return next((entry.values.shape[entry.axes.index(role)] for entry in shown.values() if role in entry.axes), 0)


def _readable(modules: Sequence[str]) -> dict[str, str]:
    """Return names of modules without meaningless parts (``fusion.0.attention.attend`` becomes ``fusion.0``)."""
    short = {module: re.sub(r"\.(attention|attend|show)(?=[.#]|$)", "", module) for module in modules}
    counts = Counter(short.values())
    return {module: name if counts[name] == 1 else module for module, name in short.items()}
