"""The manifest of a corpus."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def index(request: str, manifest: Output[Dataset]) -> None:
    """Read the corpus and write its manifest; a synthetic corpus is generated in the workspace first."""
    from merflow.jobs import steps

    steps.index(request, manifest=manifest.path)
