"""The facts in the ONNX file of an exported model, so that it needs no other file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, FiniteFloat

from merflow.contracts.heard import SCORE, ScoreScale
from merflow.contracts.numerals import decimal
from merflow.contracts.strict import Strict

MODEL_ONNX = "model.onnx"
EXAMPLE = "predict.py"
WORDS_FILE = "words.py"
METADATA = "merflow"
"""Key of the facts in the file's metadata; they are JSON."""
WORDS_METADATA = "words"
"""Key of the facts that ``words.py`` needs, a vocabulary for example; they are JSON."""

# Outputs of the graph: probabilities after and before temperature scaling; a score has one output.
CALIBRATED, RAW = "calibrated", "raw"

WordsKind = Literal["vectors", "word-pieces", "byte-pairs"]


class ExportedModel(Strict):
    """The facts in the metadata of an exported model. Fields that only apply to scores are left out for emotions.

    Attributes:
        name: Registered name, or ``MODEL:PRESET``.
        version: Number in the registry, or a digest of the model's files.
        title: The model in words.
        members: Number of models whose probabilities or scores are averaged.
        classes: Emotion classes in the order of the probabilities; empty for a score.
        inputs: Inputs of the graph.
        rate_hz: Sample rate of ``samples``, mono.
        least_samples: Number of samples of the shortest allowed recording.
        words: Content of the input ``words``, as ``words.py`` makes it: hashed vectors, or BERT's or RoBERTa's tokens;
            None if the model does not read words.
        calibrated: True if ``calibrated`` differs from ``raw``, or the score has an interval.
        temperature: Divides the logits; 1 without calibration.
        thresholds: Lowest calibrated probability of a class in the conformal set, by group, and ``any`` for clips whose
            group is unknown; empty without calibration.
        coverage: Share of conformal sets or intervals that should contain the truth; None without calibration.
        remarks: Limits of the export, for people.
        scale: The scale of the score; None for emotions.
        half_widths: Half the width of the score's conformal interval before it is cut to the scale, by group, and
            ``any`` for clips whose group is unknown; empty without calibration, None for emotions.
    """

    name: str
    version: str
    title: str
    members: int
    classes: tuple[str, ...]
    inputs: tuple[str, ...]
    rate_hz: int
    least_samples: int
    words: WordsKind | None
    calibrated: bool
    temperature: FiniteFloat
    thresholds: Mapping[str, FiniteFloat]
    coverage: FiniteFloat | None
    remarks: tuple[str, ...]
    scale: ScoreScale | None = Field(default=None, exclude_if=lambda scale: scale is None)
    half_widths: Mapping[str, FiniteFloat] | None = Field(default=None, exclude_if=lambda widths: widths is None)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs of the graph, in order."""
        return (CALIBRATED, RAW) if self.scale is None else (SCORE,)


class ClipDifference(Strict):
    """The difference between the exported model and PyTorch on one clip.

    Attributes:
        clip_id: Name of the clip.
        seconds: Its length.
        words: Words that were given with it.
        emotion: The most likely class, by PyTorch; None for a score, and not written.
        score: The score, by PyTorch; None for an emotion, and not written.
        difference: Largest difference between two probabilities, raw or calibrated, or of the scores.
    """

    clip_id: str
    seconds: FiniteFloat
    words: int
    emotion: str | None = Field(default=None, exclude_if=lambda emotion: emotion is None)
    score: FiniteFloat | None = Field(default=None, exclude_if=lambda score: score is None)
    difference: FiniteFloat

    @property
    def answer(self) -> str:
        """The emotion, or the score with three decimals."""
        return decimal(self.score) if self.emotion is None else self.emotion


class ExportResult(Strict):
    """Files of an exported model, and how it compares with PyTorch.

    Attributes:
        files: The files.
        size_mib: Size of all of them, in MiB.
        model: The facts in the ONNX file.
        checked: One difference per clip, none above ``tolerance``.
        tolerance: Largest difference that is accepted.
        made_up: True if the clips were generated, because no recordings were available.
    """

    files: tuple[Path, ...]
    size_mib: FiniteFloat
    model: ExportedModel
    checked: tuple[ClipDifference, ...]
    tolerance: FiniteFloat
    made_up: bool

    @property
    def largest(self) -> float:
        """The largest difference over all clips."""
        return max(each.difference for each in self.checked)
