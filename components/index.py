"""A corpus into a manifest."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def index(
    corpus: str,
    root: str,
    size: str,
    video: bool,
    workspace: str,
    corpus_params: str,
    code: str,
    data: str,
    manifest: Output[Dataset],
) -> None:
    """Reads the corpus at ``root``; ``synthetic`` is generated in the workspace first, with video or without."""
    from merflow.jobs import steps

    steps.index(
        corpus=corpus,
        root=root,
        size=size,
        video=video,
        workspace=workspace,
        params=corpus_params,
        manifest=manifest.path,
    )
