"""Answers to clips from any source, by a trained model; commands and servers all use this object.

Shapes: N clips, n samples.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from merflow.contracts.heard import ListeningModel, ScoreScale
from merflow.contracts.streams import MODALITY_OF, Modality, Role
from merflow.contracts.task import EMOTION, TaskName
from merflow.corpus.samples import RATE_HZ
from merflow.errors import CorpusError, FeatureError, MediaError
from merflow.inference.answers import Prediction, ScorePrediction
from merflow.inference.ensemble import Ensemble
from merflow.inference.media_clips import Clip, Samples
from merflow.inference.media_inputs import samples_of
from merflow.inference.media_streams import RefusedInput, source_of
from merflow.serving.answers import ClipAnswer, ClipPrediction, ClipScore, Predicted, RefusedClip
from merflow.serving.clip_checks import ClipChecks, Measured
from merflow.serving.media import open_clip


@dataclass(frozen=True)
class ServedModel:
    """Facts about a model, for people.

    Attributes:
        name: Its registered name, or ``MODEL:PRESET``.
        version: Its version number in the registry, or a short digest of its files.
        title: The model in words.
        classes: Emotion classes in the order of the probabilities; empty for a score model.
        modalities: Modalities that it reads.
        calibrated: True if its probabilities are calibrated, or its scores have intervals.
        abstains: True if it has conformal thresholds, so that it says when it is not sure.
        card: Its card as Markdown; None if it has none.
        remark: The reason why it is not calibrated; empty if it is.
        scale: The scale of its scores; None for an emotion model.
    """

    name: str
    version: str
    title: str
    classes: tuple[str, ...]
    modalities: tuple[Modality, ...]
    calibrated: bool
    abstains: bool
    card: str | None
    remark: str = ""
    scale: ScoreScale | None = None

    @property
    def task(self) -> TaskName:
        """The task that it learned."""
        return EMOTION if self.scale is None else self.scale.task

    @property
    def subject(self) -> str:
        """Subject of its answers, for headings: ``emotions``, or the name of the score."""
        return "emotions" if self.scale is None else self.scale.task

    @property
    def facts(self) -> ListeningModel:
        """The facts about the model that results contain."""
        return ListeningModel(
            name=self.name,
            version=self.version,
            title=self.title,
            classes=self.classes,
            modalities=self.modalities,
            calibrated=self.calibrated,
            abstains=self.abstains,
            scale=self.scale,
        )


class Predictor:
    """A loaded model that answers every clip, with a prediction or a refusal.

    Attributes:
        model: Facts about it.
        ensemble: The model itself.
    """

    def __init__(self, ensemble: Ensemble, model: ServedModel, *, checks: ClipChecks) -> None:
        """Wrap a loaded model.

        Args:
            ensemble: The model.
            model: Facts about it.
            checks: Measurements of clips that lead to warnings.
        """
        self.model = model
        self.ensemble = ensemble
        self._checks = checks

    @property
    def reach(self) -> int:
        """Number of turns of dialogue that the model reads on either side of a clip."""
        return self.ensemble.reach

    @property
    def uses_gpu(self) -> bool:
        """True if the model runs on a GPU."""
        return self.ensemble.device != "cpu" and torch.cuda.is_available()

    def warm_up(self) -> None:
        """Predict a clip of noise, so that everything is loaded before the first request."""
        noise = np.random.default_rng(0).normal(0, 0.01, RATE_HZ).astype(np.float32)
        self.predict([Clip("warm-up", audio=Samples(noise), text="one two three")])

    def predict(self, clips: Sequence[Clip], *, groups: Sequence[str | None] | None = None) -> list[ClipAnswer]:
        """Return one answer per clip, in order.

        A clip is refused if nothing in it can be read. If a modality is missing or cannot be read, the clip is
        predicted from the others.

        Args:
            clips: Any number of clips.
            groups: Group of each clip, such as the speaker's gender, for the thresholds of the conformal sets; None if
                it is unknown, or for all clips.
        """
        heard = [self._heard(clip) for clip in clips]
        kept = [index for index, each in enumerate(heard) if isinstance(each, _Heard)]
        answers: list[ClipAnswer] = [
            each if isinstance(each, RefusedClip) else RefusedClip(each.clip.clip_id, "it was not predicted")
            for each in heard
        ]
        readable = [each for each in heard if isinstance(each, _Heard)]
        if readable:
            refused: dict[tuple[Role, Hashable], str] = {}

            def note(each: RefusedInput) -> None:
                refused[each.role, each.source] = each.reason

            predictions: Sequence[Prediction | ScorePrediction] = self.ensemble.predict(
                [each.clip for each in readable],
                groups=None if groups is None else [groups[index] for index in kept],
                refused=note,
            )
            for index, each, prediction in zip(kept, readable, predictions, strict=True):
                answers[index] = self._answer(each, prediction, refused, self._checks.of(each.clip))
        return answers

    def _heard(self, clip: Clip) -> "_Heard | RefusedClip":
        """Return the clip with its audio in memory; refuse it if the model can read nothing in it."""
        problem = ""
        try:
            if isinstance(clip.audio, Path):
                clip = replace(clip, audio=open_clip(clip.audio, clip_id=clip.clip_id).audio)
            elif clip.audio is not None:
                clip = replace(clip, audio=Samples(samples_of(clip)))
        except (MediaError, CorpusError, FeatureError) as error:
            clip, problem = replace(clip, audio=None), str(error)
        if any(clip.has(modality) for modality in self.model.modalities):
            return _Heard(clip, problem if "audio" in self.model.modalities else "")
        return RefusedClip(
            clip.clip_id, problem or f"it has no {' or '.join(self.model.modalities)}, which the model reads"
        )

    def _answer(
        self,
        heard: "_Heard",
        prediction: Prediction | ScorePrediction,
        refused: Mapping[tuple[Role, Hashable], str],
        measured: Measured,
    ) -> ClipAnswer:
        clip = heard.clip
        reasons: dict[Modality, str] = {"audio": heard.problem} if heard.problem else {}
        read: set[Modality] = set()
        for role in self.ensemble.roles:
            modality = MODALITY_OF[role]
            if not clip.has(modality):
                continue
            reason = refused.get((role, source_of(clip, modality)))
            if reason is None:
                read.add(modality)
            else:
                reasons[modality] = reason
        if not read:
            return RefusedClip(clip.clip_id, "; ".join(reasons.values()))
        unread = [
            f"its {modality} cannot be read: {reason}" for modality, reason in reasons.items() if modality not in read
        ]
        far = self._checks.of_distances(prediction.distances)
        return _predicted(
            prediction,
            clip_id=clip.clip_id,
            sure=not prediction.abstained,
            modalities=tuple(modality for modality in self.model.modalities if modality in read),
            warnings=(*unread, *measured.warnings, *far),
            duration_s=measured.duration_s,
            level_dbfs=measured.level_dbfs,
            speech_share=measured.speech_share,
            words=None if clip.text is None else len(clip.text.split()),
        )


@dataclass(frozen=True)
class _Heard:
    """A clip with its audio in memory, or the reason why the audio cannot be read."""

    clip: Clip
    problem: str


def _predicted(prediction: Prediction | ScorePrediction, **facts: Any) -> Predicted:  # noqa: ANN401 - PredictedClip's
    if isinstance(prediction, ScorePrediction):
        return ClipScore(score=prediction.score, low=prediction.low, high=prediction.high, **facts)
    return ClipPrediction(
        emotion=prediction.emotion, probabilities=prediction.probabilities, possible=prediction.possible, **facts
    )
