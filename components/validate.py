"""A manifest and its media against their expectations."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def validate(
    manifest: Input[Dataset],
    quarantine: bool,
    corpus_params: str,
    code: str,
    data: str,
    validated: Output[Dataset],
    summary: Output[HTML],
    docs: Output[Artifact],
    set_aside: Output[Dataset],
) -> None:
    """Fails with a list of what is wrong, or with ``quarantine`` sets the bad rows aside with their reasons."""
    from merflow.jobs import steps

    steps.validate(
        manifest=manifest.path,
        quarantine=quarantine,
        params=corpus_params,
        validated=validated.path,
        summary=summary.path,
        docs=docs.path,
        set_aside=set_aside.path,
    )
