"""The folds of a benchmark: one request per training."""

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
    """Write one request per training into the workspace; the splits determine how many.

    KFP calls a single output `Output`, and a local run looks for the items of a loop under this name only.
    """
    from merflow.jobs import steps

    return steps.list_folds(request, manifest=manifest.path, splits=splits.path, features=features.path, run=run.path)
