"""The plan of a promotion: one request per step."""

from typing import NamedTuple

from kfp import dsl

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def plan_promotion(
    models: list[str],
    variant: str,
    kind: str,
    registered_name: str,
    mode: str,
    policy: str,
    coverage: float,
    stress_utterances: int,
    approval_h: float,
    corpus: str,
    root: str,
    size: str,
    workspace: str,
    name: str,
    quarantine: bool,
    transcribe: bool,
    profile: str,
    presets: str,
    params: str,
    digests: str,
    command: str,
) -> NamedTuple(  # type: ignore[valid-type]
    "Requests",
    [
        ("index", str),
        ("validate", str),
        ("transcribe", str),
        ("split", str),
        ("extract", str),
        ("list_folds", str),
        ("classics", str),
        ("track", str),
        ("evaluate", str),
        ("package", str),
        ("register", str),
        ("gate", str),
        ("promote", str),
    ],
):
    """Return the request of every step; wrong names and settings fail here, before anything runs."""
    from merflow.jobs import steps

    return steps.plan_promotion(
        models=models,
        variant=variant,
        kind=kind,
        registered_name=registered_name,
        mode=mode,
        policy=policy,
        coverage=coverage,
        stress_utterances=stress_utterances,
        approval_h=approval_h,
        corpus=corpus,
        root=root,
        size=size,
        workspace=workspace,
        name=name,
        quarantine=quarantine,
        transcribe=transcribe,
        profile=profile,
        presets=presets,
        params=params,
        digests=digests,
        command=command,
    )
