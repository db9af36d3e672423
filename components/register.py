"""The registration of a package as a version of the registered model."""

from kfp import dsl
from kfp.dsl import Artifact, Input

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def register(request: str, package: Input[Artifact], features: Input[Artifact], run: Input[Artifact]) -> str:
    """Register the package as the candidate, or find its existing version; return the version number."""
    from merflow.jobs import steps

    return steps.register(request, package=package.path, features=features.path, run=run.path)
