"""The steps from a corpus to features, which every pipeline begins with."""

from dataclasses import dataclass

from kfp.dsl.pipeline_channel import PipelineChannel
from kfp.dsl.pipeline_task import PipelineTask

from merflow.components.extract import extract
from merflow.components.fingerprint import fingerprint
from merflow.components.index import index
from merflow.components.split import split
from merflow.components.transcribe import transcribe
from merflow.components.validate import validate

FOLDS = "folds"  # name of the loop over folds


@dataclass(frozen=True)
class Prepared:
    """Artifacts of these steps, for those that follow."""

    manifest: PipelineChannel
    splits: PipelineChannel
    features: PipelineChannel


def fresh_digests(**files: object) -> PipelineChannel:
    """Add the step that digests the corpus and the encoders to the pipeline that calls it, and return its output.

    KFP must not take its result from the cache: it reads files, and no parameter of a run says what they contain.

    Args:
        files: Arguments of :func:`merflow.components.fingerprint.fingerprint`.
    """
    digests = fingerprint(**files)
    digests.set_caching_options(enable_caching=False)
    return digests.output


def prepare(plan: PipelineTask) -> Prepared:
    """Add index, validate, transcribe, split and extract to the pipeline that calls it.

    This is a plain function rather than a pipeline inside another: its steps belong to the caller's own graph.

    Args:
        plan: The step that makes the requests. It is never reused from KFP's cache, because it looks at files and code
            that no parameter of a run mentions.
    """
    plan.set_caching_options(enable_caching=False)
    requests = plan.outputs
    indexed = index(request=requests["index"])
    checked = validate(request=requests["validate"], manifest=indexed.outputs["manifest"])
    transcribed = transcribe(request=requests["transcribe"], manifest=checked.outputs["validated"])
    manifest = transcribed.outputs["transcribed"]
    folds = split(request=requests["split"], manifest=manifest)
    stored = extract(request=requests["extract"], manifest=manifest)
    return Prepared(manifest, folds.outputs["splits"], stored.outputs["features"])
