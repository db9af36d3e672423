"""The plan of a benchmark: one request per step."""

from typing import NamedTuple

from kfp import dsl

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def plan_benchmark(
    models: list[str],
    corpus: str,
    root: str,
    size: str,
    task: str,
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
    ],
):
    """Return the request of every step; wrong names and settings fail here, before anything runs."""
    from merflow.jobs import steps

    return steps.plan_benchmark(
        models=models,
        corpus=corpus,
        root=root,
        size=size,
        task=task,
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
