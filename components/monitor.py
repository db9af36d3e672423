"""The comparison of a window of traffic with the model's reference data."""

from kfp import dsl
from kfp.dsl import HTML, Metrics, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def monitor(request: str, page: Output[HTML], metrics: Output[Metrics]) -> str:
    """Compare traffic and reference, and show the result; return the outcome as JSON.

    Drift does not fail this step, because KFP drops the page of a failed step. `act_on_drift` can fail instead.
    """
    from merflow.jobs import steps

    outcome, metrics.metadata = steps.monitor(request, page=page.path, metrics=metrics.path)
    return outcome
