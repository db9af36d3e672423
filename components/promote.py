"""The promotion of an accepted version to champion."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Markdown, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def promote(request: str, outcome: str, run: Input[Artifact], summary: Output[Markdown]) -> str:
    """Move the alias, after a person's approval if one is required; fail with the reasons if the gate refused."""
    from merflow.jobs import steps

    return steps.promote(request, outcome=outcome, run=run.path, summary=summary.path)
