"""Steps of the pipeline ``monitor``."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from merflow.contracts.monitoring_requests import ActRequest, MonitorOutcome, MonitorRequest
from merflow.contracts.progress import saying_errors
from merflow.jobs.steps.shared_files import SharedFiles
from merflow.storage.local import write_json


@saying_errors()
def plan_monitoring(*, workspace: str, params: str, **settings: Any) -> tuple[str, str]:  # noqa: ANN401 - as the settings
    """Run :func:`merflow.jobs.plan_monitoring.plan_monitoring`; return the requests of monitor and act, as JSON."""
    from merflow.contracts.monitoring_requests import MonitoringSettings
    from merflow.contracts.strict import parse
    from merflow.jobs.plan_monitoring import plan_monitoring as job

    chosen = parse(MonitoringSettings, settings, where="parameters of monitor")
    compare, act = job(chosen, workspace=workspace, params=params)
    return compare.to_json(), act.to_json()


@saying_errors()
def monitor(request: str, *, page: str, metrics: str) -> tuple[str, dict[str, float]]:
    """Run :func:`merflow.jobs.monitor.monitor`; ``page`` is HTML. A drift is an outcome, and no error.

    Returns:
        The outcome as JSON, and figures.
    """
    from merflow.jobs.monitor import MonitorRequest as Comparison
    from merflow.jobs.monitor import monitor as job
    from merflow.monitoring.page.page import write_page
    from merflow.monitoring.verdict import drift_verdict

    parsed = MonitorRequest.from_json(request)
    settings = parsed.settings
    shared = SharedFiles(Path(parsed.workspace))
    for path in (settings.traffic, settings.reference, settings.labels):
        if path:
            shared.fetch(Path(path), immutable=False)
            shared.fetch_below(Path(path))
    asked = Comparison(
        traffic=(Path(settings.traffic),),
        model=settings.model,
        reference=(Path(settings.reference),) if settings.reference else (),
        labels=Path(settings.labels) if settings.labels else None,
        since=settings.since,
        alpha=settings.alpha,
        min_clips=settings.min_clips,
        tracking_uri=parsed.tracking_uri,
    )
    command = f"merflow monitor {settings.traffic} --model {settings.model}"
    with TemporaryDirectory(prefix="merflow-monitor-") as folder:
        results, _ = job(asked, out=Path(folder), command=command)
    write_page(results, Path(page), command=command)
    figures = {f"{check.name}_adjusted_p": check.adjusted for check in results.checks}
    figures |= {f"{check.name}_psi": check.psi for check in results.numbers}
    figures |= {"clips": float(results.clips), "drifted": float(len(results.drifted))}
    write_json(Path(metrics), figures)
    names = tuple(check.name for check in results.drifted)
    return MonitorOutcome(headline=drift_verdict(results).headline, drifted=names).to_json(), figures


@saying_errors()
def act_on_drift(request: str, *, outcome: str, summary: str) -> str:
    """Run :func:`merflow.jobs.act_on_drift.act_on_drift`; ``summary`` is Markdown, which is returned as well."""
    from merflow.jobs.act_on_drift import act_on_drift as job

    text = job(ActRequest.from_json(request).settings, MonitorOutcome.from_json(outcome))
    Path(summary).write_text(f"{text}\n", encoding="utf-8")
    return text
