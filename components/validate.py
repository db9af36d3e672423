"""The validation of a manifest and its media."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def validate(
    request: str,
    manifest: Input[Dataset],
    validated: Output[Dataset],
    summary: Output[HTML],
    docs: Output[Artifact],
    set_aside: Output[Dataset],
) -> None:
    """Check the manifest; fail with a list of all problems, or set bad rows aside if quarantine is on."""
    from merflow.jobs import steps

    steps.validate(
        request,
        manifest=manifest.path,
        validated=validated.path,
        summary=summary.path,
        docs=docs.path,
        set_aside=set_aside.path,
    )
