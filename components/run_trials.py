"""One worker of a study."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def run_trials(
    request: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    study: Input[Artifact],
    run: Input[Artifact],
) -> str:
    """Run trials until the study has enough finished ones; return how many this worker ran, as JSON."""
    from merflow.jobs import steps

    return steps.run_trials(
        request,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        study=study.path,
        run=run.path,
    )
