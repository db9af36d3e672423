"""``benchmark``: a corpus to compared, tracked models.

Fan-out is one loop over scalar items. Inside it stand only the loop item, pipeline parameters and artifacts: a local
run replaces another task's output parameter by the loop item without a word.
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact

from components.evaluate import evaluate
from components.track import track
from components.train import train
from pipelines.preparation import prepare


class Outputs(NamedTuple):
    """What the pipeline leaves: ``results.json`` and the report."""

    results: Artifact
    report: HTML


@dsl.pipeline(name="benchmark", description="Validate, transcribe, split, extract, train every fold, evaluate.")
def benchmark(
    models: list[str],
    corpus: str = "synthetic",
    root: str = "",
    size: str = "small",
    workspace: str = "/workspace",
    name: str = "benchmark",
    quarantine: bool = False,
    asr: bool = False,
    presets: str = "",
    corpus_params: str = "",
    splits_params: str = "",
    features_params: str = "",
    plan_params: str = "",
    training_params: str = "",
    evaluation_params: str = "",
    tracking_params: str = "",
    transcription_params: str = "",
    command: str = "",
    data: str = "",
    encoders: str = "",
    recogniser: str = "",
    code_plan: str = "",
    code_index: str = "",
    code_validate: str = "",
    code_transcribe: str = "",
    code_split: str = "",
    code_extract: str = "",
    code_train: str = "",
    code_evaluate: str = "",
) -> Outputs:
    """The graph.

    Args:
        models: Variants, ``model:preset``.
        corpus: ``iemocap``, ``table`` or ``synthetic``.
        root: Release folder or utterance table; unused for ``synthetic``.
        size: Size of the synthetic release.
        workspace: Folder that every step sees: store, checkpoints, the synthetic release.
        name: Name of the run in MLflow and in the report.
        quarantine: Set bad rows aside instead of failing.
        asr: Have Whisper transcribe the recordings.
        presets: Text of a file of presets of one's own, which ``models`` may name; empty for none.
        corpus_params: This section of ``params.yaml`` as JSON; empty for what merflow ships. Likewise the others.
        splits_params: As ``corpus_params``.
        features_params: As ``corpus_params``.
        plan_params: As ``corpus_params``.
        training_params: As ``corpus_params``.
        evaluation_params: As ``corpus_params``.
        tracking_params: As ``corpus_params``.
        transcription_params: As ``corpus_params``.
        command: The command to reproduce the run, for the report.
        data: Digest of the corpus' files.
        encoders: Digest of the files of local encoders, empty where all are pinned by the profile.
        recogniser: Digest of the files of a local Whisper model.
        code_plan: Digest of the code behind this step; likewise the others.
        code_index: As ``code_plan``.
        code_validate: As ``code_plan``.
        code_transcribe: As ``code_plan``.
        code_split: As ``code_plan``.
        code_extract: As ``code_plan``.
        code_train: As ``code_plan``.
        code_evaluate: As ``code_plan``.
    """
    ready = prepare(
        models,
        corpus=corpus,
        root=root,
        size=size,
        workspace=workspace,
        quarantine=quarantine,
        asr=asr,
        presets=presets,
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
    run = track(
        manifest=ready.manifest,
        splits=ready.splits,
        features=ready.features,
        models=models,
        name=name,
        workspace=workspace,
        training_params=training_params,
        plan_params=plan_params,
        tracking_params=tracking_params,
        code=code_evaluate,
    )
    with dsl.ParallelFor(ready.items, name="folds") as item:
        trained = train(
            item=item,
            manifest=ready.manifest,
            splits=ready.splits,
            features=ready.features,
            run=run.outputs["run"],
            workspace=workspace,
            training_params=training_params,
            code=code_train,
            presets=presets,
        )
    compared = evaluate(
        folds=dsl.Collected(trained.outputs["fold"]),
        manifest=ready.manifest,
        splits=ready.splits,
        run=run.outputs["run"],
        name=name,
        command=command,
        evaluation_params=evaluation_params,
        code=code_evaluate,
        presets=presets,
    )
    return Outputs(results=compared.outputs["results"], report=compared.outputs["report"])
