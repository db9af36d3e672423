"""Which folds to train."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def plan(
    models: list[str], splits_params: str, features_params: str, plan_params: str, code: str, presets: str = ""
) -> list[str]:
    """One ``model:preset:fold`` or ``model:preset:fold:seed`` an item; unknown names fail before anything runs."""
    from merflow.jobs import steps

    return steps.plan(
        models,
        splits_params=splits_params,
        features_params=features_params,
        plan_params=plan_params,
        presets=presets,
    )
