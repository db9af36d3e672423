"""The plan of a study: one request per step."""

from typing import NamedTuple

from kfp import dsl

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def plan_tuning(
    models: list[str],
    corpus: str,
    root: str,
    size: str,
    task: str,
    workspace: str,
    name: str,
    preset: str,
    quarantine: bool,
    transcribe: bool,
    profile: str,
    params: str,
    digests: str,
) -> NamedTuple(  # type: ignore[valid-type]
    "Requests",
    [
        ("Output", list[str]),
        ("index", str),
        ("validate", str),
        ("transcribe", str),
        ("split", str),
        ("extract", str),
        ("study", str),
        ("choice", str),
    ],
):
    """Return the request of every step; wrong names and settings fail here, before anything runs.

    `Output` holds the requests of the workers, because a local run looks for the items of a loop under this name only.
    """
    from merflow.jobs import steps

    return steps.plan_tuning(
        models=models,
        corpus=corpus,
        root=root,
        size=size,
        task=task,
        workspace=workspace,
        name=name,
        preset=preset,
        quarantine=quarantine,
        transcribe=transcribe,
        profile=profile,
        presets="",
        params=params,
        digests=digests,
    )
