"""A trained model with its test utterances, ready to be looked at."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from merflow.contracts.streams import MODALITY_OF, Stream
from merflow.corpus.splitting.splits import ids
from merflow.corpus.transcript import words_of
from merflow.evaluation.inspection_file import AxisScale, FoldInspection, InspectedUtterance, ModuleAverages, NamedArray
from merflow.features.batches.dataset import FeatureDataset
from merflow.folds.inputs import FoldInputs
from merflow.inference.determinism import deterministic
from merflow.inference.encoded import EncodedSource
from merflow.inference.inspection import averages, embed, look

# Drawn of every fold in a report: enough to see what the maps look like; `merflow explain` draws any other.
_EXAMPLES = 2


@dataclass(frozen=True)
class Subject:
    """What is looked at.

    Attributes:
        model: Without its encoders.
        test: What it reads.
        rows: The test utterances' rows of the manifest, in the order of ``test``.
    """

    inputs: FoldInputs
    model: nn.Module
    test: FeatureDataset | EncodedSource
    rows: list[dict[str, Any]]

    @classmethod
    def of(cls, inputs: FoldInputs, model: nn.Module, test: FeatureDataset | EncodedSource) -> "Subject":
        """The fold's model and test part."""
        by_id = inputs.manifest.rows.set_index("utterance_id", drop=False)
        rows = [by_id.loc[name].to_dict() for name in ids(inputs.splits, fold=inputs.fold, part="test")]
        return cls(inputs, model, test, rows)

    @property
    def emotions(self) -> list[str]:
        """The true emotion of every test utterance."""
        return [row["emotion"] for row in self.rows]

    def examples(self, count: int) -> list[int]:
        """Places of the first few utterances of every emotion in turn."""
        by_emotion = {
            emotion: [place for place, row in enumerate(self.rows) if row["emotion"] == emotion]
            for emotion in self.inputs.classes
        }
        turns = [places[turn] for turn in range(count) for places in by_emotion.values() if turn < len(places)]
        return turns[:count]

    def seen(self, place: int, *, probabilities: np.ndarray, words: bool = False) -> InspectedUtterance:
        """What every module shows of one utterance, given the model's probabilities ``(C,)`` for it.

        Args:
            place: Among the test utterances.
            probabilities: The model's.
            words: Also what was said, which a licensed corpus' users may not pass on.
        """
        row = self.rows[place]
        found = look(self.model, self.test, place, params=self.inputs.params)
        readable = _readable(list(found))
        shown = {readable[name]: NamedArray(entry.values.numpy(), entry.axes) for name, entry in found.items()}
        streams = self.inputs.config.streams()
        return InspectedUtterance(
            utterance_id=row["utterance_id"],
            words=words_of(row, read=self.inputs.transcript) if words else "",
            emotion=row["emotion"],
            probabilities=dict(zip(self.inputs.classes, probabilities.tolist(), strict=True)),
            arrays=shown,
            scales={stream.role: _scale(stream, row, steps=_steps(shown, stream.role)) for stream in streams},
        )

    def averages(self) -> dict[str, NamedArray]:
        """Module -> what it shows of every utterance, ``(U, ...)``, averaged over the utterance's steps."""
        batch_size = self.inputs.preset.recipe.batch_size
        found = averages(self.model, self.test, batch_size=batch_size, params=self.inputs.params)
        readable = _readable(list(found))
        return {readable[module]: NamedArray(values, ("utterance", *axes)) for module, (values, axes) in found.items()}

    def embedding(self) -> np.ndarray:
        """The vectors that feed the classifier, ``(U, E)``."""
        batch_size = self.inputs.preset.recipe.batch_size
        return embed(self.model, self.test, batch_size=batch_size, params=self.inputs.params)


def inspected(subject: Subject, *, probabilities: np.ndarray) -> FoldInspection:
    """What a report shows of a fold, given its test probabilities ``(U, C)``."""
    with deterministic(threads=subject.inputs.params.threads):
        return FoldInspection(
            emotions=tuple(subject.emotions),
            embedding=subject.embedding(),
            averages=drawable(subject.averages()),
            utterances=tuple(
                subject.seen(place, probabilities=probabilities[place]) for place in subject.examples(_EXAMPLES)
            ),
        )


def drawable(shown: dict[str, NamedArray]) -> dict[str, ModuleAverages]:
    """Those that one panel can hold: of one axis beside the features, or of none, as a gate."""
    found = {}
    for name, entry in shown.items():
        flat = entry.averaged()
        if flat.values.ndim == 1:  # a gate: one number an utterance
            found[name] = ModuleAverages(flat.values[:, None], "mean over steps and features")
        elif flat.values.ndim == 2:
            found[name] = ModuleAverages(flat.values, flat.axes[1])
    return found


def _scale(stream: Stream, row: dict[str, Any], *, steps: int) -> AxisScale:
    """What the steps of a stream are: seconds of sound or picture, turns of the dialogue, or tokens."""
    if stream.neighbours:
        return AxisScale("turn (0: the utterance)", -stream.neighbours - 0.5, stream.neighbours + 0.5)
    if MODALITY_OF[stream.role] == "text":
        return AxisScale("token", 0, steps)
    duration_s = row["n_samples"] / row["rate_hz"] if row["n_samples"] and row["rate_hz"] else None
    if duration_s is None or stream.skip_silence:
        return AxisScale(f"{MODALITY_OF[stream.role]} step", 0, steps)
    heard_s = float(min(duration_s, stream.clip_s or duration_s))
    return AxisScale(f"{MODALITY_OF[stream.role]}, s", 0, heard_s)


def _steps(shown: dict[str, NamedArray], role: str) -> int:
    return next((entry.values.shape[entry.axes.index(role)] for entry in shown.values() if role in entry.axes), 0)


def _readable(modules: Sequence[str]) -> dict[str, str]:
    """Module -> its name without the parts that say nothing (``fusion.0.attention.attend``: ``fusion.0``)."""
    short = {module: re.sub(r"\.(attention|attend|show)(?=[.#]|$)", "", module) for module in modules}
    counts = Counter(short.values())
    return {module: name if counts[name] == 1 else module for module, name in short.items()}
