"""Features into the store."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def extract(
    manifest: Input[Dataset],
    models: list[str],
    workspace: str,
    features_params: str,
    corpus_params: str,
    code: str,
    encoders: str,
    features: Output[Artifact],
    presets: str = "",
) -> None:
    """Fills the workspace's store with what the models need; the artifact says where it is, and what was set aside."""
    from merflow.jobs import steps

    features.metadata["set_aside"] = steps.extract(
        manifest=manifest.path,
        models=models,
        workspace=workspace,
        params=features_params,
        corpus_params=corpus_params,
        features=features.path,
        presets=presets,
    )
