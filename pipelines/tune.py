"""``tune``: a corpus to a variant's best parameters, by workers that try values of one study at a time.

As in ``benchmark``, inside the loop stand only the loop item, pipeline parameters and artifacts. The study is made
before the loop: a database does not like its tables made by two at a time. Without a database server workers share
SQLite in the workspace, which needs a volume whose locks work; name a server for workers on many machines.
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact

from components.choose import choose
from components.search import search
from components.tune import tune as tune_worker
from pipelines.preparation import prepare


class Outputs(NamedTuple):
    """What the pipeline leaves: the preset, what the study found, and its page."""

    presets: Artifact
    summary: Artifact
    page: HTML


@dsl.pipeline(name="tune", description="Validate, transcribe, split, extract, try parameters, choose the best.")
def tune(
    models: list[str],
    corpus: str = "synthetic",
    root: str = "",
    size: str = "small",
    workspace: str = "/workspace",
    name: str = "tune",
    preset: str = "",
    quarantine: bool = False,
    asr: bool = False,
    corpus_params: str = "",
    splits_params: str = "",
    features_params: str = "",
    plan_params: str = "",
    training_params: str = "",
    tuning_params: str = "",
    tracking_params: str = "",
    transcription_params: str = "",
    data: str = "",
    encoders: str = "",
    recogniser: str = "",
    code_plan: str = "",
    code_index: str = "",
    code_validate: str = "",
    code_transcribe: str = "",
    code_split: str = "",
    code_extract: str = "",
    code_tune: str = "",
) -> Outputs:
    """The graph.

    Args:
        models: The variant, ``model:preset``, alone in a list.
        corpus: ``iemocap``, ``table`` or ``synthetic``.
        root: Release folder or utterance table; unused for ``synthetic``.
        size: Size of the synthetic release.
        workspace: Folder that every step sees: store, trials, SQLite, the synthetic release.
        name: Of the study in its database, and of its run in MLflow.
        preset: Name of the preset that is made, without its model; empty for the variant's with ``-tuned`` behind it.
        quarantine: Set bad rows aside instead of failing.
        asr: Have Whisper transcribe the recordings.
        corpus_params: This section of ``params.yaml`` as JSON; empty for what merflow ships. Likewise the others.
        splits_params: As ``corpus_params``.
        features_params: As ``corpus_params``.
        plan_params: As ``corpus_params``.
        training_params: As ``corpus_params``.
        tuning_params: As ``corpus_params``.
        tracking_params: As ``corpus_params``.
        transcription_params: As ``corpus_params``.
        data: Digest of the corpus' files.
        encoders: Digest of the files of local encoders, empty where all are pinned by the profile.
        recogniser: Digest of the files of a local Whisper model.
        code_plan: Digest of the code behind this step; likewise the others.
        code_index: As ``code_plan``.
        code_validate: As ``code_plan``.
        code_transcribe: As ``code_plan``.
        code_split: As ``code_plan``.
        code_extract: As ``code_plan``.
        code_tune: As ``code_plan``.
    """
    ready = prepare(
        models,
        corpus=corpus,
        root=root,
        size=size,
        workspace=workspace,
        quarantine=quarantine,
        asr=asr,
        corpus_params=corpus_params,
        splits_params=splits_params,
        features_params=features_params,
        plan_params=plan_params,
        transcription_params=transcription_params,
        data=data,
        encoders=encoders,
        recogniser=recogniser,
        code_plan=code_plan,
        code_index=code_index,
        code_validate=code_validate,
        code_transcribe=code_transcribe,
        code_split=code_split,
        code_extract=code_extract,
    )
    study = search(
        models=models,
        manifest=ready.manifest,
        splits=ready.splits,
        features=ready.features,
        name=name,
        workspace=workspace,
        training_params=training_params,
        tuning_params=tuning_params,
        tracking_params=tracking_params,
        code=code_tune,
    )
    with dsl.ParallelFor(study.outputs["Output"], name="workers") as worker:
        worked = tune_worker(
            worker=worker,
            manifest=ready.manifest,
            splits=ready.splits,
            features=ready.features,
            search=study.outputs["search"],
            run=study.outputs["run"],
            workspace=workspace,
            code=code_tune,
        )
    chosen = choose(
        tried=dsl.Collected(worked.outputs["tried"]),
        manifest=ready.manifest,
        splits=ready.splits,
        features=ready.features,
        search=study.outputs["search"],
        run=study.outputs["run"],
        preset=preset,
        code=code_tune,
    )
    chosen.set_caching_options(enable_caching=False)  # the same command uploads what MLflow, when it was down, lacks
    return Outputs(presets=chosen.outputs["presets"], summary=chosen.outputs["summary"], page=chosen.outputs["page"])
