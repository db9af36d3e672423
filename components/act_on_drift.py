"""The reaction to a drift check."""

from kfp import dsl
from kfp.dsl import Markdown, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def act_on_drift(request: str, outcome: str, summary: Output[Markdown]) -> str:
    """Report what follows from the check; on drift, fail or start a retraining if the settings ask for it."""
    from merflow.jobs import steps

    return steps.act_on_drift(request, outcome=outcome, summary=summary.path)
