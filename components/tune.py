"""One worker of a study."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def tune(
    worker: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    search: Input[Artifact],
    run: Input[Artifact],
    workspace: str,
    code: str,
    tried: Output[Artifact],
) -> None:
    """Tries values until the study has its number of finished trials, whoever else works on it."""
    from merflow.jobs import steps

    steps.tune(
        worker,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        search=search.path,
        run=run.path,
        workspace=workspace,
        tried=tried.path,
    )
