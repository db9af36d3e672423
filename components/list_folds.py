"""The folds of a benchmark: a request for each training."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def list_folds(
    request: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    run: Input[Artifact],
) -> list[str]:
    """Write the request of every training into the workspace; their number follows from the splits.

    A single output is called `Output`, and a local run finds the items of a loop under no other name.
    """
    from merflow.jobs import steps

    return steps.list_folds(request, manifest=manifest.path, splits=splits.path, features=features.path, run=run.path)
