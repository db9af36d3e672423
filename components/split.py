"""A validated manifest into folds."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Markdown, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def split(
    manifest: Input[Dataset],
    splits_params: str,
    code: str,
    splits: Output[Dataset],
    summary: Output[Markdown],
) -> None:
    """Speaker-disjoint folds and a readable summary of them."""
    from merflow.jobs import steps

    steps.split(manifest=manifest.path, params=splits_params, splits=splits.path, summary=summary.path)
