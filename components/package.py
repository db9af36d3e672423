"""The model package of a benchmark's variant."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def package(
    request: str,
    folds: list[str],
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    run: Input[Artifact],
    results: Input[Artifact],
    package: Output[Artifact],
    card: Output[HTML],
    stress: Output[HTML],
) -> None:
    """Refit the variant or keep its fold models, calibrate, run the stress suite and write the model card.

    `folds` holds the fingerprints under which the workspace stores the folds.
    """
    from merflow.jobs import steps

    package.metadata["variant"] = steps.package(
        request,
        folds=folds,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        run=run.path,
        results=results.path,
        package=package.path,
        card=card.path,
        stress=stress.path,
    )
