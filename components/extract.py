"""Feature extraction into the store."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def extract(request: str, manifest: Input[Dataset], features: Output[Artifact]) -> None:
    """Fill the workspace's feature store; the artifact holds its location and the number of inputs set aside."""
    from merflow.jobs import steps

    features.metadata["set_aside"] = steps.extract(request, manifest=manifest.path, features=features.path)
