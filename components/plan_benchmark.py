"""The plan of a benchmark: a request for each of its steps."""

from typing import NamedTuple

from kfp import dsl

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def plan_benchmark(
    models: list[str],
    corpus: str,
    root: str,
    size: str,
    workspace: str,
    name: str,
    quarantine: bool,
    transcribe: bool,
    presets: str,
    params: str,
    command: str,
) -> NamedTuple(  # type: ignore[valid-type]
    "Requests",
    [
        ("Output", list[str]),
        ("index", str),
        ("validate", str),
        ("transcribe", str),
        ("split", str),
        ("extract", str),
        ("classics", str),
        ("track", str),
        ("evaluate", str),
    ],
):
    """Make the request of every step; wrong names and settings fail here, before anything runs.

    `Output` has the requests of training, one for each fold. It has this name because a local run finds the items of a
    loop under no other.
    """
    from merflow.jobs import steps

    return steps.plan_benchmark(
        models=models,
        corpus=corpus,
        root=root,
        size=size,
        workspace=workspace,
        name=name,
        quarantine=quarantine,
        transcribe=transcribe,
        presets=presets,
        params=params,
        command=command,
    )
