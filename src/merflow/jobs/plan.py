"""The plan of a pipeline's run: one request per step, derived from the user's few settings.

Everything that affects a step's result besides its input files is resolved here: the parameters, the user's presets,
and the digests of code and data. The folds are listed once the splits exist (``jobs.list_folds``). A pipeline plans
again in every run. The other steps are cached by their requests, so they run again only if something that affects them
has changed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from merflow.contracts.params import Params
from merflow.contracts.presets import EncoderProfile, Preset, UserPresets
from merflow.contracts.requests import (
    ChoiceRequest,
    ClassicsRequest,
    EvaluateRequest,
    ExtractRequest,
    IndexRequest,
    ListFoldsRequest,
    SplitRequest,
    StudyRequest,
    TrackRequest,
    TranscribeRequest,
    TrialsRequest,
    ValidateRequest,
    VariantTraining,
)
from merflow.corpus.readers.catalogue import check_protocol, reader, with_usual_protocol
from merflow.corpus.source import CorpusSource
from merflow.errors import TuningError
from merflow.folds.presets import parse_presets, streams_of, training_of
from merflow.folds.profiles import profile_of
from merflow.folds.requested_streams import check_encoders, streams_of_all
from merflow.jobs.run_settings import RunSettings, check_package, digests_of, dvc_versions, params_of
from merflow.jobs.tuned_folds import with_known_folds
from merflow.presets.variants import chosen, read_video
from merflow.runs.code_closure import code_digest
from merflow.storage.local import digest

_PODS = 2  # workers of a study, each of which may have its own machine


@dataclass(frozen=True)
class PreparationPlan:
    """Requests of the steps from a corpus to features."""

    index: IndexRequest
    validate: ValidateRequest
    transcribe: TranscribeRequest
    split: SplitRequest
    extract: ExtractRequest

    def to_json(self) -> tuple[str, str, str, str, str]:
        """Return the requests in this order, each as JSON."""
        return (
            self.index.to_json(),
            self.validate.to_json(),
            self.transcribe.to_json(),
            self.split.to_json(),
            self.extract.to_json(),
        )


@dataclass(frozen=True)
class BenchmarkPlan:
    """Requests of all steps of a benchmark; the step ``list_folds`` creates those for training."""

    preparation: PreparationPlan
    list_folds: ListFoldsRequest
    classics: ClassicsRequest
    track: TrackRequest
    evaluate: EvaluateRequest


@dataclass(frozen=True)
class TuningPlan:
    """Requests of all steps of a study.

    Attributes:
        trials: One request per worker.
    """

    preparation: PreparationPlan
    study: StudyRequest
    trials: tuple[TrialsRequest, ...]
    choice: ChoiceRequest


def plan_benchmark(settings: RunSettings, *, command: str) -> BenchmarkPlan:
    """Return the requests of a benchmark's steps; check every name before anything runs.

    Args:
        settings: The user's settings.
        command: The command that repeats the run, for the report.

    Raises:
        MerflowError: A parameter, a variant, a preset, or the corpus is wrong or missing.
    """
    params = params_of(settings)
    profile = profile_of(params.features.profile, text=settings.profile)
    check_package(params, profile=profile, transcribe=settings.transcribe, tunes=False)
    user_presets = parse_presets(settings.presets, where="presets", profile=profile)
    presets = chosen(settings.models, user_presets)
    return BenchmarkPlan(
        preparation=_preparation(settings, params, presets=presets, profile=profile, user_presets=user_presets),
        list_folds=ListFoldsRequest(
            code=code_digest("list_folds"),
            seeds=params.plan.seeds,
            workspace=settings.workspace,
            params=params.training,
            trainings=[
                VariantTraining(
                    variant=preset.variant,
                    presets=_text_of(settings.presets, [preset.variant]),
                    streams=streams_of_all([preset]),
                    code=_training_code("train", preset),
                )
                for preset in presets
            ],
        ),
        classics=ClassicsRequest(
            workspace=settings.workspace,
            transcripts=params.features.transcripts,
            params=params.classics,
            corpus=params.corpus,
            code=code_digest("classics"),
        ),
        track=TrackRequest(
            code=code_digest("track"),
            variants=list(settings.models),
            name=settings.name,
            workspace=settings.workspace,
            seeds=params.plan.seeds,
            params=params.tracking,
            training=params.training,
            dvc=dvc_versions(),
        ),
        evaluate=EvaluateRequest(
            name=settings.name,
            command=command,
            workspace=settings.workspace,
            params=params.evaluation,
            code=code_digest("evaluate"),
        ),
    )


def plan_tuning(settings: RunSettings, *, preset: str) -> TuningPlan:
    """Return the requests of a study's steps.

    Args:
        settings: The user's settings, with one variant.
        preset: Name of the new preset, without its model; empty for the variant's name with ``-tuned`` appended.

    Raises:
        MerflowError: A parameter, the variant, or the corpus is wrong or missing.
        TuningError: There is more than one variant, or the protocol lacks one of the folds.
    """
    params = params_of(settings)
    if len(settings.models) != 1:
        raise TuningError(f"tune takes one variant, {len(settings.models)} are given: {', '.join(settings.models)}")
    presets = chosen(settings.models)
    profile = profile_of(params.features.profile, text=settings.profile)
    check_package(params, profile=profile, transcribe=settings.transcribe, tunes=True)
    code = _training_code("study", presets[0])
    preparation = _preparation(settings, params, presets=presets, profile=profile, user_presets={})
    return TuningPlan(
        preparation=preparation,
        study=StudyRequest(
            variant=settings.models[0],
            name=settings.name,
            workspace=settings.workspace,
            params=with_known_folds(params.tuning, splits=preparation.split.params),
            training=params.training,
            tracking=params.tracking,
            code=code,
        ),
        trials=tuple(
            TrialsRequest(worker=worker, workspace=settings.workspace, code=code)
            for worker in range(_PODS if params.tuning.workers == "auto" else params.tuning.workers)
        ),
        choice=ChoiceRequest(preset=preset, code=code),
    )


def _preparation(
    settings: RunSettings,
    params: Params,
    *,
    presets: Sequence[Preset],
    profile: EncoderProfile,
    user_presets: UserPresets,
) -> PreparationPlan:
    digests = digests_of(settings, params, profile=profile)
    if digests.corpus:  # an earlier step computed the digest, so the files exist, though perhaps not on this machine
        check_protocol(settings.corpus, params.splits.protocol)
    else:
        root = Path(settings.root) if settings.root else None
        CorpusSource(settings.corpus, root, settings.size).check(protocol=params.splits.protocol)
    check_encoders(profile, presets=presets, encoders_folder=params.features.encoders_folder)
    return PreparationPlan(
        index=IndexRequest(
            corpus=settings.corpus,
            root=settings.root,
            size=settings.size,
            video=not settings.root and read_video(settings.models, user_presets),
            workspace=settings.workspace,
            params=params.corpus,
            data=digests.corpus,
            code=code_digest("index"),
        ),
        validate=ValidateRequest(
            quarantine=settings.quarantine,
            workspace=settings.workspace,
            params=params.corpus,
            data=digests.corpus,
            code=code_digest("validate"),
        ),
        transcribe=TranscribeRequest(
            transcribe=settings.transcribe,
            workspace=settings.workspace,
            params=params.transcription,
            corpus=params.corpus,
            data=digests.corpus,
            recognizer=digests.recognizer,
            code=code_digest("transcribe"),
        ),
        split=SplitRequest(
            params=with_usual_protocol(params.splits, kind=reader(settings.corpus)), code=code_digest("split")
        ),
        extract=ExtractRequest(
            variants=list(settings.models),
            workspace=settings.workspace,
            params=params.features,
            corpus=params.corpus,
            encoders=digests.encoders,
            presets=_text_of(settings.presets, settings.models),
            profile=settings.profile,
            code=digest([code_digest("extract"), [streams_of(preset) for preset in presets]]),
        ),
    )


def _training_code(step: str, preset: Preset) -> str:
    """Return a digest of a step's code and of the preset that it trains, including the model's code."""
    return digest([code_digest(step), training_of(preset)])


def _text_of(presets: str, variants: Sequence[str]) -> str:
    """Return the text of the user presets among the variants; empty for none."""
    entries: dict[str, Any] = (yaml.safe_load(presets) or {}).get("presets", {}) if presets.strip() else {}
    named = {variant: entries[variant] for variant in variants if variant in entries}
    return json.dumps({"presets": named}, default=str) if named else ""
