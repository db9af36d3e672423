"""The benchmark's parent run in MLflow."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def track(
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    models: list[str],
    name: str,
    workspace: str,
    training_params: str,
    plan_params: str,
    tracking_params: str,
    code: str,
    run: Output[Artifact],
) -> None:
    """Opens, or finds again, the parent run under which the folds appear."""
    from merflow.jobs import steps

    steps.track(
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        models=models,
        name=name,
        workspace=workspace,
        training_params=training_params,
        plan_params=plan_params,
        params=tracking_params,
        run=run.path,
    )
