"""A study that workers add trials to."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def search(
    models: list[str],
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    name: str,
    workspace: str,
    training_params: str,
    tuning_params: str,
    tracking_params: str,
    code: str,
    search: Output[Artifact],
    run: Output[Artifact],
) -> list[str]:
    """Makes the study and its run, or finds them again, before any worker starts; one item a worker."""
    from merflow.jobs import steps

    return steps.search(
        models,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        name=name,
        workspace=workspace,
        training_params=training_params,
        tracking_params=tracking_params,
        params=tuning_params,
        search=search.path,
        run=run.path,
    )
