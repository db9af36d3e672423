"""Learned baselines (classics) on the folds of a benchmark."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def classics(
    request: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    classics: Output[Artifact],
) -> None:
    """Train the TF-IDF and functionals baselines on the same folds; the artifact is a folder with a table for each."""
    from merflow.jobs import steps

    classics.metadata["classics"] = steps.classics(
        request, manifest=manifest.path, splits=splits.path, features=features.path, classics=classics.path
    )
