"""The plan of monitoring: one request per step."""

from typing import NamedTuple

from kfp import dsl

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def plan_monitoring(
    traffic: str,
    model: str,
    reference: str,
    labels: str,
    since: str,
    alpha: float,
    min_clips: int,
    on_drift: str,
    retrain: str,
    arguments: str,
    kfp: str,
    namespace: str,
    workspace: str,
    params: str,
) -> NamedTuple("Requests", [("monitor", str), ("act", str)]):  # type: ignore[valid-type]
    """Return the request of every step; wrong settings fail here, before anything runs."""
    from merflow.jobs import steps

    return steps.plan_monitoring(
        traffic=traffic,
        model=model,
        reference=reference,
        labels=labels,
        since=since,
        alpha=alpha,
        min_clips=min_clips,
        on_drift=on_drift,
        retrain=retrain,
        arguments=arguments,
        kfp=kfp,
        namespace=namespace,
        workspace=workspace,
        params=params,
    )
