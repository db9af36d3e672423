"""``benchmark``: a corpus to compared, tracked models.

The first step plans the run: it turns the few parameters below into one request for each step (``jobs.plan``). The
folds follow from the corpus, so they are listed once it is split. Each item of the loop is the path of a fold's request
in the workspace, which has its digest, and the loop takes nothing else. So KFP caches a fold by what the fold reads. A
fold hands on its fingerprint, under which the workspace has its folder: a thousand of them fit into one argument.
"""

from dataclasses import dataclass
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact
from kfp.dsl.pipeline_channel import PipelineChannel
from kfp.dsl.pipeline_task import PipelineTask

from merflow.components.classics import classics
from merflow.components.evaluate import evaluate
from merflow.components.list_folds import list_folds
from merflow.components.plan_benchmark import plan_benchmark
from merflow.components.track import track
from merflow.components.train import train
from merflow.pipelines.preparation import FOLDS, Prepared, fresh_digests, prepare


class Outputs(NamedTuple):
    """The results: ``results.json`` and the report."""

    results: Artifact
    report: HTML


@dataclass(frozen=True)
class Measured:
    """The outputs of a benchmark's steps, for those that follow."""

    ready: Prepared
    run: PipelineChannel
    folds: PipelineChannel
    results: PipelineChannel
    report: PipelineChannel


def measure(plan: PipelineTask) -> Measured:
    """Add all steps of a benchmark that follow its plan to the pipeline that calls it; ``promote`` has them as well."""
    ready = prepare(plan)
    baselines = classics(
        request=plan.outputs["classics"], manifest=ready.manifest, splits=ready.splits, features=ready.features
    )
    run = track(request=plan.outputs["track"], manifest=ready.manifest, splits=ready.splits, features=ready.features)
    listed = list_folds(
        request=plan.outputs["list_folds"],
        manifest=ready.manifest,
        splits=ready.splits,
        features=ready.features,
        run=run.outputs["run"],
    )
    listed.set_caching_options(enable_caching=False)  # it looks at the workspace, which no parameter tells
    with dsl.ParallelFor(listed.output, name=FOLDS) as fold:
        trained = train(request=fold)
    compared = evaluate(
        request=plan.outputs["evaluate"],
        folds=dsl.Collected(trained.outputs["Output"]),
        manifest=ready.manifest,
        splits=ready.splits,
        run=run.outputs["run"],
        classics=baselines.outputs["classics"],
    )
    return Measured(
        ready=ready,
        run=run.outputs["run"],
        folds=trained.outputs["Output"],
        results=compared.outputs["results"],
        report=compared.outputs["report"],
    )


@dsl.pipeline(
    name="merflow-benchmark",
    description="Validate, transcribe, split, extract, train every fold and the classics, evaluate.",
)
def benchmark(
    models: list[str],
    corpus: str = "synthetic",
    root: str = "",
    size: str = "small",
    task: str = "",
    workspace: str = "/workspace",
    name: str = "benchmark",
    quarantine: bool = False,
    transcribe: bool = False,
    profile: str = "",
    presets: str = "",
    params: str = "",
    command: str = "",
) -> Outputs:
    """Define the graph.

    Args:
        models: Variants to train, ``model:preset`` each.
        corpus: Name of the corpus's reader: ``iemocap``, ``table`` or ``synthetic``.
        root: Release folder or utterance table, as pods see it; not needed for ``synthetic``.
        size: Size of the synthetic corpus: ``tiny``, ``small`` or ``full``.
        task: The task, such as ``emotion`` or ``valence``; empty for the one that ``splits.task`` names.
        workspace: Folder that all steps share: store, checkpoints, the synthetic corpus.
        name: Name of the run in MLflow and title of the report.
        quarantine: Set bad rows aside instead of failing.
        transcribe: Transcribe the recordings with Whisper.
        profile: Text of a profile of your own encoders; empty for the one that ``features.profile`` names.
        presets: Text of a file of your own presets, which ``models`` may name.
        params: Changes to ``params.yaml``, as YAML or JSON, for example ``{training: {max_epochs: 6}}``.
        command: Command that repeats the run, printed in the report.
    """
    digests = fresh_digests(
        corpus=corpus, root=root, transcribe=transcribe, profile=profile, params=params, workspace=workspace
    )
    plan = plan_benchmark(
        models=models,
        corpus=corpus,
        root=root,
        size=size,
        task=task,
        workspace=workspace,
        name=name,
        quarantine=quarantine,
        transcribe=transcribe,
        profile=profile,
        presets=presets,
        params=params,
        digests=digests,
        command=command,
    )
    done = measure(plan)
    return Outputs(results=done.results, report=done.report)
