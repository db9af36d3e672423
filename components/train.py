"""One trained fold of one variant."""

from kfp import dsl
from kfp.dsl import Markdown, Metrics, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def train(request: str, metrics: Output[Metrics], summary: Output[Markdown]) -> str:
    """Train the fold, store it in the workspace and return its fingerprint; the epoch is chosen on development data.

    `request` is the path of the request in the workspace; the path contains its digest.
    """
    from merflow.jobs import steps

    fingerprint, metrics.metadata = steps.train(request, metrics=metrics.path, summary=summary.path)
    return fingerprint
