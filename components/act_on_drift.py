"""The consequence of a drift."""

from kfp import dsl
from kfp.dsl import Markdown, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def act_on_drift(request: str, outcome: str, summary: Output[Markdown]) -> str:
    """Say what follows; fail, or start a retraining, if the settings ask for that."""
    from merflow.jobs import steps

    return steps.act_on_drift(request, outcome=outcome, summary=summary.path)
