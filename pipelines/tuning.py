"""``tune``: a corpus to a variant's best parameters, with workers that share one study.

As in ``benchmark``, the first step plans the run, and the loop takes its item and artifacts alone. The study is created
before the loop, because two workers must not create a database's tables at the same time. Without a database server
the workers share SQLite in the workspace, which needs a volume whose locks work; use a server for workers on many
machines.
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact

from merflow.components.choose_trial import choose_trial
from merflow.components.open_study import open_study
from merflow.components.plan_tuning import plan_tuning
from merflow.components.run_trials import run_trials
from merflow.pipelines.preparation import fresh_digests, prepare


class Outputs(NamedTuple):
    """The results: the preset, the study's summary, and its page."""

    presets: Artifact
    summary: Artifact
    page: HTML


@dsl.pipeline(name="merflow-tune", description="Validate, transcribe, split, extract, run trials, choose the best.")
def tune(
    models: list[str],
    corpus: str = "synthetic",
    root: str = "",
    size: str = "small",
    task: str = "",
    workspace: str = "/workspace",
    name: str = "tune",
    preset: str = "",
    quarantine: bool = False,
    transcribe: bool = False,
    profile: str = "",
    params: str = "",
) -> Outputs:
    """Define the graph.

    Args:
        models: The variant to tune, ``model:preset``, as a list of one.
        corpus: Name of the corpus's reader: ``iemocap``, ``table`` or ``synthetic``.
        root: Release folder or utterance table, as pods see it; not needed for ``synthetic``.
        size: Size of the synthetic corpus: ``tiny``, ``small`` or ``full``.
        task: The task, such as ``emotion`` or ``valence``; empty for the one that ``splits.task`` names.
        workspace: Folder that all steps share: store, checkpoints, the synthetic corpus, the study.
        name: Name of the study in its database and of its run in MLflow.
        preset: Name of the new preset, without its model; by default the variant's name with ``-tuned`` appended.
        quarantine: Set bad rows aside instead of failing.
        transcribe: Transcribe the recordings with Whisper.
        profile: Text of a profile of your own encoders; empty for the one that ``features.profile`` names.
        params: Changes to ``params.yaml``, as YAML or JSON, for example ``{tuning: {trials: 100}}``.
    """
    digests = fresh_digests(
        corpus=corpus, root=root, transcribe=transcribe, profile=profile, params=params, workspace=workspace
    )
    plan = plan_tuning(
        models=models,
        corpus=corpus,
        root=root,
        size=size,
        task=task,
        workspace=workspace,
        name=name,
        preset=preset,
        quarantine=quarantine,
        transcribe=transcribe,
        profile=profile,
        params=params,
        digests=digests,
    )
    ready = prepare(plan)
    opened = open_study(
        request=plan.outputs["study"], manifest=ready.manifest, splits=ready.splits, features=ready.features
    )
    with dsl.ParallelFor(plan.outputs["Output"], name="workers") as worker:
        worked = run_trials(
            request=worker,
            manifest=ready.manifest,
            splits=ready.splits,
            features=ready.features,
            study=opened.outputs["study"],
            run=opened.outputs["run"],
        )
    chosen = choose_trial(
        request=plan.outputs["choice"],
        trials=dsl.Collected(worked.output),
        manifest=ready.manifest,
        splits=ready.splits,
        features=ready.features,
        study=opened.outputs["study"],
        run=opened.outputs["run"],
    )
    chosen.set_caching_options(enable_caching=False)  # repeating a run uploads what an unreachable MLflow missed
    return Outputs(presets=chosen.outputs["presets"], summary=chosen.outputs["summary"], page=chosen.outputs["page"])
