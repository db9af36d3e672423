"""A window of traffic against what the model was measured on."""

from kfp import dsl
from kfp.dsl import HTML, Metrics, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def monitor(request: str, page: Output[HTML], metrics: Output[Metrics]) -> str:
    """Compare, and show it; return the outcome as JSON.

    A drift does not fail this step, because KFP keeps no page of a step that fails. `act_on_drift` fails, if asked to.
    """
    from merflow.jobs import steps

    outcome, metrics.metadata = steps.monitor(request, page=page.path, metrics=metrics.path)
    return outcome
