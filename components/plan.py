"""Which folds to train, and what the corpus must have for them."""

from typing import NamedTuple

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def plan(
    models: list[str], splits_params: str, features_params: str, plan_params: str, code: str, presets: str = ""
) -> NamedTuple("Planned", [("Output", list[str]), ("video", bool)]):  # type: ignore[valid-type]
    """One ``model:preset:fold`` or ``model:preset:fold:seed`` an item; unknown names fail before anything runs.

    ``video`` says whether one of the models reads it. The items are called ``Output`` because a local run finds what a
    loop is over under no other name.
    """
    from merflow.jobs import steps

    return steps.plan(
        models,
        splits_params=splits_params,
        features_params=features_params,
        plan_params=plan_params,
        presets=presets,
    )
