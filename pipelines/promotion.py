"""``promote``: a corpus to a champion: the steps of ``benchmark``, and those that follow from its results.

The gate decides and shows why; a step of its own then moves the alias. KFP keeps no page of a step that fails. So a
refused version has a page with all checks at ``gate``, and the run fails at ``promote``, with the reasons. ``promote``
is also where a run waits for a person. Registration, gate and promotion are never cached: they look at the registry.
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Markdown

from merflow.components.gate import gate
from merflow.components.package import package
from merflow.components.plan_promotion import plan_promotion
from merflow.components.promote import promote as promote_version
from merflow.components.register import register
from merflow.pipelines.benchmark import measure
from merflow.pipelines.preparation import fresh_digests


class Outputs(NamedTuple):
    """The results of the benchmark, its report, the model card, and the decision of the gate."""

    results: Artifact
    report: HTML
    card: HTML
    decision: Markdown


@dsl.pipeline(
    name="merflow-promote",
    description="Benchmark, package the best variant, register it, compare it with the champion, promote it.",
)
def promote(
    models: list[str],
    variant: str = "best",
    kind: str = "refit",
    registered_name: str = "merflow",
    mode: str = "enforce",
    policy: str = "",
    coverage: float = 0.9,
    stress_utterances: int = 400,
    approval_h: float = 0.0,
    corpus: str = "synthetic",
    root: str = "",
    size: str = "small",
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
        models: Variants of the benchmark, ``model:preset`` each.
        variant: The variant to promote, or ``best`` for the one with the highest UA.
        kind: ``refit`` trains it on all data; ``ensemble`` keeps the models of its folds.
        registered_name: The registered model in MLflow.
        mode: ``enforce``, ``warn`` to promote in spite of failed checks, or ``dry-run`` to record nothing.
        policy: Text of a policy file for the gate; empty for merflow's own.
        coverage: Share of the conformal sets that should contain the true emotion.
        stress_utterances: Number of test utterances of the stress suite; 0 leaves it out.
        approval_h: Hours to wait for a person's approval before the alias moves; 0 asks for none.
        corpus: Name of the corpus's reader: ``iemocap``, ``table`` or ``synthetic``.
        root: Release folder or utterance table, as pods see it; not needed for ``synthetic``.
        size: Size of the synthetic corpus: ``tiny``, ``small`` or ``full``.
        workspace: Folder that all steps share: store, checkpoints, the synthetic corpus.
        name: Name of the run in MLflow and title of the report.
        quarantine: Set bad rows aside instead of failing.
        transcribe: Transcribe the recordings with Whisper.
        profile: Text of a profile of your own encoders; empty for the one that ``features.profile`` names.
        presets: Text of a file of your own presets, which ``models`` may name.
        params: Changes to ``params.yaml``, as YAML or JSON, for example ``{training: {max_epochs: 6}}``.
        command: Command that repeats the benchmark, printed in the report.
    """
    digests = fresh_digests(
        corpus=corpus, root=root, transcribe=transcribe, profile=profile, params=params, workspace=workspace
    )
    plan = plan_promotion(
        models=models,
        variant=variant,
        kind=kind,
        registered_name=registered_name,
        mode=mode,
        policy=policy,
        coverage=coverage,
        stress_utterances=stress_utterances,
        approval_h=approval_h,
        corpus=corpus,
        root=root,
        size=size,
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
    features = done.ready.features
    packaged = package(
        request=plan.outputs["package"],
        folds=dsl.Collected(done.folds),
        manifest=done.ready.manifest,
        splits=done.ready.splits,
        features=features,
        run=done.run,
        results=done.results,
    )
    version = register(
        request=plan.outputs["register"], package=packaged.outputs["package"], features=features, run=done.run
    )
    decided = gate(request=plan.outputs["gate"], version=version.output, features=features, run=done.run)
    promoted = promote_version(request=plan.outputs["promote"], outcome=decided.outputs["Output"], run=done.run)
    for step in (version, decided, promoted):
        step.set_caching_options(enable_caching=False)
    return Outputs(
        results=done.results,
        report=done.report,
        card=packaged.outputs["card"],
        decision=decided.outputs["decision"],
    )
