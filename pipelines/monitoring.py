"""``monitor``: a window of traffic against what the model was measured on, and what follows from a drift.

It is made for a schedule. No step is ever cached, for the traffic grows and the registry's aliases move. It starts a
retraining only if ``on_drift`` is ``retrain``: then the newest version of the pipeline that ``retrain`` names.
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Markdown

from merflow.components.act_on_drift import act_on_drift
from merflow.components.monitor import monitor as compare
from merflow.components.plan_monitoring import plan_monitoring


class Outputs(NamedTuple):
    """The page of the comparison, and a sentence about what follows."""

    page: HTML
    summary: Markdown


@dsl.pipeline(name="merflow-monitor", description="Compare traffic with held-out data; report, fail or retrain.")
def monitor(
    traffic: str,
    model: str = "models:/merflow@champion",
    reference: str = "",
    labels: str = "",
    since: str = "",
    alpha: float = 0.01,
    min_clips: int = 100,
    on_drift: str = "report",
    retrain: str = "",
    arguments: str = "{}",
    kfp: str = "http://ml-pipeline.kubeflow:8888",
    namespace: str = "",
    workspace: str = "/workspace",
    params: str = "",
) -> Outputs:
    """Define the graph.

    Args:
        traffic: Log of ``merflow serve --log-predictions`` or folder of such logs, as pods see it.
        model: The model that answered: ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.
        reference: Earlier traffic to compare with; empty for the held-out data of the model's package.
        labels: CSV file of labels that came back, with ``clip_id,label``; empty without any.
        since: Start of the window: a date, a time, or a span such as ``7d``; empty for all traffic.
        alpha: Level of all checks together.
        min_clips: Clips below which nothing is compared.
        on_drift: ``report`` shows a drift, ``fail`` lets the run fail as well, ``retrain`` starts another pipeline.
        retrain: Name in KFP of the pipeline that a drift starts, such as ``merflow-promote``.
        arguments: Parameters of that pipeline, as JSON.
        kfp: Address of KFP's API, as pods see it.
        namespace: Namespace of the run that a drift starts; empty for a server without namespaces.
        workspace: Folder that all steps share.
        params: Changes to ``params.yaml``, as YAML or JSON, for example ``{tracking: {uri: "http://mlflow:5000"}}``.
    """
    plan = plan_monitoring(
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
    compared = compare(request=plan.outputs["monitor"])
    acted = act_on_drift(request=plan.outputs["act"], outcome=compared.outputs["Output"])
    for task in (plan, compared, acted):
        task.set_caching_options(enable_caching=False)
    return Outputs(page=compared.outputs["page"], summary=acted.outputs["summary"])
