"""The record of a fold, assembled from its inputs, and from its training once that has ended."""

import platform
from collections.abc import Mapping

import torch

from merflow.contracts.fold_record import ChosenEpoch, FoldRecord, ShadowEpoch
from merflow.contracts.planned_fold import DataMd5, Origin, PlannedFold, RecordedEncoder
from merflow.contracts.presets import spec_of
from merflow.contracts.regime import Regime
from merflow.contracts.selection import none_paper_of
from merflow.contracts.streams import Role, StreamShape
from merflow.contracts.transcripts import transcripts_of
from merflow.folds.inputs import FoldInputs
from merflow.presets.profiles import shipped_profile
from merflow.runs.provenance import environment, git_commit
from merflow.training.loop import TrainedFold


def planned_fold(inputs: FoldInputs) -> PlannedFold:
    """Return everything known about a fold before it is trained."""
    preset, keys = inputs.preset, inputs.encoder_keys
    paper = shipped_profile("paper").roles
    papers_own = {stream.role: spec_of(stream, paper) for stream in inputs.streams}
    specs = {stream.role: spec_of(stream, inputs.profile) for stream in inputs.streams}
    return PlannedFold(
        fingerprint=inputs.fingerprint,
        model=preset.model,
        preset=preset.name,
        fold=inputs.fold,
        seed=inputs.seed,
        config=preset.config,
        taxonomy=inputs.manifest.taxonomy.name,
        classes=inputs.classes,
        selection=inputs.selection,
        recipes=inputs.recipes,
        regime=Regime(asked=preset.asked, ran=preset.stages),
        standardized=inputs.standardized,
        training=inputs.params,
        transcripts=inputs.transcript,
        transcripts_of_preset=transcripts_of(inputs.config.streams()),
        context=any(stream.neighbours for stream in inputs.streams),
        profile=inputs.features.profile.name,
        encoders={
            role: RecordedEncoder(
                key=keys[role],
                spec=spec.model_copy(update={"folder": None}),
                of_paper=spec.same_weights(papers_own[role]),
            )
            for role, spec in specs.items()
        },
        corpus=inputs.manifest.corpus,
        manifest_hash=inputs.manifest.hash,
        split_id=inputs.splits.split_id,
        split_params=inputs.splits.params,
        data_md5=DataMd5(**inputs.data_md5),
        origin=None if preset.base is None else Origin(base=preset.base, changes=preset.changes, tuned=preset.tuned),
        git_commit=git_commit(),
        environment=environment(device=_device_name()),
    )


def fold_record(planned: PlannedFold, trained: TrainedFold, *, shapes: Mapping[Role, StreamShape]) -> FoldRecord:
    """Return the record of a fold that has been trained."""
    history, shadow = trained.history, trained.shadow
    best, known = history.best, ChosenEpoch.model_fields
    return FoldRecord(
        **dict(planned),
        shapes=dict(shapes),
        chosen=ChosenEpoch(
            epoch=best.epoch,
            stage=best.stage,
            dev_loss=best.dev_loss if best.has_development else None,
            **{name: value for name, value in best.development.items() if name in known and best.has_development},
        ),
        none_paper=None if shadow is None else ShadowEpoch(epoch=shadow.epoch, selection=none_paper_of(planned.task)),
        epochs=len(history.epochs),
        seconds=sum(epoch.seconds for epoch in history.epochs),
    )


def _device_name() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else platform.machine()
