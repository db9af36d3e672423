"""The folds of a validated manifest."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Markdown, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def split(request: str, manifest: Input[Dataset], splits: Output[Dataset], summary: Output[Markdown]) -> None:
    """Draw speaker-disjoint folds and write a readable summary of them."""
    from merflow.jobs import steps

    steps.split(request, manifest=manifest.path, splits=splits.path, summary=summary.path)
