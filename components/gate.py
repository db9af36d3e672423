"""The comparison of a version with the champion."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Markdown, Metrics, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def gate(
    request: str,
    version: str,
    features: Input[Artifact],
    run: Input[Artifact],
    decision: Output[Markdown],
    metrics: Output[Metrics],
) -> str:
    """Decide on the version, record the decision and show it with all checks; return the outcome as JSON.

    A refusal does not fail this step, because KFP drops the page of a failed step. `promote` fails instead.
    """
    from merflow.jobs import steps

    outcome, metrics.metadata = steps.gate(
        request, version=version, features=features.path, run=run.path, decision=decision.path, metrics=metrics.path
    )
    return outcome
