"""From a corpus to features: the steps that every pipeline begins with."""

from dataclasses import dataclass

from kfp.dsl.pipeline_channel import PipelineChannel

from components.extract import extract
from components.index import index
from components.plan import plan
from components.split import split
from components.transcribe import transcribe
from components.validate import validate


@dataclass(frozen=True)
class Prepared:
    """Outputs of these steps, for those that follow.

    Attributes:
        items: A parameter: what there is to train. A loop may be over it; it has no place inside one.
        manifest: An artifact, as the next two.
    """

    items: PipelineChannel
    manifest: PipelineChannel
    splits: PipelineChannel
    features: PipelineChannel


def prepare(
    models: list[str],
    *,
    corpus: str,
    root: str,
    size: str,
    workspace: str,
    quarantine: bool,
    asr: bool,
    corpus_params: str,
    splits_params: str,
    features_params: str,
    plan_params: str,
    transcription_params: str,
    data: str,
    encoders: str,
    recogniser: str,
    code_plan: str,
    code_index: str,
    code_validate: str,
    code_transcribe: str,
    code_split: str,
    code_extract: str,
    presets: str | None = None,
) -> Prepared:
    """Adds plan, index, validate, transcribe, split and extract to the pipeline that calls it.

    A plain function, and no pipeline inside the other: its steps stand in the caller's own graph, where a local run
    finds what a loop is over.

    Its arguments are the caller's own, by the same names; ``presets`` is None where the caller takes none.
    """
    user_presets = {} if presets is None else {"presets": presets}
    planned = plan(
        models=models,
        splits_params=splits_params,
        features_params=features_params,
        plan_params=plan_params,
        code=code_plan,
        **user_presets,
    )
    indexed = index(
        corpus=corpus,
        root=root,
        size=size,
        video=planned.outputs["video"],
        workspace=workspace,
        corpus_params=corpus_params,
        code=code_index,
        data=data,
    )
    checked = validate(
        manifest=indexed.outputs["manifest"],
        quarantine=quarantine,
        corpus_params=corpus_params,
        code=code_validate,
        data=data,
    )
    heard = transcribe(
        manifest=checked.outputs["validated"],
        asr=asr,
        workspace=workspace,
        transcription_params=transcription_params,
        corpus_params=corpus_params,
        code=code_transcribe,
        data=data,
        recogniser=recogniser,
    )
    manifest = heard.outputs["transcribed"]
    folds = split(manifest=manifest, splits_params=splits_params, code=code_split)
    stored = extract(
        manifest=manifest,
        models=models,
        workspace=workspace,
        features_params=features_params,
        corpus_params=corpus_params,
        code=code_extract,
        encoders=encoders,
        **user_presets,
    )
    return Prepared(planned.outputs["Output"], manifest, folds.outputs["splits"], stored.outputs["features"])
